//! Judges what an engine computed for an operator's case.

use model::dtype::widen_half;
use wire::{DType, Fault};

use crate::node_case::{NodeCase, WireTensor};

/// Relative tolerance of floats; ONNX's own runner uses the same.
const RELATIVE: f32 = 1e-3;
/// Absolute tolerance of floats, for sums that end near zero.
const ABSOLUTE: f32 = 1e-6;

/// How a case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Every output is right.
    Pass,
    /// The engine refused before it ran anything, with the reason.
    Unsupported(String),
    /// Anything else, with the reason.
    Fail(String),
}

/// Outputs of each data set in turn, or the first fault.
pub type Outcome = Result<Vec<Vec<WireTensor>>, Fault>;

/// Compares what an engine did with what the case asks for.
#[must_use]
pub fn judge(case: &NodeCase, outcome: Outcome) -> Verdict {
    let computed = match outcome {
        Ok(computed) => computed,
        Err(fault) if fault.code == "unsupported-type" => {
            return Verdict::Unsupported(
                "an input or output has a type that the backend cannot hold".to_owned(),
            );
        }
        Err(fault) if fault.code == "unsupported-operator" => {
            // The message names the node first, then the reason.
            let reason = fault.message.split_once(": ").map_or(fault.message.as_str(), |(_, reason)| reason);
            return Verdict::Unsupported(reason.to_owned());
        }
        Err(fault) => return Verdict::Fail(format!("{}: {}", fault.code, fault.message)),
    };
    let expected = match &case.data_sets {
        Ok(data_sets) => data_sets,
        Err(error) => return Verdict::Fail(format!("the case's data: {error:#}")),
    };
    if computed.len() != expected.len() {
        return Verdict::Fail(format!("{} data sets ran, of {}", computed.len(), expected.len()));
    }
    let mut differences = computed.iter().zip(expected).filter_map(|(computed, data_set)| {
        if computed.len() != data_set.outputs.len() {
            return Some(format!("{} outputs, expected {}", computed.len(), data_set.outputs.len()));
        }
        computed.iter().zip(&data_set.outputs).find_map(|(actual, expected)| difference(actual, expected))
    });
    differences.next().map_or(Verdict::Pass, Verdict::Fail)
}

/// Where two tensors differ; `None` when they agree within the tolerances.
fn difference(actual: &WireTensor, expected: &WireTensor) -> Option<String> {
    let name = &expected.header.name;
    if actual.header != expected.header {
        return Some(format!("output {:?}, expected {:?}", actual.header, expected.header));
    }
    let Some((actual, expected)) = floats(actual).zip(floats(expected)) else {
        return (actual.bytes != expected.bytes).then(|| format!("output {name} has other values"));
    };
    let mut pairs = actual.into_iter().zip(expected).enumerate();
    let (index, (a, e)) = pairs.find(|(_, (a, e))| !close(*a, *e))?;
    Some(format!("output {name} is {a} at {index}, expected {e}"))
}

fn close(actual: f32, expected: f32) -> bool {
    // The comparison covers equal infinities, whose difference is not a number.
    actual == expected
        || (actual.is_nan() && expected.is_nan())
        || (actual - expected).abs() <= ABSOLUTE + RELATIVE * expected.abs()
}

/// The elements of a tensor of floats.
fn floats(tensor: &WireTensor) -> Option<Vec<f32>> {
    let halves = || tensor.bytes.as_chunks::<2>().0.iter().map(|&chunk| u16::from_le_bytes(chunk));
    match tensor.header.dtype {
        DType::Float32 => {
            Some(tensor.bytes.as_chunks::<4>().0.iter().map(|&chunk| f32::from_le_bytes(chunk)).collect())
        }
        DType::Float16 => Some(halves().map(widen_half).collect()),
        DType::Int64 | DType::Int32 | DType::Int8 | DType::Uint8 | DType::Bool => None,
    }
}

#[cfg(test)]
mod tests;
