//! The wire's messages between JavaScript objects and Rust: requests to workers, their replies, the agent's catalogue.
//!
//! `wire` defines these messages. Reading and writing them by hand, on objects that the browser's own JSON made, takes a
//! quarter of the space that serde's generated code takes in this module; the tests hold each against serde's form.

use js_sys::{Array, JSON};
use wasm_bindgen::prelude::*;
use wire::catalogue::PipelinePart;
use wire::engine::Part;
use wire::{
    Adapter, Backend, Capabilities, Catalogue, DType, Fault, FaultCategory, ModelCard, Phases, PipelineCard,
    PipelineKind, Precision, TensorHeader,
};

use crate::object::{array, object, property};

/// [`wire::Request`], with parameters as the caller's own values.
pub(crate) enum Request<'a> {
    Load {
        key: &'a str,
        backend: Backend,
        pipeline: Option<PipelineKind>,
        parts: &'a [Part],
        /// `ArrayBuffer`s and stored files, one per part; they go beside the header.
        contents: &'a [JsValue],
    },
    Run {
        key: &'a str,
        params: Option<&'a JsValue>,
        inputs: &'a [TensorHeader],
    },
    RunBatch {
        key: &'a str,
        n_jobs: usize,
        inputs: &'a [TensorHeader],
    },
    Unload {
        key: &'a str,
    },
    Ping,
}

/// [`wire::Reply`], with a pipeline's result as the page's own value.
#[derive(Debug)]
pub(crate) enum Reply {
    Ready { capabilities: Capabilities },
    Loaded { inputs: Vec<TensorHeader>, outputs: Vec<TensorHeader>, backend_detail: String, phases: Phases },
    Ran { outputs: Vec<TensorHeader>, result: Option<JsValue>, phases: Phases, memory_bytes: u64 },
    Unloaded,
    Pong { memory_bytes: u64 },
    Failed { fault: Fault },
    Trapped { fault: Fault },
}

/// The header of [`wire::EngineRequest`]; empty when the caller's parameters are not plain data.
pub(crate) fn request_header(id: u32, request: &Request<'_>) -> String {
    let request = match *request {
        Request::Load { key, backend, pipeline, parts, contents: _ } => object(&[
            ("kind", "load".into()),
            ("key", key.into()),
            ("backend", backend.as_str().into()),
            ("pipeline", pipeline.map_or(JsValue::NULL, |kind| kind.as_str().into())),
            ("parts", array(parts.iter().map(from_part))),
        ]),
        Request::Run { key, params, inputs } => object(&[
            ("kind", "run".into()),
            ("key", key.into()),
            ("params", params.unwrap_or(&JsValue::UNDEFINED).clone()),
            ("inputs", from_tensors(inputs)),
        ]),
        Request::RunBatch { key, n_jobs, inputs } => object(&[
            ("kind", "run_batch".into()),
            ("key", key.into()),
            ("n_jobs", n_jobs.into()),
            ("inputs", from_tensors(inputs)),
        ]),
        Request::Unload { key } => object(&[("kind", "unload".into()), ("key", key.into())]),
        Request::Ping => object(&[("kind", "ping".into())]),
    };
    let message = object(&[("id", id.into()), ("request", request)]);
    JSON::stringify(&message).ok().and_then(|text| text.as_string()).unwrap_or_default()
}

