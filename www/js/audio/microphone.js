// Records from the microphone, with the person's permission, until told to stop.

import { PageError } from "../fault.js";

const CHUNK_MILLIS = 200;
/** A recorder that works gives its first sound, and its last, well within this time. */
const PATIENCE_MILLIS = 20_000;

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
  const recording = new Recording(stream);
  await recording.start();
  return () => recording.stop();
}

/** What comes in through one stream; the stream's tracks are let go at its end, however it ends. */
class Recording {
  #stream;
  #recorder;
  #chunks = [];

  constructor(stream) {
    this.#stream = stream;
  }

  /** Until sound arrives, nothing is being recorded, whatever the recorder's state says. */
  async start() {
    try {
      this.#recorder = new MediaRecorder(this.#stream);
      this.#recorder.addEventListener("dataavailable", ({ data }) => this.#chunks.push(data));
      await this.#until("dataavailable", () => this.#recorder.start(CHUNK_MILLIS));
    } catch (cause) {
      this.#letGo();
      throw failed("start", cause);
    }
  }

  async stop() {
    try {
      // A recorder whose microphone was unplugged has stopped by itself.
      if (this.#recorder.state !== "inactive") await this.#until("stop", () => this.#recorder.stop());
    } catch (cause) {
      throw failed("stop", cause);
    } finally {
      this.#letGo();
    }
    return new Blob(this.#chunks, { type: this.#recorder.mimeType });
  }

  /** Does what makes the recorder send such an event, and waits for the event, but not for ever. */
  #until(type, act) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`no ${type} event within ${PATIENCE_MILLIS / 1000} s`)),
        PATIENCE_MILLIS,
      );
      const settle = (end) => (event) => {
        clearTimeout(timer);
        end(event.error);
      };
      this.#recorder.addEventListener(type, settle(resolve), { once: true });
      this.#recorder.addEventListener("error", settle(reject), { once: true });
      act();
    });
  }

  #letGo() {
    for (const track of this.#stream.getTracks()) track.stop();
  }
}

function failed(what, cause) {
  return new PageError(
    "internal",
    "recording-failed",
    `the recording did not ${what}: ${cause?.message ?? "no reason"}`,
    "choose a recording or use the sample",
  );
}
