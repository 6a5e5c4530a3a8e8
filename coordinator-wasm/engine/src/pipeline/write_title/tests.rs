//! Greedy decoding with a decoder that counts.

use serde_json::json;

use super::*;
use crate::backend::{MemoryBackend, MemorySession};
use crate::testing::{floats, now, parts, value};
use crate::value::Contract;
use crate::value::ValueInfo;

/// An encoder that gives the number of its tokens, and a decoder that writes "ab" and ends.
fn open(bytes: &[u8]) -> Result<MemorySession, Fault> {
    let any = |name: &str, dtype: DType| ValueInfo { dims: None, ..value(name, dtype, &[]) };
    if bytes == b"encoder" {
        return Ok(MemorySession {
            contract: Contract {
                inputs: vec![any("input_ids", DType::Int64), any("attention_mask", DType::Int64)],
                outputs: vec![any("states", DType::Float32)],
                metadata: Vec::new(),
            },
            compute: |inputs| Ok(vec![floats("states", &[1], &[inputs[0].data.len() as f32])]),
        });
    }
    Ok(MemorySession {
        contract: Contract {
            inputs: vec![
                any("input_ids", DType::Int64),
                any("encoder_hidden_states", DType::Float32),
                any("encoder_attention_mask", DType::Int64),
            ],
            outputs: vec![any("logits", DType::Float32)],
            metadata: Vec::new(),
        },
        compute: |inputs| {
            assert_eq!(inputs[1].as_f32()?, [inputs[2].data.len() as f32]);
            let n_tokens = inputs[0].data.len();
            // Token 3 after one token, 4 after two, then the end (1).
            let best = [3, 4, 1][n_tokens - 1];
            let mut logits = vec![0.0; n_tokens * 5];
            logits[(n_tokens - 1) * 5 + best] = 1.0;
            Ok(vec![floats("logits", &[1, n_tokens, 5], &logits)])
        },
    })
}

#[test]
fn tokens_follow_until_the_end() {
    let tokenizer = json!({
        "truncation": null,
        "added_tokens": [{ "id": 0, "special": true }, { "id": 1, "special": true }],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [{ "type": "Precompiled", "precompiled_charsmap": "BAAAAAAAAAA=" }],
        },
        "pre_tokenizer": { "type": "Metaspace", "replacement": "▁", "prepend_scheme": "always" },
        "model": {
            "type": "Unigram", "unk_id": 2,
            "vocab": [["<pad>", 0.0], ["</s>", 0.0], ["<unk>", 0.0], ["▁a", -1.0], ["b", -1.0]],
        },
    });
    let mut parts = parts([
        ("encoder", b"encoder".to_vec()),
        ("decoder", b"decoder".to_vec()),
        ("tokenizer", serde_json::to_vec(&tokenizer).unwrap()),
    ]);
    let backend = MemoryBackend { kind: wire::Backend::Wasm, open };
    let pipeline = now(WriteTitle::open(&backend, &mut parts)).unwrap();
    let result = now(pipeline.run(json!({ "text": "b" }), Vec::new())).unwrap().result;
    assert_eq!(result, json!({ "title": "ab" }));
    assert_eq!(now(pipeline.run(Value::Null, Vec::new())).unwrap_err().code, "pipeline-input");
}
