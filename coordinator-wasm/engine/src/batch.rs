//! Several jobs in one run: their inputs stacked along the first dimension, the outputs taken apart again.
//!
//! A file can leave its first dimension free and still mix what is stacked along it: by a scale over the whole tensor, or a
//! mean over all rows. So the outputs of a batch are compared with those of one of its jobs run alone, see [`compare`].

use wire::Fault;

use crate::fault;
use crate::tensor::{Tensor, TensorData};

/// Most that a stacked output may differ from a single one, as a share of its range: additions come in another order.
const TOLERANCE: f32 = 1e-4;

/// One job's tensors after the other's, as one list per job.
///
/// # Errors
/// `batch` when the jobs are not equal in names, types and shapes, or have scalars.
pub(crate) fn jobs(inputs: Vec<Tensor>, n_jobs: usize) -> Result<Vec<Vec<Tensor>>, Fault> {
    if n_jobs == 0 || inputs.is_empty() || !inputs.len().is_multiple_of(n_jobs) {
        return Err(fault::batch(format!("{} tensors are not those of {n_jobs} jobs", inputs.len())));
    }
    let n_inputs = inputs.len() / n_jobs;
    let mut inputs = inputs.into_iter();
    let jobs: Vec<Vec<Tensor>> = (0..n_jobs).map(|_| inputs.by_ref().take(n_inputs).collect()).collect();
    let headers = |job: &[Tensor]| job.iter().map(Tensor::header).collect::<Vec<_>>();
    let first = headers(&jobs[0]);
    if first.iter().any(|header| header.dims.is_empty()) || jobs.iter().any(|job| headers(job) != first) {
        return Err(fault::batch("they differ in shape, or have scalars"));
    }
    Ok(jobs)
}

/// The inputs of all jobs as those of one run.
pub(crate) fn stack(jobs: &[Vec<Tensor>]) -> Vec<Tensor> {
    let mut stacked = jobs[0].clone();
    for (index, tensor) in stacked.iter_mut().enumerate() {
        for job in &jobs[1..] {
            tensor.dims[0] += job[index].dims[0];
            tensor.data.append(&job[index].data);
        }
    }
    stacked
}

/// The outputs of a stacked run as those of each job.
///
/// # Errors
/// `batch` when an output has no row for each of them.
pub(crate) fn split(outputs: &[Tensor], n_jobs: usize) -> Result<Vec<Vec<Tensor>>, Fault> {
    let mut jobs = vec![Vec::with_capacity(outputs.len()); n_jobs];
    for output in outputs {
        let n_rows = output.dims.first().map_or(0, |&rows| rows as usize);
        if n_rows == 0 || !n_rows.is_multiple_of(n_jobs) {
            return Err(fault::batch(format!("output \"{}\" is not one for each job", output.name)));
        }
        for (job, data) in jobs.iter_mut().zip(output.data.split(n_jobs)) {
            let mut dims = output.dims.clone();
            dims[0] /= n_jobs as u32;
            job.push(Tensor { name: output.name.clone(), dims, data });
        }
    }
    Ok(jobs)
}

/// Whether a job's part of a batch is what the job gives alone.
///
/// # Errors
/// `batch` naming the output that differs.
pub(crate) fn compare(stacked: &[Tensor], alone: &[Tensor]) -> Result<(), Fault> {
    let differs = |(stacked, alone): &(&Tensor, &Tensor)| {
        stacked.dims != alone.dims || !is_close(&stacked.data, &alone.data)
    };
    match stacked.iter().zip(alone).find(differs) {
        Some((output, _)) => {
            let reason = format!("the model computes output \"{}\" across the jobs of a batch", output.name);
            Err(fault::batch(reason))
        }
        None => Ok(()),
    }
}

/// Whether a comparison of these jobs says anything: a model that mixes equal ones gives what each gives alone.
pub(crate) fn is_telling(jobs: &[Vec<Tensor>]) -> bool {
    jobs.iter().any(|job| *job != jobs[0])
}

fn is_close(stacked: &TensorData, alone: &TensorData) -> bool {
    match (stacked, alone) {
        (TensorData::Float32(stacked), TensorData::Float32(alone)) => {
            let (low, high) =
                alone.iter().fold((f32::MAX, f32::MIN), |(low, high), &x| (low.min(x), high.max(x)));
            let range = if high > low { high - low } else { high.abs() };
            let is_same = |(a, b): (&f32, &f32)| a == b || (a.is_nan() && b.is_nan());
            stacked
                .iter()
                .zip(alone)
                .all(|pair| is_same(pair) || (pair.0 - pair.1).abs() <= TOLERANCE * range)
        }
        (stacked, alone) => stacked == alone,
    }
}

#[cfg(test)]
mod tests;
