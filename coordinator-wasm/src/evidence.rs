//! What a pool has learnt, in the page's `localStorage`: it survives a reload.

use js_sys::{Array, JSON};
use wasm_bindgen::prelude::*;
use wire::evidence::{BreakerEvidence, LatencyEvidence, StrategyEvidence};
use wire::{Backend, EVIDENCE_VERSION, Evidence, FaultCategory};

use crate::fault::describe;
use crate::object::{property, to_json};
use crate::plain::from_evidence;
use crate::protocol::{list, named, real, text, whole};
use crate::sys;

/// Where evidence is kept.
#[derive(Debug, Clone)]
pub(crate) struct Drawer {
    key: String,
}

impl Drawer {
    /// The entry of `localStorage` with this key.
    pub(crate) const fn new(key: String) -> Self {
        Self { key }
    }

    /// What an earlier page has kept; `None` when there was none.
    ///
    /// # Errors
    /// Why what is there cannot be used: it is damaged, of another version, or the browser refuses.
    pub(crate) fn open(&self) -> Result<Option<Evidence>, String> {
        let kept = storage()?.get_item(&self.key).map_err(|thrown| describe(&thrown))?;
        kept.map(|kept| read(&kept)).transpose()
    }

    /// Keeps evidence in place of what was there.
    ///
    /// # Errors
    /// Why the browser refuses, e.g. because its quota is used up.
    pub(crate) fn put(&self, evidence: &Evidence) -> Result<(), String> {
        // Evidence holds nothing that JSON cannot.
        let json = to_json(&from_evidence(evidence)).unwrap_or_default();
        storage()?.set_item(&self.key, &json).map_err(|thrown| describe(&thrown))
    }
}

/// Browsers throw on mere access where pages may not store anything.
fn storage() -> Result<sys::Storage, String> {
    let storage = js_sys::Reflect::get(&js_sys::global(), &"localStorage".into());
    match storage {
        Ok(storage) if storage.is_object() => Ok(storage.unchecked_into()),
        Ok(_) => Err("there is no localStorage".to_owned()),
        Err(thrown) => Err(describe(&thrown)),
    }
}

fn read(json: &str) -> Result<Evidence, String> {
    let value = JSON::parse(json).map_err(|_thrown| "it is not JSON".to_owned())?;
    let version = whole(&value, "version")?;
    if version != u64::from(EVIDENCE_VERSION) {
        return Err(format!("its version is {version}, this one reads {EVIDENCE_VERSION}"));
    }
    Ok(Evidence {
        version: EVIDENCE_VERSION,
        saved_unix_micros: whole(&value, "saved_unix_micros")?.cast_signed(),
        breakers: list(&value, "breakers", to_breaker)?,
        latencies: list(&value, "latencies", to_latency)?,
        strategies: list(&value, "strategies", to_strategy)?,
    })
}

fn to_breaker(value: &JsValue) -> Result<BreakerEvidence, String> {
    Ok(BreakerEvidence {
        connection: small(whole(value, "connection")?)?,
        browser: text(value, "browser")?,
        component: text(value, "component")?,
        n_openings: small(whole(value, "n_openings")?)?,
        open_micros: property(value, "open_micros").map(|_| whole(value, "open_micros")).transpose()?,
    })
}

fn to_latency(value: &JsValue) -> Result<LatencyEvidence, String> {
    let pair = |name| property(value, name).map(|pair| Array::from(&pair));
    let place = pair("place").map(|pair| Some((pair.get(0).as_string()?, pair.get(1).as_string()?)));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast saturates")]
    let shape = pair("shape").map(|pair| Some((pair.get(0).as_f64()? as u32, pair.get(1).as_f64()? as u8)));
    if place == Some(None) || shape == Some(None) {
        return Err("a place or shape is not a pair".to_owned());
    }
    Ok(LatencyEvidence {
        model: text(value, "model")?,
        backend: named(value, "backend", &Backend::ALL, Backend::as_str)?,
        place: place.flatten(),
        shape: shape.flatten(),
        weight: real(value, "weight")?,
        mean_ln: real(value, "mean_ln")?,
        variance_ln: real(value, "variance_ln")?,
        age_micros: whole(value, "age_micros")?,
    })
}

fn to_strategy(value: &JsValue) -> Result<StrategyEvidence, String> {
    Ok(StrategyEvidence {
        category: named(value, "category", &FaultCategory::ALL, FaultCategory::as_str)?,
        component: text(value, "component")?,
        strategy: text(value, "strategy")?,
        n_helped: real(value, "n_helped")?,
        n_failed: real(value, "n_failed")?,
        mean_seconds: real(value, "mean_seconds")?,
        impact: real(value, "impact").ok(),
        stability: real(value, "stability")?,
    })
}

fn small(number: u64) -> Result<u32, String> {
    u32::try_from(number).map_err(|_too_large| format!("{number} is too large"))
}

#[cfg(all(test, target_arch = "wasm32"))]
mod tests;
