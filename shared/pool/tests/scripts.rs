//! Scripts of commands and the trace they give, readable as documentation: `testdata/*.txt`.
//!
//! A file starts with a paragraph of prose. Each block after it is a case: a title after `#`, commands, `----`, and the
//! expected trace up to the next blank line.

mod reason;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use pool::{
    Action, Admission, Backend, BackendSet, Breaker, BreakerConfig, BreakerMode, BreakerState, CallId,
    Capabilities, Config, ConnectionId, ConnectionKind, ConnectionSpec, Event, FaultCategory, Job, JobEnd,
    JobId, Measured, ModelId, ModelSpec, Permit, Pool, Precision, QuarantineConfig, Strategy, Timestamp,
    Transition, TransitionReason, job_ladder, repair_ladder,
};

/// One case of a script.
struct Case<'a> {
    title: &'a str,
    commands: Vec<&'a str>,
    expected: &'a str,
}

/// The cases of a file; a block that is none is an error.
#[track_caller]
fn cases(script: &str) -> Vec<Case<'_>> {
    let mut blocks = script.split("\n\n").map(str::trim);
    let prose = blocks.next().unwrap_or_default();
    assert!(!prose.is_empty() && !prose.starts_with('#'), "a script starts with prose, not `{prose}`");
    blocks.map(|block| case(block).unwrap_or_else(|| panic!("this block is no case:\n{block}"))).collect()
}

fn case(block: &str) -> Option<Case<'_>> {
    let (head, expected) = block.split_once("\n----")?;
    let (title, commands) = head.strip_prefix("# ")?.split_once('\n')?;
    let commands = commands.lines().filter(|line| !line.starts_with('#')).collect();
    Some(Case { title, commands, expected: expected.trim() })
}

/// Runs every case of a file; `run` gives the trace of one case's commands.
#[track_caller]
fn check(script: &str, mut run: impl FnMut(&[&str]) -> String) {
    let mut failures = String::new();
    for Case { title, commands, expected } in cases(script) {
        let actual = run(&commands);
        if actual.trim() != expected {
            let _infallible = write!(failures, "\n# {title}\n{}\n----\n{actual}", commands.join("\n"));
        }
    }
    assert!(failures.is_empty(), "these traces differ:\n{failures}");
}

fn number<T: std::str::FromStr>(word: Option<&str>) -> T {
    word.and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{word:?} is no number"))
}

#[test]
fn breaker() {
    let mut seen = BTreeSet::new();
    check(BREAKER, |commands| {
        let mut script = BreakerScript::new();
        commands.iter().for_each(|command| script.run(command));
        seen.extend(script.seen);
        script.trace
    });
    // Every row of the breaker's table, by its reason.
    let rows = [
        ("closed", "half_open", "streak"),
        ("closed", "open", "failure ratio"),
        ("closed", "open", "operator"),
        ("closed", "open", "outlier"),
        ("closed", "open", "slow ratio"),
        ("closed", "open", "streak"),
        ("half_open", "closed", "probes passed"),
        ("half_open", "open", "probes failed"),
        ("half_open", "open", "probes lost"),
        ("open", "closed", "operator"),
        ("open", "half_open", "interval passed"),
        ("open", "half_open", "repaired"),
    ];
    assert_eq!(seen, BTreeSet::from(rows));
}

const BREAKER: &str = include_str!("testdata/breaker.txt");
const LADDER: &str = include_str!("testdata/ladder.txt");

struct BreakerScript {
    breaker: Breaker,
    now: Timestamp,
    calls: Vec<(String, Permit)>,
    trace: String,
    seen: BTreeSet<(&'static str, &'static str, &'static str)>,
}

impl BreakerScript {
    fn new() -> Self {
        let config = BreakerConfig { jitter: 0.0, ..BreakerConfig::default() };
        Self {
            breaker: Breaker::new(Arc::new(config), 1),
            now: Timestamp::from_millis(0),
            calls: Vec::new(),
            trace: String::new(),
            seen: BTreeSet::new(),
        }
    }

    fn run(&mut self, command: &str) {
        let mut words = command.split_whitespace();
        match words.next().unwrap_or_default() {
            "breaker" => self.configure(words),
            "call" => {
                let name = words.next().unwrap_or_default();
                self.admit(name);
            }
            "end" => {
                let name = words.next().unwrap_or_default().to_owned();
                self.end(&name, words.next().unwrap_or_default());
            }
            outcome @ ("ok" | "fail" | "slow" | "ignored") => {
                for _ in 0..number(words.next()) {
                    if self.admit("") {
                        self.end("", outcome);
                    }
                }
            }
            "wait" => {
                let until = self.now + Duration::from_secs_f64(number(words.next()));
                while let Some(due) = self.breaker.poll_timeout().filter(|&due| due <= until) {
                    self.now = self.now.max(due);
                    let transition = self.breaker.handle_timeout(self.now);
                    self.note(transition);
                    if transition.is_none() {
                        break;
                    }
                }
                self.now = until;
            }
            "repaired" => {
                let transition = self.breaker.on_repaired(self.now);
                self.note(transition);
            }
            "outlier" => {
                let transition = self.breaker.trip(self.now, TransitionReason::Outlier);
                self.note(transition);
            }
            "mode" => {
                let mode: BreakerMode = words.next().unwrap_or_default().parse().expect("a mode");
                let transition = self.breaker.set_mode(self.now, mode);
                self.note(transition);
            }
            other => panic!("unknown command `{other}`"),
        }
    }

