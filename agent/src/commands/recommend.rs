//! `tabpool recommend`: which browser and backend should run a model.

use serde::Serialize;

use crate::analysis::advice::{
    Advice, Choice, Confidence, Measured, Precisions, Profile, advise, precisions, profiles,
};
use crate::cli::RecommendArgs;
use crate::commands::trends::say_empty;
use crate::commands::{dash, filter, open_existing};
use crate::exit::Exit;
use crate::golden;
use crate::host::now_unix_micros;
use crate::output::table::{Column, Tone};
use crate::output::{Printer, Table, quantity};
use crate::store::{Filter, Metric, Store};
use crate::zoo::manifest::EntryKind;
use crate::zoo::{Cache, Zoo};

/// The document of `recommend --json` and of `GET /v1/advice`.
#[derive(Debug, Serialize)]
pub(crate) struct Document {
    schema: u32,
    /// For every case.
    pub(crate) advice: Vec<Advice>,
    precisions: Vec<Precisions>,
    profiles: Vec<Profile>,
}

/// Prints the advice.
pub(crate) fn run(args: &RecommendArgs, printer: &Printer) -> anyhow::Result<Exit> {
    let store = open_existing(&args.filter.db)?;
    let zoo = Zoo::open(&Cache::of_user()?)?;
    let document = document(&store, &zoo, &filter(&args.filter, Some(args.since)))?;
    if printer.wants_json() {
        printer.document(&document)?;
    } else if document.advice.is_empty() {
        say_empty(&store, printer);
    } else {
        printer.result(&choices(&document.advice, now_unix_micros(), printer));
        if !document.precisions.is_empty() {
            printer.result(&format!("\n{}", by_precision(&document.precisions, printer)));
        }
        if !document.profiles.is_empty() {
            printer.result(&format!("\n{}", by_family(&document.profiles, printer)));
        }
        printer.note(
            "in order: the first choice, then what to fall back to; failed runs count as repeated ones",
        );
        remarks(&document.advice).iter().for_each(|remark| printer.note(remark));
    }
    Ok(Exit::Done)
}

/// Everything the history advises on what `filter` lets through.
pub(crate) fn document(store: &Store, zoo: &Zoo, filter: &Filter) -> anyhow::Result<Document> {
    let advice = advice(store, zoo, filter)?;
    let (precisions, profiles) = (precisions(&advice, &golden::built_in()?), profiles(&advice));
    Ok(Document { schema: wire::SCHEMA, advice, precisions, profiles })
}

/// What to run each case on that `filter` lets through.
pub(crate) fn advice(store: &Store, zoo: &Zoo, filter: &Filter) -> anyhow::Result<Vec<Advice>> {
    let mut measured = Vec::new();
    for series in store.series(filter)? {
        let points = store.points(series.id, Metric::Warm, filter.since_unix_micros, None)?;
        let rolled_up = store.rolled_up(series.id, Metric::Warm, filter.since_unix_micros)?;
        let (n_rolled_up, n_rolled_up_failed) = store.n_rolled_up(series.id, filter.since_unix_micros)?;
        let n_failed = store.n_failed(series.id, filter.since_unix_micros, None)? + n_rolled_up_failed;
        if !points.is_empty() || n_rolled_up > 0 || n_failed > 0 {
            let settings = store.settings(&series)?;
            measured.push(Measured { series, points, rolled_up, n_rolled_up, n_failed, settings });
        }
    }
    let family_of = |id: &str| match zoo.entry(id).map(|entry| &entry.kind) {
        Some(EntryKind::Model(facts)) => facts.family.clone(),
        Some(_) | None => String::new(),
    };
    Ok(advise(measured, family_of, now_unix_micros())?)
}

fn choices(advice: &[Advice], now_unix_micros: i64, printer: &Printer) -> String {
    let has_machines =
        advice.iter().any(|one| one.host != advice[0].host || one.cpu_model != advice[0].cpu_model);
    let mut columns = vec![
        Column::left("model"),
        Column::left("case").optional(2),
        Column::left("precision").optional(6),
        Column::left("advice"),
        Column::left("browser"),
        Column::right("median"),
        Column::right("95 % interval").optional(3),
        Column::right("failed").optional(1),
        Column::right("best with"),
        Column::right("n").optional(4),
        Column::right("last run").optional(5),
    ];
    if has_machines {
        columns.insert(1, Column::left("host"));
    }
    let mut table = Table::new(printer, &columns);
    for one in advice {
        for (index, choice) in one.choices.iter().enumerate() {
            let name = |text: &str| if index == 0 { text.to_owned() } else { String::new() };
            let adapter =
                if choice.adapter.is_empty() { String::new() } else { format!(" on {}", choice.adapter) };
            let failed = format!("{:.0} %", 100.0 * choice.failure_ratio);
            let mut cells = vec![
                (name(&one.model), Tone::Plain),
                (name(&one.case), Tone::Faint),
                (name(&one.precision), Tone::Faint),
                words(one, index),
                (format!("{} {}{adapter}", choice.browser, choice.backend), Tone::Plain),
                (choice.median_micros.map_or_else(dash, quantity::micros), Tone::Plain),
                (interval(choice), Tone::Faint),
                (failed, if choice.n_failed > 0 { Tone::Bad } else { Tone::Faint }),
                (choice.probability_best.map_or_else(dash, |p| format!("{:.0} %", 100.0 * p)), Tone::Plain),
                (choice.n.to_string(), Tone::Faint),
                (age(choice, now_unix_micros), if choice.is_stale { Tone::Bad } else { Tone::Faint }),
            ];
            if has_machines {
                cells
                    .insert(1, (name(if one.host.is_empty() { "visitors" } else { &one.host }), Tone::Faint));
            }
            table.row(cells);
        }
    }
    table.render()
}

