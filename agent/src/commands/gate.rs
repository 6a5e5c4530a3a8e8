//! `tabpool gate`: is a campaign slower than its baseline? For continuous integration.

mod baseline;
pub(crate) mod report;

use stats::Severity;

use crate::analysis::gate::{Decision, Outcome, Pair, Verdict, decide};
use crate::analysis::trend::{block_noise, blocks, measured_noise_floor};
use crate::cli::{GateArgs, GateFormat};
use crate::commands::{filter, open_existing};
use crate::exit::{Exit, Failure};
use crate::output::{Printer, quantity};
use crate::store::{Campaign, Filter, Metric, Point, Series, Store};
pub(crate) use baseline::Baseline;
use baseline::PASS;
use report::Report;

/// How campaigns are compared, for a person who asks.
const METHOD: &str = "significant in the whole family at 1 % (rank test, Benjamini–Hochberg) and larger than the noise \
                      between campaigns";

/// Load per CPU by which a campaign may exceed its baseline without a word.
const BUSIER: f64 = 0.25;

/// Compares, prints, and chooses the exit code.
pub(crate) fn run(args: &GateArgs, printer: &Printer) -> anyhow::Result<Exit> {
    let store = open_existing(&args.filter.db)?;
    let Some(candidate) = store.campaign(args.campaign)? else {
        let missing = args.campaign.map_or("no campaign".to_owned(), |id| format!("no campaign {id}"));
        let failure = Failure::environment(format!("there is {missing} in {}", store.path().display()));
        return Err(failure.hint("measure one with `tabpool bench`").into());
    };
    let Gathered { pairs, n_elsewhere, doubt } =
        gather(&store, &filter(&args.filter, None), &candidate, &args.baseline)?;
    let verdict = decide(pairs, args.verdict.fail_on)?;
    // A part of a campaign that passes says nothing of the rest.
    if filter(&args.filter, None) == Filter::default() {
        store.set_verdict(candidate.id, decision_name(verdict.decision))?;
    }
    let report = Report {
        candidate: candidate.name(),
        baseline: args.baseline.to_string(),
        machine: format!("{} ({})", candidate.host, candidate.cpu_model),
        n_elsewhere,
        doubt,
        method: METHOD,
        verdict: &verdict,
    };
    print(&report, args.verdict.format, printer)?;
    Ok(exit(&verdict, args.verdict.not_enough_data))
}

/// Prints a verdict in the format asked for.
pub(crate) fn print(report: &Report<'_>, format: GateFormat, printer: &Printer) -> anyhow::Result<()> {
    match format {
        _ if printer.wants_json() => printer.document(&report.json())?,
        GateFormat::Json => printer.document(&report.json())?,
        GateFormat::Text => {
            printer.result(&report.text(printer));
            if report.n_elsewhere > 0 {
                let n = quantity::plural(report.n_elsewhere, "case");
                printer.note(&format!("{n} have a baseline only on another machine, which is no baseline"));
            }
            if let Some(doubt) = &report.doubt {
                printer.warning(doubt);
                printer.hint("measure again, or compare two builds in turns with `tabpool bench --ab`");
            }
        }
        GateFormat::Markdown => printer.result(&report.markdown()),
        GateFormat::Junit => printer.result(&report.junit()),
        GateFormat::Sarif => printer.document(&report.sarif())?,
    }
    Ok(())
}

/// Stable name: the one in the database.
fn decision_name(decision: Decision) -> &'static str {
    match decision {
        Decision::Pass => PASS,
        Decision::Fail => "fail",
        Decision::NotEnoughData => "not-enough-data",
    }
}

/// What the process tells its caller.
pub(crate) fn exit(verdict: &Verdict, not_enough_data: Exit) -> Exit {
    match verdict.decision {
        Decision::Pass => Exit::Done,
        Decision::Fail => Exit::Finding,
        Decision::NotEnoughData => not_enough_data,
    }
}

impl Campaign {
    /// Its number and its label.
    pub(crate) fn name(&self) -> String {
        let label = self.label.as_ref().map(|label| format!(" ({label})")).unwrap_or_default();
        format!("campaign {}{label}", self.id)
    }
}

/// One series with what the candidate and its baseline have of it.
struct Half {
    series: Series,
    baseline: Vec<Point>,
    candidate: Vec<Point>,
    n_failed: usize,
    noise_floor: f64,
}

/// What there is to compare.
struct Gathered {
    pairs: Vec<Pair>,
    /// Cases that have their baseline only on another machine.
    n_elsewhere: usize,
    /// Why the comparison may be unfair, in words.
    doubt: Option<String>,
}

