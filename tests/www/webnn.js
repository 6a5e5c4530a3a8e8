// What the tests of WebNN do in a page: the real engine in a pool of one worker, whose contexts a test can watch and break.

import init, { createPool } from "/pkg/tabpool.js";

/** Runs in the worker before the engine: counts graphs and dispatches, and breaks what it is told to. */
const watch = `
  const told = new BroadcastChannel("webnn-test");
  const contexts = [];
  const counts = { contexts: 0, graphs: 0, dispatches: 0, quantizations: 0 };
  let refuses = false;
  let losesInRun = false;
  const { createContext } = ML.prototype;
  ML.prototype.createContext = async function (...options) {
    const context = await createContext.apply(this, options);
    contexts.push(context);
    counts.contexts += 1;
    return context;
  };
  const { build } = MLGraphBuilder.prototype;
  MLGraphBuilder.prototype.build = async function (outputs) {
    if (refuses) throw new DOMException("this graph is not to be", "NotSupportedError");
    counts.graphs += 1;
    return build.call(this, outputs);
  };
  const { quantizeLinear } = MLGraphBuilder.prototype;
  MLGraphBuilder.prototype.quantizeLinear = function (...operands) {
    counts.quantizations += 1;
    return quantizeLinear.apply(this, operands);
  };
  const { dispatch } = MLContext.prototype;
  MLContext.prototype.dispatch = function (...operands) {
    counts.dispatches += 1;
    dispatch.apply(this, operands);
    if (losesInRun) this.destroy();
    losesInRun = false;
  };
  told.onmessage = ({ data }) => {
    if (data === "lose") contexts.splice(0).forEach((context) => context.destroy());
    if (data === "lose in a run") losesInRun = true;
    if (data === "refuse") refuses = true;
    told.postMessage({ ...counts });
  };
  await import("${location.origin}/pkg/worker.js");
`;
const channel = new BroadcastChannel("webnn-test");

/** Tells the worker something, and gives its counts. */
function tell(word) {
  const counts = new Promise((resolve) => {
    channel.onmessage = ({ data }) => resolve(data);
  });
  channel.postMessage(word);
  return counts;
}

const floats = (name, dims) => {
  const n = dims.reduce((product, dim) => product * dim, 1);
  const data = Float32Array.from({ length: n }, (_, index) => ((index * 37) % 101) / 50 - 1);
  return { [name]: { dtype: "float32", dims, data } };
};

/**
 * Loads a model on `backend`, runs `steps` (inputs of these shapes, or words for the worker), and says what came of it. A
 * backend is chosen by the first shape.
 */
window.story = async (bytes, backend, steps) => {
  const workerUrl = URL.createObjectURL(new Blob([watch], { type: "text/javascript" }));
  const pool = await createPool({ workers: 1, agent: null, evidenceKey: null, workerUrl });
  const events = [];
  pool.on("event", ({ event }) => events.push(event));
  const faults = [];
  pool.on("fault", ({ fault }) => faults.push(fault));
  const told = [];
  try {
    const { capabilities } = pool.stats().connections[0];
    const started = await tell("count");
    const probe = backend === "auto" ? { inputs: floats("x", steps[0]) } : undefined;
    const model = await pool.load(new Uint8Array(bytes), { backend, probe, name: "model" });
    const loaded = await tell("count");
    for (const step of steps) {
      if (typeof step === "string") {
        await tell(step);
        continue;
      }
      const { outputs, record } = await model.run(floats("x", step));
      const counts = await tell("count");
      const [output] = Object.values(outputs);
      const stride = Math.ceil(output.data.length / 4096);
      const data = Array.from(output.data.filter((_, index) => index % stride === 0));
      told.push({ record, counts, dims: output.dims, data });
    }
    return { capabilities, started, loaded, told, events, faults };
  } catch (error) {
    return { error: { category: error.category, code: error.code, message: error.message }, told, events, faults };
  } finally {
    await pool.close();
  }
};

/** Lets the pool choose a backend for a model of the zoo. */
window.choose = async (id) => {
  const pool = await createPool({ workers: 1, agent: null, evidenceKey: null, browser: { name: "chromium-webnn", version: "" } });
  try {
    const { capabilities } = pool.stats().connections[0];
    const chosen = new Promise((resolve) => {
      pool.on("event", ({ event }) => event.kind === "backend_chosen" && resolve(event));
    });
    const bytes = new Uint8Array(await (await fetch(`/model/${id}`)).arrayBuffer());
    const model = await pool.load(bytes, { backend: "auto", name: id });
    const ids = { dtype: "int64", dims: [1, 16], data: new BigInt64Array(16).fill(1n) };
    const { record } = await model.run({ input_ids: ids, attention_mask: ids });
    return { backends: capabilities.backends, chosen: await chosen, ran: record.backend };
  } finally {
    await pool.close();
  }
};

await init();
document.title = "ready";
