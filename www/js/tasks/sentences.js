// Task: sentences in, how alike their meanings are out.

import { find, make } from "../dom.js";
import { PageError } from "../fault.js";
import { Panel } from "./panel.js";

const MODEL = "similar-sentences";
const MAX_SENTENCES = 16;
const N_PAIRS = 5;

/**
 * @param {HTMLElement} section
 * @param {import("../models.js").Models} models
 * @returns {import("../main.js").Task}
 */
export function mountSentences(section, models) {
  const panel = new Panel(section);
  const area = find("textarea", section);
  const button = find("button.primary", section);
  models.card(MODEL).then(
    (card) => panel.describe(card),
    (cause) => panel.fail(cause),
  );

  const inputs = () => ({ texts: sentencesOf(area.value) });
  find("form", section).addEventListener("submit", (event) => {
    event.preventDefault();
    panel.perform(button, async () => {
      const { texts } = inputs();
      const model = await models.load(MODEL, panel.progress);
      const run = await model.run({ texts });
      show(section, texts, run.result.similarities);
      return run;
    });
  });
  return { model: () => models.load(MODEL), inputs };
}

function sentencesOf(text) {
  const sentences = text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
  if (sentences.length < 2)
    throw new PageError(
      "validation",
      "too-few-sentences",
      "there is nothing to compare",
      "write two sentences or more, one a line",
    );
  if (sentences.length > MAX_SENTENCES)
    throw new PageError(
      "validation",
      "too-many-sentences",
      `the matrix has room for ${MAX_SENTENCES} sentences, there are ${sentences.length}`,
      "remove some lines",
    );
  return sentences;
}

function show(section, texts, similarities) {
  const head = make(
    "tr",
    {},
    make("td"),
    ...texts.map((_, index) => make("th", { scope: "col" }, `${index + 1}`)),
  );
  const rows = texts.map((text, row) => {
    const title = make("th", { scope: "row", title: text }, `${row + 1}  ${text}`);
    return make("tr", {}, title, ...similarities[row].map((value, column) => cell(value, row === column)));
  });
  find(".matrix", section).replaceChildren(make("thead", {}, head), make("tbody", {}, ...rows));

  const pairs = texts.flatMap((first, row) =>
    texts.slice(row + 1).map((second, offset) => ({
      first,
      second,
      value: similarities[row][row + 1 + offset],
    })),
  );
  pairs.sort((a, b) => b.value - a.value);
  find(".pairs", section).replaceChildren(
    ...pairs
      .slice(0, N_PAIRS)
      .map(({ first, second, value }) =>
        make(
          "li",
          {},
          make("span", {}, first, make("br"), second),
          make("span", { class: "score" }, value.toFixed(2)),
        ),
      ),
  );
  find(".result", section).hidden = false;
}

function cell(value, isSelf) {
  const element = make("td", {}, value.toFixed(2));
  if (isSelf) element.className = "self";
  else element.style.setProperty("--heat", `${Math.round(100 * Math.min(1, Math.max(0, value)))}%`);
  return element;
}
