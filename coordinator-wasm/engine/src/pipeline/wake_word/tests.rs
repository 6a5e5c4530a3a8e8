//! Which samples each score looks at, with models that pass their inputs on.

use wire::DType;

use super::*;
use crate::backend::{MemoryBackend, MemorySession};
use crate::testing::{floats, now, parts, value};
use crate::value::Contract;

type Compute = fn(&[Tensor]) -> Result<Vec<Tensor>, Fault>;

/// Three models: the spectrogram repeats the last sample of each frame in every band, the embedding repeats the last
/// frame of its window, the head gives the last value of its last embedding.
fn open(bytes: &[u8]) -> Result<MemorySession, Fault> {
    let (compute, input): (Compute, &[i64]) = match bytes {
        b"mel" => (
            |inputs| {
                let samples = inputs[0].as_f32()?;
                let ends = (512..=samples.len()).step_by(160).map(|end| samples[end - 1]);
                let decibels: Vec<f32> =
                    ends.flat_map(|sample| [(sample / SAMPLE_SCALE - 2.0) * 10.0; N_MELS]).collect();
                Ok(vec![floats("y", &[decibels.len()], &decibels)])
            },
            &[1, -1],
        ),
        b"embedding" => (
            |inputs| {
                let last = inputs[0]
                    .as_f32()?
                    .chunks_exact(EMBEDDING_FRAMES * N_MELS)
                    .map(|window| window[75 * N_MELS]);
                let embeddings: Vec<f32> = last.flat_map(|value| [value; N_FEATURES]).collect();
                Ok(vec![floats("y", &[embeddings.len()], &embeddings)])
            },
            &[-1, 76, 32, 1],
        ),
        _ => (
            |inputs| Ok(vec![floats("y", &[1], &inputs[0].as_f32()?[HEAD_EMBEDDINGS * N_FEATURES - 1..])]),
            &[1, 16, 96],
        ),
    };
    let inputs = vec![value("x", DType::Float32, input)];
    Ok(MemorySession {
        contract: Contract { inputs, outputs: vec![value("y", DType::Float32, &[-1])], metadata: Vec::new() },
        compute,
    })
}

/// The scores of a recording of `n_samples` whose samples are their own times in seconds.
fn scores(n_samples: u16) -> Vec<f64> {
    let roles = ["mel", "embedding", "head"];
    let mut parts = parts(roles.map(|role| (role, role.as_bytes().to_vec())));
    let backend = MemoryBackend { kind: wire::Backend::Wasm, open };
    let pipeline = now(WakeWord::open(&backend, &mut parts)).unwrap();
    let samples: Vec<f32> = (0..n_samples).map(|sample| f32::from(sample) / 16_000.0).collect();
    let audio = floats("audio", &[samples.len()], &samples);
    let result = now(pipeline.run(Value::Null, vec![audio])).unwrap().result;
    assert_eq!(result["frameSeconds"], json!(0.08));
    result["scores"].as_array().unwrap().iter().map(|score| score.as_f64().unwrap()).collect()
}

#[test]
fn each_score_ends_with_its_80_milliseconds() {
    assert!(scores(0).is_empty());
    let scores = scores(40_000);
    assert_eq!(scores.len(), 32);
    // The last score's 80 ms are not full: silence follows the recording.
    for (index, score) in scores[..31].iter().enumerate() {
        let end = (index as f64 + 1.0) * 0.08 - 1.0 / 16_000.0;
        assert!((score - end).abs() < 1e-4, "score {index} ends at {score} s instead of {end} s");
    }
    assert!(scores[31].abs() < 1e-4);
}

#[test]
fn the_recording_must_be_audio() {
    let wrong = floats("image", &[1], &[0.0]);
    assert_eq!(audio(vec![wrong]).unwrap_err().code, "pipeline-input");
    assert_eq!(audio(Vec::new()).unwrap_err().code, "pipeline-input");
    let wrong = Tensor::new("audio", &[1], TensorData::Uint8(vec![0]));
    assert_eq!(audio(vec![wrong]).unwrap_err().code, "pipeline-input");
}
