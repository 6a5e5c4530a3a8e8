//! The loop around the driver: lines in, results out, rows for the history, and the clock.

use std::fs::File;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use indicatif::ProgressBar;
use pool::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep_until;

use crate::exit::Failure;
use crate::fleet::driver::{Driver, Happening, Host, Said};
use crate::fleet::input::Line;
use crate::fleet::output::Finished;
use crate::host::now_unix_micros;
use crate::output::{Printer, quantity};
use crate::store::Store;

/// Rows that are stored together at most, and how long the first of them waits.
const ROWS_AT_ONCE: usize = 64;
const STORE_INTERVAL: Duration = Duration::from_secs(1);

/// How a batch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Every line of the input was done.
    Complete,
    /// Somebody stopped the agent.
    Interrupted,
}

/// One run of the loop.
pub(crate) struct Batch<'a> {
    store: &'a Store,
    printer: &'a Printer,
    /// None: standard output.
    output: Option<File>,
    /// Shows progress.
    pub(crate) bar: ProgressBar,
    started: Instant,
    /// When the first job ended.
    first_ended: Option<Instant>,
    /// Rows that wait to be stored.
    unstored: Said,
    /// When rows were stored last.
    stored: Instant,
}

impl<'a> Batch<'a> {
    /// A batch whose clock starts now. Results go to `output`, or to standard output.
    pub(crate) fn new(
        store: &'a Store,
        printer: &'a Printer,
        output: Option<File>,
        bar: ProgressBar,
    ) -> Self {
        let started = Instant::now();
        let unstored = Said::default();
        Self { store, printer, output, bar, started, first_ended: None, unstored, stored: started }
    }

    /// Runs until every job has ended, or the run is stopped.
    ///
    /// # Errors
    /// The input cannot be read, the output cannot be written, or no browser can be opened.
    pub(crate) async fn run<H: Host>(
        &mut self,
        driver: &mut Driver<H>,
        mut lines: mpsc::Receiver<io::Result<Line>>,
        mut happenings: mpsc::UnboundedReceiver<Happening>,
        mut interrupt: watch::Receiver<bool>,
    ) -> anyhow::Result<Outcome> {
        let mut waiting: Option<Line> = None;
        let mut is_exhausted = false;
        let mut outcome = Outcome::Complete;
        driver.start(self.now());
        loop {
            if let Some(line) = waiting.take() {
                waiting = driver.submit(self.now(), line);
            }
            let said = driver.take_said();
            self.pass_on(said)?;
            self.show(driver);
            if is_exhausted && waiting.is_none() && driver.n_jobs() == 0 {
                return Ok(outcome);
            }
            if let Some(fault) = driver.hopeless().cloned() {
                driver.stop(self.now(), Some(fault.clone()));
                let said = driver.take_said();
                self.pass_on(said)?;
                let mut failure = Failure::environment(format!("no browser can be opened: {fault}"));
                failure.hint = fault.hint.or(Some("`tabpool doctor` says what works here".to_owned()));
                return Err(failure.into());
            }
            let may_read = !is_exhausted && waiting.is_none() && driver.has_room();
            tokio::select! {
                biased;
                _ = interrupt.wait_for(|stopped| *stopped), if outcome == Outcome::Complete => {
                    outcome = Outcome::Interrupted;
                    is_exhausted = true;
                    // It was read, but nothing began: like the lines behind it, it has no result.
                    waiting = None;
                    driver.stop(self.now(), None);
                }
                happening = happenings.recv() => {
                    if let Some(happening) = happening {
                        driver.on_happening(self.now(), happening);
                    }
                }
                () = sleep_until(self.due(driver).into()) => driver.on_time(self.now()),
                line = lines.recv(), if may_read => match line {
                    Some(line) => waiting = driver.submit(self.now(), line.context("cannot read the input")?),
                    None => is_exhausted = true,
                },
            }
        }
    }

    /// The pool's clock.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.started.elapsed().as_micros() as u64)
    }

    fn due(&self, driver: &Driver<impl Host>) -> Instant {
        // A pool that waits for nothing is looked at again when something happens, or in a while.
        let latest = Instant::now() + Duration::from_secs(60);
        driver.next_due().map_or(latest, |due| (self.started + due.since(Timestamp::ZERO)).min(latest))
    }

    /// Writes results, says what a person should know, and keeps rows for the history.
    ///
    /// # Errors
    /// The output cannot be written.
    pub(crate) fn pass_on(&mut self, said: Said) -> anyhow::Result<()> {
        for warning in &said.warnings {
            self.printer.warning(warning);
        }
        for note in &said.notes {
            self.printer.note(note);
        }
        for finished in &said.finished {
            self.write(finished)?;
        }
        self.unstored.records.extend(said.records);
        self.unstored.events.extend(said.events);
        let n_rows = self.unstored.records.len() + self.unstored.events.len();
        if n_rows >= ROWS_AT_ONCE || (n_rows > 0 && self.stored.elapsed() >= STORE_INTERVAL) {
            self.store();
        }
        Ok(())
    }

    fn write(&mut self, finished: &Finished) -> anyhow::Result<()> {
        self.bar.inc(1);
        self.first_ended.get_or_insert_with(Instant::now);
        let Some(file) = &mut self.output else {
            self.printer.document(finished)?;
            return Ok(());
        };
        let mut line = serde_json::to_vec(finished)?;
        line.push(b'\n');
        file.write_all(&line).context(Failure::environment("cannot write the output"))
    }

    /// Results matter more than the history of how they were made: a history that cannot be written costs a warning.
    pub(crate) fn store(&mut self) {
        let Said { records, events, .. } = std::mem::take(&mut self.unstored);
        let store = self.store;
        self.stored = Instant::now();
        let now = now_unix_micros();
        let stored = store.insert(&records, now).and_then(|_| store.insert_events(&events, now));
        if let Err(error) = stored {
            self.printer.warning(&format!("cannot write to {}: {error}", store.path().display()));
        }
    }

    fn show(&self, driver: &Driver<impl Host>) {
        let ended = driver.counts().n_ended();
        let known = ended + driver.n_jobs() as u64;
        if self.bar.length().is_none_or(|length| length < known) {
            self.bar.set_length(known);
        }
        let (n_ready, n_all) = driver.n_browsers();
        let failed = driver.counts().n_failed;
        let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
        let rate = match self.first_ended {
            Some(first) if ended > 0 => {
                let rate = ended as f64 / first.elapsed().as_secs_f64().max(1.0);
                format!(", {} jobs/s", quantity::significant(rate))
            }
            Some(_) | None => String::new(),
        };
        let browsers = quantity::plural(n_all, "browser");
        self.bar.set_message(format!("{n_ready} of {browsers} ready{rate}{failed}"));
    }
}
