// Tensors as the pool takes and gives them: element types, noise, summaries, and bundles for the agent.

/** @typedef {{ dtype: string, dims: number[], data: any }} Tensor */

const ARRAYS = {
  float32: Float32Array,
  float16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
};

/** Numbers of elements in a shape; 1 for a scalar. */
function elements(dims) {
  return dims.reduce((product, dim) => product * dim, 1);
}

/**
 * Floats are uniform in -1 to 1; integers are 1, which is a valid index and a mask that lets everything through.
 * @returns {Tensor}
 */
export function noiseTensor(dtype, dims) {
  const data = new ARRAYS[dtype](elements(dims));
  if (dtype === "float32") data.forEach((_, index) => (data[index] = 2 * Math.random() - 1));
  else if (dtype === "int64") data.fill(1n);
  else data.fill(1);
  return { dtype, dims, data };
}

/** Smallest, mean and largest element; `undefined` for no elements and for raw 16-bit floats. */
export function summarize({ dtype, data }) {
  if (data.length === 0 || dtype === "float16") return {};
  let [smallest, largest, sum] = [Infinity, -Infinity, 0];
  for (const element of data) {
    const value = Number(element);
    smallest = Math.min(smallest, value);
    largest = Math.max(largest, value);
    sum += value;
  }
  return { smallest, mean: sum / data.length, largest };
}

/**
 * Reads a bundle: header length (u32, little-endian), JSON array of headers, data in that order.
 * @param {ArrayBuffer} body
 * @returns {Record<string, Tensor>}
 */
export function decodeBundle(body) {
  const headerBytes = new DataView(body).getUint32(0, true);
  const headers = JSON.parse(new TextDecoder().decode(new Uint8Array(body, 4, headerBytes)));
  let offset = 4 + headerBytes;
  return Object.fromEntries(
    headers.map(({ name, dtype, dims }) => {
      const end = offset + elements(dims) * ARRAYS[dtype].BYTES_PER_ELEMENT;
      // Data need not be aligned in the bundle, so it is copied out.
      const data = new ARRAYS[dtype](body.slice(offset, end));
      offset = end;
      return [name, { dtype, dims, data }];
    }),
  );
}

/**
 * Writes what {@link decodeBundle} reads.
 * @param {Record<string, Tensor>} tensors
 * @returns {Blob}
 */
export function encodeBundle(tensors) {
  const headers = Object.entries(tensors).map(([name, { dtype, dims }]) => ({ name, dtype, dims }));
  const json = new TextEncoder().encode(JSON.stringify(headers));
  const length = new DataView(new ArrayBuffer(4));
  length.setUint32(0, json.length, true);
  return new Blob([length, json, ...Object.values(tensors).map(({ data }) => data)]);
}
