//! File contents to a content type, with magika.
//!
//! Sizes, labels and thresholds come from the model's own `config.min.json`; the steps are those of magika 1.0.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use wire::Fault;

use super::{Model, Output, Parts, Pipeline, input, number};
use crate::backend::{Backend, LocalFuture};
use crate::fault;
use crate::tensor::{Tensor, TensorData};

/// Labels in the result beside the best.
const N_TOP: usize = 5;

/// A content type classifier.
pub(super) struct IdentifyFile {
    model: Model,
    config: Config,
}

/// What the model's configuration says.
#[derive(Debug, Deserialize)]
struct Config {
    beg_size: usize,
    mid_size: usize,
    end_size: usize,
    block_size: usize,
    padding_token: i32,
    min_file_size_for_dl: usize,
    use_inputs_at_offsets: bool,
    medium_confidence_threshold: f32,
    target_labels_space: Vec<String>,
    thresholds: BTreeMap<String, f32>,
    overwrite_map: BTreeMap<String, String>,
}

impl IdentifyFile {
    pub(super) async fn open(backend: &dyn Backend, parts: &mut Parts) -> Result<Self, Fault> {
        let config: Config = serde_json::from_slice(&parts.take("config")?.to_bytes())
            .map_err(|error| fault::pipeline_part("config", error))?;
        if config.mid_size != 0 || config.use_inputs_at_offsets {
            return Err(fault::pipeline_part("config", "it asks for features from the middle of the file"));
        }
        Ok(Self { model: Model::open(backend, parts, "model").await?, config })
    }

    async fn identify(&self, bytes: &[u8]) -> Result<Value, Fault> {
        let Some(features) = self.config.features(bytes) else {
            return Ok(certain(label_without_model(bytes)));
        };
        let name = &self.model.input(0)?.name;
        let input = Tensor::new(name, &[1, features.len()], TensorData::Int32(features));
        let scores = self.model.run_first(vec![input]).await?;
        Ok(self.config.result(scores.as_f32()?))
    }
}

impl Pipeline for IdentifyFile {
    fn run<'a>(&'a self, _params: Value, inputs: Vec<Tensor>) -> LocalFuture<'a, Result<Output, Fault>> {
        Box::pin(async move {
            let hint = "pass \"bytes\" as uint8 [n]: the file's contents";
            let TensorData::Uint8(bytes) = input(inputs, "bytes", 1, hint)?.data else {
                return Err(fault::pipeline_input("input \"bytes\" is not uint8", hint));
            };
            Ok(Output::of(self.identify(&bytes).await?))
        })
    }
}

impl Config {
    /// The first and last bytes without the white space around, or `None` when too little is left.
    fn features(&self, bytes: &[u8]) -> Option<Vec<i32>> {
        let block = bytes.len().min(self.block_size);
        let start = trim_start(&bytes[..block]);
        let end = trim_end(&bytes[bytes.len() - block..]);
        if bytes.len() < self.min_file_size_for_dl || start.len() < self.min_file_size_for_dl {
            return None;
        }
        let start = &start[..start.len().min(self.beg_size)];
        let end = &end[end.len().saturating_sub(self.end_size)..];
        let padding = |n: usize| std::iter::repeat_n(self.padding_token, n);
        let tokens = |bytes: &[u8]| bytes.iter().map(|&byte| i32::from(byte)).collect::<Vec<i32>>();
        let features = tokens(start).into_iter().chain(padding(self.beg_size - start.len()));
        Some(features.chain(padding(self.end_size - end.len())).chain(tokens(end)).collect())
    }

    /// The best labels. `confident` is false when magika itself would only say "text" or "unknown".
    fn result(&self, scores: &[f32]) -> Value {
        let mut ranked: Vec<(&str, f32)> =
            self.target_labels_space.iter().map(String::as_str).zip(scores.iter().copied()).collect();
        ranked.sort_by(|left, right| right.1.total_cmp(&left.1));
        ranked.truncate(N_TOP);
        let Some(&(best, score)) = ranked.first() else { return certain("unknown") };
        let threshold = self.thresholds.get(best).copied().unwrap_or(self.medium_confidence_threshold);
        let label = self.overwrite_map.get(best).map_or(best, String::as_str);
        let top: Vec<Value> =
            ranked.iter().map(|&(label, score)| json!({ "label": label, "score": number(score) })).collect();
        json!({ "label": label, "score": number(score), "confident": score >= threshold, "top": top })
    }
}

/// The label of a file that is too short for the model.
fn label_without_model(bytes: &[u8]) -> &'static str {
    match bytes {
        [] => "empty",
        bytes if std::str::from_utf8(bytes).is_ok() => "txt",
        _ => "unknown",
    }
}

fn certain(label: &str) -> Value {
    json!({ "label": label, "score": 1.0, "confident": true, "top": [{ "label": label, "score": 1.0 }] })
}

/// White space as Python's `bytes.strip` sees it.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn trim_start(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|&byte| !is_space(byte)).unwrap_or(bytes.len());
    &bytes[start..]
}

fn trim_end(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|&byte| !is_space(byte)).map_or(0, |last| last + 1);
    &bytes[..end]
}

#[cfg(test)]
mod tests;
