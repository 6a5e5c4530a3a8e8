//! Stored outputs of ONNX Runtime: the inputs to run, and what must come out.

pub(crate) mod compare;
pub(crate) mod fill;
pub(crate) mod own;

use std::collections::BTreeSet;

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use wire::{DType, TensorHeader};

use fill::Fill;

/// Name and text of every file in `agent/goldens`.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/goldens.rs"));

/// Golden cases of one model.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Golden {
    /// Id in `models.toml`.
    pub(crate) model: String,
    /// Lower-case hex SHA-256 of the model file that made the outputs.
    pub(crate) sha256: String,
    /// What made the outputs.
    pub(crate) made_by: String,
    /// The cases, smallest first.
    pub(crate) cases: Vec<Case>,
}

/// One set of inputs and its outputs.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// Unique in the model, e.g. `1x16`.
    pub(crate) id: String,
    /// How to make the inputs.
    pub(crate) inputs: Vec<Input>,
    /// What must come out; empty for a person's own model, where nobody knows.
    pub(crate) outputs: Vec<Output>,
    /// How far it may be off.
    pub(crate) limits: Limits,
}

/// One input and how to make it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Input {
    /// Name, type and shape.
    #[serde(flatten)]
    pub(crate) header: TensorHeader,
    /// Its elements.
    pub(crate) fill: Fill,
}

/// One expected output, thinned out.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Output {
    /// Name, type and full shape.
    #[serde(flatten)]
    pub(crate) header: TensorHeader,
    /// Every `stride`-th element of the flattened tensor is kept, from the first on.
    pub(crate) stride: usize,
    /// The kept elements.
    pub(crate) values: Vec<f64>,
}

/// Limits that every output must keep.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    /// Upper limit of the largest absolute difference over the range of the expected values.
    pub(crate) max_abs_ratio: f64,
    /// Lower limit of the cosine similarity.
    pub(crate) cosine: f64,
}

/// Every golden this program was built with.
///
/// # Errors
/// A file that is not a golden, with its name.
pub(crate) fn built_in() -> anyhow::Result<Vec<Golden>> {
    FILES.iter().map(|(name, text)| Golden::parse(text).with_context(|| format!("golden {name}"))).collect()
}

impl Golden {
    /// Reads and checks one golden file.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let golden: Self = serde_json::from_str(text)?;
        ensure!(content::is_sha256_hex(&golden.sha256), "sha256 is not a SHA-256");
        let mut ids = BTreeSet::new();
        for case in &golden.cases {
            ensure!(ids.insert(&case.id), "case id {} is used twice", case.id);
            case.check().with_context(|| format!("case {}", case.id))?;
        }
        Ok(golden)
    }
}

impl Case {
    fn check(&self) -> anyhow::Result<()> {
        for Input { header, fill } in &self.inputs {
            let n = header.n_elements().context("input shape overflows")?;
            fill.check(header.dtype, n).with_context(|| format!("input {}", header.name))?;
        }
        ensure!(!self.outputs.is_empty(), "there is no output to compare with");
        for Output { header, stride, values } in &self.outputs {
            let n = header.n_elements().context("output shape overflows")?;
            ensure!(*stride > 0, "output {}: stride is 0", header.name);
            let n_kept = n.div_ceil(*stride);
            ensure!(
                values.len() == n_kept && n_kept > 0,
                "output {}: {} values, expected {n_kept}",
                header.name,
                values.len()
            );
        }
        Ok(())
    }
}

/// Element `index` of little-endian `data`, or `None` past its end.
pub(crate) fn element(dtype: DType, data: &[u8], index: usize) -> Option<f64> {
    let size = dtype.size_bytes();
    let bytes = data.get(index.checked_mul(size)?..)?.get(..size)?;
    Some(match dtype {
        DType::Float32 => f64::from(f32::from_le_bytes(bytes.try_into().ok()?)),
        DType::Float16 => half(u16::from_le_bytes(bytes.try_into().ok()?)),
        // Goldens hold token ids and the like, far below 2^53.
        DType::Int64 => i64::from_le_bytes(bytes.try_into().ok()?) as f64,
        DType::Int32 => f64::from(i32::from_le_bytes(bytes.try_into().ok()?)),
        DType::Int8 => f64::from(i8::from_le_bytes(bytes.try_into().ok()?)),
        DType::Uint8 | DType::Bool => f64::from(bytes[0]),
    })
}

/// Value of an IEEE 754 binary16.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f64::from(bits & 0x3ff) / 1024.0;
    sign * match exponent {
        0 => fraction * 2_f64.powi(-14),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction) * 2_f64.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests;
