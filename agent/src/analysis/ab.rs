//! A/B: is the second of two builds slower, when their runs took turns?

use stats::paired::MIN_LAUNCHES;
use stats::power::paired_detectable_effect;
use stats::{Design, Paired, Sample, Severity, StatsError, paired, turn_ratio};

use crate::analysis::ALPHA;
use crate::analysis::gate::{Compared, Outcome, Verdict, conclude, smallest_effect};
use crate::bench::summary::LEVEL;
use crate::store::Series;

/// Relative difference that does not count, however sure it is: no two builds are laid out alike in memory.
const NOISE_FLOOR: f64 = 0.01;

/// Significance of the verdict, and power for the detectable effect.
const DESIGN: Design = Design { significance: ALPHA, power: 0.8 };

/// Most launches that are asked for.
const MAX_LAUNCHES: usize = 200;

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
    let compared = duels.into_iter().map(|duel| compare(duel, fail_on)).collect::<Result<_, _>>()?;
    Ok(conclude(compared, fail_on))
}

fn compare(duel: Duel, fail_on: Severity) -> Result<Compared, StatsError> {
    let Duel { series, launches, n_failed } = duel;
    let all = |times: fn(&Launch) -> &Vec<Option<f64>>| -> Vec<f64> {
        launches.iter().flat_map(|launch| times(launch).iter().flatten().copied()).collect()
    };
    let (old, new) = (all(|launch| &launch.old_micros), all(|launch| &launch.new_micros));
    let n_turns = launches.iter().map(|launch| launch.new_micros.len()).max().unwrap_or(0);
    let mut ratios = Vec::with_capacity(launches.len());
    for launch in &launches {
        match turn_ratio(&launch.old_micros, &launch.new_micros) {
            Ok(ratio) => ratios.push(ratio),
            Err(StatsError::NotEnoughData { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let median = |micros: &[f64]| Sample::new(micros).ok().map(|sample| sample.median());
    let mut compared = Compared {
        outcome: Outcome::NotEnoughData,
        n_baseline: old.len(),
        n_candidate: new.len(),
        n_failed,
        baseline_micros: median(&old),
        candidate_micros: median(&new),
        n_missing: MIN_LAUNCHES.saturating_sub(ratios.len()) * n_turns.max(1),
        ..Compared::unknown(series, NOISE_FLOOR)
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
    let detectable = |n_launches: usize| {
        paired_detectable_effect(spread, n_launches, DESIGN).map(|effect| effect.exp_m1().max(NOISE_FLOOR))
    };
    let effect = smallest_effect(fail_on, NOISE_FLOOR);
    let needed = (ratios.len()..MAX_LAUNCHES).find(|n| detectable(*n).is_ok_and(|least| least <= effect));
    compared.ratio = Some(ratio.estimate);
    compared.ratio_interval = Some([ratio.low, ratio.high]);
    compared.p_value = Some(test.p_value);
    compared.detectable = Some(detectable(ratios.len())?);
    compared.n_missing = (needed.unwrap_or(MAX_LAUNCHES) - ratios.len()) * n_turns;
    compared.interval = Some(ratio);
    Ok(compared)
}

#[cfg(test)]
mod tests;
