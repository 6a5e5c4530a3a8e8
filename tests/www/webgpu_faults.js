// Runs models on WebGPU in the page itself, so that the test that serves this page can take the device away.

const glue = await import("/pkg/engine-relaxed.js");
await glue.default();

const devices = [];
if (globalThis.GPUAdapter) {
  const { requestDevice } = GPUAdapter.prototype;
  GPUAdapter.prototype.requestDevice = async function (descriptor) {
    const device = await requestDevice.call(this, descriptor);
    devices.push(device);
    return device;
  };
}

const engine = new glue.Engine();

/** Loads a model of the zoo, or one whose bytes are given: `loaded`, or the fault. */
window.load = async (source) => {
  const bytes =
    typeof source === "string" ? await (await fetch(`/model/${source}`)).arrayBuffer() : Uint8Array.from(source).buffer;
  const parts = [{ role: "model", sha256: null }];
  return ask({ kind: "load", key: "model", backend: "webgpu", pipeline: null, parts }, [bytes]);
};

/** Runs the model: the sum of its last output's sizes, or the fault. */
window.run = (inputs) => ask({ kind: "run", key: "model", inputs }, inputs.map(numbers));

/** Devices that were requested so far. */
window.nDevices = () => devices.length;

window.destroyDevice = () => devices.at(-1).destroy();

async function ask(request, buffers) {
  const answer = await engine.handle(JSON.stringify({ id: 1, request }), buffers);
  const { reply } = JSON.parse(answer.header);
  const last = answer.buffers.at(-1);
  const sum = last && new Float32Array(last).reduce((sum, value) => sum + Math.abs(value), 0);
  return { kind: reply.kind, sum, ...reply.fault };
}

/** Ones for masks, small numbers otherwise. */
function numbers({ name, dtype, dims }) {
  const n = dims.reduce((product, dim) => product * dim, 1);
  const at = (index) => (name.includes("mask") ? 1 : (index * 37) % 1000);
  return dtype === "int64"
    ? BigInt64Array.from({ length: n }, (_, index) => BigInt(at(index))).buffer
    : Float32Array.from({ length: n }, (_, index) => at(index)).buffer;
}

document.title = "ready";
