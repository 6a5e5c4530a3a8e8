// What WebNN itself takes: products issued to it directly, in floats and in bytes, and values on their way in and out.

import init, { createPool } from "/pkg/tabpool.js";

const RUNS = 15;
const context = await navigator.ml.createContext({ deviceType: "cpu" });

/** Median time of a graph with input `x` and output `y`, milliseconds; the first run is left out. */
async function time(graph, from, to, values) {
  const x = await context.createTensor({ dataType: "float32", shape: from, writable: true });
  const y = await context.createTensor({ dataType: "float32", shape: to, readable: true });
  const times = [];
  for (let run = 0; run <= RUNS; run += 1) {
    const started = performance.now();
    context.writeTensor(x, values);
    context.dispatch(graph, { x }, { y });
    await context.readTensor(y);
    times.push(performance.now() - started);
  }
  [graph, x, y].forEach((held) => held.destroy());
  return times.slice(1).sort((a, b) => a - b)[RUNS >> 1];
}

const noise = (n) => Float32Array.from({ length: n }, (_, index) => ((index * 37) % 101) / 50 - 1);

/** A product of `x` with a constant matrix, as each kind asks for it. */
const products = {
  floats: (builder, x, k, n) =>
    builder.gemm(x, builder.constant({ dataType: "float32", shape: [k, n] }, noise(k * n))),
  // Weights in bytes, floats otherwise.
  "weights in bytes": (builder, x, k, n) => {
    const { bytes, scales } = weights(builder, k, n);
    return builder.gemm(x, builder.dequantizeLinear(bytes, scales.scale, scales.point), { bTranspose: true });
  },
  // Everything in bytes, with scales that are known.
  bytes: (builder, x, k, n) => {
    const { bytes, scales } = weights(builder, k, n);
    const { scale, point } = constants(builder, [1, 1], 0.05);
    const quantized = (value) =>
      builder.dequantizeLinear(builder.quantizeLinear(value, scale, point), scale, point);
    const product = builder.gemm(quantized(x), builder.dequantizeLinear(bytes, scales.scale, scales.point), { bTranspose: true });
    return quantized(product);
  },
};

function weights(builder, k, n) {
  const values = Int8Array.from({ length: k * n }, (_, index) => ((index * 37) % 201) - 100);
  return {
    bytes: builder.constant({ dataType: "int8", shape: [n, k] }, values),
    scales: constants(builder, [n, 1], 0.002),
  };
}

function constants(builder, shape, value) {
  const n = shape[0] * shape[1];
  return {
    scale: builder.constant({ dataType: "float32", shape }, new Float32Array(n).fill(value)),
    point: builder.constant({ dataType: "int8", shape }, new Int8Array(n)),
  };
}

/** Milliseconds of the products of `n_layers` layers of a transformer of `width`, one graph, `rows` rows. */
window.chain = async (kind, rows, width, inner, nLayers) => {
  const builder = new MLGraphBuilder(context);
  const product = (x, k, n) => products[kind](builder, x, k, n);
  let y = builder.input("x", { dataType: "float32", shape: [rows, width] });
  for (let layer = 0; layer < nLayers; layer += 1) {
    for (let index = 0; index < 4; index += 1) y = product(y, width, width);
    y = product(product(y, width, inner), inner, width);
  }
  const shape = [rows, width];
  return time(await builder.build({ y }), shape, shape, noise(rows * width));
};

/** Milliseconds of `n` products of two matrices of `size` rows, one after another. */
window.square = async (size, n) => {
  const builder = new MLGraphBuilder(context);
  let y = builder.input("x", { dataType: "float32", shape: [size, size] });
  for (let index = 0; index < n; index += 1) y = products.floats(builder, y, size, size);
  return time(await builder.build({ y }), [size, size], [size, size], noise(size * size));
};

/** Milliseconds until `n` floats have been written, negated and read. */
window.crossing = async (n) => {
  const builder = new MLGraphBuilder(context);
  const x = builder.input("x", { dataType: "float32", shape: [n] });
  return time(await builder.build({ y: builder.neg(x) }), [n], [n], noise(n));
};

/** Median milliseconds of a sentence model's run in the pool. */
window.model = async (id, backend, dims) => {
  const pool = await createPool({ workers: 1, agent: null, evidenceKey: null });
  const bytes = new Uint8Array(await (await fetch(`/model/${id}`)).arrayBuffer());
  const model = await pool.load(bytes, { backend, name: id });
  const n = dims[0] * dims[1];
  const inputs = {};
  for (const { name } of model.inputs) {
    inputs[name] = { dtype: "int64", dims, data: new BigInt64Array(n).fill(name === "token_type_ids" ? 0n : 1n) };
  }
  const times = [];
  for (let run = 0; run <= RUNS; run += 1) {
    const { record } = await model.run(inputs);
    times.push(record.phases.run_micros / 1e3);
  }
  await pool.close();
  return times.slice(1).sort((a, b) => a - b)[RUNS >> 1];
};

await init();
document.title = "ready";
