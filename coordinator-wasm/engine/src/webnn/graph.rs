//! A program handed to the browser, which makes a graph of it.

use std::rc::Rc;

use js_sys::{Array, Function, Object, Reflect};
use model::Plan;
use model::webnn::{Argument, Call, Program};
use wasm_bindgen::prelude::*;
use wire::Fault;

use super::bytes::constant_bytes;
use super::context::Context;
use super::port::{Port, descriptor, numbers_array, with_view};
use super::sys::{MlGraph, MlGraphBuilder};
use crate::fault;
use crate::web::capabilities::words;
use crate::web::promise::awaited;

/// A graph with the tensors that go in and out.
#[derive(Debug)]
pub(super) struct Graph {
    graph: MlGraph,
    /// Inputs and outputs by name, as `dispatch` wants them.
    bound: [Object; 2],
}

impl Graph {
    /// Builds the graph of a plan's program.
    pub(super) async fn build(plan: &Plan, program: &Program, context: &Context) -> Result<Self, Fault> {
        let builder = match MlGraphBuilder::new(&context.context) {
            Ok(builder) => builder,
            Err(error) => return Err(context.fault("start a graph", &error).await),
        };
        let graph = match operands(plan, program, &builder)? {
            Ok(outputs) => awaited(builder.build(&outputs)).await,
            Err(error) => Err(error),
        };
        match graph {
            Ok(graph) => Ok(Self { graph: graph.unchecked_into(), bound: [Object::new(), Object::new()] }),
            Err(error) => match context.fault("build the graph", &error).await {
                refused if refused.category == wire::FaultCategory::Internal => {
                    Err(fault::unsupported_operator(None, words(&error)))
                }
                other => Err(other),
            },
        }
    }

    /// Lets the program's input with this index come from a port.
    pub(super) fn bind_input(&self, index: usize, port: &Rc<Port>) {
        set(&self.bound[0], &input_name(index), port.tensor());
    }

    /// Lets the program's output of this name go to a port.
    pub(super) fn bind_output(&self, name: &str, port: &Rc<Port>) {
        set(&self.bound[1], name, port.tensor());
    }

    /// Queues a computation.
    pub(super) fn dispatch(&self, context: &Context) -> Result<(), JsValue> {
        context.context.dispatch(&self.graph, &self.bound[0], &self.bound[1])
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        self.graph.destroy_graph();
    }
}

/// What an input is called in the graph: names in files may be anything.
fn input_name(index: usize) -> String {
    format!("input {index}")
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
