//! `tabpool bench`: models × browsers × backends, measured, checked, stored, and shown.

mod ab;
mod profile;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use wire::Profile;

use crate::bench::browser_run::{Bench, BrowserRun, Extras};
use crate::bench::plan::{PlannedCase, Repetitions, plan};
use crate::bench::summary::{OURS, Ratio, Report, Row};
use crate::browser::{self, Launcher};
use crate::cli::{BenchArgs, TUNED};
use crate::commands::history::removed;
use crate::commands::model::fetch_entries;
use crate::commands::{dash, find_built_www, interrupt, interval, median, open_store};
use crate::exit::{Exit, Failure};
use crate::golden::{self, own};
use crate::host::{Host, git_branch, git_commit, load_average, now_unix_micros};
use crate::output::table::{Column, Tone};
use crate::output::{Printer, Table, quantity};
use crate::server::{self, App};
use crate::store::{NewCampaign, StoreError};
use crate::zoo::manifest::Entry;
use crate::zoo::{Cache, Zoo, peer};

/// Load per CPU above which times are not to be trusted.
const BUSY: f64 = 0.5;

/// The document of `bench --json`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: u32,
    campaign: i64,
    label: Option<&'a str>,
    git_commit: Option<String>,
    host: Host,
    load_before: Option<f64>,
    load_after: Option<f64>,
    interrupted: bool,
    #[serde(flatten)]
    report: &'a Report,
    /// By browser and case.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    profiles: BTreeMap<&'a str, &'a BTreeMap<String, Profile>>,
}

/// What was measured, and around which circumstances.
struct Measured {
    app: Arc<App>,
    cases: Vec<PlannedCase>,
    runs: Vec<BrowserRun>,
    campaign: i64,
    /// That of the second build, when two are compared.
    rival: Option<i64>,
    git_commit: Option<String>,
    host: Host,
    load_before: Option<f64>,
    load_after: Option<f64>,
    /// Why the history could not be written; what was measured before is there.
    broken: Option<StoreError>,
}

/// Measures and prints; an output outside its limits or a failed case of ours is a finding.
pub(crate) async fn run(args: &BenchArgs, printer: &Printer) -> anyhow::Result<Exit> {
    if let [old, new] = args.ab.as_slice() {
        return ab::run(args, [old, new], printer).await;
    }
    let measured = measure(args, None, printer).await?;
    let peers: Vec<&str> = args.peer.iter().map(|peer| peer.as_str()).collect();
    let report = Report::new(&measured.cases, &measured.runs, &peers, &measured.app.store)?;
    if printer.wants_json() {
        printer.document(&Document {
            schema: wire::SCHEMA,
            campaign: measured.campaign,
            label: args.label.as_deref(),
            git_commit: measured.git_commit.clone(),
            host: measured.host.clone(),
            load_before: measured.load_before,
            load_after: measured.load_after,
            interrupted: measured.is_interrupted(),
            report: &report,
            profiles: profiles(&measured.runs),
        })?;
    } else {
        show(&report, printer);
        if args.profile || args.trace.is_some() {
            profile::show(&measured.cases, &measured.runs, printer);
        }
        let n_runs: usize = report.rows.iter().filter_map(|row| row.warm).map(|warm| warm.n).sum();
        printer.note(&format!(
            "{} measured, campaign {} in {}",
            quantity::plural(n_runs, "warm run"),
            measured.campaign,
            measured.app.store.path().display()
        ));
    }
    if let Some(path) = &args.trace {
        profile::write_trace(&measured.runs, path)?;
        printer.note(&format!(
            "trace written to {}: open it in chrome://tracing or ui.perfetto.dev",
            path.display()
        ));
    }
    measured.check()?;
    let bad = report.rows.iter().any(|row| row.engine == OURS && !row.is_good());
    Ok(if bad { Exit::Finding } else { Exit::Done })
}

