//! What the faults of a burst have in common.

use core::fmt;
use core::time::Duration;
use std::collections::VecDeque;

use crate::named::named_enum;
use crate::sort::sort;
use crate::sorted_map::SortedMap;
use crate::{FaultCategory, Timestamp};

named_enum! {
    /// Something that calls can differ in.
    pub enum Factor {
        /// The browser.
        Browser = "browser",
        /// The backend.
        Backend = "backend",
        /// The adapter.
        Adapter = "adapter",
        /// The model.
        Model = "model",
        /// The precision of its weights.
        Precision = "precision",
        /// The class of the inputs' shapes.
        Shape = "shape",
        /// How long the connection had been open.
        Age = "age",
        /// How much memory the connection had in use.
        Memory = "memory",
        /// The connection itself.
        Connection = "connection",
    }
}

/// The factor that best separates the failed calls of a burst from the calls that succeeded.
#[derive(Debug, Clone, PartialEq)]
pub struct RootCause {
    /// Most frequent category among the faults.
    pub category: FaultCategory,
    /// Faults of that category in the window.
    pub n_faults: u32,
    /// What they share, strongest first; empty when nothing separates them from the successes.
    pub factors: Vec<SharedFactor>,
}

/// One value of one factor, and how the calls divide by it.
#[derive(Debug, Clone, PartialEq)]
pub struct SharedFactor {
    /// The factor.
    pub factor: Factor,
    /// Its value, e.g. `webgpu`.
    pub value: String,
    /// Failed calls with this value.
    pub n_failed_with: u32,
    /// Failed calls without it.
    pub n_failed_without: u32,
    /// Successful calls with this value.
    pub n_ok_with: u32,
    /// Successful calls without it.
    pub n_ok_without: u32,
    /// Probability of a division at least as uneven by chance (Fisher's exact test, one-sided), corrected for the number
    /// of values that were tried (Bonferroni).
    pub p_value: f64,
}

/// What is known of one call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Observation {
    pub(crate) at: Timestamp,
    /// `None` for a success.
    pub(crate) fault: Option<FaultCategory>,
    /// A value per factor, in the order of [`Factor::ALL`]; the pool gives them names.
    pub(crate) values: [u32; N_FACTORS],
}

pub(crate) const N_FACTORS: usize = Factor::ALL.len();
/// Calls remembered.
const MAX_CALLS: usize = 512;
/// Faults of one category within [`BURST_SPAN`] that make a burst.
const BURST_FAULTS: usize = 8;
/// Faults after which a burst is reported even when nothing explains it.
const PATIENT_FAULTS: usize = 24;
const BURST_SPAN: Duration = Duration::from_secs(10);
/// Calls this old take part in the comparison.
const COMPARED_SPAN: Duration = Duration::from_secs(120);
/// Time until the same category is explained again.
const QUIET: Duration = Duration::from_secs(30);
/// Share of the faults that must have a value for the value to explain them.
const MIN_SHARE: f64 = 0.8;
/// Largest corrected probability of a chance finding.
const SIGNIFICANCE: f64 = 0.01;
/// Factors named at most.
const MAX_NAMED: usize = 3;

/// Recent calls, and when each category was last explained.
#[derive(Debug, Default)]
pub(crate) struct Analyst {
    calls: VecDeque<Observation>,
    explained: SortedMap<FaultCategory, Timestamp>,
}

/// A finding whose values have no names yet.
pub(crate) struct Finding {
    pub(crate) category: FaultCategory,
    pub(crate) n_faults: u32,
    pub(crate) factors: Vec<(Factor, u32, [u32; 4], f64)>,
}

