//! `tabpool history`: medians per group of comparable runs, and the latest runs.

use serde::Serialize;
use wire::Backend;

use crate::bench::summary::{Warm, warm};
use crate::cli::HistoryArgs;
use crate::commands::{dash, interval, median, open_store};
use crate::exit::{Exit, Failure};
use crate::host::now_unix_micros;
use crate::output::table::{Column, Tone};
use crate::output::{Printer, Table, quantity};
use crate::store::{Filter, Group, HistoryRow, RecentRun};

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
    warm: Option<Warm>,
}

/// Prints the history that the arguments ask for.
pub(crate) fn run(args: &HistoryArgs, printer: &Printer) -> anyhow::Result<Exit> {
    if let Some(path) = args.db.db.as_ref().filter(|path| !path.exists()) {
        return Err(Failure::environment(format!("there is no history {}", path.display())).into());
    }
    let store = open_store(&args.db)?;
    let age = args.since.map(|age| i64::try_from(age.as_micros()).unwrap_or(i64::MAX));
    let filter = Filter {
        models: args.model.clone(),
        browsers: args.browser.clone(),
        backends: args.backend.iter().copied().map(Backend::as_str).map(str::to_owned).collect(),
        since_unix_micros: age.map(|age| now_unix_micros().saturating_sub(age)),
    };
    let rows = store.history(&filter)?;
    let runs = store.recent(&filter, args.limit)?;
    if printer.wants_json() {
        printer.document(&document(&rows, &runs))?;
    } else if rows.is_empty() {
        printer.note(&format!("no runs in {}", store.path().display()));
        printer.hint("measure some with `tabpool bench`");
    } else {
        printer.result(&medians(&rows, printer));
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
        warm: warm(&row.warm_micros),
    });
    Document { schema: wire::SCHEMA, groups: groups.collect(), runs }
}

fn medians(rows: &[HistoryRow], printer: &Printer) -> String {
    let mut table = Table::new(
        printer,
        &[
            Column::left("model"),
            Column::left("shapes"),
            Column::left("browser"),
            Column::left("backend").optional(2),
            Column::left("engine").optional(1),
            Column::right("warm median"),
            Column::right("95 % interval").optional(3),
            Column::right("n").optional(4),
            Column::right("runs").optional(5),
            Column::right("failed"),
            Column::left("last run").optional(6),
        ],
    );
    for HistoryRow { group, warm_micros, n_runs, n_failed, last_time, .. } in rows {
        let warm = warm(warm_micros);
        table.row([
            (group.model.clone(), Tone::Plain),
            (dims(&group.shapes), Tone::Faint),
            (quantity::browser(&group.browser, &group.browser_version), Tone::Plain),
            (group.backend.clone(), Tone::Plain),
            (group.engine.clone(), Tone::Plain),
            (median(warm), Tone::Plain),
            (interval(warm), Tone::Faint),
            (warm_micros.len().to_string(), Tone::Faint),
            (n_runs.to_string(), Tone::Faint),
            (n_failed.to_string(), if *n_failed > 0 { Tone::Bad } else { Tone::Faint }),
            (last_time.clone(), Tone::Faint),
        ]);
    }
    table.render()
}

/// The distinct shapes without the names of inputs, e.g. `1x16`.
fn dims(shapes: &str) -> String {
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
            (run.group.model.clone(), Tone::Plain),
            (run.group.browser.clone(), Tone::Plain),
            (run.group.backend.clone(), Tone::Plain),
            (run.group.engine.clone(), Tone::Plain),
            (run.run_micros.map_or_else(dash, quantity::micros), Tone::Plain),
            (kind.to_owned(), Tone::Faint),
            (outcome, tone),
        ]);
    }
    table.render()
}

#[cfg(test)]
mod tests;
