//! One large job on several workers: its inputs are cut along the first dimension, each piece is a job of the pool, and the
//! outputs are joined again.
//!
//! A file can leave its first dimension free and still compute its rows from each other, or stand on one number of rows. So
//! the first time the job also runs whole, beside its pieces, and that is what the caller gets: a model whose pieces say
//! something else is not split again.

use core::ops::Range;
use core::time::Duration;

use js_sys::{Array, Promise, Uint8Array};
use pool::{ConnectionState, ModelId};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, AbortSignal};
use wire::{DType, TensorHeader};

use super::Tab;
use crate::clock::now_micros;
use crate::deferred::Deferred;
use crate::golden::{Limits, are_close};
use crate::inputs::{Inputs, bytes_of};
use crate::loading::forward;
use crate::object::{object, property, set};
use crate::options::RunOptions;
use crate::outputs::to_object;
use crate::shell::Shell;

/// What another order of additions may change; the engine asks the same of jobs that share a call.
const LIMITS: Limits = Limits { max_abs_ratio: 1e-4, cosine: f64::NEG_INFINITY };

/// A job that can be split.
struct Cut {
    whole: Inputs,
    /// Rows of each piece: the first has as many as any other.
    pieces: Vec<Range<u32>>,
    outputs: Vec<TensorHeader>,
    /// Whether pieces of the model's jobs are known to give what the whole gives.
    is_proven: bool,
}

/// Runs a job in pieces, or whole where that cannot be.
///
/// # Errors
/// That of the first piece that fails, which calls off the others; until the model is proven, that of the whole.
pub(crate) async fn run(
    shell: &Shell,
    id: ModelId,
    inputs: JsValue,
    mut options: RunOptions,
) -> Result<JsValue, JsValue> {
    let controller = AbortController::new()?;
    let signal = options.signal.clone();
    let is_over = || signal.as_ref().is_some_and(AbortSignal::aborted);
    let cut = shell.with(|tab| tab.cut(id, &inputs)).ok().flatten().filter(|_| !is_over());
    let _on_abort = signal.as_ref().map(|signal| forward(signal, &controller));
    let started_micros = now_micros();
    let jobs = Array::new();
    if let Some(cut) = &cut {
        // Pieces are views of one array, which cannot be handed over.
        options.transfer = false;
        for rows in &cut.pieces {
            let piece = cut.whole.rows(rows);
            // A case of the bench has the shapes of the whole.
            let options = RunOptions { case: None, signal: Some(controller.signal()), ..options.clone() };
            let (promise, deferred) = Deferred::new();
            shell.feed(move |tab| tab.run_inputs(id, Ok(piece), options, deferred));
            jobs.push(&promise);
        }
    }
    let mut pieces = JsFuture::from(Promise::all(&jobs));
    if let Some(cut) = cut.as_ref().filter(|cut| cut.is_proven) {
        let results = (&mut pieces).await.inspect_err(|error| {
            // Pieces know only that they were called off; the caller gets his own reason.
            if let Some(signal) = signal.as_ref().filter(|signal| signal.aborted()) {
                set(error, "cause", &signal.reason());
            }
            controller.abort();
        })?;
        if let Some(joined) = cut.join(&results) {
            return Ok(joined);
        }
        shell.feed(move |tab| tab.set_splittable(id, false));
        let elapsed = Duration::from_micros(now_micros() - started_micros);
        options.deadline = options.deadline.map(|deadline| deadline.saturating_sub(elapsed));
    }
    let (promise, deferred) = Deferred::new();
    shell.feed(move |tab| tab.run_model(id, &inputs, options, deferred));
    let whole = JsFuture::from(promise).await.inspect_err(|_| controller.abort())?;
    if let Some(cut) = cut.filter(|cut| !cut.is_proven) {
        let joined = pieces.await.ok().and_then(|results| cut.join(&results));
        let is_same = joined.is_some_and(|joined| cut.are_same(&whole, &joined));
        // Equal pieces prove nothing, and neither do those that the caller called off.
        if (cut.is_telling() || !is_same) && !controller.signal().aborted() {
            shell.feed(move |tab| tab.set_splittable(id, is_same));
        }
    }
    Ok(whole)
}