/// Reads the header of [`wire::EngineReply`]; the error says what is missing.
pub(crate) fn read_reply(header: &str) -> Result<(u32, Reply), String> {
    let message = JSON::parse(header).map_err(|_thrown| "it is not JSON".to_owned())?;
    let reply = property(&message, "reply").ok_or("it has no reply")?;
    let kind = text(&reply, "kind")?;
    let reply = match kind.as_str() {
        "ready" => Reply::Ready { capabilities: to_capabilities(&required(&reply, "capabilities")?)? },
        "loaded" => Reply::Loaded {
            inputs: list(&reply, "inputs", to_tensor)?,
            outputs: list(&reply, "outputs", to_tensor)?,
            backend_detail: text(&reply, "backend_detail")?,
            phases: to_phases(&required(&reply, "phases")?),
        },
        "ran" => Reply::Ran {
            outputs: list(&reply, "outputs", to_tensor)?,
            result: property(&reply, "result"),
            phases: to_phases(&required(&reply, "phases")?),
            memory_bytes: whole(&reply, "memory_bytes")?,
        },
        "unloaded" => Reply::Unloaded,
        "pong" => Reply::Pong { memory_bytes: whole(&reply, "memory_bytes")? },
        "failed" => Reply::Failed { fault: to_fault(&required(&reply, "fault")?)? },
        "trapped" => Reply::Trapped { fault: to_fault(&required(&reply, "fault")?)? },
        other => return Err(format!("there is no reply '{other}'")),
    };
    let id = whole(&message, "id")?;
    Ok((u32::try_from(id).map_err(|_too_large| "its id is too large".to_owned())?, reply))
}

/// Reads [`wire::Catalogue`]; the error says what is missing.
pub(crate) fn read_catalogue(value: &JsValue) -> Result<Catalogue, String> {
    Ok(Catalogue {
        models: list(value, "models", to_model_card)?,
        pipelines: list(value, "pipelines", to_pipeline_card)?,
    })
}

/// Tensor headers as plain objects.
pub(crate) fn from_tensors(headers: &[TensorHeader]) -> JsValue {
    let from_tensor = |header: &TensorHeader| {
        let dims = array(header.dims.iter().map(|&dim| dim.into()));
        object(&[
            ("name", header.name.as_str().into()),
            ("dtype", header.dtype.as_str().into()),
            ("dims", dims),
        ])
    };
    array(headers.iter().map(from_tensor))
}

fn from_part(part: &Part) -> JsValue {
    let sha256 = part.sha256.as_deref().map_or(JsValue::NULL, JsValue::from);
    object(&[("role", part.role.as_str().into()), ("sha256", sha256)])
}

fn to_tensor(value: &JsValue) -> Result<TensorHeader, String> {
    let dims = list(value, "dims", |dim| {
        to_whole(dim).and_then(|dim| u32::try_from(dim).ok()).ok_or("a dim is not whole".to_owned())
    })?;
    Ok(TensorHeader {
        name: text(value, "name")?,
        dtype: named(value, "dtype", &DType::ALL, DType::as_str)?,
        dims,
    })
}

fn to_phases(value: &JsValue) -> Phases {
    let micros = |name| property(value, name).as_ref().and_then(to_whole);
    Phases {
        queue_micros: micros("queue_micros"),
        download_micros: micros("download_micros"),
        verify_micros: micros("verify_micros"),
        load_micros: micros("load_micros"),
        run_micros: micros("run_micros"),
        total_micros: micros("total_micros"),
    }
}

fn to_fault(value: &JsValue) -> Result<Fault, String> {
    Ok(Fault {
        category: named(value, "category", &FaultCategory::ALL, FaultCategory::as_str)?,
        code: text(value, "code")?,
        message: text(value, "message")?,
        hint: text(value, "hint").ok(),
        retry_after_ms: None,
    })
}

fn to_capabilities(value: &JsValue) -> Result<Capabilities, String> {
    let to_text = |value: &JsValue| value.as_string().ok_or_else(|| "a device is not text".to_owned());
    Ok(Capabilities {
        wasm_build: text(value, "wasm_build")?,
        backends: list(value, "backends", |name| find_named(name, &Backend::ALL, Backend::as_str))?,
        adapter: property(value, "adapter").as_ref().map(to_adapter).transpose()?,
        webgpu_reason: text(value, "webgpu_reason").ok(),
        webnn_devices: if property(value, "webnn_devices").is_some() {
            list(value, "webnn_devices", to_text)?
        } else {
            Vec::new()
        },
        webnn_reason: text(value, "webnn_reason").ok(),
        webnn_notes: if property(value, "webnn_notes").is_some() {
            list(value, "webnn_notes", to_text)?
        } else {
            Vec::new()
        },
        cross_origin_isolated: flag(value, "cross_origin_isolated"),
    })
}

