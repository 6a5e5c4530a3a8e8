//! Which variants are known to be fast on an adapter: what was measured in this browser, what an agent's history says, and
//! what the worker's address asks for.

use std::collections::BTreeMap;

use js_sys::{Function, Promise};
use model::webgpu::{Choices, Variant};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use wire::Adapter;

use super::settings::Settings;
use crate::web::promise::within;
use crate::web::sys::{self, Database, Response};

/// Name of the database and of its only store.
const DATABASE: &str = "tabpool-tuning";
/// Time for the database, or the agent, milliseconds: without them the default variants run.
const PATIENCE_MILLIS: i32 = 1_000;

/// Names of variants by class, as both the database and the agent give them.
pub(super) type Measured = BTreeMap<String, String>;

/// What is known of an adapter. This browser's own measurements count more than those of others.
pub(super) async fn known(adapter: &Adapter, settings: &Settings) -> Choices {
    let mut choices = Choices { forced: settings.forced.clone(), ..Choices::default() };
    let told = match &settings.tuning {
        Some(url) => fetched(url, adapter).await.unwrap_or_default(),
        None => Measured::new(),
    };
    let own = kept(adapter).await.unwrap_or_default();
    choices.measured.extend(variants(&told).chain(variants(&own)));
    choices
}

/// The variants of those names that are known: another version of tabpool may know some that this one lacks.
pub(super) fn variants(measured: &Measured) -> impl Iterator<Item = (String, Variant)> {
    measured.iter().filter_map(|(class, name)| Some((class.clone(), name.parse().ok()?)))
}

/// Keeps what was measured on an adapter for the next visit, beside what is kept of other classes; false when the browser
/// does not.
pub(super) async fn keep(adapter: &Adapter, measured: Measured) -> bool {
    let mut all = kept(adapter).await.unwrap_or_default();
    all.extend(measured);
    let Ok(text) = serde_json::to_string(&all) else { return false };
    let put = |store: &Database| store.put(&text, &key(adapter));
    with_store("readwrite", put).await.is_some()
}

async fn kept(adapter: &Adapter) -> Option<Measured> {
    let found = with_store("readonly", |store| store.get(&key(adapter))).await?;
    serde_json::from_str(&found.as_string()?).ok()
}

/// The result of one request to the store.
async fn with_store(
    mode: &str,
    request: impl FnOnce(&Database) -> Result<Database, JsValue>,
) -> Option<JsValue> {
    let opening = sys::INDEXED_DB.with(|factory| factory.as_ref()?.open(DATABASE, 1).ok())?;
    let fresh = opening.clone();
    // JavaScript owns it: the database may open when nobody waits any more.
    let create = Closure::once_into_js(move || {
        // Where it fails, the transaction below finds no store.
        drop(fresh.result().unchecked_into::<Database>().create_object_store(DATABASE));
    });
    opening.set_on_upgrade_needed(&create);
    let database: Database = settled(&opening).await?.unchecked_into();
    let store =
        database.transaction(DATABASE, mode).and_then(|transaction| transaction.object_store(DATABASE));
    let result = match store.and_then(|store| request(&store)) {
        Ok(request) => settled(&request).await,
        Err(_) => None,
    };
    database.close();
    result
}

/// The result of a request; `None` when it fails or takes too long.
async fn settled(request: &Database) -> Option<JsValue> {
    let promise = Promise::new(&mut |resolve: Function, reject: Function| {
        request.set_on_success(&resolve);
        request.set_on_error(&reject);
    });
    within(&promise, PATIENCE_MILLIS).await.ok()?;
    Some(request.result())
}

async fn fetched(url: &str, adapter: &Adapter) -> Option<Measured> {
    let Adapter { vendor, architecture, description, is_fallback } = adapter;
    let [vendor, architecture, description] =
        [vendor, architecture, description].map(|text| String::from(js_sys::encode_uri_component(text)));
    let url = format!(
        "{url}?vendor={vendor}&architecture={architecture}&description={description}&is_fallback={is_fallback}"
    );
    let response: Response = within(&sys::fetch(&url), PATIENCE_MILLIS).await.ok()?.unchecked_into();
    if !response.ok() {
        return None;
    }
    let text = within(&response.text(), PATIENCE_MILLIS).await.ok()?;
    serde_json::from_str(&text.as_string()?).ok()
}

fn key(adapter: &Adapter) -> String {
    let Adapter { vendor, architecture, description, is_fallback } = adapter;
    format!("{vendor}|{architecture}|{description}|{is_fallback}")
}

#[cfg(test)]
mod tests;
