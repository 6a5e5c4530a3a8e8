//! Padding, pooling and similarities with an encoder whose features are easy to follow.

use wire::DType;

use super::*;
use crate::backend::{MemoryBackend, MemorySession};
use crate::testing::{now, parts, value};
use crate::value::Contract;

/// An encoder whose feature `i` of a token is 1 when its id is `i`, else 0; padding has a feature too, so that a mean
/// over it would show. `pooled` encoders give the sum over all tokens.
fn session(pooled: bool) -> MemorySession {
    MemorySession {
        contract: Contract {
            inputs: vec![
                value("input_ids", DType::Int64, &[-1, -1]),
                value("attention_mask", DType::Int64, &[-1, -1]),
            ]
            .into_iter()
            .map(|input| crate::value::ValueInfo { dims: None, ..input })
            .collect(),
            outputs: vec![value("out", DType::Float32, if pooled { &[-1, 8] } else { &[-1, -1, 8] })],
            metadata: Vec::new(),
        },
        compute: |inputs| {
            let TensorData::Int64(ids) = &inputs[0].data else { panic!("ids are int64") };
            let features =
                ids.iter().flat_map(|&id| (0..8).map(move |feature| f32::from(u8::from(id == feature))));
            let dims = [inputs[0].shape(), vec![8]].concat();
            Ok(vec![Tensor::new("out", &dims, TensorData::Float32(features.collect()))])
        },
    }
}

fn run(backend: &MemoryBackend, texts: &[&str]) -> Result<Output, Fault> {
    let vocabulary = json!({ "[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "cat": 4, "dog": 5 });
    let tokenizer = json!({
        "normalizer": { "type": "BertNormalizer", "lowercase": true, "strip_accents": null },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary,
        },
    });
    let mut parts = parts([("model", Vec::new()), ("tokenizer", tokenizer.to_string().into_bytes())]);
    let pipeline = now(TextEmbedding::open(backend, &mut parts))?;
    now(pipeline.run(json!({ "texts": texts }), Vec::new()))
}

#[test]
fn the_mean_leaves_padding_out() {
    let backend = MemoryBackend { kind: wire::Backend::Wasm, open: |_| Ok(session(false)) };
    let output = run(&backend, &["cat", "cat dog dog", "dog cat"]).unwrap();
    let [embeddings] = &output.outputs[..] else { panic!("one tensor") };
    assert_eq!((embeddings.name.as_str(), embeddings.shape()), ("embeddings", vec![3, 8]));
    let third = 1.0 / 3.0_f32.sqrt();
    assert_eq!(embeddings.as_f32().unwrap()[..8], [0.0, 0.0, third, third, third, 0.0, 0.0, 0.0]);
    let similarities = &output.result["similarities"];
    assert!((similarities[0][0].as_f64().unwrap() - 1.0).abs() < 1e-6);
    let cosine = 3.0 / (3.0 * 7.0_f64).sqrt();
    assert!((similarities[0][1].as_f64().unwrap() - cosine).abs() < 1e-6);
    assert_eq!(similarities[1][2], similarities[2][1]);
}

#[test]
fn no_texts_have_no_similarities() {
    let backend = MemoryBackend { kind: wire::Backend::Wasm, open: |_| Ok(session(false)) };
    let output = run(&backend, &[]).unwrap();
    assert_eq!((output.result, output.outputs[0].shape()), (json!({ "similarities": [] }), vec![0, 0]));
}

#[test]
fn an_output_that_is_not_one_per_text_is_refused() {
    let backend = MemoryBackend { kind: wire::Backend::Wasm, open: |_| Ok(session(true)) };
    assert_eq!(run(&backend, &["cat"]).unwrap_err().code, "pipeline-part");
}

#[test]
fn parameters_are_checked() {
    let error = params::<Params>(json!({ "text": "one" }), "{\"texts\": []}").err().unwrap();
    assert_eq!(error.code, "pipeline-input");
}