    fn configure<'a>(&mut self, words: impl Iterator<Item = &'a str>) {
        let mut config = BreakerConfig { jitter: 0.0, ..BreakerConfig::default() };
        for word in words {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            match key {
                "probes" => config.n_probes = number(Some(value)),
                "success_ratio" => config.probe_success_ratio = number(Some(value)),
                "minimum" => config.minimum_calls = number(Some(value)),
                "confirmed" => config.confirms_streak = value == "true",
                "consecutive" => config.consecutive_failures = number(Some(value)),
                "window" => config.window_calls = number(Some(value)),
                other => panic!("unknown parameter `{other}`"),
            }
        }
        self.breaker = Breaker::new(Arc::new(config), 1);
    }

    fn admit(&mut self, name: &str) -> bool {
        let permit = match self.breaker.admit() {
            Admission::Allow(permit) | Admission::Probe(permit) => permit,
            Admission::Refuse { until } => {
                let until =
                    until.map(|until| format!(" until {:.0} s", until.since(Timestamp::ZERO).as_secs_f64()));
                let _infallible = writeln!(self.trace, "refused{}", until.unwrap_or_default());
                return false;
            }
        };
        if permit.is_probe() {
            let _infallible = writeln!(self.trace, "probe{}{name}", if name.is_empty() { "" } else { " " });
        }
        self.calls.push((name.to_owned(), permit));
        true
    }

    fn end(&mut self, name: &str, outcome: &str) {
        let found = self.calls.iter().position(|(other, _)| other == name).expect("the call was admitted");
        let (_, permit) = self.calls.remove(found);
        let latency = Duration::from_millis(20);
        let transition = match outcome {
            "ok" => self.breaker.on_success(self.now, permit, latency, false),
            "slow" => self.breaker.on_success(self.now, permit, Duration::from_secs(3), true),
            "fail" => self.breaker.on_failure(self.now, permit, latency),
            "ignored" => {
                self.breaker.on_ignored(permit);
                None
            }
            other => panic!("unknown outcome `{other}`"),
        };
        self.note(transition);
    }

    fn note(&mut self, transition: Option<Transition>) {
        let Some(Transition { from, to, reason }) = transition else { return };
        let row = reason::row(&reason);
        self.seen.insert((from.as_str(), to.as_str(), row));
        let until = self.breaker.poll_timeout().filter(|_| to == BreakerState::Open);
        let until = until.map(|until| format!(", until {:.0} s", until.since(Timestamp::ZERO).as_secs_f64()));
        let at = self.now.since(Timestamp::ZERO).as_secs_f64();
        let _infallible =
            writeln!(self.trace, "{at:.0} s: {from} -> {to}: {reason}{}", until.unwrap_or_default());
    }
}

#[test]
fn ladder() {
    check(LADDER, |commands| {
        let mut script = PoolScript::new();
        commands.iter().for_each(|command| script.run(command));
        script.trace
    });
}

/// A case belongs to the fault that its title begins with.
#[test]
fn every_rung_of_every_ladder_has_a_script() {
    let mut missing = Vec::new();
    for &category in FaultCategory::ALL {
        let of_category = |case: &Case<'_>| case.title.split([' ', ':']).next() == Some(category.as_str());
        let traces: Vec<&str> =
            cases(LADDER).into_iter().filter(of_category).map(|case| case.expected).collect();
        // A job's strategy is told after its name, a connection's repair after the connection's.
        let is_shown = |who: char, strategy: Strategy| {
            let is_line = |line: &str| line.starts_with(who) && line.ends_with(&format!(": {strategy}"));
            traces.iter().any(|trace| trace.lines().any(is_line))
        };
        let repairs: BTreeSet<Strategy> =
            ConnectionKind::ALL.iter().flat_map(|&kind| repair_ladder(category, kind)).copied().collect();
        let of_jobs = job_ladder(category).iter().map(|&strategy| ('j', strategy));
        let rungs = of_jobs.chain(repairs.into_iter().map(|strategy| ('c', strategy)));
        missing
            .extend(rungs.filter(|&(who, strategy)| !is_shown(who, strategy)).map(|rung| (category, rung)));
        if traces.is_empty() {
            missing.push((category, ('-', Strategy::RetryInPlace)));
        }
    }
    assert!(missing.is_empty(), "no script shows these: {missing:?}");
}

