// tabpool as a benchmark runs it: a fresh pool for each case, so that every cold start is cold.

import * as page from "../../pkg/tabpool.js";

export class TabpoolRunner {
  engine;
  #context;
  #build;
  #pool;
  #model;

  /** @param build One of two builds that are compared; without it the page's own one runs. */
  constructor(context, build) {
    this.engine = build?.engine ?? "tabpool";
    this.#context = context;
    this.#build = build;
  }

  /** Starts the workers, which instantiates their wasm, and loads the model: `load_micros` starts from bytes that are here. */
  async open() {
    const { plan, benchCase } = this.#context;
    const { session } = this.#build ?? this.#context;
    const module = this.#build ? await import(this.#build.module) : page;
    await module.default();
    this.#pool = await module.createPool({
      workers: plan.n_workers,
      agent: location.origin,
      session,
      browser: { name: plan.browser_name, version: plan.browser_version },
      ...(plan.worker_query && { workerUrl: new URL(`../../pkg/worker.js?${plan.worker_query}`, import.meta.url) }),
    });
    this.#model = await this.#pool.load(benchCase.model, { backend: benchCase.backend });
  }

  /** The pool has time-outs for loading and running, and records every run itself. */
  async run(inputs) {
    return (await this.#model.run(inputs, { case: this.#context.benchCase.id })).outputs;
  }

  async close() {
    if (!this.#pool) return 0;
    const nUnposted = await this.#pool.flush();
    await this.#pool.close();
    return nUnposted;
  }
}
