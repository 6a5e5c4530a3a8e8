//! `pool.on`: who listens to what.

use std::cell::RefCell;

use js_sys::Function;
use wasm_bindgen::prelude::*;

use crate::flat_map::FlatMap;
use crate::sys;

/// Events that a pool emits; see `PoolEvents` of the JavaScript interface.
pub(crate) const NAMES: [&str; 9] =
    ["record", "event", "state", "fault", "breaker", "scale", "progress", "agent", "change"];

/// Callbacks by event.
#[derive(Default)]
pub(crate) struct Listeners {
    callbacks: RefCell<FlatMap<u32, (String, Function)>>,
    next_id: RefCell<u32>,
}

impl Listeners {
    /// Adds a callback; the result removes it.
    pub(crate) fn add(&self, event: String, callback: Function) -> u32 {
        let id = *self.next_id.borrow();
        *self.next_id.borrow_mut() = id.wrapping_add(1);
        self.callbacks.borrow_mut().insert(id, (event, callback));
        id
    }

    /// Removes a callback; nothing happens when it is gone already.
    pub(crate) fn remove(&self, id: u32) {
        self.callbacks.borrow_mut().remove(id);
    }

    /// True when somebody listens: payloads need not be made otherwise.
    pub(crate) fn has(&self, event: &str) -> bool {
        self.callbacks.borrow().iter().any(|(_, (listened, _))| listened == event)
    }

    /// Calls everybody who listens. A callback may add and remove others; what it throws goes to the page's `error` event.
    pub(crate) fn emit(&self, event: &str, payload: &JsValue) {
        for (id, callback) in self.listening(event) {
            if self.callbacks.borrow().get(id).is_some() {
                call(&callback, payload);
            }
        }
    }

    fn listening(&self, event: &str) -> Vec<(u32, Function)> {
        let callbacks = self.callbacks.borrow();
        let listening = callbacks.iter().filter(|(_, (listened, _))| listened == event);
        listening.map(|(id, (_, callback))| (id, callback.clone())).collect()
    }
}

/// Calls a callback of the page's.
pub(crate) fn call(callback: &Function, payload: &JsValue) {
    if let Err(thrown) = callback.call1(&JsValue::UNDEFINED, payload) {
        // Without `reportError` there is nobody to tell.
        drop(sys::report_error(&thrown));
    }
}
