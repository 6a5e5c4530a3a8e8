//! `tabpool run`: batch inference on a fleet of browsers.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use pool::BackendSet;
use serde::Serialize;
use wire::engine::Part;
use wire::translate::to_pool_backend;
use wire::{Backend, Browser};

use crate::browser::{self, Found, Launcher};
use crate::cli::RunArgs;
use crate::commands::model::{fetch_entries, unknown_id};
use crate::commands::{ago, find_built_www, interrupt, open_store, recommend};
use crate::exit::{Exit, Failure};
use crate::fleet::batch::{Batch, Outcome};
use crate::fleet::driver::{Driver, Setup, Subject};
use crate::fleet::host::LocalBrowsers;
use crate::fleet::input::{self, Contract};
use crate::fleet::output;
use crate::fleet::prior;
use crate::fleet::summary::Summary;
use crate::golden::{self, Golden};
use crate::host::{Host, git_branch, git_commit, load_average, memory_bytes, now_unix_micros};
use crate::output::Printer;
use crate::server::{self, App};
use crate::store::{EventFilter, Filter, NewCampaign, Store};
use crate::zoo::{Cache, Zoo};

/// How far back the history counts as a prior.
const PRIOR_AGE: Duration = Duration::from_secs(30 * 86_400);

/// The document of `run --json`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: u32,
    campaign: i64,
    label: Option<&'a str>,
    model: &'a str,
    interrupted: bool,
    #[serde(flatten)]
    summary: &'a Summary,
}

/// Runs every job of the input; a job without a result is a finding.
pub(crate) async fn run(args: &RunArgs, printer: &Printer) -> anyhow::Result<Exit> {
    let is_piped = args.output == Path::new("-");
    if is_piped && (printer.wants_json() || args.resume) {
        let failure = Failure::usage("--json and --resume need a file for the results");
        return Err(failure.hint("name one with --output").into());
    }
    let cache = Cache::of_user()?;
    let zoo = Zoo::open(&cache)?;
    let goldens = golden::built_in()?;
    let (subject, contract) = subject(&args.model, args.backend, &zoo, &cache, &goldens)?;
    let found = browser::select(&args.browser, &cache)?;
    let n_named = u32::try_from(found.len()).unwrap_or(u32::MAX);
    let size = match (args.browsers, args.max) {
        (Some(n), _) => (n, n),
        (None, Some(max)) if args.min > max => {
            return Err(Failure::usage("--min is above --max").into());
        }
        (None, Some(max)) => (args.min, max),
        (None, None) => (n_named, n_named),
    };
    let is_here = |name: &String| found.iter().any(|found| found.kind.name == name);
    if let Some(name) =
        args.breaker.iter().filter_map(|switch| switch.browser.as_ref()).find(|name| !is_here(name))
    {
        let failure =
            Failure::usage(format!("--breaker names {name}, which is none of the browsers of this run"));
        return Err(failure.into());
    }
    let www = find_built_www(&args.www)?;
    fetch(&args.model, &zoo, &cache, printer)?;
    let store = open_store(&args.db)?;
    let (output, done) = if is_piped { (None, BTreeSet::new()) } else { open_output(args)? };
    let n_done = done.len() as u64;
    let (lines, n_lines) = open_input(&args.input)?;
    let lines = input::read(lines, contract, move |index| !done.contains(&index));

    let launcher = Launcher::new()?;
    let browsers = browsers(&found, &launcher, printer).await;
    let app =
        Arc::new(App { store, cache, www, peers: Vec::new(), builds: None, sessions: Default::default() });
    let address = server::start(&app).await?;
    let machine = Host::of_machine();
    let campaign = begin_campaign(&app.store, args, &machine)?;
    let (host, happenings) = LocalBrowsers::new(Arc::clone(&app), address, launcher, campaign, found);
    let setup = Setup {
        campaign,
        browsers,
        size,
        n_workers: args.workers,
        deadline: args.deadline,
        max_batch: args.batch,
        batch_delay: args.batch_delay,
        memory_limit_bytes: args.memory_limit.or_else(memory_bytes).unwrap_or_default(),
        is_hedged: args.hedge,
        switches: args.breaker.clone(),
        epoch_unix_micros: now_unix_micros(),
        seed: now_unix_micros().unsigned_abs(),
    };
    let mut driver = Driver::new(setup, subject, host);
    prime(&mut driver, &args.model, &machine, &app.store, &zoo, &goldens)?;

    let bar = printer.bar(n_lines.unwrap_or(0).saturating_sub(n_done));
    bar.set_prefix(args.model.clone());
    let mut batch = Batch::new(&app.store, printer, output, bar);
    let outcome = batch.run(&mut driver, lines, happenings, interrupt()).await;
    batch.bar.finish_and_clear();
    let summary = Summary::new(&mut driver, batch.now());
    let (host, said) = driver.close(batch.now());
    let said = batch.pass_on(said);
    batch.store();
    let joined = host.join().await;
    let ended = joined.and_then(|()| app.store.end_campaign(campaign, now_unix_micros(), load_average()));
    let interrupted = outcome? == Outcome::Interrupted;
    said?;
    ended?;
    report(args, campaign, interrupted, &summary, printer)
}

