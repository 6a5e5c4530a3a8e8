//! Values between the runs of a chain: tensors, or what a backend left where it was computed.

use std::any::Any;
use std::rc::Rc;

use wire::{DType, Fault, FaultCategory, TensorHeader};

use crate::backend::Session;
use crate::check::check_headers;
use crate::tensor::Tensor;
use crate::value::ValueInfo;

/// An input or output of a run.
#[derive(Debug, Clone)]
pub enum Carried {
    /// Elements in this module's memory.
    Here(Tensor),
    /// Elements that a backend keeps; they are freed with the last clone.
    Kept {
        /// Name, type and shape.
        header: TensorHeader,
        /// What the backend knows them by.
        content: Rc<dyn Any>,
    },
}

impl From<Tensor> for Carried {
    fn from(tensor: Tensor) -> Self {
        Self::Here(tensor)
    }
}

impl Carried {
    /// Name, type and shape.
    #[must_use]
    pub fn header(&self) -> TensorHeader {
        match self {
            Self::Here(tensor) => tensor.header(),
            Self::Kept { header, .. } => header.clone(),
        }
    }

    /// The same under the name of another input.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        match &mut self {
            Self::Here(Tensor { name: own, .. }) => name.clone_into(own),
            Self::Kept { header, .. } => name.clone_into(&mut header.name),
        }
        self
    }

    /// The tensor.
    ///
    /// # Errors
    /// `kept-elsewhere`: another backend has the elements.
    pub fn here(self) -> Result<Tensor, Fault> {
        match self {
            Self::Here(tensor) => Ok(tensor),
            Self::Kept { header, .. } => Err(elsewhere(&header.name)),
        }
    }

    fn n_bytes(&self) -> usize {
        match self {
            Self::Here(tensor) => tensor.data.len() * tensor.data.dtype().size_bytes(),
            Self::Kept { header, .. } => header.size_bytes().unwrap_or_default(),
        }
    }
}

/// As [`crate::backend::run`], with inputs that earlier runs may have left where they were computed; the outputs named in
/// `kept` stay there too, if the backend has such a place.
///
/// # Errors
/// Those of [`crate::backend::run`], and `kept-elsewhere`.
pub async fn run(
    session: &dyn Session,
    inputs: Vec<Carried>,
    wanted: &[&str],
    kept: &[&str],
) -> Result<Vec<Carried>, Fault> {
    let headers: Vec<_> = inputs.iter().map(|input| (input.header(), input.n_bytes())).collect();
    check_headers(session.inputs(), &headers)?;
    let widened = |input| match input {
        Carried::Here(tensor) => Carried::Here(tensor.widened()),
        kept @ Carried::Kept { .. } => kept,
    };
    let outputs = session.run_values(inputs.into_iter().map(widened).collect(), wanted, kept).await?;
    let declared = |output| match output {
        Carried::Here(tensor) => Carried::Here(match session.contract().output(&tensor.name) {
            Some(ValueInfo { dtype: DType::Float16, .. }) => tensor.narrowed(),
            _ => tensor,
        }),
        kept @ Carried::Kept { .. } => kept,
    };
    Ok(outputs.into_iter().map(declared).collect())
}

/// A session is to read what another backend keeps.
pub(crate) fn elsewhere(name: &str) -> Fault {
    let message = format!("input \"{name}\" was kept by another backend");
    Fault::new(FaultCategory::Internal, "kept-elsewhere", message)
}

#[cfg(test)]
mod tests;
