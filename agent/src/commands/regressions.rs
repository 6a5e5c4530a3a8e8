//! `tabpool regressions`: what got slower or faster, since when, by how much: one sentence each, with the evidence.

use serde::Serialize;

use crate::analysis::Graded;
use crate::analysis::trend::{Finding, Shape, Trend};
use crate::cli::RegressionArgs;
use crate::commands::open_existing;
use crate::commands::trends::{gather, only_machine, say_empty};
use crate::exit::Exit;
use crate::output::{Printer, quantity};
use crate::store::{Circumstances, Metric, Series, Store};

#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: u32,
    n_series: usize,
    n_series_without_enough_data: usize,
    findings: &'a [Described<'a>],
}

/// A finding with what else was so before and after.
#[derive(Debug, Serialize)]
struct Described<'a> {
    metric: Metric,
    #[serde(flatten)]
    series: &'a Series,
    #[serde(flatten)]
    finding: &'a Finding,
    noise_is_measured: bool,
    /// Doubts about the latest runs.
    warnings: &'a [String],
    #[serde(skip)]
    n_blocks: usize,
    #[serde(skip)]
    graded: Graded,
    before_circumstances: Option<Circumstances>,
    after_circumstances: Option<Circumstances>,
}

/// Prints the findings; a regression that is not over yet is one for the exit code too.
pub(crate) fn run(args: &RegressionArgs, printer: &Printer) -> anyhow::Result<Exit> {
    let store = open_existing(&args.trend.filter.db)?;
    let trends = gather(&store, &args.trend)?;
    let described = describe(&store, &trends)?;
    let n_without = trends.iter().filter(|trend| trend.n_missing > 0).count();
    if printer.wants_json() {
        printer.document(&Document {
            schema: wire::SCHEMA,
            n_series: trends.len(),
            n_series_without_enough_data: n_without,
            findings: &described,
        })?;
    } else if trends.is_empty() {
        say_empty(&store, printer);
    } else {
        let machine = only_machine(&trends);
        for one in &described {
            printer.result(&sentence(one, machine.is_none()));
            if args.verbose {
                printer.result(&evidence(one));
            }
        }
        let of = machine.unwrap_or_else(|| "several machines".to_owned());
        printer.note(&format!(
            "{} in {} on {of}",
            quantity::plural(described.len(), "change"),
            quantity::plural(trends.len(), "trend"),
        ));
        if n_without > 0 {
            printer.note(&format!(
                "not enough data in {n_without} of them; `tabpool trends` says how much is missing"
            ));
        }
    }
    let is_open = |one: &Described<'_>| one.graded.is_regression && !one.finding.is_over;
    Ok(if described.iter().any(is_open) { Exit::Finding } else { Exit::Done })
}

/// The findings that count, the worst regressions first.
fn describe<'a>(store: &Store, trends: &'a [Trend]) -> anyhow::Result<Vec<Described<'a>>> {
    let mut described = Vec::new();
    for trend in trends {
        for (finding, graded) in trend.changes() {
            let circumstances = |time| store.circumstances(trend.series.id, time);
            let (last_before, first_after) = match finding.shape {
                Shape::Step => (finding.before.last_unix_micros, finding.after.first_unix_micros),
                Shape::Drift => (finding.before.first_unix_micros, finding.after.last_unix_micros),
            };
            described.push(Described {
                metric: trend.metric,
                series: &trend.series,
                finding,
                noise_is_measured: trend.noise_is_measured,
                warnings: &trend.warnings,
                n_blocks: trend.blocks.len(),
                graded,
                before_circumstances: circumstances(last_before)?,
                after_circumstances: circumstances(first_after)?,
            });
        }
    }
    described.sort_by(|left, right| {
        let rank = |one: &Described<'_>| (one.finding.is_over, one.graded.is_regression);
        let order = rank(left).0.cmp(&rank(right).0).then(rank(right).1.cmp(&rank(left).1));
        order.then(right.graded.effect.abs().total_cmp(&left.graded.effect.abs()))
    });
    Ok(described)
}

fn sentence(one: &Described<'_>, name_machine: bool) -> String {
    let Described { series, finding, graded, .. } = one;
    let word = if graded.is_regression { "more" } else { "less" };
    let mut bounds = finding.ratio_interval.map(|bound| quantity::signed_percent(bound - 1.0));
    if !graded.is_regression {
        bounds.reverse();
    }
    let machine = if name_machine { format!(", {}", series.machine()) } else { String::new() };
    let time = |circumstances: &Option<Circumstances>| match circumstances {
        Some(Circumstances { time, campaign: Some(campaign), .. }) => format!("{time} (campaign {campaign})"),
        Some(Circumstances { time, .. }) => time.clone(),
        None => "an unknown moment".to_owned(),
    };
    let after = time(&one.after_circumstances);
    let when = match finding.shape {
        Shape::Step => format!("since {after}"),
        Shape::Drift => {
            format!("than at first, by a slow drift from {} to {after}", time(&one.before_circumstances))
        }
    };
    let mut text = format!(
        "{} {} ({}, {}) on {}{machine} takes {} {word} time (95 %: {} to {}) {when}: {}",
        series.model,
        series.case,
        series.precision,
        one.metric.as_str(),
        series.place(),
        quantity::percent(graded.effect),
        bounds[0],
        bounds[1],
        graded.words(),
    );
    for change in changes(one) {
        text += &format!("; {change}");
    }
    if finding.is_over {
        text += "; later changes took it back";
    }
    text
}

/// What else changed at the same time: a candidate for the cause.
fn changes(one: &Described<'_>) -> Vec<String> {
    let (Some(before), Some(after)) = (&one.before_circumstances, &one.after_circumstances) else {
        return Vec::new();
    };
    let short = |commit: &Option<String>| {
        commit.as_deref().map_or_else(String::new, |c| c.chars().take(10).collect())
    };
    let pairs = [
        ("the browser", before.browser_version.clone(), after.browser_version.clone()),
        ("the engine", before.engine_version.clone(), after.engine_version.clone()),
        ("the commit", short(&before.git_commit), short(&after.git_commit)),
    ];
    let changed = pairs.into_iter().filter(|(_, old, new)| old != new && !old.is_empty() && !new.is_empty());
    changed.map(|(what, old, new)| format!("{what} changed from {old} to {new}")).collect()
}

fn evidence(one: &Described<'_>) -> String {
    let Described { series, finding, .. } = one;
    let level = |name: &str, level: crate::analysis::trend::Level| {
        format!(
            "  {name}: median {} of {}",
            quantity::micros(level.median_micros),
            quantity::plural(level.n, "run")
        )
    };
    let floor = quantity::percent(one.finding.noise_floor);
    let mut noise = format!("up to {floor} may come from differences between campaigns");
    if !one.noise_is_measured {
        noise += &format!(", which are hardly known yet: {} campaigns or days", one.n_blocks);
    }
    let doubts = one.warnings.iter().map(|warning| format!("  doubt: {warning}"));
    [
        level("before", finding.before),
        level("after", finding.after),
        format!(
            "  probability of this much evidence by chance: {:.1e}; adjusted for all series: {:.1e}",
            finding.p_value, finding.adjusted_p_value
        ),
        format!("  noise: {noise}"),
        format!("  machine: {}; model file: {}", series.machine(), short_hash(&series.model_sha256)),
    ]
    .into_iter()
    .chain(doubts)
    .collect::<Vec<_>>()
    .join("\n")
}

fn short_hash(sha256: &str) -> &str {
    if sha256.is_empty() { "several" } else { sha256.get(..12).unwrap_or(sha256) }
}

#[cfg(test)]
mod tests;
