// The live view of the pool: connections, queue, what happened, and whether the agent gets the records.

import { find, make, setText } from "../dom.js";
import { count } from "../format.js";
import { ConnectionCard } from "./connection.js";
import { describe } from "./events.js";

const N_LOG_LINES = 8;
/** Canvases are redrawn this often while something moves. */
const FRAME_MS = 100;

/** Says how deep the queue is, or why there is none, wherever the page shows it. */
export function setDepth(text) {
  for (const element of document.querySelectorAll("[data-depth]")) setText(element, text);
}

export class PoolView {
  /** @type {Map<number, ConnectionCard>} */
  #cards = new Map();
  #root;
  #pool;

  constructor(root, pool) {
    this.#root = root;
    this.#pool = pool;
    pool.on("change", () => this.#update());
    pool.on("event", (record) => {
      const line = describe(record);
      if (line) this.#log(line.text, line.isBad);
    });
    pool.on("fault", ({ fault, connection }) => {
      const where = connection === null ? "" : `worker ${connection}: `;
      this.#log(`${where}${fault.message} (${fault.code})`, true);
    });
    pool.on("agent", ({ reachable, fault }) => this.#showAgent(reachable, fault));
    setInterval(() => this.#draw(), FRAME_MS);
    addEventListener("resize", () => this.#draw(true));
    this.#update();
  }

  /** Adds a finished run to its connection. */
  addRecord(record) {
    this.#cards.get(record.connection)?.addRecord(record);
  }

  #update() {
    const stats = this.#pool.stats();
    setDepth(`${stats.queued} queued · ${stats.running} running`);
    for (const connection of stats.connections) {
      let card = this.#cards.get(connection.id);
      if (!card) {
        card = new ConnectionCard(connection.id, connection.kind, () => this.#pool.killWorker(connection.id));
        this.#cards.set(connection.id, card);
        find(".connections", this.#root).append(card.element);
      }
      card.update(connection);
    }
    const present = new Set(stats.connections.map(({ id }) => id));
    for (const [id, card] of this.#cards) {
      if (present.has(id)) continue;
      card.element.remove();
      this.#cards.delete(id);
    }
    this.#showRecords(stats.records);
  }

  #draw(always = false) {
    if (document.hidden) return;
    for (const card of this.#cards.values()) card.draw(always);
  }

  #showRecords({ pending, posted, dropped }) {
    const agent = find(".agent", this.#root);
    if (agent.classList.contains("bad")) return;
    const lost = dropped ? `, ${dropped} lost` : "";
    setText(agent, `The agent has ${count(posted, "record")} of this page; ${pending} wait${lost}.`);
  }

  #showAgent(reachable, fault) {
    const agent = find(".agent", this.#root);
    agent.classList.toggle("bad", !reachable);
    if (reachable) {
      this.#showRecords(this.#pool.stats().records);
      return;
    }
    const hint = fault.hint ? ` Hint: ${fault.hint}.` : "";
    setText(agent, `The pool goes on, records wait here: ${fault.message} (${fault.code}).${hint}`);
  }

  #log(text, isBad = false) {
    const log = find(".log", this.#root);
    const time = make("time", {}, new Date().toLocaleTimeString([], { hour12: false }));
    log.prepend(make("li", isBad ? { class: "bad" } : {}, time, text));
    while (log.children.length > N_LOG_LINES) log.lastElementChild.remove();
  }
}
