//! A driver for tests: one bounded world that answers actions, except for what a test holds back.

use std::time::Duration;

use crate::{
    Action, Backend, BackendSet, CallId, Capabilities, Config, ConnectionId, ConnectionSpec, Event,
    FaultCategory, Job, JobEnd, JobId, Measured, ModelId, ModelSpec, Pool, Precision, Timestamp,
};

/// A driver whose connections answer at once, except for what a test holds back.
pub(super) struct World {
    pub(super) pool: Pool,
    pub(super) now: Timestamp,
    /// Actions not answered yet, oldest first; records and finishes are kept apart.
    pub(super) open: Vec<Action>,
    pub(super) ends: Vec<(JobId, JobEnd)>,
    pub(super) events: Vec<Event>,
    pub(super) answers_pings: bool,
}

impl World {
    pub(super) fn new(config: Config) -> Self {
        let pool = Pool::new(config, 7);
        Self {
            pool,
            now: Timestamp::from_millis(1000),
            open: Vec::new(),
            ends: Vec::new(),
            events: Vec::new(),
            answers_pings: true,
        }
    }

    /// `n` ready workers, each with `backends`.
    pub(super) fn with_workers(n: u32, backends: &[Backend]) -> Self {
        let mut world = Self::new(Config::default());
        for _ in 0..n {
            world.pool.add_connection(world.now, ConnectionSpec::worker("chromium"));
        }
        world.drain();
        world.open_all(backends);
        world
    }

    /// A ready worker with wasm, whose models may take so many bytes.
    pub(super) fn with_memory(memory_limit_bytes: u64) -> Self {
        let wasm = Capabilities::new(BackendSet::of(&[Backend::Wasm]));
        Self::with_worker(Capabilities { memory_limit_bytes, ..wasm })
    }

    /// A ready worker.
    pub(super) fn with_worker(capabilities: Capabilities) -> Self {
        let mut world = Self::new(Config::default());
        world.pool.add_connection(world.now, ConnectionSpec::worker("chromium"));
        world.drain();
        let open = world.take(|action| match action {
            Action::Open { call, .. } => Some(*call),
            _ => None,
        });
        world.pool.on_ready(world.now, open, capabilities);
        world.drain();
        world
    }

    pub(super) fn drain(&mut self) {
        while let Some(action) = self.pool.poll_action() {
            match action {
                Action::Finish { job, end } => self.ends.push((job, end)),
                Action::Record(record) => self.events.push(record.event),
                Action::Ping { call, .. } if self.answers_pings => {
                    self.pool.on_finished(self.now, call, Measured::default());
                }
                other => self.open.push(other),
            }
        }
    }

    pub(super) fn open_all(&mut self, backends: &[Backend]) {
        let capabilities = Capabilities::new(BackendSet::of(backends));
        for action in core::mem::take(&mut self.open) {
            match action {
                Action::Open { call, .. } | Action::Respawn { call, .. } => {
                    self.pool.on_ready(self.now, call, capabilities.clone());
                }
                other => self.open.push(other),
            }
        }
        self.drain();
    }

    /// Takes the oldest open action that `matches`.
    #[track_caller]
    pub(super) fn take<T>(&mut self, matches: impl Fn(&Action) -> Option<T>) -> T {
        let found = self.open.iter().position(|action| matches(action).is_some());
        let found = found.unwrap_or_else(|| panic!("no such action among {:?}", self.open));
        let action = self.open.remove(found);
        matches(&action).expect("it matched before")
    }

    #[track_caller]
    pub(super) fn take_load(&mut self) -> (CallId, ConnectionId, Backend) {
        self.take(|action| match action {
            Action::Load { call, connection, backend, .. } => Some((*call, *connection, *backend)),
            _ => None,
        })
    }

    #[track_caller]
    pub(super) fn take_run(&mut self) -> (CallId, ConnectionId, Vec<JobId>) {
        self.take(|action| match action {
            Action::Run { call, connection, jobs, .. } => Some((*call, *connection, jobs.clone())),
            _ => None,
        })
    }

    pub(super) fn finish(&mut self, call: CallId) {
        self.pool.on_finished(self.now, call, Measured::default());
        self.drain();
    }

    pub(super) fn fail(&mut self, call: CallId, category: FaultCategory) {
        self.pool.on_failed(self.now, call, category);
        self.drain();
    }

    pub(super) fn pass(&mut self, duration: Duration) {
        let until = self.now + duration;
        for _ in 0..10_000 {
            match self.pool.poll_timeout() {
                Some(due) if due <= until => {
                    self.now = self.now.max(due);
                    self.pool.handle_timeout(self.now);
                    self.drain();
                }
                Some(_) | None => {
                    self.now = until;
                    return;
                }
            }
        }
        panic!("timers never come to rest");
    }

    pub(super) fn model(&mut self, name: &str) -> ModelId {
        self.pool.register_model(ModelSpec::new(name, "vision", Precision::F32))
    }

    #[track_caller]
    pub(super) fn submit(&mut self, model: ModelId) -> JobId {
        let job = self.pool.submit(self.now, Job::new(model)).expect("there is room");
        self.drain();
        job
    }

    /// Submits a job, answers its load and gives its run.
    #[track_caller]
    pub(super) fn submit_loaded(&mut self, model: ModelId) -> (JobId, CallId, ConnectionId) {
        let job = self.submit(model);
        if self.open.iter().any(|action| matches!(action, Action::Load { .. })) {
            let (load, ..) = self.take_load();
            self.finish(load);
        }
        let (run, connection, jobs) = self.take_run();
        assert_eq!(jobs, [job]);
        (job, run, connection)
    }

    /// Runs `n` jobs of 20 ms on whatever connection takes them.
    pub(super) fn train(&mut self, model: ModelId, n: u32) {
        for _ in 0..n {
            let (_, run, _) = self.submit_loaded(model);
            self.now = self.now + Duration::from_millis(20);
            self.finish(run);
        }
    }
}
