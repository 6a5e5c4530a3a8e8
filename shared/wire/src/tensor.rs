//! Tensors on the wire: JSON headers, and data as raw little-endian bytes in C order.

use serde::{Deserialize, Serialize};

/// Element type, named as in ONNX.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DType {
    /// 32-bit IEEE 754.
    Float32,
    /// 16-bit IEEE 754.
    Float16,
    /// Signed 64-bit. Engines that compute in 32 bits narrow it and refuse values that do not fit.
    Int64,
    /// Signed 32-bit.
    Int32,
    /// Signed 8-bit.
    Int8,
    /// Unsigned 8-bit.
    Uint8,
    /// One byte, 0 or 1.
    Bool,
}

impl DType {
    /// Every element type, in declaration order.
    pub const ALL: [Self; 7] =
        [Self::Float32, Self::Float16, Self::Int64, Self::Int32, Self::Int8, Self::Uint8, Self::Bool];

    /// Bytes of one element.
    #[must_use]
    pub fn size_bytes(self) -> usize {
        match self {
            Self::Int64 => 8,
            Self::Float32 | Self::Int32 => 4,
            Self::Float16 => 2,
            Self::Int8 | Self::Uint8 | Self::Bool => 1,
        }
    }

    /// Stable name: the one in JSON and in error messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Float16 => "float16",
            Self::Int64 => "int64",
            Self::Int32 => "int32",
            Self::Int8 => "int8",
            Self::Uint8 => "uint8",
            Self::Bool => "bool",
        }
    }
}

/// Name, type and shape of one tensor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TensorHeader {
    /// Name of the graph input or output.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Shape, outermost dimension first; empty for a scalar.
    pub dims: Vec<u32>,
}

impl TensorHeader {
    /// Number of elements, or `None` when the product overflows.
    #[must_use]
    pub fn n_elements(&self) -> Option<usize> {
        self.dims.iter().try_fold(1_usize, |n, &dim| n.checked_mul(dim as usize))
    }

    /// Name and shape as records have them, e.g. `input_ids:1x16`.
    #[must_use]
    pub fn shape_text(&self) -> String {
        let dims: Vec<String> = self.dims.iter().map(u32::to_string).collect();
        format!("{}:{}", self.name, dims.join("x"))
    }

    /// Bytes of the data, or `None` when the product overflows.
    #[must_use]
    pub fn size_bytes(&self) -> Option<usize> {
        self.n_elements()?.checked_mul(self.dtype.size_bytes())
    }
}

/// Why bytes are not a tensor bundle.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Fewer bytes than the format says.
    #[error("tensor bundle is truncated: {needed} bytes needed, {actual} present")]
    Truncated {
        /// Bytes the headers ask for.
        needed: usize,
        /// Bytes there are.
        actual: usize,
    },
    /// The header is not the JSON it should be.
    #[error("tensor bundle header is not valid JSON: {0}")]
    Header(String),
    /// Data after the last tensor.
    #[error("tensor bundle has {0} bytes after its last tensor")]
    TrailingBytes(usize),
}

/// Several tensors as one body: header length (u32, little-endian), JSON array of headers, data in that order.
///
/// The caller passes data whose length is what each header says.
#[must_use]
pub fn encode_bundle(tensors: &[(TensorHeader, &[u8])]) -> Vec<u8> {
    let headers: Vec<&TensorHeader> = tensors.iter().map(|(header, _)| header).collect();
    let json = serde_json::to_vec(&headers).unwrap_or_default();
    let n_data: usize = tensors.iter().map(|(_, data)| data.len()).sum();
    let mut body = Vec::with_capacity(4 + json.len() + n_data);
    body.extend_from_slice(&u32::try_from(json.len()).unwrap_or(u32::MAX).to_le_bytes());
    body.extend_from_slice(&json);
    for (_, data) in tensors {
        body.extend_from_slice(data);
    }
    body
}

/// Reads what [`encode_bundle`] wrote, without copying data.
///
/// # Errors
/// Any length or header that does not fit the bytes.
pub fn decode_bundle(body: &[u8]) -> Result<Vec<(TensorHeader, &[u8])>, BundleError> {
    let truncated = |needed: usize| BundleError::Truncated { needed, actual: body.len() };
    let (json, mut rest) = split_header(body)?;
    let headers: Vec<TensorHeader> =
        serde_json::from_slice(json).map_err(|error| BundleError::Header(error.to_string()))?;
    let mut tensors = Vec::with_capacity(headers.len());
    for header in headers {
        let size = header.size_bytes().unwrap_or(usize::MAX);
        let Some((data, after)) = rest.split_at_checked(size) else {
            return Err(truncated((body.len() - rest.len()).saturating_add(size)));
        };
        tensors.push((header, data));
        rest = after;
    }
    if rest.is_empty() { Ok(tensors) } else { Err(BundleError::TrailingBytes(rest.len())) }
}

/// The JSON that a body starts with, after its length (u32, little-endian), and what follows.
pub(crate) fn split_header(body: &[u8]) -> Result<(&[u8], &[u8]), BundleError> {
    let truncated = |needed: usize| BundleError::Truncated { needed, actual: body.len() };
    let (prefix, rest) = body.split_first_chunk().ok_or_else(|| truncated(4))?;
    let n_json = u32::from_le_bytes(*prefix) as usize;
    rest.split_at_checked(n_json).ok_or_else(|| truncated(4_usize.saturating_add(n_json)))
}

#[cfg(test)]
mod tests;
