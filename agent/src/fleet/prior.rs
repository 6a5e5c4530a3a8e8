//! What the history knows, for a pool that has measured nothing yet.

use std::collections::BTreeMap;
use std::time::Duration;

use pool::{
    Backend, Estimate, LatencyEvidence, ModelId, ShapeClass, Strategy, StrategyEvidence, StrategyRecord,
};

use crate::analysis::advice::Advice;
use crate::fleet::shape::Classes;
use crate::golden::Golden;
use crate::store::Recovery;

/// Calls that a latency from the history counts as at most: the browsers of a fleet share their machine, and soon know
/// better.
const PRIOR_CALLS: usize = 3;

/// Uses that a strategy's past counts as at most: half of what a pool remembers of its own.
const PRIOR_USES: f64 = 25.0;

/// Spread of one latency: about a factor of 1.6 either way, as the pool assumes without data.
const DEVIATION_LN: f64 = 0.5;

/// The median of each case on each browser and backend, where the shapes of the case are known, and what they say together
/// of any shape: that is what the pool compares places by. Places name browsers only.
pub(crate) fn latencies(
    model: ModelId,
    advice: &[Advice],
    goldens: &[Golden],
    classes: Classes,
) -> Vec<LatencyEvidence> {
    // Cases of one class of shapes share an estimate: the one with the most runs stands for them.
    let mut known: BTreeMap<(&str, Backend, ShapeClass), (usize, f64)> = BTreeMap::new();
    for one in advice {
        let Some((shapes, n_elements)) = inputs(one, goldens) else { continue };
        for choice in &one.choices {
            let backend = choice.backend.split(' ').next().unwrap_or_default();
            let (Ok(backend), Some(median)) = (backend.parse(), choice.median_micros) else { continue };
            let place = (choice.browser.as_str(), backend, classes.of(&shapes, n_elements));
            let best = known.entry(place).or_insert((0, 0.0));
            if choice.n > best.0 {
                *best = (choice.n, median);
            }
        }
    }
    let mut by_place: BTreeMap<(&str, Backend), Vec<(ShapeClass, Estimate)>> = BTreeMap::new();
    for ((browser, backend, shape), (n, median)) in known {
        let n_calls = n.min(PRIOR_CALLS) as f64;
        let estimate = Estimate::of(Duration::from_secs_f64(median / 1e6), DEVIATION_LN, n_calls);
        by_place.entry((browser, backend)).or_default().push((shape, estimate));
    }
    let evidence = |((browser, backend), shapes): ((&str, Backend), Vec<(ShapeClass, Estimate)>)| {
        let place = Some((browser.to_owned(), String::new()));
        let any_shape = pooled(shapes.iter().map(|&(_, estimate)| estimate)).map(|estimate| (None, estimate));
        let each_shape = shapes.into_iter().map(|(shape, estimate)| (Some((shape, 0)), estimate));
        let all = each_shape.chain(any_shape);
        all.map(move |(shape, estimate)| LatencyEvidence {
            model,
            backend,
            place: place.clone(),
            shape,
            estimate,
        })
    };
    by_place.into_iter().flat_map(evidence).collect()
}

/// What estimates say of their calls mixed, as if the pool had seen those itself; but with no more weight than one of them
/// may have. `None` without any calls.
fn pooled(estimates: impl Iterator<Item = Estimate> + Clone) -> Option<Estimate> {
    let weight: f64 = estimates.clone().map(|one| one.weight).sum();
    let mean = |of: &dyn Fn(Estimate) -> f64| {
        estimates.clone().map(|one| one.weight * of(one)).sum::<f64>() / weight
    };
    let first = estimates.clone().next().filter(|_| weight > 0.0)?;
    let mean_ln = mean(&|one| one.mean_ln);
    let variance_ln = mean(&|one| one.variance_ln + (one.mean_ln - mean_ln).powi(2));
    Some(Estimate { weight: weight.min(PRIOR_CALLS as f64), mean_ln, variance_ln, ..first })
}

/// Shapes of a case's inputs and their elements: from the golden case of that name, or from shapes such as `x:1x16,y:4`.
fn inputs(advice: &Advice, goldens: &[Golden]) -> Option<(String, u64)> {
    let golden = goldens.iter().find(|golden| golden.model == advice.model);
    if let Some(case) = golden.and_then(|golden| golden.cases.iter().find(|case| case.id == advice.case)) {
        let shapes: Vec<String> = case.inputs.iter().map(|input| input.header.shape_text()).collect();
        let n_elements: Option<usize> = case.inputs.iter().map(|input| input.header.n_elements()).sum();
        return Some((shapes.join(","), n_elements? as u64));
    }
    let tensor = |shape: &str| -> Option<u64> {
        shape.rsplit_once(':')?.1.split('x').map(|dim| dim.parse::<u64>().ok()).product()
    };
    let n_elements: Option<u64> = advice.case.split(',').map(tensor).sum();
    Some((advice.case.clone(), n_elements?))
}

/// How a strategy did, with at most [`PRIOR_USES`]; `None` for one that the pool does not know.
pub(crate) fn strategy(recovery: &Recovery) -> Option<StrategyEvidence> {
    let scale = (PRIOR_USES / f64::from(recovery.n)).min(1.0);
    let n_helped = f64::from(recovery.n_succeeded);
    let sum: f64 = recovery.took_micros.iter().sum();
    let strategy: Strategy = recovery.strategy.parse().ok()?;
    Some(StrategyEvidence {
        category: recovery.category.parse().ok()?,
        component: recovery.component.parse().ok()?,
        strategy,
        record: StrategyRecord {
            n_helped: scale * n_helped,
            n_failed: scale * (f64::from(recovery.n) - n_helped),
            mean_seconds: sum / recovery.took_micros.len().max(1) as f64 / 1e6,
            impact: match recovery.impacts.as_slice() {
                [] => strategy.prior_impact(),
                impacts => impacts.iter().sum::<f64>() / impacts.len() as f64,
            },
            stability: 1.0,
        },
    })
}

#[cfg(test)]
mod tests;
