// The table of recent runs, newest first: what the agent stores, as it happens.

import { find, make } from "../dom.js";
import { bytes, clock, micros } from "../format.js";

const N_ROWS = 30;

export class RunsTable {
  #body;

  constructor(table) {
    this.#body = find("tbody", table);
  }

  /** Puts a record on top. */
  add(record) {
    this.#body.querySelector(".empty")?.remove();
    this.#body.prepend(row(record));
    while (this.#body.children.length > N_ROWS) this.#body.lastElementChild.remove();
  }
}

function row(record) {
  const { phases, outcome } = record;
  const failed = outcome.kind !== "ok";
  const cell = (text, name) => make("td", name ? { class: name } : {}, text);
  const result = failed
    ? `${outcome.fault.message} (${outcome.fault.code})`
    : record.cold
      ? "ok, first run"
      : "ok";
  return make(
    "tr",
    failed ? { class: "failed" } : {},
    cell(clock(record.started_unix_micros)),
    cell(record.model),
    cell(record.shapes, "shapes"),
    cell(record.attempt > 1 ? `${record.connection}, try ${record.attempt}` : String(record.connection)),
    cell([record.backend, record.backend_detail].filter(Boolean).join(" ")),
    cell(micros(phases.queue_micros), "number"),
    cell(micros(phases.run_micros), "number"),
    cell(micros(phases.total_micros), "number"),
    cell(record.memory_bytes ? bytes(record.memory_bytes) : "–", "number"),
    cell(result, record.cold && !failed ? "cold" : undefined),
  );
}
