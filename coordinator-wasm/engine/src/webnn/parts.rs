//! A plan placed in a context: graphs, and steps between them on wasm, run one after another.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use model::plan::Home;
use model::webnn::{Part, Placement, Program};
use model::{Plan, Tensor, View};
use wasm_bindgen::JsValue;
use wire::Fault;

use super::context::Context;
use super::graph::Graph;
use super::port::{Port, Uses};
use super::turns::Turns;
use crate::wasm::{Executable, Memory, Weights};

/// Index of a value in the whole plan.
type ValueId = usize;
/// Values that are in our memory.
type Held<'a> = BTreeMap<ValueId, Cow<'a, Tensor>>;

/// A placed plan, ready to run.
#[derive(Debug)]
pub(super) struct Parts {
    stages: Vec<Stage>,
    /// The plan's inputs.
    inputs: Vec<ValueId>,
    outputs: Vec<Output>,
    turns: Turns,
}

/// An output of the plan.
#[derive(Debug)]
struct Output {
    name: String,
    dims: Vec<usize>,
    from: From,
}

/// Where an output's elements are in the end.
#[derive(Debug)]
enum From {
    Constant(Arc<Tensor>),
    /// In our memory.
    Held(ValueId),
    /// Only in the context.
    Port(Rc<Port>),
}

/// Steps that run in one place.
#[derive(Debug)]
enum Stage {
    Graph {
        graph: Graph,
        /// What is written before: values in our memory that no earlier stage needed in the context.
        writes: Vec<(ValueId, Rc<Port>)>,
    },
    Wasm {
        executable: Executable,
        /// Operands in order, with the ports of those that no earlier stage needed in our memory.
        inputs: Vec<(ValueId, Option<Rc<Port>>)>,
        /// Results, and what the executable calls them.
        outputs: Vec<(ValueId, String)>,
    },
}

/// What the wasm steps of one model share.
#[derive(Debug, Default)]
pub(super) struct Kernels {
    weights: RefCell<Weights>,
    memory: RefCell<Memory>,
}

impl Parts {
    /// Builds the graphs and makes the tensors of a placed plan.
    pub(super) async fn build(
        plan: &Plan,
        placement: Placement,
        context: &Context,
        kernels: &Kernels,
    ) -> Result<Self, Fault> {
        let mut ports = Ports { plan, context, uses: uses(plan, &placement), made: BTreeMap::new() };
        let mut held: BTreeSet<ValueId> = plan.inputs.iter().copied().collect();
        let mut in_context: BTreeSet<ValueId> = BTreeSet::new();
        let mut stages = Vec::with_capacity(placement.parts.len());
        for Part { cut, program, .. } in placement.parts {
            let Some(program) = program else {
                let inputs = cut.inputs.iter().map(|&value| {
                    let port = ports.made.get(&value).filter(|_| held.insert(value));
                    (value, port.cloned())
                });
                let inputs = inputs.collect();
                let names = cut.plan.outputs.iter().map(|(name, _)| name.clone());
                let outputs = cut.outputs.iter().copied().zip(names).collect();
                held.extend(&cut.outputs);
                let executable = Executable::new(cut.plan, &mut kernels.weights.borrow_mut());
                stages.push(Stage::Wasm { executable, inputs, outputs });
                continue;
            };
            let graph = Graph::build(&cut.plan, &program, context).await?;
            let mut writes = Vec::new();
            for (index, (&value, &operand)) in cut.inputs.iter().zip(&program.inputs).enumerate() {
                // The browser drops an input that no call reads from the graph.
                if !program.reads(operand) {
                    continue;
                }
                let port = ports.get(value, &program, operand).await?;
                graph.bind_input(index, &port);
                if in_context.insert(value) {
                    writes.push((value, port));
                }
            }
            for (&value, (name, operand)) in cut.outputs.iter().zip(&program.outputs) {
                graph.bind_output(name, &ports.get(value, &program, *operand).await?);
                in_context.insert(value);
            }
            stages.push(Stage::Graph { graph, writes });
        }
        let output = |(name, value): &(String, ValueId)| {
            let (root, fact) = (placement.roots.root(*value), &plan.values[*value].fact);
            let from = match &plan.values[root].home {
                Home::Constant(tensor) => From::Constant(Arc::clone(tensor)),
                Home::Input(_) | Home::Buffer(_) => match ports.made.get(&root) {
                    Some(port) if !held.contains(&root) => From::Port(Rc::clone(port)),
                    _ => From::Held(root),
                },
            };
            Output { name: name.clone(), dims: fact.dims.clone(), from }
        };
        let outputs = plan.outputs.iter().map(output).collect();
        Ok(Self { stages, inputs: plan.inputs.clone(), outputs, turns: Turns::default() })
    }

