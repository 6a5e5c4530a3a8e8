//! Runs the pool inside a browser tab.
//!
//! This file is the JavaScript surface: opaque handles over a [`shell::Shell`], which feeds a [`pool::Pool`] and does what
//! it wants done. `api.d.ts` describes the surface for callers. Every promise is rejected with a `TabpoolError`.

mod advice;
mod auto;
mod browser;
mod clock;
mod deferred;
mod download;
mod events;
mod evidence;
mod fault;
mod files;
mod flat_map;
mod golden;
mod guard;
mod inputs;
mod joined;
mod loading;
mod object;
mod options;
mod outputs;
mod plain;
mod protocol;
mod record_buffer;
mod reporter;
mod run_record;
mod shell;
mod sorted;
mod source;
mod start;
mod stored;
mod sys;
mod tab;
#[cfg(test)]
mod testing;
mod translate;
mod unique_id;
mod worker;

use std::rc::Rc;

use js_sys::{Function, Promise};
use pool::{ConnectionId, ModelId, UnknownName};
use wasm_bindgen::prelude::*;
use web_sys::AbortController;

use crate::deferred::{Deferred, spawn};
use crate::fault::{invalid, to_error};
use crate::options::{LoadOptions, PoolOptions, RunOptions};
use crate::protocol::from_tensors;
use crate::shell::Shell;
use crate::tab::Tab;

/// A third of the default allocator's code, and as quick for the few small things that live here.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: rlsf::SmallGlobalTlsf = rlsf::SmallGlobalTlsf::new();

#[wasm_bindgen(typescript_custom_section)]
const API: &str = include_str!("api.d.ts");

/// Starts a pool; settles when a first worker is ready or none can be.
///
/// # Errors
/// `option`, or why no worker started.
#[wasm_bindgen(js_name = createPool, skip_typescript)]
pub async fn create_pool(options: JsValue) -> Result<PoolHandle, JsValue> {
    let options = PoolOptions::read(&options).map_err(|fault| to_error(&fault))?;
    start::start(options).await
}

/// `Pool` of the JavaScript interface.
#[wasm_bindgen(js_name = Pool, skip_typescript)]
pub struct PoolHandle {
    shell: Rc<Shell>,
    agent: Option<String>,
    closing: AbortController,
}

#[wasm_bindgen(js_class = Pool)]
impl PoolHandle {
    /// Loads a model or pipeline by id, by URL, or from bytes.
    #[wasm_bindgen(skip_typescript)]
    pub fn load(&self, source: JsValue, options: &JsValue) -> Promise {
        let options = LoadOptions::read(options);
        let (shell, agent, closing) = (self.shell.clone(), self.agent.clone(), self.closing.signal());
        spawn(async move {
            let options = options.map_err(|fault| to_error(&fault))?;
            let (id, name) =
                loading::load(shell.clone(), agent.as_deref(), &closing, source, options).await?;
            Ok(ModelHandle { shell, id, name, is_unloaded: false.into() }.into())
        })
    }

    /// Connections, queue, models, records.
    #[wasm_bindgen(skip_typescript)]
    pub fn stats(&self) -> JsValue {
        self.shell.with(Tab::stats).unwrap_or(JsValue::NULL)
    }

    /// Where a run of the model would go now, and why: every place with its terms, best first.
    ///
    /// # Errors
    /// `busy` when called from within the pool, and those of inputs that do not fit.
    #[wasm_bindgen(skip_typescript)]
    pub fn explain(&self, model: &ModelHandle, inputs: &JsValue) -> Result<JsValue, JsValue> {
        let candidates = self.shell.with(|tab| tab.explain(model.id, inputs));
        candidates.and_then(|candidates| candidates).map_err(|fault| to_error(&fault))
    }

    /// Takes one breaker of a connection into the caller's hands, or lets go of it.
    ///
    /// # Errors
    /// `breaker` for a component or mode that there is not.
    #[wasm_bindgen(js_name = setBreakerMode, skip_typescript)]
    pub fn set_breaker_mode(&self, connection: u32, component: &str, mode: &str) -> Result<(), JsValue> {
        let unknown = |error: UnknownName| to_error(&invalid("breaker", error.to_string()));
        let (component, mode) = (component.parse().map_err(unknown)?, mode.parse().map_err(unknown)?);
        self.shell.feed(move |tab| tab.set_breaker_mode(ConnectionId(connection), component, mode));
        Ok(())
    }

