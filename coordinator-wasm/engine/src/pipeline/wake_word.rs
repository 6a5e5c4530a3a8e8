//! Recordings to a wake-word score per 80 ms, with openWakeWord's chain: mel spectrogram, speech embedding, head.
//!
//! Window sizes and scaling are those of the `openwakeword` package, version 0.5.

use serde_json::{Value, json};
use wire::Fault;

use super::{Model, Output, Parts, Pipeline, audio, number};
use crate::backend::{Backend, LocalFuture};
use crate::fault;
use crate::tensor::{Tensor, TensorData};

const SAMPLE_RATE: f64 = 16_000.0;
/// Samples per score: 80 ms, eight spectrogram frames.
const STEP: usize = 1_280;
/// The models were made for 16-bit samples.
const SAMPLE_SCALE: f32 = 32_767.0;
/// Bands of the spectrogram.
const N_MELS: usize = 32;
/// Spectrogram frames per embedding, and between embeddings.
const EMBEDDING_FRAMES: usize = 76;
const EMBEDDING_STEP: usize = 8;
/// Size of an embedding.
const N_FEATURES: usize = 96;
/// Embeddings that the head looks at.
const HEAD_EMBEDDINGS: usize = 16;
/// Samples that one score looks at: the last is in the frame (76 - 1) + 8 · (16 - 1), which is 512 samples long and
/// starts 160 samples after the one before.
const SCORE_SAMPLES: usize = 160 * (EMBEDDING_FRAMES - 1 + EMBEDDING_STEP * (HEAD_EMBEDDINGS - 1)) + 512;
/// Embeddings per run: bounds the memory of a run.
const BATCH: usize = 16;

/// A wake-word detector.
pub(super) struct WakeWord {
    mel: Model,
    embedding: Model,
    head: Model,
}

impl WakeWord {
    pub(super) async fn open(backend: &dyn Backend, parts: &mut Parts) -> Result<Self, Fault> {
        Ok(Self {
            mel: Model::open(backend, parts, "mel").await?,
            embedding: Model::open(backend, parts, "embedding").await?,
            head: Model::open(backend, parts, "head").await?,
        })
    }

    /// One score per 80 ms that begin in the recording, each from the two seconds up to its end.
    async fn scores(&self, samples: &[f32]) -> Result<Vec<f32>, Fault> {
        let n_scores = samples.len().div_ceil(STEP);
        if n_scores == 0 {
            return Ok(Vec::new());
        }
        let spectrogram = self.spectrogram(samples, n_scores).await?;
        let embeddings = self.embeddings(&spectrogram, n_scores + HEAD_EMBEDDINGS - 1).await?;
        let name = &self.head.input(0)?.name;
        let mut scores = Vec::with_capacity(n_scores);
        for index in 0..n_scores {
            let window = &embeddings[index * N_FEATURES..][..HEAD_EMBEDDINGS * N_FEATURES];
            let dims = [1, HEAD_EMBEDDINGS, N_FEATURES];
            let input = Tensor::new(name, &dims, TensorData::Float32(window.to_vec()));
            let output = self.head.run_first(vec![input]).await?;
            scores.extend_from_slice(output.as_f32()?.get(..1).unwrap_or_default());
        }
        Ok(scores)
    }

    /// Frames of `N_MELS` bands. Silence stands before the recording, so that its first 80 ms have a score too.
    async fn spectrogram(&self, samples: &[f32], n_scores: usize) -> Result<Vec<f32>, Fault> {
        let mut padded = vec![0.0; SCORE_SAMPLES - STEP];
        padded.extend(samples.iter().map(|sample| sample * SAMPLE_SCALE));
        padded.resize(SCORE_SAMPLES - STEP + n_scores * STEP, 0.0);
        let input = Tensor::new(&self.mel.input(0)?.name, &[1, padded.len()], TensorData::Float32(padded));
        let output = self.mel.run_first(vec![input]).await?;
        // Brings the decibels to the range that the embedding was trained on.
        Ok(output.as_f32()?.iter().map(|decibels| decibels / 10.0 + 2.0).collect())
    }

    async fn embeddings(&self, spectrogram: &[f32], n_embeddings: usize) -> Result<Vec<f32>, Fault> {
        let n_frames = EMBEDDING_FRAMES + EMBEDDING_STEP * (n_embeddings - 1);
        if spectrogram.len() < n_frames * N_MELS {
            let n_found = spectrogram.len() / N_MELS;
            return Err(fault::pipeline_part(
                "mel",
                format_args!("it gave {n_found} frames, {n_frames} needed"),
            ));
        }
        let name = &self.embedding.input(0)?.name;
        let mut embeddings = Vec::with_capacity(n_embeddings * N_FEATURES);
        for start in (0..n_embeddings).step_by(BATCH) {
            let batch: Vec<usize> = (start..n_embeddings.min(start + BATCH)).collect();
            let window =
                |&index: &usize| &spectrogram[index * EMBEDDING_STEP * N_MELS..][..EMBEDDING_FRAMES * N_MELS];
            let data: Vec<f32> = batch.iter().flat_map(window).copied().collect();
            let dims = [batch.len(), EMBEDDING_FRAMES, N_MELS, 1];
            let input = Tensor::new(name, &dims, TensorData::Float32(data));
            embeddings.extend_from_slice(self.embedding.run_first(vec![input]).await?.as_f32()?);
        }
        if embeddings.len() == n_embeddings * N_FEATURES {
            return Ok(embeddings);
        }
        Err(fault::pipeline_part(
            "embedding",
            format_args!("it does not give {N_FEATURES} features per window"),
        ))
    }
}

impl Pipeline for WakeWord {
    fn run<'a>(&'a self, _params: Value, inputs: Vec<Tensor>) -> LocalFuture<'a, Result<Output, Fault>> {
        Box::pin(async move {
            let scores = self.scores(&audio(inputs)?).await?;
            let scores: Vec<Value> = scores.into_iter().map(number).collect();
            Ok(Output::of(json!({ "frameSeconds": STEP as f64 / SAMPLE_RATE, "scores": scores })))
        })
    }
}

#[cfg(test)]
mod tests;
