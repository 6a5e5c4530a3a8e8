// Draws a recording: its loudness over time, the stretches with speech behind it, the model's probability above it.

import { cssColor, sharpContext } from "../dom.js";
import { SAMPLE_RATE } from "../samples/voice.js";

const PADDING = 10;

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Float32Array} samples
 * @param {{ frameSeconds: number, probabilities: number[], segments: { startSeconds: number, endSeconds: number }[] }} [heard]
 */
export function drawWaveform(canvas, samples, heard) {
  const { context, width, height } = sharpContext(canvas);
  const xAt = (seconds) => (seconds * SAMPLE_RATE * width) / samples.length;
  if (heard) {
    context.fillStyle = cssColor(canvas, "--accent-soft");
    for (const { startSeconds, endSeconds } of heard.segments) {
      context.fillRect(xAt(startSeconds), 0, xAt(endSeconds) - xAt(startSeconds), height);
    }
  }

  context.fillStyle = cssColor(canvas, "--ink-soft");
  const middle = height / 2;
  const scale = (middle - PADDING) / Math.max(0.05, peak(samples, 0, samples.length));
  for (let x = 0; x < width; x++) {
    const from = Math.floor((x * samples.length) / width);
    const loudness = peak(samples, from, Math.floor(((x + 1) * samples.length) / width)) * scale;
    context.fillRect(x, middle - loudness - 0.5, 1, 2 * loudness + 1);
  }

  if (!heard) return;
  context.strokeStyle = cssColor(canvas, "--accent");
  context.lineWidth = 2;
  context.lineJoin = "round";
  context.beginPath();
  heard.probabilities.forEach((probability, index) => {
    const x = xAt((index + 0.5) * heard.frameSeconds);
    const y = height - PADDING - probability * (height - 2 * PADDING);
    if (index === 0) context.moveTo(x, y);
    else context.lineTo(x, y);
  });
  context.stroke();
}

function peak(samples, from, to) {
  let highest = 0;
  for (let index = from; index < to; index++) highest = Math.max(highest, Math.abs(samples[index]));
  return highest;
}
