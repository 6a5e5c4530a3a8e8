//! Puts the weights that a model keeps in files beside it into the model's own file.

use std::collections::{BTreeMap, BTreeSet};

use crate::onnx::protobuf::{Fields, WireError};
use crate::onnx::rewrite::{put_bytes, rewrite_initializers};
use crate::onnx::{self, DecodeError, TensorProto};

/// Field numbers of `onnx.proto3`.
const TENSOR_RAW_DATA: u64 = 9;
const TENSOR_EXTERNAL_DATA: u64 = 13;
const TENSOR_DATA_LOCATION: u64 = 14;

/// Why weights cannot be attached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttachError {
    /// The bytes are not a model that can be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A weight is said to be in a file that is not beside the model.
    #[error("weight `{name}` is in `{location}`, which is not a plain path below the model's folder")]
    Location {
        /// Name of the weight.
        name: String,
        /// Path as the model gives it.
        location: String,
    },
    /// A file does not hold what the model says.
    #[error("weight `{name}` is not in `{location}`: it has {actual} bytes, not {offset} + {length}")]
    Range {
        /// Name of the weight.
        name: String,
        /// Path as the model gives it.
        location: String,
        /// First byte of the weight.
        offset: u64,
        /// Bytes of the weight.
        length: u64,
        /// Bytes of the file; 0 when it is missing.
        actual: u64,
    },
}

impl From<WireError> for AttachError {
    fn from(cause: WireError) -> Self {
        DecodeError::Malformed { message: "ModelProto", cause }.into()
    }
}

/// Paths of the files beside a model that hold weights of its main graph, relative to the model's folder.
///
/// # Errors
/// The bytes are not a model, or a path leads out of the folder.
pub fn side_files(file: &[u8]) -> Result<BTreeSet<String>, AttachError> {
    let model = onnx::decode(file)?;
    let external = model.graph.initializers.iter().filter(|tensor| tensor.is_external);
    external.map(|tensor| Ok(Place::of(tensor)?.location.to_owned())).collect()
}

/// The model with its weights inside; `sides` has the bytes of every file of [`side_files`].
///
/// # Errors
/// The bytes are not a model, a path leads out of the folder, or a file is missing or too short.
pub fn attach_weights(file: &[u8], sides: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>, AttachError> {
    rewrite_initializers(file, |bytes| {
        let tensor = onnx::decode_tensor(bytes)?;
        if !tensor.is_external {
            return Ok(None);
        }
        let place = Place::of(&tensor)?;
        let data = place.data(tensor.name, sides)?;
        let mut whole = Vec::with_capacity(data.len());
        let mut fields = Fields::new(bytes);
        while let Some((field, bytes)) = fields.next_whole()? {
            if !matches!(field.number, TENSOR_RAW_DATA | TENSOR_EXTERNAL_DATA | TENSOR_DATA_LOCATION) {
                whole.extend_from_slice(bytes);
            }
        }
        put_bytes(&mut whole, TENSOR_RAW_DATA, data);
        Ok(Some(whole))
    })
}

/// Where a weight is.
struct Place<'a> {
    location: &'a str,
    offset: u64,
    length: u64,
}

impl<'a> Place<'a> {
    fn of(tensor: &TensorProto<'a>) -> Result<Self, AttachError> {
        let value =
            |key: &str| tensor.external.iter().find(|(name, _)| *name == key).map(|&(_, value)| value);
        let location = value("location").unwrap_or_default();
        if !is_below(location) {
            let (name, location) = (tensor.name.to_owned(), location.to_owned());
            return Err(AttachError::Location { name, location });
        }
        let number = |key: &str| value(key).map(|text| text.trim().parse().unwrap_or(u64::MAX));
        let size_bytes = tensor.element_type().and_then(|element| tensor.checked_size_bytes(element))?;
        let length = number("length").unwrap_or(size_bytes);
        Ok(Self { location, offset: number("offset").unwrap_or(0), length })
    }

    fn data<'s>(&self, name: &str, sides: &'s BTreeMap<String, Vec<u8>>) -> Result<&'s [u8], AttachError> {
        let side = sides.get(self.location).map(Vec::as_slice).unwrap_or_default();
        let range = usize::try_from(self.offset).ok().zip(usize::try_from(self.length).ok());
        let bytes = range.and_then(|(offset, length)| side.get(offset..offset.checked_add(length)?));
        bytes.ok_or_else(|| AttachError::Range {
            name: name.to_owned(),
            location: self.location.to_owned(),
            offset: self.offset,
            length: self.length,
            actual: side.len() as u64,
        })
    }
}

/// True for a path of plain names, which cannot lead anywhere else on any system.
fn is_below(path: &str) -> bool {
    let is_plain = |name: &str| {
        !matches!(name, "" | "." | "..") && !name.contains(|c: char| c == '\\' || c == ':' || c.is_control())
    };
    path.split('/').all(is_plain)
}

#[cfg(test)]
mod tests;
