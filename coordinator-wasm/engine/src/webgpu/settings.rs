//! What the worker's address asks of this backend: `worker.js?webgpu-variant=tiled-64x64,lines`.

use std::collections::BTreeMap;
use std::fmt::Display;

use model::webgpu::Variant;
use wire::Fault;

use super::fault;
use crate::web::sys::{self, Location};

/// Parameters of the worker's address.
#[derive(Debug, Default)]
pub(super) struct Settings {
    /// `webgpu-variant`: names of variants, separated by commas; each runs wherever it can.
    pub(super) forced: Vec<Variant>,
    /// `webgpu-limits`: limits below those of the device, as `name:value`, separated by commas.
    limits: BTreeMap<String, f64>,
    /// `webgpu-tuning`: address of an agent's measurements.
    pub(super) tuning: Option<String>,
    /// `webgpu-seconds`: how long a run may take.
    pub(super) run_seconds: Option<i32>,
}

impl Settings {
    /// # Errors
    /// `webgpu-settings`: a name or a number that nobody knows.
    pub(super) fn of_worker() -> Result<Self, Fault> {
        let query = sys::LOCATION.with(Location::search);
        let mut settings = Self::default();
        for (name, value) in query.trim_start_matches('?').split('&').filter_map(|pair| pair.split_once('='))
        {
            // What is no encoded text is no value either.
            let value = js_sys::decode_uri_component(value).map(String::from).unwrap_or_default();
            settings.set(name, &value)?;
        }
        Ok(settings)
    }

    /// What is used of a limit.
    pub(super) fn lowered(&self, name: &str, value: f64) -> f64 {
        self.limits.get(name).map_or(value, |lowered| value.min(*lowered))
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Fault> {
        match name {
            "webgpu-variant" => {
                for variant in value.split(',') {
                    self.forced.push(variant.parse().map_err(|error| unknown(name, error))?);
                }
            }
            "webgpu-limits" => {
                for limit in value.split(',') {
                    let (limit, number) =
                        limit.split_once(':').ok_or_else(|| unknown(name, "it has the form NAME:VALUE"))?;
                    let number = number.parse().map_err(|error| unknown(name, error))?;
                    self.limits.insert(limit.to_owned(), number);
                }
            }
            "webgpu-tuning" => self.tuning = Some(value.to_owned()),
            "webgpu-seconds" => {
                self.run_seconds = Some(value.parse().map_err(|error| unknown(name, error))?);
            }
            _ => {}
        }
        Ok(())
    }
}

fn unknown(name: &str, cause: impl Display) -> Fault {
    fault::settings(name, cause)
}
