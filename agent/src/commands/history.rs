//! `tabpool history`: medians per group of runs, and the latest runs.

mod care;
mod log;

use serde::Serialize;

use crate::bench::summary::{Warm, warm};
use crate::cli::{HistoryArgs, TableFormat};
use crate::commands::{dash, filter, interval, median, open_existing};
use crate::exit::Exit;
use crate::output::table::{Column, Tone};
use crate::output::{Printer, Table, csv, quantity};
use crate::store::{Dimension, Group, HistoryRow, RecentRun};
pub(crate) use care::removed;

/// The document of `history --json`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: u32,
    groups: Vec<GroupLine<'a>>,
    runs: &'a [RecentRun],
}

#[derive(Debug, Serialize)]
struct GroupLine<'a> {
    #[serde(flatten)]
    group: &'a Group,
    n_runs: usize,
    n_failed: usize,
    last_unix_micros: i64,
    /// None where the group mixes things that are not comparable, or nothing succeeded.
    warm: Option<Warm>,
}

/// Prints the history that the arguments ask for, or takes care of it.
pub(crate) fn run(args: &HistoryArgs, printer: &Printer) -> anyhow::Result<Exit> {
    if let Some(command) = &args.command {
        return care::run(command, printer);
    }
    let store = open_existing(&args.filter.db)?;
    let filter = filter(&args.filter, args.since);
    let dimensions: &[Dimension] =
        if args.group_by.is_empty() { &Dimension::COMPARABLE } else { &args.group_by };
    let rows = store.history(&filter, dimensions)?;
    if printer.wants_json() || args.format == TableFormat::Json {
        printer.document(&document(&rows, &store.recent(&filter, args.limit)?))?;
    } else if args.format == TableFormat::Csv {
        printer.result(&comma_separated(&rows, dimensions));
    } else if rows.is_empty() {
        printer.note(&format!("no runs in {}", store.path().display()));
        printer.hint("measure some with `tabpool bench`");
    } else {
        printer.result(&medians(&rows, dimensions, printer));
        if rows.iter().any(|row| row.is_mixed) {
            printer.note("mixed: runs of different things, whose common median would say nothing");
        }
        let runs = store.recent(&filter, args.limit)?;
        if !runs.is_empty() {
            printer.result(&format!("\n{}", latest(&runs, printer)));
        }
    }
    Ok(Exit::Done)
}

fn document<'a>(rows: &'a [HistoryRow], runs: &'a [RecentRun]) -> Document<'a> {
    let groups = rows.iter().map(|row| GroupLine {
        group: &row.group,
        n_runs: row.n_runs,
        n_failed: row.n_failed,
        last_unix_micros: row.last_unix_micros,
        warm: comparable(row),
    });
    Document { schema: wire::SCHEMA, groups: groups.collect(), runs }
}

fn comma_separated(rows: &[HistoryRow], dimensions: &[Dimension]) -> String {
    let names = dimensions.iter().map(|dimension| dimension.as_str());
    let measures = ["warm_median_micros", "warm_low_micros", "warm_high_micros", "n", "runs", "failed"];
    let mut lines = vec![csv::record(names.chain(measures).chain(["last_unix_micros"]))];
    for row in rows {
        let warm = comparable(row);
        let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
        let bounds = warm.and_then(|warm| warm.interval_micros);
        let numbers = [
            number(warm.map(|warm| warm.median_micros)),
            number(bounds.map(|[low, _]| low)),
            number(bounds.map(|[_, high]| high)),
            row.warm_micros.len().to_string(),
            row.n_runs.to_string(),
            row.n_failed.to_string(),
            row.last_unix_micros.to_string(),
        ];
        let group = dimensions.iter().map(|dimension| row.group[dimension.as_str()].as_str());
        lines.push(csv::record(group.chain(numbers.iter().map(String::as_str))));
    }
    lines.join("\n")
}

fn comparable(row: &HistoryRow) -> Option<Warm> {
    if row.is_mixed { None } else { warm(&row.warm_micros) }
}

