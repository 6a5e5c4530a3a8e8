//! Splits a model file into its weights and the rest without copying the weights.
//!
//! A runtime that decodes a file into buffers of its own needs twice the file's size for a moment, and wasm memory
//! never shrinks. Here the file's own buffer becomes the storage: each large initializer moves down by the few bytes
//! that align it, and the small rest of the file refers to it as external data.

use crate::onnx::DecodeError;
use crate::onnx::protobuf::{Fields, WireError};

/// Smallest initializer that is detached, bytes; below it the reference is about as long as the data.
const MIN_BYTES: usize = 1024;
/// Alignment of each detached initializer from the start of the buffer, bytes: that of 32-bit elements.
const ALIGNMENT: usize = 4;

/// Field numbers of `onnx.proto3`.
const MODEL_GRAPH: u64 = 7;
const GRAPH_INITIALIZER: u64 = 5;
const TENSOR_RAW_DATA: u64 = 9;
const TENSOR_EXTERNAL_DATA: u64 = 13;
const TENSOR_DATA_LOCATION: u64 = 14;
const ENTRY_KEY: u64 = 1;
const ENTRY_VALUE: u64 = 2;
/// `TensorProto.DataLocation.EXTERNAL`.
const LOCATION_EXTERNAL: u64 = 1;

/// A model file in two pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detached {
    /// The file without its large initializers: a model whose external data is [`Self::weights`].
    pub skeleton: Vec<u8>,
    /// The large initializers, in the buffer that held the file; empty when there is none.
    pub weights: Vec<u8>,
}

/// Takes the large initializers of the main graph out of a model file.
///
/// `location` is the name by which the skeleton refers to the weights. Offsets are multiples of 4 bytes.
///
/// # Errors
/// The bytes are not a model.
pub fn detach_weights(mut file: Vec<u8>, location: &str) -> Result<Detached, DecodeError> {
    let mut detacher = Detacher { file: &file, location, moves: Vec::new(), end: 0 };
    let skeleton =
        detacher.model().map_err(|cause| DecodeError::Malformed { message: "ModelProto", cause })?;
    let Detacher { moves, end, .. } = detacher;
    for Move { source, length, target } in moves {
        file.copy_within(source..source + length, target);
    }
    file.truncate(end);
    Ok(Detached { skeleton, weights: file })
}

/// Where an initializer's data is and where it goes, by offset. Targets only move down, in file order.
struct Move {
    source: usize,
    length: usize,
    target: usize,
}

/// One pass over a file.
struct Detacher<'a> {
    file: &'a [u8],
    location: &'a str,
    moves: Vec<Move>,
    /// End of the last target.
    end: usize,
}

impl<'a> Detacher<'a> {
    fn model(&mut self) -> Result<Vec<u8>, WireError> {
        let mut skeleton = Vec::new();
        let mut fields = Fields::new(self.file);
        while let Some((field, whole)) = fields.next_whole()? {
            if field.number == MODEL_GRAPH {
                put_bytes(&mut skeleton, MODEL_GRAPH, &self.graph(field.bytes()?)?);
            } else {
                skeleton.extend_from_slice(whole);
            }
        }
        Ok(skeleton)
    }

    fn graph(&mut self, graph: &'a [u8]) -> Result<Vec<u8>, WireError> {
        let mut skeleton = Vec::new();
        let mut fields = Fields::new(graph);
        while let Some((field, whole)) = fields.next_whole()? {
            if field.number == GRAPH_INITIALIZER
                && let Some(rest) = self.initializer(field.bytes()?)?
            {
                put_bytes(&mut skeleton, GRAPH_INITIALIZER, &rest);
            } else {
                skeleton.extend_from_slice(whole);
            }
        }
        Ok(skeleton)
    }

    /// What stays of an initializer in the skeleton, or `None` when it stays whole.
    fn initializer(&mut self, tensor: &'a [u8]) -> Result<Option<Vec<u8>>, WireError> {
        let (mut rest, mut data) = (Vec::new(), None);
        let mut fields = Fields::new(tensor);
        while let Some((field, whole)) = fields.next_whole()? {
            if field.number == TENSOR_RAW_DATA {
                data = Some(field.bytes()?);
                if field.bytes()?.len() < MIN_BYTES {
                    return Ok(None);
                }
            } else {
                rest.extend_from_slice(whole);
            }
        }
        let Some(data) = data else { return Ok(None) };
        let source = data.as_ptr().addr() - self.file.as_ptr().addr();
        let target = self.end.next_multiple_of(ALIGNMENT);
        if target > source {
            return Ok(None);
        }
        let (offset, length) = (target.to_string(), data.len().to_string());
        for (key, value) in [("location", self.location), ("offset", &offset), ("length", &length)] {
            let mut entry = Vec::new();
            put_bytes(&mut entry, ENTRY_KEY, key.as_bytes());
            put_bytes(&mut entry, ENTRY_VALUE, value.as_bytes());
            put_bytes(&mut rest, TENSOR_EXTERNAL_DATA, &entry);
        }
        put_varint(&mut rest, TENSOR_DATA_LOCATION << 3);
        put_varint(&mut rest, LOCATION_EXTERNAL);
        self.moves.push(Move { source, length: data.len(), target });
        self.end = target + data.len();
        Ok(Some(rest))
    }
}

/// Appends a field of bytes, a string or a message.
fn put_bytes(message: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    put_varint(message, number << 3 | 2);
    put_varint(message, bytes.len() as u64);
    message.extend_from_slice(bytes);
}

fn put_varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push(value as u8 | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
}

#[cfg(test)]
mod tests;
