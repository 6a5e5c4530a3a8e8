// What the pool decided or found out, in words.

import { count, micros } from "../format.js";

const STRATEGIES = {
  retry_in_place: "trying the job again",
  retry_elsewhere: "trying the job on another worker",
  other_backend: "trying the job on another backend",
  other_browser: "trying the job in another browser",
  lower_precision: "running the smaller variant of the model",
  smaller_batch: "running the job alone",
  reload_model: "loading the model again",
  recreate_device: "getting a new device",
  respawn_worker: "starting a new worker",
  respawn_iframe: "starting a new iframe",
  restart_browser: "starting a new browser",
};

const UNLOADED = {
  room: "to make room",
  pressure: "because memory is short",
  out_of_memory: "because memory ran out",
  fault: "after a fault",
  unwanted: "because nobody needs it",
};

const BREAKER_MODES = {
  automatic: "decides by itself again",
  forced_open: "is held open by hand",
  disabled: "is switched off by hand",
  metrics_only: "only counts, by hand",
};

const BREAKER_STATES = { open: "opens", half_open: "lets probes pass", closed: "closes" };

/** A name of the pool's as words, e.g. `device lost`. */
export function words(name) {
  return name.replaceAll("_", " ");
}

/**
 * One event as a line, and whether it is bad news; `null` for what the page shows elsewhere.
 * @param {object} record An `EventRecord` of the pool.
 * @returns {{ text: string, isBad: boolean } | null}
 */
export function describe({ connection, event }) {
  const where = connection === undefined ? "" : `worker ${connection}: `;
  const line = (text, isBad = false) => ({ text: where + text, isBad });
  switch (event.kind) {
    case "breaker":
      return line(
        `the breaker of ${event.component} ${BREAKER_STATES[event.to]}, because ${event.reason}`,
        event.to === "open",
      );
    case "connection":
      return line(event.cause ? `${event.to} after ${words(event.cause)}` : event.to, event.to === "closed");
    case "recovering": {
      const after = event.after_micros >= 1000 ? ` in ${micros(event.after_micros)}` : "";
      return line(`${words(event.category)}, ${STRATEGIES[event.strategy]}${after}`);
    }
    case "recovered":
      return line(
        event.is_success
          ? `${STRATEGIES[event.strategy]} helped, after ${micros(event.took_micros)}`
          : `${STRATEGIES[event.strategy]} did not help`,
        !event.is_success,
      );
    case "incident":
      return line(
        `${words(event.category)} of ${event.component} on ${count(event.n_members, "worker")} has one cause: ` +
          { opened: "one repair for all", returning: "repaired, they return in turn", failed: "the repair failed" }[
            event.phase
          ],
        event.phase !== "returning",
      );
    case "root_cause":
      return line(`what they share: ${event.sentence}`, true);
    case "quarantined":
      return line(
        `inputs of ${event.model} are refused: ${words(event.cause)} on ${count(event.n_connections, "worker")}`,
        true,
      );
    case "backend_chosen":
      return line(`${event.model}: ${event.sentence}`);
    case "scaled":
      return line(`${event.from} → ${count(event.to, "worker")}: ${words(event.reason)}`);
    case "unloaded":
      return line(`${event.model} leaves ${event.backend} ${UNLOADED[event.reason]}`);
    case "breaker_mode":
      return line(`the breaker of ${event.component} ${BREAKER_MODES[event.mode]}`);
    case "refused":
      return line(`a job for ${event.model} was refused: ${event.reason}`, true);
    default:
      return null;
  }
}
