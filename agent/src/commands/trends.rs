//! `tabpool trends`: every series of comparable runs at a glance.

use std::num::NonZero;
use std::thread::ScopedJoinHandle;

use serde::Serialize;

use crate::analysis::trend::{Shape, Trend, judge};
use crate::cli::TrendArgs;
use crate::commands::{filter, open_existing};
use crate::exit::Exit;
use crate::output::table::{Column, Tone};
use crate::output::{Printer, Table, quantity};
use crate::store::{Metric, Series, Store};

/// Blocks in a sparkline.
const N_BARS: usize = 24;

/// Fewest series that are worth a thread and a connection of their own.
const MIN_PART: usize = 64;

#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: u32,
    since_unix_micros: Option<i64>,
    trends: &'a [Trend],
}

/// Prints the trends of the series that the arguments choose.
pub(crate) fn run(args: &TrendArgs, printer: &Printer) -> anyhow::Result<Exit> {
    let store = open_existing(&args.filter.db)?;
    let filter = filter(&args.filter, Some(args.since));
    let trends = gather(&store, args)?;
    if printer.wants_json() {
        let since_unix_micros = filter.since_unix_micros;
        printer.document(&Document { schema: wire::SCHEMA, since_unix_micros, trends: &trends })?;
    } else if trends.is_empty() {
        say_empty(&store, printer);
    } else {
        printer.result(&table(&trends, printer));
        printer.note("bars: medians of campaigns, or of days of visitors, between their lowest and highest");
        if trends.iter().any(|trend| trend.is_rolled_up) {
            printer.note("Σ: campaigns and days instead of runs, because a part of the runs was rolled up");
        }
        for trend in &trends {
            let name = format!(
                "{} {}, {}, {}",
                trend.series.model,
                trend.series.case,
                trend.series.place(),
                trend.metric.as_str()
            );
            trend.warnings.iter().for_each(|warning| printer.note(&format!("{name}: {warning}")));
        }
        if let Some(machine) = only_machine(&trends) {
            printer.note(&format!("all on {machine}"));
        }
        if trends.iter().any(|trend| trend.changes().next().is_some()) {
            printer.hint("`tabpool regressions --verbose` shows the evidence");
        }
    }
    Ok(Exit::Done)
}

/// The trends that the arguments choose, judged as one family.
pub(crate) fn gather(store: &Store, args: &TrendArgs) -> anyhow::Result<Vec<Trend>> {
    let filter = filter(&args.filter, Some(args.since));
    let metrics = args.metric.map_or_else(|| Metric::ALL.to_vec(), |metric| vec![metric]);
    let series = store.series(&filter)?;
    let n_threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let part = series.len().div_ceil(n_threads).max(MIN_PART);
    let (metrics, since) = (metrics.as_slice(), filter.since_unix_micros);
    let parts: Vec<anyhow::Result<Vec<Trend>>> = std::thread::scope(|scope| {
        let threads: Vec<_> = series
            .chunks(part)
            .map(|part| scope.spawn(move || of_series(store, part, metrics, since)))
            .collect();
        let join = |thread: ScopedJoinHandle<'_, _>| {
            thread
                .join()
                .unwrap_or_else(|_panic| Err(anyhow::anyhow!("a thread that computes trends ended early")))
        };
        threads.into_iter().map(join).collect()
    });
    let mut trends: Vec<Trend> = parts.into_iter().collect::<anyhow::Result<Vec<_>>>()?.concat();
    judge(&mut trends);
    Ok(trends)
}

fn of_series(
    store: &Store,
    series: &[Series],
    metrics: &[Metric],
    since_unix_micros: Option<i64>,
) -> anyhow::Result<Vec<Trend>> {
    let own = if series.len() < MIN_PART { None } else { store.another()? };
    let store = own.as_ref().unwrap_or(store);
    let mut trends = Vec::new();
    for series in series {
        for &metric in metrics {
            let points = store.points(series.id, metric, since_unix_micros, None)?;
            let rolled_up = store.rolled_up(series.id, metric, since_unix_micros)?;
            if !rolled_up.is_empty() {
                trends.push(Trend::of_blocks(series.clone(), metric, &rolled_up, &points)?);
            } else if !points.is_empty() {
                trends.push(Trend::of(series.clone(), metric, &points)?);
            }
        }
    }
    Ok(trends)
}

/// Says that there is nothing to look at.
pub(crate) fn say_empty(store: &Store, printer: &Printer) {
    printer.note(&format!("no measurements of that in {}", store.path().display()));
    printer.hint("look further back with --since, or measure some with `tabpool bench`");
}

/// The machine, when all trends are of one.
pub(crate) fn only_machine(trends: &[Trend]) -> Option<String> {
    let machine = trends.first()?.series.machine();
    trends.iter().all(|trend| trend.series.machine() == machine).then_some(machine)
}

fn table(trends: &[Trend], printer: &Printer) -> String {
    let has_machines = only_machine(trends).is_none();
    let mut columns = vec![
        Column::left("model"),
        Column::left("case").optional(2),
        Column::left("precision").optional(6),
        Column::left("browser"),
        Column::left("metric").optional(1),
        Column::right("n").optional(4),
        Column::right("now"),
        Column::left("bars").optional(3),
        Column::left("trend"),
    ];
    if has_machines {
        columns.insert(4, Column::left("machine").optional(5));
    }
    let mut table = Table::new(printer, &columns);
    for trend in trends {
        let mut cells = vec![
            (trend.series.model.clone(), Tone::Plain),
            (trend.series.case.clone(), Tone::Faint),
            (trend.series.precision.clone(), Tone::Faint),
            (trend.series.place(), Tone::Plain),
            (trend.metric.as_str().to_owned(), Tone::Faint),
            (format!("{}{}", if trend.is_rolled_up { "Σ " } else { "" }, trend.n), Tone::Faint),
            (quantity::micros(trend.now.median_micros), Tone::Plain),
            (trend.sparkline(N_BARS), Tone::Plain),
            words(trend),
        ];
        if has_machines {
            cells.insert(4, (trend.series.machine(), Tone::Faint));
        }
        table.row(cells);
    }
    table.render()
}

/// The latest change that counts, in few words.
fn words(trend: &Trend) -> (String, Tone) {
    if trend.n_missing > 0 {
        let unit = if trend.is_rolled_up { "more campaign" } else { "more run" };
        let more = quantity::plural(trend.n_missing, unit);
        return (format!("not enough data: {more} needed"), Tone::Faint);
    }
    let Some((finding, graded)) = trend.changes().last() else {
        return ("steady".to_owned(), Tone::Good);
    };
    let (word, tone) = if graded.is_regression { ("slower", Tone::Bad) } else { ("faster", Tone::Good) };
    let by = quantity::percent(graded.effect);
    let shape = if finding.shape == Shape::Drift { ", drifting" } else { "" };
    (format!("{by} {word} ({}){shape}", graded.words()), tone)
}

#[cfg(test)]
pub(crate) mod tests;
