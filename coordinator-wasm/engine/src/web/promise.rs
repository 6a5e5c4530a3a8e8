//! Promises with an end: what a hung GPU process never answers is given up.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use js_sys::{Array, Function, Promise};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

use super::sys;

/// A promise that gave no value.
pub(crate) enum Failure {
    /// Not within the time.
    Late,
    /// Rejected with this reason.
    Rejected(JsValue),
}

/// A promise that is resolved after a time.
fn timer(millis: i32, value: &JsValue) -> Promise {
    Promise::new(&mut |resolve: Function, _reject: Function| {
        sys::set_timeout(&resolve.bind1(&JsValue::NULL, value), millis);
    })
}

/// What the promise that a call gives comes to, or the error of the call.
pub(crate) async fn awaited(call: Result<Promise, JsValue>) -> Result<JsValue, JsValue> {
    JsFuture::from(call?).await
}

/// Awaits `promise` for at most `limit_millis`.
pub(crate) async fn within(promise: &Promise, limit_millis: i32) -> Result<JsValue, Failure> {
    let late = JsValue::symbol(Some("late"));
    let first = Promise::race(&Array::of2(promise, &timer(limit_millis, &late)));
    match JsFuture::from(first).await {
        Ok(value) if value == late => Err(Failure::Late),
        Ok(value) => Ok(value),
        Err(reason) => Err(Failure::Rejected(reason)),
    }
}

/// Starts `future`, does `work` while the browser answers, and awaits it.
pub(crate) async fn meanwhile<F: Future, T>(future: F, work: impl FnOnce() -> T) -> (F::Output, T) {
    let mut future = pin!(future);
    let begun = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await;
    let done = work();
    match begun {
        Poll::Ready(output) => (output, done),
        Poll::Pending => (future.await, done),
    }
}