impl Analyst {
    /// Entries by collection.
    pub(crate) fn footprint(&self) -> [(&'static str, usize); 1] {
        [("observations", self.calls.len())]
    }

    /// Takes a call in; gives an explanation when it completes a burst.
    pub(crate) fn observe(&mut self, call: Observation) -> Option<Finding> {
        let now = call.at;
        self.calls.push_back(call);
        if self.calls.len() > MAX_CALLS {
            self.calls.pop_front();
        }
        let category = call.fault?;
        if self.explained.get(&category).is_some_and(|&at| now.since(at) < QUIET) {
            return None;
        }
        let recent = self.calls.iter().rev().take_while(|call| now.since(call.at) <= BURST_SPAN);
        let n_faults = recent.filter(|call| call.fault == Some(category)).count();
        if n_faults < BURST_FAULTS {
            return None;
        }
        let finding = self.explain(now, category);
        if finding.factors.is_empty() && n_faults < PATIENT_FAULTS {
            // A few calls more may tell.
            return None;
        }
        self.explained.insert(category, now);
        Some(finding)
    }

    fn explain(&self, now: Timestamp, category: FaultCategory) -> Finding {
        let recent = || self.calls.iter().filter(|call| now.since(call.at) <= COMPARED_SPAN);
        let failed: Vec<&Observation> = recent().filter(|call| call.fault == Some(category)).collect();
        let ok: Vec<&Observation> = recent().filter(|call| call.fault.is_none()).collect();
        let mut candidates = Vec::new();
        for (factor_index, &factor) in Factor::ALL.iter().enumerate() {
            let mut values: Vec<u32> = failed.iter().map(|call| call.values[factor_index]).collect();
            sort(&mut values, |a, b| a < b);
            values.dedup();
            for value in values {
                let count = |calls: &[&Observation]| {
                    calls.iter().filter(|call| call.values[factor_index] == value).count() as u32
                };
                let (failed_with, ok_with) = (count(&failed), count(&ok));
                if ok_with as usize == ok.len() {
                    // What every success has as well tells nothing.
                    continue;
                }
                let table =
                    [failed_with, failed.len() as u32 - failed_with, ok_with, ok.len() as u32 - ok_with];
                candidates.push((factor, value, table, fisher_one_sided(table)));
            }
        }
        let n_tried = candidates.len() as f64;
        candidates.retain_mut(|(_, _, [failed_with, failed_without, ..], p_value)| {
            *p_value = (*p_value * n_tried).min(1.0);
            let share = f64::from(*failed_with) / f64::from(*failed_with + *failed_without);
            share >= MIN_SHARE && *p_value < SIGNIFICANCE
        });
        sort(&mut candidates, |a, b| (a.3, a.0, a.1) < (b.3, b.0, b.1));
        candidates.truncate(MAX_NAMED);
        Finding { category, n_faults: failed.len() as u32, factors: candidates }
    }
}

/// P(at least this many of the failed calls have the value), were failures dealt out at random: Fisher's exact test.
/// `table` is failed with, failed without, ok with, ok without.
pub(crate) fn fisher_one_sided([a, b, c, d]: [u32; 4]) -> f64 {
    let (n_failed, n_with, n) = (a + b, a + c, a + b + c + d);
    let ln_whole = ln_choose(n, n_failed);
    let most = n_failed.min(n_with);
    // The number of failed calls with the value follows the hypergeometric distribution.
    let tail = (a..=most).filter(|&x| n_failed - x <= n - n_with);
    tail.map(|x| (ln_choose(n_with, x) + ln_choose(n - n_with, n_failed - x) - ln_whole).exp())
        .sum::<f64>()
        .min(1.0)
}

/// ln of the binomial coefficient, by summing; calls are at most [`MAX_CALLS`].
fn ln_choose(n: u32, k: u32) -> f64 {
    let k = k.min(n - k);
    (0..k).map(|i| (f64::from(n - i) / f64::from(i + 1)).ln()).sum()
}

impl fmt::Display for RootCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { category, n_faults, factors } = self;
        let plural = if *n_faults == 1 { "" } else { "s" };
        if factors.is_empty() {
            return write!(f, "{n_faults} {category} fault{plural} share nothing that the successes lack");
        }
        write!(f, "{n_faults} {category} fault{plural}: ")?;
        for (factor_index, shared) in factors.iter().enumerate() {
            if factor_index > 0 {
                f.write_str(", ")?;
            }
            let SharedFactor {
                factor,
                value,
                n_failed_with,
                n_failed_without,
                n_ok_with,
                n_ok_without,
                p_value,
            } = shared;
            let (n_failed, n_ok) = (n_failed_with + n_failed_without, n_ok_with + n_ok_without);
            let value = if value.is_empty() { "unknown" } else { value };
            write!(f, "{factor} {value} ({n_failed_with} of {n_failed}, successes {n_ok_with} of {n_ok}")?;
            match (p_value * 1000.0).round() as u32 {
                0 => f.write_str(", p < 0.001)")?,
                thousandths => write!(f, ", p = 0.{thousandths:03})")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
