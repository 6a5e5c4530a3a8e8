// Records from the microphone, with the person's permission, until told to stop.

import { PageError } from "../fault.js";

const CHUNK_MILLIS = 200;

/**
 * Starts recording; settles when the first sound is in.
 * @returns {Promise<() => Promise<Blob>>} Stops recording, lets go of the microphone, and gives what was recorded.
 */
export async function startRecording() {
  if (!navigator.mediaDevices?.getUserMedia || !window.MediaRecorder) {
    throw new PageError(
      "validation",
      "no-microphone",
      "this browser gives pages no microphone",
      "choose a recording or use the sample",
    );
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch (cause) {
    throw new PageError(
      "validation",
      "no-microphone",
      `the microphone is not available: ${cause.message}`,
      "allow it for this page, or choose a recording",
    );
  }
  const recorder = new MediaRecorder(stream);
  const chunks = [];
  recorder.addEventListener("dataavailable", (event) => chunks.push(event.data));
  const stopped = new Promise((resolve) => recorder.addEventListener("stop", resolve, { once: true }));
  // Until sound arrives, nothing is being recorded, whatever the recorder's state says.
  const arrived = new Promise((resolve) =>
    recorder.addEventListener("dataavailable", resolve, { once: true }),
  );
  recorder.start(CHUNK_MILLIS);
  await arrived;
  return async () => {
    recorder.stop();
    await stopped;
    for (const track of stream.getTracks()) track.stop();
    return new Blob(chunks, { type: recorder.mimeType });
  };
}
