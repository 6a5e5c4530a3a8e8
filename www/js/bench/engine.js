// A worker of the engine without a pool: for questions that pools do not ask.

import { request } from "../agent.js";
import { PageError } from "../fault.js";

/** Loading, and what every question may take beyond its own budget, milliseconds. */
const PATIENCE_MILLIS = 60_000;

/**
 * Where the time of one run of the case goes, kernel by kernel.
 * @returns {Promise<object>} A `wire::Profile`.
 */
export async function profileCase(context, inputs) {
  return (await withModel(context, (engine) => engine.ask("profile", {}, inputs))).profile;
}

/**
 * Measures the variants of the case's kernels for `millis`.
 * @returns {Promise<object>} `adapter` and `trials` as in `wire::BenchEvent`.
 */
export async function tuneCase(context, inputs, millis) {
  const { adapter, trials } = await withModel(context, (engine) =>
    engine.ask("tune", { budget_millis: millis }, inputs, millis),
  );
  return { adapter, trials };
}

async function withModel({ catalogue, plan, benchCase }, work) {
  const card = catalogue.models.find(({ id }) => id === benchCase.model);
  const bytes = await (await request(card.url)).arrayBuffer();
  const engine = new EngineWorker(plan.worker_query);
  try {
    await engine.load(benchCase.backend, bytes);
    return await work(engine);
  } finally {
    engine.close();
  }
}

/** One model in one worker. */
class EngineWorker {
  #worker;
  #id = 0;
  #waiting = new Map();

  /** @param {string} [query] Parameters of the worker's address. */
  constructor(query) {
    const url = new URL("../../pkg/worker.js", import.meta.url);
    url.search = query ?? "";
    this.#worker = new Worker(url, { type: "module" });
    this.#worker.onmessage = ({ data: { header } }) => {
      const { id, reply } = JSON.parse(header);
      this.#waiting.get(id)?.(reply);
      // A worker that traps answers nothing any more.
      if (reply.kind === "trapped") this.#waiting.forEach((settle) => settle(reply));
    };
  }

  load(backend, bytes) {
    const parts = [{ role: "model", sha256: null }];
    return this.#post({ kind: "load", key: "model", backend, pipeline: null, parts }, [bytes]);
  }

  ask(kind, parameters, inputs, millis = 0) {
    const tensors = Object.entries(inputs);
    const headers = tensors.map(([name, { dtype, dims }]) => ({ name, dtype, dims }));
    const buffers = tensors.map(([, { data }]) => data.slice().buffer);
    return this.#post({ kind, key: "model", inputs: headers, ...parameters }, buffers, 2 * millis);
  }

  close() {
    this.#worker.terminate();
  }

  #post(asked, buffers, moreMillis = 0) {
    const id = (this.#id += 1);
    const limit = PATIENCE_MILLIS + moreMillis;
    return new Promise((resolve, reject) => {
      const late = `the worker did not ${asked.kind} within ${limit / 1000} s`;
      const timer = setTimeout(() => reject(new PageError("timeout", "worker-timeout", late)), limit);
      this.#waiting.set(id, (reply) => {
        clearTimeout(timer);
        this.#waiting.delete(id);
        if (!reply.fault) resolve(reply);
        else reject(new PageError(reply.fault.category, reply.fault.code, reply.fault.message, reply.fault.hint));
      });
      this.#worker.postMessage({ header: JSON.stringify({ id, request: asked }), buffers }, buffers);
    });
  }
}
