//! Chains of models with pre- and post-processing.

use serde_json::Value;
use wire::{Fault, PipelineKind};

use crate::backend::{Backend, LocalFuture};
use crate::fault;
use crate::tensor::Tensor;

/// A loaded chain.
pub trait Pipeline {
    /// Runs the chain on `params` (what is not a tensor) and `inputs`.
    ///
    /// # Errors
    /// `pipeline-input`, and those of the models inside.
    fn run<'a>(&'a self, params: Value, inputs: Vec<Tensor>) -> LocalFuture<'a, Result<Output, Fault>>;
}

/// What a chain gives.
#[derive(Debug)]
pub struct Output {
    /// The result for people, in the chain's own form.
    pub result: Value,
    /// Output tensors, if the chain has any.
    pub outputs: Vec<Tensor>,
}

/// The files of a chain, by role.
#[derive(Debug)]
pub struct Parts(Vec<(String, Vec<u8>)>);

impl Parts {
    /// Files with their roles.
    #[must_use]
    pub fn new(parts: Vec<(String, Vec<u8>)>) -> Self {
        Self(parts)
    }

    /// Takes the file with this role out.
    ///
    /// # Errors
    /// `pipeline-part` when there is none.
    pub fn take(&mut self, role: &str) -> Result<Vec<u8>, Fault> {
        let index = self.0.iter().position(|part| part.0 == role);
        index
            .map(|index| self.0.swap_remove(index).1)
            .ok_or_else(|| fault::pipeline_part(role, "it is missing"))
    }
}

/// Loads a chain from its files.
///
/// # Errors
/// `pipeline-part`, and those of [`Backend::load`].
pub fn open(kind: PipelineKind, _backend: &dyn Backend, _parts: Parts) -> Result<Box<dyn Pipeline>, Fault> {
    Err(fault::pipeline_part(&format!("{kind:?}"), "this engine does not know the chain"))
}
