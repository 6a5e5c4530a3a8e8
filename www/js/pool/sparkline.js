// Draws recent latencies as a small line from zero, with the last one marked.

import { cssColor, sharpContext } from "../dom.js";

const PADDING = 4;

/**
 * @param {HTMLCanvasElement} canvas
 * @param {number[]} values Oldest first, not negative.
 * @param {string} series CSS custom property of the colour.
 */
export function drawSparkline(canvas, values, series) {
  const { context, width, height } = sharpContext(canvas);
  context.strokeStyle = cssColor(canvas, "--line-strong");
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(0, height - PADDING + 0.5);
  context.lineTo(width, height - PADDING + 0.5);
  context.stroke();
  if (values.length === 0) return;

  const highest = Math.max(...values);
  const step = (width - 2 * PADDING) / Math.max(1, values.length - 1);
  const points = values.map((value, index) => [
    PADDING + index * step,
    height - PADDING - (value / highest) * (height - 2 * PADDING),
  ]);
  const color = cssColor(canvas, series);
  context.strokeStyle = color;
  context.lineWidth = 1.5;
  context.lineJoin = "round";
  context.beginPath();
  for (const [x, y] of points) context.lineTo(x, y);
  context.stroke();
  const [x, y] = points.at(-1);
  context.fillStyle = color;
  context.beginPath();
  context.arc(x, y, 2.5, 0, 2 * Math.PI);
  context.fill();
}
