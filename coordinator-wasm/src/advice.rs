//! What the agent's history says about how long models take in this browser.

use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::AbortSignal;
use wire::{Backend, Fault, FaultCategory};

use crate::download::get;
use crate::fault::describe;
use crate::object::property;
use crate::protocol::{list, real, text};

/// How long one case of a model took elsewhere, in this browser.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Prior {
    /// Id in the catalogue.
    pub(crate) model: String,
    pub(crate) backend: Backend,
    pub(crate) median_micros: f64,
    /// Runs that the median comes from.
    pub(crate) n_runs: f64,
}

/// Asks `agent` for `browser`.
///
/// # Errors
/// Those of the request, or `advice-unreadable`.
pub(crate) async fn ask(agent: &str, browser: &str, signal: &AbortSignal) -> Result<Vec<Prior>, Fault> {
    let url = format!("{agent}/v1/advice?browser={}", String::from(js_sys::encode_uri_component(browser)));
    let response = get(&url, signal).await?;
    let unreadable = |reason: String| {
        let message = format!("the advice at {url} is unreadable: {reason}");
        Fault::new(FaultCategory::Internal, "advice-unreadable", message)
    };
    let thrown = |thrown: JsValue| unreadable(describe(&thrown));
    let document = JsFuture::from(response.json().map_err(thrown)?).await.map_err(thrown)?;
    let cases = list(&document, "advice", |case| {
        let model = text(case, "model")?;
        list(case, "choices", |choice| to_prior(&model, browser, choice))
    });
    Ok(cases.map_err(unreadable)?.into_iter().flatten().flatten().collect())
}

/// `None` for another browser's choice, or one that was never measured.
fn to_prior(model: &str, browser: &str, choice: &JsValue) -> Result<Option<Prior>, String> {
    let (name, backend) = (text(choice, "browser")?, text(choice, "backend")?);
    // The backend comes first, its finer description after it.
    let backend = Backend::ALL.into_iter().find(|known| backend.split(' ').next() == Some(known.as_str()));
    let (Some(backend), Some(_)) = (backend, property(choice, "median_micros")) else { return Ok(None) };
    let median_micros = real(choice, "median_micros")?;
    let n_runs = real(choice, "n")?;
    let prior = Prior { model: model.to_owned(), backend, median_micros, n_runs };
    Ok((name == browser && median_micros >= 1.0).then_some(prior))
}
