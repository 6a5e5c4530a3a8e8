// One worker of the pool as a card: state, job, what it did lately, how fast, what it holds.

import { copyTemplate, find, make, setText } from "../dom.js";
import { bytes, count, median, micros } from "../format.js";
import { drawActivity, WINDOW_MS } from "./activity.js";
import { seriesOf } from "./palette.js";
import { drawSparkline } from "./sparkline.js";

const N_RECORDS = 60;

export class ConnectionCard {
  element;
  #records = [];
  #stats;
  #needsDraw = true;

  /**
   * @param {number} id
   * @param {"worker" | "iframe"} kind
   * @param {() => void} onKill
   */
  constructor(id, kind, onKill) {
    this.element = copyTemplate("#connection-template");
    this.element.dataset.connection = String(id);
    setText(find("h3", this.element), `${kind === "iframe" ? "Iframe" : "Worker"} ${id}`);
    const kill = find("button", this.element);
    kill.setAttribute("aria-label", `Kill worker ${id}`);
    kill.title = "Ends this worker as a crash would. The pool starts a new one.";
    kill.addEventListener("click", onKill);
  }

  /** Takes over what the pool says about the connection now. */
  update(stats) {
    this.#stats = stats;
    const { element } = this;
    const state = stats.state === "ready" && stats.job ? "busy" : stats.state;
    element.dataset.state = state;
    setText(find(".state", element), `${state} · health ${Math.round(stats.health)}`);
    setText(find(".job", element), stats.job ? `runs ${stats.job}` : "idle");
    find("button", element).disabled = stats.state !== "ready";
    const history = [`${count(stats.nRuns, "run")}`, count(stats.nFaults, "fault")];
    if (stats.nRespawns) history.push(count(stats.nRespawns, "new start"));
    setText(
      find(".memory", element),
      `${stats.memoryBytes ? bytes(stats.memoryBytes) : "memory unknown"} · ${history.join(", ")}`,
    );
    this.#showBreakers(stats.breakers);
    this.#showResidents(stats.models);
    this.#needsDraw = true;
  }

  /** Adds a finished run. */
  addRecord(record) {
    this.#records.push(record);
    if (this.#records.length > N_RECORDS) this.#records.shift();
    this.#needsDraw = true;
  }

  /** Redraws the canvases while something in them moves, or `always`. */
  draw(always) {
    const last = this.#records.at(-1);
    const moves = this.#stats.job || (last && Date.now() - endMillis(last) < WINDOW_MS + 1000);
    if (!always && !moves && !this.#needsDraw) return;
    this.#needsDraw = false;
    const runs = this.#records.map((record) => ({
      series: seriesOf(record.model),
      startMillis: startMillis(record),
      endMillis: endMillis(record),
      failed: record.outcome.kind !== "ok",
    }));
    if (this.#stats.job) {
      const started = performance.timeOrigin + (this.#stats.jobStartedMs ?? performance.now());
      runs.push({
        series: seriesOf(this.#stats.job),
        startMillis: started,
        endMillis: Date.now(),
        failed: false,
      });
    }
    drawActivity(find("canvas.activity", this.element), runs, Date.now());
    this.#drawLatency(last?.model);
  }

  /** Latencies of the model that ran last: different models do not belong on one scale. */
  #drawLatency(model) {
    const latencies = this.#records
      .filter(
        (record) =>
          record.model === model && record.outcome.kind === "ok" && record.phases.run_micros !== undefined,
      )
      .map((record) => record.phases.run_micros);
    drawSparkline(find("canvas.latency", this.element), latencies, model ? seriesOf(model) : "--line-strong");
    const text = latencies.length
      ? `${micros(median(latencies))} median, n = ${latencies.length}`
      : "no runs yet";
    setText(find(".latency-text", this.element), text);
  }

  /** Says which of the worker's parts get no jobs, if one does not. */
  #showBreakers(breakers) {
    const held = breakers.filter(({ state }) => state !== "closed");
    const element = find(".breakers", this.element);
    element.hidden = held.length === 0;
    const part = ({ component, state }) => `${component} ${state === "open" ? "gets no jobs" : "is being tried"}`;
    setText(element, held.map(part).join(", "));
  }

  #showResidents(models) {
    const list = find(".residents", this.element);
    if (list.dataset.models === models.join()) return;
    list.dataset.models = models.join();
    list.replaceChildren(
      ...models.map((model) => {
        const swatch = make("i", { "aria-hidden": "true" });
        swatch.style.setProperty("--color", `var(${seriesOf(model)})`);
        return make("li", {}, swatch, model);
      }),
    );
  }
}

/** When a run left the queue, milliseconds since the Unix epoch. */
function startMillis({ started_unix_micros, phases }) {
  return (started_unix_micros + (phases.queue_micros ?? 0)) / 1000;
}

/** When a run ended, milliseconds since the Unix epoch. */
function endMillis({ started_unix_micros, phases }) {
  return (started_unix_micros + (phases.total_micros ?? 0)) / 1000;
}
