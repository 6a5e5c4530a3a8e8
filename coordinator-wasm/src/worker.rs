//! One engine worker: started, spoken to, and terminated on drop.

use std::cell::Cell;
use std::rc::Rc;

use js_sys::{Array, ArrayBuffer};
use wasm_bindgen::prelude::*;
use web_sys::{ErrorEvent, Event, EventTarget, MessageEvent, Worker, WorkerOptions, WorkerType};
use wire::{Fault, FaultCategory};

use crate::fault::describe;
use crate::guard::Listener;
use crate::object::{object, property};
use crate::protocol::{Reply, Request, read_reply, request_header};

/// What a worker does on its own.
pub(crate) enum WorkerEvent {
    /// It answered, or said that it is ready or has trapped.
    Reply { request: u32, reply: Reply, buffers: Vec<ArrayBuffer> },
    /// It cannot be relied on any more.
    Lost(Fault),
}

/// A running worker.
pub(crate) struct EngineWorker {
    worker: Worker,
    _listeners: [Listener; 3],
}

impl EngineWorker {
    /// Starts the module script at `url`.
    ///
    /// # Errors
    /// `worker-blocked` when the browser refuses, e.g. a script of another origin.
    pub(crate) fn start(url: &str, on_event: impl Fn(WorkerEvent) + Clone + 'static) -> Result<Self, Fault> {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        let worker = Worker::new_with_options(url, &options).map_err(|thrown| {
            let message = format!("starting a worker from {url} failed: {}", describe(&thrown));
            Fault::new(FaultCategory::ConnectionLost, "worker-blocked", message).with_hint(
                "workerUrl must be of the page's own origin and allowed by its content security policy",
            )
        })?;
        let target: &EventTarget = &worker;
        let has_spoken = Rc::new(Cell::new(false));
        let (on_message, on_error, on_unreadable) = (on_event.clone(), on_event.clone(), on_event);
        let (speaks, script) = (has_spoken.clone(), url.to_owned());
        let listeners = [
            Listener::new(target, "message", move |event| {
                speaks.set(true);
                on_message(read(&event));
            }),
            Listener::new(target, "error", move |event| {
                event.prevent_default();
                on_error(WorkerEvent::Lost(crash(&event, &script, has_spoken.get())));
            }),
            Listener::new(target, "messageerror", move |_| {
                on_unreadable(WorkerEvent::Lost(protocol("a message could not be deserialised")));
            }),
        ];
        Ok(Self { worker, _listeners: listeners })
    }

    /// Sends a request; the buffers move to the worker.
    ///
    /// # Errors
    /// `worker-post` when a buffer cannot be moved.
    pub(crate) fn post(&self, id: u32, request: &Request<'_>, buffers: &[ArrayBuffer]) -> Result<(), Fault> {
        let header = request_header(id, request);
        let buffers: Array = buffers.iter().collect();
        let message = object(&[("header", header.into()), ("buffers", buffers.clone().into())]);
        self.worker.post_message_with_transfer(&message, &buffers).map_err(|thrown| {
            let message = format!("sending a request to a worker failed: {}", describe(&thrown));
            Fault::new(FaultCategory::Validation, "worker-post", message)
                .with_hint("an input's buffer may have been handed over before; make new arrays for each run")
        })
    }
}

impl Drop for EngineWorker {
    fn drop(&mut self) {
        self.worker.terminate();
    }
}

/// Splits a message into the header and its buffers.
fn read(event: &Event) -> WorkerEvent {
    let message = event.dyn_ref::<MessageEvent>().map_or(JsValue::UNDEFINED, MessageEvent::data);
    let Some(header) = property(&message, "header").and_then(|header| header.as_string()) else {
        return WorkerEvent::Lost(protocol("a message has no header"));
    };
    let buffers = property(&message, "buffers").unwrap_or_else(|| Array::new().into());
    let buffers = Array::from(&buffers).iter().filter_map(|buffer| buffer.dyn_into().ok()).collect();
    match read_reply(&header) {
        Ok((request, reply)) => WorkerEvent::Reply { request, reply, buffers },
        Err(error) => WorkerEvent::Lost(protocol(&format!("a message is not understood, {error}"))),
    }
}

/// An uncaught error inside the worker; before its first message, a script that did not load.
fn crash(event: &Event, script: &str, has_spoken: bool) -> Fault {
    let message = event.dyn_ref::<ErrorEvent>().map(ErrorEvent::message).unwrap_or_default();
    if has_spoken {
        return Fault::new(FaultCategory::WorkerCrash, "worker-error", format!("a worker failed: {message}"));
    }
    // Some browsers say nothing at all about a script that they could not load.
    let reason = if message.is_empty() { "the browser gives no reason" } else { &message };
    Fault::new(
        FaultCategory::ConnectionLost,
        "worker-script",
        format!("the worker script {script} did not start: {reason}"),
    )
    .with_hint("check that the address answers with JavaScript; `cargo bundle` makes it")
}

fn protocol(what: &str) -> Fault {
    Fault::new(
        FaultCategory::ConnectionLost,
        "worker-protocol",
        format!("a worker broke the protocol: {what}"),
    )
    .with_hint("page and worker may be of different versions; reload the page")
}
