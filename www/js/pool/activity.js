// Draws what one worker did in the last seconds: a strip that flows to the left, a bar for each run.

import { cssColor, sharpContext } from "../dom.js";

/** Length of the strip. */
export const WINDOW_MS = 20_000;
const MIN_BAR_PX = 2;

/**
 * @param {HTMLCanvasElement} canvas
 * @param {{ series: string, startMillis: number, endMillis: number, failed: boolean }[]} runs
 * @param {number} nowMillis
 */
export function drawActivity(canvas, runs, nowMillis) {
  const { context, width, height } = sharpContext(canvas);
  const xAt = (millis) => width * (1 - (nowMillis - millis) / WINDOW_MS);
  for (const { series, startMillis, endMillis, failed } of runs) {
    const right = xAt(endMillis);
    if (right < 0) continue;
    const left = xAt(startMillis);
    context.fillStyle = cssColor(canvas, failed ? "--bad" : series);
    context.fillRect(
      left,
      failed ? 0 : 3,
      Math.max(MIN_BAR_PX, right - left - 1),
      failed ? height : height - 6,
    );
  }
}
