//! Callbacks that unregister themselves when dropped.

use wasm_bindgen::prelude::*;
use web_sys::{Event, EventTarget};

use crate::sys;

/// A listener on an event target, removed on drop.
pub(crate) struct Listener {
    target: EventTarget,
    event: &'static str,
    callback: Closure<dyn FnMut(Event)>,
}

impl Listener {
    /// Calls `callback` for every `event` of `target`.
    pub(crate) fn new(
        target: &EventTarget,
        event: &'static str,
        callback: impl FnMut(Event) + 'static,
    ) -> Self {
        let callback = Closure::<dyn FnMut(Event)>::new(callback);
        // Adding a function to an existing target cannot throw.
        drop(target.add_event_listener_with_callback(event, callback.as_ref().unchecked_ref()));
        Self { target: target.clone(), event, callback }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        drop(
            self.target
                .remove_event_listener_with_callback(self.event, self.callback.as_ref().unchecked_ref()),
        );
    }
}

/// A time-out that has not fired yet, cleared on drop.
pub(crate) struct Timer {
    handle: JsValue,
    _callback: Closure<dyn FnMut()>,
}

impl Timer {
    /// Calls `callback` once, `millis` from now or a little later.
    pub(crate) fn new(millis: f64, callback: impl FnMut() + 'static) -> Self {
        let callback = Closure::<dyn FnMut()>::new(callback);
        let handle = sys::set_timeout(callback.as_ref().unchecked_ref(), millis);
        Self { handle, _callback: callback }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        sys::clear_timeout(&self.handle);
    }
}
