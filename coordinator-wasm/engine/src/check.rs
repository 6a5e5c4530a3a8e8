//! Checks a caller's tensors against what the graph declares, before anything runs.

use std::collections::BTreeMap;

use model::Dim;
use wire::Fault;

use crate::fault;
use crate::tensor::Tensor;
use crate::value::{ValueInfo, dim_text};

/// Checks names, types and shapes.
///
/// # Errors
/// `input-unknown`, `input-duplicate`, `input-missing`, `input-dtype`, `input-shape` or `input-size`.
pub fn check_inputs(declared: &[ValueInfo], inputs: &[Tensor]) -> Result<(), Fault> {
    let mut seen: BTreeMap<&str, &Tensor> = BTreeMap::new();
    for input in inputs {
        if !declared.iter().any(|value| value.name == input.name) {
            return Err(fault::unknown_input(&input.name, declared));
        }
        if seen.insert(&input.name, input).is_some() {
            return Err(fault::duplicate_input(&input.name));
        }
    }
    let mut sizes: BTreeMap<&str, u32> = BTreeMap::new();
    for value in declared {
        let Some(input) = seen.get(value.name.as_str()) else {
            return Err(fault::missing_input(&value.name, declared));
        };
        check_value(value, input, &mut sizes)?;
    }
    Ok(())
}

/// Checks one tensor; `sizes` remembers the size of each named dimension.
fn check_value<'a>(
    value: &'a ValueInfo,
    input: &Tensor,
    sizes: &mut BTreeMap<&'a str, u32>,
) -> Result<(), Fault> {
    let header = input.header();
    if header.dtype != value.dtype {
        return Err(fault::input_type(&value.name, header.dtype, value.dtype));
    }
    let n_bytes = input.data.len() * header.dtype.size_bytes();
    if header.size_bytes() != Some(n_bytes) {
        return Err(fault::input_size(&value.name, n_bytes, header.size_bytes()));
    }
    if let Some(dims) = &value.dims {
        let fits = dims.len() == input.dims.len()
            && dims.iter().zip(&input.dims).all(|(dim, &size)| match dim {
                // Some exporters declare a dimension of any size as 0.
                Dim::Fixed(expected) => *expected == size || *expected == 0,
                Dim::Symbolic(name) if is_name(name) => *sizes.entry(name).or_insert(size) == size,
                Dim::Symbolic(_) | Dim::Unknown => true,
            });
        if !fits {
            return Err(fault::input_shape(&value.name, &input.dims, &expected_text(dims, sizes)));
        }
    }
    Ok(())
}

/// Paddle's exporter calls every dimension that it does not know `?`.
fn is_name(name: &str) -> bool {
    !matches!(name, "" | "?")
}

/// The declared shape, with the sizes that named dimensions already have: `[batch=1, 128]`.
fn expected_text(dims: &[Dim], sizes: &BTreeMap<&str, u32>) -> String {
    let dims: Vec<String> = dims
        .iter()
        .map(|dim| match dim {
            Dim::Symbolic(name) if let Some(size) = sizes.get(name.as_str()) => format!("{name}={size}"),
            Dim::Symbolic(_) | Dim::Fixed(_) | Dim::Unknown => dim_text(dim),
        })
        .collect();
    format!("[{}]", dims.join(", "))
}

#[cfg(test)]
mod tests;
