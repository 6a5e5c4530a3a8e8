// Draws the sample picture: a sign with a tide table, as a page without any image files can.

const WIDTH = 960;
const HEIGHT = 540;

const LINES = [
  { text: "HARBOUR POOL", font: "bold 64px Georgia, 'DejaVu Serif', serif", x: 78, y: 128, color: "#0c3b46" },
  { text: "Low tide 06:42", font: "38px Georgia, 'DejaVu Serif', serif", x: 80, y: 222, color: "#1d4a54" },
  { text: "High tide 12:58", font: "38px Georgia, 'DejaVu Serif', serif", x: 80, y: 284, color: "#1d4a54" },
  { text: "Water 17 degrees", font: "38px Georgia, 'DejaVu Serif', serif", x: 80, y: 346, color: "#1d4a54" },
  {
    text: "Swim at your own risk",
    font: "italic 34px Georgia, 'DejaVu Serif', serif",
    x: 80,
    y: 452,
    color: "#9c3f1d",
  },
];

/** Paints the sign into `canvas`, at a size that a model reads well. */
export function drawSamplePicture(canvas) {
  canvas.width = WIDTH;
  canvas.height = HEIGHT;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#f3ead6";
  context.fillRect(0, 0, WIDTH, HEIGHT);
  context.strokeStyle = "#c9b98f";
  context.lineWidth = 6;
  context.strokeRect(24, 24, WIDTH - 48, HEIGHT - 48);
  drawWaves(context);
  for (const line of LINES) {
    context.font = line.font;
    context.fillStyle = line.color;
    context.fillText(line.text, line.x, line.y);
  }
}

function drawWaves(context) {
  context.lineWidth = 7;
  context.lineCap = "round";
  for (const [row, alpha] of [0.75, 0.5, 0.28].entries()) {
    context.strokeStyle = `rgb(31 122 122 / ${alpha})`;
    context.beginPath();
    for (let x = 620; x <= 872; x += 4) {
      const y = 250 + row * 44 + 12 * Math.sin(x / 20 + row);
      if (x === 620) context.moveTo(x, y);
      else context.lineTo(x, y);
    }
    context.stroke();
  }
}
