//! Faults as JavaScript errors, and thrown values as text.

use js_sys::Error;
use wasm_bindgen::prelude::*;
use wire::{Fault, FaultCategory};

use crate::object::{number, property, set};

/// The `TabpoolError` that promises are rejected with.
pub(crate) fn to_error(fault: &Fault) -> JsValue {
    let error = JsValue::from(Error::new(&fault.message));
    set(&error, "name", &"TabpoolError".into());
    set(&error, "category", &fault.category.as_str().into());
    set(&error, "code", &fault.code.as_str().into());
    if let Some(hint) = &fault.hint {
        set(&error, "hint", &hint.as_str().into());
    }
    if let Some(millis) = fault.retry_after_ms {
        set(&error, "retryAfterMs", &number(millis));
    }
    error
}

/// What a caught value says, in the browser's words.
pub(crate) fn describe(thrown: &JsValue) -> String {
    let text = |name| property(thrown, name).and_then(|value| value.as_string());
    match (text("name"), text("message")) {
        (Some(name), Some(message)) => format!("{name}: {message}"),
        (None, Some(message)) => message,
        (_, None) => thrown.as_string().unwrap_or_else(|| "a value without a message was thrown".to_owned()),
    }
}

/// True for what a fetch is rejected with after its signal was aborted.
pub(crate) fn is_abort(thrown: &JsValue) -> bool {
    property(thrown, "name").and_then(|name| name.as_string()).is_some_and(|name| name == "AbortError")
}

/// The caller cancelled, or the pool was closed.
pub(crate) fn cancelled(what: &str) -> Fault {
    Fault::new(FaultCategory::Cancelled, "cancelled", format!("{what} was cancelled"))
}

/// The caller gave something that does not fit.
pub(crate) fn invalid(code: &str, message: impl Into<String>) -> Fault {
    Fault::new(FaultCategory::Validation, code, message)
}
