//! Runs a plan in one browser, in as many launches as that takes, and stores everything.

use std::collections::BTreeMap;
use std::iter::repeat_n;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use indicatif::ProgressBar;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use wire::{
    BenchBuild, BenchEvent, BenchPlan, Browser, Fault, FaultCategory, Outcome, PeerEngine, Phases, Profile,
    RunRecord, TuningRecord,
};

use crate::bench::memory::{SAMPLE_INTERVAL, Watch};
use crate::bench::page::{CaseTuning, Page, browser_ended, silent};
use crate::bench::plan::PlannedCase;
use crate::bench::summary::OURS;
use crate::browser::{Found, Launcher, Running};
use crate::golden::compare::Check;
use crate::host::now_unix_micros;
use crate::output::Printer;
use crate::server::App;
use crate::server::session::{Errand, Report};
use crate::store::{Ending, Place, StoreError};

/// How long a browser may take from its launch to the first word of its page.
const LAUNCH_TIMEOUT: Duration = Duration::from_secs(60);

/// Workers in the page's pool: one, so that runs do not compete.
const N_WORKERS: u32 = 1;

/// Everything that runs in different browsers share.
#[derive(Debug)]
pub(crate) struct Bench<'a> {
    /// The server that the pages talk to.
    pub(crate) app: &'a Arc<App>,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Launches the browsers.
    pub(crate) launcher: &'a Launcher,
    /// Id of the campaign in the history.
    pub(crate) campaign: i64,
    /// Engines to compare with.
    pub(crate) peers: &'a [PeerEngine],
    /// Campaign of the other build, when two builds are compared; then `campaign` is that of the first.
    pub(crate) rival: Option<i64>,
    /// What pages are asked for beyond runs.
    pub(crate) extras: Extras,
    /// How long a page may be silent.
    pub(crate) timeout: Duration,
    /// Becomes true when somebody stops the agent.
    pub(crate) interrupt: watch::Receiver<bool>,
    /// Shows progress.
    pub(crate) printer: &'a Printer,
}

/// What pages are asked for beyond runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Extras {
    /// Parameters of the workers' address.
    pub(crate) worker_query: String,
    /// Profile every case after it was measured.
    pub(crate) is_profiled: bool,
    /// Measure kernel variants instead of runs, for so long in each case, milliseconds.
    pub(crate) tune_millis: Option<u32>,
}

/// What reports call the second of two builds that are compared.
pub(crate) const RIVAL: &str = "tabpool-b";

/// Names a case and an engine in one browser.
pub(crate) type CaseKey = (String, String);

/// What came of a plan in one browser; the runs themselves are in the history.
#[derive(Debug, Default)]
pub(crate) struct BrowserRun {
    /// The browser.
    pub(crate) browser: Browser,
    /// Ids of its sessions in the history.
    pub(crate) sessions: Vec<String>,
    /// Those of the other build, when two are compared; launch by launch.
    pub(crate) rival_sessions: Vec<String>,
    /// Cases that failed.
    pub(crate) faults: BTreeMap<CaseKey, Fault>,
    /// Outputs compared.
    pub(crate) checks: BTreeMap<CaseKey, Check>,
    /// The most memory that cold starts took, bytes.
    pub(crate) memories: BTreeMap<CaseKey, Vec<f64>>,
    /// Where the time of a run went, by case.
    pub(crate) profiles: BTreeMap<String, Profile>,
    /// Kernel variants measured, by case.
    pub(crate) tunings: BTreeMap<String, CaseTuning>,
    /// Somebody stopped the agent.
    pub(crate) interrupted: bool,
    /// Why the history could not be written; nothing was run after that.
    pub(crate) broken: Option<StoreError>,
}

