//! Measures the variants of what a program computes, on its device, within a time.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::rc::Rc;

use model::webgpu::{Choices, Program, Shape, Tunable, Variant};
use model::{Data, DataRef, Tensor};
use wire::{Fault, Trial};

use super::device::Device;
use super::executable::{Executable, Input, Output};
use super::fault;
use super::weights::Weights;
use crate::web::sys::now_micros;

/// Least time of one sample, microseconds: a submission takes some thousand by itself, more or less.
const SAMPLE_MICROS: f64 = 20_000.0;
const N_SAMPLES: usize = 3;
/// Calls in one submission at most.
const MAX_CALLS: usize = 1024;
/// A variant replaces the default when it takes at most this share of its time: less may be chance.
const CLEAR_GAIN: f64 = 0.95;
/// A variant whose first run takes this many times as long as the best is not measured further.
const HOPELESS: f64 = 3.0;
/// Most that results may differ from those of the default variant, relative to the largest.
const MAX_DIFFERENCE: f32 = 1e-4;
/// The same for variants that compute with 16-bit floats.
const MAX_HALF_DIFFERENCE: f32 = 1e-2;

/// One variant's compilation, its time and its first output.
struct Measured {
    compile_micros: f64,
    micros: f64,
    output: Vec<f32>,
}

/// Measures for `budget_millis`: the classes with the most work first, each for its share of the time.
pub(super) async fn tune(
    device: &Rc<Device>,
    tunables: &[Tunable],
    budget_millis: u32,
) -> Result<Vec<Trial>, Fault> {
    // The shape with the most work stands for its class.
    let mut by_class: BTreeMap<String, Tunable> = BTreeMap::new();
    for tunable in tunables {
        let class = by_class.entry(tunable.shape.class()).or_insert(*tunable);
        if work(tunable) > work(class) {
            *class = *tunable;
        }
    }
    let mut classes: Vec<(String, Tunable)> = by_class.into_iter().collect();
    classes.sort_by_key(|(_, tunable)| Reverse(work(tunable)));
    let ends = now_micros() + u64::from(budget_millis) * 1000;
    let mut trials = Vec::new();
    for (index, (class, tunable)) in classes.iter().enumerate() {
        let share = ends.saturating_sub(now_micros()) / (classes.len() - index) as u64;
        trials.extend(tune_class(device, class, tunable, now_micros() + share).await?);
    }
    Ok(trials)
}

/// Work of all calls.
fn work(tunable: &Tunable) -> u64 {
    tunable.n_calls as u64 * tunable.shape.n_operations()
}

async fn tune_class(
    device: &Rc<Device>,
    class: &str,
    tunable: &Tunable,
    ends_micros: u64,
) -> Result<Vec<Trial>, Fault> {
    let shape = tunable.shape;
    let inputs = inputs(&shape);
    let mut trials: Vec<Trial> = Vec::new();
    let mut reference: Option<Vec<f32>> = None;
    let mut best: Option<(f64, usize)> = None;
    for variant in shape.candidates(&device.target_with(Choices::default())) {
        let is_default = trials.is_empty();
        if !is_default && now_micros() >= ends_micros {
            break;
        }
        let mut trial = Trial {
            key: class.to_owned(),
            variant: variant.to_string(),
            n_calls: tunable.n_calls as u32,
            n_operations: shape.n_operations(),
            compile_micros: 0.0,
            micros: None,
            is_default,
            is_chosen: false,
            problem: None,
        };
        match measure(device, &shape, variant, &inputs, best.map(|(micros, _)| micros)).await {
            Ok(Measured { compile_micros, micros, output }) => {
                (trial.compile_micros, trial.micros) = (compile_micros, Some(micros));
                let limit = if variant.is_exact() { MAX_DIFFERENCE } else { MAX_HALF_DIFFERENCE };
                let reference = reference.get_or_insert_with(|| output.clone());
                trial.problem = disagreement(reference, &output, limit);
                if trial.problem.is_none() && !variant.is_exact() {
                    trial.problem =
                        Some("computes with 16-bit floats: only where it is asked for".to_owned());
                }
                let is_faster = match best {
                    None => true,
                    Some((fastest, 0)) => micros < CLEAR_GAIN * fastest,
                    Some((fastest, _)) => micros < fastest,
                };
                if trial.problem.is_none() && is_faster {
                    best = Some((micros, trials.len()));
                }
            }
            Err(fault) if device.is_lost() => return Err(fault),
            Err(fault) => trial.problem = Some(fault.to_string()),
        }
        trials.push(trial);
    }
    if let Some((_, index)) = best {
        trials[index].is_chosen = true;
    }
    Ok(trials)
}

