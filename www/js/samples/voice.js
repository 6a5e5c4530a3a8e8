// Makes a short recording in the page: two phrases of a synthetic voice, then three beeps that are not speech.

/** Samples per second of the recording, and of everything that the speech detector hears. */
export const SAMPLE_RATE = 16_000;

/** Three formants in Hz after Peterson and Barney's means for adult speakers; loudness of voice and breath, 0 to 1. */
const SOUNDS = {
  rest: [500, 1500, 2500, 0, 0],
  h: [600, 1300, 2500, 0.05, 0.5],
  e: [530, 1840, 2480, 1, 0.02],
  l: [360, 1100, 2700, 0.6, 0.01],
  o: [570, 840, 2410, 1, 0.02],
  u: [300, 870, 2240, 0.9, 0.02],
  a: [730, 1090, 2440, 1, 0.02],
  i: [270, 2290, 3010, 0.9, 0.02],
  m: [250, 1000, 2200, 0.4, 0],
  n: [250, 1500, 2500, 0.4, 0],
  w: [290, 700, 2200, 0.6, 0.01],
  r: [420, 1300, 1600, 0.7, 0.01],
};

/** What the voice says, sound by sound, with the hundredths of a second that each one takes to reach. */
const PHRASES = [
  { start: 0.5, pitch: 128, sounds: "h6 e10 l7 o13 u12 w8 a10 n8 i14 m8 o16 rest12" },
  { start: 2.4, pitch: 116, sounds: "m7 i12 n7 a14 r8 e12 l7 u12 m8 a20 rest14" },
];

const BEEPS = [4.2, 4.6, 5.0];
const BEEP_SECONDS = 0.22;
const LENGTH_SECONDS = 5.8;

/**
 * The recording: mono, {@link SAMPLE_RATE}, between -1 and 1.
 * @returns {Float32Array}
 */
export function synthesizeRecording() {
  const samples = new Float32Array(LENGTH_SECONDS * SAMPLE_RATE);
  const noise = noiseSource(7);
  for (let index = 0; index < samples.length; index++) samples[index] = 0.0008 * noise();
  for (const phrase of PHRASES) addPhrase(samples, phrase, noise);
  for (const start of BEEPS) addBeep(samples, start);
  return samples;
}

/**
 * A voice: pulses at the pitch, and breath, through four resonances that follow the sounds.
 * @param {Float32Array} samples
 * @param {{ start: number, pitch: number, sounds: string }} phrase Start in seconds, pitch in Hz.
 * @param {() => number} noise
 */
function addPhrase(samples, phrase, noise) {
  const resonances = [80, 100, 140, 220].map(resonance);
  let from = SOUNDS.rest;
  let index = Math.round(phrase.start * SAMPLE_RATE);
  let phase = 0;
  let previous = 0;
  const steps = phrase.sounds.split(" ").map((sound) => sound.match(/([a-z]+)(\d+)/));
  const total = steps.reduce((sum, [, , hundredths]) => sum + Number(hundredths) / 100, 0);
  let elapsed = 0;
  for (const [, name, hundredths] of steps) {
    const seconds = Number(hundredths) / 100;
    const to = SOUNDS[name];
    const n = Math.round(seconds * SAMPLE_RATE);
    for (let step = 0; step < n; step++, index++) {
      // The tract moves fast at first and then holds, as in speech.
      const mix = 1 - (1 - step / n) ** 2.5;
      const [f1, f2, f3, voice, breath] = from.map((value, part) => value + mix * (to[part] - value));
      const time = elapsed + step / SAMPLE_RATE;
      const pitch = phrase.pitch * (1.12 - 0.3 * (time / total) + 0.06 * Math.sin(9 * time) + 0.01 * noise());
      phase = (phase + pitch / SAMPLE_RATE) % 1;
      const flow = glottalFlow(phase);
      let value = voice * (flow - previous) * 8 + breath * 0.25 * noise();
      previous = flow;
      [f1, f2, f3, 3500].forEach((frequency, part) => (value = resonances[part](value, frequency)));
      samples[index] += 0.3 * value;
    }
    elapsed += seconds;
    from = to;
  }
}

/** Rosenberg's pulse: opens for 40 % of the period, closes for 16 %, rests. */
function glottalFlow(phase) {
  if (phase < 0.4) return 0.5 * (1 - Math.cos((Math.PI * phase) / 0.4));
  if (phase < 0.56) return Math.cos((Math.PI * (phase - 0.4)) / 0.32);
  return 0;
}

/** A second-order resonator with gain 1 at 0 Hz (Klatt, 1980) and the given bandwidth in Hz. */
function resonance(bandwidth) {
  let last = 0;
  let beforeLast = 0;
  const c = -Math.exp((-2 * Math.PI * bandwidth) / SAMPLE_RATE);
  const spread = 2 * Math.exp((-Math.PI * bandwidth) / SAMPLE_RATE);
  return (value, frequency) => {
    const b = spread * Math.cos((2 * Math.PI * frequency) / SAMPLE_RATE);
    const next = (1 - b - c) * value + b * last + c * beforeLast;
    beforeLast = last;
    last = next;
    return next;
  };
}

function addBeep(samples, start) {
  const first = Math.round(start * SAMPLE_RATE);
  const n = Math.round(BEEP_SECONDS * SAMPLE_RATE);
  for (let step = 0; step < n; step++) {
    const edge = Math.min(1, step / 160, (n - step) / 160);
    samples[first + step] += 0.25 * edge * Math.sin((2 * Math.PI * 880 * step) / SAMPLE_RATE);
  }
}

/** White noise between -1 and 1 that is the same every time (xorshift32). */
function noiseSource(seed) {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state / 2 ** 31;
  };
}
