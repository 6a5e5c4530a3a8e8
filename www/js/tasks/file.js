// Task: a file in, what kind of file it is out.

import { find, make, setText } from "../dom.js";
import { bytes } from "../format.js";
import { SAMPLE_FILES } from "../samples/files.js";
import { acceptFiles } from "./drop.js";
import { Panel } from "./panel.js";

const MODEL = "identify-file";
/** The model sees about a kilobyte at each end, so the middle of a large file stays on the disk. */
const END_BYTES = 64 * 1024;
const PEEK_BYTES = 280;

/**
 * @param {HTMLElement} section
 * @param {import("../models.js").Models} models
 * @returns {import("../main.js").Task}
 */
export function mountFile(section, models) {
  const panel = new Panel(section);
  const button = find("button.primary", section);
  models.card(MODEL).then(
    (card) => panel.describe(card),
    (cause) => panel.fail(cause),
  );

  let ends = new Uint8Array(0);
  const take = async (blob, name) => {
    ends = await readEnds(blob);
    setText(find(".caption", section), `${name} · ${bytes(blob.size)}`);
    setText(find(".peek", section), new TextDecoder().decode(ends.subarray(0, PEEK_BYTES)));
    find(".result", section).hidden = true;
  };
  const identify = async () => {
    const model = await models.load(MODEL, panel.progress);
    const run = await model.run({ bytes: ends });
    showVerdict(section, run.result);
    return run;
  };

  acceptFiles(section, (file) =>
    panel.perform(button, async () => {
      await take(file, file.name);
      return identify();
    }),
  );
  find(".samples", section).append(
    ...SAMPLE_FILES.map((sample) => {
      const choice = make("button", { type: "button" }, sample.name);
      choice.addEventListener("click", () =>
        panel.perform(button, async () => {
          await take(await sample.make(), sample.name);
          return identify();
        }),
      );
      return choice;
    }),
  );
  find("form", section).addEventListener("submit", (event) => {
    event.preventDefault();
    panel.perform(button, identify);
  });
  SAMPLE_FILES[0].make().then((blob) => take(blob, SAMPLE_FILES[0].name));
  return { model: () => models.load(MODEL), inputs: () => ({ bytes: ends }) };
}

async function readEnds(blob) {
  const ends =
    blob.size <= 2 * END_BYTES ? blob : new Blob([blob.slice(0, END_BYTES), blob.slice(-END_BYTES)]);
  return new Uint8Array(await ends.arrayBuffer());
}

function showVerdict(section, { label, score, top }) {
  setText(find(".verdict", section), `${label}, ${percent(score)} sure`);
  find(".bars", section).replaceChildren(
    ...top.map((guess) => {
      const fill = make("i");
      fill.style.setProperty("--width", percent(guess.score));
      return make(
        "li",
        {},
        make("span", {}, guess.label),
        make("span", { class: "bar", "aria-hidden": "true" }, fill),
        make("span", { class: "score" }, percent(guess.score)),
      );
    }),
  );
  find(".result", section).hidden = false;
}

function percent(ratio) {
  return `${(100 * ratio).toFixed(1)} %`;
}