async fn measure(
    device: &Rc<Device>,
    shape: &Shape,
    variant: Variant,
    inputs: &[Input],
    best_micros: Option<f64>,
) -> Result<Measured, Fault> {
    let target = device.target_with(Choices { forced: vec![variant], ..Choices::default() });
    let program = Program::new(&shape.trial(), &target).map_err(|error| fault::lowering(&error))?;
    let shaders = program.shaders.clone();
    let started = now_micros();
    let pipelines = device.pipelines(&shaders).await?;
    device.forget(&shaders);
    let make = || Executable::new(device, program, &pipelines, &Weights::default());
    let executable = device.watched(make).await?;
    // Some adapters finish to compile when a kernel first runs.
    let outputs = executable.run(inputs, &["output"], &[])?.await?;
    let compile_micros = (now_micros() - started) as f64;
    let time = async |n_times: usize| -> Result<f64, Fault> {
        let started = now_micros();
        executable.run_repeatedly(inputs, &["output"], &[], n_times)?.await?;
        Ok((now_micros() - started) as f64)
    };
    let mut micros = time(1).await?;
    if best_micros.is_none_or(|best| micros < HOPELESS * best.max(SAMPLE_MICROS / 10.0)) {
        let mut n_calls = 2;
        while time(n_calls).await? < SAMPLE_MICROS && n_calls < MAX_CALLS {
            n_calls *= 2;
        }
        let mut samples = Vec::with_capacity(N_SAMPLES);
        for _ in 0..N_SAMPLES {
            // The difference leaves out what a submission takes by itself.
            samples.push((time(n_calls).await? - time(1).await?) / (n_calls - 1) as f64);
        }
        samples.sort_by(f64::total_cmp);
        micros = samples[N_SAMPLES / 2].max(0.1);
    }
    let output = outputs.into_iter().next().and_then(Output::here);
    let output = match output.as_ref().map(Tensor::data) {
        Some(DataRef::F32(data)) => data.to_vec(),
        _ => Vec::new(),
    };
    Ok(Measured { compile_micros, micros, output })
}

/// Numbers between -1 and 1 for a shape's trial.
fn inputs(shape: &Shape) -> Vec<Input> {
    let plan = shape.trial();
    let tensor = |&value: &usize| {
        let dims = plan.values[value].fact.dims.clone();
        let n = model::tensor::n_elements(&dims);
        Tensor::new(dims, Data::F32((0..n).map(|index| (index * 7919 % 1009) as f32 / 504.5 - 1.0).collect()))
    };
    plan.inputs.iter().filter_map(tensor).map(Input::Here).collect()
}

/// How far results are from what they should be, when that is too far.
fn disagreement(reference: &[f32], output: &[f32], limit: f32) -> Option<String> {
    let largest = reference.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
    let differences = reference.iter().zip(output).map(|(a, b)| (a - b).abs());
    let difference =
        differences.fold(0.0, |most: f32, x| if x.is_nan() { f32::INFINITY } else { most.max(x) });
    let is_close = reference.len() == output.len() && difference <= limit * largest;
    (!is_close).then(|| format!("its results are off by {difference:e} of {largest:e}"))
}
