//! What people call a step.

use crate::op::{Epilogue, Op};
use crate::plan::Step;

impl Step {
    /// The operator with what it absorbed, e.g. `matmul + bias + gelu`.
    #[must_use]
    pub fn kernel(&self) -> String {
        let name = self.op.name();
        match &self.op {
            Op::Unary(functions) => {
                functions.iter().map(|f| word(&format!("{f:?}"))).collect::<Vec<_>>().join(" → ")
            }
            Op::Binary(function) => word(&format!("{function:?}")),
            Op::Reduce { kind, .. } => format!("{name} {}", word(&format!("{kind:?}"))),
            Op::MatMul { epilogue, .. }
            | Op::QuantizedMatMul { epilogue }
            | Op::Conv { epilogue, .. }
            | Op::ConvTranspose { epilogue, .. } => with_epilogue(name, epilogue),
            Op::Attention { .. } if self.inputs.len() > 3 => format!("{name} + mask"),
            _ => name.to_owned(),
        }
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
