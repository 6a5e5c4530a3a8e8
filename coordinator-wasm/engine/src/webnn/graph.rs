//! A program handed to the browser: the graph it builds, and the tensors that go in and out.

use js_sys::{Array, Function, Object, Promise, Reflect, Uint8Array};
use model::webnn::{Argument, Call, Program, type_name};
use model::{DType, Fact, Plan, Tensor};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wire::Fault;

use super::bytes::{constant_bytes, input_bytes, output_tensor};
use super::context::Context;
use super::sys::{MlGraph, MlGraphBuilder, MlTensor, MlTensorDescriptor};
use crate::fault;
use crate::web::capabilities::words;

/// A graph for one shape class, with its tensors.
#[derive(Debug)]
pub(super) struct Graph {
    graph: MlGraph,
    /// Nothing for an input that no call reads: the browser drops it from the graph.
    inputs: Vec<Option<Port>>,
    outputs: Vec<Port>,
    /// The tensors by name, as `dispatch` wants them.
    bound: [Object; 2],
}

/// A tensor of the graph's inputs or outputs.
#[derive(Debug)]
struct Port {
    /// Name in the model file.
    name: String,
    tensor: MlTensor,
    /// Element type in the context.
    dtype: DType,
    /// Type and shape in the plan.
    fact: Fact,
}

/// Outputs that are being read.
type Reads<'a> = Vec<(&'a Port, Promise)>;

impl Graph {
    /// Builds the graph and makes its tensors.
    pub(super) async fn build(plan: &Plan, program: &Program, context: &Context) -> Result<Self, Fault> {
        let builder = MlGraphBuilder::new(&context.context);
        let builder = match builder {
            Ok(builder) => builder,
            Err(error) => return Err(context.fault("start a graph", &error).await),
        };
        let graph = match operands(plan, program, &builder)? {
            Ok(outputs) => match builder.build(&outputs) {
                Ok(promise) => JsFuture::from(promise).await,
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        let graph: MlGraph = match graph {
            Ok(graph) => graph.unchecked_into(),
            Err(error) if context.lost().is_none() => {
                return Err(fault::unsupported_operator(None, words(&error)));
            }
            Err(error) => return Err(context.fault("build the graph", &error).await),
        };
        let bound = [Object::new(), Object::new()];
        let mut inputs = Vec::with_capacity(program.inputs.len());
        for (index, (&operand, &value)) in program.inputs.iter().zip(&plan.inputs).enumerate() {
            if !program.reads(operand) {
                inputs.push(None);
                continue;
            }
            let port =
                port(context, input_name(index), program, operand, &plan.values[value].fact, true).await?;
            set(&bound[0], &port.name, &port.tensor);
            inputs.push(Some(port));
        }
        let mut outputs = Vec::with_capacity(program.outputs.len());
        for ((name, operand), (_, value)) in program.outputs.iter().zip(&plan.outputs) {
            let port =
                port(context, name.clone(), program, *operand, &plan.values[*value].fact, false).await?;
            set(&bound[1], &port.name, &port.tensor);
            outputs.push(port);
        }
        Ok(Self { graph, inputs, outputs, bound })
    }

    /// Runs the graph; gives the outputs named in `wanted`.
    pub(super) async fn run(
        &self,
        context: &Context,
        operands: &[Tensor],
        wanted: &[&str],
    ) -> Result<Vec<Tensor>, Fault> {
        let reads = match self.dispatch(context, operands, wanted)? {
            Ok(reads) => reads,
            Err(error) => return Err(context.fault("run the graph", &error).await),
        };
        let mut outputs = Vec::with_capacity(reads.len());
        for (port, read) in reads {
            let buffer = match JsFuture::from(read).await {
                Ok(buffer) => buffer,
                Err(error) => return Err(context.fault("read an output", &error).await),
            };
            let bytes = Uint8Array::new(&buffer).to_vec();
            let output = output_tensor(&bytes, port.dtype, &port.fact);
            outputs.push(output.ok_or_else(|| {
                fault::operator_failed(None, format!("output \"{}\" has {} bytes", port.name, bytes.len()))
            })?);
        }
        Ok(outputs)
    }

    /// Queues inputs, computation and reads at once, so that runs that overlap do not mix.
    fn dispatch<'a>(
        &'a self,
        context: &Context,
        operands: &[Tensor],
        wanted: &[&str],
    ) -> Result<Result<Reads<'a>, JsValue>, Fault> {
        for (port, operand) in self.inputs.iter().zip(operands) {
            let Some(port) = port else { continue };
            let bytes = input_bytes(operand, port.dtype)
                .map_err(|(index, value)| fault::input_range(&port.name, index, value))?;
            if let Err(error) = with_view(&bytes, |view| context.context.write_tensor(&port.tensor, view)) {
                return Ok(Err(error));
            }
        }
        if let Err(error) = context.context.dispatch(&self.graph, &self.bound[0], &self.bound[1]) {
            return Ok(Err(error));
        }
        let ports = wanted.iter().filter_map(|name| self.outputs.iter().find(|port| port.name == *name));
        let read = |port: &'a Port| context.context.read_tensor(&port.tensor).map(|promise| (port, promise));
        Ok(ports.map(read).collect())
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        self.graph.destroy_graph();
        self.inputs.iter().flatten().chain(&self.outputs).for_each(|port| port.tensor.destroy_tensor());
    }
}

