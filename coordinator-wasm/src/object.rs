//! Reads and builds plain JavaScript objects.

use js_sys::{Array, JSON, Object, Reflect};
use wasm_bindgen::prelude::*;

/// The property's value, or `None` when it is missing, `undefined` or `null`, or when reading it throws.
pub(crate) fn property(object: &JsValue, name: &str) -> Option<JsValue> {
    let value = Reflect::get(object, &JsValue::from_str(name)).ok()?;
    if value.is_undefined() || value.is_null() { None } else { Some(value) }
}

/// Sets one property of an object that this crate has just made.
pub(crate) fn set(object: &JsValue, name: &str, value: &JsValue) {
    // Fails only for frozen objects and non-objects; ours are fresh.
    drop(Reflect::set(object, &JsValue::from_str(name), value));
}

/// A fresh object with these properties; what is `undefined` is left out.
pub(crate) fn object(properties: &[(&str, JsValue)]) -> JsValue {
    let object = JsValue::from(Object::new());
    for (name, value) in properties {
        if !value.is_undefined() {
            set(&object, name, value);
        }
    }
    object
}

/// The value as JSON; `None` for what JSON cannot hold.
pub(crate) fn to_json(value: &JsValue) -> Option<String> {
    JSON::stringify(value).ok().and_then(|json| json.as_string())
}

/// A fresh array of these. (`collect` does it in blocks, at half a kilobyte of code for each kind of iterator.)
pub(crate) fn array(items: impl Iterator<Item = JsValue>) -> JsValue {
    let array = Array::new();
    items.for_each(|item| {
        array.push(&item);
    });
    array.into()
}

/// A number as it crosses to JavaScript: exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts and microseconds stay below 2^53")]
pub(crate) fn number(value: u64) -> JsValue {
    JsValue::from_f64(value as f64)
}
