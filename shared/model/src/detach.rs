//! Splits a model file into its weights and the rest without reading the weights.
//!
//! A file that is decoded from one buffer into others needs twice its size for a moment, and wasm memory never shrinks.
//! Here the small rest of the file refers to each large initializer as external data, and whoever needs one reads it
//! from where the file is.

use std::ops::Range;

use crate::onnx::protobuf::{WireError, varint};
use crate::onnx::rewrite::{put_bytes, put_varint};

/// Smallest initializer that is detached, bytes: to read a smaller one by itself takes longer than to copy it.
const MIN_BYTES: usize = 8192;
/// Alignment of each detached initializer from the start of the weights, bytes: that of 32-bit elements.
const ALIGNMENT: usize = 4;
/// Bytes that are read at once while the file is walked.
const WINDOW_BYTES: usize = 16_384;
/// Most bytes of a field's tag and length.
const MAX_HEADER_BYTES: usize = 20;

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

/// A file's bytes, wherever they are.
pub trait Source: Send + Sync {
    /// Length of the file.
    fn n_bytes(&self) -> usize;

    /// Copies the bytes from `offset` on; the caller stays within the file.
    fn read(&self, offset: usize, target: &mut [u8]);

    /// A copy of the whole file.
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.n_bytes()];
        self.read(0, &mut bytes);
        bytes
    }
}

impl Source for Vec<u8> {
    fn n_bytes(&self) -> usize {
        self.len()
    }

    fn read(&self, offset: usize, target: &mut [u8]) {
        target.copy_from_slice(&self[offset..offset + target.len()]);
    }
}

/// A model file in two pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detached {
    /// The file without its large initializers: a model whose external data is [`Self::weights`].
    pub skeleton: Vec<u8>,
    /// The large initializers, in file order.
    pub weights: Vec<DetachedWeight>,
}

/// Where a large initializer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DetachedWeight {
    /// Offset in the file, bytes.
    pub source: usize,
    /// Offset by which the skeleton refers to it, bytes: a multiple of 4, at most [`Self::source`].
    pub offset: usize,
    /// Its length, bytes.
    pub n_bytes: usize,
}

impl Detached {
    /// The initializer that the skeleton refers to with this offset and length.
    #[must_use]
    pub fn find(&self, offset: usize, n_bytes: usize) -> Option<&DetachedWeight> {
        let index = self.weights.binary_search_by_key(&offset, |weight| weight.offset).ok()?;
        self.weights.get(index).filter(|weight| weight.n_bytes == n_bytes)
    }

    /// Moves the weights to their offsets in the file's own buffer, and drops the rest of the file.
    #[must_use]
    pub fn compact(&self, mut file: Vec<u8>) -> Vec<u8> {
        // Weights only move down, in file order.
        for &DetachedWeight { source, offset, n_bytes } in &self.weights {
            file.copy_within(source..source + n_bytes, offset);
        }
        file.truncate(self.weights.last().map_or(0, |weight| weight.offset + weight.n_bytes));
        file
    }
}

/// Takes the large initializers of the main graph out of a model file.
///
/// `location` is the name by which the skeleton refers to the weights. A file that cannot be walked stays whole: whoever
/// decodes it says what is wrong with it.
#[must_use]
pub fn detach_weights(source: &dyn Source, location: &str) -> Detached {
    let mut detacher = Detacher {
        source,
        location,
        window: Window { start: 0, bytes: Vec::new() },
        weights: Vec::new(),
        end: 0,
    };
    match detacher.model() {
        Ok(skeleton) => Detached { skeleton, weights: detacher.weights },
        Err(_malformed) => Detached { skeleton: source.to_bytes(), weights: Vec::new() },
    }
}

/// One pass over a file.
struct Detacher<'a> {
    source: &'a dyn Source,
    location: &'a str,
    window: Window,
    weights: Vec<DetachedWeight>,
    /// End of the last weight by the skeleton's offsets.
    end: usize,
}

/// The part of the file that was read last.
struct Window {
    start: usize,
    bytes: Vec<u8>,
}

/// A field by its place in the file.
struct Field {
    number: u64,
    /// Tag and length included.
    whole: Range<usize>,
    /// Set for bytes, strings and messages.
    content: Option<Range<usize>>,
}

