//! `tabpool bench --ab OLD NEW`: two builds in turns, and the verdict on the second.

use std::path::{Path, PathBuf};

use wire::Browser;

use crate::analysis::ab::{Duel, Launch, decide};
use crate::bench::browser_run::BrowserRun;
use crate::bench::plan::PlannedCase;
use crate::bench::summary::OURS;
use crate::cli::BenchArgs;
use crate::commands::bench::{Measured, measure};
use crate::commands::gate;
use crate::commands::gate::report::Report;
use crate::exit::{Exit, Failure};
use crate::host::Host;
use crate::output::{Printer, quantity};
use crate::store::{Series, SessionRun, Store, StoreError};

/// How the builds are compared, for a person who asks.
const METHOD: &str = "significant in the whole family at 1 % (Student's test of the launches' ratios, \
                      Benjamini–Hochberg) and larger than 1 %";

/// Measures both builds, compares, prints, and chooses the exit code.
pub(super) async fn run(args: &BenchArgs, folders: [&Path; 2], printer: &Printer) -> anyhow::Result<Exit> {
    let [old, new] = folders.map(find_build);
    let measured = measure(args, Some([old?, new?]), printer).await?;
    let Measured { app, cases, runs, campaign, rival, host, .. } = &measured;
    let mut pairs = Vec::with_capacity(runs.len());
    for run in runs {
        pairs.push((&run.browser, read_pairs(run, &app.store)?));
    }
    let in_browsers = |case| pairs.iter().map(move |(browser, pairs)| duel(case, browser, pairs, host));
    let duels = cases.iter().flat_map(in_browsers).collect();
    let verdict = decide(duels, args.verdict.fail_on)?;
    let name = |id: i64, folder: &Path| format!("{} (campaign {id})", folder.display());
    let report = Report {
        candidate: name(rival.unwrap_or(*campaign), folders[1]),
        baseline: name(*campaign, folders[0]),
        machine: format!("{} ({})", host.name, host.cpu_model),
        n_candidates: 0,
        n_elsewhere: 0,
        // Both builds had the same machine at the same time.
        doubt: None,
        method: METHOD,
        verdict: &verdict,
    };
    gate::print(&report, args.verdict.format, printer)?;
    measured.check()?;
    Ok(gate::exit(&verdict, args.verdict.not_enough_data))
}

/// The folder of a build: the one that was named, or its `pkg`.
fn find_build(folder: &Path) -> anyhow::Result<PathBuf> {
    let is_build = |folder: &PathBuf| folder.join("tabpool.js").is_file();
    let found = [folder.to_owned(), folder.join("pkg")].into_iter().find(is_build);
    found.ok_or_else(|| {
        Failure::environment(format!("there is no tabpool.js in {}", folder.display()))
            .hint("build one with `cargo bundle --out DIR`")
            .into()
    })
}

/// The runs of both builds in one launch, the old one's first.
type Pair = [Vec<SessionRun>; 2];

/// The runs of both builds in a browser, launch by launch.
fn read_pairs(run: &BrowserRun, store: &Store) -> Result<Vec<Pair>, StoreError> {
    let sessions = run.sessions.iter().zip(&run.rival_sessions);
    sessions.map(|(old, new)| Ok([store.session_runs(old)?, store.session_runs(new)?])).collect()
}

/// A case's runs among those of both builds in a browser.
fn duel(case: &PlannedCase, browser: &Browser, pairs: &[Pair], host: &Host) -> Duel {
    let is_own = |run: &&SessionRun| run.engine == OURS && run.case_id.as_deref() == Some(&case.bench.id);
    let (mut launches, mut n_failed, mut backend_detail) = (Vec::new(), 0, "");
    for pair in pairs {
        let [old, new] = pair.each_ref().map(|runs| runs.iter().filter(is_own).collect::<Vec<_>>());
        n_failed += new.iter().filter(|run| run.fault.is_some()).count();
        if let Some(run) = old.iter().chain(&new).find(|run| run.fault.is_none()) {
            backend_detail = &run.backend_detail;
        }
        let launch = Launch { old_micros: turns(&old, case), new_micros: turns(&new, case) };
        launches.extend((launch != Launch::default()).then_some(launch));
    }
    let series = Series {
        id: 0,
        model: case.bench.model.clone(),
        model_sha256: case.sha256.clone(),
        case: case.case.clone(),
        precision: case.precision.as_str().to_owned(),
        browser: browser.name.clone(),
        backend: quantity::backend(case.bench.backend.as_str(), backend_detail),
        adapter: String::new(),
        host: host.name.clone(),
        cpu_model: host.cpu_model.clone(),
    };
    Duel { series, launches, n_failed }
}

/// Times of the runs after the cold one and the warm-up, microseconds.
fn turns(runs: &[&SessionRun], case: &PlannedCase) -> Vec<Option<f64>> {
    let warm = runs.iter().filter(|run| !run.cold).skip(case.bench.n_warmup as usize);
    // The clock of a page is coarse: nothing takes no time at all.
    let time = |run: &&SessionRun| run.run_micros.filter(|micros| run.fault.is_none() && *micros > 0.0);
    warm.map(time).collect()
}

#[cfg(test)]
mod tests;
