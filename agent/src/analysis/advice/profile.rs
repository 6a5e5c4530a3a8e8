//! Profiles: how a browser, backend and adapter does with a family of models.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Advice, Choice};

/// Times the best choice's time up to which a place is strong, and from which it is weak.
const STRONG: f64 = 1.05;
const WEAK: f64 = 1.5;

/// Share of failed runs from which it is unreliable.
const OFTEN_FAILS: f64 = 0.02;

/// How a browser, backend and adapter does with a family of models.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Profile {
    /// Job family.
    pub(crate) family: String,
    /// Place in the family, from 1: the least time over the best; those that were never compared come last.
    pub(crate) rank: usize,
    /// Browser name.
    pub(crate) browser: String,
    /// Backend, with its finer description.
    pub(crate) backend: String,
    /// Adapter; empty without one.
    pub(crate) adapter: String,
    /// Cases measured here and elsewhere.
    pub(crate) n_cases: usize,
    /// Cases in which it is the recommended choice.
    pub(crate) n_best: usize,
    /// Geometric mean of its expected time over that of the best choice; 1 is always the best.
    pub(crate) times_best: f64,
    /// Runs that succeeded.
    pub(crate) n: usize,
    /// Runs that failed.
    pub(crate) n_failed: usize,
    /// Share of runs that succeeded, 0–1.
    pub(crate) reliability: f64,
    /// What it is good or bad for, as far as it was compared: `strong`, `weak`, `unreliable`.
    pub(crate) traits: Vec<&'static str>,
}

/// How each place does with each family, the best of a family first, from the advice for their cases.
pub(crate) fn profiles(advice: &[Advice]) -> Vec<Profile> {
    let mut by_place: BTreeMap<[&str; 4], Vec<(&Advice, usize)>> = BTreeMap::new();
    for one in advice.iter().filter(|one| one.choices.len() > 1) {
        for (index, choice) in one.choices.iter().enumerate() {
            let place = [&one.family, &choice.browser, &choice.backend, &choice.adapter].map(String::as_str);
            by_place.entry(place).or_default().push((one, index));
        }
    }
    let mut profiles: Vec<Profile> =
        by_place.into_iter().map(|(place, cases)| profile(place, &cases)).collect();
    profiles.sort_by(|left, right| {
        let cost = |profile: &Profile| if profile.n_cases > 0 { profile.times_best } else { f64::INFINITY };
        left.family.cmp(&right.family).then(cost(left).total_cmp(&cost(right)))
    });
    for family in profiles.chunk_by_mut(|left, right| left.family == right.family) {
        family.iter_mut().zip(1..).for_each(|(profile, rank)| profile.rank = rank);
    }
    profiles
}

fn profile([family, browser, backend, adapter]: [&str; 4], cases: &[(&Advice, usize)]) -> Profile {
    let choices = || cases.iter().map(|(advice, index)| &advice.choices[*index]);
    let logarithms: Vec<f64> = cases
        .iter()
        .filter_map(|(advice, index)| {
            let expected = |choice: &Choice| choice.expected_micros;
            Some((expected(&advice.choices[*index])? / advice.choices.first().and_then(expected)?).ln())
        })
        .collect();
    let n_cases = logarithms.len();
    let times_best = (logarithms.iter().sum::<f64>() / n_cases.max(1) as f64).exp();
    let n: usize = choices().map(|choice| choice.n).sum();
    let n_failed: usize = choices().map(|choice| choice.n_failed).sum();
    let failure_ratio = n_failed as f64 / (n + n_failed).max(1) as f64;
    let traits = [
        ("strong", n_cases > 0 && times_best <= STRONG),
        ("weak", n_cases > 0 && times_best >= WEAK),
        ("unreliable", failure_ratio >= OFTEN_FAILS),
    ];
    Profile {
        family: family.to_owned(),
        rank: 0,
        browser: browser.to_owned(),
        backend: backend.to_owned(),
        adapter: adapter.to_owned(),
        n_cases,
        n_best: cases.iter().filter(|(advice, index)| *index == 0 && advice.is_sure()).count(),
        times_best,
        n,
        n_failed,
        reliability: 1.0 - failure_ratio,
        traits: traits.into_iter().filter(|(_, is_so)| *is_so).map(|(name, _)| name).collect(),
    }
}
