//! Reads the outline of an ONNX file, and takes its weights out without copying them.
//!
//! `rten` decodes the file into buffers of its own, so a 69 MB model would need twice its size for a moment, and wasm
//! memory never shrinks. Here the file's own buffer becomes the storage: each large tensor moves down by the few bytes
//! that align it, and the small rest of the file (the skeleton) refers to it as external data.

mod protobuf;

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use wire::{DType, TensorHeader};

use self::protobuf::{Field, Fields, ReadError, put_bytes, put_varint};

/// Name by which the skeleton refers to [`OnnxFile::weights`].
pub(crate) const WEIGHTS_LOCATION: &str = "weights.data";

/// Smallest tensor worth detaching, bytes; below it the reference is as large as the copy.
const DETACH_BYTES: usize = 1024;
/// Alignment of detached tensors, bytes: that of the widest element that `rten` reads in place.
const ALIGNMENT: usize = 4;

/// Largest `ir_version` that still looks like an ONNX file; version 13 is the newest that exists.
const MAX_IR_VERSION: u64 = 99;

/// Field numbers of `onnx.proto3`.
mod field {
    pub(super) const MODEL_IR_VERSION: u32 = 1;
    pub(super) const MODEL_GRAPH: u32 = 7;
    pub(super) const MODEL_OPSET_IMPORT: u32 = 8;
    pub(super) const MODEL_METADATA_PROPS: u32 = 14;
    pub(super) const GRAPH_NODE: u32 = 1;
    pub(super) const GRAPH_INITIALIZER: u32 = 5;
    pub(super) const GRAPH_INPUT: u32 = 11;
    pub(super) const GRAPH_OUTPUT: u32 = 12;
    pub(super) const NODE_NAME: u32 = 3;
    pub(super) const NODE_OP_TYPE: u32 = 4;
    pub(super) const TENSOR_NAME: u32 = 8;
    pub(super) const TENSOR_RAW_DATA: u32 = 9;
    pub(super) const TENSOR_EXTERNAL_DATA: u32 = 13;
    pub(super) const TENSOR_DATA_LOCATION: u32 = 14;
    pub(super) const VALUE_NAME: u32 = 1;
    pub(super) const VALUE_TYPE: u32 = 2;
    pub(super) const TYPE_TENSOR: u32 = 1;
    pub(super) const TENSOR_TYPE_ELEM: u32 = 1;
    pub(super) const TENSOR_TYPE_SHAPE: u32 = 2;
    pub(super) const SHAPE_DIM: u32 = 1;
    pub(super) const DIM_VALUE: u32 = 1;
    pub(super) const DIM_PARAM: u32 = 2;
    pub(super) const ENTRY_KEY: u32 = 1;
    pub(super) const ENTRY_VALUE: u32 = 2;
}

/// `TensorProto.DataLocation.EXTERNAL`.
const LOCATION_EXTERNAL: u64 = 1;

/// Why bytes are not an ONNX file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OnnxError {
    /// They are something else.
    #[error("the bytes are not an ONNX file: {why}")]
    NotOnnx {
        /// What was found instead.
        why: &'static str,
    },
    /// They are the beginning of one.
    #[error("the ONNX file is truncated: at least {needed} bytes needed, {actual} present")]
    Truncated {
        /// Bytes that the file says it has.
        needed: usize,
        /// Bytes there are.
        actual: usize,
    },
}

/// An ONNX file, taken apart.
#[derive(Debug)]
pub(crate) struct OnnxFile {
    /// What a caller and an error message need to know of the graph.
    pub(crate) outline: Outline,
    /// The file without its large tensors, still a valid `ModelProto`.
    pub(crate) skeleton: Vec<u8>,
    /// The large tensors; empty when there is none.
    pub(crate) weights: Vec<u8>,
}

/// What a caller and an error message need to know of the graph.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outline {
    /// Inputs that a caller passes, without initializers.
    pub(crate) inputs: Vec<Declaration>,
    /// Outputs.
    pub(crate) outputs: Vec<Declaration>,
    /// Name and operator of each node of the main graph.
    pub(crate) nodes: Vec<(String, String)>,
    /// `metadata_props`.
    pub(crate) metadata: Vec<(String, String)>,
}

/// A graph input or output as the file declares it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Declaration {
    pub(crate) name: String,
    /// `TensorProto.DataType`; 0 when the value is not a tensor.
    pub(crate) elem_type: i32,
    pub(crate) dims: Option<Vec<Dim>>,
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

/// One declared dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dim {
    /// Always this size.
    Fixed(u32),
    /// Any size, the same wherever the name appears.
    Named(String),
    /// Any size.
    Any,
}

impl Declaration {
    /// The element type in the engine's terms, if it has one.
    pub(crate) fn dtype(&self) -> Option<DType> {
        // Numbers of `TensorProto.DataType`.
        match self.elem_type {
            1 => Some(DType::Float32),
            2 => Some(DType::Uint8),
            3 => Some(DType::Int8),
            6 => Some(DType::Int32),
            7 => Some(DType::Int64),
            9 => Some(DType::Bool),
            10 => Some(DType::Float16),
            _ => None,
        }
    }
}

