//! A model in memory: names resolved, weights decoded, everything that depends on no input computed.

mod scaled;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::detach::{Detached, DetachedWeight, Source};
use crate::dtype::{ElementType, widen_half};
use crate::graph::Graph;
use crate::inspect::{Dim, ValueContract, value_contract};
use crate::lower::{self, Reason};
use crate::onnx::{self, AttributeProto, DecodeError, GraphProto, ModelProto, NodeProto, TensorProto};
use crate::op::Fact;
use crate::tensor::stored::StoredElements;
use crate::tensor::{DType, Data, Tensor};

/// Oldest and newest version of the standard operator set that is understood.
pub const OPSETS: std::ops::RangeInclusive<i64> = 7..=22;

/// Bytes of constants that any file may ask for.
const FREE_CONSTANT_BYTES: usize = 256 << 20;
/// Bytes of constants that each byte of a file may ask for beyond those: weights are converted, turned and merged.
const CONSTANTS_PER_BYTE: usize = 8;

/// Why a model cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ModelError {
    /// The bytes are not a model that can be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The graph contradicts itself.
    #[error("model is malformed: {reason}")]
    Structure {
        /// What is wrong.
        reason: String,
    },
    /// The model needs something other than an operator that is not there.
    #[error("model is not supported: {reason}")]
    Feature {
        /// What is missing.
        reason: String,
    },
    /// The model needs an operator, or a form of it, that is not there.
    #[error("operator `{operator}` (opset {opset}) of node `{node}` is not supported: {reason}")]
    Unsupported {
        /// ONNX operator, with its domain when that is not the standard one.
        operator: String,
        /// Name of the node.
        node: String,
        /// Version of the operator set.
        opset: i64,
        /// What is missing.
        reason: String,
    },
    /// What is in some inputs decides shapes or parameters: a plan needs their elements.
    #[error(
        "operator `{operator}` of node `{node}`: {reason}, so that a plan needs the elements of its inputs"
    )]
    Elements {
        /// ONNX operator.
        operator: String,
        /// Name of the node.
        node: String,
        /// What depends on the elements.
        reason: String,
        /// Indices in [`Model::inputs`].
        inputs: Vec<usize>,
    },
    /// A node does not fit its inputs.
    #[error("operator `{operator}` of node `{node}` does not fit its inputs: {reason}")]
    Invalid {
        /// ONNX operator.
        operator: String,
        /// Name of the node.
        node: String,
        /// What does not fit.
        reason: String,
    },
    /// The caller's inputs do not fit the model.
    #[error("input `{input}`: {reason}")]
    Input {
        /// Name of the input.
        input: String,
        /// What does not fit.
        reason: String,
    },
}

pub(crate) type ModelValue = usize;

/// One node as the file has it, with names resolved.
#[derive(Debug, Default)]
pub(crate) struct ModelNode {
    pub(crate) op_type: String,
    pub(crate) name: String,
    pub(crate) attributes: Attributes,
    pub(crate) inputs: Vec<Option<ModelValue>>,
    pub(crate) outputs: Vec<Option<ModelValue>>,
    /// For `If`: the branches, then first.
    pub(crate) branches: Vec<Branch>,
}

/// A subgraph without inputs; its nodes read values of the graphs around it.
#[derive(Debug, Default)]
pub(crate) struct Branch {
    pub(crate) nodes: Vec<ModelNode>,
    pub(crate) outputs: Vec<ModelValue>,
}

/// An input that the caller gives.
#[derive(Debug)]
pub(crate) struct ModelInput {
    pub(crate) value: ModelValue,
    pub(crate) contract: ValueContract,
    pub(crate) dtype: DType,
}

/// Elements of inputs, by index in [`Model::inputs`].
pub(crate) type Elements = BTreeMap<usize, Arc<Tensor>>;

/// A model that can be specialised for the shapes of its inputs.
#[derive(Debug)]
pub struct Model {
    pub(crate) opset: i64,
    pub(crate) value_names: Vec<String>,
    /// By value: what does not depend on any input.
    pub(crate) constants: Vec<Option<Arc<Tensor>>>,
    pub(crate) inputs: Vec<ModelInput>,
    pub(crate) outputs: Vec<(String, ModelValue)>,
    pub(crate) nodes: Vec<ModelNode>,
    /// Bytes that computing constants may still take, so that a small file cannot ask for much memory.
    pub(crate) constant_budget: usize,
}

