// Reads what a peer needs of an ONNX file: nodes with their attributes, initializers, names of inputs and outputs.
// Field numbers are those of `onnx.proto`.

const FLOAT = 1;
const INT32 = 6;
const INT64 = 7;

/**
 * @typedef {{ dims: number[], isFloat: boolean, data: Float32Array | number[] }} Initializer Whole numbers are JavaScript numbers.
 * @typedef {{ op: string, inputs: string[], outputs: string[], attributes: Record<string, any> }} Node
 */

/**
 * @param {Uint8Array} bytes An ONNX file without side files.
 * @returns {{ nodes: Node[], initializers: Map<string, Initializer>, outputs: string[] }}
 */
export function readModel(bytes) {
  const graph = only(fields(bytes), 7);
  const initializers = new Map();
  const nodes = [];
  const outputs = [];
  for (const [number, value] of fields(graph)) {
    if (number === 1) nodes.push(readNode(value));
    if (number === 5) initializers.set(text(only(fields(value), 8)), readTensor(value));
    if (number === 12) outputs.push(text(only(fields(value), 1)));
  }
  return { nodes, initializers, outputs };
}

function readNode(bytes) {
  const node = { op: "", inputs: [], outputs: [], attributes: {} };
  for (const [number, value] of fields(bytes)) {
    if (number === 1) node.inputs.push(text(value));
    if (number === 2) node.outputs.push(text(value));
    if (number === 4) node.op = text(value);
    if (number === 5) {
      const attribute = fields(value);
      node.attributes[text(only(attribute, 1))] = readAttribute(attribute);
    }
  }
  return node;
}

/** A float, a whole number, a list of whole numbers or a tensor: what the operators here have. */
function readAttribute(attribute) {
  const list = attribute.filter(([number]) => number === 8);
  if (list.length > 0) {
    return list.flatMap(([, value]) => (value instanceof Uint8Array ? varints(value) : [Number(value)]));
  }
  for (const [number, value] of attribute) {
    if (number === 2) return new DataView(value.buffer, value.byteOffset).getFloat32(0, true);
    if (number === 3) return Number(value);
    if (number === 5) return readTensor(value);
  }
  return undefined;
}

function readTensor(bytes) {
  const all = fields(bytes);
  const numbers = (wanted) =>
    all
      .filter(([number]) => number === wanted)
      .flatMap(([, value]) => (value instanceof Uint8Array ? varints(value) : [Number(value)]));
  const dims = numbers(1);
  const type = Number(only(all, 2));
  const raw = all.find(([number]) => number === 9)?.[1];
  if (type === FLOAT) {
    // A copy begins at a multiple of four.
    const values = (raw ?? only(all, 4)).slice();
    return { dims, isFloat: true, data: new Float32Array(values.buffer) };
  }
  if (type !== INT64 && type !== INT32) throw new Error(`element type ${type} is not read`);
  if (!raw) return { dims, isFloat: false, data: numbers(type === INT64 ? 7 : 5) };
  const values = raw.slice().buffer;
  const data = type === INT64 ? new BigInt64Array(values) : new Int32Array(values);
  return { dims, isFloat: false, data: Array.from(data, Number) };
}

/** A message as pairs of field number and value: a BigInt for varints, bytes for everything else. */
function fields(bytes) {
  const found = [];
  const reader = { bytes, at: 0 };
  while (reader.at < bytes.length) {
    const key = Number(varint(reader));
    const wire = key & 7;
    if (wire === 0) {
      found.push([key >>> 3, varint(reader)]);
      continue;
    }
    const length = { 1: 8, 2: wire === 2 ? Number(varint(reader)) : 0, 5: 4 }[wire];
    if (length === undefined || reader.at + length > bytes.length) throw new Error("it is no ONNX file");
    found.push([key >>> 3, bytes.subarray(reader.at, reader.at + length)]);
    reader.at += length;
  }
  return found;
}

function only(fields, wanted) {
  const found = fields.find(([number]) => number === wanted);
  if (!found) throw new Error(`field ${wanted} is missing`);
  return found[1];
}

/** A signed number of 64 bits. */
function varint(reader) {
  let value = 0n;
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = reader.bytes[reader.at++];
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return BigInt.asIntN(64, value);
  }
  throw new Error("a number has no end");
}

function varints(bytes) {
  const reader = { bytes, at: 0 };
  const values = [];
  while (reader.at < bytes.length) values.push(Number(varint(reader)));
  return values;
}

function text(bytes) {
  return new TextDecoder().decode(bytes);
}
