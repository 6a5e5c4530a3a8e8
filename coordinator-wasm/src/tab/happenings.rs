//! What happened, told to the page: ends of jobs, records of runs, events.

use pool::{CallId, CallKind, Called, Event, JobEnd, JobId, ModelId, Record, micros};
use wasm_bindgen::prelude::*;
use wire::{EventSource, Fault, FaultCategory, PoolEvent};

use super::actions::NOT_STACKABLE;
use super::{Owner, Run, Tab, Try};
use crate::auto::Verdict;
use crate::clock::{millis, now_micros, unix_micros};
use crate::object::{object, set, to_json};
use crate::plain::{from_browser, from_event, from_fault, time};
use crate::record_buffer::Kind;
use crate::run_record::{Origin, run_record};
use crate::translate::{failure, to_wire_event, undescribed, without_details};
use crate::unique_id::unique_id;

/// Latest successful runs of a model that its median comes from.
const N_LATENCIES_KEPT: usize = 256;

impl Tab {
    pub(super) fn on_record(&mut self, Record { at, event }: Record) {
        if self.sampler.keeps(at, &event)
            && let Some((connection, event)) = to_wire_event(&event, |id| self.model_name(id))
        {
            self.report_event(connection, event);
        }
        // A heartbeat teaches nothing that is kept.
        let is_ping = matches!(&event, Event::Called(called) if called.kind == CallKind::Ping);
        if !is_ping && matches!(event, Event::Called(_) | Event::Breaker { .. } | Event::Recovered { .. }) {
            self.save_soon();
        }
        match event {
            Event::Called(called) => self.on_called(&called),
            Event::Connection { connection, to, cause } => {
                let reason = cause.map_or("", pool::FaultCategory::as_str);
                self.tell(
                    "state",
                    object(&[
                        ("connection", connection.0.into()),
                        ("state", to.as_str().into()),
                        ("reason", reason.into()),
                    ]),
                );
            }
            Event::Scaled { from, to, reason, .. } => {
                self.tell(
                    "scale",
                    object(&[("from", from.into()), ("to", to.into()), ("reason", reason.as_str().into())]),
                );
            }
            Event::Breaker { connection, component, transition, health } => {
                self.tell(
                    "breaker",
                    object(&[
                        ("connection", connection.0.into()),
                        ("component", component.as_str().into()),
                        ("from", transition.from.as_str().into()),
                        ("to", transition.to.as_str().into()),
                        ("health", health.into()),
                    ]),
                );
            }
            // These have no event of their own in the page beside `event`.
            Event::Placed { .. }
            | Event::Ended { .. }
            | Event::Refused { .. }
            | Event::ModelBreaker { .. }
            | Event::BreakerMode { .. }
            | Event::Unloaded { .. }
            | Event::Recovering { .. }
            | Event::Recovered { .. }
            | Event::Incident { .. }
            | Event::RootCause(_)
            | Event::Quarantined { .. } => {}
        }
    }

    fn on_called(&mut self, called: &Called) {
        self.calls.remove(called.call);
        let fault = called.fault.map(|category| self.described(called.call, category, called.kind));
        let is_run = called.kind == CallKind::Run;
        // What the pool itself takes back, because it closes, is nobody's fault.
        let is_fault = called.fault.is_some_and(|category| category != pool::FaultCategory::Cancelled);
        if let Some(connection) = self.connections.get_mut(called.connection) {
            if connection.running.is_some_and(|(call, _, _)| call == called.call) {
                connection.running = None;
            }
            connection.n_faults += u32::from(is_fault);
            connection.n_runs += u32::from(is_run && fault.is_none());
        }
        if fault.is_some() {
            self.identify_inputs(&called.jobs);
        }
        if is_run {
            self.on_run_called(called, fault.as_ref());
        }
        if called.kind == CallKind::Open {
            self.on_opened(fault.as_ref());
        }
        if let Some(fault) = fault.filter(|_| is_fault) {
            let model = called.model.and_then(|model| self.models.get(model));
            let model = model.map_or(JsValue::NULL, |model| model.id.as_str().into());
            self.tell(
                "fault",
                object(&[
                    ("fault", from_fault(&fault)),
                    ("connection", called.connection.0.into()),
                    ("model", model),
                ]),
            );
        }
    }

