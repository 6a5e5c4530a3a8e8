//! Scripts of commands and the trace they give, readable as documentation: `testdata/*.txt`.
//!
//! A case is a title after `#`, commands, `----`, and the expected trace up to the next blank line.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use pool::{
    Action, Admission, Backend, BackendSet, Breaker, BreakerConfig, BreakerMode, BreakerState, CallId,
    Capabilities, Config, ConnectionId, ConnectionSpec, Event, FaultCategory, Job, JobEnd, JobId, Measured,
    ModelId, ModelSpec, Permit, Pool, Precision, Timestamp, Transition,
};

/// Runs every case of a file; `run` gives the trace of one case's commands.
#[track_caller]
fn check(script: &str, run: impl Fn(&[&str]) -> String) {
    let mut failures = String::new();
    for case in script.split("\n\n").map(str::trim).filter(|case| case.starts_with('#')) {
        let (head, expected) = case.split_once("\n----").unwrap_or((case, ""));
        let (title, commands) = head.split_once('\n').unwrap_or((head, ""));
        let commands: Vec<&str> = commands.lines().filter(|line| !line.starts_with('#')).collect();
        let actual = run(&commands);
        if actual.trim() != expected.trim() {
            let _infallible = write!(failures, "\n{title}\n{}\n----\n{actual}", commands.join("\n"));
        }
    }
    assert!(failures.is_empty(), "these traces differ:\n{failures}");
}

fn number<T: std::str::FromStr>(word: Option<&str>) -> T {
    word.and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{word:?} is no number"))
}

#[test]
fn breaker() {
    check(include_str!("testdata/breaker.txt"), |commands| {
        let mut script = BreakerScript::new();
        commands.iter().for_each(|command| script.run(command));
        script.trace
    });
}

struct BreakerScript {
    breaker: Breaker,
    now: Timestamp,
    calls: Vec<(String, Permit)>,
    trace: String,
}

impl BreakerScript {
    fn new() -> Self {
        let config = BreakerConfig { jitter: 0.0, ..BreakerConfig::default() };
        Self {
            breaker: Breaker::new(Arc::new(config), 1),
            now: Timestamp::from_millis(0),
            calls: Vec::new(),
            trace: String::new(),
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
        let until = self.breaker.poll_timeout().filter(|_| to == BreakerState::Open);
        let until = until.map(|until| format!(", until {:.0} s", until.since(Timestamp::ZERO).as_secs_f64()));
        let at = self.now.since(Timestamp::ZERO).as_secs_f64();
        let _infallible =
            writeln!(self.trace, "{at:.0} s: {from} -> {to}: {reason}{}", until.unwrap_or_default());
    }
}

#[test]
fn ladder() {
    check(include_str!("testdata/ladder.txt"), |commands| {
        let mut script = PoolScript::new();
        commands.iter().for_each(|command| script.run(command));
        script.trace
    });
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
            trace: String::new(),
        }
    }

    fn run(&mut self, command: &str) {
        let mut words = command.split_whitespace();
        match words.next().unwrap_or_default() {
            // worker BROWSER:BACKEND+BACKEND …
            "workers" => {
                for word in words {
                    let (browser, backends) = word.split_once(':').expect("browser:backends");
                    let backends: Vec<Backend> =
                        backends.split('+').map(|name| name.parse().expect("a backend")).collect();
                    self.backends.push(BackendSet::of(&backends));
                    self.pool.add_connection(self.now, ConnectionSpec::worker(browser));
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
            "loads" => self.fails_loads = words.next().and_then(|word| word.parse().ok()),
            "ok" => {
                let call = self.calls.remove(0);
                self.pool.on_finished(self.now, call, Measured::default());
                self.drain();
            }
            "fail" => {
                let call = self.calls.remove(0);
                let category = words.next().unwrap_or_default().parse().expect("a category");
                self.pool.on_failed(self.now, call, category);
                self.drain();
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
                match self.fails_loads {
                    Some(category) => self.pool.on_failed(self.now, call, category),
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
        self.pool.on_ready(self.now, call, capabilities);
    }
}
