//! Promises whose end is decided elsewhere: by a call, or by a future.

use core::future::Future;
use core::pin::Pin;

use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;
use wire::Fault;

use crate::fault::to_error;
use crate::object::set;

/// Runs `future` and gives the promise of what it gives. One type for all of them: the machinery around a future takes
/// 700 bytes of code for each type.
pub(crate) fn spawn(future: impl Future<Output = Result<JsValue, JsValue>> + 'static) -> Promise {
    let future: Pin<Box<dyn Future<Output = Result<JsValue, JsValue>>>> = Box::pin(future);
    future_to_promise(future)
}

/// Settles its promise, once.
pub(crate) struct Deferred {
    resolve: Function,
    reject: Function,
}

impl Deferred {
    /// A pending promise and the means to settle it.
    pub(crate) fn new() -> (Promise, Self) {
        let mut functions = None;
        let promise = Promise::new(&mut |resolve, reject| functions = Some((resolve, reject)));
        // The executor runs inside the constructor, so the functions are always there.
        let (resolve, reject) = functions.unwrap_or_default();
        (promise, Self { resolve, reject })
    }

    /// Fulfils the promise.
    pub(crate) fn resolve(self, value: &JsValue) {
        drop(self.resolve.call1(&JsValue::UNDEFINED, value));
    }

    /// Rejects it with a `TabpoolError`.
    pub(crate) fn reject(self, fault: &Fault, cause: Option<&JsValue>) {
        let error = to_error(fault);
        if let Some(cause) = cause {
            set(&error, "cause", cause);
        }
        drop(self.reject.call1(&JsValue::UNDEFINED, &error));
    }
}
