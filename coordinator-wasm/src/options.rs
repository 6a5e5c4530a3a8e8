//! What callers may ask for, read once from their plain objects.

use core::time::Duration;

use js_sys::{Array, Function, Reflect};
use pool::{Priority, UnknownName};
use wasm_bindgen::prelude::*;
use web_sys::AbortSignal;
use wire::{Backend, Fault};

use crate::fault::invalid;
use crate::golden::Limits;
use crate::joined::joined;
use crate::object::property;
use crate::protocol::find_named;
use crate::sys;

/// Workers of a pool whose caller did not say.
const DEFAULT_MIN_WORKERS: u32 = 1;
/// The same, upper bound.
const DEFAULT_MAX_WORKERS: u32 = 4;
/// More would exhaust memory long before they help.
const MOST_WORKERS: u32 = 64;
/// Jobs in one call, where the caller did not say. Of MiniLM's 1×16 tokens two workers run 1.15 times as many with 2 in a call,
/// 1.23 times with 4 and 1.26 times with 8, but the first of 8 waits twice as long.
const DEFAULT_MAX_BATCH: u64 = 4;
/// More would keep the first job's caller waiting for others' results.
const MOST_BATCH: u32 = 64;
/// Share of the machine's memory that workers may use, where the browser says how much there is.
const MEMORY_SHARE: f64 = 0.25;
/// Records kept for an agent that does not answer: about 1 MB.
const DEFAULT_RECORD_LIMIT: u64 = 1000;

/// Entry of `localStorage` that evidence is kept under.
const DEFAULT_EVIDENCE_KEY: &str = "tabpool.evidence";

/// `PoolOptions` of the JavaScript interface. `None`: the pool's own default.
pub(crate) struct PoolOptions {
    pub(crate) min_workers: u32,
    pub(crate) max_workers: u32,
    /// Without a final slash.
    pub(crate) agent: Option<String>,
    pub(crate) worker_url: String,
    pub(crate) queue_limit: Option<u64>,
    pub(crate) launch_timeout: Option<Duration>,
    pub(crate) load_timeout: Option<Duration>,
    pub(crate) run_timeout: Option<Duration>,
    pub(crate) heartbeat: Option<Duration>,
    pub(crate) scale_cooldown: Option<Duration>,
    /// Pages that each host one more connection.
    pub(crate) frames: Vec<String>,
    pub(crate) max_batch: u32,
    pub(crate) batch_delay: Option<Duration>,
    pub(crate) is_hedging: bool,
    /// `None`: unknown.
    pub(crate) memory_limit_bytes: Option<u64>,
    pub(crate) session: Option<String>,
    pub(crate) browser: Option<(String, String)>,
    pub(crate) record_limit: u64,
    /// Where in `localStorage` evidence is kept, if it is.
    pub(crate) evidence_key: Option<String>,
}

/// `LoadOptions` of the JavaScript interface.
pub(crate) struct LoadOptions {
    pub(crate) backend: Choice,
    pub(crate) probe: Probe,
    pub(crate) sha256: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) on_progress: Option<Function>,
    pub(crate) signal: Option<AbortSignal>,
    /// Id of a loaded model that may stand in when memory is short.
    pub(crate) lower_precision: Option<String>,
}

/// Which backend a model is loaded for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// This one.
    One(Backend),
    /// Those that agree; the pool prefers the fastest.
    Auto,
}

impl Choice {
    /// Stable name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::One(backend) => backend.as_str(),
            Self::Auto => "auto",
        }
    }
}

/// What a component that failed is tried with.
pub(crate) enum Probe {
    /// Jobs.
    None,
    /// The first run that goes well while nothing fails.
    FirstRun,
    /// The caller's inputs; without outputs they only serve to choose a backend.
    Given { inputs: JsValue, outputs: Option<JsValue>, limits: Limits },
}

/// `RunOptions` of the JavaScript interface.
#[derive(Clone, Default)]
pub(crate) struct RunOptions {
    pub(crate) signal: Option<AbortSignal>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) priority: Priority,
    pub(crate) transfer: bool,
    /// Whether to cut it into pieces for the pool's workers.
    pub(crate) split: bool,
    pub(crate) case: Option<String>,
    /// The only backend that may run it.
    pub(crate) backend: Option<Backend>,
}

