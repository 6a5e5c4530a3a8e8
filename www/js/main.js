// The demo page: starts the pool, shows one task at a time, and keeps the live view of the pool current.

import init, { createPool } from "../pkg/tabpool.js";
import { fetchCatalogue } from "./agent.js";
import { find, make, setText } from "./dom.js";
import { faultOf } from "./fault.js";
import { Models } from "./models.js";
import { startBursts } from "./pool/burst.js";
import { PoolView, setDepth } from "./pool/view.js";
import { RunsTable } from "./pool/runs.js";
import { mountFile } from "./tasks/file.js";
import { mountModel } from "./tasks/model.js";
import { mountPicture } from "./tasks/picture.js";
import { mountSentences } from "./tasks/sentences.js";
import { mountSpeech } from "./tasks/speech.js";
import { startTheme } from "./theme.js";

/** What a task offers to the rest of the page: the model it uses, loaded, and the inputs that stand in its form now. */
/** @typedef {{ model: () => Promise<object> | object, inputs: () => Promise<object> | object }} Task */

const MOUNTS = {
  sentences: mountSentences,
  picture: mountPicture,
  speech: mountSpeech,
  file: mountFile,
  model: mountModel,
};

const N_WORKERS = Number(new URLSearchParams(location.search).get("workers")) || 2;

async function startPool() {
  await init();
  // Workers ask the agent which GPU kernels were the fastest on their adapter.
  const workerUrl = new URL("../pkg/worker.js?webgpu-tuning=/v1/tuning", import.meta.url);
  return createPool({ workers: N_WORKERS, agent: location.origin, workerUrl });
}

function showPageFault(cause) {
  const fault = faultOf(cause);
  const banner = find("#page-fault");
  banner.replaceChildren(`${fault.message}. ${fault.hint ?? ""} `, make("code", {}, fault.code));
  banner.hidden = false;
}

/** Shows the task that the address names, if it names one, and returns the name of the task that is shown. */
function showTask(shown) {
  const wanted = location.hash.slice(1);
  const current = wanted in MOUNTS ? wanted : shown;
  for (const name of Object.keys(MOUNTS)) find(`#${name}`).hidden = name !== current;
  for (const link of document.querySelectorAll(".task-nav a")) {
    const isCurrent = link.getAttribute("href") === `#${current}`;
    if (isCurrent) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    if (isCurrent) link.scrollIntoView({ block: "nearest", inline: "center" });
  }
  find(`#${current}`).dispatchEvent(new CustomEvent("shown"));
  return current;
}

function showEnvironment(capabilities) {
  const chip = (text, reason, software) => {
    const item = make("li", software ? { class: "software" } : {}, text);
    if (reason) item.title = reason;
    return item;
  };
  const { adapter } = capabilities;
  const adapterName = adapter && [adapter.vendor, adapter.architecture].filter(Boolean).join(" ");
  const chips = [chip(`wasm ${capabilities.wasm_build}`)];
  if (!adapter) chips.push(chip("no WebGPU", capabilities.webgpu_reason));
  else if (adapter.is_fallback) chips.push(chip("WebGPU: software adapter", adapterName, true));
  else chips.push(chip(`WebGPU: ${adapterName || "adapter"}`, adapter.description));
  if (capabilities.webnn_devices.length) chips.push(chip(`WebNN: ${capabilities.webnn_devices.join(", ")}`));
  else chips.push(chip("no WebNN", capabilities.webnn_reason));
  find("#environment").replaceChildren(...chips);
}

async function main() {
  startTheme(find("#theme"));
  const pool = startPool();
  const catalogue = fetchCatalogue();
  const models = new Models(pool, catalogue);
  /** @type {Record<string, Task>} */
  const tasks = {};
  for (const [name, mount] of Object.entries(MOUNTS)) tasks[name] = mount(find(`#${name}`), models);
  let current = showTask("sentences");
  addEventListener("hashchange", () => (current = showTask(current)));
  catalogue.catch(showPageFault);

  const started = await pool;
  const view = new PoolView(find("#pool"), started);
  const runs = new RunsTable(find("#runs"));
  started.on("record", (record) => {
    view.addRecord(record);
    runs.add(record);
  });
  startBursts(find("#burst"), () => tasks[current]);
  const capabilities = started
    .stats()
    .connections.find((connection) => connection.capabilities)?.capabilities;
  if (capabilities) showEnvironment(capabilities);
  document.documentElement.dataset.pool = "ready";
}

main().catch((cause) => {
  setDepth("not running");
  showPageFault(cause);
});
