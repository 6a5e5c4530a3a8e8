// The worker that runs onnxruntime-web for comparison: wasm, one thread, its default optimisations.

import * as ort from "/peer/ort-web/ort.wasm.min.mjs";

/** @type {ort.InferenceSession} */
let session;

const ANSWERS = {
  /** Instantiates the wasm module, which the library otherwise does inside its first session. */
  async start() {
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

  async load({ bytes }) {
    const started = performance.now();
    session = await ort.InferenceSession.create(new Uint8Array(bytes), { executionProviders: ["wasm"] });
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
};

function microsSince(started) {
  return Math.round((performance.now() - started) * 1000);
}

self.onmessage = async ({ data: { kind, ...body } }) => {
  try {
    const answer = await ANSWERS[kind](body);
    self.postMessage(
      answer,
      Object.values(answer.outputs ?? {}).map(({ data: { buffer } }) => buffer),
    );
  } catch (cause) {
    self.postMessage({ error: String(cause?.message ?? cause) });
  }
};
