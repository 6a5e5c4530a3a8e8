// Runs a model on WebGPU in a worker, from a file that the browser has.

/** The engine's worker, which destroys its device when it is told to. */
const script = `
  const { requestDevice } = GPUAdapter.prototype;
  GPUAdapter.prototype.requestDevice = async function (descriptor) {
    const device = await requestDevice.call(this, descriptor);
    new BroadcastChannel("device").onmessage = () => device.destroy();
    return device;
  };
  await import("${new URL("/pkg/worker.js", location)}");
`;

/** Loads a model, runs it, destroys the device, and runs it again: what the worker answers. */
window.runTwiceInWorker = async (id, isStored) => {
  const bytes = await (await fetch(`/model/${id}`)).arrayBuffer();
  const file = isStored ? await stored(id, bytes) : new Blob([bytes]);
  const worker = new Worker(URL.createObjectURL(new Blob([script], { type: "text/javascript" })), { type: "module" });
  const next = () => new Promise((resolve) => (worker.onmessage = ({ data }) => resolve(data)));
  const answers = [];
  const ask = async (request, buffers) => {
    const answer = next();
    worker.postMessage({ header: JSON.stringify({ id: 1, request }), buffers });
    const { header, buffers: outputs } = await answer;
    const { reply } = JSON.parse(header);
    const last = outputs.at(-1);
    const sum = last && new Float32Array(last).reduce((sum, value) => sum + Math.abs(value), 0);
    answers.push({ kind: reply.kind, sum, wasmBytes: reply.memory_bytes, ...reply.fault });
  };
  const inputs = ["input_ids", "attention_mask"].map((name) => ({ name, dtype: "int64", dims: [1, 16] }));
  const tokens = () => inputs.map(() => BigInt64Array.from({ length: 16 }, () => 1n).buffer);
  const run = () => ask({ kind: "run", key: "model", inputs }, tokens());
  await next();
  const parts = [{ role: "model", sha256: null }];
  await ask({ kind: "load", key: "model", backend: "webgpu", pipeline: null, parts }, [file]);
  await run();
  new BroadcastChannel("device").postMessage("destroy");
  await run();
  // Either the loss is known already, or this run finds it out.
  if (answers.at(-1).kind === "failed") await run();
  worker.terminate();
  return answers;
};

/** A file where pages keep the models of a catalogue. */
async function stored(name, bytes) {
  const storage = await navigator.storage.getDirectory();
  const folder = await storage.getDirectoryHandle("tabpool-models", { create: true });
  const handle = await folder.getFileHandle(name, { create: true });
  const stream = await handle.createWritable();
  await stream.write(bytes);
  await stream.close();
  return handle.getFile();
}

document.title = "ready";
