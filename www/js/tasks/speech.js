// Task: a recording in, the stretches with speech out.

import { decodeRecording } from "../audio/decode.js";
import { startRecording } from "../audio/microphone.js";
import { encodeWav } from "../audio/wav.js";
import { find, make, setText } from "../dom.js";
import { faultOf } from "../fault.js";
import { SAMPLE_RATE, synthesizeRecording } from "../samples/voice.js";
import { acceptFiles } from "./drop.js";
import { Panel } from "./panel.js";
import { drawWaveform } from "./waveform.js";

const MODEL = "detect-speech";

/**
 * @param {HTMLElement} section
 * @param {import("../models.js").Models} models
 * @returns {import("../main.js").Task}
 */
export function mountSpeech(section, models) {
  const panel = new Panel(section);
  const button = find("button.primary", section);
  const player = find("audio", section);
  models.card(MODEL).then(
    (card) => panel.describe(card),
    (cause) => panel.fail(cause),
  );

  let samples = new Float32Array(0);
  let heard;
  const draw = () => section.hidden || drawWaveform(find("canvas", section), samples, heard);
  const take = (newSamples, caption) => {
    samples = newSamples;
    heard = undefined;
    URL.revokeObjectURL(player.src);
    player.src = URL.createObjectURL(encodeWav(samples, SAMPLE_RATE));
    setText(find(".caption", section), `${caption} · ${(samples.length / SAMPLE_RATE).toFixed(1)} s`);
    find(".result", section).hidden = true;
    draw();
  };
  const takeSample = () =>
    take(synthesizeRecording(), "Made in this page: a synthetic voice, then three beeps");
  const takeRecording = (recording, caption) =>
    panel.perform(button, async () => {
      take(await decodeRecording(recording), caption);
    });

  acceptFiles(section, (file) => takeRecording(file, file.name));
  find("[data-sample]", section).addEventListener("click", takeSample);
  offerRecording(find("[data-record]", section), panel, (recording) =>
    takeRecording(recording, "Your recording"),
  );
  section.addEventListener("shown", draw);
  addEventListener("resize", draw);
  find("form", section).addEventListener("submit", (event) => {
    event.preventDefault();
    panel.perform(button, async () => {
      const model = await models.load(MODEL, panel.progress);
      const audio = samples;
      const run = await model.run({ audio });
      if (audio === samples) {
        heard = run.result;
        draw();
        showSegments(section, heard.segments, samples.length / SAMPLE_RATE);
      }
      return run;
    });
  });
  takeSample();
  return { model: () => models.load(MODEL), inputs: () => ({ audio: samples }) };
}

/** A button that records until it is pressed again. */
function offerRecording(button, panel, onRecording) {
  let stop;
  button.addEventListener("click", async () => {
    const stopNow = stop;
    stop = undefined;
    button.disabled = true;
    try {
      if (stopNow) onRecording(await stopNow());
      else stop = await startRecording();
    } catch (cause) {
      panel.fail(faultOf(cause));
    }
    button.disabled = false;
    button.setAttribute("aria-pressed", String(Boolean(stop)));
    setText(button, stop ? "Stop recording" : "Record");
  });
}

function showSegments(section, segments, lengthSeconds) {
  const spoken = segments.reduce((sum, { startSeconds, endSeconds }) => sum + endSeconds - startSeconds, 0);
  setText(
    find(".summary", section),
    segments.length
      ? `Speech for ${spoken.toFixed(1)} of ${lengthSeconds.toFixed(1)} s.`
      : "No speech in this recording.",
  );
  find(".segments", section).replaceChildren(
    ...segments.map(({ startSeconds, endSeconds }) =>
      make(
        "li",
        {},
        `${startSeconds.toFixed(2)} – ${endSeconds.toFixed(2)} s`,
        make("span", { class: "score" }, `${(endSeconds - startSeconds).toFixed(2)} s`),
      ),
    ),
  );
  find(".result", section).hidden = false;
}
