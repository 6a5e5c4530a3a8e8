// Measures WebGPU through the real engine in a pool of one worker: the shortest run there is, and many runs and loads
// whose memory the example that serves this page watches.

const { default: init, createPool } = await import("/pkg/tabpool.js");
await init();

const records = [];
/** The engine's worker, which also tells how many bytes its GPU buffers have, and had at most. */
const worker = `
  const sizes = new WeakMap();
  let [bytes, peak] = [0, 0];
  const { createBuffer } = GPUDevice.prototype;
  GPUDevice.prototype.createBuffer = function (descriptor) {
    const buffer = createBuffer.call(this, descriptor);
    sizes.set(buffer, descriptor.size);
    bytes += descriptor.size;
    peak = Math.max(peak, bytes);
    return buffer;
  };
  const { destroy } = GPUBuffer.prototype;
  GPUBuffer.prototype.destroy = function () {
    bytes -= sizes.get(this) ?? 0;
    sizes.delete(this);
    destroy.call(this);
  };
  const channel = new BroadcastChannel("buffers");
  channel.onmessage = () => channel.postMessage({ bytes, peak });
  await import("${new URL("/pkg/worker.js", location)}");
`;
const pool = await createPool({
  workers: 1,
  agent: null,
  workerUrl: URL.createObjectURL(new Blob([worker], { type: "text/javascript" })),
});
pool.on("record", (record) => records.push(record));

let bytes;
let model;
let inputs;

/** Loads a model of the zoo, or one whose bytes are given, for inputs of these shapes. */
window.load = async (source, wanted) => {
  bytes = typeof source === "string" ? await (await fetch(`/model/${source}`)).arrayBuffer() : Uint8Array.from(source).buffer;
  inputs = Object.fromEntries(wanted.map((input) => [input.name, tensor(input)]));
  model = await pool.load(bytes, { backend: "webgpu" });
};

window.unload = () => model.unload();

/** Bytes of GPU buffers, now and at most. */
window.buffers = () =>
  new Promise((resolve) => {
    const channel = new BroadcastChannel("buffers");
    channel.onmessage = ({ data }) => {
      channel.close();
      resolve(data);
    };
    channel.postMessage("ask");
  });

/** Runs one after another: milliseconds that each took in the worker, and as the page sees it. */
window.repeat = async (n) => {
  const [inWorker, inPage] = [[], []];
  for (let run = 0; run < n; run += 1) {
    const started = performance.now();
    const { record } = await model.run(inputs);
    inPage.push(performance.now() - started);
    inWorker.push(record.phases.run_micros / 1000);
  }
  return { inWorker, inPage, wasmBytes: records.at(-1).memory_bytes };
};

/** Loads, runs and unloads the model. */
window.cycle = async (n) => {
  for (let round = 0; round < n; round += 1) {
    model = await pool.load(bytes, { backend: "webgpu" });
    await model.run(inputs);
    await model.unload();
  }
  return { wasmBytes: records.at(-1).memory_bytes };
};

/** Ones for masks, small numbers otherwise. */
function tensor({ name, dtype, dims }) {
  const n = dims.reduce((product, dim) => product * dim, 1);
  const at = (index) => (name.includes("mask") ? 1 : (index * 37) % 1000);
  const data =
    dtype === "int64"
      ? BigInt64Array.from({ length: n }, (_, index) => BigInt(name === "token_type_ids" ? 0 : at(index)))
      : Float32Array.from({ length: n }, (_, index) => at(index));
  return { dtype, dims, data };
}

document.title = "ready";
