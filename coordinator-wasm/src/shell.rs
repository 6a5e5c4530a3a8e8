//! The loop of the tab: one input at a time into the pool, its actions done, one timer armed, then the page is told.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use wasm_bindgen::prelude::*;
use wire::{Fault, FaultCategory};

use crate::events::Listeners;
use crate::tab::Tab;

/// Something that happened, as a change to the tab.
type Input = Box<dyn FnOnce(&mut Tab)>;

/// A pool that runs. Everything that happens in the tab goes through [`Shell::feed`].
pub(crate) struct Shell {
    /// Who listens to its events.
    pub(crate) listeners: Listeners,
    tab: RefCell<Tab>,
    inbox: RefCell<VecDeque<Input>>,
}

impl Shell {
    /// Wraps the tab that `make` builds; the tab may keep the weak handle to feed later inputs.
    pub(crate) fn new(make: impl FnOnce(Weak<Self>) -> Tab) -> Rc<Self> {
        Rc::new_cyclic(|shell| Self {
            listeners: Listeners::default(),
            tab: RefCell::new(make(shell.clone())),
            inbox: RefCell::default(),
        })
    }

    /// Takes one input and does what follows from it. An input that arrives while another is handled waits its turn.
    pub(crate) fn feed(&self, input: impl FnOnce(&mut Tab) + 'static) {
        self.take(Box::new(input));
    }

    fn take(&self, input: Input) {
        self.inbox.borrow_mut().push_back(input);
        let Ok(mut tab) = self.tab.try_borrow_mut() else { return };
        while let Some(input) = self.next_input() {
            input(&mut tab);
            tab.drain();
        }
        tab.arm();
        let happened = tab.take_events();
        drop(tab);
        for (event, payload) in happened {
            self.listeners.emit(event, &payload);
        }
        self.listeners.emit("change", &JsValue::NULL);
    }

    /// Looks at the tab; `None` while an input is handled.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Tab) -> T) -> Option<T> {
        self.tab.try_borrow().ok().map(|tab| look(&tab))
    }

    /// Changes what the tab holds without an input to the pool.
    ///
    /// # Errors
    /// `busy` while an input is handled, which callers outside of it never see.
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut Tab) -> T) -> Result<T, Fault> {
        let Ok(mut tab) = self.tab.try_borrow_mut() else {
            return Err(Fault::new(FaultCategory::Internal, "busy", "the pool was asked from within itself"));
        };
        Ok(change(&mut tab))
    }

    fn next_input(&self) -> Option<Input> {
        self.inbox.borrow_mut().pop_front()
    }
}
