//! Recordings to speech probabilities and segments, with the Silero VAD sequence model.
//!
//! Frame and context sizes, thresholds and durations are the defaults of the `silero-vad` package, version 6.2.

use serde_json::{Value, json};
use wire::Fault;

use super::{Model, Output, Parts, Pipeline, audio, number};
use crate::backend::{Backend, LocalFuture};
use crate::kept::Carried;
use crate::tensor::{Tensor, TensorData};

const SAMPLE_RATE: usize = 16_000;
/// New samples per frame.
const FRAME: usize = 512;
/// Samples of the frame before that the model sees again.
const CONTEXT: usize = 64;
/// Size of the recurrent state.
const STATE: [usize; 3] = [1, 1, 128];
/// Frames per run, 16 s: bounds the memory of a run, and keeps the worker answering.
const BLOCK: usize = 512;

/// Speech begins at this probability.
const SPEECH: f32 = 0.5;
/// Speech may end below this probability.
const SILENCE: f32 = 0.35;
/// Shorter speech is dropped, samples (250 ms).
const MIN_SPEECH: usize = 4_000;
/// Shorter silence does not end speech, samples (100 ms).
const MIN_SILENCE: usize = 1_600;
/// Segments grow by this at both ends, samples (30 ms).
const PADDING: usize = 480;

/// A voice activity detector.
pub(super) struct DetectSpeech {
    model: Model,
}

impl DetectSpeech {
    pub(super) async fn open(backend: &dyn Backend, parts: &mut Parts) -> Result<Self, Fault> {
        Ok(Self { model: Model::open(backend, parts, "model").await? })
    }

    /// The probability that each frame is speech.
    async fn probabilities(&self, samples: &[f32]) -> Result<Vec<f32>, Fault> {
        let n_frames = samples.len().div_ceil(FRAME);
        let zeros = TensorData::Float32(vec![0.0; STATE[2]]);
        let mut state = ["h", "c"].map(|name| Carried::Here(Tensor::new(name, &STATE, zeros.clone())));
        let mut probabilities = Vec::with_capacity(n_frames);
        for start in (0..n_frames).step_by(BLOCK) {
            let block: Vec<usize> = (start..n_frames.min(start + BLOCK)).collect();
            let data = block.iter().flat_map(|&frame| frame_with_context(samples, frame)).collect();
            let input = Tensor::new("input", &[block.len(), CONTEXT + FRAME], TensorData::Float32(data));
            let [hidden, cell] = state;
            let inputs = vec![input.into(), hidden, cell];
            let wanted = ["speech_probs", "hn", "cn"];
            let [block_probabilities, hidden, cell] =
                self.model.run_values(inputs, wanted, &["hn", "cn"]).await?;
            probabilities.extend_from_slice(block_probabilities.here()?.as_f32()?);
            state = [hidden.named("h"), cell.named("c")];
        }
        Ok(probabilities)
    }
}

impl Pipeline for DetectSpeech {
    fn run<'a>(&'a self, _params: Value, inputs: Vec<Tensor>) -> LocalFuture<'a, Result<Output, Fault>> {
        Box::pin(async move {
            let samples = audio(inputs)?;
            let probabilities = self.probabilities(&samples).await?;
            let seconds = |sample: usize| sample as f64 / SAMPLE_RATE as f64;
            let segments: Vec<Value> = segments(&probabilities, samples.len())
                .into_iter()
                .map(|(start, end)| json!({ "startSeconds": seconds(start), "endSeconds": seconds(end) }))
                .collect();
            Ok(Output::of(json!({
                "frameSeconds": seconds(FRAME),
                "probabilities": probabilities.into_iter().map(number).collect::<Vec<Value>>(),
                "segments": segments,
            })))
        })
    }
}

/// A frame's samples after the last of the frame before; silence where there are none.
fn frame_with_context(samples: &[f32], frame: usize) -> impl Iterator<Item = f32> {
    let start = frame * FRAME;
    let at = move |sample: usize| samples.get(sample).copied().unwrap_or_default();
    let context = (0..CONTEXT).map(move |index| (start + index).checked_sub(CONTEXT).map_or(0.0, at));
    context.chain((start..start + FRAME).map(at))
}

/// Start and end of each stretch of speech, samples.
fn segments(probabilities: &[f32], n_samples: usize) -> Vec<(usize, usize)> {
    let mut segments: Vec<(usize, usize)> = Vec::new();
    let (mut speech_start, mut silence_start) = (None, None);
    for (frame, &probability) in probabilities.iter().enumerate() {
        let sample = frame * FRAME;
        if probability >= SPEECH {
            silence_start = None;
            speech_start.get_or_insert(sample);
        } else if probability < SILENCE
            && let Some(start) = speech_start
        {
            let end = *silence_start.get_or_insert(sample);
            if sample - end >= MIN_SILENCE {
                if end - start > MIN_SPEECH {
                    segments.push((start, end));
                }
                (speech_start, silence_start) = (None, None);
            }
        }
    }
    if let Some(start) = speech_start
        && n_samples - start > MIN_SPEECH
    {
        segments.push((start, n_samples));
    }
    pad(&mut segments, n_samples);
    segments
}

/// Lets segments grow, to the middle of the silence between two at most.
fn pad(segments: &mut [(usize, usize)], n_samples: usize) {
    let mut free_from = 0;
    for index in 0..segments.len() {
        let (start, end) = segments[index];
        let free_until = segments.get(index + 1).map_or(n_samples, |next| end.midpoint(next.0));
        segments[index] = (start.saturating_sub(PADDING).max(free_from), (end + PADDING).min(free_until));
        free_from = free_until;
    }
}

#[cfg(test)]
mod tests;
