//! Sessions: what each launched browser was sent to do, and what its page reports back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, mpsc};
use wire::{BenchEvent, BenchPlan, Capabilities, FleetReport};

use crate::golden;
use crate::golden::compare::Check;

/// What a browser was sent to do.
#[derive(Debug, Clone)]
pub(crate) enum Errand {
    /// Say what works here.
    Doctor,
    /// Run the plan; one golden case for each of its cases.
    Bench {
        /// What the page asks for.
        plan: BenchPlan,
        /// Inputs and expected outputs, in the order of the plan.
        goldens: Vec<Arc<golden::Case>>,
    },
    /// Do what these commands say, which are frames.
    Fleet(Arc<AsyncMutex<mpsc::UnboundedReceiver<Vec<u8>>>>),
}

/// What a page reports.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Report {
    /// It asked for something or posted records: it is alive.
    Sign,
    /// It asked for the inputs of the case with this index in the plan, and so begins it.
    CaseBegun(usize),
    /// Progress, or the last word.
    Event(BenchEvent),
    /// Outputs arrived and were compared.
    Output {
        /// Index of the case in the plan.
        case: usize,
        /// `tabpool` or a peer.
        engine: String,
        /// The comparison.
        check: Check,
    },
    /// What the browser can do.
    Capabilities(Box<Capabilities>),
    /// What a page of a fleet says, and its buffers.
    Fleet(Box<FleetReport>, Vec<Vec<u8>>),
}

/// Every open session.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    open: Mutex<BTreeMap<String, Entry>>,
}

#[derive(Debug, Clone)]
struct Entry {
    errand: Arc<Errand>,
    reports: mpsc::UnboundedSender<Report>,
}

impl Sessions {
    /// Opens the session `id`; its page's reports arrive at the receiver.
    pub(crate) fn open(&self, id: &str, errand: Errand) -> mpsc::UnboundedReceiver<Report> {
        let (reports, receiver) = mpsc::unbounded_channel();
        self.lock().insert(id.to_owned(), Entry { errand: Arc::new(errand), reports });
        receiver
    }

    /// Forgets the session `id`; its page is refused from now on.
    pub(crate) fn close(&self, id: &str) {
        self.lock().remove(id);
    }

    /// The errand of the session `id`, counted as a sign of life.
    pub(super) fn errand(&self, id: &str) -> Option<Arc<Errand>> {
        self.touch(id);
        self.lock().get(id).map(|entry| Arc::clone(&entry.errand))
    }

    /// Passes a report on; false when nobody waits for it.
    pub(super) fn report(&self, id: &str, report: Report) -> bool {
        self.lock().get(id).is_some_and(|entry| entry.reports.send(report).is_ok())
    }

    /// Notes that the page of a session is alive. A page whose session is over does not matter any more.
    pub(super) fn touch(&self, id: &str) {
        self.report(id, Report::Sign);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        // Nothing panics while the map changes.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