impl Detacher<'_> {
    fn model(&mut self) -> Result<Vec<u8>, WireError> {
        let mut skeleton = Vec::new();
        let mut rest = 0..self.source.n_bytes();
        while let Some(field) = self.next(&mut rest)? {
            match field.content {
                Some(graph) if field.number == MODEL_GRAPH => {
                    let graph = self.graph(graph)?;
                    put_bytes(&mut skeleton, MODEL_GRAPH, &graph);
                }
                _ => skeleton.extend_from_slice(self.bytes(field.whole)),
            }
        }
        Ok(skeleton)
    }

    fn graph(&mut self, mut rest: Range<usize>) -> Result<Vec<u8>, WireError> {
        let mut skeleton = Vec::new();
        while let Some(field) = self.next(&mut rest)? {
            let detached = match field.content {
                Some(tensor) if field.number == GRAPH_INITIALIZER => self.initializer(tensor)?,
                _ => None,
            };
            match detached {
                Some(tensor) => put_bytes(&mut skeleton, GRAPH_INITIALIZER, &tensor),
                None => skeleton.extend_from_slice(self.bytes(field.whole)),
            }
        }
        Ok(skeleton)
    }

    /// What stays of an initializer in the skeleton, or `None` when it stays whole.
    fn initializer(&mut self, mut rest: Range<usize>) -> Result<Option<Vec<u8>>, WireError> {
        let (mut tensor, mut data) = (Vec::new(), None);
        while let Some(field) = self.next(&mut rest)? {
            match field.content {
                Some(content) if field.number == TENSOR_RAW_DATA => {
                    if content.len() < MIN_BYTES {
                        return Ok(None);
                    }
                    data = Some(content);
                }
                _ => tensor.extend_from_slice(self.bytes(field.whole)),
            }
        }
        let Some(data) = data else { return Ok(None) };
        let weight = DetachedWeight {
            source: data.start,
            offset: self.end.next_multiple_of(ALIGNMENT),
            n_bytes: data.len(),
        };
        if weight.offset > weight.source {
            return Ok(None);
        }
        let (offset, length) = (weight.offset.to_string(), weight.n_bytes.to_string());
        for (key, value) in [("location", self.location), ("offset", &offset), ("length", &length)] {
            let mut entry = Vec::new();
            put_bytes(&mut entry, ENTRY_KEY, key.as_bytes());
            put_bytes(&mut entry, ENTRY_VALUE, value.as_bytes());
            put_bytes(&mut tensor, TENSOR_EXTERNAL_DATA, &entry);
        }
        put_varint(&mut tensor, TENSOR_DATA_LOCATION << 3);
        put_varint(&mut tensor, LOCATION_EXTERNAL);
        self.end = weight.offset + weight.n_bytes;
        self.weights.push(weight);
        Ok(Some(tensor))
    }

    /// Takes the next field off a message.
    fn next(&mut self, rest: &mut Range<usize>) -> Result<Option<Field>, WireError> {
        let start = rest.start;
        if start == rest.end {
            return Ok(None);
        }
        let n_header = MAX_HEADER_BYTES.min(rest.len());
        let mut header = self.bytes(start..start + n_header);
        let tag = varint(&mut header)?;
        let (length, is_bytes) = match tag & 7 {
            0 => (varint(&mut header).map(|_value| 0)?, false),
            1 => (8, false),
            2 => (varint(&mut header)?, true),
            5 => (4, false),
            wire_type => {
                return Err(WireError::WireType { field: tag >> 3, wire_type: wire_type as u8 });
            }
        };
        let content = start + n_header - header.len();
        let actual = rest.end - content;
        let length = usize::try_from(length).ok().filter(|&length| length <= actual);
        let length = length.ok_or(WireError::Truncated { needed: u64::MAX, actual: actual as u64 })?;
        rest.start = content + length;
        Ok(Some(Field {
            number: tag >> 3,
            whole: start..rest.start,
            content: is_bytes.then_some(content..rest.start),
        }))
    }

    /// Bytes of the file, read in windows.
    fn bytes(&mut self, range: Range<usize>) -> &[u8] {
        let Window { start, bytes } = &mut self.window;
        if range.start < *start || range.end > *start + bytes.len() {
            let n_bytes = range.len().max(WINDOW_BYTES).min(self.source.n_bytes() - range.start);
            bytes.resize(n_bytes, 0);
            self.source.read(range.start, bytes);
            *start = range.start;
        }
        &bytes[range.start - *start..range.end - *start]
    }
}

#[cfg(test)]
mod tests;
