//! Model files in the origin's private storage: on disk, for workers to read piece by piece, and for the next visit.
//!
//! `download.js` does it in a worker of its own, and hashes what it gets. It has one answer for whatever goes wrong: nothing;
//! then the page fetches the file itself, and finds out why.

use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, Blob, EventTarget, MessageEvent, Worker, WorkerOptions, WorkerType};
use wire::Fault;

use crate::fault::cancelled;
use crate::guard::Listener;
use crate::object::{object, property};
use crate::options::beside;
use crate::source::{Origin, SourcePart};

/// A file that has the hash it must have.
pub(crate) struct StoredFile {
    pub(crate) file: Blob,
    /// Time that hashing took; it is part of the download's.
    pub(crate) verify_micros: u64,
}

/// Brings the file of a part into the storage, unless it is there already; `is_fresh` does not trust what is there.
///
/// `None` for a part without URL, hash or size, and where the browser has no such storage.
///
/// # Errors
/// `cancelled` when `signal` was aborted.
pub(crate) async fn obtain(
    part: &SourcePart,
    is_fresh: bool,
    signal: &AbortSignal,
    on_bytes: &impl Fn(f64, f64),
) -> Result<Option<StoredFile>, Fault> {
    let (Origin::Url(url), Some(sha256), Some(n_bytes)) = (&part.origin, &part.sha256, part.size_bytes)
    else {
        return Ok(None);
    };
    #[expect(clippy::cast_precision_loss, reason = "file sizes are below 2^53")]
    let n_bytes = n_bytes as f64;
    let Some(worker) = Downloader::start() else { return Ok(None) };
    let request = object(&[
        ("url", url.as_str().into()),
        ("sha256", sha256.as_str().into()),
        ("nBytes", n_bytes.into()),
        ("isFresh", is_fresh.into()),
    ]);
    if worker.0.post_message(&request).is_err() {
        return Ok(None);
    }
    loop {
        let said = worker.next_message(signal).await;
        if signal.aborted() {
            return Err(cancelled(&format!("fetching {url}")));
        }
        if let Some(n_so_far) = property(&said, "nBytes").and_then(|n| n.as_f64()) {
            on_bytes(n_so_far, n_bytes);
            continue;
        }
        let millis = property(&said, "verifyMillis").and_then(|millis| millis.as_f64()).unwrap_or_default();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float cast saturates")]
        let verify_micros = (millis * 1000.0) as u64;
        return Ok(property(&said, "file")
            .and_then(|file| file.dyn_into().ok())
            .map(|file| StoredFile { file, verify_micros }));
    }
}

/// A worker that runs `download.js`, terminated on drop.
struct Downloader(Worker);

impl Downloader {
    fn start() -> Option<Self> {
        let script = beside("download.js").ok()?;
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        Worker::new_with_options(&script, &options).ok().map(Self)
    }

    /// What it says next; undefined when its script is not there, or when `signal` is aborted before.
    async fn next_message(&self, signal: &AbortSignal) -> JsValue {
        let mut listeners = Vec::new();
        let promise = Promise::new(&mut |resolve: Function, _reject: Function| {
            let settle = move |event: &web_sys::Event| {
                event.prevent_default();
                let said = event.dyn_ref::<MessageEvent>().map_or(JsValue::UNDEFINED, MessageEvent::data);
                drop(resolve.call1(&JsValue::UNDEFINED, &said));
            };
            let worker: &EventTarget = &self.0;
            let targets: [(&EventTarget, &str); 3] =
                [(worker, "message"), (worker, "error"), (signal, "abort")];
            listeners = targets
                .map(|(target, name)| {
                    let settle = settle.clone();
                    Listener::new(target, name, move |event| settle(&event))
                })
                .into();
        });
        JsFuture::from(promise).await.unwrap_or_default()
    }
}

impl Drop for Downloader {
    fn drop(&mut self) {
        self.0.terminate();
    }
}
