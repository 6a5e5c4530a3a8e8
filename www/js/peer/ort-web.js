// The worker that runs onnxruntime-web for comparison: one backend, one thread, its default optimisations.

import { answerWith, microsSince } from "./answer.js";

/** Its builds: the one for wasm is smaller. */
const BUILDS = { wasm: "ort.wasm.min.mjs", webnn: "ort.all.min.mjs", webgpu: "ort.all.min.mjs" };
/** What each backend is called there; WebNN on the device that tabpool uses. */
const PROVIDERS = { wasm: "wasm", webnn: { name: "webnn", deviceType: "cpu" }, webgpu: "webgpu" };

let ort;
let backend;
let session;

answerWith({
  /** Instantiates the wasm module, which the library otherwise does inside its first session. */
  async start({ backend: wanted }) {
    backend = wanted;
    ort = await import(`/peer/ort-web/${BUILDS[backend]}`);
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmPaths = "/peer/ort-web/";
    // There is no call that only instantiates; a session from no bytes does it and then fails, as it must.
    const refused = await ort.InferenceSession.create(new Uint8Array(0)).then(
      () => false,
      () => true,
    );
    if (!refused) throw new Error("it made a session from no bytes");
    return { version: ort.env.versions.web };
  },

  async load({ bytes, dims }) {
    const options = { executionProviders: [PROVIDERS[backend]] };
    // Its WebNN provider leaves everything with a symbolic dimension to the processor.
    if (backend === "webnn") options.freeDimensionOverrides = await freeDimensions(bytes, dims);
    const started = performance.now();
    session = await ort.InferenceSession.create(new Uint8Array(bytes), options);
    return { micros: microsSince(started) };
  },

  async run({ inputs }) {
    const feeds = {};
    for (const [name, { dtype, dims, data }] of Object.entries(inputs)) {
      feeds[name] = new ort.Tensor(dtype, data, dims);
    }
    const started = performance.now();
    const results = await session.run(feeds);
    const micros = microsSince(started);
    const outputs = {};
    for (const [name, { type, dims, data }] of Object.entries(results)) {
      outputs[name] = { dtype: type, dims: [...dims], data };
    }
    return { micros, outputs };
  },
});

/** Lengths of the model's named dimensions, from inputs of the shapes in `dims`: a session on wasm knows the names. */
async function freeDimensions(bytes, dims) {
  const reader = await ort.InferenceSession.create(new Uint8Array(bytes), { executionProviders: ["wasm"] });
  const lengths = {};
  for (const { name, shape } of reader.inputMetadata) {
    shape.forEach((dim, axis) => {
      if (typeof dim === "string") lengths[dim] = dims[name][axis];
    });
  }
  await reader.release();
  return lengths;
}
