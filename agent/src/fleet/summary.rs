//! What a run came to: jobs, throughput, and how each browser did.

use pool::{BreakerState, Component, Timestamp};
use serde::Serialize;
use stats::Sample;

use crate::commands::dash;
use crate::fleet::driver::{Counts, Driver, Failure, Host};
use crate::output::table::{Column, Tone};
use crate::output::{Printer, Table, quantity};

/// Kinds of failure that a person is shown; the others are in the output.
const SHOWN_FAILURES: usize = 5;

/// The figures of a run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Summary {
    n_jobs: u64,
    n_ok: u64,
    n_failed: u64,
    n_cancelled: u64,
    n_retries: u64,
    seconds: f64,
    jobs_per_second: f64,
    /// Why jobs failed, most frequent first.
    failures: Vec<Failure>,
    browsers: Vec<BrowserLine>,
}

/// The figures of one browser.
#[derive(Debug, Clone, Serialize)]
struct BrowserLine {
    connection: u32,
    browser: String,
    version: String,
    n_ok: u64,
    n_failed: u64,
    /// Median of the time that a worker computed for a job.
    median_micros: Option<f64>,
    /// The most that its processes held, bytes; `None` where nobody measures them.
    peak_memory_bytes: Option<u64>,
    /// 0–100.
    health: f64,
    /// State of the connection, e.g. `ready`.
    state: &'static str,
    /// Components whose breaker is not closed, with its state.
    breakers: Vec<String>,
    /// Launches after the first.
    n_restarts: u32,
}

impl Summary {
    /// Puts the figures together; the run began at [`Timestamp::ZERO`] and ends now.
    pub(crate) fn new<H: Host>(driver: &mut Driver<H>, now: Timestamp) -> Self {
        let counts @ Counts { n_ok, n_failed, n_cancelled } = driver.counts();
        let seconds = now.since(Timestamp::ZERO).as_secs_f64();
        Self {
            n_jobs: counts.n_ended(),
            n_ok,
            n_failed,
            n_cancelled,
            n_retries: driver.n_retries(),
            seconds,
            jobs_per_second: n_ok as f64 / seconds.max(1e-6),
            failures: driver.failures().into_iter().cloned().collect(),
            browsers: lines(driver, now),
        }
    }

    /// Whether every job has a result.
    pub(crate) fn is_good(&self) -> bool {
        self.n_failed + self.n_cancelled == 0
    }

    /// The figures as a person reads them.
    pub(crate) fn render(&self, printer: &Printer) -> String {
        let mut table = Table::new(
            printer,
            &[
                Column::left("browser"),
                Column::right("jobs"),
                Column::right("failed tries"),
                Column::right("per job"),
                Column::right("memory").optional(1),
                Column::right("health").optional(2),
                Column::left("state"),
                Column::right("restarts"),
            ],
        );
        for line in &self.browsers {
            let bad = |n: u64| if n > 0 { Tone::Bad } else { Tone::Faint };
            let state = [&[line.state.to_owned()], line.breakers.as_slice()].concat().join(", ");
            let is_well = line.state == "ready" && line.breakers.is_empty();
            let browser = quantity::browser(&line.browser, &line.version);
            table.row([
                (format!("{} {browser}", line.connection), Tone::Plain),
                (line.n_ok.to_string(), Tone::Plain),
                (line.n_failed.to_string(), bad(line.n_failed)),
                (line.median_micros.map_or_else(dash, quantity::micros), Tone::Plain),
                (line.peak_memory_bytes.map_or_else(dash, quantity::bytes), Tone::Plain),
                (format!("{:.0}", line.health), Tone::Plain),
                (state, if is_well { Tone::Good } else { Tone::Bad }),
                (line.n_restarts.to_string(), bad(line.n_restarts.into())),
            ]);
        }
        let mut text = format!("{}\n\n{}", table.render(), self.sentence());
        for Failure { n, index, fault } in self.failures.iter().take(SHOWN_FAILURES) {
            let line = format!("line {}: ", index + 1);
            let message = fault.message.strip_prefix(&line).unwrap_or(&fault.message);
            text += &format!("\n  {n} × {}, first in {line}{message}", fault.code);
        }
        text
    }

    /// The next thing to try for the most frequent failure.
    pub(crate) fn hint(&self) -> Option<&str> {
        self.failures.first()?.fault.hint.as_deref()
    }

    /// E.g. `40 jobs in 3.20 s (12.5 per second): 38 ok, 1 failed, 1 cancelled, 3 retries`.
    fn sentence(&self) -> String {
        let jobs = quantity::plural(self.n_jobs as usize, "job");
        let mut parts = vec![format!("{} ok", self.n_ok)];
        let others = [(self.n_failed, "failed"), (self.n_cancelled, "cancelled")];
        parts.extend(others.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")));
        if self.n_retries > 0 {
            let tries = if self.n_retries == 1 { "retry" } else { "retries" };
            parts.push(format!("{} {tries}", self.n_retries));
        }
        let rate = quantity::significant(self.jobs_per_second);
        format!(
            "{jobs} in {} ({rate} per second): {}",
            quantity::micros(1e6 * self.seconds),
            parts.join(", ")
        )
    }
}

fn lines<H: Host>(driver: &mut Driver<H>, now: Timestamp) -> Vec<BrowserLine> {
    let (members, pool) = driver.members_and_pool();
    let lines = members.iter().map(|(&id, member)| {
        let connection = pool.connection(id);
        let breakers = Component::ALL.iter().filter_map(|&component| {
            let state = connection?.breaker(component).state();
            (state != BreakerState::Closed)
                .then(|| format!("{component} {}", state.to_string().replace('_', "-")))
        });
        let breakers = breakers.collect();
        let state = connection.map_or("closed", |connection| connection.state().as_str());
        let latencies: Vec<f64> = member.tally.micros_per_job.iter().copied().collect();
        BrowserLine {
            connection: id.0,
            browser: member.browser.name.clone(),
            version: member.browser.version.clone(),
            n_ok: member.tally.n_ok,
            n_failed: member.tally.n_failed,
            median_micros: Sample::new(&latencies).ok().map(|sample| sample.median()),
            peak_memory_bytes: Some(member.peak_bytes).filter(|&bytes| bytes > 0),
            health: pool.health(now, id),
            state,
            breakers,
            n_restarts: member.launch.saturating_sub(1),
        }
    });
    lines.collect()
}