    /// The call's fault in its source's words; what the pool found out by itself is described and kept.
    fn described(&mut self, call: CallId, category: pool::FaultCategory, kind: CallKind) -> Fault {
        self.fault_of(call).unwrap_or_else(|| {
            let fault = undescribed(category, kind);
            self.note_fault(call, fault.clone());
            fault
        })
    }

    /// Jobs whose call failed may turn out to be what breaks workers, which takes a second worker: the pool is told their
    /// inputs now.
    fn identify_inputs(&mut self, jobs: &[JobId]) {
        for &job in jobs {
            if let Some(Owner::Run(run)) = self.jobs.get(job)
                && !run.inputs.are_gone()
            {
                self.machine.set_fingerprint(job, run.inputs.fingerprint());
            }
        }
    }

    fn on_run_called(&mut self, called: &Called, fault: Option<&Fault>) {
        for job in &called.jobs {
            let Some(Owner::Run(run)) = self.jobs.get_mut(*job) else { continue };
            if let Some(try_) = run.tries.iter_mut().find(|try_| try_.call == called.call) {
                try_.attempt.queue_micros = Some(micros(called.queued));
                try_.fault = fault.cloned();
            }
        }
        if let (Some(model), Some(fault)) = (called.model.and_then(|id| self.models.get_mut(id)), fault)
            && fault.code == NOT_STACKABLE
        {
            model.is_batchable = Some(false);
        }
    }

    /// A first start ended: `createPool` waits for one that succeeds, or for the last that fails.
    fn on_opened(&mut self, fault: Option<&Fault>) {
        let Some(mut starting) = self.starting.take() else { return };
        match fault {
            None => starting.deferred.resolve(&JsValue::UNDEFINED),
            Some(fault) => {
                starting.n_left = starting.n_left.saturating_sub(1);
                if starting.n_left == 0 {
                    starting.deferred.reject(fault, None);
                } else {
                    self.starting = Some(starting);
                }
            }
        }
    }

    /// Another try begins: those that failed have rows of their own.
    pub(super) fn report_failed_tries(&mut self, job: JobId) {
        let Some(Owner::Run(run)) = self.jobs.get_mut(job) else { return };
        let (failed, others) = core::mem::take(&mut run.tries).into_iter().partition(|t| t.fault.is_some());
        run.tries = others;
        let records = failed_records(&self.origin, run, failed);
        for record in records {
            self.report(Kind::Run, "record", record);
        }
    }

    /// A job ended: its owner is told.
    pub(super) fn finish(&mut self, job: JobId, end: &JobEnd) {
        match self.jobs.remove(job) {
            Some(Owner::Load { deferred, .. }) => {
                let fault = failure(end, self.last_fault(end));
                match fault {
                    None => deferred.resolve(&JsValue::UNDEFINED),
                    Some(fault) => deferred.reject(&fault, None),
                }
            }
            Some(Owner::Run(run)) => self.finish_run(*run, end),
            None => {}
        }
    }

