//! `createPool`: from options to a pool with a worker that is ready.

use std::rc::{Rc, Weak};

use pool::{Config, ConnectionSpec, Pool, ScalingConfig};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{AbortController, AbortSignal};
use wire::Browser;

use crate::PoolHandle;
use crate::advice;
use crate::browser::detect_here;
use crate::deferred::Deferred;
use crate::evidence::Drawer;
use crate::object::object;
use crate::options::PoolOptions;
use crate::plain::from_fault;
use crate::reporter::{OnAgent, Reporter};
use crate::run_record::Origin;
use crate::shell::Shell;
use crate::tab::{Parts, Tab};
use crate::unique_id::seed;

/// Jobs that may wait: a page has one user, a fleet has many.
const DEFAULT_QUEUE_LIMIT: usize = 256;

/// Starts workers and waits for the first.
///
/// # Errors
/// The fault of the last worker, when none started.
pub(crate) async fn start(mut options: PoolOptions) -> Result<PoolHandle, JsValue> {
    let browser = browser(options.browser.clone()).await;
    let machine = Pool::new(config(&options, &browser), seed());
    let browser_name = browser.name.clone();
    let origin = Origin { session: options.session.clone(), browser };
    let (promise, started) = Deferred::new();
    let shell = Shell::new(|shell| {
        let reporter = options.agent.as_deref().map(|agent| {
            let limit = usize::try_from(options.record_limit).unwrap_or(usize::MAX);
            Reporter::new(agent, limit, tell_of_agent(shell.clone()))
        });
        let worker_url = options.worker_url.clone();
        let (max_batch, memory_limit_bytes) = (options.max_batch, options.memory_limit_bytes);
        let n_first = n_connections(&options, options.min_workers);
        Tab::new(
            shell,
            Parts { machine, worker_url, max_batch, memory_limit_bytes, origin, reporter, n_first, started },
        )
    });
    let closing = AbortController::new()?;
    if let Some(key) = options.evidence_key {
        shell.feed(|tab| tab.remember(Drawer::new(key)));
    }
    if let (Some(agent), None) = (&options.agent, &options.session) {
        let (shell, name, signal) = (Rc::downgrade(&shell), browser_name.clone(), closing.signal());
        spawn_local(seek_advice(shell, agent.clone(), name, signal));
    }
    let frames = core::mem::take(&mut options.frames);
    shell.feed(move |tab| tab.start(&browser_name, frames));
    if let Err(error) = JsFuture::from(promise).await {
        shell.feed(Tab::close);
        return Err(error);
    }
    Ok(PoolHandle { shell, agent: options.agent, closing })
}

/// Asks the agent what it knows; a pool without advice learns by itself.
async fn seek_advice(shell: Weak<Shell>, agent: String, browser: String, closing: AbortSignal) {
    let priors = advice::ask(&agent, &browser, &closing).await.map_err(|fault| fault.message);
    if let Some(shell) = shell.upgrade() {
        shell.feed(|tab| tab.take_advice(priors));
    }
}

/// Tells listeners that the agent went or came back.
fn tell_of_agent(shell: Weak<Shell>) -> OnAgent {
    Box::new(move |is_reachable, fault| {
        if let Some(shell) = shell.upgrade() {
            let payload = object(&[
                ("reachable", is_reachable.into()),
                ("fault", fault.map_or(JsValue::NULL, from_fault)),
            ]);
            shell.listeners.emit("agent", &payload);
        }
    })
}

/// The launcher's word, where it gave one, beside the page's own user agent.
async fn browser(given: Option<(String, String)>) -> Browser {
    let detected = detect_here().await;
    match given {
        Some((name, version)) => Browser { name, version, ..detected },
        None => detected,
    }
}

/// Iframes come on top of workers.
fn n_connections(options: &PoolOptions, n_workers: u32) -> u32 {
    n_workers.saturating_add(u32::try_from(options.frames.len()).unwrap_or(u32::MAX))
}

fn config(options: &PoolOptions, browser: &Browser) -> Config {
    let mut config = Config {
        scaling: ScalingConfig {
            min_connections: n_connections(options, options.min_workers),
            max_connections: n_connections(options, options.max_workers),
            templates: vec![ConnectionSpec::worker(&browser.name)],
            memory_limit_bytes: options.memory_limit_bytes.unwrap_or_default(),
            ..ScalingConfig::default()
        },
        batch_delay: options.batch_delay.unwrap_or_default(),
        ..Config::default()
    };
    config.scaling.cooldown = options.scale_cooldown.unwrap_or(config.scaling.cooldown);
    config.hedging.is_enabled = options.is_hedging;
    config.queue_capacity =
        options.queue_limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(DEFAULT_QUEUE_LIMIT);
    config.open_timeout = options.launch_timeout.unwrap_or(config.open_timeout);
    config.load_timeout = options.load_timeout.unwrap_or(config.load_timeout);
    config.run_timeout = options.run_timeout.unwrap_or(config.run_timeout);
    config.heartbeat.interval = options.heartbeat.unwrap_or(config.heartbeat.interval);
    config
}
