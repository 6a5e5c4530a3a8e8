//! What runs a model: one small trait, so that WebGPU and WebNN can stand beside wasm.

mod memory;
#[cfg(any(test, feature = "rten"))]
mod rten;

use std::future::Future;
use std::pin::Pin;

use wire::{Adapter, DType, Fault, Profile, TensorHeader, Trial};

pub use self::memory::{MemoryBackend, MemorySession};
#[cfg(any(test, feature = "rten"))]
pub use self::rten::RtenBackend;
use crate::check::check_inputs;
use crate::fault;
use crate::kept::Carried;
use crate::tensor::Tensor;
use crate::value::{Contract, ValueInfo};

/// A future on one thread: what JavaScript promises become.
pub type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// A file as the page handed it over, wherever its bytes are.
pub type File = Box<dyn model::Source>;

/// Turns model files into sessions.
pub trait Backend {
    /// Which of the backends this is.
    fn kind(&self) -> wire::Backend;

    /// What of the backend runs the models that it loads, e.g. `relaxed-simd`.
    fn detail(&self) -> String;

    /// Decodes and prepares an ONNX file.
    ///
    /// # Errors
    /// `not-onnx`, `truncated-model`, `invalid-model`, `unsupported-operator` or `unsupported-type`.
    fn load(&self, file: File) -> LocalFuture<'_, Result<Box<dyn Session>, Fault>>;
}

/// One loaded model.
pub trait Session {
    /// What the model file declares.
    fn contract(&self) -> &Contract;

    /// Graph inputs in declaration order.
    fn inputs(&self) -> &[ValueInfo] {
        &self.contract().inputs
    }

    /// Graph outputs in declaration order.
    fn outputs(&self) -> &[ValueInfo] {
        &self.contract().outputs
    }

    /// A value of the file's `metadata_props`.
    fn metadata(&self, key: &str) -> Option<&str> {
        self.contract().metadata.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// Computes the outputs named in `wanted`, in that order.
    ///
    /// The inputs have passed [`crate::check::check_inputs`], in any order; half floats are widened to 32 bits, and
    /// outputs may be left as wide.
    ///
    /// # Errors
    /// `operator-failed`, or the backend's own faults.
    fn run<'a>(
        &'a self,
        inputs: Vec<Tensor>,
        wanted: &'a [&'a str],
    ) -> LocalFuture<'a, Result<Vec<Tensor>, Fault>>;

    /// As [`Session::run`], with inputs that earlier runs may have left where they were computed; the outputs named in
    /// `kept` stay there too, if the backend has such a place.
    ///
    /// # Errors
    /// Those of [`Session::run`], and `kept-elsewhere`.
    fn run_values<'a>(
        &'a self,
        inputs: Vec<Carried>,
        wanted: &'a [&'a str],
        _kept: &'a [&'a str],
    ) -> LocalFuture<'a, Result<Vec<Carried>, Fault>> {
        Box::pin(async move {
            let inputs = inputs.into_iter().map(Carried::here).collect::<Result<_, _>>()?;
            Ok(self.run(inputs, wanted).await?.into_iter().map(Carried::Here).collect())
        })
    }

    /// Runs with inputs that have passed the same checks, and notes what every kernel takes.
    ///
    /// # Errors
    /// `no-profile` where nobody can tell, and those of [`Session::run`].
    fn profile(&self, _inputs: Vec<Tensor>) -> LocalFuture<'_, Result<Profile, Fault>> {
        Box::pin(async { Err(fault::no_profile()) })
    }

    /// Measures the variants of kernels that inputs of these shapes need, for `budget_millis`; later runs use the fastest.
    ///
    /// # Errors
    /// `no-variants` where there is nothing to choose, and those of [`Session::run`].
    fn tune(&self, _inputs: Vec<Tensor>, _budget_millis: u32) -> LocalFuture<'_, Result<Tuned, Fault>> {
        Box::pin(async { Err(fault::no_variants()) })
    }
}

/// What came of measuring variants.
#[derive(Debug)]
pub struct Tuned {
    /// On what they were measured.
    pub adapter: Adapter,
    /// What came of each.
    pub trials: Vec<Trial>,
    /// The browser keeps the choices.
    pub is_kept: bool,
}

/// Checks `inputs` and computes every output.
///
/// # Errors
/// Those of [`crate::check::check_inputs`] and of [`Session::run`].
pub async fn run_all(session: &dyn Session, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, Fault> {
    let names: Vec<&str> = session.outputs().iter().map(|output| output.name.as_str()).collect();
    run(session, inputs, &names).await
}

/// Checks `inputs` and computes the outputs named in `wanted`.
///
/// # Errors
/// Those of [`crate::check::check_inputs`] and of [`Session::run`].
pub async fn run(session: &dyn Session, inputs: Vec<Tensor>, wanted: &[&str]) -> Result<Vec<Tensor>, Fault> {
    let outputs = session.run(checked(session, inputs)?, wanted).await?;
    let declared = |output: Tensor| match session.contract().output(&output.name) {
        Some(ValueInfo { dtype: DType::Float16, .. }) => output.narrowed(),
        _ => output,
    };
    Ok(outputs.into_iter().map(declared).collect())
}

/// Inputs as [`Session::run`] takes them.
pub(crate) fn checked(session: &dyn Session, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, Fault> {
    check_inputs(session.inputs(), &inputs)?;
    Ok(inputs.into_iter().map(Tensor::widened).collect())
}

/// The headers that go on the wire: a symbolic dimension is 0.
#[must_use]
pub fn headers(values: &[ValueInfo]) -> Vec<TensorHeader> {
    values.iter().map(ValueInfo::header).collect()
}
