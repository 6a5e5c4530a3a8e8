//! Texts to vectors whose cosine says how much two texts mean the same.

use serde::Deserialize;
use serde_json::{Value, json};
use wire::Fault;

use super::{Model, Output, Parts, Pipeline, number, params};
use crate::backend::{Backend, LocalFuture};
use crate::fault;
use crate::tensor::{Tensor, TensorData};
use crate::tokenizer::WordPiece;

/// Texts per run: more would not be faster on one thread, and would need more memory.
const BATCH: usize = 8;

/// A sentence encoder with its tokenizer.
pub(super) struct TextEmbedding {
    model: Model,
    tokenizer: WordPiece,
    output: String,
    pooling: Pooling,
}

/// How the model's output becomes one vector per text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pooling {
    /// The output is [text, feature] already.
    Done,
    /// The output is [text, token, feature]: the mean over the text's own tokens.
    Mean,
}

#[derive(Deserialize)]
struct Params {
    texts: Vec<String>,
}

impl TextEmbedding {
    pub(super) async fn open(backend: &dyn Backend, parts: &mut Parts) -> Result<Self, Fault> {
        let tokenizer = WordPiece::from_json(&parts.take("tokenizer")?.to_bytes());
        let tokenizer = tokenizer.map_err(|error| fault::pipeline_part("tokenizer", error))?;
        let model = Model::open(backend, parts, "model").await?;
        let pooled = model.output_of_rank(2).map(|name| (name.to_owned(), Pooling::Done));
        let (output, pooling) = pooled
            .or_else(|| model.output_of_rank(3).map(|name| (name.to_owned(), Pooling::Mean)))
            .ok_or_else(|| fault::pipeline_part("model", "it has no float32 output of 2 or 3 dimensions"))?;
        Ok(Self { model, tokenizer, output, pooling })
    }

    /// One vector of length 1 per text, and their size.
    async fn embed(&self, texts: &[String]) -> Result<(Vec<f32>, usize), Fault> {
        let (mut embeddings, mut n_features) = (Vec::new(), 0);
        for texts in texts.chunks(BATCH) {
            let tokens: Vec<Vec<u32>> = texts.iter().map(|text| self.tokenizer.encode(text)).collect();
            let n_tokens = tokens.iter().map(Vec::len).max().unwrap_or_default();
            let inputs = self.inputs(&tokens, n_tokens);
            let [output] = self.model.run(inputs, [self.output.as_str()]).await?;
            n_features = output.shape().last().copied().unwrap_or_default();
            let n_values = if self.pooling == Pooling::Done { n_features } else { n_tokens * n_features };
            let rows = output.as_f32()?.chunks_exact(n_values.max(1));
            if rows.len() != texts.len() {
                let dims = fault::dims_text(&output.dims);
                return Err(fault::pipeline_part(
                    "model",
                    format_args!("its output {dims} is not one per text"),
                ));
            }
            for (row, tokens) in rows.zip(&tokens) {
                let mut vector = match self.pooling {
                    Pooling::Done => row.to_vec(),
                    Pooling::Mean => sum_rows(&row[..tokens.len() * n_features], n_features),
                };
                normalize(&mut vector);
                embeddings.extend(vector);
            }
        }
        Ok((embeddings, n_features))
    }

    /// The tensors that the model declares, filled up to `n_tokens`.
    fn inputs(&self, tokens: &[Vec<u32>], n_tokens: usize) -> Vec<Tensor> {
        let padded = |value: &dyn Fn(u32) -> i64, padding: i64| {
            let fill = |row: &Vec<u32>| {
                let values: Vec<i64> = row.iter().map(|&id| value(id)).collect();
                values.into_iter().chain(std::iter::repeat(padding)).take(n_tokens).collect::<Vec<i64>>()
            };
            TensorData::Int64(tokens.iter().flat_map(fill).collect())
        };
        let all = [
            ("input_ids", padded(&|id| i64::from(id), i64::from(self.tokenizer.padding()))),
            ("attention_mask", padded(&|_| 1, 0)),
            ("token_type_ids", padded(&|_| 0, 0)),
        ];
        let declared = all.into_iter().filter(|(name, _)| self.model.has_input(name));
        declared.map(|(name, data)| Tensor::new(name, &[tokens.len(), n_tokens], data)).collect()
    }
}

impl Pipeline for TextEmbedding {
    fn run<'a>(&'a self, params_: Value, _inputs: Vec<Tensor>) -> LocalFuture<'a, Result<Output, Fault>> {
        Box::pin(async move {
            let Params { texts } = params(params_, "{\"texts\": [\"...\", \"...\"]}")?;
            let (embeddings, n_features) = self.embed(&texts).await?;
            let result = json!({ "similarities": similarities(&embeddings, n_features) });
            let data = TensorData::Float32(embeddings);
            Ok(Output { result, outputs: vec![Tensor::new("embeddings", &[texts.len(), n_features], data)] })
        })
    }
}

/// The sum of the rows; its direction is that of their mean.
fn sum_rows(rows: &[f32], n_features: usize) -> Vec<f32> {
    let mut sum = vec![0.0; n_features];
    for row in rows.chunks_exact(n_features) {
        sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    sum
}

/// Gives `vector` the length 1; a zero vector stays.
fn normalize(vector: &mut [f32]) {
    let length = dot(vector, vector).sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|value| *value /= length);
    }
}

/// The cosine of each pair of rows of length 1.
fn similarities(embeddings: &[f32], n_features: usize) -> Vec<Vec<Value>> {
    let rows = || embeddings.chunks_exact(n_features.max(1));
    rows().map(|row| rows().map(|other| number(dot(row, other))).collect()).collect()
}

fn dot(left: &[f32], right: &[f32]) -> f32 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

#[cfg(test)]
mod tests;