/// Where the time of runs went, where somebody asked.
fn profiles(runs: &[BrowserRun]) -> BTreeMap<&str, &BTreeMap<String, Profile>> {
    let profiled = runs.iter().filter(|run| !run.profiles.is_empty());
    profiled.map(|run| (run.browser.name.as_str(), &run.profiles)).collect()
}

impl Measured {
    fn is_interrupted(&self) -> bool {
        self.runs.iter().any(|run| run.interrupted)
    }

    /// What was measured has been shown, also when no more of it could be stored or tried.
    fn check(self) -> anyhow::Result<()> {
        let is_interrupted = self.is_interrupted();
        if let Some(error) = self.broken {
            return Err(error)
                .with_context(|| format!("cannot write to {}", self.app.store.path().display()));
        }
        if is_interrupted {
            return Err(
                Failure::environment("interrupted; what was measured before is in the history").into()
            );
        }
        Ok(())
    }
}

/// Runs the cases that the arguments choose in every browser they choose; with two builds, as often as they say.
async fn measure(
    args: &BenchArgs,
    builds: Option<[PathBuf; 2]>,
    printer: &Printer,
) -> anyhow::Result<Measured> {
    let cache = Cache::of_user()?;
    let zoo = Zoo::open(&cache)?;
    let repetitions = Repetitions { n_warmup: args.warmup, n_runs: args.runs };
    let mut goldens = golden::built_in()?;
    goldens.extend(own::goldens(&zoo, &cache, &args.model, &args.dim.iter().cloned().collect())?);
    let cases = plan(&zoo, &goldens, &args.model, &args.backend, repetitions)?;
    let browsers = browser::select(&args.browser, &cache)?;
    let www = find_built_www(&args.www)?;
    fetch_models(&zoo, &cases, &cache, printer)?;
    let peers = args.peer.iter().map(|peer| Ok((*peer, peer::folder(*peer, &cache)?)));
    let peers = peers.collect::<anyhow::Result<Vec<_>>>()?;
    let store = open_store(&args.db)?;
    let load_before = load_average();
    let host = Host::of_machine();
    warn_if_busy(load_before, &host, printer);

    let is_ab = builds.is_some();
    let app = Arc::new(App { store, cache, www, peers, builds, sessions: Default::default() });
    let address = server::start(&app).await?;
    // Nobody knows of which commit two folders are.
    let git_commit = if is_ab { None } else { git_commit() };
    let branch = args.branch.clone().or_else(git_branch).filter(|_| !is_ab);
    let begin = || {
        app.store.begin_campaign(&NewCampaign {
            started_unix_micros: now_unix_micros(),
            label: args.label.clone(),
            git_commit: git_commit.clone(),
            branch: branch.clone(),
            host: host.name.clone(),
            cpu_model: host.cpu_model.clone(),
            n_cpus: host.n_cpus,
            load_before,
            is_experiment: args.experiment || is_ab,
        })
    };
    let campaign = begin()?;
    let rival = is_ab.then(begin).transpose()?;
    let launcher = Launcher::new()?;
    let bench = Bench {
        app: &app,
        address,
        launcher: &launcher,
        campaign,
        peers: &args.peer,
        rival,
        extras: Extras {
            worker_query: worker_query(&args.webgpu_variant),
            is_profiled: args.profile || args.trace.is_some(),
            tune_millis: None,
        },
        timeout: Duration::from_secs(args.timeout),
        interrupt: interrupt(),
        printer,
    };
    let n_launches = if is_ab { usize::from(args.launches) } else { 1 };
    let mut runs = bench.run_all(&browsers, &cases, n_launches, usize::from(args.cold)).await;
    launcher.close().await;
    let load_after = load_average();
    let end = |campaign: i64| app.store.end_campaign(campaign, now_unix_micros(), load_after);
    let ended =
        end(campaign).and(rival.map_or(Ok(()), end)).and_then(|()| app.store.keep_up(now_unix_micros()));
    if let Ok(Some(pruned)) = &ended
        && pruned.n_runs > 0
    {
        printer.note(&removed(*pruned));
    }
    let broken = runs.iter_mut().find_map(|run| run.broken.take()).or(ended.err());
    Ok(Measured { app, cases, runs, campaign, rival, git_commit, host, load_before, load_after, broken })
}