impl ValueInfo {
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
            let dims: Vec<String> = dims.iter().map(Dim::to_string).collect();
            write!(formatter, " [{}]", dims.join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(size) => write!(formatter, "{size}"),
            Self::Named(name) => formatter.write_str(name),
            Self::Any => formatter.write_str("?"),
        }
    }
}

/// Takes an ONNX file apart.
///
/// # Errors
/// [`OnnxError`] when the bytes are not a whole ONNX file.
pub(crate) fn read(mut bytes: Vec<u8>) -> Result<OnnxFile, OnnxError> {
    let detach = bytes.as_ptr().align_offset(ALIGNMENT) == 0;
    let mut walk =
        Walk { bytes: &bytes, outline: Outline::default(), moves: Vec::new(), n_detached: 0, detach };
    let skeleton = walk.model()?;
    let Walk { outline, moves, n_detached, .. } = walk;
    for (source, target) in moves {
        bytes.copy_within(source, target);
    }
    bytes.truncate(n_detached);
    Ok(OnnxFile { outline, skeleton, weights: bytes })
}

/// One pass over a file.
struct Walk<'a> {
    bytes: &'a [u8],
    outline: Outline,
    /// Where each detached tensor is, and where it will start. Targets only move down.
    moves: Vec<(Range<usize>, usize)>,
    /// End of the last target.
    n_detached: usize,
    detach: bool,
}

impl<'a> Walk<'a> {
    fn model(&mut self) -> Result<Vec<u8>, OnnxError> {
        let mut skeleton = Vec::new();
        let (mut ir_version, mut has_graph, mut has_opset) = (None, false, false);
        let mut fields = Fields::new(self.bytes, 0..self.bytes.len());
        loop {
            let field = match fields.next() {
                Ok(Some(field)) => field,
                Ok(None) => break,
                Err(ReadError::PastEnd(needed)) if ir_version.is_some() => {
                    return Err(OnnxError::Truncated { needed, actual: self.bytes.len() });
                }
                Err(ReadError::PastEnd(_) | ReadError::Malformed) => return Err(not_protobuf()),
            };
            match field.number {
                field::MODEL_IR_VERSION => {
                    ir_version = field.varint().filter(|version| (1..=MAX_IR_VERSION).contains(version));
                }
                field::MODEL_GRAPH => {
                    has_graph = true;
                    let graph = self.graph(&field).map_err(inside)?;
                    put_bytes(&mut skeleton, field::MODEL_GRAPH, &graph);
                    continue;
                }
                field::MODEL_OPSET_IMPORT => has_opset = true,
                field::MODEL_METADATA_PROPS => {
                    let entry = self.entry(&field).map_err(inside)?;
                    self.outline.metadata.push(entry);
                }
                _ => {}
            }
            skeleton.extend_from_slice(&self.bytes[field.whole]);
        }
        match (ir_version, has_graph, has_opset) {
            (None, _, _) => Err(OnnxError::NotOnnx { why: "no IR version at its start" }),
            (Some(_), false, _) => Err(OnnxError::NotOnnx { why: "no graph inside" }),
            // Writers put the operator sets after the graph, so without them the end is missing.
            (Some(_), true, false) => {
                Err(OnnxError::Truncated { needed: self.bytes.len() + 1, actual: self.bytes.len() })
            }
            (Some(_), true, true) => Ok(skeleton),
        }
    }

    fn graph(&mut self, graph: &Field) -> Result<Vec<u8>, ReadError> {
        let mut skeleton = Vec::new();
        let mut initializers = BTreeSet::new();
        let mut fields = self.fields(graph)?;
        while let Some(field) = fields.next()? {
            match field.number {
                field::GRAPH_NODE => {
                    let node = self.node(&field)?;
                    self.outline.nodes.push(node);
                }
                field::GRAPH_INITIALIZER => {
                    let (name, tensor) = self.initializer(&field)?;
                    initializers.insert(name);
                    if let Some(tensor) = tensor {
                        put_bytes(&mut skeleton, field::GRAPH_INITIALIZER, &tensor);
                        continue;
                    }
                }
                field::GRAPH_INPUT => {
                    let input = self.declaration(&field)?;
                    self.outline.inputs.push(input);
                }
                field::GRAPH_OUTPUT => {
                    let output = self.declaration(&field)?;
                    self.outline.outputs.push(output);
                }
                _ => {}
            }
            skeleton.extend_from_slice(&self.bytes[field.whole]);
        }
        // Before IR version 4 every initializer was listed as an input too.
        self.outline.inputs.retain(|input| !initializers.contains(&input.name));
        Ok(skeleton)
    }

