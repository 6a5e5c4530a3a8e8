//! One after another: runs that wait on their way must not mix in the tensors that they share.

use std::cell::RefCell;

use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

/// Hands out turns in the order in which they are asked for.
#[derive(Debug)]
pub(super) struct Turns {
    /// Resolved when the last turn that was handed out has ended.
    last: RefCell<Promise>,
}

/// A turn; the next one begins when it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    end: Function,
}

impl Default for Turns {
    fn default() -> Self {
        Self { last: RefCell::new(Promise::resolve(&JsValue::UNDEFINED)) }
    }
}

impl Turns {
    /// Waits for the end of the turn before.
    pub(super) async fn next(&self) -> Turn {
        let mut end = None;
        let mine = Promise::new(&mut |resolve, _reject| end = Some(resolve));
        let before = self.last.replace(mine);
        // It is only ever resolved.
        drop(JsFuture::from(before).await);
        Turn { end: end.unwrap_or_default() }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Resolving a promise does not throw.
        drop(self.end.call0(&JsValue::UNDEFINED));
    }
}
