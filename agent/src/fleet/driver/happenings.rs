//! What happened, for the job's owner and for the history: ends of jobs, rows of runs, events.

use std::cmp::Ordering;
use std::time::Duration;

use pool::{
    CallKind, Called, ConnectionId, ConnectionState, Event, Job, JobEnd, JobId, ScaleReason, Timestamp,
};
use wire::translate::{to_wire_backend, to_wire_event};
use wire::{EventRecord, EventSource, Fault, FaultCategory};

use super::answers::BATCH;
use super::{Call, Driver, Host, Ran};
use crate::fleet::output::Finished;
use crate::fleet::record::{Try, run_record};
use crate::fleet::translate::{failure, undescribed};
use crate::output::quantity;

impl<H: Host> Driver<H> {
    pub(super) fn on_event(&mut self, now: Timestamp, event: Event) {
        match &event {
            Event::Called(called) => self.on_called(now, called),
            Event::Connection { connection, to, .. } => self.on_connection(now, *connection, *to),
            Event::RootCause(cause) => self.said.warnings.push(cause.to_string()),
            Event::Scaled { from, to, reason, n_queued, queue_delay, memory_ratio, utilization: _ } => {
                let (said, is_warning) = resized(*from, *to, *reason, *n_queued, *queue_delay, *memory_ratio);
                (if is_warning { &mut self.said.warnings } else { &mut self.said.notes }).extend(said);
            }
            Event::Placed { .. }
            | Event::Ended { .. }
            | Event::Refused { .. }
            | Event::Breaker { .. }
            | Event::ModelBreaker { .. }
            | Event::BreakerMode { .. }
            | Event::Unloaded { .. }
            | Event::Recovering { .. }
            | Event::Recovered { .. }
            | Event::Incident { .. }
            | Event::Quarantined { .. } => {}
        }
        if !self.sampler.keeps(now, &event) {
            return;
        }
        let Some((connection, event)) = to_wire_event(&event, |_| self.subject.id.clone()) else { return };
        let of =
            |connection| self.members.get(&ConnectionId(connection)).map(|member| member.browser.clone());
        self.said.events.push(EventRecord {
            id: format!("{}-fleet-{}", self.setup.campaign, self.n_events),
            session: None,
            at_unix_micros: self.unix_micros(now),
            source: EventSource::Fleet,
            browser: connection.and_then(of).unwrap_or_default(),
            connection,
            event,
        });
        self.n_events += 1;
    }

    /// A browser that is gone, or back, is news. One that is open gets the model at once: the pool sees only the few jobs
    /// that were read, for which another load may not seem worth its time.
    fn on_connection(&mut self, now: Timestamp, id: ConnectionId, to: ConnectionState) {
        if to == ConnectionState::Ready {
            let load = Job { is_load_only: true, pinned: Some(id), ..Job::new(self.model) };
            // Without room for it, the first of the waiting jobs has it loaded.
            self.pool.submit(now, load).ok();
        }
        let Some(member) = self.members.get(&id) else { return };
        let name = format!("{} {}", member.browser.name, id.0);
        match (to, &member.last_fault) {
            (ConnectionState::Waiting, Some(fault)) => {
                self.said.warnings.push(format!("{name} is opened again: {fault}"));
            }
            (ConnectionState::Ready, Some(_)) => self.said.warnings.push(format!("{name} is back")),
            (
                ConnectionState::Waiting
                | ConnectionState::Opening
                | ConnectionState::Ready
                | ConnectionState::Draining
                | ConnectionState::Closed,
                _,
            ) => {}
        }
    }

    fn on_called(&mut self, now: Timestamp, called: &Called) {
        let Some(mut call) = self.calls.remove(&called.call) else { return };
        let described = call.fault.take();
        let fault =
            called.fault.map(|category| described.unwrap_or_else(|| undescribed(category, called.kind)));
        if matches!(called.kind, CallKind::Open | CallKind::Ping)
            && fault.is_some()
            && let Some(member) = self.members.get_mut(&called.connection)
        {
            member.last_fault.clone_from(&fault);
            // A page that does not answer cannot start workers either: the next opening is a new launch.
            member.is_running = false;
        }
        if called.kind == CallKind::Open {
            let is_open = fault.is_none() || self.pool.stats().n_ready > 0;
            let n_before = self.failed_opens.as_ref().map_or(0, |(n, _)| *n);
            self.failed_opens = fault.clone().filter(|_| !is_open).map(|fault| (n_before + 1, fault));
        }
        if called.kind == CallKind::Run {
            self.on_run_called(now, called, &call, fault.as_ref());
        }
        for job in &called.jobs {
            if let Some(task) = self.tasks.get_mut(job) {
                task.fault.clone_from(&fault);
            }
        }
    }

