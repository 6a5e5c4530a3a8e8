//! `tabpool history events|recoveries|sessions`: what pools and browsers did, beside the runs.

use serde_json::json;
use stats::Sample;
use wire::{Capabilities, PoolEvent};

use crate::cli::LogArgs;
use crate::commands::{ago, dash, open_existing};
use crate::exit::Exit;
use crate::output::table::{Column, Tone};
use crate::output::{Printer, Table, quantity};
use crate::store::{EventFilter, EventRow, Recovery, SessionRow};

/// Lists events of these kinds, or of all.
pub(super) fn events(kinds: &[String], args: &LogArgs, printer: &Printer) -> anyhow::Result<Exit> {
    let filter = EventFilter { kinds: kinds.to_vec(), ..filter(args) };
    let events = open_existing(&args.db)?.events(&filter, args.limit)?;
    if printer.wants_json() {
        printer.document(&json!({ "schema": wire::SCHEMA, "events": events }))?;
    } else if events.is_empty() {
        say_none(printer);
    } else {
        printer.result(&event_table(&events, printer));
    }
    Ok(Exit::Done)
}

/// Says what became of recoveries.
pub(super) fn recoveries(args: &LogArgs, printer: &Printer) -> anyhow::Result<Exit> {
    let recoveries = open_existing(&args.db)?.recoveries(&filter(args))?;
    if printer.wants_json() {
        let one = |recovery: &Recovery| {
            json!({
                "category": recovery.category,
                "component": recovery.component,
                "strategy": recovery.strategy,
                "n": recovery.n,
                "n_succeeded": recovery.n_succeeded,
                "median_micros": quantile(recovery, 0.5),
                "p95_micros": quantile(recovery, 0.95),
            })
        };
        let recoveries: Vec<_> = recoveries.iter().map(one).collect();
        printer.document(&json!({ "schema": wire::SCHEMA, "recoveries": recoveries }))?;
    } else if recoveries.is_empty() {
        say_none(printer);
    } else {
        printer.result(&recovery_table(&recoveries, printer));
    }
    Ok(Exit::Done)
}

/// Lists launches of browsers.
pub(super) fn sessions(args: &LogArgs, printer: &Printer) -> anyhow::Result<Exit> {
    let sessions = open_existing(&args.db)?.sessions(&args.browser, args.since.map(ago), args.limit)?;
    if printer.wants_json() {
        printer.document(&json!({ "schema": wire::SCHEMA, "sessions": sessions }))?;
    } else if sessions.is_empty() {
        printer.note("no browser was launched");
        printer.hint("`tabpool doctor` launches each once");
    } else {
        printer.result(&session_table(&sessions, printer));
    }
    Ok(Exit::Done)
}

fn filter(args: &LogArgs) -> EventFilter {
    EventFilter { kinds: Vec::new(), browsers: args.browser.clone(), since_unix_micros: args.since.map(ago) }
}

fn say_none(printer: &Printer) {
    printer.note("no events: no pool had anything to report, or none reports to this history");
    printer.hint("pages whose pool has this agent's address post them; `tabpool serve` receives them");
}

fn event_table(events: &[EventRow], printer: &Printer) -> String {
    let columns = [
        Column::left("time"),
        Column::left("source").optional(2),
        Column::left("browser"),
        Column::right("connection").optional(1),
        Column::left("event"),
    ];
    let mut table = Table::new(printer, &columns);
    for row in events {
        let (text, tone) = match serde_json::from_value(row.event.clone()) {
            Ok(event) => words(&event),
            // A newer version wrote it.
            Err(_) => (row.event.to_string(), Tone::Plain),
        };
        table.row([
            (row.time.clone(), Tone::Faint),
            (row.source.clone(), Tone::Faint),
            (quantity::browser(&row.browser, &row.browser_version), Tone::Plain),
            (row.connection.map_or_else(dash, |connection| connection.to_string()), Tone::Plain),
            (text, tone),
        ]);
    }
    table.render()
}

/// A stable name as words.
fn plain(name: &str) -> String {
    name.replace('_', " ")
}

