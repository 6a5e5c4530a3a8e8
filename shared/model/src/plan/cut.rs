//! Steps of a plan as a plan of their own, so that a backend can leave some of them to another.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::graph::{Graph, Node, ValueId};
use crate::op::Op;
use crate::plan::{Home, Plan, PlanValue};

/// For every value, the one that was computed, given or constant and whose elements it shows in another shape: often itself.
#[derive(Debug, Clone)]
pub struct Roots(Vec<ValueId>);

/// Steps of a plan as a plan of their own.
#[derive(Debug, Clone)]
pub struct Cut {
    /// The steps with what they read and write.
    pub plan: Plan,
    /// The values of the whole plan that its inputs are: roots.
    pub inputs: Vec<ValueId>,
    /// The values of the whole plan that its outputs are: those that later steps or the caller read.
    pub outputs: Vec<ValueId>,
}

impl Roots {
    /// Follows the steps and what they leave in each buffer.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let mut roots: Vec<ValueId> = (0..plan.values.len()).collect();
        let mut owners: Vec<Option<ValueId>> = vec![None; plan.buffers.len()];
        let resolve = |value: ValueId, owners: &[Option<ValueId>]| match plan.values[value].home {
            Home::Input(index) => plan.inputs[index],
            Home::Constant(_) => value,
            Home::Buffer(buffer) => owners[buffer].unwrap_or(value),
        };
        for step in &plan.steps {
            for &input in step.inputs.iter().flatten() {
                roots[input] = resolve(input, &owners);
            }
            for &output in &step.outputs {
                if let Home::Buffer(buffer) = plan.values[output].home {
                    owners[buffer] = Some(output);
                }
            }
        }
        for &(_, output) in &plan.outputs {
            roots[output] = resolve(output, &owners);
        }
        Self(roots)
    }

    /// The root of a value.
    #[must_use]
    pub fn root(&self, value: ValueId) -> ValueId {
        self.0[value]
    }
}

impl Plan {
    /// Cuts out the steps with indices in `range`.
    #[must_use]
    pub fn cut(&self, range: Range<usize>, roots: &Roots) -> Cut {
        let (graph, inputs, outputs) = self.cut_graph(range, roots);
        Cut { plan: Plan::new(graph), inputs, outputs }
    }

    fn cut_graph(&self, range: Range<usize>, roots: &Roots) -> (Graph, Vec<ValueId>, Vec<ValueId>) {
        let mut cutting =
            Cutting { whole: self, roots, graph: Graph::default(), ids: BTreeMap::new(), inputs: Vec::new() };
        let mut written = Vec::new();
        for step in &self.steps[range.clone()] {
            let inputs = step.inputs.iter().map(|input| input.map(|value| cutting.read(value))).collect();
            let outputs = step.outputs.iter().map(|&value| cutting.add(value)).collect();
            written.extend_from_slice(&step.outputs);
            cutting.graph.nodes.push(Node { name: step.name.clone(), op: step.op.clone(), inputs, outputs });
        }
        let later = self.steps[range.end..].iter().flat_map(|step| step.inputs.iter().flatten());
        let wanted: BTreeSet<ValueId> = later
            .chain(self.outputs.iter().map(|(_, value)| value))
            .map(|&value| roots.root(value))
            .filter(|root| cutting.ids.contains_key(root))
            .collect();
        written.retain(|value| wanted.contains(value));
        for &value in &written {
            // The number makes it unique.
            let name = format!("{value} {}", self.values[value].name);
            cutting.graph.outputs.push((name, cutting.ids[&value]));
        }
        (cutting.graph, cutting.inputs, written)
    }
}

struct Cutting<'a> {
    whole: &'a Plan,
    roots: &'a Roots,
    graph: Graph,
    /// By value of the whole plan.
    ids: BTreeMap<ValueId, ValueId>,
    /// Roots that are computed elsewhere.
    inputs: Vec<ValueId>,
}

impl Cutting<'_> {
    fn add(&mut self, value: ValueId) -> ValueId {
        let PlanValue { name, fact, .. } = &self.whole.values[value];
        let id = self.graph.add_value(name.clone(), fact.clone());
        self.ids.insert(value, id);
        id
    }

    fn read(&mut self, value: ValueId) -> ValueId {
        if let Some(&id) = self.ids.get(&value) {
            return id;
        }
        let root = self.roots.root(value);
        if let Home::Constant(tensor) = &self.whole.values[value].home {
            let id = self.add(value);
            self.graph.values[id].constant = Some(tensor.clone());
            return id;
        }
        if root != value {
            let from = self.read(root);
            let id = self.add(value);
            let name = self.whole.values[value].name.clone();
            self.graph.nodes.push(Node {
                name,
                op: Op::Reshape,
                inputs: vec![Some(from)],
                outputs: vec![id],
            });
            return id;
        }
        let id = self.add(value);
        self.graph.inputs.push(id);
        self.inputs.push(value);
        id
    }
}

#[cfg(test)]
mod tests;