impl PoolOptions {
    /// # Errors
    /// `option` naming the one that does not fit.
    pub(crate) fn read(options: &JsValue) -> Result<Self, Fault> {
        let frames = frames(options)?;
        let (min_workers, max_workers) = workers(options, frames.is_empty())?;
        let browser = property(options, "browser");
        let browser = browser.map(|browser| {
            (text(&browser, "name").unwrap_or_default(), text(&browser, "version").unwrap_or_default())
        });
        let session = text(options, "session");
        Ok(Self {
            min_workers,
            max_workers,
            agent: agent(options),
            worker_url: address(options, "workerUrl").map_or_else(default_worker_url, Ok)?,
            queue_limit: whole(options, "queueLimit", 1_000_000)?,
            launch_timeout: millis(options, "launchTimeoutMs")?,
            load_timeout: millis(options, "loadTimeoutMs")?,
            run_timeout: millis(options, "runTimeoutMs")?,
            heartbeat: millis(options, "heartbeatMs")?,
            scale_cooldown: millis(options, "scaleCooldownMs")?,
            frames,
            max_batch: whole(options, "maxBatch", MOST_BATCH)?.unwrap_or(DEFAULT_MAX_BATCH) as u32,
            batch_delay: millis(options, "batchDelayMs")?,
            is_hedging: flag(options, "hedge"),
            memory_limit_bytes: memory_limit(options)?,
            evidence_key: evidence_key(options, session.is_some()),
            session,
            browser,
            record_limit: whole(options, "recordLimit", 1_000_000)?.unwrap_or(DEFAULT_RECORD_LIMIT),
        })
    }
}

impl LoadOptions {
    /// # Errors
    /// `option` naming the one that does not fit.
    pub(crate) fn read(options: &JsValue) -> Result<Self, Fault> {
        Ok(Self {
            backend: match text(options, "backend").as_deref() {
                None => Choice::One(Backend::Wasm),
                Some("auto") => Choice::Auto,
                Some(name) => {
                    let named = find_named(&name.into(), &Backend::ALL, Backend::as_str);
                    Choice::One(named.map_err(|_unknown| {
                        let names = Backend::ALL.into_iter().map(|backend| backend.as_str().to_owned());
                        unfit("backend", &format!("'{name}' is none of {}, auto", joined(names, ", ")))
                    })?)
                }
            },
            probe: probe(options)?,
            sha256: text(options, "sha256").map(|sha256| sha256.to_ascii_lowercase()),
            name: text(options, "name"),
            on_progress: property(options, "onProgress").and_then(|callback| callback.dyn_into().ok()),
            signal: signal(options),
            lower_precision: property(options, "lowerPrecision").and_then(|model| text(&model, "id")),
        })
    }
}

impl RunOptions {
    /// # Errors
    /// `option` naming the one that does not fit.
    pub(crate) fn read(options: &JsValue) -> Result<Self, Fault> {
        let priority = text(options, "priority").map(|name| name.parse());
        Ok(Self {
            signal: signal(options),
            deadline: millis(options, "deadlineMs")?,
            priority: priority
                .transpose()
                .map_err(|error: UnknownName| unfit("priority", &error.to_string()))?
                .unwrap_or(Priority::Normal),
            transfer: flag(options, "transfer"),
            split: flag(options, "split"),
            case: text(options, "case"),
            backend: None,
        })
    }
}

fn probe(options: &JsValue) -> Result<Probe, Fault> {
    let Some(probe) = property(options, "probe") else { return Ok(Probe::None) };
    if let Some(word) = probe.as_string() {
        return if word == "first-run" {
            Ok(Probe::FirstRun)
        } else {
            Err(unfit("probe", &format!("'{word}' is neither 'first-run' nor an object")))
        };
    }
    let inputs = property(&probe, "inputs").ok_or_else(|| unfit("probe", "it has no inputs"))?;
    let limits = property(&probe, "limits").unwrap_or(JsValue::UNDEFINED);
    let limit = |name| property(&limits, name).and_then(|limit| limit.as_f64());
    let default = Limits::default();
    let limits = Limits {
        max_abs_ratio: limit("maxAbsRatio").unwrap_or(default.max_abs_ratio),
        cosine: limit("cosine").unwrap_or(default.cosine),
    };
    Ok(Probe::Given { inputs, outputs: property(&probe, "outputs"), limits })
}

/// Only a pool of iframes can do without.
fn workers(options: &JsValue, is_needed: bool) -> Result<(u32, u32), Fault> {
    let least = u32::from(is_needed);
    let Some(workers) = property(options, "workers") else {
        return Ok((DEFAULT_MIN_WORKERS, DEFAULT_MAX_WORKERS));
    };
    let bounds = if workers.as_f64().is_some() {
        let fixed = whole_from(least, options, "workers", MOST_WORKERS)?;
        (fixed, fixed)
    } else {
        (whole_from(least, &workers, "min", MOST_WORKERS)?, whole_from(least, &workers, "max", MOST_WORKERS)?)
    };
    let n_workers = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    let min = bounds.0.map_or(DEFAULT_MIN_WORKERS, n_workers);
    let max = bounds.1.map_or(DEFAULT_MAX_WORKERS.max(min), n_workers);
    if min > max {
        return Err(unfit("workers", &format!("min {min} is more than max {max}")));
    }
    Ok((min, max))
}

