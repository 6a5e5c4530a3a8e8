//! What the builder of a WebNN graph is asked for, as data.

use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use crate::op::Fact;
use crate::tensor::{DType, Tensor};

/// Index of an operand in [`Program::operands`].
pub type OperandId = usize;

/// A graph for `MLGraphBuilder`: inputs and constants first, then calls in order.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// Type and shape of every operand, as WebNN sees it.
    pub operands: Vec<Fact>,
    /// Operands that the caller gives, in the order of the plan's inputs. Where the plan has `int64` and the operand
    /// `int32`, the context cannot hold the wider type.
    pub inputs: Vec<OperandId>,
    /// Weights.
    pub constants: Vec<Constant>,
    /// Calls of the builder's methods.
    pub calls: Vec<Call>,
    /// Names, and operands that are neither inputs nor constants nor named twice.
    pub outputs: Vec<(String, OperandId)>,
}

/// Elements that do not depend on the inputs.
#[derive(Debug, Clone)]
pub struct Constant {
    /// What they become.
    pub operand: OperandId,
    /// The elements as the plan has them.
    pub tensor: Arc<Tensor>,
    /// Dimension `i` of the operand is dimension `permutation[i]` of the tensor; without one only the shape differs.
    pub permutation: Option<Vec<usize>>,
}

/// One call of a method of `MLGraphBuilder`.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Name of the method.
    pub method: &'static str,
    /// Positional arguments.
    pub arguments: Vec<Argument>,
    /// Members of the last argument, the options.
    pub options: Vec<(&'static str, Argument)>,
    /// What it returns: an operand, or an array of them when there is more than one.
    pub results: Vec<OperandId>,
    /// Index of the plan's step that it belongs to.
    pub step: usize,
}

/// An argument or an option.
#[derive(Debug, Clone, PartialEq)]
pub enum Argument {
    /// An operand, and what `opSupportLimits()` calls it.
    Operand(&'static str, OperandId),
    /// Several operands, and what `opSupportLimits()` calls them.
    Operands(&'static str, Vec<OperandId>),
    /// A number.
    Number(f64),
    /// Lengths, axes or positions.
    Numbers(Vec<usize>),
    /// A member of an enumeration.
    Text(&'static str),
    /// A truth value.
    Flag(bool),
}

impl Argument {
    /// The operands in it.
    #[must_use]
    pub fn operands(&self) -> &[OperandId] {
        match self {
            Self::Operand(_, operand) => std::slice::from_ref(operand),
            Self::Operands(_, operands) => operands,
            Self::Number(_) | Self::Numbers(_) | Self::Text(_) | Self::Flag(_) => &[],
        }
    }
}

/// WebNN's name of an element type: truth values are bytes there.
#[must_use]
pub fn type_name(dtype: DType) -> &'static str {
    if dtype == DType::Bool { "uint8" } else { dtype.as_str() }
}

impl Display for Program {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for &operand in &self.inputs {
            writeln!(f, "{} = input", self.typed(operand))?;
        }
        for constant in &self.constants {
            writeln!(f, "{} = constant", self.typed(constant.operand))?;
        }
        for call in &self.calls {
            let results: Vec<String> = call.results.iter().map(|&result| self.typed(result)).collect();
            let arguments: Vec<String> = call.arguments.iter().map(ToString::to_string).collect();
            let options: Vec<String> =
                call.options.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            let parts: Vec<String> = [arguments, options].concat();
            writeln!(f, "{} = {}({})", results.join(", "), call.method, parts.join(", "))?;
        }
        let outputs: Vec<String> =
            self.outputs.iter().map(|(name, operand)| format!("{name}: %{operand}")).collect();
        write!(f, "outputs {}", outputs.join(", "))
    }
}

impl Program {
    /// True when a call reads an operand.
    #[must_use]
    pub fn reads(&self, operand: OperandId) -> bool {
        let reads = |call: &Call| {
            let arguments = call.arguments.iter().chain(call.options.iter().map(|(_, option)| option));
            arguments.flat_map(Argument::operands).any(|&read| read == operand)
        };
        self.calls.iter().any(reads)
    }

    fn typed(&self, operand: OperandId) -> String {
        let fact = &self.operands[operand];
        let dims: Vec<String> = fact.dims.iter().map(ToString::to_string).collect();
        format!("%{operand} {} [{}]", type_name(fact.dtype), dims.join("×"))
    }
}

impl Display for Argument {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operand(_, operand) => write!(f, "%{operand}"),
            Self::Operands(_, operands) => {
                let list: Vec<String> = operands.iter().map(|operand| format!("%{operand}")).collect();
                write!(f, "[{}]", list.join(", "))
            }
            Self::Number(number) => write!(f, "{number}"),
            Self::Numbers(numbers) => write!(f, "{numbers:?}"),
            Self::Text(text) => f.write_str(text),
            Self::Flag(flag) => write!(f, "{flag}"),
        }
    }
}
