// Frames: a message in JSON and its buffers as one body, as `wire::fleet` describes them.

/**
 * @param {ArrayBuffer} body
 * @returns {{ message: object, buffers: ArrayBuffer[] }}
 */
export function decodeFrame(body) {
  const nHeader = new DataView(body).getUint32(0, true);
  const { message, sizes } = JSON.parse(new TextDecoder().decode(new Uint8Array(body, 4, nHeader)));
  let offset = 4 + nHeader;
  const buffers = sizes.map((size) => body.slice(offset, (offset += size)));
  return { message, buffers };
}

/**
 * @param {object} message
 * @param {ArrayBuffer[]} buffers
 * @returns {Blob}
 */
export function encodeFrame(message, buffers) {
  const sizes = buffers.map(({ byteLength }) => byteLength);
  const header = new TextEncoder().encode(JSON.stringify({ message, sizes }));
  const length = new DataView(new ArrayBuffer(4));
  length.setUint32(0, header.length, true);
  return new Blob([length, header, ...buffers]);
}