/// An event as a sentence.
fn words(event: &PoolEvent) -> (String, Tone) {
    let after = |micros: u64| quantity::micros(micros as f64);
    match event {
        PoolEvent::Breaker { component, from, to, reason, health } => {
            let tone = if to == "closed" { Tone::Good } else { Tone::Bad };
            (format!("breaker of {component}: {from} → {to}, {reason}; health {health:.0}"), tone)
        }
        PoolEvent::Connection { to, cause: Some(cause) } => {
            (format!("{to} after {}", cause.as_str()), Tone::Bad)
        }
        PoolEvent::Connection { to, cause: None } => (to.clone(), Tone::Plain),
        PoolEvent::Recovering { category, component, strategy, after_micros } => {
            let wait =
                if *after_micros > 0 { format!(" in {}", after(*after_micros)) } else { String::new() };
            (format!("{} of {component}: {strategy}{wait}", category.as_str()), Tone::Plain)
        }
        PoolEvent::Recovered { category, component, strategy, is_success, took_micros, impact: _ } => {
            let (word, tone) = if *is_success { ("helped", Tone::Good) } else { ("did not help", Tone::Bad) };
            let (category, took) = (category.as_str(), after(*took_micros));
            (format!("{category} of {component}: {strategy} {word}, {took} after the fault"), tone)
        }
        PoolEvent::Incident { domain, category, component, n_members, phase } => {
            let (category, n) = (category.as_str(), quantity::plural(*n_members as usize, "connection"));
            (format!("incident {domain} {phase}: {category} of {component} on {n}"), Tone::Bad)
        }
        PoolEvent::RootCause { sentence, .. } => (sentence.clone(), Tone::Bad),
        PoolEvent::Quarantined { model, cause, n_connections } => {
            let n = quantity::plural(*n_connections as usize, "connection");
            (format!("inputs of {model} quarantined: {} on {n}", cause.as_str()), Tone::Bad)
        }
        PoolEvent::BackendChosen { model, sentence, .. } => (format!("{model}: {sentence}"), Tone::Plain),
        PoolEvent::Scaled { from, to, reason, utilization, n_queued, queue_delay_micros, memory_ratio } => {
            let mut load = vec![format!("{} of the slots in use", quantity::percent(*utilization))];
            if *n_queued > 0 {
                let n = quantity::plural(*n_queued as usize, "job");
                load.push(format!("{n} waiting, for {} together", after(*queue_delay_micros)));
            }
            if *memory_ratio > 0.0 {
                load.push(format!("{} of the memory limit", quantity::percent(*memory_ratio)));
            }
            (format!("{from} → {to} connections: {}; {}", plain(reason), load.join(", ")), Tone::Plain)
        }
        PoolEvent::Placed {
            model,
            backend,
            n_jobs,
            expected_micros,
            load_micros,
            is_exploration,
            is_probe,
            is_hedge,
        } => {
            let jobs = quantity::plural(*n_jobs as usize, "job");
            let why = [
                (is_exploration, ", to learn"),
                (is_probe, ", as a probe"),
                (is_hedge, ", as a second call"),
            ];
            let why: String = why.iter().filter(|(is_so, _)| **is_so).map(|(_, words)| *words).collect();
            let load = if *load_micros > 0 {
                format!(", {} of it to load", after(*load_micros))
            } else {
                String::new()
            };
            let expected = after(*expected_micros);
            (
                format!("{jobs} of {model} placed on {}{why}; {expected} expected{load}", backend.as_str()),
                Tone::Plain,
            )
        }
        PoolEvent::Called { call, component, model, latency_micros, is_probe: _, fault } => {
            let of =
                model.as_ref().map_or_else(|| component.clone(), |model| format!("{model} on {component}"));
            let latency = after(*latency_micros);
            match fault {
                None => (format!("{} of {of} took {latency}", plain(call)), Tone::Plain),
                Some(fault) => {
                    (format!("{} of {of} failed after {latency}: {}", plain(call), fault.as_str()), Tone::Bad)
                }
            }
        }
        PoolEvent::Refused { model, reason } => {
            (format!("a job of {model} was refused: {reason}"), Tone::Bad)
        }
        PoolEvent::Ended { model, verdict, cause, took_micros } => {
            let took = after(*took_micros);
            let (verdict, cause) = (plain(verdict), cause.as_str());
            (format!("a job of {model} ended after {took} without a run: {verdict}, {cause}"), Tone::Bad)
        }
        PoolEvent::Unloaded { model, backend, reason } => {
            (format!("{model} unloaded from {}: {}", backend.as_str(), plain(reason)), Tone::Plain)
        }
        PoolEvent::BreakerMode { component, mode } => {
            (format!("breaker of {component}: {} by an operator", plain(mode)), Tone::Plain)
        }
    }
}

