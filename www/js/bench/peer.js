// A peer engine as a benchmark runs it: in a fresh worker, on the backend under test, recorded like tabpool's own runs.

import { postJson, request } from "../agent.js";
import { PageError } from "../fault.js";

/** As many records as the pool posts at once: what a crash of the browser can lose, and far below the agent's limit. */
const MAX_WAITING_RECORDS = 64;
/** The pool's own limits for a launch, a load and a run. */
const TIMEOUT_MILLIS = { start: 30_000, load: 120_000, run: 60_000 };
/** Peers: their workers, and what of each backend runs the model there. */
const PEERS = {
  "ort-web": {
    title: "onnxruntime-web",
    worker: () => new Worker(new URL("../peer/ort-web.js", import.meta.url), { type: "module" }),
    details: { wasm: "1 thread", webnn: "webnn cpu", webgpu: "webgpu" },
  },
  tfjs: {
    title: "TensorFlow.js",
    worker: () => new Worker(new URL("../peer/tfjs.js", import.meta.url)),
    details: { webgpu: "webgpu" },
  },
};

export class PeerRunner {
  /** Name of the peer. */
  engine;
  #context;
  #card;
  #worker;
  #version = "";
  #loadMicros;
  #isCold = true;
  #records = [];

  constructor(context, engine) {
    this.engine = engine;
    this.#context = context;
    this.#card = context.catalogue.models.find(({ id }) => id === context.benchCase.model);
  }

  /** As for tabpool: the bytes are downloaded and the wasm is instantiated before the clock for loading starts. */
  async open() {
    const bytes = await (await request(this.#card.url)).arrayBuffer();
    this.#worker = PEERS[this.engine].worker();
    const { backend, inputs } = this.#context.benchCase;
    const dims = Object.fromEntries(inputs.map((input) => [input.name, input.dims]));
    ({ version: this.#version } = await this.#ask("start", { backend }));
    ({ micros: this.#loadMicros } = await this.#ask("load", { bytes, dims }, [bytes]));
  }

  async run(inputs) {
    const started = performance.now();
    const { outputs, micros } = await this.#ask("run", { inputs });
    this.#record(started, micros, performance.now());
    if (this.#records.length >= MAX_WAITING_RECORDS) await this.#post();
    return outputs;
  }

  async close() {
    this.#worker?.terminate();
    if (this.#records.length > 0) await this.#post();
    return 0;
  }

  /** Records wait until the agent has them. */
  async #post() {
    await postJson("/v1/metrics", { schema: this.#context.plan.schema, records: this.#records });
    this.#records = [];
  }

  #record(started, runMicros, ended) {
    const { session, plan, benchCase } = this.#context;
    const cold = this.#isCold;
    this.#isCold = false;
    this.#records.push({
      id: crypto.randomUUID(),
      session,
      case: benchCase.id,
      started_unix_micros: Math.round((performance.timeOrigin + started) * 1000),
      browser: { name: plan.browser_name, version: plan.browser_version, user_agent: navigator.userAgent },
      engine: this.engine,
      engine_version: this.#version,
      backend: benchCase.backend,
      backend_detail: PEERS[this.engine].details[benchCase.backend],
      adapter: null,
      precision: this.#card.precision,
      model: this.#card.id,
      model_sha256: this.#card.sha256,
      shapes: benchCase.inputs.map(({ name, dims }) => `${name}:${dims.join("x")}`).join(),
      cold,
      connection: 0,
      attempt: 1,
      phases: {
        ...(cold && { load_micros: this.#loadMicros }),
        run_micros: runMicros,
        total_micros: Math.round((ended - started) * 1000),
      },
      memory_bytes: 0,
      outcome: { kind: "ok" },
    });
  }

  /** Asks the worker for one thing; a worker that does not answer in time is ended. */
  #ask(kind, body = {}, transfer = []) {
    const worker = this.#worker;
    const { title } = PEERS[this.engine];
    return new Promise((resolve, reject) => {
      const fail = (category, code, message) => {
        clearTimeout(timer);
        worker.terminate();
        reject(new PageError(category, code, message));
      };
      const limit = TIMEOUT_MILLIS[kind];
      const timer = setTimeout(
        () => fail("timeout", "peer-timeout", `${title} did not ${kind} within ${limit / 1000} s`),
        limit,
      );
      worker.onerror = (event) =>
        fail("worker_crash", "peer-crash", `${title}'s worker failed: ${event.message ?? "no reason"}`);
      worker.onmessage = ({ data }) => {
        if (data.error) {
          fail("internal", "peer-failed", `${title} failed to ${kind}: ${data.error}`);
          return;
        }
        clearTimeout(timer);
        resolve(data);
      };
      worker.postMessage({ kind, ...body }, transfer);
    });
  }
}
