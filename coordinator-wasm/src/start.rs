//! `createPool`: from options to a pool with a worker that is ready.

use pool::{Config, ConnectionSpec, Pool, ScalingConfig};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::AbortController;
use wire::{Browser, Fault};

use crate::PoolHandle;
use crate::browser::detect_here;
use crate::deferred::Deferred;
use crate::object::{from_data, object};
use crate::options::PoolOptions;
use crate::reporter::Reporter;
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
pub(crate) async fn start(options: PoolOptions) -> Result<PoolHandle, JsValue> {
    let browser = browser(options.browser.clone()).await;
    let spec = ConnectionSpec::worker(&browser.name);
    let machine = Pool::new(config(&options, &spec), seed());
    let origin = Origin { session: options.session.clone(), browser };
    let (promise, started) = Deferred::new();
    let (n_first_workers, limit) =
        (options.min_workers, usize::try_from(options.record_limit).unwrap_or(usize::MAX));
    let (shell, reporter) = {
        let mut reporter = None;
        let shell = Shell::new(|shell| {
            reporter = options.agent.as_deref().map(|agent| {
                let shell = shell.clone();
                let on_agent = move |is_reachable: bool, fault: Option<&Fault>| {
                    if let Some(shell) = shell.upgrade() {
                        let fault = from_data(&fault);
                        let payload = object(&[("reachable", is_reachable.into()), ("fault", fault)]);
                        shell.listeners.emit("agent", &payload);
                    }
                };
                Reporter::new(agent, limit, Box::new(on_agent))
            });
            let worker_url = options.worker_url.clone();
            Tab::new(
                shell,
                Parts { machine, worker_url, origin, reporter: reporter.clone(), n_first_workers, started },
            )
        });
        (shell, reporter)
    };
    shell.feed(move |tab| tab.start(n_first_workers, &spec));
    if let Err(error) = JsFuture::from(promise).await {
        shell.feed(Tab::close);
        return Err(error);
    }
    Ok(PoolHandle { shell, agent: options.agent, reporter, closing: AbortController::new()? })
}

/// The launcher's word, where it gave one, beside the page's own user agent.
async fn browser(given: Option<(String, String)>) -> Browser {
    let detected = detect_here().await;
    match given {
        Some((name, version)) => Browser { name, version, ..detected },
        None => detected,
    }
}

fn config(options: &PoolOptions, spec: &ConnectionSpec) -> Config {
    let mut config = Config {
        scaling: ScalingConfig {
            min_connections: options.min_workers,
            max_connections: options.max_workers,
            templates: vec![spec.clone()],
            ..ScalingConfig::default()
        },
        ..Config::default()
    };
    config.queue_capacity =
        options.queue_limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(DEFAULT_QUEUE_LIMIT);
    config.open_timeout = options.launch_timeout.unwrap_or(config.open_timeout);
    config.load_timeout = options.load_timeout.unwrap_or(config.load_timeout);
    config.run_timeout = options.run_timeout.unwrap_or(config.run_timeout);
    config.heartbeat.interval = options.heartbeat.unwrap_or(config.heartbeat.interval);
    config
}
