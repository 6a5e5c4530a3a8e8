//! A text to a short title, with a T5 encoder and decoder.

use serde::Deserialize;
use serde_json::{Value, json};
use wire::{DType, Fault};

use super::{Model, Output, Parts, Pipeline, argmax, params};
use crate::backend::{Backend, LocalFuture};
use crate::fault;
use crate::kept::Carried;
use crate::tensor::{Tensor, TensorData};
use crate::tokenizer::Unigram;

/// What the model was trained to continue.
const PREFIX: &str = "summarize agent step: ";
/// T5 starts decoding with its padding token.
const START: i64 = 0;
/// Longest title, tokens. The decoder has no cache, so each token costs more than the one before.
const MAX_TOKENS: usize = 32;

/// A title writer.
pub(super) struct WriteTitle {
    encoder: Model,
    decoder: Model,
    tokenizer: Unigram,
}

#[derive(Deserialize)]
struct Params {
    text: String,
}

impl WriteTitle {
    pub(super) async fn open(backend: &dyn Backend, parts: &mut Parts) -> Result<Self, Fault> {
        let tokenizer = Unigram::from_json(&parts.take("tokenizer")?.to_bytes());
        let tokenizer = tokenizer.map_err(|error| fault::pipeline_part("tokenizer", error))?;
        Ok(Self {
            encoder: Model::open(backend, parts, "encoder").await?,
            decoder: Model::open(backend, parts, "decoder").await?,
            tokenizer,
        })
    }

    /// Takes the most probable token again and again, until the model ends the title.
    async fn title(&self, text: &str) -> Result<String, Fault> {
        let ids = self.tokenizer.encode(&format!("{PREFIX}{text}"));
        let dims = [1, ids.len()];
        let ids = TensorData::Int64(ids.into_iter().map(i64::from).collect());
        let mask = TensorData::Int64(vec![1; dims[1]]);
        let inputs =
            vec![Tensor::new("input_ids", &dims, ids), Tensor::new("attention_mask", &dims, mask.clone())];
        let inputs = inputs.into_iter().map(Carried::Here).collect();
        let states = [self.encoder.first_output()?];
        let [states] = self.encoder.run_values(inputs, states, &states).await?;
        let states = states.named("encoder_hidden_states");
        let logits = self.decoder.first_output()?;
        let mut tokens = vec![START];
        while tokens.len() <= MAX_TOKENS {
            let inputs = vec![
                Tensor::new("input_ids", &[1, tokens.len()], TensorData::Int64(tokens.clone())).into(),
                states.clone(),
                Tensor::new("encoder_attention_mask", &dims, mask.clone()).into(),
            ];
            let [output] = self.decoder.run_values(inputs, [logits], &[]).await?;
            let logits = output.here()?;
            let n_tokens = logits.shape().last().copied().unwrap_or_default();
            let last = logits.as_f32()?.rchunks_exact(n_tokens.max(1)).next();
            let last =
                last.ok_or_else(|| fault::output_type(&logits.name, logits.data.dtype(), DType::Float32))?;
            let (token, _) = argmax(last);
            if token == self.tokenizer.end() as usize {
                break;
            }
            tokens.push(token as i64);
        }
        let ids: Vec<u32> = tokens.into_iter().filter_map(|token| u32::try_from(token).ok()).collect();
        Ok(self.tokenizer.decode(&ids))
    }
}

impl Pipeline for WriteTitle {
    fn run<'a>(&'a self, params_: Value, _inputs: Vec<Tensor>) -> LocalFuture<'a, Result<Output, Fault>> {
        Box::pin(async move {
            let Params { text } = params(params_, "{\"text\": \"...\"}")?;
            Ok(Output::of(json!({ "title": self.title(&text).await? })))
        })
    }
}

#[cfg(test)]
mod tests;