/// Parameters of the workers' address for these variants.
fn worker_query(variants: &[String]) -> String {
    let (tuned, named): (Vec<&str>, Vec<&str>) =
        variants.iter().map(String::as_str).partition(|&name| name == TUNED);
    let mut parameters = Vec::new();
    if !tuned.is_empty() {
        parameters.push("webgpu-tuning=/v1/tuning".to_owned());
    }
    if !named.is_empty() {
        parameters.push(format!("webgpu-variant={}", named.join(",")));
    }
    parameters.join("&")
}

pub(super) fn fetch_models(
    zoo: &Zoo,
    cases: &[PlannedCase],
    cache: &Cache,
    printer: &Printer,
) -> anyhow::Result<()> {
    let is_needed = |entry: &&Entry| cases.iter().any(|case| case.bench.model == entry.id);
    let entries: Vec<&Entry> =
        zoo.entries().iter().filter(is_needed).filter(|entry| !cache.has(entry)).collect();
    if entries.is_empty() { Ok(()) } else { fetch_entries(&entries, cache, printer) }
}

fn warn_if_busy(load: Option<f64>, host: &Host, printer: &Printer) {
    let Some(load) = load.filter(|load| *load > BUSY * f64::from(host.n_cpus)) else { return };
    printer.warning(&format!(
        "this machine is busy (load {load:.1} on {} CPUs): times will be too long and spread widely",
        host.n_cpus
    ));
}

fn show(report: &Report, printer: &Printer) {
    printer.result(&table(report, printer));
    printer.note(
        "cold start: load and first run, medians; outputs: largest difference from the expected values, over their range",
    );
    if report.rows.iter().any(|row| row.peak_memory_bytes.is_some()) {
        printer.note(
            "memory: the most that the browser's processes held during a cold start, over what they held before",
        );
    }
    if !report.ratios.is_empty() {
        printer.note("ratios: our time divided by the peer's, runs in turns; below 1 we are faster");
    }
    if report.rows.iter().any(|row| !row.has_golden) {
        printer.note("not compared: nothing says what the outputs of your own model should be");
    }
    explain(report, printer);
}

fn table(report: &Report, printer: &Printer) -> String {
    let has_peers = !report.ratios.is_empty();
    let mut columns = vec![
        Column::left("model"),
        Column::left("case").optional(3),
        Column::left("browser"),
        Column::left("engine").optional(4),
        Column::right("warm median"),
        Column::right("95 % interval").optional(1),
        Column::right("n").optional(5),
        Column::right("cold start").optional(2),
        Column::right("load").optional(6),
        Column::right("first run").optional(6),
        Column::left("outputs"),
    ];
    let has_memory = report.rows.iter().any(|row| row.peak_memory_bytes.is_some());
    if has_memory {
        columns.push(Column::right("memory"));
    }
    if has_peers {
        columns.extend([
            Column::right("warm ratio"),
            Column::right("cold ratio"),
            Column::right("load ratio").optional(6),
            Column::right("first run ratio").optional(6),
        ]);
    }
    if has_peers && has_memory {
        columns.push(Column::right("memory ratio"));
    }
    let mut table = Table::new(printer, &columns);
    let mut above: Option<&Row> = None;
    for row in &report.rows {
        let is_repeat = above.is_some_and(|above| (&above.model, &above.case) == (&row.model, &row.case));
        let name = |text: &str| if is_repeat { String::new() } else { text.to_owned() };
        let ratio = report.ratios.iter().find(|ratio| {
            row.engine == OURS
                && (&ratio.model, &ratio.case, &ratio.browser) == (&row.model, &row.case, &row.browser)
        });
        let mut cells = vec![
            (name(&row.model), Tone::Plain),
            (name(&row.case), Tone::Plain),
            (quantity::browser(&row.browser, &row.browser_version), Tone::Plain),
            (engine(row), if row.engine == OURS { Tone::Plain } else { Tone::Faint }),
            (median(row.warm), Tone::Plain),
            (interval(row.warm), Tone::Faint),
            (row.warm.map_or_else(dash, |warm| warm.n.to_string()), Tone::Faint),
            (row.cold_micros.map_or_else(dash, quantity::micros), Tone::Plain),
            (row.load_micros.map_or_else(dash, quantity::micros), Tone::Plain),
            (row.first_run_micros.map_or_else(dash, quantity::micros), Tone::Plain),
            outputs(row),
        ];
        if has_memory {
            cells.push((
                row.peak_memory_bytes.map_or_else(dash, |bytes| quantity::bytes(bytes as u64)),
                Tone::Plain,
            ));
        }
        if has_peers {
            cells.extend([(ratio.map_or_else(String::new, warm_ratio), Tone::Plain)]);
            let of_colds = |part: fn(&Ratio) -> Option<f64>| {
                let ratio = ratio.and_then(part);
                (ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}×")), Tone::Plain)
            };
            cells.extend([
                of_colds(|ratio| ratio.cold),
                of_colds(|ratio| ratio.load),
                of_colds(|ratio| ratio.first_run),
            ]);
        }
        if has_peers && has_memory {
            let memory = ratio.and_then(|ratio| ratio.memory);
            cells.push((memory.map_or_else(String::new, |memory| format!("{memory:.2}×")), Tone::Plain));
        }
        table.row(cells);
        above = Some(row);
    }
    table.render()
}

