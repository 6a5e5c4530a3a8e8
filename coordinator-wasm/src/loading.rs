//! `pool.load`: find the files, fetch them, and have them loaded into a first worker.

use std::rc::Rc;

use pool::ModelId;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, AbortSignal};
use wire::{Backend, Fault};

use crate::auto;
use crate::deferred::Deferred;
use crate::events::call;
use crate::fault::{cancelled, to_error};
use crate::files::{ModelFiles, OnProgress};
use crate::guard::Listener;
use crate::object::object;
use crate::options::{Choice, LoadOptions};
use crate::shell::Shell;
use crate::source::{Source, resolve};
use crate::unique_id::unique_id;

/// Loads a model; the caller owns one handle on it.
///
/// # Errors
/// A `TabpoolError` for whatever went wrong on the way.
pub(crate) async fn load(
    shell: Rc<Shell>,
    agent: Option<&str>,
    closing: &AbortSignal,
    given: JsValue,
    options: LoadOptions,
) -> Result<(ModelId, String), JsValue> {
    let download = AbortController::new()?;
    let _guards = [options.signal.as_ref(), Some(closing)]
        .map(|signal| signal.map(|signal| forward(signal, &download)));
    let signal = download.signal();
    if closing.aborted() || options.signal.as_ref().is_some_and(AbortSignal::aborted) {
        return Err(to_error(&cancelled("loading a model")));
    }
    let source = Rc::new(resolve(&given, &options, agent, &signal).await.map_err(|fault| to_error(&fault))?);
    let progress = |phase: &str, n_loaded: f64, n_total: f64| {
        tell(&shell, &options, &source.id, phase, n_loaded, n_total)
    };
    let (id, n_bytes) =
        obtain(&shell, &source, &options, &signal, &progress).await.map_err(|fault| to_error(&fault))?;
    progress("load", n_bytes, n_bytes);
    if let Err(error) = prepare(&shell, id, &options, &signal).await {
        shell.feed(move |tab| tab.unload_model(id));
        return Err(error);
    }
    progress("done", n_bytes, n_bytes);
    Ok((id, source.id.clone()))
}

/// Loads a registered model into a first worker, with its backends chosen and its probe set.
async fn prepare(
    shell: &Rc<Shell>,
    id: ModelId,
    options: &LoadOptions,
    signal: &AbortSignal,
) -> Result<(), JsValue> {
    if options.backend == Choice::Auto {
        auto::choose(shell, id, &options.probe, signal).await?;
    } else {
        load_on(shell, id, None, signal).await?;
    }
    let set = shell.with(|tab| {
        if let Some(variant) = &options.lower_precision {
            tab.set_lower_precision(id, variant)?;
        }
        tab.set_probe(id, &options.probe)
    });
    set.and_then(|set| set).map_err(|fault| to_error(&fault))
}

/// Waits until a worker holds a model, on `backend` if one is given.
///
/// # Errors
/// Why none can.
pub(crate) async fn load_on(
    shell: &Rc<Shell>,
    id: ModelId,
    backend: Option<Backend>,
    signal: &AbortSignal,
) -> Result<(), JsValue> {
    let (promise, deferred) = Deferred::new();
    let signal = signal.clone();
    shell.feed(move |tab| tab.load_model(id, backend, Some(&signal), deferred));
    JsFuture::from(promise).await.map(drop)
}

/// A handle on the model, shared with earlier loads of the same files; else its files are fetched.
async fn obtain(
    shell: &Rc<Shell>,
    source: &Rc<Source>,
    options: &LoadOptions,
    signal: &AbortSignal,
    progress: &OnProgress<'_>,
) -> Result<(ModelId, f64), Fault> {
    let key = |fingerprint: &str| format!("{}|{}|{fingerprint}", source.id, options.backend.as_str());
    if let Some(fingerprint) = source.fingerprint()
        && let Some(id) = shell.with(|tab| tab.share_model(&key(&fingerprint)))?
    {
        return Ok((id, 0.0));
    }
    let (files, fetched) = ModelFiles::fetch(source, signal, progress).await?;
    let n_bytes = files.n_bytes();
    let key = key(&files.fingerprint().unwrap_or_else(unique_id));
    let (source, files, backend) = (source.clone(), Rc::new(files), options.backend);
    let id = shell.with(|tab| match tab.share_model(&key) {
        Some(id) => id,
        None => tab.add_model(key, source, files, backend, fetched),
    })?;
    Ok((id, n_bytes))
}

/// Aborts `download` when `signal` is.
pub(crate) fn forward(signal: &AbortSignal, download: &AbortController) -> Listener {
    let download = download.clone();
    Listener::new(signal, "abort", move |_| download.abort())
}

fn tell(shell: &Shell, options: &LoadOptions, id: &str, phase: &str, n_loaded: f64, n_total: f64) {
    if options.on_progress.is_none() && !shell.listeners.has("progress") {
        return;
    }
    let progress = object(&[
        ("model", id.into()),
        ("phase", phase.into()),
        ("loaded", n_loaded.into()),
        ("total", n_total.into()),
    ]);
    if let Some(callback) = &options.on_progress {
        call(callback, &progress);
    }
    shell.listeners.emit("progress", &progress);
}
