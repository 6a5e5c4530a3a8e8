//! Checks a caller's tensors against what the graph declares, before anything runs.

use std::collections::BTreeMap;

use model::Dim;
use wire::{Fault, TensorHeader};

use crate::fault;
use crate::tensor::Tensor;
use crate::value::{ValueInfo, dim_text};

/// Checks names, types and shapes.
///
/// # Errors
/// `input-unknown`, `input-duplicate`, `input-missing`, `input-dtype`, `input-shape` or `input-size`.
pub fn check_inputs(declared: &[ValueInfo], inputs: &[Tensor]) -> Result<(), Fault> {
    let n_bytes = |input: &Tensor| input.data.len() * input.data.dtype().size_bytes();
    let inputs: Vec<_> = inputs.iter().map(|input| (input.header(), n_bytes(input))).collect();
    check_headers(declared, &inputs)
}

/// The same for headers with the bytes that go with them.
pub(crate) fn check_headers(declared: &[ValueInfo], inputs: &[(TensorHeader, usize)]) -> Result<(), Fault> {
    let mut seen: BTreeMap<&str, &(TensorHeader, usize)> = BTreeMap::new();
    for input in inputs {
        let (header, _) = input;
        if !declared.iter().any(|value| value.name == header.name) {
            return Err(fault::unknown_input(&header.name, declared));
        }
        if seen.insert(&header.name, input).is_some() {
            return Err(fault::duplicate_input(&header.name));
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
    (header, n_bytes): &(TensorHeader, usize),
    sizes: &mut BTreeMap<&'a str, u32>,
) -> Result<(), Fault> {
    if header.dtype != value.dtype {
        return Err(fault::input_type(&value.name, header.dtype, value.dtype));
    }
    if header.size_bytes() != Some(*n_bytes) {
        return Err(fault::input_size(&value.name, *n_bytes, header.size_bytes()));
    }
    if let Some(dims) = &value.dims {
        let fits = dims.len() == header.dims.len()
            && dims.iter().zip(&header.dims).all(|(dim, &size)| match dim {
                // Some exporters declare a dimension of any size as 0.
                Dim::Fixed(expected) => *expected == size || *expected == 0,
                Dim::Symbolic(name) if is_name(name) => *sizes.entry(name).or_insert(size) == size,
                Dim::Symbolic(_) | Dim::Unknown => true,
            });
        if !fits {
            return Err(fault::input_shape(&value.name, &header.dims, &expected_text(dims, sizes)));
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