    fn finish_run(&mut self, mut run: Run, end: &JobEnd) {
        let total_micros = now_micros() - run.submitted_micros;
        let fault = failure(end, self.last_fault(end));
        let mut tries = core::mem::take(&mut run.tries);
        let deciding = match *end {
            JobEnd::Completed { call, .. } => Some(call),
            JobEnd::Failed { call, .. } => call,
            JobEnd::Loaded { .. } | JobEnd::Cancelled => None,
        };
        let last = tries.iter().position(|t| Some(t.call) == deciding).or(tries.len().checked_sub(1));
        let last = last.map(|last| tries.remove(last));
        let (attempt, output) = last.map(|last| (last.attempt, last.output)).unwrap_or_default();
        for record in failed_records(&self.origin, &run, tries) {
            self.report(Kind::Run, "record", record);
        }
        if let Some(model) = self.models.get_mut(run.model) {
            model.n_runs += u32::from(fault.is_none());
            model.n_faults += u32::from(fault.is_some());
            if fault.is_none() {
                if model.latencies.len() == N_LATENCIES_KEPT {
                    model.latencies.pop_front();
                }
                model.latencies.push_back(millis(total_micros));
            }
        }
        let record = run_record(&self.origin, &run.subject, &attempt, total_micros, fault.as_ref());
        self.report(Kind::Run, "record", record.clone());
        if let (None, Some(output)) = (&fault, &output) {
            self.learn_golden(&run, end, output);
        }
        match (fault, output) {
            (Some(fault), _) => {
                let reason = run.signal.filter(web_sys::AbortSignal::aborted).map(|signal| signal.reason());
                run.deferred.reject(&fault, reason.as_ref());
            }
            (None, Some(output)) => {
                set(&output, "record", &record);
                run.deferred.resolve(&output);
            }
            (None, None) => run.deferred.reject(&without_details(pool::FaultCategory::Internal), None),
        }
        self.drop_unused_model(run.model);
    }

    fn last_fault(&self, end: &JobEnd) -> Option<Fault> {
        match end {
            JobEnd::Failed { call: Some(call), .. } => self.fault_of(*call),
            JobEnd::Failed { call: None, .. }
            | JobEnd::Completed { .. }
            | JobEnd::Loaded { .. }
            | JobEnd::Cancelled => None,
        }
    }

    /// Backends were compared for a model: it keeps those that agree, and stays loaded on the best.
    pub(crate) fn take_verdict(&mut self, id: ModelId, verdict: &Verdict) {
        self.restrict_model(id, &[verdict.best]);
        self.restrict_model(id, &verdict.right);
        let model = self.model_name(id);
        let (backend, sentence) = (verdict.best, verdict.sentence.clone());
        self.report_event(None, PoolEvent::BackendChosen { model, backend, sentence });
    }

    fn model_name(&self, id: ModelId) -> String {
        self.models.get(id).map_or_else(String::new, |model| model.id.clone())
    }

    fn report_event(&mut self, connection: Option<u32>, event: PoolEvent) {
        let record = object(&[
            ("id", unique_id().into()),
            ("session", self.origin.session.as_deref().map_or(JsValue::NULL, JsValue::from)),
            ("at_unix_micros", time(unix_micros())),
            ("source", EventSource::Page.as_str().into()),
            ("browser", from_browser(&self.origin.browser)),
            ("connection", connection.map_or(JsValue::UNDEFINED, JsValue::from)),
            ("event", from_event(&event)),
        ]);
        self.report(Kind::Event, "event", record);
    }

    /// Gives a [`wire::RunRecord`] or [`wire::EventRecord`] to listeners and to the agent.
    fn report(&mut self, kind: Kind, listeners: &'static str, record: JsValue) {
        if let Some(reporter) = &self.reporter {
            // Records hold nothing that JSON cannot.
            reporter.push(kind, to_json(&record).unwrap_or_default());
        }
        self.tell(listeners, record);
    }
}

/// The rows of tries that did not end their job. One that was overtaken and called off did not fail.
fn failed_records(origin: &Origin, run: &Run, tries: Vec<Try>) -> Vec<JsValue> {
    let faults = tries.into_iter().filter_map(|t| Some((t.attempt, t.fault?)));
    faults
        .filter(|(_, fault)| fault.category != FaultCategory::Cancelled)
        .map(|(attempt, fault)| {
            let total_micros = now_micros() - run.submitted_micros;
            run_record(origin, &run.subject, &attempt, total_micros, Some(&fault))
        })
        .collect()
}
