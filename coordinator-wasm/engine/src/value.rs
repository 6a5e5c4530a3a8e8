//! What a model file declares: graph inputs and outputs, and metadata.

use std::fmt;

use model::{Dim, ElementType, ValueContract};
use wire::{DType, Fault, TensorHeader};

use crate::fault;

/// What a model file declares about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contract {
    /// Graph inputs in declaration order.
    pub inputs: Vec<ValueInfo>,
    /// Graph outputs in declaration order.
    pub outputs: Vec<ValueInfo>,
    /// `metadata_props`, in file order.
    pub metadata: Vec<(String, String)>,
}

impl Contract {
    /// Reads the declarations of the ONNX file in `bytes`.
    ///
    /// # Errors
    /// `not-onnx`, `truncated-model`, `invalid-model` or `unsupported-type`.
    pub fn read(bytes: &[u8]) -> Result<Self, Fault> {
        let inspection = model::inspect(bytes).map_err(|error| fault::decode(&error))?;
        if inspection.opset == 0 && inspection.other_opsets.is_empty() {
            return Err(fault::truncated_model("no operator set follows the graph"));
        }
        let values = |contracts: &[ValueContract]| -> Result<Vec<ValueInfo>, Fault> {
            let value = |contract: &ValueContract| {
                let element_type = contract.dtype.map_or("not a tensor", ElementType::as_str);
                ValueInfo::from_contract(contract)
                    .ok_or_else(|| fault::unsupported_type(&contract.name, element_type))
            };
            contracts.iter().map(value).collect()
        };
        Ok(Self {
            inputs: values(&inspection.inputs)?,
            outputs: values(&inspection.outputs)?,
            metadata: inspection.metadata,
        })
    }

    /// The declaration of an output.
    #[must_use]
    pub fn output(&self, name: &str) -> Option<&ValueInfo> {
        self.outputs.iter().find(|output| output.name == name)
    }
}

/// A graph input or output whose type the engine can hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueInfo {
    /// Name in the graph.
    pub name: String,
    /// Declared element type.
    pub dtype: DType,
    /// Declared shape; `None` when the file does not say.
    pub dims: Option<Vec<Dim>>,
}

impl ValueInfo {
    /// The declaration in the engine's types; `None` when the wire has no name for the element type.
    #[must_use]
    pub fn from_contract(contract: &ValueContract) -> Option<Self> {
        let dtype = match contract.dtype? {
            ElementType::Float32 => DType::Float32,
            ElementType::Float16 => DType::Float16,
            ElementType::Int64 => DType::Int64,
            ElementType::Int32 => DType::Int32,
            ElementType::Int8 => DType::Int8,
            ElementType::Uint8 => DType::Uint8,
            ElementType::Bool => DType::Bool,
            ElementType::Uint16
            | ElementType::Int16
            | ElementType::String
            | ElementType::Float64
            | ElementType::Uint32
            | ElementType::Uint64
            | ElementType::Other(_) => return None,
        };
        Some(Self { name: contract.name.clone(), dtype, dims: contract.dims.clone() })
    }

    /// Name, type and shape, as they go on the wire: a dimension that is not fixed is 0.
    #[must_use]
    pub fn header(&self) -> TensorHeader {
        let dims = self.dims.iter().flatten();
        let dims = dims.map(|dim| if let Dim::Fixed(size) = dim { *size } else { 0 }).collect();
        TensorHeader { name: self.name.clone(), dtype: self.dtype, dims }
    }
}

impl fmt::Display for ValueInfo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "\"{}\" {}", self.name, self.dtype.as_str())?;
        if let Some(dims) = &self.dims {
            write!(formatter, " {}", dims_text(dims))?;
        }
        Ok(())
    }
}

/// A declared shape as people write it, e.g. `[batch, 16]`.
pub(crate) fn dims_text(dims: &[Dim]) -> String {
    let dims: Vec<String> = dims.iter().map(dim_text).collect();
    format!("[{}]", dims.join(", "))
}

/// A declared dimension as people write it.
pub(crate) fn dim_text(dim: &Dim) -> String {
    match dim {
        Dim::Fixed(size) => size.to_string(),
        Dim::Symbolic(name) => name.clone(),
        Dim::Unknown => "?".to_owned(),
    }
}