impl Model {
    /// Reads a model file.
    ///
    /// # Errors
    /// The bytes are no model, the graph contradicts itself, or it uses a data type, operator or opset that is not
    /// understood. Forms of known operators are judged when shapes are known, by [`Model::specialise`].
    pub fn load(bytes: &[u8]) -> Result<Self, ModelError> {
        Self::load_with(bytes, None)
    }

    /// Reads a model whose large initializers are still in the file that they were detached from.
    ///
    /// # Errors
    /// Those of [`Model::load`].
    pub fn load_detached(detached: &Detached, source: &dyn Source) -> Result<Self, ModelError> {
        Self::load_with(&detached.skeleton, Some(Weights { detached, source, kept: None }))
    }

    /// The same, but large weights stay in the file: whoever needs their elements reads them there.
    ///
    /// # Errors
    /// Those of [`Model::load`].
    pub fn load_stored(detached: &Detached, source: &Arc<dyn Source>) -> Result<Self, ModelError> {
        let weights = Weights { detached, source: source.as_ref(), kept: Some(source) };
        Self::load_with(&detached.skeleton, Some(weights))
    }

    fn load_with(bytes: &[u8], weights: Option<Weights<'_>>) -> Result<Self, ModelError> {
        let proto = onnx::decode(bytes)?;
        let opset = standard_opset(&proto)?;
        let mut builder = Builder { opset, weights, ..Builder::default() };
        let main = builder.graph(&proto.graph, true)?;
        let mut model = Self {
            opset,
            value_names: builder.value_names,
            constants: builder.constants,
            inputs: builder.inputs,
            outputs: proto
                .graph
                .outputs
                .iter()
                .map(|output| output.name.to_owned())
                .zip(main.outputs)
                .collect(),
            nodes: main.nodes,
            constant_budget: FREE_CONSTANT_BYTES
                .saturating_add(bytes.len().saturating_mul(CONSTANTS_PER_BYTE)),
        };
        model.fold_constants()?;
        lower::check_operators(&model)?;
        lower::fold_batch_norm(&mut model);
        model.drop_unused_constants();
        Ok(model)
    }

    /// Names, types and declared shapes of the inputs.
    #[must_use]
    pub fn inputs(&self) -> Vec<&ValueContract> {
        self.inputs.iter().map(|input| &input.contract).collect()
    }

    /// Makes plans refer to `to` instead of the weight `from`, which is freed when nobody else holds it. `to` has the same
    /// type and shape and may be [released](Tensor::is_released).
    pub fn replace_weight(&mut self, from: &Arc<Tensor>, to: &Arc<Tensor>) {
        for constant in self.constants.iter_mut().flatten().filter(|constant| Arc::ptr_eq(constant, from)) {
            *constant = Arc::clone(to);
        }
    }

    /// Names of the outputs.
    #[must_use]
    pub fn output_names(&self) -> Vec<&str> {
        self.outputs.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// The graph for given input shapes, in the order of [`Model::inputs`].
    ///
    /// # Errors
    /// The shapes do not fit the model, or it uses an operator that is not supported.
    pub fn specialise(&self, inputs: &[Fact]) -> Result<Graph, ModelError> {
        self.specialise_for(inputs, &Elements::default())
    }

    /// The same for given elements of some inputs, which become constants.
    pub(crate) fn specialise_for(&self, inputs: &[Fact], elements: &Elements) -> Result<Graph, ModelError> {
        self.check_inputs(inputs)?;
        lower::lower(self, inputs, elements)
    }

    fn check_inputs(&self, facts: &[Fact]) -> Result<(), ModelError> {
        let mut symbols: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, input) in self.inputs.iter().enumerate() {
            let wrong = |reason: String| ModelError::Input { input: input.contract.name.clone(), reason };
            let fact = facts.get(index).ok_or_else(|| wrong("it is missing".to_owned()))?;
            if fact.dtype != input.dtype {
                let (expected, actual) = (input.dtype.as_str(), fact.dtype.as_str());
                return Err(wrong(format!("the model takes {expected}, not {actual}")));
            }
            let Some(declared) = &input.contract.dims else { continue };
            if declared.len() != fact.dims.len() {
                let (expected, actual) = (declared.len(), fact.dims.len());
                return Err(wrong(format!("the model takes {expected} dimensions, not {actual}")));
            }
            for (axis, (dim, &actual)) in declared.iter().zip(&fact.dims).enumerate() {
                let expected = match dim {
                    Dim::Fixed(expected) => *expected as usize,
                    Dim::Symbolic(name) => *symbols.entry(name).or_insert(actual),
                    Dim::Unknown => actual,
                };
                if expected != actual {
                    return Err(wrong(format!("dimension {axis} must be {expected}, not {actual}")));
                }
            }
        }
        if facts.len() > self.inputs.len() {
            let reason = format!("the model takes {} inputs, not {}", self.inputs.len(), facts.len());
            return Err(ModelError::Input { input: String::new(), reason });
        }
        Ok(())
    }