    /// Runs every part; gives the outputs named in `wanted`.
    pub(super) async fn run(
        &self,
        context: &Context,
        operands: &[Tensor],
        wanted: &[&str],
        kernels: &Kernels,
    ) -> Result<Vec<Tensor>, Fault> {
        // One graph alone waits for nothing between its first write and its last read.
        let _turn = if self.stages.len() > 1 { Some(self.turns.next().await) } else { None };
        let mut held: Held<'_> =
            self.inputs.iter().copied().zip(operands.iter().map(Cow::Borrowed)).collect();
        for stage in &self.stages {
            match stage {
                Stage::Graph { graph, writes } => {
                    let queued = queue(graph, writes, &held, context)?;
                    if let Err(error) = queued {
                        return Err(context.fault("run the graph", &error).await);
                    }
                }
                Stage::Wasm { executable, inputs, outputs } => {
                    compute(executable, inputs, outputs, &mut held, context, kernels).await?;
                }
            }
        }
        let mut reads = Vec::with_capacity(wanted.len());
        for output in wanted.iter().filter_map(|name| self.outputs.iter().find(|output| output.name == *name))
        {
            let read = match &output.from {
                From::Port(port) => Some(port.read(context)),
                From::Constant(_) | From::Held(_) => None,
            };
            reads.push((output, read));
        }
        let mut results = Vec::with_capacity(reads.len());
        for (output, read) in reads {
            let tensor = match (&output.from, read) {
                (From::Constant(tensor), _) => Some(Tensor::clone(tensor)),
                (From::Held(value), _) => held.get(value).map(|tensor| Tensor::clone(tensor)),
                (From::Port(_), Some(read)) => Some(read.await?),
                (From::Port(_), None) => None,
            };
            results.extend(tensor.and_then(|tensor| Tensor::new(output.dims.clone(), tensor.into_data())));
        }
        Ok(results)
    }
}

/// Writes what a graph reads from our memory, and dispatches it.
fn queue(
    graph: &Graph,
    writes: &[(ValueId, Rc<Port>)],
    held: &Held<'_>,
    context: &Context,
) -> Result<Result<(), JsValue>, Fault> {
    for (value, port) in writes {
        if let Some(tensor) = held.get(value)
            && let Err(error) = port.write(context, tensor)?
        {
            return Ok(Err(error));
        }
    }
    Ok(graph.dispatch(context))
}

/// Fetches what steps on wasm read from the context, and runs them.
async fn compute(
    executable: &Executable,
    inputs: &[(ValueId, Option<Rc<Port>>)],
    outputs: &[(ValueId, String)],
    held: &mut Held<'_>,
    context: &Context,
    kernels: &Kernels,
) -> Result<(), Fault> {
    let fetched = inputs.iter().filter_map(|(value, port)| Some((*value, port.as_ref()?.read(context))));
    for (value, read) in fetched.collect::<Vec<_>>() {
        held.insert(value, Cow::Owned(read.await?));
    }
    let operands: Vec<View<'_>> =
        inputs.iter().filter_map(|(value, _)| held.get(value).map(|tensor| tensor.view())).collect();
    let names: Vec<&str> = outputs.iter().map(|(_, name)| name.as_str()).collect();
    let results = executable.run(&operands, &names, &mut kernels.memory.borrow_mut());
    let results = results.map_err(|error| error.fault())?;
    held.extend(outputs.iter().map(|(value, _)| *value).zip(results.into_iter().map(Cow::Owned)));
    Ok(())
}

/// What is done with each value's tensor beside graphs.
fn uses(plan: &Plan, placement: &Placement) -> BTreeMap<ValueId, Uses> {
    let mut uses: BTreeMap<ValueId, Uses> = BTreeMap::new();
    let mut computed: BTreeSet<ValueId> = BTreeSet::new();
    for Part { cut, program, .. } in &placement.parts {
        for &value in &cut.inputs {
            let uses = uses.entry(value).or_default();
            uses.is_written |= program.is_some() && !computed.contains(&value);
            uses.is_read |= program.is_none();
        }
        computed.extend(cut.outputs.iter().filter(|_| program.is_some()));
    }
    for (_, value) in &plan.outputs {
        uses.entry(placement.roots.root(*value)).or_default().is_read = true;
    }
    uses
}

/// The tensors of a plan's values, each made when a graph first needs it.
struct Ports<'a> {
    plan: &'a Plan,
    context: &'a Context,
    uses: BTreeMap<ValueId, Uses>,
    made: BTreeMap<ValueId, Rc<Port>>,
}

impl Ports<'_> {
    /// The tensor of a value that is an operand of a program.
    async fn get(&mut self, value: ValueId, program: &Program, operand: usize) -> Result<Rc<Port>, Fault> {
        if let Some(port) = self.made.get(&value) {
            return Ok(Rc::clone(port));
        }
        let held = &self.plan.values[value];
        let dtype = program.operands[operand].dtype;
        let uses = self.uses.get(&value).copied().unwrap_or_default();
        let port = Port::new(self.context, held.name.clone(), held.fact.clone(), dtype, uses).await?;
        let port = Rc::new(port);
        self.made.insert(value, Rc::clone(&port));
        Ok(port)
    }
}
