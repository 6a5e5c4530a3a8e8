//! Batches of a model that treats its rows alike, and of models that do not.

use wire::{DType, Reply};

use super::*;
use crate::backend::{File, MemoryBackend, MemorySession};
use crate::engine::{Engine, Platform};
use crate::testing::{floats, now, value};
use crate::value::Contract;

type Compute = fn(&[Tensor]) -> Result<Vec<Tensor>, Fault>;

/// The codes of faults, or the outputs, of the batches of two-element jobs that one after the other run on a model.
#[track_caller]
fn check(compute: &'static str, batches: &[&[[f32; 2]]], expected: &[Result<Vec<[f32; 2]>, &str>]) {
    let open = |bytes: &[u8]| {
        let compute: Compute = match bytes {
            b"rows" => {
                |inputs| Ok(vec![like(&inputs[0], inputs[0].as_f32()?.iter().map(|x| 2.0 * x).collect())])
            }
            b"mean" => |inputs| {
                let x = inputs[0].as_f32()?;
                let mean = x.iter().sum::<f32>() / x.len() as f32;
                Ok(vec![like(&inputs[0], x.iter().map(|x| x - mean).collect())])
            },
            _ => |inputs| Ok(vec![floats("y", &[1, 2], &inputs[0].as_f32()?[..2])]),
        };
        let declared = |name| value(name, DType::Float32, &[-1, 2]);
        let contract =
            Contract { inputs: vec![declared("x")], outputs: vec![declared("y")], metadata: Vec::new() };
        Ok(MemorySession { contract, compute })
    };
    let platform = Platform { now_micros: || 7, memory_bytes: || 0 };
    let engine = Engine::new(platform, vec![Box::new(MemoryBackend { kind: wire::Backend::Wasm, open })]);
    let part = wire::engine::Part { role: "model".to_owned(), sha256: None };
    let bytes = compute.as_bytes().to_vec();
    let parts = || Ok(vec![(part, Box::new(bytes) as File)]);
    now(engine.load("m".to_owned(), wire::Backend::Wasm, None, parts));
    for (batch, expected) in batches.iter().zip(expected) {
        let inputs = batch.iter().map(|row| floats("x", &[1, 2], row)).collect();
        let found = match now(engine.run_batch("m", batch.len(), inputs)) {
            (Reply::Failed { fault }, _) => Err(fault.code),
            (_, outputs) => {
                assert!(outputs.iter().all(|output| output.dims == [1, 2]));
                Ok(outputs.iter().map(|output| [0, 1].map(|at| output.as_f32().unwrap()[at])).collect())
            }
        };
        assert_eq!(found.as_ref().map_err(String::as_str), expected.as_ref().map_err(|code| *code));
    }
}

fn like(tensor: &Tensor, data: Vec<f32>) -> Tensor {
    Tensor { name: "y".to_owned(), dims: tensor.dims.clone(), data: TensorData::Float32(data) }
}

#[test]
fn jobs_get_what_they_would_get_alone() {
    let doubled = Ok(vec![[2.0, 4.0], [6.0, 8.0], [10.0, 12.0]]);
    check("rows", &[&[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]], &[doubled]);
}

#[test]
fn model_that_mixes_its_rows_is_refused() {
    // Each row has the mean 1.5, so that the first batch shows nothing.
    let equal = [[1.0, 2.0], [1.0, 2.0]];
    let centred = Ok(vec![[-0.5, 0.5], [-0.5, 0.5]]);
    check("mean", &[&equal, &[[1.0, 2.0], [3.0, 5.0]]], &[centred, Err("batch")]);
}

#[test]
fn output_without_a_row_for_each_job_is_refused() {
    check("first", &[&[[1.0, 2.0], [3.0, 4.0]]], &[Err("batch")]);
}

#[test]
fn what_is_no_batch_is_refused() {
    let rows = |dims: &[&[usize]]| -> Vec<Tensor> {
        dims.iter().map(|dims| floats("x", dims, &vec![0.0; dims.iter().product()])).collect()
    };
    for (inputs, n_jobs) in [
        (rows(&[]), 1),
        (rows(&[&[1], &[1]]), 0),
        (rows(&[&[1]]), 2),
        (rows(&[&[1], &[2]]), 2),
        (rows(&[&[], &[]]), 2),
    ] {
        assert_eq!(jobs(inputs, n_jobs).unwrap_err().code, "batch");
    }
}
