// The models that this page has asked for: each of the catalogue is loaded once, whoever asks.

import { PageError } from "./fault.js";

export class Models {
  /** @type {Map<string, Promise<object>>} */
  #loading = new Map();
  /** The person's own model, while there is one. */
  #own;
  #pool;
  #catalogue;

  /**
   * @param {Promise<object>} pool
   * @param {Promise<{ models: object[], pipelines: object[] }>} catalogue
   */
  constructor(pool, catalogue) {
    this.#pool = pool;
    this.#catalogue = catalogue;
  }

  /** Everything the agent offers, pipelines first. */
  async cards() {
    const { models, pipelines } = await this.#catalogue;
    return [...pipelines, ...models];
  }

  /** The agent's description of one model or pipeline. */
  async card(id) {
    const card = (await this.cards()).find((card) => card.id === id);
    if (card) return card;
    throw new PageError(
      "model_load",
      "unknown-model",
      `the agent has no model named ${id}`,
      "see `tabpool model list`",
    );
  }

  /**
   * Loads a model of the catalogue into the pool, once; a failed load may be tried again.
   * @param {string} id
   * @param {(progress: object) => void} [onProgress]
   */
  load(id, onProgress = () => {}) {
    const known = this.#loading.get(id);
    if (known) return known;
    const loading = this.#start(id, onProgress);
    this.#loading.set(id, loading);
    loading.catch(() => this.#loading.delete(id));
    return loading;
  }

  /** Loads a person's own file, in place of the one before: two files may have one name. */
  async loadFile(file, onProgress) {
    const pool = await this.#pool;
    const before = this.#own;
    this.#own = undefined;
    await before?.unload();
    this.#own = await pool.load(file, { name: file.name, onProgress });
    return this.#own;
  }

  async #start(id, onProgress) {
    const card = await this.card(id);
    if (!card.available) {
      throw new PageError(
        "model_load",
        "model-not-fetched",
        `the agent has not fetched ${id} yet`,
        `run \`tabpool model fetch ${id}\`, then reload this page`,
      );
    }
    // These models always answer the same, so that a worker which failed can be tried with what it ran before.
    return (await this.#pool).load(id, { onProgress, probe: "first-run" });
  }
}