    /// Computes the nodes that depend on no input, once for all shapes.
    fn fold_constants(&mut self) -> Result<(), ModelError> {
        let nodes = std::mem::take(&mut self.nodes);
        for node in nodes {
            let is_constant =
                |input: &Option<ModelValue>| input.is_none_or(|value| self.constants[value].is_some());
            let folded = if !(node.branches.is_empty() && node.inputs.iter().all(is_constant)) {
                None
            } else if let Some(scaled) = self.scaled(&node) {
                Some(vec![Arc::new(scaled)])
            } else {
                let mut budget = self.constant_budget;
                let folded = lower::fold_node(self, &node, &mut budget)?;
                self.constant_budget = budget;
                folded
            };
            match folded {
                Some(results) => {
                    for (output, result) in node.outputs.iter().zip(results) {
                        if let Some(output) = *output {
                            self.constants[output] = Some(result);
                        }
                    }
                }
                None => self.nodes.push(node),
            }
        }
        Ok(())
    }

    /// The result of a node that turns 8-bit weights into floats. It counts with the memory that reading it takes.
    fn scaled(&mut self, node: &ModelNode) -> Option<Tensor> {
        let scaled = scaled::fold(self, node)?;
        let n_bytes = scaled.n_elements() * DType::F32.size_bytes();
        self.constant_budget = self.constant_budget.checked_sub(n_bytes)?;
        Some(scaled)
    }

    /// Frees what only nodes read that are computed already.
    fn drop_unused_constants(&mut self) {
        let mut is_used = vec![false; self.constants.len()];
        mark_used(&self.nodes, &mut is_used);
        self.outputs.iter().for_each(|&(_, output)| is_used[output] = true);
        for (constant, _) in self.constants.iter_mut().zip(is_used).filter(|(_, is_used)| !is_used) {
            *constant = None;
        }
    }
}

/// The values that nodes read, those of subgraphs included.
fn mark_used(nodes: &[ModelNode], is_used: &mut [bool]) {
    for node in nodes {
        node.inputs.iter().flatten().for_each(|&input| is_used[input] = true);
        for branch in &node.branches {
            mark_used(&branch.nodes, is_used);
            branch.outputs.iter().for_each(|&output| is_used[output] = true);
        }
    }
}

fn standard_opset(proto: &ModelProto<'_>) -> Result<i64, ModelError> {
    let opset = proto
        .opsets
        .iter()
        .find(|(domain, _)| domain.is_empty() || *domain == "ai.onnx")
        .map_or(1, |&(_, version)| version);
    if OPSETS.contains(&opset) {
        return Ok(opset);
    }
    let (first, last) = OPSETS.into_inner();
    Err(feature(&format!("it uses opset {opset}; {first} to {last} are understood")))
}

/// Weights that are not in the bytes of the model: where they are in which file.
#[derive(Clone, Copy)]
struct Weights<'w> {
    detached: &'w Detached,
    source: &'w dyn Source,
    /// The file, when large weights stay there.
    kept: Option<&'w Arc<dyn Source>>,
}

#[derive(Default)]
struct Builder<'w> {
    opset: i64,
    weights: Option<Weights<'w>>,
    value_names: Vec<String>,
    constants: Vec<Option<Arc<Tensor>>>,
    inputs: Vec<ModelInput>,
    /// Names in scope, innermost graph last.
    scopes: Vec<BTreeMap<String, ModelValue>>,
}

