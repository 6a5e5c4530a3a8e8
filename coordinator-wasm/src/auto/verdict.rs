//! What trying out every backend comes to. Pure.

use wire::Backend;

use crate::golden::{Limits, Outputs};
use crate::joined::joined;
use crate::sorted::{quantile, sorted};

/// One backend, tried out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) backend: Backend,
    pub(crate) is_loaded: bool,
    /// Why it is out of the question, or was not measured.
    pub(crate) problem: Option<String>,
    pub(crate) measured: Option<Measured>,
}

/// Runs on one backend.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measured {
    /// Of the warm runs, in the worker.
    pub(crate) micros: Vec<f64>,
    /// Of the last run; `None` when there is nothing that could be compared.
    pub(crate) outputs: Option<Outputs>,
}

/// Which backends a model keeps.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verdict {
    /// The fastest that is right; the model is left loaded there.
    pub(crate) best: Backend,
    /// All that may run it.
    pub(crate) right: Vec<Backend>,
    /// The finding, with every backend's figures.
    pub(crate) sentence: String,
}

impl Measured {
    fn median_micros(&self) -> f64 {
        quantile(&sorted(self.micros.iter().copied()), 0.5).unwrap_or(f64::INFINITY)
    }
}

/// Compares the outputs with those of wasm, or of the first backend that ran where wasm did not; `None` when no backend
/// loaded the model. What could not be measured is not trusted beside what could.
pub(crate) fn judge(candidates: &mut [Candidate], limits: Limits) -> Option<Verdict> {
    let reference = candidates
        .iter()
        .rev()
        .filter_map(|candidate| Some((candidate.backend, candidate.measured.as_ref()?.outputs.clone()?)))
        .max_by_key(|(backend, _)| *backend == Backend::Wasm);
    if let Some((reference, expected)) = reference {
        for candidate in candidates.iter_mut().filter(|candidate| candidate.backend != reference) {
            let Some(measured) = &candidate.measured else { continue };
            let compared = match &measured.outputs {
                Some(outputs) => expected.check(outputs, limits),
                None => Err("has no outputs to compare".to_owned()),
            };
            candidate.problem =
                compared.err().map(|problem| format!("{problem} from {}'s", reference.as_str()));
        }
    }
    let is_right = |candidate: &&Candidate| candidate.measured.is_some() && candidate.problem.is_none();
    let right: Vec<&Candidate> = candidates.iter().filter(is_right).collect();
    let median =
        |candidate: &Candidate| candidate.measured.as_ref().map_or(f64::INFINITY, Measured::median_micros);
    let best = right.iter().copied().min_by(|a, b| median(a).total_cmp(&median(b)));
    // Without a single measurement, wasm: it is the one that every browser has.
    let unmeasured = || candidates.iter().filter(|candidate| candidate.is_loaded).max_by_key(|c| c.backend);
    let best = best.or_else(unmeasured)?;
    let right = if right.is_empty() { vec![best.backend] } else { right.iter().map(|c| c.backend).collect() };
    let figures = joined(candidates.iter().map(figure), ", ");
    let sentence = format!("{} is chosen; {figures}", best.backend.as_str());
    Some(Verdict { best: best.backend, right, sentence })
}

/// E.g. `wasm 12.3 ms (n = 5)`.
fn figure(candidate: &Candidate) -> String {
    let name = candidate.backend.as_str();
    let median = candidate.measured.as_ref().map(|measured| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast saturates")]
        let tenths = (measured.median_micros() / 100.0).round() as u64;
        format!(" {}.{} ms (n = {})", tenths / 10, tenths % 10, measured.micros.len())
    });
    let problem = candidate.problem.as_ref().map(|problem| format!(": {problem}"));
    format!("{name}{}{}", median.unwrap_or_default(), problem.unwrap_or_default())
}

#[cfg(test)]
mod tests;