fn medians(rows: &[HistoryRow], dimensions: &[Dimension], printer: &Printer) -> String {
    // The browser's version stands beside its name.
    let has_browser = dimensions.contains(&Dimension::Browser);
    let shown =
        dimensions.iter().filter(|dimension| !has_browser || **dimension != Dimension::BrowserVersion);
    let mut columns: Vec<Column> = shown.clone().map(|dimension| column(*dimension)).collect();
    columns.extend([
        Column::right("warm median"),
        Column::right("95 % interval").optional(3),
        Column::right("n").optional(4),
        Column::right("runs").optional(5),
        Column::right("failed"),
        Column::left("last run").optional(6),
    ]);
    let mut table = Table::new(printer, &columns);
    for row in rows {
        let HistoryRow { group, warm_micros, is_mixed, n_runs, n_failed, last_time, .. } = row;
        let warm = comparable(row);
        let value = |dimension: &Dimension| {
            let text = &group[dimension.as_str()];
            match dimension {
                Dimension::Shapes => (dims(text), Tone::Faint),
                Dimension::Browser => {
                    let version = group.get(Dimension::BrowserVersion.as_str());
                    (quantity::browser(text, version.map_or("", String::as_str)), Tone::Plain)
                }
                Dimension::Host | Dimension::Campaign if text.is_empty() => (dash(), Tone::Faint),
                Dimension::Host
                | Dimension::Campaign
                | Dimension::Model
                | Dimension::Precision
                | Dimension::BrowserVersion
                | Dimension::Backend
                | Dimension::Engine
                | Dimension::Day => (text.clone(), Tone::Plain),
            }
        };
        table.row(shown.clone().map(value).chain([
            (if *is_mixed { "mixed".to_owned() } else { median(warm) }, Tone::Plain),
            (if *is_mixed { dash() } else { interval(warm) }, Tone::Faint),
            (warm_micros.len().to_string(), Tone::Faint),
            (n_runs.to_string(), Tone::Faint),
            (n_failed.to_string(), if *n_failed > 0 { Tone::Bad } else { Tone::Faint }),
            (last_time.clone(), Tone::Faint),
        ]));
    }
    table.render()
}

fn column(dimension: Dimension) -> Column {
    let column = Column::left(dimension.as_str());
    if dimension == Dimension::Backend {
        column.optional(2)
    } else if dimension == Dimension::Engine {
        column.optional(1)
    } else {
        column
    }
}

/// The distinct shapes without the names of inputs, e.g. `1x16`.
pub(crate) fn dims(shapes: &str) -> String {
    let mut dims: Vec<&str> = shapes.split(',').map(|part| part.rsplit(':').next().unwrap_or(part)).collect();
    dims.dedup();
    dims.join(" ")
}

fn latest(runs: &[RecentRun], printer: &Printer) -> String {
    let mut table = Table::new(
        printer,
        &[
            Column::left("latest runs"),
            Column::left("model"),
            Column::left("browser"),
            Column::left("backend").optional(1),
            Column::left("engine").optional(2),
            Column::right("run"),
            Column::left("kind"),
            Column::left("outcome"),
        ],
    );
    for run in runs {
        let (outcome, tone) = match (&run.fault, run.check_ok) {
            (Some(fault), _) => (format!("failed: {fault}"), Tone::Bad),
            (None, Some(false)) => ("outputs outside limits".to_owned(), Tone::Bad),
            (None, Some(true)) => ("ok, outputs checked".to_owned(), Tone::Good),
            (None, None) => ("ok".to_owned(), Tone::Plain),
        };
        let kind = match (&run.fault, run.cold) {
            (Some(_), _) => "–",
            (None, true) => "cold",
            (None, false) => "warm",
        };
        table.row([
            (run.time.clone(), Tone::Faint),
            (run.group["model"].clone(), Tone::Plain),
            (run.group["browser"].clone(), Tone::Plain),
            (run.group["backend"].clone(), Tone::Plain),
            (run.group["engine"].clone(), Tone::Plain),
            (run.run_micros.map_or_else(dash, quantity::micros), Tone::Plain),
            (kind.to_owned(), Tone::Faint),
            (outcome, tone),
        ]);
    }
    table.render()
}

#[cfg(test)]
mod tests;
