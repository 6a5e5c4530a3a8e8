//! `backend: 'auto'`: a model is tried on every backend, and keeps those that agree. Which of them a run then goes to is
//! the pool's choice, by what it measures; the figures from here are where it starts.

mod verdict;

use std::rc::Rc;

use js_sys::ArrayBuffer;
use pool::ModelId;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::AbortSignal;
use wire::{Backend, DType, TensorHeader};

pub(crate) use crate::auto::verdict::Verdict;
use crate::auto::verdict::{Candidate, Measured, judge};
use crate::clock::now_micros;
use crate::deferred::Deferred;
use crate::fault::{cancelled, to_error};
use crate::golden::{Limits, Outputs};
use crate::loading::load_on;
use crate::object::{array, object, property, set};
use crate::options::{Probe, RunOptions};
use crate::outputs::typed_array;
use crate::shell::Shell;

/// Warm runs that a backend is judged by, at most.
const N_RUNS: usize = 5;
/// No further run starts when a backend has taken this long, microseconds.
const PATIENCE_MICROS: u64 = 2_000_000;
/// Size of a symbolic dimension in made-up inputs; the first one counts a batch.
const MADE_UP_DIM: u32 = 16;

/// Loads a model on every backend, runs it there, and leaves it those whose outputs agree.
///
/// # Errors
/// That of the last backend, when none could load it.
pub(crate) async fn choose(
    shell: &Rc<Shell>,
    id: ModelId,
    probe: &Probe,
    signal: &AbortSignal,
) -> Result<(), JsValue> {
    let backends = shell.with(|tab| tab.backends(id)).map_err(|fault| to_error(&fault))?;
    if backends.is_empty() {
        return load_on(shell, id, None, signal).await;
    }
    let mut inputs = match probe {
        Probe::Given { inputs, .. } => Some(inputs.clone()),
        Probe::None | Probe::FirstRun => None,
    };
    let mut candidates = Vec::new();
    let mut refusal = None;
    for backend in backends {
        match load_on(shell, id, Some(backend), signal).await {
            Ok(()) => {
                // What a model takes is known once it was loaded.
                inputs = inputs.or_else(|| made_up(&shell.with(|tab| tab.contract(id).0).ok()?));
                candidates.push(try_out(shell, id, backend, inputs.as_ref(), signal).await);
            }
            Err(error) => {
                candidates.push(Candidate {
                    backend,
                    is_loaded: false,
                    problem: Some(message(&error)),
                    measured: None,
                });
                refusal = Some(error);
            }
        }
        if signal.aborted() {
            return Err(to_error(&cancelled("loading a model")));
        }
    }
    let limits = match probe {
        Probe::Given { limits, .. } => *limits,
        Probe::None | Probe::FirstRun => Limits::default(),
    };
    let Some(verdict) = judge(&mut candidates, limits) else {
        return Err(refusal.unwrap_or(JsValue::UNDEFINED));
    };
    shell.feed(move |tab| tab.take_verdict(id, &verdict));
    Ok(())
}

/// Runs a loaded model a few times on one backend.
async fn try_out(
    shell: &Rc<Shell>,
    id: ModelId,
    backend: Backend,
    inputs: Option<&JsValue>,
    signal: &AbortSignal,
) -> Candidate {
    let mut candidate = Candidate { backend, is_loaded: true, problem: None, measured: None };
    let Some(inputs) = inputs else {
        candidate.problem = Some("no inputs to try it with".to_owned());
        return candidate;
    };
    let started = now_micros();
    let mut micros = Vec::new();
    let mut last = JsValue::UNDEFINED;
    // The first run warms up.
    while micros.len() <= N_RUNS && (micros.len() < 2 || now_micros() - started < PATIENCE_MICROS) {
        let (promise, deferred) = Deferred::new();
        let options =
            RunOptions { backend: Some(backend), signal: Some(signal.clone()), ..RunOptions::default() };
        let inputs = inputs.clone();
        shell.feed(move |tab| tab.run_model(id, &inputs, options, deferred));
        let result = match JsFuture::from(promise).await {
            Ok(result) => result,
            Err(error) => {
                candidate.problem = Some(message(&error));
                return candidate;
            }
        };
        let phases = property(&result, "record").and_then(|record| property(&record, "phases"));
        let run_micros = phases.and_then(|phases| property(&phases, "run_micros"));
        micros.push(run_micros.and_then(|micros| micros.as_f64()).unwrap_or(f64::INFINITY));
        last = result;
    }
    let outputs = property(&last, "outputs").and_then(|outputs| Outputs::read(&outputs).ok());
    candidate.measured = Some(Measured { micros: micros.split_off(1), outputs });
    candidate
}

/// Inputs of the right types and shapes, for a model of which nothing else is known; `None` for one that states none.
fn made_up(specs: &[TensorHeader]) -> Option<JsValue> {
    if specs.is_empty() {
        return None;
    }
    let inputs = object(&[]);
    for spec in specs {
        let size = |(place, &dim): (usize, &u32)| match dim {
            0 if place == 0 => 1,
            0 => MADE_UP_DIM,
            fixed => fixed,
        };
        let dims: Vec<u32> = spec.dims.iter().enumerate().map(size).collect();
        let n_elements: u32 = dims.iter().product();
        let bytes = ArrayBuffer::new(n_elements * spec.dtype.size_bytes() as u32);
        let data = typed_array(spec.dtype, &bytes);
        for index in 0..n_elements {
            fill(spec.dtype, &data, index);
        }
        let dims = array(dims.into_iter().map(JsValue::from));
        let tensor = object(&[("dtype", spec.dtype.as_str().into()), ("dims", dims), ("data", data)]);
        set(&inputs, &spec.name, &tensor);
    }
    Some(inputs)
}

/// Floats between -1 and 1; ones for integers, which are token ids and masks more often than not.
fn fill(dtype: DType, data: &JsValue, index: u32) {
    let value = match dtype {
        DType::Float32 => (f64::from(index * 37 % 101) / 50.0 - 1.0).into(),
        // 1.0 as raw bits.
        DType::Float16 => 0x3c00.into(),
        DType::Int64 => js_sys::BigInt::from(1).into(),
        DType::Int32 | DType::Int8 | DType::Uint8 | DType::Bool => 1.into(),
    };
    drop(js_sys::Reflect::set_u32(data, index, &value));
}

fn message(error: &JsValue) -> String {
    property(error, "message").and_then(|message| message.as_string()).unwrap_or_default()
}
