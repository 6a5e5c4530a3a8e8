//! The gate: is a campaign slower than its baseline, and could it have been seen?

use serde::Serialize;
use stats::cluster::MIN_VALUES;
use stats::power::paired_detectable_effect;
use stats::{
    Better, Comparison, ComparisonConfig, Contrast, Design, History, Interval, Sample, Severity, Spread,
    StatsError, Warning, benjamini_hochberg, grade,
};

use crate::analysis::{ALPHA, Graded, NOISE_FLOOR, severity_name, words};
use crate::bench::summary::LEVEL;
use crate::store::Series;

/// Probability with which what is called detectable is found.
const POWER: f64 = 0.8;

/// Most campaigns or launches that are asked for.
const MAX_MORE: usize = 200;

/// The campaigns of one series that are compared: lists of warm times, microseconds, oldest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Pair {
    /// What they have in common.
    pub(crate) series: Series,
    /// Campaigns of the baseline.
    pub(crate) baseline: Vec<Vec<f64>>,
    /// The first good campaigns, where many small steps must not add up unseen; or none.
    pub(crate) anchor: Vec<Vec<f64>>,
    /// Campaigns of the candidate.
    pub(crate) candidate: Vec<Vec<f64>>,
    /// Runs of the candidate that failed.
    pub(crate) n_failed: usize,
    /// What earlier campaigns say about the noise between campaigns.
    pub(crate) history: History,
}

/// What a pair comes to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// Significantly slower, beyond the noise.
    Slower,
    /// Significantly faster, beyond the noise.
    Faster,
    /// No change, and the interval excludes a regression of the size that matters.
    Unchanged,
    /// No change that is sure, and a regression of the size that matters is not excluded.
    NotEnoughData,
    /// It worked in the baseline, and every run of the candidate failed.
    Broken,
    /// Nothing to compare with.
    New,
}

/// What a candidate is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Against {
    /// The baseline that was asked for.
    Baseline,
    /// The first good campaigns: listed only where the candidate is slower than they were, and not than its baseline.
    FirstGood,
}

/// What a comparison needs more of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Unit {
    /// Runs of a campaign.
    Run,
    /// Campaigns on each side.
    Campaign,
    /// Launches of the browser.
    Launch,
}

/// What the runs say if campaigns had no luck of their own. It decides nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct RunsAlone {
    /// Of Mann and Whitney's rank test.
    pub(crate) p_value: f64,
    /// Of Welch's t-test of the means; a few slow runs weigh more in it.
    pub(crate) mean_p_value: f64,
    /// 95 % interval of the ratio of the medians of all runs.
    pub(crate) ratio_interval: [f64; 2],
    /// The same of their difference, microseconds.
    pub(crate) difference_micros: [f64; 2],
}

/// A pair with everything known about it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Compared {
    /// What the runs have in common.
    #[serde(flatten)]
    pub(crate) series: Series,
    /// What it was compared with.
    pub(crate) against: Against,
    /// What it comes to.
    pub(crate) outcome: Outcome,
    /// Runs of the baseline.
    pub(crate) n_baseline: usize,
    /// Campaigns of the baseline; of builds in turns, launches.
    pub(crate) n_baseline_groups: usize,
    /// Runs of the candidate.
    pub(crate) n_candidate: usize,
    /// Runs of the candidate that failed.
    pub(crate) n_failed: usize,
    /// Median of the baseline, microseconds; of several campaigns the geometric mean of medians.
    pub(crate) baseline_micros: Option<f64>,
    /// The same of the candidate.
    pub(crate) candidate_micros: Option<f64>,
    /// Candidate divided by baseline.
    pub(crate) ratio: Option<f64>,
    /// Bounds of its interval.
    pub(crate) ratio_interval: Option<[f64; 2]>,
    /// Probability that noise between campaigns, or launches, does this much.
    pub(crate) p_value: Option<f64>,
    /// The same for the family of all comparisons.
    pub(crate) adjusted_p_value: Option<f64>,
    /// Size of a change that counts.
    pub(crate) graded: Option<Graded>,
    /// Relative standard deviation of campaigns of unchanged code; of builds in turns, that of the ratio of a launch.
    pub(crate) noise: Option<f64>,
    /// Smallest relative change that is found in 80 % of cases if it is the only one of the family.
    pub(crate) detectable: Option<f64>,
    /// How much more is needed to exclude, in 80 % of cases if nothing changed, a regression of the size that matters.
    pub(crate) n_missing: usize,
    /// Of what.
    pub(crate) missing: Unit,
    /// What the runs say if campaigns had no luck of their own.
    pub(crate) runs_alone: Option<RunsAlone>,
    /// Doubts about the candidate's runs.
    pub(crate) warnings: Vec<String>,
    #[serde(skip)]
    pub(super) evidence: Option<Evidence>,
}

/// What a comparison rests on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Evidence {
    /// Campaigns against campaigns.
    Campaigns(Contrast),
    /// Launches in which both builds ran: the ratio, the relative spread of one launch's, and how many there are.
    Launches { ratio: Interval, spread: f64, n: usize },
}

