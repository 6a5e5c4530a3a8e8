// Task: a picture in, the lines of text in it out, with a box around each.

import { find, make } from "../dom.js";
import { PageError } from "../fault.js";
import { drawSamplePicture } from "../samples/picture.js";
import { acceptFiles } from "./drop.js";
import { Panel } from "./panel.js";

const MODEL = "read-text";
/** Longer sides are scaled down to this many pixels before reading: what a phone's camera adds beyond is noise. */
const MAX_SIDE = 1600;
const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {HTMLElement} section
 * @param {import("../models.js").Models} models
 * @returns {import("../main.js").Task}
 */
export function mountPicture(section, models) {
  const panel = new Panel(section);
  const canvas = find("canvas", section);
  const button = find("button.primary", section);
  models.card(MODEL).then(
    (card) => panel.describe(card),
    (cause) => panel.fail(cause),
  );

  const clear = () => {
    find(".boxes", section).replaceChildren();
    find(".result", section).hidden = true;
  };
  const showSample = () => {
    clear();
    drawSamplePicture(canvas);
  };
  const showFile = (file) =>
    panel.perform(button, async () => {
      const picture = await decode(file);
      clear();
      const scale = Math.min(1, MAX_SIDE / Math.max(picture.width, picture.height));
      canvas.width = Math.max(1, Math.round(picture.width * scale));
      canvas.height = Math.max(1, Math.round(picture.height * scale));
      canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    });
  const inputs = () => ({ image: canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height) });

  acceptFiles(section, showFile, { pasteType: "image/" });
  find("[data-sample]", section).addEventListener("click", showSample);
  find("form", section).addEventListener("submit", (event) => {
    event.preventDefault();
    panel.perform(button, async () => {
      const { image } = inputs();
      const model = await models.load(MODEL, panel.progress);
      const run = await model.run({ image });
      showLines(section, image, run.result.lines);
      return run;
    });
  });
  showSample();
  return { model: () => models.load(MODEL), inputs };
}

async function decode(file) {
  try {
    return await createImageBitmap(file);
  } catch (cause) {
    throw new PageError(
      "validation",
      "not-a-picture",
      `this browser cannot read ${file.name} as a picture: ${cause.message}`,
      "choose a PNG, JPEG or WebP file",
    );
  }
}

function showLines(section, image, lines) {
  const boxes = find(".boxes", section);
  boxes.setAttribute("viewBox", `0 0 ${image.width} ${image.height}`);
  const polygons = lines.map(({ box }) => {
    const polygon = document.createElementNS(SVG, "polygon");
    polygon.setAttribute("points", box.map(([x, y]) => `${x},${y}`).join(" "));
    return polygon;
  });
  boxes.replaceChildren(...polygons);

  const items = lines.map(({ text, score }, index) => {
    const line = make("button", { type: "button" }, text);
    const light = (on) => () => polygons[index].classList.toggle("lit", on);
    for (const event of ["mouseenter", "focus"]) line.addEventListener(event, light(true));
    for (const event of ["mouseleave", "blur"]) line.addEventListener(event, light(false));
    return make("li", {}, line, make("span", { class: "score" }, `${Math.round(100 * score)} %`));
  });
  if (items.length === 0) items.push(make("li", {}, "No text found."));
  find(".lines", section).replaceChildren(...items);
  find(".result", section).hidden = false;
}
