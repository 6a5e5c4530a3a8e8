// An ONNX graph on TensorFlow.js, one of its operations for each node. It knows the operators of sentence encoders;
// any other is refused by name before anything runs.

import { readModel } from "./onnx.js";

const FLOAT = 1;

/**
 * A value is a tensor of TensorFlow.js, or whole numbers that decide shapes (`ints`) and never go to the GPU.
 * @typedef {{ ints: number[], dims: number[] }} Ints
 */

/** For each operator: the value of its only output, from the library, its inputs' values and its attributes. */
const OPERATORS = {
  Add: (tf, [a, b]) => tf.add(a, b),
  Sub: (tf, [a, b]) => tf.sub(a, b),
  Mul: (tf, [a, b]) => tf.mul(a, b),
  Div: (tf, [a, b]) => tf.div(a, b),
  MatMul: (tf, [a, b]) => product(tf, a, b),
  Erf: (tf, [x]) => tf.erf(x),
  Identity: (tf, [x]) => tf.clone(x),
  Softmax: (tf, [x], { axis = -1 }) => tf.softmax(x, axis),
  Transpose: (tf, [x], { perm }) => tf.transpose(x, perm),
  Cast: (tf, [x], { to }) => tf.cast(x, to === FLOAT ? "float32" : "int32"),
  Gather: (tf, [x, indices], { axis = 0 }) => tf.gather(x, indices, axis),
  Unsqueeze: (tf, [x, axes]) => [...axes.ints].sort((a, b) => a - b).reduce((y, axis) => tf.expandDims(y, axis), x),
  Shape: (tf, [x], { start = 0, end = x.shape.length }) => {
    const ints = x.shape.slice(start, end);
    return { ints, dims: [ints.length] };
  },
  Reshape: (tf, [x, shape]) => tf.reshape(x, shape.ints.map((dim, axis) => dim || x.shape[axis])),
  Slice: (tf, [x, starts, ends, axes]) => {
    const begin = x.shape.map(() => 0);
    const size = [...x.shape];
    (axes?.ints ?? starts.ints.map((_, index) => index)).forEach((axis, index) => {
      begin[axis] = starts.ints[index];
      size[axis] = Math.min(ends.ints[index], x.shape[axis]) - begin[axis];
    });
    return tf.slice(x, begin, size);
  },
  LayerNormalization: (tf, [x, scale, bias], { axis = -1, epsilon = 1e-5 }) => {
    const { mean, variance } = tf.moments(x, axis, true);
    const normal = tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, epsilon)));
    return tf.add(tf.mul(normal, scale), bias);
  },
};

/** The library wants operands of equal rank; a weight is better multiplied once with all rows than copied for each. */
function product(tf, a, b) {
  if (b.shape.length !== 2 || a.shape.length === 2) return tf.matMul(a, b);
  const [nColumns, nTerms] = [b.shape[1], b.shape[0]];
  const rows = tf.matMul(tf.reshape(a, [-1, nTerms]), b);
  return tf.reshape(rows, [...a.shape.slice(0, -1), nColumns]);
}

export class Graph {
  #tf;
  #nodes;
  #outputs;
  #constants = new Map();

  /** Reads the file and makes its weights tensors; throws when an operator is missing. */
  constructor(tf, bytes) {
    this.#tf = tf;
    const { nodes, initializers, outputs } = readModel(bytes);
    const missing = nodes.find(({ op }) => !(op in OPERATORS));
    if (missing) throw new Error(`the comparison has no ${missing.op}`);
    this.#nodes = nodes;
    this.#outputs = outputs;
    for (const [name, { dims, isFloat, data }] of initializers) {
      this.#constants.set(name, isFloat ? tf.tensor(data, dims, "float32") : { ints: data, dims });
    }
  }

  /** Runs every node and reads the outputs back. */
  async run(inputs) {
    const tf = this.#tf;
    const results = tf.tidy(() => {
      const values = new Map(this.#constants);
      for (const [name, { dims, data }] of Object.entries(inputs)) {
        const isFloat = data instanceof Float32Array;
        values.set(name, tf.tensor(isFloat ? data : Int32Array.from(data, Number), dims, isFloat ? "float32" : "int32"));
      }
      for (const { op, inputs: names, outputs: [output], attributes } of this.#nodes) {
        values.set(output, OPERATORS[op](tf, names.map((name) => values.get(name)), attributes));
      }
      return this.#outputs.map((name) => values.get(name));
    });
    const outputs = {};
    for (const [index, tensor] of results.entries()) {
      outputs[this.#outputs[index]] = { dtype: tensor.dtype, dims: tensor.shape, data: await tensor.data() };
      tensor.dispose();
    }
    return outputs;
  }
}