fn to_adapter(value: &JsValue) -> Result<Adapter, String> {
    Ok(Adapter {
        vendor: text(value, "vendor")?,
        architecture: text(value, "architecture")?,
        description: text(value, "description")?,
        is_fallback: flag(value, "is_fallback"),
    })
}

fn to_model_card(value: &JsValue) -> Result<ModelCard, String> {
    Ok(ModelCard {
        id: text(value, "id")?,
        family: text(value, "family")?,
        sha256: text(value, "sha256")?,
        size_bytes: whole(value, "size_bytes")?,
        precision: named(value, "precision", &Precision::ALL, Precision::as_str)?,
        licence: text(value, "licence")?,
        url: text(value, "url")?,
        inputs: list(value, "inputs", to_tensor)?,
        outputs: list(value, "outputs", to_tensor)?,
        available: flag(value, "available"),
    })
}

fn to_pipeline_card(value: &JsValue) -> Result<PipelineCard, String> {
    let to_part = |value: &JsValue| {
        Ok(PipelinePart {
            role: text(value, "role")?,
            sha256: text(value, "sha256")?,
            size_bytes: whole(value, "size_bytes")?,
            url: text(value, "url")?,
        })
    };
    Ok(PipelineCard {
        id: text(value, "id")?,
        title: text(value, "title")?,
        family: text(value, "family")?,
        kind: named(value, "kind", &PipelineKind::ALL, PipelineKind::as_str)?,
        parts: list(value, "parts", to_part)?,
        available: flag(value, "available"),
    })
}

/// A property that must be there.
pub(crate) fn required(value: &JsValue, name: &str) -> Result<JsValue, String> {
    property(value, name).ok_or_else(|| format!("'{name}' is missing"))
}

/// A property that must be text.
pub(crate) fn text(value: &JsValue, name: &str) -> Result<String, String> {
    required(value, name)?.as_string().ok_or_else(|| format!("'{name}' is not text"))
}

/// A property that must be a whole number.
pub(crate) fn whole(value: &JsValue, name: &str) -> Result<u64, String> {
    to_whole(&required(value, name)?).ok_or_else(|| format!("'{name}' is not a whole number"))
}

/// A property that must be a finite number.
pub(crate) fn real(value: &JsValue, name: &str) -> Result<f64, String> {
    let number = required(value, name)?.as_f64().filter(|number| number.is_finite());
    number.ok_or_else(|| format!("'{name}' is not a number"))
}

/// A number that is whole and not negative; JavaScript has no others above 2^53.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be whole and in range"
)]
fn to_whole(value: &JsValue) -> Option<u64> {
    let number = value.as_f64().filter(|number| number.fract() == 0.0 && *number >= 0.0)?;
    Some(number as u64)
}

fn flag(value: &JsValue, name: &str) -> bool {
    property(value, name).is_some_and(|flag| flag.is_truthy())
}

/// A property that must be an array, its items read one by one.
pub(crate) fn list<T>(
    value: &JsValue,
    name: &str,
    read: impl Fn(&JsValue) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let items = required(value, name)?;
    if !Array::is_array(&items) {
        return Err(format!("'{name}' is not an array"));
    }
    // `collect` into a `Result` costs half a kilobyte of code for each type.
    let mut list = Vec::new();
    for item in Array::from(&items).iter() {
        list.push(read(&item)?);
    }
    Ok(list)
}

/// The variant of that name, read from a property.
pub(crate) fn named<T: Copy>(
    value: &JsValue,
    name: &str,
    all: &[T],
    as_str: impl Fn(T) -> &'static str,
) -> Result<T, String> {
    find_named(&required(value, name)?, all, as_str).map_err(|reason| format!("'{name}': {reason}"))
}

/// The variant of that name.
pub(crate) fn find_named<T: Copy>(
    name: &JsValue,
    all: &[T],
    as_str: impl Fn(T) -> &'static str,
) -> Result<T, String> {
    let name = name.as_string().unwrap_or_default();
    let found = all.iter().copied().find(|variant| as_str(*variant) == name);
    found.ok_or_else(|| format!("'{name}' is not known"))
}

#[cfg(all(test, target_arch = "wasm32"))]
mod tests;