fn recovery_table(recoveries: &[Recovery], printer: &Printer) -> String {
    let columns = [
        Column::left("fault"),
        Column::left("of"),
        Column::left("strategy"),
        Column::right("helped"),
        Column::right("n"),
        Column::right("median time"),
        Column::right("p95").optional(1),
    ];
    let mut table = Table::new(printer, &columns);
    for recovery in recoveries {
        let Recovery { category, component, strategy, n, n_succeeded, .. } = recovery;
        let helped = f64::from(*n_succeeded) / f64::from(*n);
        table.row([
            (category.clone(), Tone::Plain),
            (component.clone(), Tone::Plain),
            (strategy.clone(), Tone::Plain),
            (format!("{:.0} %", 100.0 * helped), if helped < 0.5 { Tone::Bad } else { Tone::Good }),
            (n.to_string(), Tone::Faint),
            (quantile(recovery, 0.5).map_or_else(dash, quantity::micros), Tone::Plain),
            (quantile(recovery, 0.95).map_or_else(dash, quantity::micros), Tone::Faint),
        ]);
    }
    table.render()
}

/// A quantile of the times that successful recoveries took, microseconds.
fn quantile(recovery: &Recovery, p: f64) -> Option<f64> {
    Sample::new(&recovery.took_micros).ok().map(|sample| sample.quantile(p))
}

fn session_table(sessions: &[SessionRow], printer: &Printer) -> String {
    let columns = [
        Column::left("launched"),
        Column::left("by"),
        Column::left("browser"),
        Column::right("ready after").optional(1),
        Column::right("lasted").optional(2),
        Column::left("ended"),
        Column::right("runs").optional(3),
        Column::right("failed").optional(4),
        Column::left("can").optional(5),
    ];
    let mut table = Table::new(printer, &columns);
    for row in sessions {
        let by = match row.campaign {
            Some(campaign) => format!("{}, campaign {campaign}", row.command),
            None => row.command.clone(),
        };
        let micros = |micros: Option<i64>| micros.map_or_else(dash, |micros| quantity::micros(micros as f64));
        let ended = match row.ending.as_deref() {
            None => ("no end known".to_owned(), Tone::Faint),
            Some("finished") => ("finished".to_owned(), Tone::Good),
            Some(other) => (other.replace('_', " "), Tone::Bad),
        };
        table.row([
            (row.time.clone(), Tone::Faint),
            (by, Tone::Plain),
            (quantity::browser(&row.browser, &row.browser_version), Tone::Plain),
            (micros(row.launch_micros), Tone::Plain),
            (micros(row.lasted_micros), Tone::Faint),
            ended,
            (row.n_runs.to_string(), Tone::Faint),
            (row.n_failed.to_string(), if row.n_failed > 0 { Tone::Bad } else { Tone::Faint }),
            (row.capabilities.as_ref().map_or_else(dash, abilities), Tone::Faint),
        ]);
    }
    table.render()
}

/// Backends and adapter in few words.
fn abilities(capabilities: &Capabilities) -> String {
    let mut names: Vec<&str> = capabilities.backends.iter().map(|backend| backend.as_str()).collect();
    names.push(&capabilities.wasm_build);
    if let Some(adapter) = &capabilities.adapter {
        names.extend([adapter.vendor.as_str(), adapter.architecture.as_str()]);
        names.extend(adapter.is_fallback.then_some("(software)"));
    }
    names.retain(|name| !name.is_empty());
    names.join(" ")
}

#[cfg(test)]
mod tests;