impl Evidence {
    fn ratio(self) -> Interval {
        match self {
            Self::Campaigns(contrast) => contrast.ratio,
            Self::Launches { ratio, .. } => ratio,
        }
    }

    /// Whether it is not one campaign alone that makes the difference.
    fn is_consistent(self) -> bool {
        match self {
            Self::Campaigns(contrast) => contrast.is_consistent,
            Self::Launches { .. } => true,
        }
    }

    /// What so many more campaigns a side, or launches, would find.
    fn detectable(self, n_more: usize, design: Design) -> Result<f64, StatsError> {
        let effect = match self {
            Self::Campaigns(contrast) => contrast.detectable(n_more, design)?,
            Self::Launches { spread, n, .. } => {
                paired_detectable_effect(spread, n + n_more, design)?.exp_m1()
            }
        };
        Ok(effect.max(NOISE_FLOOR))
    }
}

/// What all pairs come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Decision {
    /// Nothing is slower by as much as matters, or looks as if it could be.
    Pass,
    /// Something is.
    Fail,
    /// Nothing was seen, but it could have been missed.
    NotEnoughData,
}

/// The answer of the gate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Verdict {
    /// Of all pairs.
    pub(crate) decision: Decision,
    /// Severity from which a regression fails the gate.
    pub(crate) fail_on: &'static str,
    /// In the order of the pairs.
    pub(crate) compared: Vec<Compared>,
}

impl Compared {
    /// A comparison of which nothing is known yet but that it cannot be made.
    pub(super) fn unknown(series: Series, against: Against) -> Self {
        Self {
            series,
            against,
            outcome: Outcome::NotEnoughData,
            n_baseline: 0,
            n_baseline_groups: 0,
            n_candidate: 0,
            n_failed: 0,
            baseline_micros: None,
            candidate_micros: None,
            ratio: None,
            ratio_interval: None,
            p_value: None,
            adjusted_p_value: None,
            graded: None,
            noise: None,
            detectable: None,
            n_missing: 0,
            missing: Unit::Run,
            runs_alone: None,
            warnings: Vec::new(),
            evidence: None,
        }
    }

    /// True when this alone fails the gate.
    pub(crate) fn fails(&self, fail_on: Severity) -> bool {
        let is_as_bad = self
            .graded
            .is_some_and(|graded| graded.at_least.is_some() && Severity::of(graded.effect) >= fail_on);
        self.outcome == Outcome::Broken || (self.outcome == Outcome::Slower && is_as_bad)
    }
}

/// Compares the pairs as one family.
///
/// # Errors
/// A time that is not positive.
pub(crate) fn decide(pairs: Vec<Pair>, fail_on: Severity) -> Result<Verdict, StatsError> {
    let mut compared = Vec::with_capacity(pairs.len());
    for (index, pair) in pairs.iter().enumerate() {
        let is_similar = |other: &Pair| {
            other.series.machine() == pair.series.machine() && other.series.browser == pair.series.browser
        };
        let others = pairs.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, other)| other);
        let similar: Vec<History> =
            others.filter(|other| is_similar(other)).map(|other| other.history).collect();
        let spread = Spread::of(&pair.history, &similar);
        compared.push(compare(pair, Against::Baseline, &pair.baseline, spread)?);
        if !pair.anchor.is_empty() {
            compared.push(compare(pair, Against::FirstGood, &pair.anchor, spread)?);
        }
    }
    conclude(compared, fail_on)
}

/// Decides which differences count, over all comparisons as one family, and what they come to together.
pub(super) fn conclude(mut compared: Vec<Compared>, fail_on: Severity) -> Result<Verdict, StatsError> {
    let p_values: Vec<f64> = compared.iter().filter_map(|compared| compared.p_value).collect();
    let mut adjusted = benjamini_hochberg(&p_values).into_iter();
    // A change that is alone in its family has to be this sure; what is unchanged only has to have an interval this narrow.
    let finding = Design { significance: ALPHA / p_values.len().max(1) as f64, power: POWER };
    let excluding = Design { significance: 1.0 - LEVEL, power: POWER };
    let effect = smallest_effect(fail_on);
    for one in &mut compared {
        let Some(evidence) = one.evidence else { continue };
        one.adjusted_p_value = adjusted.next();
        let is_significant =
            evidence.is_consistent() && one.adjusted_p_value.is_some_and(|p_value| p_value <= ALPHA);
        one.graded = Graded::of(grade(evidence.ratio(), is_significant, NOISE_FLOOR, Better::Lower));
        one.detectable = Some(evidence.detectable(0, finding)?);
        let is_excluded = evidence.ratio().high - 1.0 < effect;
        one.outcome = match one.graded {
            Some(graded) if graded.is_regression => Outcome::Slower,
            Some(_) => Outcome::Faster,
            None if is_excluded => Outcome::Unchanged,
            None => Outcome::NotEnoughData,
        };
        if one.outcome == Outcome::NotEnoughData {
            let suffices =
                |n_more: &usize| evidence.detectable(*n_more, excluding).is_ok_and(|least| least <= effect);
            one.n_missing = (1..MAX_MORE).find(suffices).unwrap_or(MAX_MORE);
        }
    }
    // Its baseline stands before it: what is slower than that is no creeping.
    let mut is_slower = false;
    compared.retain(|one| {
        let is_creeping = !is_slower && one.outcome == Outcome::Slower;
        is_slower = one.outcome == Outcome::Slower;
        one.against == Against::Baseline || is_creeping
    });
    let any = |is_so: &dyn Fn(&Compared) -> bool| compared.iter().any(is_so);
    let decision = if any(&|one| one.fails(fail_on)) {
        Decision::Fail
    } else if any(&|one| one.outcome == Outcome::NotEnoughData)
        || !any(&|one| !matches!(one.outcome, Outcome::New))
    {
        Decision::NotEnoughData
    } else {
        Decision::Pass
    };
    Ok(Verdict { decision, fail_on: severity_name(fail_on), compared })
}

