//! `tabpool gate`: is a campaign slower than its baseline? For continuous integration.

mod baseline;
pub(crate) mod report;

use anyhow::Context as _;
use stats::{History, Severity};

use crate::analysis::gate::{Decision, Outcome, Pair, Verdict, decide};
use crate::analysis::trend::{blocks, medians};
use crate::cli::{GateArgs, GateFormat};
use crate::commands::{filter, open_existing};
use crate::exit::{Exit, Failure};
use crate::output::Printer;
use crate::store::{Campaign, Filter, Metric, Point, Series, Store, StoreError};
pub(crate) use baseline::Baseline;
use baseline::{ACCEPTED, FAIL, NOT_ENOUGH_DATA, PASS};
use report::Report;

/// How campaigns are compared, for a person who asks.
const METHOD: &str = "significant in the whole family at 1 % (moderated t-test of campaigns, whose noise their history \
                      tells; Benjamini–Hochberg) and larger than 1 %";

/// Load per CPU by which a campaign may exceed its baseline without a word.
const BUSIER: f64 = 0.25;

/// Compares, prints, and chooses the exit code.
pub(crate) fn run(args: &GateArgs, printer: &Printer) -> anyhow::Result<Exit> {
    let filter = filter(&args.filter, None);
    // A part of a campaign that passes says nothing of the rest.
    let is_whole = filter == Filter::default();
    if args.accept && !is_whole {
        let message = "--accept is about whole campaigns: leave out --model, --browser and --backend";
        return Err(Failure::usage(message).into());
    }
    let store = open_existing(&args.filter.db)?;
    let candidates = candidates(&store, &args.campaign)?;
    let Gathered { pairs, n_elsewhere, doubt } = gather(&store, &filter, &candidates, &args.baseline)?;
    let verdict = decide(pairs, args.verdict.fail_on)?;
    if is_whole {
        let word = if args.accept { ACCEPTED } else { decision_name(verdict.decision) };
        note_verdict(&store, &candidates, word)?;
    }
    let names: Vec<String> = candidates.iter().map(Campaign::name).collect();
    let report = Report {
        candidate: names.join(", "),
        baseline: args.baseline.to_string(),
        machine: candidates.first().map(Campaign::machine).unwrap_or_default(),
        n_candidates: candidates.len(),
        n_elsewhere,
        doubt,
        method: METHOD,
        verdict: &verdict,
    };
    print(&report, args.verdict.format, printer)?;
    if args.accept {
        printer.note("accepted: from here on it is what good campaigns are compared with");
        return Ok(Exit::Done);
    }
    Ok(exit(&verdict, args.verdict.not_enough_data))
}

/// Notes what campaigns come to, unless a person has accepted them, who knows better.
fn note_verdict(store: &Store, candidates: &[Campaign], verdict: &str) -> Result<(), StoreError> {
    let open = candidates.iter().filter(|candidate| candidate.verdict.as_deref() != Some(ACCEPTED));
    open.map(|candidate| candidate.id).try_for_each(|id| store.set_verdict(id, verdict))
}

/// The campaigns with these numbers, oldest first; the latest when there are none.
fn candidates(store: &Store, ids: &[i64]) -> anyhow::Result<Vec<Campaign>> {
    let ids: Vec<Option<i64>> =
        if ids.is_empty() { vec![None] } else { ids.iter().copied().map(Some).collect() };
    let mut candidates = Vec::with_capacity(ids.len());
    for id in ids {
        candidates.push(store.campaign(id)?.ok_or_else(|| {
            let missing = id.map_or("no campaign".to_owned(), |id| format!("no campaign {id}"));
            Failure::environment(format!("there is {missing} in {}", store.path().display()))
                .hint("measure one with `tabpool bench`")
        })?);
    }
    candidates.sort_by_key(|candidate| candidate.id);
    candidates.dedup_by_key(|candidate| candidate.id);
    Ok(candidates)
}