impl Bench<'_> {
    /// Runs every case in each browser, as [`Bench::run`] does, until somebody stops that or the history cannot be written.
    pub(crate) async fn run_all(
        &self,
        browsers: &[Found],
        cases: &[PlannedCase],
        n_launches: usize,
        n_cold: usize,
    ) -> Vec<BrowserRun> {
        let mut runs = Vec::with_capacity(browsers.len());
        for found in browsers {
            let run = self.run(found, cases, n_launches, n_cold).await;
            let goes_on = !run.interrupted && run.broken.is_none();
            runs.push(run);
            if !goes_on {
                break;
            }
        }
        runs
    }

    /// Runs every case in the browser, `n_launches` times, then loads it and runs it once in `n_cold` more launches. A page that hangs or dies costs the case it was at; the rest goes
    /// on in a new launch.
    async fn run(
        &self,
        found: &Found,
        cases: &[PlannedCase],
        n_launches: usize,
        n_cold: usize,
    ) -> BrowserRun {
        let browser = self.launcher.describe(found, self.printer).await;
        let mut run = BrowserRun { browser, ..BrowserRun::default() };
        let cold: Vec<PlannedCase> = cases.iter().map(PlannedCase::cold).collect();
        let launches = repeat_n((cases, false), n_launches).chain(repeat_n((cold.as_slice(), true), n_cold));
        let bar = self.printer.bar(launches.clone().map(|(cases, _)| rounds(cases)).sum());
        bar.set_prefix(found.kind.name);
        let mut n_done = 0;
        for (cases, is_cold) in launches {
            let mut rest = cases;
            while !rest.is_empty() && !run.interrupted && run.broken.is_none() {
                rest = self.run_rest(found, (rest, is_cold), &mut run, &bar).await;
                bar.set_position(n_done + rounds(cases) - rounds(rest));
            }
            n_done += rounds(cases);
        }
        bar.finish_and_clear();
        run
    }

    /// One launch with what is left of the cases; gives what is left after it.
    async fn run_rest<'c>(
        &self,
        found: &Found,
        (rest, is_cold): (&'c [PlannedCase], bool),
        run: &mut BrowserRun,
        bar: &ProgressBar,
    ) -> &'c [PlannedCase] {
        let name = |campaign: i64| format!("{campaign}-{}-{}", found.kind.name, run.sessions.len() + 1);
        let (session, rival) = (name(self.campaign), self.rival.map(|campaign| (campaign, name(campaign))));
        run.sessions.push(session.clone());
        let (store, now) = (&self.app.store, now_unix_micros());
        let begun = store.begin_session(&session, self.campaign, &run.browser, now).and_then(|()| {
            let Some((campaign, session)) = &rival else { return Ok(()) };
            run.rival_sessions.push(session.clone());
            store.begin_session(session, *campaign, &run.browser, now)
        });
        if let Err(error) = begun {
            run.broken = Some(error);
            return rest;
        }
        let rival = rival.map(|(_, session)| session);
        let plan = BenchPlan {
            schema: wire::SCHEMA,
            browser_name: run.browser.name.clone(),
            browser_version: run.browser.version.clone(),
            n_workers: N_WORKERS,
            cases: rest.iter().map(|case| case.bench.clone()).collect(),
            peers: self.peers.to_vec(),
            builds: rival.as_deref().map(|rival| builds(&session, rival)).unwrap_or_default(),
            is_cold,
            turn: u32::try_from(run.sessions.len()).unwrap_or_default(),
            worker_query: self.extras.worker_query.clone(),
            is_profiled: self.extras.is_profiled && !is_cold,
            tune_millis: self.extras.tune_millis,
        };
        let mut page = self.visit(found, &session, plan, rest, bar).await;
        let mut others: Vec<String> = self.peers.iter().map(|peer| peer.as_str().to_owned()).collect();
        others.extend(rival.iter().map(|_| RIVAL.to_owned()));
        let n_settled = page.settle(&others);
        run.interrupted = page.ending == Some(Ending::Interrupted);
        run.broken = self.keep((&session, rival.as_deref()), &page, rest, run).err();
        let (settled, next) = rest.split_at(n_settled.min(rest.len()));
        if let (Some(fault), false) = (&page.abort, run.interrupted) {
            let place = settled.last().map_or_else(String::new, |case| format!(" at {}", case.bench.id));
            self.printer.warning(&format!("{}{place}: {fault}", found.kind.name));
        }
        next
    }

    /// One launch: opens the page and follows its reports until it has finished, or is given up.
    async fn visit(
        &self,
        found: &Found,
        session: &str,
        plan: BenchPlan,
        cases: &[PlannedCase],
        bar: &ProgressBar,
    ) -> Page {
        let mut page = Page::new(cases);
        let goldens = cases.iter().map(|case| Arc::clone(&case.golden)).collect();
        let mut reports = self.app.sessions.open(session, Errand::Bench { plan, goldens });
        let url = format!("http://{}/bench.html?session={session}", self.address);
        match self.launcher.open(found, &url).await {
            Ok(mut running) => {
                let start = bar.position();
                let show = |page: &Page| {
                    bar.set_position(start + page.n_done());
                    if let Some(case) = page.current().and_then(|index| cases.get(index)) {
                        bar.set_message(case.bench.id.clone());
                    }
                };
                page.ready_unix_micros = self.follow(&mut page, &mut reports, &mut running, show).await;
                running.stop().await;
            }
            Err(error) => {
                let (_, hint) = crate::exit::verdict(&error);
                let mut fault =
                    Fault::new(FaultCategory::ConnectionLost, "browser-launch", format!("{error:#}"));
                fault.hint = hint.map(str::to_owned);
                page.on_lost(Ending::ConnectionLost, fault);
            }
        }
        self.app.sessions.close(session);
        page
    }

    /// Gives the time of the page's first word, microseconds since the Unix epoch.
    async fn follow(
        &self,
        page: &mut Page,
        reports: &mut mpsc::UnboundedReceiver<Report>,
        running: &mut Running,
        mut show: impl FnMut(&Page),
    ) -> Option<i64> {
        let mut ready_unix_micros = None;
        let mut interrupt = self.interrupt.clone();
        let mut patience = LAUNCH_TIMEOUT.min(self.timeout);
        let mut deadline = Instant::now() + patience;
        let mut watch: Option<Watch> = None;
        let mut samples = tokio::time::interval(SAMPLE_INTERVAL);
        while page.ending.is_none() {
            tokio::select! {
                // Reports first: what a browser said before it ended still counts.
                biased;
                report = reports.recv() => {
                    ready_unix_micros.get_or_insert_with(now_unix_micros);
                    patience = self.timeout;
                    deadline = Instant::now() + patience;
                    if let Some(Report::Event(BenchEvent::ColdStart { case, engine, is_over })) = &report {
                        if let (true, Some(watch)) = (is_over, &mut watch) {
                            watch.sample();
                            page.memories.push((*case as usize, engine.clone(), watch.peak_over_rest_bytes()));
                        }
                        watch = running.root().filter(|_| !is_over).and_then(Watch::start);
                    }
                    if let Some(report) = report {
                        page.on_report(report);
                    }
                    show(page);
                }
                _ = interrupt.wait_for(|stopped| *stopped) => {
                    let fault = Fault::new(FaultCategory::Cancelled, "interrupted", "somebody stopped the agent");
                    page.on_lost(Ending::Interrupted, fault);
                }
                _ = running.ended() => {
                    page.on_lost(Ending::ConnectionLost, browser_ended(&running.last_words()));
                }
                _ = samples.tick(), if watch.is_some() => {
                    watch.iter_mut().for_each(Watch::sample);
                }
                () = sleep_until(deadline) => page.on_lost(Ending::Timeout, silent(patience.as_secs())),
            }
        }
        ready_unix_micros
    }

    /// Takes the results of a session into `run`, and stores what the agent knows of it beside the page's own records.
    fn keep(
        &self,
        (session, rival): (&str, Option<&str>),
        page: &Page,
        cases: &[PlannedCase],
        run: &mut BrowserRun,
    ) -> Result<(), StoreError> {
        // The second build has the name of our engine in its own session.
        let home = |engine: &str| match rival {
            Some(rival) if engine == RIVAL => (rival.to_owned(), OURS.to_owned()),
            Some(_) | None => (session.to_owned(), engine.to_owned()),
        };
        let key = |case: &PlannedCase, engine: &str| (case.bench.id.clone(), engine.to_owned());
        for fault in &page.faults {
            let Some(case) = cases.get(fault.case) else { continue };
            run.faults.insert(key(case, &fault.engine), fault.fault.clone());
        }
        for check in &page.checks {
            let Some(case) = cases.get(check.case) else { continue };
            run.checks.insert(key(case, &check.engine), check.check.clone());
        }
        for (case, engine, bytes) in &page.memories {
            let Some(case) = cases.get(*case) else { continue };
            run.memories.entry(key(case, engine)).or_default().push(*bytes as f64);
        }
        for (case, profile) in &page.profiles {
            let Some(case) = cases.get(*case) else { continue };
            run.profiles.insert(case.bench.id.clone(), profile.clone());
        }
        let store = &self.app.store;
        for tuning in &page.tunings {
            let Some(case) = cases.get(tuning.case) else { continue };
            store.insert_tunings(&tuning_records(session, &run.browser, case, tuning))?;
            run.tunings.insert(case.bench.id.clone(), tuning.clone());
        }
        let mut missing = Vec::new();
        for fault in &page.faults {
            let Some(case) = cases.get(fault.case) else { continue };
            let (session, engine) = home(&fault.engine);
            let is_recorded = store.session_runs(&session)?.iter().any(|run| {
                run.fault.is_some() && run.engine == engine && run.case_id.as_deref() == Some(&case.bench.id)
            });
            if !is_recorded {
                let place = store.latest_place(&session, &engine, case.bench.backend)?;
                missing.push(failed_run(&session, &run.browser, case, &engine, &fault.fault, place));
            }
        }
        store.insert(&missing, now_unix_micros())?;
        for check in &page.checks {
            let Some(case) = cases.get(check.case) else { continue };
            let (session, engine) = home(&check.engine);
            store.set_check(&session, &case.bench.id, &engine, &check.check)?;
        }
        let n_warmup = cases.first().map_or(0, |case| case.bench.n_warmup);
        let ending = page.ending.unwrap_or(Ending::Interrupted);
        for session in std::iter::once(session).chain(rival) {
            if let Some(ready) = page.ready_unix_micros {
                store.note_ready(session, ready, None)?;
            }
            store.end_session(session, ending, n_warmup, now_unix_micros())?;
        }
        Ok(())
    }
}