/// A pool whose workers open, load and answer pings at once; runs end when the script says so.
struct PoolScript {
    pool: Pool,
    now: Timestamp,
    backends: Vec<BackendSet>,
    /// Runs, repairs and golden inferences that wait for their answer, oldest first.
    calls: Vec<CallId>,
    models: Vec<ModelId>,
    n_jobs: u64,
    jobs: Vec<JobId>,
    fails_loads: Option<FaultCategory>,
    n_failing_loads: u32,
    fails_opens: Option<FaultCategory>,
    trace: String,
}

impl PoolScript {
    fn new() -> Self {
        Self {
            pool: Pool::new(Config::default(), 1),
            now: Timestamp::from_millis(1000),
            backends: Vec::new(),
            calls: Vec::new(),
            models: Vec::new(),
            n_jobs: 0,
            jobs: Vec::new(),
            fails_loads: None,
            n_failing_loads: 0,
            fails_opens: None,
            trace: String::new(),
        }
    }

    fn run(&mut self, command: &str) {
        let mut words = command.split_whitespace();
        match words.next().unwrap_or_default() {
            // workers BROWSER:BACKEND+BACKEND …
            kind @ ("workers" | "iframes" | "browsers") => {
                for word in words {
                    let (browser, backends) = word.split_once(':').expect("browser:backends");
                    let backends: Vec<Backend> =
                        backends.split('+').map(|name| name.parse().expect("a backend")).collect();
                    self.backends.push(BackendSet::of(&backends));
                    let spec = match kind {
                        "browsers" => ConnectionSpec::browser(browser, 0),
                        "iframes" => {
                            ConnectionSpec { kind: ConnectionKind::Iframe, ..ConnectionSpec::worker(browser) }
                        }
                        _ => ConnectionSpec::worker(browser),
                    };
                    self.pool.add_connection(self.now, spec);
                    self.drain();
                }
            }
            "model" => {
                let mut spec = ModelSpec::new(words.next().unwrap_or_default(), "vision", Precision::F32);
                for word in words {
                    match word.split_once('=') {
                        Some(("batch", value)) => spec.max_batch = number(Some(value)),
                        Some(("smaller", _)) => spec.lower_precision = self.models.last().copied(),
                        _ => panic!("unknown property `{word}`"),
                    }
                }
                let model = self.pool.register_model(spec);
                self.models.push(model);
            }
            "submit" => {
                let n_jobs: u64 = words.next().map_or(1, |word| number(Some(word)));
                for _ in 0..n_jobs {
                    self.submit(n_jobs > 1);
                }
                self.drain();
            }
            // What becomes of loads, the next few or all, and openings: a category, or anything else for success.
            "loads" => {
                self.fails_loads = words.next().and_then(|word| word.parse().ok());
                self.n_failing_loads = words.next().map_or(u32::MAX, |word| number(Some(word)));
            }
            "opens" => self.fails_opens = words.next().and_then(|word| word.parse().ok()),
            // Healthy connections that a job must fail on before it is taken for what breaks them.
            "quarantine" => {
                let quarantine =
                    QuarantineConfig { n_connections: number(words.next()), ..QuarantineConfig::default() };
                self.pool = Pool::new(Config { quarantine, ..Config::default() }, 1);
            }
            "cancel" => {
                let index: usize = number(words.next());
                self.pool.cancel(self.now, self.jobs[index - 1]);
                self.drain();
            }
            "ok" => {
                if let Some(call) = self.oldest_call() {
                    self.pool.on_finished(self.now, call, Measured::default());
                    self.drain();
                }
            }
            "fail" => {
                if let Some(call) = self.oldest_call() {
                    let category = words.next().unwrap_or_default().parse().expect("a category");
                    self.pool.on_failed(self.now, call, category);
                    self.drain();
                }
            }
            "lose" => {
                let id = ConnectionId(number(words.next()));
                self.pool.on_connection_lost(self.now, id, FaultCategory::ConnectionLost);
                self.drain();
            }
            "wait" => self.wait(Duration::from_secs_f64(number(words.next()))),
            other => panic!("unknown command `{other}`"),
        }
    }

    fn oldest_call(&mut self) -> Option<CallId> {
        let call = (!self.calls.is_empty()).then(|| self.calls.remove(0));
        if call.is_none() {
            self.trace.push_str("nothing is running\n");
        }
        call
    }

    fn submit(&mut self, is_batchable: bool) {
        let model = *self.models.last().expect("a model");
        let job = Job { is_batchable, fingerprint: self.n_jobs + 1, ..Job::new(model) };
        let id = self.pool.submit(self.now, job).expect("there is room");
        self.jobs.push(id);
        self.n_jobs += 1;
    }

