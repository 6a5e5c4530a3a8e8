//! What the agent holds for the pool: browsers, calls, jobs. It obeys the pool's actions and decides nothing.
//!
//! The order is the pool's: feed one input, [`Driver::drain`], then wait until [`Driver::next_due`] for the next.

mod actions;
mod answers;
mod happenings;
mod member;
mod parts;
mod state;

use std::collections::BTreeMap;
use std::time::Duration;

use pool::{
    CallId, Config, ConnectionId, ConnectionSpec, HeartbeatConfig, HedgingConfig, Job, JobId,
    LatencyEvidence, ModelId, ModelSpec, Pool, RetryConfig, ScalingConfig, StrategyEvidence, Timestamp,
};
use wire::Fault;
use wire::translate::{Sampler, to_pool_category, to_pool_precision};

use crate::fleet::input::Line;
use crate::fleet::output::Finished;
use crate::fleet::shape::Classes;
use crate::fleet::translate::{cancelled, refused};

pub(super) use member::Member;
pub(crate) use parts::{Happening, Host, Launch, Setup, Subject, What};
use state::{Call, Task, fingerprint};
pub(crate) use state::{Counts, Failure, Ran, Said};

/// How long a browser may take from its launch until its workers are ready: several start at once, on a machine that works.
const OPEN_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a page may take to answer a ping; its main thread only passes messages on.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Time between two changes of the fleet's size: a browser opens in seconds, and many a run takes no more than a minute.
const SCALING_COOLDOWN: Duration = Duration::from_secs(10);

/// Failures to open for each browser there is, none being open, after which the run is given up.
const HOPELESS_OPENS: usize = 3;

/// The pool's body.
pub(crate) struct Driver<H> {
    pool: Pool,
    host: H,
    setup: Setup,
    subject: Subject,
    model: ModelId,
    members: BTreeMap<ConnectionId, Member>,
    calls: BTreeMap<CallId, Call>,
    tasks: BTreeMap<JobId, Task>,
    /// Latencies from before.
    priors: Vec<LatencyEvidence>,
    counts: Counts,
    /// Jobs that failed, by the code of their fault.
    failures: BTreeMap<String, Failure>,
    /// Failures to open since a browser was open, and the last one.
    failed_opens: Option<(u32, Fault)>,
    /// Why jobs that the pool takes back have no result.
    stopped_by: Fault,
    said: Said,
    n_events: u64,
    sampler: Sampler,
}

impl<H: Host> Driver<H> {
    /// A fleet without browsers.
    pub(crate) fn new(setup: Setup, subject: Subject, host: H) -> Self {
        // What goes into a pipeline is no tensor that could be stacked.
        let max_batch = if subject.pipeline.is_none() { setup.max_batch } else { 1 };
        let setup = Setup { max_batch, ..setup };
        let (min, max) = setup.size;
        let retry = RetryConfig::default();
        let mut pool = Pool::new(
            Config {
                // Loading the model is a job as well.
                queue_capacity: (setup.max_jobs() + max) as usize,
                batch_delay: setup.batch_delay,
                job_timeout: setup.deadline,
                open_timeout: OPEN_TIMEOUT,
                // A browser that is lost takes the jobs of all its workers with it; two may be, at once.
                retry: RetryConfig {
                    budget_reserve: retry
                        .budget_reserve
                        .max(2.0 * f64::from(setup.n_workers * setup.max_batch)),
                    ..retry
                },
                heartbeat: HeartbeatConfig { timeout: PING_TIMEOUT, ..HeartbeatConfig::default() },
                scaling: ScalingConfig {
                    min_connections: min,
                    max_connections: max,
                    // They share this machine, and so what can fail beneath them.
                    templates: setup
                        .browsers
                        .iter()
                        .map(|one| ConnectionSpec::browser(&one.name, 0))
                        .collect(),
                    cooldown: SCALING_COOLDOWN,
                    memory_limit_bytes: setup.memory_limit_bytes,
                    ..ScalingConfig::default()
                },
                hedging: HedgingConfig { is_enabled: setup.is_hedged, ..HedgingConfig::default() },
                ..Config::default()
            },
            setup.seed,
        );
        // What nobody stated counts as full precision.
        let precision = to_pool_precision(subject.precision).unwrap_or(pool::Precision::F32);
        let model = pool.register_model(ModelSpec {
            // Each worker has a copy of its own.
            memory_bytes: subject.n_bytes * u64::from(setup.n_workers),
            backends: subject.backends,
            has_golden: subject.golden.is_some(),
            max_batch: setup.max_batch,
            ..ModelSpec::new(&subject.id, &subject.family, precision)
        });
        Self {
            pool,
            host,
            setup,
            subject,
            model,
            members: BTreeMap::new(),
            calls: BTreeMap::new(),
            tasks: BTreeMap::new(),
            priors: Vec::new(),
            counts: Counts::default(),
            failures: BTreeMap::new(),
            failed_opens: None,
            stopped_by: cancelled(),
            said: Said::default(),
            n_events: 0,
            sampler: Sampler::default(),
        }
    }

    /// The model's number in the pool.
    pub(crate) fn model(&self) -> ModelId {
        self.model
    }

    /// How jobs are classed.
    pub(crate) fn classes(&self) -> Classes {
        Classes { are_stacked: self.setup.max_batch > 1 }
    }

