//! ONNX messages as borrowed structures: names and weights stay slices of the file.
//!
//! `rten-onnx` decodes the same messages but copies every weight and allocates what a length field declares; here the
//! file's bytes are the only copy, and counts are limited, so decoding costs memory in proportion to the file.
//! Field numbers are those of `onnx.proto3`.

use crate::dtype::ElementType;
use crate::onnx::protobuf::{Field, Fields};

pub(crate) mod protobuf;
pub(crate) mod rewrite;

pub use protobuf::WireError;

/// Most nodes, initializers or attributes in one list. Larger models exist nowhere; a list of empty messages would
/// otherwise grow to a hundred times the file's size.
const MAX_ITEMS: usize = 1 << 18;
/// Deepest nesting of subgraphs.
const MAX_DEPTH: usize = 16;

/// Why bytes are not a model that can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are something else.
    #[error("not an onnx file: {reason}")]
    NotOnnx {
        /// What gave it away.
        reason: &'static str,
    },
    /// The file ends early.
    #[error("onnx file is truncated: a field needs {needed} bytes where {actual} are left")]
    Truncated {
        /// Bytes the field declares.
        needed: u64,
        /// Bytes there are.
        actual: u64,
    },
    /// A message inside the model is malformed.
    #[error("onnx file is malformed: {message}: {cause}")]
    Malformed {
        /// The ONNX message, e.g. `NodeProto`.
        message: &'static str,
        /// What is wrong with it.
        cause: WireError,
    },
    /// A list is longer than any real model's.
    #[error("onnx file has more than {MAX_ITEMS} {what}")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
    },
    /// Subgraphs are nested deeper than any real model's.
    #[error("onnx file nests subgraphs deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// A declared dimension is longer than any tensor can be.
    #[error("onnx file is malformed: `{name}` has a dimension of {dim}")]
    Dimension {
        /// Name of the input or output.
        name: String,
        /// Its length.
        dim: i64,
    },
    /// An initializer's dimensions and data disagree, or its size does not fit in memory.
    #[error("onnx file is malformed: initializer `{name}`: {reason}")]
    Initializer {
        /// Name of the initializer.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

#[derive(Debug, Default)]
pub(crate) struct ModelProto<'a> {
    pub(crate) ir_version: i64,
    pub(crate) producer_name: &'a str,
    pub(crate) producer_version: &'a str,
    pub(crate) opsets: Vec<(&'a str, i64)>,
    pub(crate) metadata: Vec<(&'a str, &'a str)>,
    pub(crate) graph: GraphProto<'a>,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct GraphProto<'a> {
    pub(crate) nodes: Vec<NodeProto<'a>>,
    pub(crate) initializers: Vec<TensorProto<'a>>,
    pub(crate) inputs: Vec<ValueInfoProto<'a>>,
    pub(crate) outputs: Vec<ValueInfoProto<'a>>,
    pub(crate) has_sparse_initializers: bool,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct NodeProto<'a> {
    pub(crate) inputs: Vec<&'a str>,
    pub(crate) outputs: Vec<&'a str>,
    pub(crate) name: &'a str,
    pub(crate) op_type: &'a str,
    pub(crate) domain: &'a str,
    pub(crate) attributes: Vec<AttributeProto<'a>>,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct AttributeProto<'a> {
    pub(crate) name: &'a str,
    pub(crate) float: Option<f32>,
    pub(crate) int: Option<i64>,
    pub(crate) bytes: Option<&'a [u8]>,
    pub(crate) tensor: Option<TensorProto<'a>>,
    pub(crate) graph: Option<GraphProto<'a>>,
    pub(crate) floats: Vec<f32>,
    pub(crate) ints: Vec<i64>,
    pub(crate) strings: Vec<&'a [u8]>,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct TensorProto<'a> {
    pub(crate) name: &'a str,
    pub(crate) dims: Vec<i64>,
    pub(crate) data_type: i32,
    pub(crate) raw: Option<&'a [u8]>,
    pub(crate) floats: Vec<f32>,
    /// `int32_data` and `int64_data`: only one is used by any data type.
    pub(crate) ints: Vec<i64>,
    pub(crate) doubles: Vec<f64>,
    pub(crate) n_strings: usize,
    /// Keys and values of `external_data`; the data is elsewhere when `is_external`.
    pub(crate) external: Vec<(&'a str, &'a str)>,
    pub(crate) is_external: bool,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct ValueInfoProto<'a> {
    pub(crate) name: &'a str,
    /// ONNX data type number; 0 when the value is not a tensor or its type is not given.
    pub(crate) data_type: i32,
    /// `None` when even the rank is unknown.
    pub(crate) dims: Option<Vec<DimProto<'a>>>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum DimProto<'a> {
    Value(i64),
    Param(&'a str),
    Unknown,
}

/// Decodes a model, checking structure but not meaning.
pub(crate) fn decode(bytes: &[u8]) -> Result<ModelProto<'_>, DecodeError> {
    let mut model = ModelProto::default();
    let mut fields = Fields::new(bytes);
    let (mut has_ir_version, mut has_graph) = (false, false);
    loop {
        let field = match fields.next() {
            Ok(Some(field)) => field,
            Ok(None) => break,
            Err(WireError::Truncated { needed, actual }) if has_ir_version => {
                return Err(DecodeError::Truncated { needed, actual });
            }
            Err(_) => return Err(DecodeError::NotOnnx { reason: "the bytes are not a protobuf message" }),
        };
        let is_known = match field.number {
            1 => field.int().map(|version| model.ir_version = version).is_ok(),
            2 => field.text().map(|name| model.producer_name = name).is_ok(),
            3 => field.text().map(|version| model.producer_version = version).is_ok(),
            4 | 6 | 20 | 25 | 26 => field.bytes().is_ok(),
            5 => field.int().is_ok(),
            7 => match field.bytes() {
                Ok(graph) => {
                    model.graph = decode_graph(graph, 0)?;
                    has_graph = true;
                    true
                }
                Err(_) => false,
            },
            8 => match field.bytes().and_then(decode_opset) {
                Ok(opset) => push(&mut model.opsets, opset, "operator sets").map(|()| true)?,
                Err(_) => false,
            },
            14 => match field.bytes().and_then(decode_entry) {
                Ok(entry) => push(&mut model.metadata, entry, "metadata entries").map(|()| true)?,
                Err(_) => false,
            },
            _ => false,
        };
        if !is_known {
            return Err(DecodeError::NotOnnx { reason: "it has a field that no model has" });
        }
        has_ir_version |= field.number == 1;
    }
    if bytes.is_empty() {
        return Err(DecodeError::NotOnnx { reason: "the file is empty" });
    }
    if !has_ir_version {
        return Err(DecodeError::NotOnnx { reason: "it has no IR version" });
    }
    if !has_graph {
        return Err(DecodeError::NotOnnx { reason: "it has no graph" });
    }
    Ok(model)
}

fn push<T>(list: &mut Vec<T>, item: T, what: &'static str) -> Result<(), DecodeError> {
    if list.len() >= MAX_ITEMS {
        return Err(DecodeError::TooMany { what });
    }
    list.push(item);
    Ok(())
}

/// Calls `visit` with each field of a message; errors carry the message's name.
fn each_field<'a>(
    message: &'static str,
    bytes: &'a [u8],
    mut visit: impl FnMut(&Field<'a>) -> Result<(), VisitError>,
) -> Result<(), DecodeError> {
    let malformed = |cause| DecodeError::Malformed { message, cause };
    let mut fields = Fields::new(bytes);
    while let Some(field) = fields.next().map_err(malformed)? {
        visit(&field).map_err(|error| match error {
            VisitError::Wire(cause) => malformed(cause),
            VisitError::Decode(error) => error,
        })?;
    }
    Ok(())
}

/// Either a field of this message is wrong, or a message inside it is.
enum VisitError {
    Wire(WireError),
    Decode(DecodeError),
}

impl From<WireError> for VisitError {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

impl From<DecodeError> for VisitError {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

fn decode_opset(bytes: &[u8]) -> Result<(&str, i64), WireError> {
    let mut fields = Fields::new(bytes);
    let mut opset = ("", 0);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => opset.0 = field.text()?,
            2 => opset.1 = field.int()?,
            _ => {}
        }
    }
    Ok(opset)
}

fn decode_entry(bytes: &[u8]) -> Result<(&str, &str), WireError> {
    let mut fields = Fields::new(bytes);
    let mut entry = ("", "");
    while let Some(field) = fields.next()? {
        match field.number {
            1 => entry.0 = field.text()?,
            2 => entry.1 = field.text()?,
            _ => {}
        }
    }
    Ok(entry)
}

fn decode_graph(bytes: &[u8], depth: usize) -> Result<GraphProto<'_>, DecodeError> {
    if depth > MAX_DEPTH {
        return Err(DecodeError::TooDeep);
    }
    let mut graph = GraphProto::default();
    each_field("GraphProto", bytes, |field| {
        match field.number {
            1 => push(&mut graph.nodes, decode_node(field.bytes()?, depth)?, "nodes")?,
            5 => push(&mut graph.initializers, decode_tensor(field.bytes()?)?, "initializers")?,
            11 => push(&mut graph.inputs, decode_value_info(field.bytes()?)?, "inputs")?,
            12 => push(&mut graph.outputs, decode_value_info(field.bytes()?)?, "outputs")?,
            15 => graph.has_sparse_initializers = true,
            _ => {}
        }
        Ok(())
    })?;
    Ok(graph)
}

fn decode_node(bytes: &[u8], depth: usize) -> Result<NodeProto<'_>, DecodeError> {
    let mut node = NodeProto::default();
    each_field("NodeProto", bytes, |field| {
        match field.number {
            1 => push(&mut node.inputs, field.text()?, "inputs of a node")?,
            2 => push(&mut node.outputs, field.text()?, "outputs of a node")?,
            3 => node.name = field.text()?,
            4 => node.op_type = field.text()?,
            5 => push(&mut node.attributes, decode_attribute(field.bytes()?, depth)?, "attributes")?,
            7 => node.domain = field.text()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(node)
}

fn decode_attribute(bytes: &[u8], depth: usize) -> Result<AttributeProto<'_>, DecodeError> {
    let mut attribute = AttributeProto::default();
    each_field("AttributeProto", bytes, |field| {
        match field.number {
            1 => attribute.name = field.text()?,
            2 => attribute.float = Some(field.float()?),
            3 => attribute.int = Some(field.int()?),
            4 => attribute.bytes = Some(field.bytes()?),
            5 => attribute.tensor = Some(decode_tensor(field.bytes()?)?),
            6 => attribute.graph = Some(decode_graph(field.bytes()?, depth + 1)?),
            7 => field.floats(&mut attribute.floats)?,
            8 => field.ints(&mut attribute.ints)?,
            9 => push(&mut attribute.strings, field.bytes()?, "strings of an attribute")?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(attribute)
}

pub(crate) fn decode_tensor(bytes: &[u8]) -> Result<TensorProto<'_>, DecodeError> {
    let mut tensor = TensorProto::default();
    each_field("TensorProto", bytes, |field| {
        match field.number {
            1 => field.ints(&mut tensor.dims)?,
            2 => tensor.data_type = field.int()? as i32,
            4 => field.floats(&mut tensor.floats)?,
            5 | 7 => field.ints(&mut tensor.ints)?,
            6 => tensor.n_strings += 1,
            8 => tensor.name = field.text()?,
            9 => tensor.raw = Some(field.bytes()?),
            10 => field.doubles(&mut tensor.doubles)?,
            13 => push(&mut tensor.external, decode_entry(field.bytes()?)?, "external data entries")?,
            14 => tensor.is_external = field.int()? == 1,
            _ => {}
        }
        Ok(())
    })?;
    Ok(tensor)
}

fn decode_value_info(bytes: &[u8]) -> Result<ValueInfoProto<'_>, DecodeError> {
    let mut info = ValueInfoProto::default();
    each_field("ValueInfoProto", bytes, |field| {
        match field.number {
            1 => info.name = field.text()?,
            2 => each_field("TypeProto", field.bytes()?, |field| {
                if field.number == 1 {
                    decode_tensor_type(field.bytes()?, &mut info)?;
                }
                Ok(())
            })?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(info)
}

fn decode_tensor_type<'a>(bytes: &'a [u8], info: &mut ValueInfoProto<'a>) -> Result<(), DecodeError> {
    each_field("TypeProto.Tensor", bytes, |field| {
        match field.number {
            1 => info.data_type = field.int()? as i32,
            2 => {
                let dims = info.dims.get_or_insert_default();
                each_field("TensorShapeProto", field.bytes()?, |field| {
                    if field.number == 1 {
                        push(dims, decode_dim(field.bytes()?)?, "dimensions")?;
                    }
                    Ok(())
                })?;
            }
            _ => {}
        }
        Ok(())
    })
}

fn decode_dim(bytes: &[u8]) -> Result<DimProto<'_>, WireError> {
    let mut fields = Fields::new(bytes);
    let mut dim = DimProto::Unknown;
    while let Some(field) = fields.next()? {
        match field.number {
            1 => dim = DimProto::Value(field.int()?),
            2 => dim = DimProto::Param(field.text()?),
            _ => {}
        }
    }
    Ok(dim)
}

impl TensorProto<'_> {
    fn wrong(&self, reason: &'static str) -> DecodeError {
        DecodeError::Initializer { name: self.name.to_owned(), reason }
    }

    pub(crate) fn element_type(&self) -> Result<ElementType, DecodeError> {
        ElementType::from_onnx(self.data_type).ok_or_else(|| self.wrong("it has no data type"))
    }

    /// Number of elements, checked.
    pub(crate) fn n_elements(&self) -> Result<u64, DecodeError> {
        self.dims
            .iter()
            .try_fold(1_u64, |n, &dim| n.checked_mul(u64::try_from(dim).ok()?))
            .ok_or_else(|| self.wrong("its dimensions are negative or overflow"))
    }

    /// Bytes of the data, after checking that the data has as many elements as the dimensions say.
    ///
    /// Text and types without a name count as the bytes that are there.
    pub(crate) fn checked_size_bytes(&self, dtype: ElementType) -> Result<u64, DecodeError> {
        let n_elements = self.n_elements()?;
        let n_raw = self.raw.map_or(0, <[u8]>::len) as u64;
        let Some(element_bytes) = dtype.size_bytes() else {
            return Ok(n_raw);
        };
        let size_bytes =
            n_elements.checked_mul(element_bytes).ok_or_else(|| self.wrong("its size overflows"))?;
        let is_complete = if self.is_external {
            true
        } else if self.raw.is_some() {
            n_raw == size_bytes
        } else {
            let n_listed = self.floats.len().max(self.ints.len()).max(self.doubles.len());
            n_listed as u64 == n_elements
        };
        if is_complete {
            Ok(size_bytes)
        } else {
            Err(self.wrong("its data is not as long as its dimensions say"))
        }
    }
}