/// What an input is called in the graph: names in files may be anything.
fn input_name(index: usize) -> String {
    format!("input {index}")
}

async fn port(
    context: &Context,
    name: String,
    program: &Program,
    operand: usize,
    fact: &Fact,
    is_input: bool,
) -> Result<Port, Fault> {
    let held = &program.operands[operand];
    let descriptor = descriptor(held);
    if is_input {
        descriptor.set_writable(true);
    } else {
        descriptor.set_readable(true);
    }
    let tensor = match context.context.create_tensor(&descriptor) {
        Ok(promise) => JsFuture::from(promise).await,
        Err(error) => Err(error),
    };
    match tensor {
        Ok(tensor) => {
            Ok(Port { name, tensor: tensor.unchecked_into(), dtype: held.dtype, fact: fact.clone() })
        }
        Err(error) => Err(context.fault("make a tensor", &error).await),
    }
}

/// Makes every operand; gives the outputs by name, or the browser's error where no step is to blame.
fn operands(
    plan: &Plan,
    program: &Program,
    builder: &MlGraphBuilder,
) -> Result<Result<Object, JsValue>, Fault> {
    let mut operands: Vec<JsValue> = vec![JsValue::UNDEFINED; program.operands.len()];
    for (index, &operand) in program.inputs.iter().enumerate() {
        match builder.input(&input_name(index), &descriptor(&program.operands[operand])) {
            Ok(input) => operands[operand] = input.into(),
            Err(error) => return Ok(Err(error)),
        }
    }
    for constant in &program.constants {
        let fact = &program.operands[constant.operand];
        let bytes = constant_bytes(constant, fact.dtype);
        match with_view(&bytes, |view| builder.constant(&descriptor(fact), view)) {
            Ok(made) => operands[constant.operand] = made.into(),
            Err(error) => return Ok(Err(error)),
        }
    }
    for call in &program.calls {
        let made = make(call, builder, &mut operands);
        made.map_err(|error| {
            let node = plan.steps.get(call.step).map(|step| (step.op.name(), step.name.as_str()));
            fault::unsupported_operator(node, words(&error))
        })?;
    }
    let outputs = Object::new();
    for (name, operand) in &program.outputs {
        set(&outputs, name, &operands[*operand]);
    }
    Ok(Ok(outputs))
}

/// Calls one method of the builder and keeps what it returns.
fn make(call: &Call, builder: &MlGraphBuilder, operands: &mut [JsValue]) -> Result<(), JsValue> {
    let value = |argument: &Argument| -> JsValue {
        match argument {
            Argument::Operand(_, operand) => operands[*operand].clone(),
            Argument::Operands(_, list) => {
                list.iter().map(|&operand| &operands[operand]).collect::<Array>().into()
            }
            Argument::Number(number) => (*number).into(),
            Argument::Numbers(numbers) => numbers_array(numbers).into(),
            Argument::Text(text) => (*text).into(),
            Argument::Flag(flag) => (*flag).into(),
        }
    };
    let arguments: Array = call.arguments.iter().map(value).collect();
    if !call.options.is_empty() {
        let options = Object::new();
        for (name, option) in &call.options {
            set(&options, name, &value(option));
        }
        arguments.push(&options);
    }
    let method: Function = Reflect::get(builder, &call.method.into())?.dyn_into()?;
    let result = method.apply(builder, &arguments)?;
    match call.results[..] {
        [only] => operands[only] = result,
        _ => {
            for (&operand, result) in call.results.iter().zip(Array::from(&result).iter()) {
                operands[operand] = result;
            }
        }
    }
    Ok(())
}

fn descriptor(fact: &Fact) -> MlTensorDescriptor {
    let descriptor: MlTensorDescriptor = Object::new().unchecked_into();
    descriptor.set_data_type(type_name(fact.dtype));
    descriptor.set_shape(&numbers_array(&fact.dims));
    descriptor
}

fn numbers_array(numbers: &[usize]) -> Array {
    numbers.iter().map(|&number| JsValue::from(number as f64)).collect()
}

/// Sets a member of an object of ours, which cannot fail.
fn set(object: &Object, name: &str, value: &JsValue) {
    object.unchecked_ref::<Members>().set(name, value);
}

#[wasm_bindgen]
extern "C" {
    type Members;

    #[wasm_bindgen(method, indexing_setter)]
    fn set(this: &Members, name: &str, value: &JsValue);
}

/// Shows bytes to JavaScript without a copy.
#[expect(unsafe_code, reason = "a view of our memory, which WebNN copies before it returns")]
fn with_view<T>(bytes: &[u8], call: impl FnOnce(&Uint8Array) -> T) -> T {
    // SAFETY: the view ends with this call, and WebNN's methods do not call back into us, so the memory does not grow while
    // they read it.
    call(&unsafe { Uint8Array::view(bytes) })
}
