// Mono samples → a WAV file that an `<audio>` element plays.

const HEADER_BYTES = 44;

/**
 * @param {Float32Array} samples Between -1 and 1.
 * @param {number} sampleRate Hz.
 * @returns {Blob} 16-bit PCM.
 */
export function encodeWav(samples, sampleRate) {
  const dataBytes = 2 * samples.length;
  const view = new DataView(new ArrayBuffer(HEADER_BYTES + dataBytes));
  const ascii = (offset, text) =>
    [...text].forEach((char, index) => view.setUint8(offset + index, char.charCodeAt(0)));
  ascii(0, "RIFF");
  view.setUint32(4, HEADER_BYTES - 8 + dataBytes, true);
  ascii(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, sampleRate, true);
  view.setUint32(28, 2 * sampleRate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  ascii(36, "data");
  view.setUint32(40, dataBytes, true);
  samples.forEach((sample, index) => {
    view.setInt16(HEADER_BYTES + 2 * index, 32_767 * Math.max(-1, Math.min(1, sample)), true);
  });
  return new Blob([view], { type: "audio/wav" });
}
