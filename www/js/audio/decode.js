// Any recording that the browser can play → the 16 kHz mono samples that the models hear.

import { PageError } from "../fault.js";
import { SAMPLE_RATE } from "../samples/voice.js";

/**
 * @param {Blob} recording
 * @returns {Promise<Float32Array>} Samples between -1 and 1.
 */
export async function decodeRecording(recording) {
  // An offline context decodes straight to its own sample rate; rendering through one channel mixes the rest down.
  const decoder = new OfflineAudioContext(1, 1, SAMPLE_RATE);
  let decoded;
  try {
    decoded = await decoder.decodeAudioData(await recording.arrayBuffer());
  } catch (cause) {
    throw new PageError(
      "validation",
      "not-a-recording",
      `this browser cannot decode the recording: ${cause?.message ?? "unknown format"}`,
      "choose a WAV, MP3, OGG or M4A file",
    );
  }
  const mixer = new OfflineAudioContext(1, decoded.length, SAMPLE_RATE);
  const source = mixer.createBufferSource();
  source.buffer = decoded;
  source.connect(mixer.destination);
  source.start();
  return (await mixer.startRendering()).getChannelData(0);
}
