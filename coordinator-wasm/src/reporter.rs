//! Posts records and events to the agent, and goes on without it.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Array, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, Blob, BlobPropertyBag, EventTarget, Headers, RequestInit, Response};
use wire::{Fault, FaultCategory};

use crate::clock::{millis, now_micros};
use crate::deferred::spawn;
use crate::fault::describe;
use crate::guard::{Listener, Timer};
use crate::record_buffer::{Counts, Kind, RecordBuffer};
use crate::sys;

/// Longest wait for the agent's answer, milliseconds.
const POST_TIMEOUT_MILLIS: u32 = 10_000;
/// Browsers refuse beacons above 64 KiB; the batch's own JSON needs a little.
const BEACON_BYTES: usize = 60_000;

/// Called when the agent stopped answering (with the reason), answers again, or refused records.
pub(crate) type OnAgent = Box<dyn Fn(bool, Option<&Fault>)>;

/// The way of records to the agent.
pub(crate) struct Reporter {
    url: String,
    buffer: RefCell<RecordBuffer>,
    on_agent: OnAgent,
    timer: RefCell<Option<Timer>>,
    posting: RefCell<Option<Promise>>,
    pagehide: RefCell<Option<Listener>>,
}

/// How the agent took a batch.
enum Answer {
    Accepted,
    Refused(Fault),
    Unreachable(Fault),
}

impl Reporter {
    /// Posts to `<agent>/v1/metrics`, keeping at most `limit` records and as many events while that fails.
    pub(crate) fn new(agent: &str, limit: usize, on_agent: OnAgent) -> Rc<Self> {
        let reporter = Rc::new(Self {
            url: format!("{agent}/v1/metrics"),
            buffer: RefCell::new(RecordBuffer::new(limit)),
            on_agent,
            timer: RefCell::default(),
            posting: RefCell::default(),
            pagehide: RefCell::default(),
        });
        if let Ok(target) = js_sys::global().dyn_into::<EventTarget>() {
            let weak = Rc::downgrade(&reporter);
            let on_pagehide = move |_| {
                if let Some(reporter) = weak.upgrade() {
                    reporter.send_beacons();
                }
            };
            *reporter.pagehide.borrow_mut() = Some(Listener::new(&target, "pagehide", on_pagehide));
        }
        reporter
    }

    /// Takes a record or event as JSON; it is posted soon.
    pub(crate) fn push(self: &Rc<Self>, kind: Kind, json: String) {
        self.buffer.borrow_mut().push(now_micros(), kind, json);
        self.arm();
    }

    /// Posts what waits, until nothing does or the agent fails to answer; gives the number of records and events left.
    pub(crate) async fn flush(self: &Rc<Self>) -> usize {
        loop {
            let posting = self.posting.borrow().clone();
            if let Some(posting) = posting {
                // Resolves whatever the answer was.
                drop(JsFuture::from(posting).await);
                if !self.buffer.borrow().is_agent_reachable() {
                    break;
                }
            } else {
                let Some(batch) = self.buffer.borrow_mut().take_batch() else { break };
                self.post(batch);
            }
        }
        self.buffer.borrow().n_pending()
    }

    /// Posts what it can, then stops for good; what is left counts as dropped.
    pub(crate) async fn close(self: &Rc<Self>) {
        self.flush().await;
        self.buffer.borrow_mut().give_up();
        *self.timer.borrow_mut() = None;
        *self.pagehide.borrow_mut() = None;
    }

    /// What became of the entries of a kind.
    pub(crate) fn counts(&self, kind: Kind) -> Counts {
        self.buffer.borrow().counts(kind)
    }

    /// Arms the one timer for the next batch.
    fn arm(self: &Rc<Self>) {
        let due = self.buffer.borrow().poll_timeout();
        let timer = due.map(|due| {
            let weak = Rc::downgrade(self);
            Timer::new(millis(due.saturating_sub(now_micros())).ceil(), move || {
                let Some(reporter) = weak.upgrade() else { return };
                let batch = reporter.buffer.borrow_mut().poll_batch(now_micros());
                match batch {
                    Some(batch) => reporter.post(batch),
                    None => reporter.arm(),
                }
            })
        });
        *self.timer.borrow_mut() = timer;
    }

    fn post(self: &Rc<Self>, batch: String) {
        let reporter = self.clone();
        let posting = spawn(async move {
            let answer = send(&reporter.url, &batch).await;
            reporter.on_answer(answer);
            Ok(JsValue::UNDEFINED)
        });
        // The future starts in a later microtask, so this is set before it is cleared.
        *self.posting.borrow_mut() = Some(posting);
    }

    fn on_answer(self: &Rc<Self>, answer: Answer) {
        let now = now_micros();
        *self.posting.borrow_mut() = None;
        let was_reachable = self.buffer.borrow().is_agent_reachable();
        match answer {
            Answer::Accepted => {
                self.buffer.borrow_mut().on_accepted(now);
                if !was_reachable {
                    (self.on_agent)(true, None);
                }
            }
            Answer::Refused(fault) => {
                self.buffer.borrow_mut().on_refused(now);
                (self.on_agent)(true, Some(&fault));
            }
            Answer::Unreachable(fault) => {
                self.buffer.borrow_mut().on_unreachable(now);
                if was_reachable {
                    (self.on_agent)(false, Some(&fault));
                }
            }
        }
        self.arm();
    }

    /// Hands what waits to the browser for delivery after the page is gone. The agent recognises records it has already.
    fn send_beacons(&self) {
        let Some(navigator) = sys::NAVIGATOR.with(Clone::clone) else { return };
        loop {
            let (body, n_entries) = self.buffer.borrow().last_message(BEACON_BYTES);
            if n_entries == 0 {
                return;
            }
            let options = BlobPropertyBag::new();
            options.set_type("application/json");
            let parts = Array::of1(&body.into());
            let Ok(blob) = Blob::new_with_str_sequence_and_options(&parts, &options) else { return };
            if !navigator.send_beacon(&self.url, &blob).unwrap_or(false) {
                return;
            }
            self.buffer.borrow_mut().on_handed_over(n_entries);
        }
    }
}

/// One request, and what its answer means for the batch.
async fn send(url: &str, batch: &str) -> Answer {
    let unreachable = |reason: &str| {
        let message = format!("posting records to {url} failed: {reason}");
        let fault = Fault::new(FaultCategory::ConnectionLost, "agent-unreachable", message);
        Answer::Unreachable(
            fault.with_hint("start the agent with `tabpool serve`; records are kept meanwhile"),
        )
    };
    match post(url, batch).await {
        Err(thrown) => unreachable(&describe(&thrown)),
        Ok(response) if response.ok() => Answer::Accepted,
        Ok(response) => match response.status() {
            status @ (400 | 413 | 415 | 422) => {
                let message = format!("the agent refused records: HTTP status {status}");
                let fault = Fault::new(FaultCategory::Internal, "records-refused", message);
                Answer::Refused(
                    fault.with_hint("page and agent may be of different versions; reload the page"),
                )
            }
            status => unreachable(&format!("HTTP status {status}")),
        },
    }
}

async fn post(url: &str, body: &str) -> Result<Response, JsValue> {
    let headers = Headers::new()?;
    headers.set("Content-Type", "application/json")?;
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_headers(&headers);
    init.set_body(&JsValue::from_str(body));
    init.set_signal(Some(&AbortSignal::timeout_with_u32(POST_TIMEOUT_MILLIS)));
    JsFuture::from(sys::fetch(url, &init)?).await?.dyn_into()
}