impl Builder<'_> {
    fn graph(&mut self, graph: &GraphProto<'_>, is_main: bool) -> Result<Branch, ModelError> {
        if graph.has_sparse_initializers {
            return Err(feature("it has sparse initializers"));
        }
        self.scopes.push(BTreeMap::new());
        for tensor in &graph.initializers {
            let decoded = Arc::new(decode_tensor(tensor, self.weights)?);
            let value = self.define(tensor.name)?;
            self.constants[value] = Some(decoded);
        }
        for input in &graph.inputs {
            if self.find(input.name).is_some() {
                continue;
            }
            if !is_main {
                return Err(feature("a subgraph has inputs, as those of loops have"));
            }
            let contract = value_contract(input)?;
            let dtype = contract.dtype.and_then(DType::for_element).ok_or_else(|| {
                let dtype = contract.dtype.map_or("not a tensor", ElementType::as_str);
                feature(&format!("its input `{}` is {dtype}", contract.name))
            })?;
            let value = self.define(input.name)?;
            self.inputs.push(ModelInput { value, contract, dtype });
        }
        let nodes = graph.nodes.iter().map(|node| self.node(node)).collect::<Result<_, _>>()?;
        let outputs = graph
            .outputs
            .iter()
            .map(|output| {
                self.find(output.name)
                    .ok_or_else(|| structure(&format!("output `{}` is never computed", output.name)))
            })
            .collect::<Result<_, _>>()?;
        self.scopes.pop();
        Ok(Branch { nodes, outputs })
    }

    fn node(&mut self, proto: &NodeProto<'_>) -> Result<ModelNode, ModelError> {
        let name = if proto.name.is_empty() {
            proto.outputs.first().copied().unwrap_or_default()
        } else {
            proto.name
        };
        if !(proto.domain.is_empty() || proto.domain == "ai.onnx") {
            return Err(ModelError::Unsupported {
                operator: format!("{}.{}", proto.domain, proto.op_type),
                node: name.to_owned(),
                opset: self.opset,
                reason: "only the standard operator set is understood".to_owned(),
            });
        }
        let inputs = proto
            .inputs
            .iter()
            .map(|&input| {
                if input.is_empty() {
                    return Ok(None);
                }
                self.find(input).map(Some).ok_or_else(|| {
                    structure(&format!("node `{name}` reads `{input}` before anything computes it"))
                })
            })
            .collect::<Result<_, _>>()?;
        let mut branches = Vec::new();
        for branch_name in ["then_branch", "else_branch"] {
            let attribute = proto.attributes.iter().find(|attribute| attribute.name == branch_name);
            if let Some(graph) = attribute.and_then(|attribute| attribute.graph.as_ref()) {
                branches.push(self.graph(graph, false)?);
            }
        }
        let outputs = proto
            .outputs
            .iter()
            .map(|&output| if output.is_empty() { Ok(None) } else { self.define(output).map(Some) })
            .collect::<Result<_, _>>()?;
        Ok(ModelNode {
            op_type: proto.op_type.to_owned(),
            name: name.to_owned(),
            attributes: Attributes::new(&proto.attributes)?,
            inputs,
            outputs,
            branches,
        })
    }

    fn find(&self, name: &str) -> Option<ModelValue> {
        self.scopes.iter().rev().find_map(|scope| scope.get(name).copied())
    }

    fn define(&mut self, name: &str) -> Result<ModelValue, ModelError> {
        let value = self.value_names.len();
        let scope = self.scopes.last_mut().ok_or_else(|| structure("a value is outside of every graph"))?;
        if scope.insert(name.to_owned(), value).is_some() {
            return Err(structure(&format!("value `{name}` is defined twice")));
        }
        self.value_names.push(name.to_owned());
        self.constants.push(None);
        Ok(value)
    }
}

fn feature(reason: &str) -> ModelError {
    ModelError::Feature { reason: reason.to_owned() }
}

fn structure(reason: &str) -> ModelError {
    ModelError::Structure { reason: reason.to_owned() }
}

/// Attributes of a node.
#[derive(Debug, Default)]
pub(crate) struct Attributes {
    by_name: BTreeMap<String, Attribute>,
}

