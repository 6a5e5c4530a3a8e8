//! Bytes over HTTP, with progress.

use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, ReadableStreamDefaultReader, RequestInit, Response};
use wire::{Fault, FaultCategory};

use crate::fault::{cancelled, describe, is_abort};
use crate::object::property;
use crate::sys;

/// Longest body that a page can hold in one buffer that wasm can address.
const LONGEST_BODY_BYTES: f64 = 4_294_967_295.0;

/// Sends a GET and checks its status.
///
/// # Errors
/// `fetch-unreachable`, `fetch-status`, or `cancelled` when `signal` was aborted.
pub(crate) async fn get(url: &str, signal: &AbortSignal) -> Result<Response, Fault> {
    let init = RequestInit::new();
    init.set_signal(Some(signal));
    let response: Response = async { JsFuture::from(sys::fetch(url, &init)?).await?.dyn_into() }
        .await
        .map_err(|thrown| failed(url, &thrown))?;
    if response.ok() {
        Ok(response)
    } else {
        let message = format!("fetching {url} failed: HTTP status {}", response.status());
        Err(Fault::new(FaultCategory::ModelLoad, "fetch-status", message))
    }
}

/// Reads the whole body of `url`, calling `on_bytes` with the number of bytes so far and the number that the server
/// announced (0 when it did not).
///
/// # Errors
/// As [`get`], and `fetch-too-long`.
pub(crate) async fn get_bytes(
    url: &str,
    expected_bytes: Option<u64>,
    signal: &AbortSignal,
    on_bytes: impl Fn(f64, f64),
) -> Result<ArrayBuffer, Fault> {
    let response = get(url, signal).await?;
    let announced =
        response.headers().get("Content-Length").ok().flatten().and_then(|text| text.parse().ok());
    #[expect(clippy::cast_precision_loss, reason = "file sizes are below 2^53")]
    let n_total = expected_bytes.or(announced).map_or(0.0, |n: u64| n as f64);
    let Some(stream) = response.body() else { return Ok(ArrayBuffer::new(0)) };
    let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    let mut body = Body::with_capacity(n_total);
    loop {
        let chunk = JsFuture::from(reader.read()).await.map_err(|thrown| failed(url, &thrown))?;
        let Some(bytes) = property(&chunk, "value") else { break };
        body.push(&bytes.unchecked_into()).map_err(|TooLong| {
            let message = format!("fetching {url} failed: its bytes are more than one buffer holds");
            Fault::new(FaultCategory::OutOfMemory, "fetch-too-long", message)
        })?;
        on_bytes(f64::from(body.n_bytes), n_total);
    }
    Ok(body.finish())
}

fn failed(url: &str, thrown: &JsValue) -> Fault {
    if is_abort(thrown) {
        return cancelled(&format!("fetching {url}"));
    }
    let message = format!("fetching {url} failed: {}", describe(thrown));
    Fault::new(FaultCategory::ModelLoad, "fetch-unreachable", message)
        .with_hint("check that the server runs and that the address allows requests from this page")
}

/// More than a buffer holds.
struct TooLong;

/// A growing buffer; one allocation when the size was announced.
struct Body {
    buffer: Uint8Array,
    n_bytes: u32,
}

impl Body {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float cast saturates")]
    fn with_capacity(n_bytes: f64) -> Self {
        // A wrong announcement must not cost the page its memory: beyond 1 GiB the buffer grows as bytes arrive.
        Self { buffer: Uint8Array::new_with_length(n_bytes.min(1_073_741_824.0) as u32), n_bytes: 0 }
    }

    fn push(&mut self, chunk: &Uint8Array) -> Result<(), TooLong> {
        let n_needed = f64::from(self.n_bytes) + f64::from(chunk.length());
        if n_needed > LONGEST_BODY_BYTES {
            return Err(TooLong);
        }
        let n_needed = self.n_bytes + chunk.length();
        if n_needed > self.buffer.length() {
            let larger = Uint8Array::new_with_length(n_needed.max(self.buffer.length().saturating_mul(2)));
            larger.set(&self.buffer.subarray(0, self.n_bytes), 0);
            self.buffer = larger;
        }
        self.buffer.set(chunk, self.n_bytes);
        self.n_bytes = n_needed;
        Ok(())
    }

    fn finish(self) -> ArrayBuffer {
        if self.n_bytes == self.buffer.length() {
            self.buffer.buffer()
        } else {
            self.buffer.slice(0, self.n_bytes).buffer()
        }
    }
}