/// The pairs to compare.
fn gather(
    store: &Store,
    filter: &Filter,
    candidate: &Campaign,
    baseline: &Baseline,
) -> anyhow::Result<Gathered> {
    let campaigns = store.campaigns()?;
    let mut halves = Vec::new();
    for series in store.series(filter)? {
        let of_candidate = store.points(series.id, Metric::Warm, None, Some(candidate.id))?;
        let n_failed = store.n_failed(series.id, None, Some(candidate.id))?;
        let mut history = store.points(series.id, Metric::Warm, None, None)?;
        history.retain(|point| point.campaign.is_some_and(|campaign| campaign < candidate.id));
        let mut before = store.rolled_up(series.id, Metric::Warm, None)?;
        before.extend(&history);
        before.sort_by_key(|point| point.started_unix_micros);
        let before = blocks(&before)?;
        let chosen = baseline.choose(&history, &campaigns, candidate)?;
        let n_chosen = blocks(&chosen)?.len();
        let noise = block_noise(&before, (n_chosen, 1)).unwrap_or(0.0);
        let noise_floor = measured_noise_floor(&before).0.max(noise);
        halves.push(Half { series, baseline: chosen, candidate: of_candidate, n_failed, noise_floor });
    }
    attribute_failures(&mut halves);
    let n_elsewhere = halves.iter().filter(|half| half.is_new() && has_other_machine(half, &halves)).count();
    let micros = |points: &[Point]| points.iter().map(|point| point.micros).collect();
    let pairs = halves.iter().filter(|half| half.is_measured()).map(|half| Pair {
        series: half.series.clone(),
        baseline_micros: micros(&half.baseline),
        candidate_micros: micros(&half.candidate),
        n_failed: half.n_failed,
        noise_floor: half.noise_floor,
    });
    let doubt = busier(candidate, &campaigns, &halves);
    Ok(Gathered { pairs: pairs.collect(), n_elsewhere, doubt })
}

/// Says so when the machine had clearly more to do than while any baseline was measured.
fn busier(candidate: &Campaign, campaigns: &[Campaign], halves: &[Half]) -> Option<String> {
    let is_baseline = |campaign: &&Campaign| {
        halves.iter().any(|half| half.baseline.iter().any(|point| point.campaign == Some(campaign.id)))
    };
    let loads = campaigns.iter().filter(is_baseline).filter_map(|campaign| campaign.load_after);
    let (load, usual) = (candidate.load_after?, loads.reduce(f64::max)?);
    (load - usual > BUSIER * f64::from(candidate.n_cpus)).then(|| {
        format!("the machine was busier than for the baseline (load {load:.1}, not {usual:.1}): it may be what is slower")
    })
}

impl Half {
    fn is_measured(&self) -> bool {
        !self.candidate.is_empty() || self.n_failed > 0
    }

    fn is_new(&self) -> bool {
        !self.candidate.is_empty() && self.baseline.is_empty()
    }

    /// The backend without its finer description.
    fn backend(&self) -> &str {
        self.series.backend.split(' ').next().unwrap_or_default()
    }

    fn is_same_case(&self, other: &Self) -> bool {
        let key = |half: &Self| {
            let Series { model, case, precision, browser, .. } = half.series.clone();
            (model, case, precision, browser)
        };
        key(self) == key(other) && self.backend() == other.backend()
    }
}

/// A run that never came back does not tell the finer description of its backend, so it is in a series of its own: its
/// failure belongs to the series of the same case that used to work.
fn attribute_failures(halves: &mut [Half]) {
    for index in 0..halves.len() {
        let failed = &halves[index];
        if failed.n_failed == 0 || !failed.candidate.is_empty() || !failed.baseline.is_empty() {
            continue;
        }
        let is_owner = |half: &Half| {
            half.is_same_case(failed)
                && half.series.machine() == failed.series.machine()
                && !(half.baseline.is_empty() && half.candidate.is_empty())
        };
        if let Some(owner) = halves.iter().position(is_owner) {
            halves[owner].n_failed += std::mem::take(&mut halves[index].n_failed);
        }
    }
}

fn has_other_machine(half: &Half, halves: &[Half]) -> bool {
    halves.iter().any(|other| {
        other.is_same_case(half)
            && !other.baseline.is_empty()
            && other.series.machine() != half.series.machine()
    })
}

/// The name of a severity on the command line.
pub(crate) const SEVERITIES: [Severity; 4] =
    [Severity::Minor, Severity::Moderate, Severity::Severe, Severity::Critical];

/// What a pair comes to, in words.
fn outcome_words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Slower => "slower",
        Outcome::Faster => "faster",
        Outcome::Unchanged => "unchanged",
        Outcome::NotEnoughData => "not enough data",
        Outcome::Broken => "broken",
        Outcome::New => "new",
    }
}

#[cfg(test)]
mod tests;