/// Prints a verdict in the format asked for.
pub(crate) fn print(report: &Report<'_>, format: GateFormat, printer: &Printer) -> anyhow::Result<()> {
    match format {
        _ if printer.wants_json() => printer.document(&report.json())?,
        GateFormat::Json => printer.document(&report.json())?,
        GateFormat::Text => {
            printer.result(&report.text(printer));
            if let Some(elsewhere) = report.elsewhere() {
                printer.note(&elsewhere);
            }
            if let Some(doubt) = &report.doubt {
                printer.warning(doubt);
                printer.hint("measure again, or compare two builds in turns with `tabpool bench --ab`");
            }
            if let Some(advice) = report.advice() {
                printer.hint(&advice);
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
        Decision::Fail => FAIL,
        Decision::NotEnoughData => NOT_ENOUGH_DATA,
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

    fn machine(&self) -> String {
        format!("{} ({})", self.host, self.cpu_model)
    }
}

/// One series with what the candidate and its baseline have of it.
struct Half {
    series: Series,
    baseline: Vec<Point>,
    anchor: Vec<Point>,
    candidate: Vec<Point>,
    n_failed: usize,
    history: History,
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
    candidates: &[Campaign],
    baseline: &Baseline,
) -> anyhow::Result<Gathered> {
    let first = candidates.first().context("a candidate is needed")?;
    let mut campaigns = store.campaigns()?;
    campaigns.retain(|campaign| campaign.id < first.id);
    // What failed is known to be different, unless the question is where a branch stands.
    let is_failed = |one: &&Campaign| *baseline == Baseline::Good && one.verdict.as_deref() == Some(FAIL);
    let failed: Vec<i64> = campaigns.iter().filter(is_failed).map(|one| one.id).collect();
    let baseline = baseline.among(&campaigns, first)?;
    let mut halves = Vec::new();
    for series in store.series(filter)? {
        let (mut candidate, mut n_failed) = (Vec::new(), 0);
        for campaign in candidates {
            candidate.extend(store.points(series.id, Metric::Warm, None, Some(campaign.id))?);
            n_failed += store.n_failed(series.id, None, Some(campaign.id))?;
        }
        let mut points = store.points(series.id, Metric::Warm, None, None)?;
        points.retain(|point| point.campaign.is_some_and(|campaign| campaign < first.id));
        let mut earlier = store.rolled_up(series.id, Metric::Warm, None)?;
        earlier.extend(&points);
        earlier.retain(|point| {
            point.campaign.is_some_and(|campaign| campaign < first.id && !failed.contains(&campaign))
        });
        earlier.sort_by_key(|point| point.started_unix_micros);
        let earlier = blocks(&earlier)?;
        let history = History::of(&medians(&earlier))?;
        let mut measured: Vec<i64> = points.iter().filter_map(|point| point.campaign).collect();
        measured.dedup();
        let on_level: Vec<i64> =
            earlier[history.level_start..].iter().filter_map(|block| block.campaign).collect();
        let chosen = baseline.choose(&measured, &on_level);
        let of = |ids: &[i64]| {
            let is_chosen = |point: &&Point| point.campaign.is_some_and(|id| ids.contains(&id));
            points.iter().filter(is_chosen).copied().collect::<Vec<Point>>()
        };
        let (baseline, anchor) = (of(&chosen.baseline), of(&chosen.anchor));
        halves.push(Half { series, baseline, anchor, candidate, n_failed, history });
    }
    attribute_failures(&mut halves);
    let n_elsewhere = halves.iter().filter(|half| half.is_new() && has_other_machine(half, &halves)).count();
    let pairs = halves.iter().filter(|half| half.is_measured()).map(|half| Pair {
        series: half.series.clone(),
        baseline: by_campaign(&half.baseline),
        anchor: by_campaign(&half.anchor),
        candidate: by_campaign(&half.candidate),
        n_failed: half.n_failed,
        history: half.history,
    });
    let doubt = candidates.iter().find_map(|candidate| busier(candidate, &campaigns, &halves));
    Ok(Gathered { pairs: pairs.collect(), n_elsewhere, doubt })
}

/// The times of each campaign, microseconds.
fn by_campaign(points: &[Point]) -> Vec<Vec<f64>> {
    let campaigns = points.chunk_by(|left, right| left.campaign == right.campaign);
    campaigns.map(|points| points.iter().map(|point| point.micros).collect()).collect()
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
