//! What the pool costs per job, and what a queued job takes in memory: `cargo bench -p tabpool-pool`.
//!
//! A fleet of n connections in three browsers serves three models while 100,000 jobs wait. Each round answers the oldest
//! call, which places the next job, and submits another one; actions are drained as a driver does.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads its CPU time")]
#![expect(unsafe_code, reason = "a global allocator that counts is unsafe by its trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pool::{
    Action, Backend, BackendSet, CallId, Capabilities, Config, ConnectionSpec, Job, Measured, ModelId,
    ModelSpec, Pool, Precision, Priority, ShapeClass, Timestamp,
};

const N_QUEUED: usize = 100_000;
const N_ROUNDS: usize = 100_000;

/// Counts the bytes that are allocated now.
struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the trait's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the trait's contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Fleet {
    pool: Pool,
    now: Timestamp,
    running: VecDeque<CallId>,
    models: Vec<ModelId>,
    n_submitted: usize,
}

impl Fleet {
    fn new(n_connections: usize) -> Self {
        let config = Config { queue_capacity: 2 * N_QUEUED, ..Config::default() };
        let mut fleet = Self {
            pool: Pool::new(config, 1),
            now: Timestamp::from_millis(1000),
            running: VecDeque::new(),
            models: Vec::new(),
            n_submitted: 0,
        };
        for name in ["minilm", "ocr-det", "silero-vad"] {
            let model = fleet.pool.register_model(ModelSpec::new(name, name, Precision::F32));
            fleet.models.push(model);
        }
        for connection in 0..n_connections {
            let browser = ["chromium", "firefox", "webkit"][connection % 3];
            fleet.pool.add_connection(fleet.now, ConnectionSpec::browser(browser, connection as u32));
        }
        fleet.drain();
        fleet
    }

    fn drain(&mut self) {
        while let Some(action) = self.pool.poll_action() {
            match action {
                Action::Open { call, .. } | Action::Respawn { call, .. } => {
                    let backends = BackendSet::of(&[Backend::Webgpu, Backend::Wasm]);
                    self.pool.on_ready(self.now, call, Capabilities::new(backends));
                }
                Action::Load { call, .. } | Action::Run { call, .. } => self.running.push_back(call),
                Action::Ping { call, .. }
                | Action::Probe { call, .. }
                | Action::RecreateDevice { call, .. } => {
                    self.pool.on_finished(self.now, call, Measured::default());
                }
                Action::Close { .. }
                | Action::Unload { .. }
                | Action::Abort { .. }
                | Action::Finish { .. }
                | Action::Record(_) => {}
            }
        }
    }

    fn submit(&mut self) {
        let job = Job {
            priority: Priority::ALL[self.n_submitted % 3],
            shape: ShapeClass((self.n_submitted % 4) as u32),
            deadline: Some(self.now + Duration::from_secs(86_400)),
            ..Job::new(self.models[self.n_submitted % self.models.len()])
        };
        self.n_submitted += 1;
        assert!(self.pool.submit(self.now, job).is_ok(), "there is room");
    }

    /// Answers the oldest call, after which its connection gets the next job.
    fn answer(&mut self) {
        if let Some(call) = self.running.pop_front() {
            self.pool.on_finished(self.now, call, Measured::default());
        }
        self.drain();
    }

    fn round(&mut self, step: Duration) {
        self.now = self.now + step;
        self.answer();
        self.submit();
        self.drain();
    }
}

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "connections | CPU µs per job: place and answer | submit | in an idle pool, all three | bytes per queued job"
    )?;
    for n_connections in [10, 1000, 10_000] {
        let mut fleet = Fleet::new(n_connections);
        // Every connection gets its models before anything is measured; a call takes about 20 ms.
        let step = Duration::from_nanos(20_000_000 / n_connections as u64);
        for _ in 0..2 * n_connections {
            fleet.submit();
        }
        fleet.drain();
        for _ in 0..(8 * n_connections).max(1000) {
            fleet.round(step);
        }
        let before = ALLOCATED.load(Ordering::Relaxed);
        let started = cpu_seconds()?;
        for _ in 0..N_QUEUED {
            fleet.submit();
            fleet.drain();
        }
        let submit = (cpu_seconds()? - started) / N_QUEUED as f64;
        let bytes = (ALLOCATED.load(Ordering::Relaxed) - before) / N_QUEUED;
        let started = cpu_seconds()?;
        for _ in 0..N_ROUNDS {
            fleet.round(step);
        }
        let place = (cpu_seconds()? - started) / N_ROUNDS as f64 - submit;
        let idle = idle_seconds(n_connections)?;
        let [place, submit, idle] = [place, submit, idle].map(|seconds| 1e6 * seconds);
        writeln!(out, "{n_connections:11} | {place:27.2} | {submit:6.2} | {idle:25.2} | {bytes:20}")?;
    }
    Ok(())
}

/// Seconds to submit, place and answer one job while every other connection is free.
fn idle_seconds(n_connections: usize) -> io::Result<f64> {
    let mut fleet = Fleet::new(n_connections);
    for _ in 0..3 * n_connections {
        fleet.submit();
    }
    fleet.drain();
    while !fleet.running.is_empty() {
        fleet.now = fleet.now + Duration::from_millis(1);
        fleet.answer();
    }
    let started = cpu_seconds()?;
    for _ in 0..N_ROUNDS {
        fleet.submit();
        fleet.drain();
        fleet.now = fleet.now + Duration::from_millis(20);
        while !fleet.running.is_empty() {
            fleet.answer();
        }
    }
    Ok((cpu_seconds()? - started) / N_ROUNDS as f64)
}

/// Time that this thread has spent on a CPU, which other programs on the machine disturb less than the clock. Linux only.
fn cpu_seconds() -> io::Result<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = text.split_whitespace().next().and_then(|nanos| nanos.parse::<f64>().ok());
    nanos.map(|nanos| nanos / 1e9).ok_or_else(|| io::Error::other("schedstat has no number"))
}
