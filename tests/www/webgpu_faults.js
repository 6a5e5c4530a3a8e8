// Runs models on WebGPU in the page itself, so that the tests that serve this page can see what the device gets, and take it
// away.

const glue = await import("/pkg/engine-relaxed.js");
await glue.default();

const devices = [];
/** Bytes of all buffers, bytes that were written to them, and reads so far. */
const seen = { bufferBytes: 0, writtenBytes: 0, reads: 0 };
/** The read before which the device is destroyed. */
let lastRead = Infinity;

if (globalThis.GPUAdapter) {
  around(GPUAdapter, "requestDevice", async (device) => devices.push(await device));
  around(GPUDevice, "createBuffer", (_, { size }) => (seen.bufferBytes += size));
  around(GPUBuffer, "destroy", function () {
    seen.bufferBytes -= this.size;
  });
  around(GPUQueue, "writeBuffer", (_, _buffer, _offset, data) => (seen.writtenBytes += data.byteLength));
  around(GPUBuffer, "mapAsync", () => {
    seen.reads += 1;
    if (seen.reads === lastRead) devices.at(-1).destroy();
  });
}

/** Has a method's results and arguments looked at. */
function around(type, name, look) {
  const method = type.prototype[name];
  type.prototype[name] = function (...rest) {
    const result = method.apply(this, rest);
    look.call(this, result, ...rest);
    return result;
  };
}

const engine = new glue.Engine();

/** Loads a model of the zoo, or one whose bytes are given: `loaded`, or the fault. */
window.load = async (source) => {
  const bytes = typeof source === "string" ? await file(source) : Uint8Array.from(source).buffer;
  const parts = [{ role: "model", sha256: null }];
  return ask({ kind: "load", key: "model", backend: "webgpu", pipeline: null, parts }, [bytes]);
};

/** Loads a pipeline from files of the zoo, by role. */
window.loadPipeline = async (pipeline, files) => {
  const parts = Object.keys(files).map((role) => ({ role, sha256: null }));
  const buffers = await Promise.all(Object.values(files).map(file));
  return ask({ kind: "load", key: "model", backend: "webgpu", pipeline, parts }, buffers);
};

/** Runs the model: the values of its last output, or the fault. */
window.run = (inputs) => ask({ kind: "run", key: "model", inputs }, inputs.map(numbers));

/** Runs the pipeline: its result, or the fault, and what was seen since the run before. */
window.runPipeline = async (params) => {
  const before = { ...seen };
  const answer = await ask({ kind: "run", key: "model", params, inputs: [] }, []);
  const { bufferBytes, writtenBytes } = seen;
  return { ...answer, bufferBytes, writtenBytes: writtenBytes - before.writtenBytes };
};

/** Devices that were requested so far. */
window.nDevices = () => devices.length;

window.destroyDevice = () => devices.at(-1).destroy();

/** Destroys the device when so many further results are asked for. */
window.destroyDeviceAfter = (reads) => (lastRead = seen.reads + reads);

async function file(id) {
  return (await fetch(`/model/${id}`)).arrayBuffer();
}

async function ask(request, buffers) {
  const answer = await engine.handle(JSON.stringify({ id: 1, request }), buffers);
  const { reply } = JSON.parse(answer.header);
  const last = answer.buffers.at(-1);
  const values = last && [...new Float32Array(last)];
  return { kind: reply.kind, values, result: reply.result, ...reply.fault };
}

/** Ones for masks, small numbers otherwise. */
function numbers({ name, dtype, dims, below = 1000 }) {
  const n = dims.reduce((product, dim) => product * dim, 1);
  const at = (index) => (name.includes("mask") ? 1 : (index * 37) % below);
  return dtype === "int64"
    ? BigInt64Array.from({ length: n }, (_, index) => BigInt(at(index))).buffer
    : Float32Array.from({ length: n }, (_, index) => at(index)).buffer;
}

document.title = "ready";
