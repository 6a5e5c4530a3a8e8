// What every task shows about its model: what it is, how far its download is, how long the last run took, what failed.

import { copyTemplate, find, setText } from "../dom.js";
import { faultOf } from "../fault.js";
import { bytes, count, micros } from "../format.js";

const PHASES = {
  verify: "checking the bytes against their hash",
  load: "loading into a worker",
  done: "ready",
};

export class Panel {
  #root;
  #busy = false;

  /** Fills the placeholder of a task's section. */
  constructor(section) {
    const placeholder = find("[data-panel]", section);
    this.#root = copyTemplate("#panel-template");
    placeholder.replaceWith(this.#root);
  }

  /** Names the model, with what the agent says about it. */
  describe(card) {
    const parts = card.parts ?? [{ size_bytes: card.size_bytes }];
    const size = parts.reduce((sum, part) => sum + part.size_bytes, 0);
    const facts = [
      parts.length > 1 && count(parts.length, "file"),
      bytes(size),
      card.precision,
      card.licence,
    ];
    this.#show(card.id, facts, card.available ? "not loaded" : "not fetched by the agent");
  }

  /** Names a person's own file. */
  describeFile(file) {
    this.#show(file.name, [bytes(file.size), "stays in this tab"], "not loaded");
  }

  /** Shows why the model or its description is not there. */
  fail(cause) {
    const fault = faultOf(cause);
    setText(find(".fault-message", this.#root), fault.message);
    setText(find(".fault-hint", this.#root), fault.hint ? `Hint: ${fault.hint}` : "");
    setText(find(".fault-code", this.#root), `${fault.category} · ${fault.code}`);
    find(".fault", this.#root).hidden = false;
  }

  /** Callback for the pool's load progress. */
  progress = ({ phase, loaded, total }) => {
    const bar = find("progress", this.#root);
    bar.hidden = phase === "done";
    if (phase === "download" && total) {
      bar.max = total;
      bar.value = loaded;
    } else {
      bar.removeAttribute("value");
    }
    this.#state(
      phase === "download" ? `${bytes(loaded)} of ${total ? bytes(total) : "unknown size"}` : PHASES[phase],
      phase,
    );
  };

  /**
   * Does one thing at a time for a person: disables `button`, shows what fails, and the timing when `work` gives a run.
   * @param {HTMLButtonElement} button
   * @param {() => Promise<{ record: object } | void>} work
   */
  async perform(button, work) {
    if (this.#busy) return;
    this.#busy = true;
    button.disabled = true;
    find(".fault", this.#root).hidden = true;
    try {
      const run = await work();
      this.#state("ready", "ready");
      if (run) setText(find(".timing", this.#root), timing(run.record));
    } catch (cause) {
      this.fail(cause);
    } finally {
      find("progress", this.#root).hidden = true;
      button.disabled = false;
      this.#busy = false;
    }
  }

  #show(name, facts, state) {
    setText(find(".model-name", this.#root), name);
    setText(find(".model-facts", this.#root), facts.filter(Boolean).join(" · "));
    this.#state(state, "idle");
  }

  #state(text, state) {
    const element = find(".model-state", this.#root);
    setText(element, text);
    element.dataset.state = state === "done" ? "ready" : state;
  }
}

function timing(record) {
  const { phases } = record;
  const where = `worker ${record.connection} · ${record.backend} ${record.backend_detail}`;
  const parts = [`${micros(phases.run_micros)} computing`, `${micros(phases.total_micros)} in all`];
  if (record.cold) parts.push(`first run, after ${micros(phases.load_micros)} of loading`);
  return `${parts.join(", ")} · ${where}`;
}
