// The worker that runs TensorFlow.js on WebGPU for comparison. It has no reader for ONNX: `tfjs/graph.js` calls its
// operations in the order of the file. A classic worker, because the library's modules name each other without a path.

importScripts("/peer/tfjs/tf-core.min.js", "/peer/tfjs/tf-backend-webgpu.min.js");

const { tf } = self;
let graph;
// Messages that arrive while the modules load wait: a classic worker delivers them as soon as this script has run.
const modules = Promise.all([import("./answer.js"), import("./tfjs/graph.js")]);
const early = [];
self.onmessage = (event) => early.push(event);

modules.then(([{ answerWith, microsSince }, { Graph }]) => {
  answerWith({
    async start({ backend }) {
      if (backend !== "webgpu") throw new Error(`it is compared on webgpu only, not on ${backend}`);
      if (!(await tf.setBackend("webgpu"))) throw new Error("it has no WebGPU here");
      return { version: tf.version_core };
    },

    async load({ bytes }) {
      const started = performance.now();
      graph = new Graph(tf, new Uint8Array(bytes));
      return { micros: microsSince(started) };
    },

    async run({ inputs }) {
      const started = performance.now();
      const outputs = await graph.run(inputs);
      return { micros: microsSince(started), outputs };
    },
  });
  early.forEach((event) => self.onmessage(event));
});
