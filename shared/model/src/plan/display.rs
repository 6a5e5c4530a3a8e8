//! A plan as a table for people.

use std::fmt::{self, Display, Formatter};

use crate::op::{Epilogue, Op};
use crate::plan::{Home, Plan, Step};

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let index_width = self.steps.len().to_string().len().max(4);
        writeln!(
            f,
            "{:>index_width$}  {:<44} {:>20} {:>10} {:>10}  memory",
            "step", "kernel", "result", "MFLOP", "kB"
        )?;
        for (index, step) in self.steps.iter().enumerate() {
            let result = step.outputs.first().map(|&output| self.shape(output)).unwrap_or_default();
            let mflop = step.cost.n_flops as f64 / 1e6;
            let kilobytes = step.cost.n_bytes as f64 / 1e3;
            let kernel = kernel(step);
            let memory = self.memory(step);
            writeln!(
                f,
                "{index:>index_width$}  {kernel:<44} {result:>20} {mflop:>10.3} {kilobytes:>10.1}  {memory}"
            )?;
        }
        let weights: usize =
            self.constants().iter().map(|tensor| tensor.data().len() * tensor.dtype().size_bytes()).sum();
        let cost = self.cost();
        writeln!(
            f,
            "{} steps, {:.3} GFLOP; weights {:.1} MB; results {:.1} MB in {} buffers ({:.1} MB without sharing)",
            self.steps.len(),
            cost.n_flops as f64 / 1e9,
            weights as f64 / 1e6,
            self.buffer_bytes() as f64 / 1e6,
            self.buffers.len(),
            self.result_bytes() as f64 / 1e6,
        )?;
        let fused: Vec<String> = self.fused.iter().map(|(name, count)| format!("{name} ×{count}")).collect();
        write!(f, "passes: {}", if fused.is_empty() { "none applied".to_owned() } else { fused.join(", ") })
    }
}

impl Plan {
    fn shape(&self, value: usize) -> String {
        let fact = &self.values[value].fact;
        let dims: Vec<String> = fact.dims.iter().map(ToString::to_string).collect();
        let dtype = fact.dtype.as_str();
        if dims.is_empty() { dtype.to_owned() } else { format!("{dtype} {}", dims.join("×")) }
    }

    fn memory(&self, step: &Step) -> String {
        let buffer = |value: usize| match self.values[value].home {
            Home::Buffer(buffer) => Some(buffer),
            Home::Input(_) | Home::Constant(_) => None,
        };
        let read: Vec<usize> = step.inputs.iter().flatten().filter_map(|&input| buffer(input)).collect();
        let written: Vec<String> =
            step.outputs
                .iter()
                .filter_map(|&output| buffer(output))
                .map(|buffer| {
                    if read.contains(&buffer) { format!("b{buffer} in place") } else { format!("b{buffer}") }
                })
                .collect();
        written.join(", ")
    }
}

/// The operator with what it absorbed.
fn kernel(step: &Step) -> String {
    let name = step.op.name();
    match &step.op {
        Op::Unary(functions) => {
            functions.iter().map(|f| word(&format!("{f:?}"))).collect::<Vec<_>>().join(" → ")
        }
        Op::Binary(function) => word(&format!("{function:?}")),
        Op::Reduce { kind, .. } => format!("{name} {}", word(&format!("{kind:?}"))),
        Op::MatMul { epilogue, .. }
        | Op::QuantizedMatMul { epilogue }
        | Op::Conv { epilogue, .. }
        | Op::ConvTranspose { epilogue, .. } => with_epilogue(name, epilogue),
        Op::Attention { .. } if step.inputs.len() > 3 => format!("{name} + mask"),
        _ => name.to_owned(),
    }
}

fn with_epilogue(name: &str, epilogue: &Epilogue) -> String {
    let mut parts = vec![name.to_owned()];
    if epilogue.has_bias {
        parts.push("bias".to_owned());
    }
    if epilogue.has_residual {
        parts.push("residual".to_owned());
    }
    parts.extend(epilogue.activations.iter().map(|function| word(&format!("{function:?}"))));
    parts.join(" + ")
}

/// The first word of a value's debug form, in lower case.
fn word(debug: &str) -> String {
    debug.split([' ', '(']).next().unwrap_or_default().to_lowercase()
}