fn report(
    args: &RunArgs,
    campaign: i64,
    interrupted: bool,
    summary: &Summary,
    printer: &Printer,
) -> anyhow::Result<Exit> {
    if printer.wants_json() {
        printer.document(&Document {
            schema: wire::SCHEMA,
            campaign,
            label: args.label.as_deref(),
            model: &args.model,
            interrupted,
            summary,
        })?;
    } else if args.output == Path::new("-") {
        printer.note(&format!("\n{}", summary.render(printer)));
    } else {
        printer.result(&summary.render(printer));
        printer.note(&format!("results in {}", args.output.display()));
    }
    if let (Some(hint), false) = (summary.hint(), printer.wants_json()) {
        printer.hint(hint);
    }
    if interrupted {
        let failure = Failure::environment("interrupted; what was done before is in the output");
        return Err(failure.hint("the same command with --resume does the rest").into());
    }
    Ok(if summary.is_good() { Exit::Done } else { Exit::Finding })
}

/// What to run, and what a line must hold.
fn subject(
    id: &str,
    backend: Option<Backend>,
    zoo: &Zoo,
    cache: &Cache,
    goldens: &[Golden],
) -> anyhow::Result<(Subject, Contract)> {
    let catalogue = zoo.catalogue(cache);
    let backends = backend.map_or(BackendSet::ALL, |backend| BackendSet::of(&[to_pool_backend(backend)]));
    let part = |role: &str, sha256: &str| Part { role: role.to_owned(), sha256: Some(sha256.to_owned()) };
    if let Some(card) = catalogue.models.iter().find(|card| card.id == id) {
        let golden = goldens.iter().find(|golden| golden.model == id && golden.sha256 == card.sha256);
        let subject = Subject {
            id: card.id.clone(),
            family: card.family.clone(),
            sha256: card.sha256.clone(),
            precision: card.precision,
            pipeline: None,
            parts: vec![part("model", &card.sha256)],
            n_bytes: card.size_bytes,
            backends,
            golden: golden.and_then(|golden| golden.cases.first()).cloned().map(Arc::new),
        };
        return Ok((subject, Contract::Model(card.inputs.clone())));
    }
    let card = catalogue.pipelines.iter().find(|card| card.id == id).ok_or_else(|| unknown_id(id))?;
    let subject = Subject {
        id: card.id.clone(),
        family: card.family.clone(),
        sha256: String::new(),
        precision: wire::Precision::Unknown,
        pipeline: Some(card.kind),
        parts: card.parts.iter().map(|one| part(&one.role, &one.sha256)).collect(),
        n_bytes: card.parts.iter().map(|one| one.size_bytes).sum(),
        backends,
        golden: None,
    };
    Ok((subject, Contract::Pipeline(card.kind)))
}

fn fetch(id: &str, zoo: &Zoo, cache: &Cache, printer: &Printer) -> anyhow::Result<()> {
    let entries = zoo.entry(id).map(|entry| vec![entry]).or_else(|| zoo.pipeline_entries(id));
    let missing: Vec<_> = entries.unwrap_or_default().into_iter().filter(|entry| !cache.has(entry)).collect();
    if missing.is_empty() { Ok(()) } else { fetch_entries(&missing, cache, printer) }
}

/// Lines to come, and how many where that can be known.
fn open_input(path: &Path) -> anyhow::Result<(Box<dyn BufRead + Send>, Option<u64>)> {
    if path == Path::new("-") {
        return Ok((Box::new(BufReader::new(io::stdin())), None));
    }
    let describe = || Failure::environment(format!("cannot read {}", path.display()));
    let n_lines = output::count_lines(path).with_context(describe)?;
    let file = File::open(path).with_context(describe)?;
    Ok((Box::new(BufReader::new(file)), Some(n_lines)))
}

fn open_output(args: &RunArgs) -> anyhow::Result<(Option<File>, BTreeSet<u64>)> {
    let (file, done) = output::open(&args.output, args.resume)?;
    Ok((Some(file), done))
}

/// The browsers with their versions, as far as they say them.
async fn browsers(found: &[Found], launcher: &Launcher, printer: &Printer) -> Vec<Browser> {
    let mut browsers = Vec::with_capacity(found.len());
    for one in found {
        browsers.push(launcher.describe(one, printer).await);
    }
    browsers
}

/// Browsers that share a machine measure each other: the campaign is no part of trends and no baseline.
fn begin_campaign(store: &Store, args: &RunArgs, machine: &Host) -> anyhow::Result<i64> {
    let campaign = store.begin_campaign(&NewCampaign {
        started_unix_micros: now_unix_micros(),
        label: args.label.clone(),
        git_commit: git_commit(),
        branch: git_branch(),
        host: machine.name.clone(),
        cpu_model: machine.cpu_model.clone(),
        n_cpus: machine.n_cpus,
        load_before: load_average(),
        is_experiment: true,
    })?;
    Ok(campaign)
}

/// Tells the pool what the history knows of the model on this machine, and of what helped against faults.
fn prime(
    driver: &mut Driver<LocalBrowsers>,
    model: &str,
    machine: &Host,
    store: &Store,
    zoo: &Zoo,
    goldens: &[Golden],
) -> anyhow::Result<()> {
    let since = Some(ago(PRIOR_AGE));
    let filter = Filter { models: vec![model.to_owned()], since_unix_micros: since, ..Filter::default() };
    let mut advice = recommend::advice(store, zoo, &filter)?;
    advice.retain(|one| one.host == machine.name && one.cpu_model == machine.cpu_model);
    let recoveries = store.recoveries(&EventFilter { since_unix_micros: since, ..EventFilter::default() })?;
    let latencies = prior::latencies(driver.model(), &advice, goldens, driver.classes());
    driver.seed(latencies, recoveries.iter().filter_map(prior::strategy).collect());
    Ok(())
}