impl Tab {
    /// How a job is cut; `None` for one that has to run whole.
    fn cut(&self, id: ModelId, inputs: &JsValue) -> Option<Cut> {
        let model = self.models.get(id).filter(|model| model.source.pipeline.is_none())?;
        if model.is_batchable != Some(true) || model.is_splittable == Some(false) {
            return None;
        }
        // Inputs that do not fit are refused where the job runs whole.
        let whole = self.read_inputs(id, inputs, false).ok()?;
        let is_ready = |connection: &&pool::Connection| connection.state() == ConnectionState::Ready;
        let n_ready = self.machine.connections().filter(is_ready).count();
        let pieces = pieces(&whole.headers, n_ready)?;
        let is_proven = model.is_splittable == Some(true);
        Some(Cut { whole, pieces, outputs: model.outputs.clone(), is_proven })
    }

    /// What the pieces of a job said; one that is not the whole outweighs any that are.
    fn set_splittable(&mut self, id: ModelId, is_splittable: bool) {
        if let Some(model) = self.models.get_mut(id) {
            model.is_splittable = Some(is_splittable && model.is_splittable != Some(false));
        }
    }
}

impl Cut {
    /// The pieces' outputs as one, in the result of the first; `None` when an output has not one row for each of the inputs'.
    fn join(&self, results: &JsValue) -> Option<JsValue> {
        let results = Array::from(results);
        let first = results.get(0);
        let outputs = object(&[]);
        for TensorHeader { name, dtype, .. } in &self.outputs {
            let mut dims = Vec::new();
            let mut bytes = Vec::new();
            for result in results.iter() {
                let tensor = tensor(&result, name)?;
                let own = Array::from(&property(&tensor, "dims")?);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "they were made from such"
                )]
                dims.push(own.iter().map(|dim| dim.as_f64().unwrap_or(0.0) as u32).collect());
                bytes.extend(bytes_of(&property(&tensor, "data")?).to_vec());
            }
            let dims = joined_dims(&dims, &self.pieces)?;
            let header = TensorHeader { name: name.clone(), dtype: *dtype, dims };
            let buffer = Uint8Array::from(bytes.as_slice()).buffer();
            set(&outputs, name, &property(&to_object(&[header], &[buffer]).ok()?, name)?);
        }
        set(&first, "outputs", &outputs);
        set(&first, "pieces", &results.length().into());
        Some(first)
    }

    fn are_same(&self, whole: &JsValue, joined: &JsValue) -> bool {
        let data = |result, name| property(&tensor(result, name)?, "data");
        self.outputs.iter().all(|TensorHeader { name, dtype, .. }| {
            let (Some(whole), Some(joined)) = (data(whole, name), data(joined, name)) else { return false };
            let max_abs_ratio = if *dtype == DType::Float32 { LIMITS.max_abs_ratio } else { 0.0 };
            are_close(&whole, &joined, Limits { max_abs_ratio, ..LIMITS })
        })
    }

    /// Whether a model that mixes the rows of a piece would have given something else.
    fn is_telling(&self) -> bool {
        let first_row = |piece: Option<&Range<u32>>| {
            piece.map(|rows| self.whole.rows(&(rows.start..rows.start + 1)).fingerprint())
        };
        first_row(self.pieces.first()) != first_row(self.pieces.last())
    }
}

/// Nearly equal pieces, one for each worker while there are rows for it; `None` when there would be one.
fn pieces(inputs: &[TensorHeader], n_workers: usize) -> Option<Vec<Range<u32>>> {
    let rows = |input: &TensorHeader| input.dims.first().copied();
    let n_rows = inputs.first().and_then(rows)?;
    let n_pieces = n_rows.min(u32::try_from(n_workers).unwrap_or(u32::MAX));
    if n_pieces < 2 || inputs.iter().any(|input| rows(input) != Some(n_rows)) {
        return None;
    }
    let (least, n_larger) = (n_rows / n_pieces, n_rows % n_pieces);
    let start = |piece: u32| piece * least + piece.min(n_larger);
    Some((0..n_pieces).map(|piece| start(piece)..start(piece + 1)).collect())
}

/// The shape of an output from those of its pieces; `None` when these are not rows of one tensor.
fn joined_dims(dims: &[Vec<u32>], pieces: &[Range<u32>]) -> Option<Vec<u32>> {
    let (_, row) = dims.first()?.split_first()?;
    let is_piece = |(dims, rows): (&Vec<u32>, &Range<u32>)| {
        dims.split_first().is_some_and(|(&n_rows, own)| n_rows == rows.end - rows.start && own == row)
    };
    let n_rows = pieces.last().filter(|_| dims.iter().zip(pieces).all(is_piece))?.end;
    Some([&[n_rows], row].concat())
}

fn tensor(result: &JsValue, name: &str) -> Option<JsValue> {
    property(&property(result, "outputs")?, name)
}

#[cfg(test)]
mod tests;
