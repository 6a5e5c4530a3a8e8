//! `tabpool tune`: the variants of WebGPU kernels, measured at the shapes of models on the adapters that browsers have here.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use wire::{Adapter, Backend, Fault, Trial};

use crate::bench::browser_run::{Bench, BrowserRun, Extras};
use crate::bench::plan::{Repetitions, plan};
use crate::browser::{self, Launcher};
use crate::cli::TuneArgs;
use crate::commands::bench::fetch_models;
use crate::commands::{dash, find_built_www, interrupt, open_store};
use crate::exit::{Exit, Failure};
use crate::golden;
use crate::host::{Host, git_branch, git_commit, load_average, now_unix_micros};
use crate::output::table::{Column, Tone};
use crate::output::{Printer, Table, quantity};
use crate::server::{self, App};
use crate::store::NewCampaign;
use crate::zoo::{Cache, Zoo};

/// The document of `tune --json`.
#[derive(Debug, Serialize)]
struct Document {
    schema: u32,
    cases: Vec<CaseLine>,
}

/// One case in one browser.
#[derive(Debug, Serialize)]
struct CaseLine {
    case: String,
    browser: String,
    browser_version: String,
    /// What was measured, when something was.
    adapter: Option<Adapter>,
    trials: Vec<Trial>,
    fault: Option<Fault>,
}

/// Measures and prints; a case that could not be tuned is a finding.
pub(crate) async fn run(args: &TuneArgs, printer: &Printer) -> anyhow::Result<Exit> {
    let runs = measure(args, printer).await?;
    let cases: Vec<CaseLine> = runs.iter().flat_map(lines).collect();
    let is_good = cases.iter().all(|case| case.fault.is_none());
    if printer.wants_json() {
        printer.document(&Document { schema: wire::SCHEMA, cases })?;
    } else {
        cases.iter().for_each(|case| show(case, printer));
        printer.note(
            "compile: from the shader's text to its first result; * the default before any measurement",
        );
        printer.note("`tabpool bench --backend webgpu --webgpu-variant tuned` runs with what was found");
    }
    if runs.iter().any(|run| run.interrupted) {
        return Err(Failure::environment("interrupted; what was measured before is in the history").into());
    }
    Ok(if is_good { Exit::Done } else { Exit::Finding })
}

async fn measure(args: &TuneArgs, printer: &Printer) -> anyhow::Result<Vec<BrowserRun>> {
    let cache = Cache::of_user()?;
    let zoo = Zoo::open(&cache)?;
    let repetitions = Repetitions { n_warmup: 0, n_runs: 0 };
    let cases = plan(&zoo, &golden::built_in()?, &args.model, &[Backend::Webgpu], repetitions)?;
    let browsers = browser::select(&args.browser, &cache)?;
    let www = find_built_www(&args.www)?;
    fetch_models(&zoo, &cases, &cache, printer)?;
    let store = open_store(&args.db)?;
    let host = Host::of_machine();
    let campaign = store.begin_campaign(&NewCampaign {
        started_unix_micros: now_unix_micros(),
        label: Some("tune".to_owned()),
        git_commit: git_commit(),
        branch: git_branch(),
        host: host.name,
        cpu_model: host.cpu_model,
        n_cpus: host.n_cpus,
        load_before: load_average(),
        is_experiment: true,
    })?;
    let app =
        Arc::new(App { store, cache, www, peers: Vec::new(), builds: None, sessions: Default::default() });
    let address = server::start(&app).await?;
    let launcher = Launcher::new()?;
    let bench = Bench {
        app: &app,
        address,
        launcher: &launcher,
        campaign,
        peers: &[],
        rival: None,
        extras: Extras { tune_millis: Some(args.budget.saturating_mul(1000)), ..Extras::default() },
        // A page is silent while it measures, which may take twice its budget.
        timeout: Duration::from_secs(args.timeout.saturating_add(2 * u64::from(args.budget))),
        interrupt: interrupt(),
        printer,
    };
    let mut runs = bench.run_all(&browsers, &cases, 1, 0).await;
    launcher.close().await;
    let ended = app.store.end_campaign(campaign, now_unix_micros(), load_average());
    let broken = runs.iter_mut().find_map(|run| run.broken.take()).map_or(Ok(()), Err);
    broken.and(ended).with_context(|| format!("cannot write to {}", app.store.path().display()))?;
    Ok(runs)
}

/// What came of a browser's cases: those that were tuned, then those that were not.
fn lines(run: &BrowserRun) -> Vec<CaseLine> {
    let line = |case: &str, adapter: Option<&Adapter>, trials: &[Trial], fault: Option<&Fault>| CaseLine {
        case: case.to_owned(),
        browser: run.browser.name.clone(),
        browser_version: run.browser.version.clone(),
        adapter: adapter.cloned(),
        trials: trials.to_vec(),
        fault: fault.cloned(),
    };
    let tuned =
        run.tunings.iter().map(|(case, tuning)| line(case, Some(&tuning.adapter), &tuning.trials, None));
    let failed = run.faults.iter().map(|((case, _), fault)| line(case, None, &[], Some(fault)));
    tuned.chain(failed).collect()
}

fn show(case: &CaseLine, printer: &Printer) {
    let browser = quantity::browser(&case.browser, &case.browser_version);
    if let Some(fault) = &case.fault {
        printer.warning(&format!("{}, {browser}: {fault} ({})", case.case, fault.code));
        if let Some(hint) = &fault.hint {
            printer.hint(hint);
        }
        return;
    }
    printer.result(&format!("\n{}, {browser}", case.case));
    let mut table = Table::new(
        printer,
        &[
            Column::left("kernel and shapes"),
            Column::right("calls").optional(2),
            Column::left("variant"),
            Column::right("time"),
            Column::right("speed").optional(1),
            Column::right("compile").optional(3),
            Column::left("verdict"),
        ],
    );
    let mut above = "";
    for trial in &case.trials {
        let is_first = trial.key != above;
        let once = |text: String| if is_first { text } else { String::new() };
        let (verdict, tone) = match &trial.problem {
            Some(problem) => (problem.clone(), Tone::Bad),
            None if trial.is_chosen => ("chosen".to_owned(), Tone::Good),
            None => (String::new(), Tone::Plain),
        };
        let mark = if trial.is_default { " *" } else { "" };
        table.row([
            (once(trial.key.clone()), Tone::Plain),
            (once(trial.n_calls.to_string()), Tone::Faint),
            (format!("{}{mark}", trial.variant), Tone::Plain),
            (trial.micros.map_or_else(dash, quantity::micros), Tone::Plain),
            (speed(trial), Tone::Plain),
            (quantity::micros(trial.compile_micros), Tone::Faint),
            (verdict, tone),
        ]);
        above = &trial.key;
    }
    printer.result(&table.render());
}

/// Of products; what takes lines has no such number.
fn speed(trial: &Trial) -> String {
    let is_product = trial.key.starts_with("matmul");
    match trial.micros {
        Some(micros) if is_product => {
            format!("{} GFLOP/s", quantity::significant(trial.n_operations as f64 / micros / 1e3))
        }
        Some(_) | None => String::new(),
    }
}