    /// Puts in what is known from before. Latencies are for browsers by their name; their adapters are known once they open.
    pub(crate) fn seed(&mut self, latencies: Vec<LatencyEvidence>, strategies: Vec<StrategyEvidence>) {
        self.priors = latencies;
        strategies.into_iter().for_each(|evidence| self.pool.seed_strategy(evidence));
    }

    /// Opens the first browsers.
    pub(crate) fn start(&mut self, now: Timestamp) {
        self.pool.start(now);
        self.drain(now);
    }

    /// Takes a line in; gives it back when there is no room for it now.
    pub(crate) fn submit(&mut self, now: Timestamp, line: Line) -> Option<Line> {
        let Line { index, job } = line;
        let refusal = match job {
            Err(fault) => fault,
            Ok(input) => {
                let classes = self.classes();
                let job = Job {
                    shape: classes.of(&input.shapes, input.n_elements),
                    is_batchable: classes.is_batchable(input.n_elements),
                    fingerprint: fingerprint(&input),
                    ..Job::new(self.model)
                };
                match self.pool.submit(now, job) {
                    Ok(job) => {
                        self.tasks.insert(job, Task::new(index, input, now));
                        self.drain(now);
                        return None;
                    }
                    Err(refusal) => match refused(&refusal) {
                        None => return Some(Line { index, job: Ok(input) }),
                        Some(fault) => fault,
                    },
                }
            }
        };
        self.note_failure(index, &refusal);
        self.said.finished.push(Finished::untried(index, refusal));
        None
    }

    /// Whether another job is of use now.
    pub(crate) fn has_room(&self) -> bool {
        self.tasks.len() < self.setup.max_jobs() as usize
    }

    /// Jobs that have not ended.
    pub(crate) fn n_jobs(&self) -> usize {
        self.tasks.len()
    }

    /// Jobs that have.
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Why jobs failed, most frequent first.
    pub(crate) fn failures(&self) -> Vec<&Failure> {
        let mut failures: Vec<&Failure> = self.failures.values().collect();
        failures.sort_by_key(|failure| core::cmp::Reverse(failure.n));
        failures
    }

    fn note_failure(&mut self, index: u64, fault: &Fault) {
        self.counts.n_failed += 1;
        let first = || Failure { n: 0, index, fault: fault.clone() };
        self.failures.entry(fault.code.clone()).or_insert_with(first).n += 1;
    }

    /// Time passed.
    pub(crate) fn on_time(&mut self, now: Timestamp) {
        self.pool.handle_timeout(now);
        self.drain(now);
    }

    /// When [`Driver::on_time`] is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.pool.poll_timeout()
    }

    /// Retries that were started.
    pub(crate) fn n_retries(&self) -> u64 {
        self.pool.stats().n_retries
    }

    /// Browsers that take jobs, and browsers.
    pub(crate) fn n_browsers(&self) -> (usize, usize) {
        let stats = self.pool.stats();
        (stats.n_ready, stats.n_connections)
    }

    /// Every browser there is or was, and the pool.
    pub(super) fn members_and_pool(&mut self) -> (&BTreeMap<ConnectionId, Member>, &mut Pool) {
        (&self.members, &mut self.pool)
    }

    /// Takes every job back, because of `fault`.
    pub(crate) fn stop(&mut self, now: Timestamp, fault: Option<Fault>) {
        if let Some(fault) = fault {
            self.stopped_by = fault;
        }
        let jobs: Vec<JobId> = self.tasks.keys().copied().collect();
        for job in jobs {
            self.pool.cancel(now, job);
        }
        self.drain(now);
    }

    /// Why no browser can be opened, once that has been tried often enough.
    pub(crate) fn hopeless(&self) -> Option<&Fault> {
        let n_members = self.members.values().filter(|member| !member.is_closed).count();
        let (n_failed, fault) = self.failed_opens.as_ref()?;
        (*n_failed as usize >= HOPELESS_OPENS * n_members).then_some(fault)
    }

    /// Ends every browser.
    pub(crate) fn close(mut self, now: Timestamp) -> (H, Said) {
        self.pool.close(now);
        self.drain(now);
        (self.host, self.said)
    }

    /// What there is to say.
    pub(crate) fn take_said(&mut self) -> Said {
        core::mem::take(&mut self.said)
    }

    /// Does what the pool wants done, until it wants no more.
    fn drain(&mut self, now: Timestamp) {
        while let Some(action) = self.pool.poll_action() {
            self.perform(now, action);
        }
    }

    /// A call failed: the pool gets the category, the job's owner may see the rest.
    fn fail(&mut self, now: Timestamp, call: CallId, fault: Fault) {
        let category = to_pool_category(fault.category);
        if let Some(call) = self.calls.get_mut(&call) {
            call.fault = Some(fault);
        }
        self.pool.on_failed(now, call, category);
    }

    /// A browser, or its workers, are gone, whatever they were doing.
    fn lose(&mut self, now: Timestamp, connection: ConnectionId, fault: Fault) {
        for call in self.calls.values_mut().filter(|call| call.connection == connection) {
            call.fault = Some(fault.clone());
        }
        let category = to_pool_category(fault.category);
        if let Some(member) = self.members.get_mut(&connection) {
            member.reset();
            member.last_fault = Some(fault);
        }
        self.pool.on_connection_lost(now, connection, category);
    }

    fn unix_micros(&self, now: Timestamp) -> i64 {
        self.setup.epoch_unix_micros.saturating_add_unsigned(now.as_micros())
    }
}

#[cfg(test)]
mod tests;
