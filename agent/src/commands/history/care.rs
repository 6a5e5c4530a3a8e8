//! The subcommands of `tabpool history`: care for the file, and what the history holds beside runs.

use serde_json::json;

use crate::cli::HistoryCommand;
use crate::commands::history::log;
use crate::commands::{ago, open_existing};
use crate::exit::{Exit, Failure};
use crate::host::now_unix_micros;
use crate::output::{Printer, quantity};
use crate::store::Pruned;

/// Does it and says what was done.
pub(super) fn run(care: &HistoryCommand, printer: &Printer) -> anyhow::Result<Exit> {
    match care {
        HistoryCommand::Events { kind, of } => log::events(kind, of, printer),
        HistoryCommand::Recoveries { of } => log::recoveries(of, printer),
        HistoryCommand::Sessions { of } => log::sessions(of, printer),
        HistoryCommand::Check { db } => {
            let store = open_existing(db)?;
            let problems = store.problems()?;
            if printer.wants_json() {
                printer.document(&json!({ "schema": wire::SCHEMA, "problems": problems }))?;
            } else if problems.is_empty() {
                let n_runs = usize::try_from(store.n_runs()?).unwrap_or(usize::MAX);
                printer.result(&format!("sound: {}", quantity::plural(n_runs, "run")));
            } else {
                printer.result(&problems.join("\n"));
                printer.hint("save what can be read with `tabpool history backup`, and go on with the copy");
            }
            Ok(if problems.is_empty() { Exit::Done } else { Exit::Finding })
        }
        HistoryCommand::Backup { to, db } => {
            let store = open_existing(db)?;
            if to.exists() {
                let failure = Failure::environment(format!("{} exists already", to.display()));
                return Err(failure.hint("name a new file").into());
            }
            store.back_up(to).map_err(|error| {
                Failure::environment(format!("cannot write the copy {}: {error}", to.display()))
            })?;
            let n_bytes = std::fs::metadata(to).map_or(0, |metadata| metadata.len());
            if printer.wants_json() {
                printer.document(&json!({ "schema": wire::SCHEMA, "file": to, "bytes": n_bytes }))?;
            } else {
                printer.result(&format!("{}, {}", to.display(), quantity::bytes(n_bytes)));
            }
            Ok(Exit::Done)
        }
        HistoryCommand::Prune { older_than, db } => {
            let store = open_existing(db)?;
            let keep = store.retention()?.unwrap_or(i64::MAX);
            let cutoff = older_than.map_or_else(|| now_unix_micros().saturating_sub(keep), ago);
            let pruned = store.prune(cutoff)?;
            if pruned.n_runs > 0 {
                store.compact()?;
            }
            if printer.wants_json() {
                printer.document(&json!({ "schema": wire::SCHEMA, "removed": pruned }))?;
            } else {
                printer.result(&removed(pruned));
            }
            Ok(Exit::Done)
        }
        HistoryCommand::Retention { keep, db } => {
            let store = open_existing(db)?;
            if let Some(keep) = keep {
                store.set_retention(keep.0.map(|age| i64::try_from(age.as_micros()).unwrap_or(i64::MAX)))?;
            }
            let days = store.retention()?.map(|micros| micros as f64 / 86_400e6);
            if printer.wants_json() {
                printer.document(&json!({ "schema": wire::SCHEMA, "keep_days": days }))?;
            } else {
                let kept =
                    days.map_or("for good".to_owned(), |days| format!("{days} days, then their roll-ups"));
                printer.result(&format!("runs are kept {kept}; those of campaigns with a label for good"));
            }
            Ok(Exit::Done)
        }
        HistoryCommand::Migrate { to, db } => {
            let store = open_existing(db)?;
            store.migrate(*to)?;
            let path = store.path().display();
            if printer.wants_json() {
                printer
                    .document(&json!({ "schema": wire::SCHEMA, "file": path.to_string(), "version": to }))?;
            } else {
                printer.result(&format!("{path} has schema version {to} now"));
            }
            Ok(Exit::Done)
        }
    }
}

/// What retention did, in words.
pub(crate) fn removed(pruned: Pruned) -> String {
    format!(
        "rolled up {}, removed {}, {}, {}",
        quantity::plural(pruned.n_runs, "run"),
        quantity::plural(pruned.n_events, "event"),
        quantity::plural(pruned.n_sessions, "session"),
        quantity::plural(pruned.n_campaigns, "campaign"),
    )
}