    /// The tensor's name and, when its data is detached, what stays of it in the skeleton.
    fn initializer(&mut self, tensor: &Field) -> Result<(String, Option<Vec<u8>>), ReadError> {
        let (mut name, mut data, mut rest) = (String::new(), None, Vec::new());
        let mut fields = self.fields(tensor)?;
        while let Some(field) = fields.next()? {
            match field.number {
                field::TENSOR_NAME => name = self.text(&field)?,
                field::TENSOR_RAW_DATA => {
                    data = Some(field.bytes().ok_or(ReadError::Malformed)?);
                    continue;
                }
                _ => {}
            }
            rest.extend_from_slice(&self.bytes[field.whole]);
        }
        let target = self.n_detached.next_multiple_of(ALIGNMENT);
        let Some(data) =
            data.filter(|data| self.detach && data.len() >= DETACH_BYTES && target <= data.start)
        else {
            return Ok((name, None));
        };
        let (offset, length) = (target.to_string(), data.len().to_string());
        for (key, value) in [("location", WEIGHTS_LOCATION), ("offset", &offset), ("length", &length)] {
            let mut entry = Vec::new();
            put_bytes(&mut entry, field::ENTRY_KEY, key.as_bytes());
            put_bytes(&mut entry, field::ENTRY_VALUE, value.as_bytes());
            put_bytes(&mut rest, field::TENSOR_EXTERNAL_DATA, &entry);
        }
        put_varint(&mut rest, field::TENSOR_DATA_LOCATION, LOCATION_EXTERNAL);
        self.n_detached = target + data.len();
        self.moves.push((data, target));
        Ok((name, Some(rest)))
    }

    fn node(&self, node: &Field) -> Result<(String, String), ReadError> {
        self.strings(node, field::NODE_NAME, field::NODE_OP_TYPE)
    }

    fn entry(&self, entry: &Field) -> Result<(String, String), ReadError> {
        self.strings(entry, field::ENTRY_KEY, field::ENTRY_VALUE)
    }

    fn declaration(&self, value: &Field) -> Result<Declaration, ReadError> {
        let mut declaration = Declaration::default();
        let mut fields = self.fields(value)?;
        while let Some(field) = fields.next()? {
            match field.number {
                field::VALUE_NAME => declaration.name = self.text(&field)?,
                field::VALUE_TYPE => {
                    let mut types = self.fields(&field)?;
                    while let Some(field) = types.next()? {
                        if field.number == field::TYPE_TENSOR {
                            (declaration.elem_type, declaration.dims) = self.tensor_type(&field)?;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(declaration)
    }

    fn tensor_type(&self, tensor_type: &Field) -> Result<(i32, Option<Vec<Dim>>), ReadError> {
        let (mut elem_type, mut dims) = (0, None);
        let mut fields = self.fields(tensor_type)?;
        while let Some(field) = fields.next()? {
            match field.number {
                field::TENSOR_TYPE_ELEM => {
                    elem_type = field.varint().and_then(|n| i32::try_from(n).ok()).unwrap_or_default();
                }
                field::TENSOR_TYPE_SHAPE => {
                    let shape: &mut Vec<Dim> = dims.get_or_insert_default();
                    let mut fields = self.fields(&field)?;
                    while let Some(field) = fields.next()? {
                        if field.number == field::SHAPE_DIM {
                            shape.push(self.dim(&field)?);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok((elem_type, dims))
    }

    fn dim(&self, dim: &Field) -> Result<Dim, ReadError> {
        let mut fields = self.fields(dim)?;
        let mut size = Dim::Any;
        while let Some(field) = fields.next()? {
            match field.number {
                // Zero and negative sizes stand for "any" in files of some exporters.
                field::DIM_VALUE => {
                    let value = field.varint().and_then(|value| u32::try_from(value).ok());
                    size = value.filter(|&value| value > 0).map_or(Dim::Any, Dim::Fixed);
                }
                field::DIM_PARAM => {
                    let name = self.text(&field)?;
                    size = if name.is_empty() { Dim::Any } else { Dim::Named(name) };
                }
                _ => {}
            }
        }
        Ok(size)
    }

    /// Two string fields of a message; a missing one is empty.
    fn strings(&self, message: &Field, first: u32, second: u32) -> Result<(String, String), ReadError> {
        let mut strings = (String::new(), String::new());
        let mut fields = self.fields(message)?;
        while let Some(field) = fields.next()? {
            if field.number == first {
                strings.0 = self.text(&field)?;
            } else if field.number == second {
                strings.1 = self.text(&field)?;
            }
        }
        Ok(strings)
    }

    fn fields(&self, message: &Field) -> Result<Fields<'a>, ReadError> {
        Ok(Fields::new(self.bytes, message.bytes().ok_or(ReadError::Malformed)?))
    }

    fn text(&self, field: &Field) -> Result<String, ReadError> {
        let range = field.bytes().ok_or(ReadError::Malformed)?;
        Ok(String::from_utf8_lossy(&self.bytes[range]).into_owned())
    }
}

fn not_protobuf() -> OnnxError {
    OnnxError::NotOnnx { why: "they do not decode as a protobuf message" }
}

/// A message inside the file does not decode, although its length fits.
fn inside(_: ReadError) -> OnnxError {
    OnnxError::NotOnnx { why: "a message inside does not decode" }
}

#[cfg(test)]
mod tests;