#[derive(Debug)]
struct Attribute {
    float: Option<f32>,
    int: Option<i64>,
    text: Option<String>,
    floats: Vec<f32>,
    ints: Vec<i64>,
    strings: Vec<String>,
    tensor: Option<Arc<Tensor>>,
}

impl Attributes {
    fn new(protos: &[AttributeProto<'_>]) -> Result<Self, ModelError> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut by_name = BTreeMap::new();
        for proto in protos {
            let attribute = Attribute {
                float: proto.float,
                int: proto.int,
                text: proto.bytes.map(text),
                floats: proto.floats.clone(),
                ints: proto.ints.clone(),
                strings: proto.strings.iter().map(|&bytes| text(bytes)).collect(),
                tensor: proto
                    .tensor
                    .as_ref()
                    .map(|tensor| decode_tensor(tensor, None))
                    .transpose()?
                    .map(Arc::new),
            };
            by_name.insert(proto.name.to_owned(), attribute);
        }
        Ok(Self { by_name })
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    pub(crate) fn float(&self, name: &str, default: f32) -> f32 {
        self.by_name.get(name).and_then(|attribute| attribute.float).unwrap_or(default)
    }

    pub(crate) fn int(&self, name: &str, default: i64) -> i64 {
        self.by_name.get(name).and_then(|attribute| attribute.int).unwrap_or(default)
    }

    pub(crate) fn flag(&self, name: &str, default: bool) -> bool {
        self.int(name, i64::from(default)) != 0
    }

    pub(crate) fn text<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        self.by_name.get(name).and_then(|attribute| attribute.text.as_deref()).unwrap_or(default)
    }

    pub(crate) fn floats(&self, name: &str) -> Option<&[f32]> {
        self.by_name.get(name).map(|attribute| attribute.floats.as_slice())
    }

    pub(crate) fn ints(&self, name: &str) -> Option<&[i64]> {
        self.by_name.get(name).map(|attribute| attribute.ints.as_slice())
    }

    pub(crate) fn strings(&self, name: &str) -> Option<&[String]> {
        self.by_name.get(name).map(|attribute| attribute.strings.as_slice())
    }

    pub(crate) fn tensor(&self, name: &str) -> Option<&Arc<Tensor>> {
        self.by_name.get(name).and_then(|attribute| attribute.tensor.as_ref())
    }
}

/// Bytes of a weight that are read at once: reading from a browser's storage takes 25 µs however little it is, and in
/// blocks that the second-level cache does not hold, each byte takes twice as long.
const BLOCK_BYTES: usize = 1 << 20;

/// What is wrong with a weight whose data is cut.
const TOO_FEW: &str = "its data is not as long as its dimensions say";
/// Smallest weight that stays in its file where weights do, bytes: the others take little memory.
const MIN_STORED_BYTES: usize = 65_536;

/// Decodes a weight; half floats are widened.
fn decode_tensor(proto: &TensorProto<'_>, weights: Option<Weights<'_>>) -> Result<Tensor, ModelError> {
    let wrong = |reason| DecodeError::Initializer { name: proto.name.to_owned(), reason };
    let element = proto.element_type()?;
    let n_bytes = proto.checked_size_bytes(element)?;
    let dtype = DType::for_element(element)
        .ok_or_else(|| feature(&format!("its weight `{}` is {}", proto.name, element.as_str())))?;
    let dims: Option<Vec<usize>> = proto.dims.iter().map(|&dim| usize::try_from(dim).ok()).collect();
    let dims = dims.ok_or_else(|| wrong(TOO_FEW))?;
    let data = match (proto.raw, dtype) {
        _ if proto.is_external => {
            let (weight, weights) = external(proto, weights, n_bytes)?;
            if let Some(kept) = weights.kept.filter(|_| weight.n_bytes >= MIN_STORED_BYTES) {
                let stored = StoredElements::new(Arc::clone(kept), weight.source, element, dtype);
                return Ok(Tensor::stored(dims, stored));
            }
            read_elements(weights.source, weight.source, element, dtype, proto.n_elements()? as usize)
        }
        (Some(raw), _) => {
            let mut data = Data::with_capacity(dtype, proto.n_elements()? as usize);
            extend_from_raw(&mut data, element, raw);
            data
        }
        (None, DType::F32) if element == ElementType::Float16 => {
            Data::F32(proto.ints.iter().map(|&bits| widen_half(bits as u16)).collect())
        }
        (None, DType::F32) => Data::F32(proto.floats.clone()),
        (None, DType::I64) => Data::I64(proto.ints.clone()),
        (None, DType::I32) => Data::I32(proto.ints.iter().map(|&x| x as i32).collect()),
        (None, DType::U8) => Data::U8(proto.ints.iter().map(|&x| x as u8).collect()),
        (None, DType::I8) => Data::I8(proto.ints.iter().map(|&x| x as i8).collect()),
        (None, DType::Bool) => Data::Bool(proto.ints.iter().map(|&x| u8::from(x != 0)).collect()),
    };
    Tensor::new(dims, data).ok_or_else(|| wrong(TOO_FEW).into())
}

/// Where a detached weight is.
fn external<'w>(
    proto: &TensorProto<'_>,
    weights: Option<Weights<'w>>,
    n_bytes: u64,
) -> Result<(&'w DetachedWeight, Weights<'w>), ModelError> {
    let entry = |key: &str| proto.external.iter().find(|entry| entry.0 == key).map_or("", |entry| entry.1);
    let number = |key: &str| entry(key).parse::<usize>().ok();
    let found = weights.and_then(|weights| {
        let weight = weights.detached.find(number("offset")?, number("length")?)?;
        Some((weight, weights)).filter(|(weight, _)| weight.n_bytes as u64 == n_bytes)
    });
    found.ok_or_else(|| {
        let location = entry("location");
        feature(&format!("its weight `{}` is in another file, `{location}`", proto.name))
    })
}