/// Smallest effect of a severity, a relative change; minor regressions count from the noise on.
fn smallest_effect(severity: Severity) -> f64 {
    match severity {
        Severity::Minor => NOISE_FLOOR,
        Severity::Moderate => 0.05,
        Severity::Severe => 0.15,
        Severity::Critical => 0.25,
    }
}

fn compare(
    pair: &Pair,
    against: Against,
    baseline: &[Vec<f64>],
    spread: Spread,
) -> Result<Compared, StatsError> {
    let n_runs = |campaigns: &[Vec<f64>]| campaigns.iter().map(Vec::len).sum::<usize>();
    let (n_baseline, n_candidate) = (n_runs(baseline), n_runs(&pair.candidate));
    // A campaign is as good as its own runs are many.
    let longest = |campaigns: &[Vec<f64>]| campaigns.iter().map(Vec::len).max().unwrap_or(0);
    let n_longest = longest(baseline).min(longest(&pair.candidate));
    let mut compared = Compared {
        n_baseline,
        n_baseline_groups: baseline.len(),
        n_candidate,
        n_failed: pair.n_failed,
        baseline_micros: level(baseline)?,
        candidate_micros: level(&pair.candidate)?,
        n_missing: MIN_VALUES.saturating_sub(n_longest),
        ..Compared::unknown(pair.series.clone(), against)
    };
    if n_baseline == 0 {
        compared.outcome = Outcome::New;
    } else if n_candidate == 0 && pair.n_failed > 0 {
        compared.outcome = Outcome::Broken;
    }
    let (old, new) = (whole(baseline)?, whole(&pair.candidate)?);
    let contrast = match Contrast::between(&old, &new, spread, LEVEL) {
        Ok(contrast) => contrast,
        Err(StatsError::NotEnoughData { .. }) => return Ok(compared),
        Err(error) => return Err(error),
    };
    compared.ratio = Some(contrast.ratio.estimate);
    compared.ratio_interval = Some([contrast.ratio.low, contrast.ratio.high]);
    compared.p_value = Some(contrast.p_value);
    compared.noise = Some(spread.sd);
    compared.missing = Unit::Campaign;
    compared.evidence = Some(Evidence::Campaigns(contrast));
    compared.runs_alone = runs_alone(&baseline.concat(), &pair.candidate.concat())?;
    let warnings: Vec<Warning> = new.iter().flat_map(stats::warnings).collect();
    compared.warnings = words(&warnings);
    Ok(compared)
}

/// The campaigns that were not broken off.
fn whole(campaigns: &[Vec<f64>]) -> Result<Vec<Sample>, StatsError> {
    campaigns.iter().filter(|runs| runs.len() >= MIN_VALUES).map(|runs| Sample::new(runs)).collect()
}

/// Geometric mean of the medians.
fn level(campaigns: &[Vec<f64>]) -> Result<Option<f64>, StatsError> {
    let mut logarithms = Vec::new();
    if let [runs] = campaigns {
        return Ok(Sample::new(runs).ok().map(|runs| runs.median()));
    }
    for runs in campaigns.iter().filter(|runs| !runs.is_empty()) {
        logarithms.push(Sample::new(runs)?.median().ln());
    }
    Ok(Sample::new(&logarithms).ok().map(|logarithms| logarithms.mean().exp()))
}

fn runs_alone(baseline: &[f64], candidate: &[f64]) -> Result<Option<RunsAlone>, StatsError> {
    let (baseline, candidate) = (Sample::new(baseline)?, Sample::new(candidate)?);
    match Comparison::new(&baseline, &candidate, ComparisonConfig::default()) {
        Ok(Comparison { ratio, difference, rank_test, mean_test }) => Ok(Some(RunsAlone {
            p_value: rank_test.p_value,
            mean_p_value: mean_test.p_value,
            ratio_interval: [ratio.low, ratio.high],
            difference_micros: [difference.low, difference.high],
        })),
        Err(StatsError::NoSpread) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
