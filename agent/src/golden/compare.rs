//! Compares the outputs of a run with the golden ones.

use serde::Serialize;
use wire::TensorHeader;

use crate::golden::{Case, Limits, Output, element};

/// How the outputs of one run compare with the golden ones: the worst over all outputs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Check {
    /// True when every output is there, has the right type and shape and keeps the limits.
    pub(crate) ok: bool,
    /// Largest absolute difference over the range of the expected values; `None` when nothing was comparable.
    pub(crate) max_abs_ratio: Option<f64>,
    /// Smallest cosine similarity; `None` when nothing was comparable.
    pub(crate) cosine: Option<f64>,
    /// What is wrong first: lower-case, no final period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<String>,
}

/// Compares `actual` with the outputs of `case`; outputs that the golden does not name are ignored. `None` when it names
/// none at all: then nothing says whether they are right.
pub(crate) fn compare(case: &Case, actual: &[(TensorHeader, &[u8])]) -> Option<Check> {
    if case.outputs.is_empty() {
        return None;
    }
    let mut check = Check { ok: true, max_abs_ratio: None, cosine: None, problem: None };
    for expected in &case.outputs {
        match distance(expected, actual) {
            Ok(distance) => {
                check.max_abs_ratio = Some(
                    check.max_abs_ratio.map_or(distance.max_abs_ratio, |r| r.max(distance.max_abs_ratio)),
                );
                check.cosine = Some(check.cosine.map_or(distance.cosine, |c| c.min(distance.cosine)));
                if let Some(problem) = distance.outside(&case.limits) {
                    check.fail(format!("output {}: {problem}", expected.header.name));
                }
            }
            Err(problem) => check.fail(format!("output {}: {problem}", expected.header.name)),
        }
    }
    Some(check)
}

impl Check {
    fn fail(&mut self, problem: String) {
        self.ok = false;
        self.problem.get_or_insert(problem);
    }
}

struct Distance {
    max_abs_ratio: f64,
    cosine: f64,
}

impl Distance {
    fn outside(&self, limits: &Limits) -> Option<String> {
        if self.max_abs_ratio > limits.max_abs_ratio {
            let (ratio, limit) = (self.max_abs_ratio, limits.max_abs_ratio);
            Some(format!("largest difference is {ratio:.2e} of the range, limit {limit:.2e}"))
        } else if self.cosine < limits.cosine {
            Some(format!("cosine is {:.6}, limit {}", self.cosine, limits.cosine))
        } else {
            None
        }
    }
}

fn distance(expected: &Output, actual: &[(TensorHeader, &[u8])]) -> Result<Distance, String> {
    let name = &expected.header.name;
    let (header, data) = actual.iter().find(|(header, _)| header.name == *name).ok_or("is missing")?;
    if header.dtype != expected.header.dtype {
        let (found, wanted) = (header.dtype.as_str(), expected.header.dtype.as_str());
        return Err(format!("element type is {found}, expected {wanted}"));
    }
    if header.dims != expected.header.dims {
        return Err(format!("shape is {:?}, expected {:?}", header.dims, expected.header.dims));
    }
    let mut difference = 0_f64;
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    let (mut dot, mut actual_square, mut expected_square) = (0.0, 0.0, 0.0);
    for (index, &wanted) in expected.values.iter().enumerate() {
        let value = element(header.dtype, data, index * expected.stride).ok_or("data is truncated")?;
        if !value.is_finite() {
            return Err(format!("element {} is {value}", index * expected.stride));
        }
        difference = difference.max((value - wanted).abs());
        low = low.min(wanted);
        high = high.max(wanted);
        dot += value * wanted;
        actual_square += value * value;
        expected_square += wanted * wanted;
    }
    let range = if high > low { high - low } else { high.abs() };
    let max_abs_ratio = if range > 0.0 { difference / range } else { difference };
    let norms = (actual_square * expected_square).sqrt();
    // Two zero vectors agree; a zero vector and another one do not.
    let cosine = if norms > 0.0 {
        dot / norms
    } else if actual_square == expected_square {
        1.0
    } else {
        0.0
    };
    Ok(Distance { max_abs_ratio, cosine })
}

#[cfg(test)]
mod tests;