    /// Calls `callback` for every such event until the returned function is called.
    ///
    /// # Errors
    /// `event` for a name that no event has, or a callback that is no function.
    #[wasm_bindgen(skip_typescript)]
    pub fn on(&self, event: &str, callback: JsValue) -> Result<JsValue, JsValue> {
        if !events::NAMES.contains(&event) {
            let fault = invalid("event", format!("there is no event '{event}'"));
            return Err(to_error(&fault.with_hint(format!("there are: {}", events::NAMES.join(", ")))));
        }
        let callback: Function = callback.dyn_into().map_err(|_other| {
            to_error(&invalid("event", format!("the callback for '{event}' is not a function")))
        })?;
        let id = self.shell.listeners.add(event.to_owned(), callback);
        let shell = Rc::downgrade(&self.shell);
        let off = move || {
            if let Some(shell) = shell.upgrade() {
                shell.listeners.remove(id);
            }
        };
        Ok(Closure::<dyn FnMut()>::new(off).into_js_value())
    }

    /// Terminates one worker as a crash would.
    #[wasm_bindgen(js_name = killWorker, skip_typescript)]
    pub fn kill_worker(&self, connection: u32) {
        self.shell.feed(move |tab| tab.kill_worker(ConnectionId(connection)));
    }

    /// Posts the records that wait; gives the number that could not be posted.
    #[wasm_bindgen(skip_typescript)]
    pub fn flush(&self) -> Promise {
        let reporter = self.shell.read(Tab::reporter).flatten();
        spawn(async move {
            Ok(match reporter {
                Some(reporter) => reporter.flush().await.into(),
                None => 0.into(),
            })
        })
    }

    /// Ends every job as cancelled and every worker, and posts what records it can.
    #[wasm_bindgen(skip_typescript)]
    pub fn close(&self) -> Promise {
        self.closing.abort();
        self.shell.feed(Tab::close);
        let reporter = self.shell.read(Tab::reporter).flatten();
        spawn(async move {
            if let Some(reporter) = reporter {
                reporter.close().await;
            }
            Ok(JsValue::UNDEFINED)
        })
    }
}

/// `Model` of the JavaScript interface.
#[wasm_bindgen(js_name = Model, skip_typescript)]
pub struct ModelHandle {
    shell: Rc<Shell>,
    id: ModelId,
    name: String,
    is_unloaded: std::cell::Cell<bool>,
}

#[wasm_bindgen(js_class = Model)]
impl ModelHandle {
    /// Id in the catalogue, or the name it was loaded under.
    #[wasm_bindgen(getter, skip_typescript)]
    pub fn id(&self) -> String {
        self.name.clone()
    }

    /// Graph inputs.
    #[wasm_bindgen(getter, skip_typescript)]
    pub fn inputs(&self) -> JsValue {
        from_tensors(&self.shell.read(|tab| tab.contract(self.id).0).unwrap_or_default())
    }

    /// Graph outputs.
    #[wasm_bindgen(getter, skip_typescript)]
    pub fn outputs(&self) -> JsValue {
        from_tensors(&self.shell.read(|tab| tab.contract(self.id).1).unwrap_or_default())
    }

    /// Runs the model.
    #[wasm_bindgen(skip_typescript)]
    pub fn run(&self, inputs: JsValue, options: &JsValue) -> Promise {
        let (promise, deferred) = Deferred::new();
        match RunOptions::read(options) {
            Err(fault) => deferred.reject(&fault, None),
            Ok(_) if self.is_unloaded.get() => deferred.reject(&tab::unloaded(), None),
            Ok(options) if options.split => {
                let (shell, id) = (self.shell.clone(), self.id);
                return spawn(async move { tab::split::run(&shell, id, inputs, options).await });
            }
            Ok(options) => {
                let id = self.id;
                self.shell.feed(move |tab| tab.run_model(id, &inputs, options, deferred));
            }
        }
        promise
    }

    /// Gives the handle back; the last one takes the model out of the workers.
    #[wasm_bindgen(skip_typescript)]
    pub fn unload(&self) -> Promise {
        if !self.is_unloaded.replace(true) {
            let id = self.id;
            self.shell.feed(move |tab| tab.unload_model(id));
        }
        Promise::resolve(&JsValue::UNDEFINED)
    }
}