/// Reads `n` elements of a file block by block, from `offset` on; half floats are widened.
pub(crate) fn read_elements(
    source: &dyn Source,
    offset: usize,
    element: ElementType,
    dtype: DType,
    n: usize,
) -> Data {
    let mut data = Data::with_capacity(dtype, n);
    let n_bytes = n * element.size_bytes().unwrap_or_default() as usize;
    let needs_conversion = matches!(element, ElementType::Float16 | ElementType::Bool);
    let mut block = vec![0; if needs_conversion { BLOCK_BYTES.min(n_bytes) } else { 0 }];
    for start in (0..n_bytes).step_by(BLOCK_BYTES) {
        let n_bytes = BLOCK_BYTES.min(n_bytes - start);
        if needs_conversion {
            source.read(offset + start, &mut block[..n_bytes]);
            extend_from_raw(&mut data, element, &block[..n_bytes]);
        } else {
            source.read(offset + start, data.grow(n_bytes / dtype.size_bytes()));
        }
    }
    data
}

/// Appends little-endian elements; half floats are widened.
fn extend_from_raw(data: &mut Data, element: ElementType, raw: &[u8]) {
    match data {
        Data::F32(to) if element == ElementType::Float16 => {
            to.extend(raw.as_chunks::<2>().0.iter().map(|&bytes| widen_half(u16::from_le_bytes(bytes))));
        }
        Data::F32(to) => to.extend(raw.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes))),
        Data::I64(to) => to.extend(raw.as_chunks::<8>().0.iter().map(|&bytes| i64::from_le_bytes(bytes))),
        Data::I32(to) => to.extend(raw.as_chunks::<4>().0.iter().map(|&bytes| i32::from_le_bytes(bytes))),
        Data::U8(to) => to.extend_from_slice(raw),
        Data::I8(to) => to.extend(raw.iter().map(|&byte| byte.cast_signed())),
        Data::Bool(to) => to.extend(raw.iter().map(|&byte| u8::from(byte != 0))),
    }
}

impl ModelError {
    pub(crate) fn at_node(node: &ModelNode, opset: i64, reason: Reason) -> Self {
        let (operator, node) = (node.op_type.clone(), node.name.clone());
        match reason {
            Reason::Unsupported(reason) | Reason::Elements(_, reason) => {
                Self::Unsupported { operator, node, opset, reason }
            }
            Reason::Invalid(reason) => Self::Invalid { operator, node, reason },
        }
    }
}

#[cfg(test)]
mod tests;
