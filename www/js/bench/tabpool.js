// tabpool as a benchmark runs it: a fresh pool for each case, so that every cold start is cold.

import { createPool } from "../../pkg/tabpool.js";

export class TabpoolRunner {
  engine = "tabpool";
  #context;
  #pool;
  #model;

  constructor(context) {
    this.#context = context;
  }

  /** Starts the workers, which instantiates their wasm, and loads the model: `load_micros` starts from bytes that are here. */
  async open() {
    const { session, plan, benchCase } = this.#context;
    this.#pool = await createPool({
      workers: plan.n_workers,
      agent: location.origin,
      session,
      browser: { name: plan.browser_name, version: plan.browser_version },
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