/// Missing: the page's own origin. `null`: none.
fn agent(options: &JsValue) -> Option<String> {
    let given = Reflect::get(options, &"agent".into()).unwrap_or(JsValue::UNDEFINED);
    let agent = if given.is_undefined() {
        let location = property(&js_sys::global(), "location")?;
        text(&location, "origin").filter(|origin| origin.starts_with("http"))?
    } else {
        address(options, "agent")?
    };
    Some(agent.trim_end_matches('/').to_owned())
}

/// `null`: none. A session measures, and must not depend on what an earlier one has learnt.
fn evidence_key(options: &JsValue, has_session: bool) -> Option<String> {
    let given = Reflect::get(options, &"evidenceKey".into()).unwrap_or(JsValue::UNDEFINED);
    if given.is_undefined() {
        (!has_session).then(|| DEFAULT_EVIDENCE_KEY.to_owned())
    } else {
        given.as_string()
    }
}

/// `worker.js` beside this module.
fn default_worker_url() -> Result<String, Fault> {
    beside("worker.js").map_err(|reason| unfit("workerUrl", &reason))
}

/// The address of a file beside this module; the error says why there is none.
pub(crate) fn beside(file: &str) -> Result<String, String> {
    let module = sys::IMPORT_META.with(sys::ImportMeta::url);
    web_sys::Url::new_with_base(file, &module)
        .map(|url| url.href())
        .map_err(|_thrown| format!("it is needed, because this module's address {module} is no base"))
}

/// A number of iframes with `frame.html` beside this module, or the address of each.
fn frames(options: &JsValue) -> Result<Vec<String>, Fault> {
    match property(options, "iframes") {
        None => Ok(Vec::new()),
        Some(urls) if Array::is_array(&urls) => {
            let urls = Array::from(&urls);
            let urls = urls.iter().map(|url| url.as_string().or_else(|| text(&url, "href")));
            urls.collect::<Option<_>>().ok_or_else(|| unfit("iframes", "an address is no text"))
        }
        Some(_) => {
            let n_frames = whole(options, "iframes", MOST_WORKERS)?.unwrap_or_default() as usize;
            let frame = beside("frame.html").map_err(|reason| unfit("iframes", &reason))?;
            Ok(vec![frame; n_frames])
        }
    }
}

/// Missing: a share of what the browser says that the machine has. `null`: none.
fn memory_limit(options: &JsValue) -> Result<Option<u64>, Fault> {
    let given = Reflect::get(options, &"memoryLimitBytes".into()).unwrap_or(JsValue::UNDEFINED);
    if given.is_null() {
        return Ok(None);
    }
    let limit = if given.is_undefined() {
        let navigator = property(&js_sys::global(), "navigator");
        let gigabytes = navigator.and_then(|navigator| property(&navigator, "deviceMemory"));
        gigabytes.and_then(|gigabytes| gigabytes.as_f64()).map(|n| n * MEMORY_SHARE * f64::from(1 << 30))
    } else {
        let limit = given.as_f64().filter(|limit| *limit >= 1.0);
        Some(limit.ok_or_else(|| unfit("memoryLimitBytes", "it takes a number of bytes or null"))?)
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be positive")]
    Ok(limit.map(|limit| limit as u64))
}

fn flag(options: &JsValue, name: &str) -> bool {
    property(options, name).is_some_and(|flag| flag.is_truthy())
}

fn text(options: &JsValue, name: &str) -> Option<String> {
    property(options, name)?.as_string()
}

/// A string or a `URL`.
fn address(options: &JsValue, name: &str) -> Option<String> {
    let value = property(options, name)?;
    value.as_string().or_else(|| text(&value, "href"))
}

fn signal(options: &JsValue) -> Option<AbortSignal> {
    property(options, "signal")?.dyn_into().ok()
}

/// A whole number from 1 to `max`.
fn whole(options: &JsValue, name: &str, max: u32) -> Result<Option<u64>, Fault> {
    whole_from(1, options, name, max)
}

/// A whole number from `least` to `max`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be whole and in range"
)]
fn whole_from(least: u32, options: &JsValue, name: &str, max: u32) -> Result<Option<u64>, Fault> {
    let Some(value) = property(options, name) else { return Ok(None) };
    let range = f64::from(least)..=f64::from(max);
    let number = value.as_f64().filter(|number| number.fract() == 0.0 && range.contains(number));
    let number =
        number.ok_or_else(|| unfit(name, &format!("it takes whole numbers from {least} to {max}")))?;
    Ok(Some(number as u64))
}

/// A positive time, at most 24 days: what a browser's timer can wait.
fn millis(options: &JsValue, name: &str) -> Result<Option<Duration>, Fault> {
    let Some(value) = property(options, name) else { return Ok(None) };
    let number = value.as_f64().filter(|number| *number > 0.0 && *number <= f64::from(i32::MAX));
    let number = number.ok_or_else(|| unfit(name, "it takes milliseconds above 0"))?;
    Ok(Some(Duration::from_secs_f64(number / 1e3)))
}

fn unfit(name: &str, reason: &str) -> Fault {
    invalid("option", format!("option '{name}' does not fit: {reason}"))
}