    /// A try ended: each of its jobs has a row of its own.
    fn on_run_called(&mut self, now: Timestamp, called: &Called, call: &Call, fault: Option<&Fault>) {
        // What the pool itself takes back is nobody's fault. A model that cannot run batches is not, either: its jobs run alone next.
        let is_blamed = |fault: &Fault| fault.category != FaultCategory::Cancelled && fault.code != BATCH;
        let ran = call.ran.as_ref();
        if let (Some(member), true) = (self.members.get_mut(&called.connection), fault.is_none_or(is_blamed))
        {
            let warm = ran.filter(|ran| ran.cold.is_none()).and_then(|ran| ran.phases.run_micros);
            member.tally.note(call.jobs.len(), fault.is_none(), warm);
        }
        let Some(member) = self.members.get(&called.connection) else { return };
        let unknown = Ran::default();
        for task in called.jobs.iter().filter_map(|job| self.tasks.get(job)) {
            let attempt = Try {
                id: format!("{}/{}/{}", member.session, called.call, task.index),
                session: &member.session,
                n_jobs: call.jobs.len(),
                browser: &member.browser,
                backend_detail: call.backend.and_then(|backend| member.backend_details.get(&backend)),
                adapter: member.capabilities.as_ref().and_then(|capabilities| capabilities.adapter.as_ref()),
                connection: called.connection.0,
                number: called.attempt,
                backend: call.backend.map_or(wire::Backend::Wasm, to_wire_backend),
                shapes: &task.input.shapes,
                queued: called.queued,
                since_submitted: now.since(task.submitted),
                ran: ran.unwrap_or(&unknown),
                fault,
            };
            let record = run_record(&self.subject, attempt, self.unix_micros(task.submitted));
            self.said.records.push(record);
        }
    }

    /// A job ended: its line is written.
    pub(super) fn finish(&mut self, now: Timestamp, job: JobId, end: &JobEnd) {
        let Some(mut task) = self.tasks.remove(&job) else { return };
        let mut fault = failure(end, task.fault.take());
        let output = match *end {
            JobEnd::Completed { call, .. } => task.output.take().filter(|(of, _)| *of == call),
            JobEnd::Loaded { .. } | JobEnd::Failed { .. } | JobEnd::Cancelled => None,
        };
        if let (None, None) = (&fault, &output) {
            fault = Some(Fault::new(FaultCategory::Internal, "no-output", "the run gave no output"));
        }
        if fault.as_ref().is_some_and(|fault| fault.category == FaultCategory::Cancelled) {
            fault = Some(self.stopped_by.clone());
            self.counts.n_cancelled += 1;
        } else {
            match &fault {
                None => self.counts.n_ok += 1,
                Some(fault) => self.note_failure(task.index, fault),
            }
        }
        let place = task.place.map(|(id, backend)| {
            (self.members.get(&id).map(|member| member.browser.name.clone()), to_wire_backend(backend))
        });
        let output = output.map(|(_, output)| output);
        let run_micros = output.as_ref().and_then(|output| output.run_micros);
        let batch = output.as_ref().map(|output| output.n_jobs).filter(|&n_jobs| n_jobs > 1);
        let (result, outputs) = output.map(|output| (output.result, output.tensors)).unwrap_or_default();
        self.said.finished.push(Finished {
            index: task.index,
            ok: fault.is_none(),
            result,
            outputs,
            fault,
            browser: place.as_ref().and_then(|(browser, _)| browser.clone()),
            backend: place.map(|(_, backend)| backend),
            attempts: task.n_attempts,
            run_micros,
            batch,
            total_micros: now.since(task.submitted).as_micros() as u64,
        });
    }
}

/// What is said of a change of the fleet's size, and whether it is a warning.
fn resized(
    from: u32,
    to: u32,
    reason: ScaleReason,
    n_queued: usize,
    queue_delay: Duration,
    memory_ratio: f64,
) -> (Option<String>, bool) {
    let does = match to.cmp(&from) {
        Ordering::Greater => format!("opens browser {to}"),
        Ordering::Less => format!("closes one of {from} browsers"),
        Ordering::Equal => "unloads models".to_owned(),
    };
    let why = match reason {
        // Those that were asked for.
        ScaleReason::Minimum => return (None, false),
        ScaleReason::Maximum => "there are more than there may be".to_owned(),
        ScaleReason::Utilization => format!("all are busy, and {} wait", quantity::plural(n_queued, "job")),
        ScaleReason::QueueDelay => {
            let delay = quantity::micros(queue_delay.as_micros() as f64);
            format!("the {} that wait would take {delay}", quantity::plural(n_queued, "job"))
        }
        ScaleReason::Idle => "there is little to do".to_owned(),
        ScaleReason::Memory => format!("they hold {} of the memory limit", quantity::percent(memory_ratio)),
    };
    (Some(format!("{does}: {why}")), reason == ScaleReason::Memory)
}
