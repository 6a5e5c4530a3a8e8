//! Known inputs with known outputs: a component that failed is tried with them before any job is, and one that answers
//! wrongly stays open.

use js_sys::{Array, ArrayBuffer, BigInt64Array, Float64Array, Object};
use wasm_bindgen::prelude::*;
use wire::Fault;

use crate::fault::invalid;
use crate::inputs::{Inputs, array_length};
use crate::object::property;

/// Elements of all outputs that are kept at most: 1 MiB.
const MOST_ELEMENTS: usize = 131_072;

/// Inputs, the outputs that they must give, and how far these may be off.
pub(crate) struct Golden {
    /// Copies: the caller may do as he likes with his.
    pub(crate) inputs: Inputs,
    outputs: Outputs,
    limits: Limits,
}

/// Output tensors by name, as numbers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outputs(Vec<(String, Vec<f64>)>);

/// How far outputs may be off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limits {
    /// Upper limit of the largest absolute difference over the range of the expected values.
    pub(crate) max_abs_ratio: f64,
    /// Lower limit of the cosine similarity.
    pub(crate) cosine: f64,
}

impl Default for Limits {
    /// What 16-bit floats keep to; 32-bit ones are a hundred times closer.
    fn default() -> Self {
        Self { max_abs_ratio: 0.01, cosine: 0.999 }
    }
}

impl Golden {
    /// Keeps `inputs` with the outputs that they must give.
    pub(crate) fn new(inputs: &Inputs, outputs: Outputs, limits: Limits) -> Self {
        Self { inputs: inputs.copy(), outputs, limits }
    }

    /// Compares the outputs of a run with those that are expected.
    ///
    /// # Errors
    /// The first difference beyond the limits.
    pub(crate) fn check(&self, actual: &JsValue) -> Result<(), String> {
        self.outputs.check(&Outputs::read(actual).map_err(|fault| fault.message)?, self.limits)
    }
}

impl Outputs {
    /// Reads `{ name: { data } }`.
    ///
    /// # Errors
    /// `probe` for anything else, for none, or for more than can be kept.
    pub(crate) fn read(outputs: &JsValue) -> Result<Self, Fault> {
        let object =
            outputs.dyn_ref::<Object>().ok_or_else(|| invalid("probe", "outputs are not tensors by name"))?;
        let mut arrays = Vec::new();
        for name in Object::keys(object).iter().filter_map(|name| name.as_string()) {
            let data = property(outputs, &name).and_then(|tensor| property(&tensor, "data"));
            let data = data.filter(|data| ArrayBuffer::is_view(data) || Array::is_array(data));
            let data = data.ok_or_else(|| invalid("probe", format!("output '{name}' has no typed array")))?;
            arrays.push((name, data));
        }
        let n_elements: usize = arrays.iter().map(|(_, data)| array_length(data)).sum();
        if !(1..=MOST_ELEMENTS).contains(&n_elements) {
            let what = format!("outputs have {n_elements} elements, it takes 1 to {MOST_ELEMENTS}");
            return Err(invalid("probe", what));
        }
        Ok(Self(arrays.into_iter().map(|(name, data)| (name, numbers(&data))).collect()))
    }

    #[cfg(test)]
    pub(crate) fn of(name: &str, values: Vec<f64>) -> Self {
        Self(vec![(name.to_owned(), values)])
    }

    /// Whether every number is one.
    pub(crate) fn are_finite(&self) -> bool {
        self.0.iter().flat_map(|(_, values)| values).all(|value| value.is_finite())
    }

    /// Compares `actual` with these; outputs that these do not name are ignored.
    ///
    /// # Errors
    /// The first difference beyond the limits.
    pub(crate) fn check(&self, actual: &Self, limits: Limits) -> Result<(), String> {
        for (name, expected) in &self.0 {
            let found = actual.0.iter().find(|(other, _)| other == name);
            let values = found.map(|(_, values)| values.as_slice()).unwrap_or_default();
            let problem = difference(expected, values, limits);
            if let Some(problem) = problem {
                return Err(format!("output '{name}' {problem}"));
            }
        }
        Ok(())
    }
}

/// Whether one output is within `limits` of what is expected, as typed arrays.
pub(crate) fn are_close(expected: &JsValue, actual: &JsValue, limits: Limits) -> bool {
    difference(&numbers(expected), &numbers(actual), limits).is_none()
}

/// What is wrong with `actual`, if something is.
fn difference(expected: &[f64], actual: &[f64], limits: Limits) -> Option<&'static str> {
    if expected.len() != actual.len() {
        return Some("has another size");
    }
    if actual.iter().any(|value| !value.is_finite()) {
        return Some("is not finite");
    }
    let fold = |from: f64, pick: fn(f64, f64) -> f64| expected.iter().copied().fold(from, pick);
    let range = fold(f64::NEG_INFINITY, f64::max) - fold(f64::INFINITY, f64::min);
    let scale = if range > 0.0 { range } else { fold(0.0, |most, value| most.max(value.abs())) };
    let pairs = || expected.iter().zip(actual);
    let largest = pairs().map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    if largest > limits.max_abs_ratio * scale {
        return Some("differs by more than its limit");
    }
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let norms = (dot(expected, expected) * dot(actual, actual)).sqrt();
    // Zeros that are zeros have no direction.
    (norms > 0.0 && dot(expected, actual) < limits.cosine * norms).then_some("points elsewhere")
}

/// The elements of an array, typed or not.
fn numbers(data: &JsValue) -> Vec<f64> {
    if let Some(integers) = data.dyn_ref::<BigInt64Array>() {
        #[expect(clippy::cast_precision_loss, reason = "token ids and the like are far below 2^53")]
        return integers.to_vec().into_iter().map(|value| value as f64).collect();
    }
    Float64Array::new(data).to_vec()
}

#[cfg(test)]
mod tests;
