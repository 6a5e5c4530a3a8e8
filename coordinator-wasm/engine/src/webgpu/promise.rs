//! Promises with an end: what a hung GPU process never answers is given up.

use js_sys::{Array, Function, Promise};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

use crate::web::sys;

/// A promise that gave no value.
pub(super) enum Failure {
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

/// Awaits `promise` for at most `limit_millis`.
pub(super) async fn within(promise: &Promise, limit_millis: i32) -> Result<JsValue, Failure> {
    let late = JsValue::symbol(Some("late"));
    let first = Promise::race(&Array::of2(promise, &timer(limit_millis, &late)));
    match JsFuture::from(first).await {
        Ok(value) if value == late => Err(Failure::Late),
        Ok(value) => Ok(value),
        Err(reason) => Err(Failure::Rejected(reason)),
    }
}

/// Awaits `promise` for at most `limit_millis`, calling `tick` every `tick_millis` until it is settled.
pub(super) async fn within_ticking(
    promise: &Promise,
    limit_millis: i32,
    tick_millis: i32,
    tick: impl Fn(),
) -> Result<JsValue, Failure> {
    for _ in 0..limit_millis / tick_millis {
        match within(promise, tick_millis).await {
            Err(Failure::Late) => tick(),
            settled => return settled,
        }
    }
    Err(Failure::Late)
}
