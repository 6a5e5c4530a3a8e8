//! Makes input tensors from a few numbers, the same ones as `tests/goldens.py` makes.

use anyhow::{bail, ensure};
use serde::Deserialize;
use wire::DType;

/// How to make the elements of a tensor.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Fill {
    /// These elements.
    Values(Vec<f64>),
    /// Pseudo-random elements in `low..high`.
    Uniform {
        /// State of the xorshift32 generator before the first step; not 0.
        seed: u32,
        /// Smallest value.
        low: f64,
        /// Bound that is not reached.
        high: f64,
    },
    /// The same element everywhere.
    Constant(f64),
}

impl Fill {
    /// Checks that the fill suits `n` elements of type `dtype`.
    ///
    /// # Errors
    /// What does not fit.
    pub(crate) fn check(&self, dtype: DType, n: usize) -> anyhow::Result<()> {
        let is_float = matches!(dtype, DType::Float32);
        let fits = |value: f64| is_float || (value.fract() == 0.0 && in_range(dtype, value));
        if dtype == DType::Float16 {
            bail!("float16 inputs are not supported");
        }
        match self {
            Self::Values(values) => {
                ensure!(values.len() == n, "{} values for {n} elements", values.len());
                ensure!(values.iter().all(|&value| fits(value)), "a value does not fit {}", dtype.as_str());
            }
            Self::Uniform { seed, low, high } => {
                ensure!(*seed != 0, "seed is 0");
                ensure!(low < high, "low is not below high");
                ensure!(
                    fits(*low) && (is_float || fits(high - 1.0)),
                    "range does not fit {}",
                    dtype.as_str()
                );
            }
            Self::Constant(value) => ensure!(fits(*value), "value does not fit {}", dtype.as_str()),
        }
        Ok(())
    }

    /// `n` elements of type `dtype` as little-endian bytes; [`Fill::check`] has passed.
    pub(crate) fn bytes(&self, dtype: DType, n: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(n * dtype.size_bytes());
        match self {
            Self::Values(values) => values.iter().for_each(|&value| push(&mut bytes, dtype, value)),
            Self::Constant(value) => (0..n).for_each(|_| push(&mut bytes, dtype, *value)),
            Self::Uniform { seed, low, high } => {
                let mut state = *seed;
                for _ in 0..n {
                    state = xorshift32(state);
                    push(&mut bytes, dtype, uniform(dtype, state, *low, *high));
                }
            }
        }
        bytes
    }
}

/// Marsaglia's 32-bit xorshift generator with shifts 13, 17, 5.
fn xorshift32(mut state: u32) -> u32 {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    state
}

fn uniform(dtype: DType, state: u32, low: f64, high: f64) -> f64 {
    match dtype {
        DType::Float32 | DType::Float16 => low + (high - low) * (f64::from(state >> 8) / f64::from(1 << 24)),
        DType::Int64 | DType::Int32 | DType::Int8 | DType::Uint8 | DType::Bool => {
            low + f64::from(state) % (high - low)
        }
    }
}

fn in_range(dtype: DType, value: f64) -> bool {
    let (low, high) = match dtype {
        // Where every integer has its own f64.
        DType::Int64 => (-9_007_199_254_740_992.0, 9_007_199_254_740_992.0),
        DType::Int32 => (f64::from(i32::MIN), f64::from(i32::MAX)),
        DType::Int8 => (f64::from(i8::MIN), f64::from(i8::MAX)),
        DType::Uint8 => (0.0, f64::from(u8::MAX)),
        DType::Bool => (0.0, 1.0),
        DType::Float32 | DType::Float16 => (f64::NEG_INFINITY, f64::INFINITY),
    };
    (low..=high).contains(&value)
}

/// Appends one element; `check` has made sure that the conversions are exact, or rounding for float32.
fn push(bytes: &mut Vec<u8>, dtype: DType, value: f64) {
    match dtype {
        DType::Float32 => bytes.extend((value as f32).to_le_bytes()),
        DType::Int64 => bytes.extend((value as i64).to_le_bytes()),
        DType::Int32 => bytes.extend((value as i32).to_le_bytes()),
        DType::Int8 => bytes.extend((value as i8).to_le_bytes()),
        DType::Uint8 | DType::Bool => bytes.push(value as u8),
        DType::Float16 => {}
    }
}

#[cfg(test)]
mod tests;
