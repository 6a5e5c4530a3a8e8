// Task: any model of the catalogue, or a person's own ONNX file, run on noise of the right shape.

import { find, make } from "../dom.js";
import { PageError } from "../fault.js";
import { summarize, noiseTensor } from "../tensor.js";
import { acceptFiles } from "./drop.js";
import { Panel } from "./panel.js";

/** What an open dimension starts as: small enough for any model, large enough for a sentence. */
const OPEN_DIMENSION = 16;

/**
 * @param {HTMLElement} section
 * @param {import("../models.js").Models} models
 * @returns {import("../main.js").Task}
 */
export function mountModel(section, models) {
  const panel = new Panel(section);
  const choice = find("#model-choice", section);
  const runButton = find("button.primary", section);
  const loadButton = find("[data-load]", section);

  let model;
  const forget = () => {
    model = undefined;
    runButton.disabled = true;
    find(".contract", section).hidden = true;
    find(".result", section).hidden = true;
  };
  const take = async (loading) => {
    model = await loading;
    showContract(section, model.inputs);
    runButton.disabled = false;
  };
  const describe = async () => panel.describe(await models.card(choice.value));
  const loaded = () => {
    if (model) return model;
    throw new PageError("validation", "no-model", "no model is loaded", "load one first");
  };
  const inputs = () => readInputs(section, loaded().inputs);

  models
    .cards()
    .then((cards) => {
      choice.replaceChildren(
        ...cards.filter((card) => !card.parts).map((card) => make("option", { value: card.id }, card.id)),
      );
      return describe();
    })
    .catch((cause) => panel.fail(cause));
  choice.addEventListener("change", () => {
    forget();
    describe();
  });
  acceptFiles(section, (file) =>
    panel.perform(loadButton, () => {
      forget();
      panel.describeFile(file);
      return take(models.loadFile(file, panel.progress));
    }),
  );
  loadButton.addEventListener("click", () =>
    panel.perform(loadButton, async () => {
      forget();
      await describe();
      await take(models.load(choice.value, panel.progress));
    }),
  );
  find("form", section).addEventListener("submit", (event) => {
    event.preventDefault();
    panel.perform(runButton, async () => {
      const run = await model.run(inputs());
      showOutputs(section, run.outputs);
      return run;
    });
  });
  return { model: loaded, inputs };
}

function showContract(section, inputs) {
  const rows = inputs.map(({ name, dtype, dims }) =>
    make(
      "tr",
      {},
      make("td", {}, name),
      make("td", {}, dtype),
      make(
        "td",
        {},
        ...dims.flatMap((dim, axis) => {
          const size =
            dim ||
            make("input", {
              type: "number",
              min: "1",
              value: String(axis === 0 ? 1 : OPEN_DIMENSION),
              "data-input": name,
              "aria-label": `${name}, axis ${axis}`,
            });
          return axis
            ? [" × ", typeof size === "number" ? String(size) : size]
            : [typeof size === "number" ? String(size) : size];
        }),
      ),
    ),
  );
  const table = find(".contract", section);
  find("tbody", table).replaceChildren(...rows);
  table.hidden = false;
}

function readInputs(section, inputs) {
  return Object.fromEntries(
    inputs.map(({ name, dtype, dims }) => {
      const open = [...section.querySelectorAll("[data-input]")].filter(
        (field) => field.dataset.input === name,
      );
      return [
        name,
        noiseTensor(
          dtype,
          dims.map((dim) => dim || Number(open.shift().value)),
        ),
      ];
    }),
  );
}

function showOutputs(section, outputs) {
  const rows = Object.entries(outputs).map(([name, tensor]) => {
    const { smallest, mean, largest } = summarize(tensor);
    const number = (value) => make("td", {}, value === undefined ? "–" : value.toPrecision(4));
    return make(
      "tr",
      {},
      make("td", {}, name),
      make("td", {}, tensor.dtype),
      make("td", {}, tensor.dims.join(" × ") || "scalar"),
      number(smallest),
      number(mean),
      number(largest),
    );
  });
  find(".outputs tbody", section).replaceChildren(...rows);
  find(".result", section).hidden = false;
}
