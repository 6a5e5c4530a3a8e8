//! One engine worker: started in this page or in an iframe, spoken to, and ended on drop.

use std::cell::Cell;
use std::rc::Rc;

use js_sys::{Array, ArrayBuffer};
use wasm_bindgen::prelude::*;
use web_sys::{ErrorEvent, Event, EventTarget, MessageEvent, Url, Worker, WorkerOptions, WorkerType};
use wire::{Fault, FaultCategory};

use crate::fault::describe;
use crate::guard::Listener;
use crate::object::{array, object, property, set};
use crate::protocol::{Reply, Request, read_reply, request_header};
use crate::sys;

/// What a worker does on its own.
pub(crate) enum WorkerEvent {
    /// It answered, or said that it is ready or has trapped.
    Reply { request: u32, reply: Reply, buffers: Vec<ArrayBuffer> },
    /// It cannot be relied on any more.
    Lost(Fault),
}

/// A running worker.
pub(crate) struct EngineWorker {
    port: sys::Port,
    host: Host,
    _listeners: Vec<Listener>,
}

/// What ends the worker when it goes.
enum Host {
    Page(Worker),
    Frame(sys::Element),
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
        let mut listeners = messages(target, has_spoken.clone(), on_event.clone());
        let script = url.to_owned();
        listeners.push(Listener::new(target, "error", move |event| {
            event.prevent_default();
            on_event(WorkerEvent::Lost(crash(&event, &script, has_spoken.get())));
        }));
        Ok(Self { port: worker.clone().unchecked_into(), host: Host::Page(worker), _listeners: listeners })
    }

    /// Opens the page at `url` in an iframe and gives it a port, to which it connects a worker of its own. An iframe whose
    /// process dies says nothing: that is found out by its silence.
    ///
    /// # Errors
    /// `frame-blocked` where there is no document, or for an address that is none.
    pub(crate) fn start_in_frame(
        url: &str,
        on_event: impl Fn(WorkerEvent) + Clone + 'static,
    ) -> Result<Self, Fault> {
        let blocked = |thrown: JsValue| {
            let message = format!("opening {url} in an iframe failed: {}", describe(&thrown));
            Fault::new(FaultCategory::ConnectionLost, "frame-blocked", message)
                .with_hint("iframes need a page: in a worker, use workers")
        };
        // Whatever else the iframe may come to show gets no port.
        let origin = Url::new(url).map_err(blocked)?.origin();
        let document = sys::DOCUMENT.with(Clone::clone).ok_or(JsValue::UNDEFINED).map_err(blocked)?;
        let frame = document.create_element("iframe").map_err(blocked)?;
        let [own, others] =
            sys::Channel::new().map(|channel| [channel.port1(), channel.port2()]).map_err(blocked)?;
        let target: EventTarget = own.clone().unchecked_into();
        let mut listeners = messages(&target, Rc::default(), on_event);
        own.start();
        let host = frame.clone();
        listeners.push(Listener::new(frame.unchecked_ref(), "load", move |_| {
            // Once only: a port that was handed over is of no use.
            if let Some(window) = property(&host, "contentWindow") {
                let window: sys::Window = window.unchecked_into();
                drop(window.send(&"tabpool".into(), &origin, &Array::of1(&others)));
            }
        }));
        set(&frame, "hidden", &true.into());
        set(&frame, "allow", &"cross-origin-isolated".into());
        set(&frame, "src", &url.into());
        document.root().append(&frame);
        Ok(Self { port: own, host: Host::Frame(frame), _listeners: listeners })
    }

    /// Sends a request; the buffers move to the worker. Those of a load are in the request.
    ///
    /// # Errors
    /// `worker-post` when a buffer cannot be moved.
    pub(crate) fn post(&self, id: u32, request: &Request<'_>, buffers: &[ArrayBuffer]) -> Result<(), Fault> {
        let header = request_header(id, request);
        let (buffers, moved) = if let Request::Load { contents, .. } = request {
            // Stored files cannot be moved, and need not be.
            let moved = contents.iter().filter(|content| content.is_instance_of::<ArrayBuffer>());
            (array(contents.iter().cloned()), array(moved.cloned()))
        } else {
            let buffers = array(buffers.iter().map(JsValue::from));
            (buffers.clone(), buffers)
        };
        let message = object(&[("header", header.into()), ("buffers", buffers)]);
        self.port.post_message(&message, moved.unchecked_ref()).map_err(|thrown| {
            let message = format!("sending a request to a worker failed: {}", describe(&thrown));
            Fault::new(FaultCategory::Validation, "worker-post", message)
                .with_hint("an input's buffer may have been handed over before; make new arrays for each run")
        })
    }
}

impl Drop for EngineWorker {
    fn drop(&mut self) {
        match &self.host {
            Host::Page(worker) => worker.terminate(),
            Host::Frame(frame) => frame.remove(),
        }
    }
}

/// Listens to what a worker says; `has_spoken` is set by its first word.
fn messages(
    target: &EventTarget,
    has_spoken: Rc<Cell<bool>>,
    on_event: impl Fn(WorkerEvent) + Clone + 'static,
) -> Vec<Listener> {
    let on_unreadable = on_event.clone();
    let on_message = Listener::new(target, "message", move |event| {
        has_spoken.set(true);
        on_event(read(&event));
    });
    let on_unreadable = Listener::new(target, "messageerror", move |_| {
        on_unreadable(WorkerEvent::Lost(protocol("a message could not be deserialised")));
    });
    vec![on_message, on_unreadable]
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