/// Says what is behind every row that is not good, once for all browsers that fail alike.
fn explain(report: &Report, printer: &Printer) {
    let mut browsers: BTreeMap<(&str, &str, &str, String), Vec<&str>> = BTreeMap::new();
    let mut hints = BTreeSet::new();
    for row in report.rows.iter().filter(|row| !row.is_good()) {
        let reason = match (&row.fault, &row.check) {
            (Some(fault), _) => {
                hints.extend(fault.hint.as_deref());
                format!("{fault} ({})", fault.code)
            }
            _ if !row.is_recorded() => "no run of it is in the history".to_owned(),
            (None, Some(check)) => check.problem.clone().unwrap_or_default(),
            (None, None) => "the outputs were never compared".to_owned(),
        };
        browsers.entry((&row.model, &row.case, &row.engine, reason)).or_default().push(&row.browser);
    }
    for ((model, case, engine, reason), browsers) in &browsers {
        printer.warning(&format!("{model} {case}, {engine} on {}: {reason}", browsers.join(", ")));
    }
    hints.into_iter().for_each(|hint| printer.hint(hint));
}

fn engine(row: &Row) -> String {
    match row.backend_detail.as_str() {
        detail if row.engine == OURS => quantity::backend(row.backend, detail),
        // A peer that failed at once has told nothing about itself.
        "" => row.engine.clone(),
        detail => format!("{}, {detail}", row.engine),
    }
}

fn warm_ratio(ratio: &Ratio) -> String {
    match (ratio.warm, ratio.warm_interval) {
        (Some(warm), Some([low, high])) => format!("{warm:.2}× ({low:.2}–{high:.2})"),
        (Some(_), None) => "not enough data".to_owned(),
        (None, _) => dash(),
    }
}

fn outputs(row: &Row) -> (String, Tone) {
    match (&row.fault, &row.check) {
        (Some(fault), _) => (format!("failed: {}", fault.code), Tone::Bad),
        (None, None) => ("not compared".to_owned(), if row.has_golden { Tone::Bad } else { Tone::Faint }),
        (None, Some(check)) => {
            let distance = check.max_abs_ratio.map(|ratio| format!(" {ratio:.0e}")).unwrap_or_default();
            let (verdict, tone) = if check.ok { ("ok", Tone::Good) } else { ("FAIL", Tone::Bad) };
            (format!("{verdict}{distance}"), tone)
        }
    }
}

#[cfg(test)]
mod tests;
