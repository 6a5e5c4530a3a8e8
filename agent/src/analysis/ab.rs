//! A/B: is the second of two builds slower, when their runs took turns?

use stats::paired::MIN_LAUNCHES;
use stats::{Paired, Sample, Severity, StatsError, paired, turn_ratio};

use crate::analysis::gate::{Against, Compared, Evidence, Outcome, Unit, Verdict, conclude};
use crate::analysis::words;
use crate::bench::summary::LEVEL;
use crate::store::Series;

/// One launch of a browser: warm times turn by turn, microseconds; `None` for a run that failed.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Launch {
    /// Of the first build.
    pub(crate) old_micros: Vec<Option<f64>>,
    /// Of the second build.
    pub(crate) new_micros: Vec<Option<f64>>,
}

/// One case in one browser.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Duel {
    /// The case and the place.
    pub(crate) series: Series,
    /// Launches that had it.
    pub(crate) launches: Vec<Launch>,
    /// Runs of the second build that failed.
    pub(crate) n_failed: usize,
}

/// Compares all cases as one family.
///
/// # Errors
/// A time that is not positive.
pub(crate) fn decide(duels: Vec<Duel>, fail_on: Severity) -> Result<Verdict, StatsError> {
    conclude(duels.into_iter().map(compare).collect::<Result<_, _>>()?, fail_on)
}

fn compare(duel: Duel) -> Result<Compared, StatsError> {
    let Duel { series, launches, n_failed } = duel;
    let all = |times: fn(&Launch) -> &Vec<Option<f64>>| -> Vec<f64> {
        launches.iter().flat_map(|launch| times(launch).iter().flatten().copied()).collect()
    };
    let (old, new) = (all(|launch| &launch.old_micros), all(|launch| &launch.new_micros));
    let (mut ratios, mut warnings) = (Vec::with_capacity(launches.len()), Vec::new());
    for launch in &launches {
        match turn_ratio(&launch.old_micros, &launch.new_micros) {
            Ok(ratio) => ratios.push(ratio),
            Err(StatsError::NotEnoughData { .. }) => {}
            Err(error) => return Err(error),
        }
        let runs: Vec<f64> = launch.new_micros.iter().flatten().copied().collect();
        warnings.extend(Sample::new(&runs).iter().flat_map(stats::warnings));
    }
    let median = |micros: &[f64]| Sample::new(micros).ok().map(|sample| sample.median());
    let mut compared = Compared {
        n_baseline: old.len(),
        n_baseline_groups: ratios.len(),
        n_candidate: new.len(),
        n_failed,
        baseline_micros: median(&old),
        candidate_micros: median(&new),
        n_missing: MIN_LAUNCHES.saturating_sub(ratios.len()),
        missing: Unit::Launch,
        warnings: words(&warnings),
        ..Compared::unknown(series, Against::Baseline)
    };
    if new.is_empty() && n_failed > 0 && !old.is_empty() {
        compared.outcome = Outcome::Broken;
    } else if old.is_empty() {
        compared.outcome = Outcome::New;
    }
    let found = Sample::new(&ratios).and_then(|ratios| paired(&ratios, LEVEL));
    let Paired { ratio, test, spread } = match found {
        Ok(found) => found,
        Err(StatsError::NotEnoughData { .. } | StatsError::NoSpread) => return Ok(compared),
        Err(error) => return Err(error),
    };
    compared.ratio = Some(ratio.estimate);
    compared.ratio_interval = Some([ratio.low, ratio.high]);
    compared.p_value = Some(test.p_value);
    compared.noise = Some(spread);
    compared.evidence = Some(Evidence::Launches { ratio, spread, n: ratios.len() });
    Ok(compared)
}

#[cfg(test)]
mod tests;
