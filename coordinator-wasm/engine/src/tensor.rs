//! Tensors as the engine holds them: a name, a shape, and typed data in C order.

use model::dtype::{narrow_half, widen_half};
use wire::{DType, Fault, TensorHeader};

use crate::fault;

/// One input or output of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Name of the graph input or output.
    pub name: String,
    /// Shape, outermost dimension first; empty for a scalar.
    pub dims: Vec<u32>,
    /// Elements in C order; as many as the product of `dims`.
    pub data: TensorData,
}

/// Elements of one type. The variant is the tensor's [`DType`].
#[derive(Debug, Clone, PartialEq)]
pub enum TensorData {
    /// [`DType::Float32`].
    Float32(Vec<f32>),
    /// [`DType::Float16`], as IEEE 754 bits.
    Float16(Vec<u16>),
    /// [`DType::Int64`].
    Int64(Vec<i64>),
    /// [`DType::Int32`].
    Int32(Vec<i32>),
    /// [`DType::Int8`].
    Int8(Vec<i8>),
    /// [`DType::Uint8`].
    Uint8(Vec<u8>),
    /// [`DType::Bool`], one byte each, 0 or 1.
    Bool(Vec<u8>),
}

impl Tensor {
    /// A tensor of `dims`; the caller passes as many elements as `dims` says.
    pub fn new(name: &str, dims: &[usize], data: TensorData) -> Self {
        let dims = dims.iter().map(|&dim| u32::try_from(dim).unwrap_or(u32::MAX)).collect();
        Self { name: name.to_owned(), dims, data }
    }

    /// Name, type and shape, as they go on the wire.
    #[must_use]
    pub fn header(&self) -> TensorHeader {
        TensorHeader { name: self.name.clone(), dtype: self.data.dtype(), dims: self.dims.clone() }
    }

    /// The shape in the type that indexes memory.
    #[must_use]
    pub fn shape(&self) -> Vec<usize> {
        self.dims.iter().map(|&dim| dim as usize).collect()
    }

    /// The same tensor with half floats in 32 bits.
    #[must_use]
    pub fn widened(mut self) -> Self {
        if let TensorData::Float16(data) = &self.data {
            self.data = TensorData::Float32(data.iter().map(|&bits| widen_half(bits)).collect());
        }
        self
    }

    /// The same tensor with floats rounded to 16 bits.
    #[must_use]
    pub fn narrowed(mut self) -> Self {
        if let TensorData::Float32(data) = &self.data {
            self.data = TensorData::Float16(data.iter().map(|&x| narrow_half(x)).collect());
        }
        self
    }

    /// The elements of a `float32` tensor.
    ///
    /// # Errors
    /// `output-type` for any other type.
    pub fn as_f32(&self) -> Result<&[f32], Fault> {
        match &self.data {
            TensorData::Float32(data) => Ok(data),
            other @ (TensorData::Float16(_)
            | TensorData::Int64(_)
            | TensorData::Int32(_)
            | TensorData::Int8(_)
            | TensorData::Uint8(_)
            | TensorData::Bool(_)) => Err(fault::output_type(&self.name, other.dtype(), DType::Float32)),
        }
    }
}

/// Does the same with the elements of whatever type; the second name makes data of that type again.
macro_rules! of_any_type {
    ($data:expr, |$elements:ident, $Variant:ident| $body:expr) => {
        of_any_type!(@arms $data, $elements, $Variant, $body, Float32 Float16 Int64 Int32 Int8 Uint8 Bool)
    };
    (@arms $data:expr, $elements:ident, $Variant:ident, $body:expr, $($variant:ident)*) => {
        match $data {
            $(TensorData::$variant($elements) => {
                #[allow(unused_imports, reason = "not every use makes data again")]
                use TensorData::$variant as $Variant;
                $body
            })*
        }
    };
}

impl TensorData {
    /// Element type.
    #[must_use]
    pub fn dtype(&self) -> DType {
        match self {
            Self::Float32(_) => DType::Float32,
            Self::Float16(_) => DType::Float16,
            Self::Int64(_) => DType::Int64,
            Self::Int32(_) => DType::Int32,
            Self::Int8(_) => DType::Int8,
            Self::Uint8(_) => DType::Uint8,
            Self::Bool(_) => DType::Bool,
        }
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        of_any_type!(self, |data, Variant| data.len())
    }

    /// Puts the elements of `other` behind these; leaves them as they are when the types differ.
    pub(crate) fn append(&mut self, other: &Self) {
        match (self, other) {
            (Self::Float32(data), Self::Float32(other)) => data.extend_from_slice(other),
            (Self::Float16(data), Self::Float16(other)) => data.extend_from_slice(other),
            (Self::Int64(data), Self::Int64(other)) => data.extend_from_slice(other),
            (Self::Int32(data), Self::Int32(other)) => data.extend_from_slice(other),
            (Self::Int8(data), Self::Int8(other)) => data.extend_from_slice(other),
            (Self::Uint8(data), Self::Uint8(other)) | (Self::Bool(data), Self::Bool(other)) => {
                data.extend_from_slice(other);
            }
            (_, _) => {}
        }
    }

    /// The elements in `n` equal parts, in order.
    pub(crate) fn split(&self, n: usize) -> Vec<Self> {
        of_any_type!(self, |data, Variant| {
            let length = data.len() / n;
            (0..n).map(|part| Variant(data[part * length..(part + 1) * length].to_vec())).collect()
        })
    }

    /// True when there is no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