/// What was measured of variants, for the history.
fn tuning_records(
    session: &str,
    browser: &Browser,
    case: &PlannedCase,
    tuning: &CaseTuning,
) -> Vec<TuningRecord> {
    let record = |trial: &wire::Trial| {
        Some(TuningRecord {
            id: format!("{session}/{}/{}/{}", case.bench.id, trial.key, trial.variant),
            at_unix_micros: now_unix_micros(),
            browser: browser.clone(),
            backend: case.bench.backend,
            adapter: Some(tuning.adapter.clone()),
            key: trial.key.clone(),
            variant: trial.variant.clone(),
            micros: trial.micros?,
            is_chosen: trial.is_chosen,
        })
    };
    tuning.trials.iter().filter_map(record).collect()
}

/// The two builds of a launch; the page takes turns by [`BenchPlan::turn`].
fn builds(session: &str, rival: &str) -> Vec<BenchBuild> {
    let build = |engine: &str, folder: &str, session: &str| BenchBuild {
        engine: engine.to_owned(),
        module: format!("/build/{folder}/tabpool.js"),
        session: session.to_owned(),
    };
    vec![build(OURS, "a", session), build(RIVAL, "b", rival)]
}

fn rounds(cases: &[PlannedCase]) -> u64 {
    cases.iter().map(|case| u64::from(case.n_rounds())).sum()
}

/// The record of a run that the page could not record: it never came back. What would have run it is `place`, so that it
/// counts beside the runs that succeeded there.
fn failed_run(
    session: &str,
    browser: &Browser,
    case: &PlannedCase,
    engine: &str,
    fault: &Fault,
    place: Place,
) -> RunRecord {
    RunRecord {
        id: format!("{session}/{}/{engine}/failed", case.bench.id),
        session: Some(session.to_owned()),
        case: Some(case.bench.id.clone()),
        started_unix_micros: now_unix_micros(),
        browser: browser.clone(),
        engine: engine.to_owned(),
        engine_version: String::new(),
        backend: case.bench.backend,
        backend_detail: place.backend_detail,
        adapter: place.adapter,
        precision: case.precision,
        model: case.bench.model.clone(),
        model_sha256: case.sha256.clone(),
        shapes: case.shapes(),
        cold: false,
        connection: 0,
        attempt: 1,
        phases: Phases::default(),
        memory_bytes: 0,
        outcome: Outcome::Failed { fault: fault.clone() },
    }
}

#[cfg(test)]
mod tests;
