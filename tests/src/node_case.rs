//! ONNX's own test cases for single operators, read from the `onnx` package.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};

use anyhow::{Context as _, Result, bail, ensure};
use rten_onnx::onnx::{ModelProto, TensorProto, ValueInfoProto};
use rten_onnx::protobuf::{DecodeMessage as _, ValueReader};
use wire::{DType, TensorHeader};

/// Folder of the cases inside the package.
const FOLDER: &str = "onnx/backend/test/data/node/";

/// One model of one node, with inputs and the outputs they must give.
#[derive(Debug)]
pub struct NodeCase {
    /// E.g. `test_abs`.
    pub name: String,
    /// E.g. `Abs`.
    pub operator: String,
    /// The ONNX file.
    pub model: Vec<u8>,
    /// Inputs and expected outputs; or why they cannot be put on the wire.
    pub data_sets: Result<Vec<DataSet>>,
}

/// Inputs and the outputs they must give.
#[derive(Debug)]
pub struct DataSet {
    /// In the order of the graph's inputs.
    pub inputs: Vec<WireTensor>,
    /// In the order of the graph's outputs.
    pub outputs: Vec<WireTensor>,
}

/// A tensor as it travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireTensor {
    /// Name, type and shape.
    pub header: TensorHeader,
    /// Little-endian elements in C order.
    pub bytes: Vec<u8>,
}

impl NodeCase {
    /// The same case with the first output only, as most models use an operator whose other outputs are optional; `None`
    /// when there are no others.
    ///
    /// # Errors
    /// The model cannot be rewritten.
    pub fn first_output(&self) -> Result<Option<Self>> {
        let mut model = ModelProto::parse_buf(&self.model).context("decode")?;
        let Some(graph) = &mut model.graph else { return Ok(None) };
        let (Some(node), Ok(data_sets)) = (graph.node.first_mut(), &self.data_sets) else { return Ok(None) };
        if graph.output.len() < 2 {
            return Ok(None);
        }
        node.output.truncate(1);
        graph.output.truncate(1);
        let first = |data_set: &DataSet| DataSet {
            inputs: data_set.inputs.clone(),
            outputs: data_set.outputs.iter().take(1).cloned().collect(),
        };
        Ok(Some(Self {
            name: format!("{} (first output)", self.name),
            operator: self.operator.clone(),
            model: model.write_buf().context("encode")?,
            data_sets: Ok(data_sets.iter().map(first).collect()),
        }))
    }
}

/// Every case whose model is one node, sorted by name.
///
/// `package` is the wheel. Those `_expanded` twins of function operators that are models of several nodes are left out.
///
/// # Errors
/// The package is damaged.
pub fn read_all(package: Vec<u8>) -> Result<Vec<NodeCase>> {
    let mut cases = Vec::new();
    for (name, files) in case_files(package)? {
        let bytes = files.get("model.onnx").with_context(|| format!("{name} has no model.onnx"))?;
        let model = ModelProto::parse_buf(bytes).with_context(|| name.clone())?;
        let graph = model.graph.with_context(|| format!("{name} has no graph"))?;
        let [node] = graph.node.as_slice() else { continue };
        let operator = node.op_type.clone().unwrap_or_default();
        let data_sets = data_sets(&files, &graph.input, &graph.output);
        cases.push(NodeCase { name, operator, model: bytes.clone(), data_sets });
    }
    Ok(cases)
}

type Files = BTreeMap<String, Vec<u8>>;

/// Files of each case, by path below the case's folder.
fn case_files(package: Vec<u8>) -> Result<BTreeMap<String, Files>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(package)).context("onnx package")?;
    let mut cases: BTreeMap<String, Files> = BTreeMap::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).context("onnx package")?;
        let name = entry.name().context("onnx package")?;
        let Some((case, path)) = name.strip_prefix(FOLDER).and_then(|rest| rest.split_once('/')) else {
            continue;
        };
        let (case, path) = (case.to_owned(), path.to_owned());
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).with_context(|| format!("{case}/{path}"))?;
        cases.entry(case).or_default().insert(path, bytes);
    }
    Ok(cases)
}

fn data_sets(files: &Files, inputs: &[ValueInfoProto], outputs: &[ValueInfoProto]) -> Result<Vec<DataSet>> {
    let tensors = |set: usize, kind: &str, values: &[ValueInfoProto]| {
        let tensor = |(index, value): (usize, &ValueInfoProto)| {
            let path = format!("test_data_set_{set}/{kind}_{index}.pb");
            let bytes = files.get(&path).with_context(|| format!("{path} is missing"))?;
            tensor(value.name.clone().unwrap_or_default(), bytes).context(path)
        };
        values.iter().enumerate().map(tensor).collect::<Result<Vec<_>>>()
    };
    let n_sets =
        (0..).take_while(|set| files.contains_key(&format!("test_data_set_{set}/output_0.pb"))).count();
    ensure!(n_sets > 0, "there is no data set");
    (0..n_sets)
        .map(|set| {
            Ok(DataSet { inputs: tensors(set, "input", inputs)?, outputs: tensors(set, "output", outputs)? })
        })
        .collect()
}

fn tensor(name: String, bytes: &[u8]) -> Result<WireTensor> {
    let tensor = TensorProto::decode(ValueReader::from_buf(bytes)).context("not a tensor")?;
    // Numbers of `TensorProto.DataType`.
    let dtype = match tensor.data_type.map_or(0, |data_type| data_type.0) {
        1 => DType::Float32,
        2 => DType::Uint8,
        3 => DType::Int8,
        6 => DType::Int32,
        7 => DType::Int64,
        9 => DType::Bool,
        10 => DType::Float16,
        other => bail!("element type {other} cannot travel"),
    };
    let dims =
        tensor.dims.iter().map(|&dim| u32::try_from(dim)).collect::<Result<_, _>>().context("shape")?;
    let header = TensorHeader { name, dtype, dims };
    let bytes = tensor.raw_data.map(std::cell::RefCell::into_inner).unwrap_or_default();
    ensure!(header.size_bytes() == Some(bytes.len()), "{} bytes do not fill {:?}", bytes.len(), header.dims);
    Ok(WireTensor { header, bytes })
}