    fn wait(&mut self, duration: Duration) {
        let until = self.now + duration;
        for _ in 0..1000 {
            let Some(due) = self.pool.poll_timeout().filter(|&due| due <= until) else { break };
            self.now = self.now.max(due);
            self.pool.handle_timeout(self.now);
            self.drain();
        }
        self.now = until;
    }

    fn name(&self, job: JobId) -> String {
        let found = self.jobs.iter().position(|&other| other == job);
        // A job that is placed while it is submitted is the next one.
        format!("j{}", found.map_or(self.jobs.len(), |index| index) + 1)
    }

    fn drain(&mut self) {
        while let Some(action) = self.pool.poll_action() {
            let line = self.perform(action);
            if let Some(line) = line {
                let _infallible = writeln!(self.trace, "{line}");
            }
        }
    }

    fn perform(&mut self, action: Action) -> Option<String> {
        match action {
            Action::Open { connection, call } => {
                self.open(connection, call);
                None
            }
            Action::Respawn { connection, call, scope } => {
                self.open(connection, call);
                Some(format!("respawn {scope} of {connection}"))
            }
            Action::Load { connection, call, model, backend, is_refetch, .. } => {
                match self.fails_loads.filter(|_| self.n_failing_loads > 0) {
                    Some(category) => {
                        self.n_failing_loads -= 1;
                        self.pool.on_failed(self.now, call, category);
                    }
                    None => self.pool.on_finished(self.now, call, Measured::default()),
                }
                let refetch = if is_refetch { ", fetched anew" } else { "" };
                Some(format!("load {model} on {connection} {backend}{refetch}"))
            }
            Action::Run { connection, call, model, backend, jobs, attempt, .. } => {
                self.calls.push(call);
                let names: Vec<String> = jobs.iter().map(|&job| self.name(job)).collect();
                Some(format!("run {} with {model} on {connection} {backend}, try {attempt}", names.join("+")))
            }
            Action::RecreateDevice { connection, call, backend } => {
                self.calls.push(call);
                Some(format!("recreate {backend} of {connection}"))
            }
            Action::Probe { connection, call, backend, .. } => {
                self.calls.push(call);
                Some(format!("probe {backend} of {connection}"))
            }
            Action::Ping { call, .. } => {
                self.pool.on_finished(self.now, call, Measured::default());
                None
            }
            Action::Abort { connection, .. } => Some(format!("abort on {connection}")),
            Action::Close { connection } => Some(format!("close {connection}")),
            Action::Unload { connection, model, backend } => {
                Some(format!("unload {model} on {connection} {backend}"))
            }
            Action::Finish { job, end } => {
                let end = match end {
                    JobEnd::Completed { .. } => "completed".to_owned(),
                    JobEnd::Loaded { .. } => "loaded".to_owned(),
                    JobEnd::Failed { cause, verdict, .. } => format!("failed: {cause}, {verdict}"),
                    JobEnd::Cancelled => "cancelled".to_owned(),
                };
                Some(format!("{} {end}", self.name(job)))
            }
            Action::Record(record) => self.tell(&record.event),
        }
    }

    fn tell(&self, event: &Event) -> Option<String> {
        match event {
            Event::Recovering { job: Some(job), strategy, .. } => {
                Some(format!("{}: {strategy}", self.name(*job)))
            }
            Event::Recovering { job: None, connection, strategy, .. } => {
                Some(format!("{connection}: {strategy}"))
            }
            Event::Breaker { connection, component, transition, .. } => {
                Some(format!("{component} of {connection} is {}", transition.to))
            }
            Event::Incident { component, category, n_members, phase, .. } => {
                Some(format!("incident of {n_members}, {category} of {component}: {phase}"))
            }
            Event::Quarantined { n_connections, cause, .. } => {
                Some(format!("quarantine: {cause} on {n_connections} connections"))
            }
            Event::ModelBreaker { model, transition, .. } => {
                Some(format!("loads of {model} are {}: {}", transition.to, transition.reason))
            }
            Event::Placed { .. }
            | Event::Called(_)
            | Event::Ended { .. }
            | Event::Refused { .. }
            | Event::BreakerMode { .. }
            | Event::Connection { .. }
            | Event::Recovered { .. }
            | Event::RootCause(_)
            | Event::Unloaded { .. }
            | Event::Scaled { .. } => None,
        }
    }

    fn open(&mut self, connection: ConnectionId, call: CallId) {
        let capabilities = Capabilities::new(self.backends[connection.0 as usize]);
        match self.fails_opens {
            Some(category) => self.pool.on_failed(self.now, call, category),
            None => self.pool.on_ready(self.now, call, capabilities),
        }
    }
}