/// What to do with this choice, in few words.
fn words(advice: &Advice, index: usize) -> (String, Tone) {
    let choice = &advice.choices[index];
    if choice.is_unreliable {
        return ("avoid".to_owned(), Tone::Bad);
    }
    if index > 0 {
        return (format!("{index}. fallback"), Tone::Faint);
    }
    match advice.confidence {
        Confidence::Sure => ("use".to_owned(), Tone::Good),
        Confidence::OnlyChoice => ("only choice".to_owned(), Tone::Plain),
        Confidence::Undecided => ("no clear best".to_owned(), Tone::Plain),
        Confidence::NotEnoughData => {
            let more = quantity::plural(advice.n_missing, "more run");
            (format!("not enough data: {more}"), Tone::Faint)
        }
    }
}

fn interval(choice: &Choice) -> String {
    match (choice.n, choice.interval_micros) {
        (0, _) => dash(),
        (_, None) => "not enough data".to_owned(),
        (_, Some([low, high])) => quantity::micros_range(low, high),
    }
}

fn age(choice: &Choice, now_unix_micros: i64) -> String {
    let Some(last) = choice.last_unix_micros else { return dash() };
    let hours = (now_unix_micros - last).max(0) / 3_600_000_000;
    let stale = if choice.is_stale { ", stale" } else { "" };
    if hours < 48 { format!("{hours} h ago{stale}") } else { format!("{} d ago{stale}", hours / 24) }
}

/// Settings and doubts, a sentence each.
fn remarks(advice: &[Advice]) -> Vec<String> {
    let mut remarks = Vec::new();
    for one in advice {
        for choice in &one.choices {
            let name = || format!("{} {}, {} {}", one.model, one.case, choice.browser, choice.backend);
            remarks.extend(choice.warnings.iter().map(|warning| format!("{}: {warning}", name())));
            if !choice.settings.is_empty() {
                let settings: Vec<String> =
                    choice.settings.iter().map(|(key, variant)| format!("{key}: {variant}")).collect();
                remarks.push(format!(
                    "{}: kernels tuned on {}: {}",
                    name(),
                    choice.adapter,
                    settings.join(", ")
                ));
            }
        }
    }
    remarks
}

fn by_precision(precisions: &[Precisions], printer: &Printer) -> String {
    let columns = [
        Column::left("model"),
        Column::left("case").optional(1),
        Column::left("precision"),
        Column::right("expected"),
        Column::right("time over best"),
        Column::right("fastest with"),
        Column::right("cosine to f32"),
        Column::left("where").optional(2),
    ];
    let mut table = Table::new(printer, &columns);
    for one in precisions {
        for (index, choice) in one.choices.iter().enumerate() {
            let name = |text: &str| if index == 0 { text.to_owned() } else { String::new() };
            table.row([
                (name(&one.model), Tone::Plain),
                (name(&one.case), Tone::Faint),
                (choice.precision.clone(), if index == 0 && one.is_sure { Tone::Good } else { Tone::Plain }),
                (quantity::micros(choice.expected_micros), Tone::Plain),
                (format!("{:.2}×", choice.times_best), Tone::Plain),
                (format!("{:.0} %", 100.0 * choice.probability_best), Tone::Plain),
                (choice.cosine_to_f32.map_or_else(dash, |cosine| format!("{cosine:.4}")), Tone::Plain),
                (choice.place.clone(), Tone::Faint),
            ]);
        }
    }
    table.render()
}

fn by_family(profiles: &[Profile], printer: &Printer) -> String {
    let columns = [
        Column::left("family"),
        Column::right("rank"),
        Column::left("browser"),
        Column::right("time over best"),
        Column::right("cases").optional(1),
        Column::right("best in").optional(3),
        Column::right("runs").optional(2),
        Column::right("reliable"),
        Column::left("is"),
    ];
    let mut table = Table::new(printer, &columns);
    let mut above = None;
    for profile in profiles {
        let family = if profile.family.is_empty() { "your own" } else { &profile.family };
        let adapter =
            if profile.adapter.is_empty() { String::new() } else { format!(" on {}", profile.adapter) };
        table.row([
            (if above == Some(family) { String::new() } else { family.to_owned() }, Tone::Plain),
            (profile.rank.to_string(), Tone::Plain),
            (format!("{} {}{adapter}", profile.browser, profile.backend), Tone::Plain),
            (if profile.n_cases == 0 { dash() } else { format!("{:.2}×", profile.times_best) }, Tone::Plain),
            (profile.n_cases.to_string(), Tone::Faint),
            (profile.n_best.to_string(), Tone::Faint),
            ((profile.n + profile.n_failed).to_string(), Tone::Faint),
            (
                format!("{:.1} %", 100.0 * profile.reliability),
                if profile.n_failed > 0 { Tone::Bad } else { Tone::Faint },
            ),
            traits(profile),
        ]);
        above = Some(family);
    }
    table.render()
}

/// What it is good or bad for, in words.
fn traits(profile: &Profile) -> (String, Tone) {
    let tone = match profile.traits.as_slice() {
        ["strong"] => Tone::Good,
        [] => Tone::Plain,
        _ => Tone::Bad,
    };
    (profile.traits.join(", "), tone)
}

#[cfg(test)]
mod tests;
