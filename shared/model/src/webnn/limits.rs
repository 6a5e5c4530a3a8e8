//! What a context can do, from `opSupportLimits()`.

use std::collections::BTreeMap;

use crate::op::Fact;
use crate::webnn::program::type_name;

/// How images lie in memory where a context computes on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Batch, channels, height, width: as in ONNX.
    Nchw,
    /// Batch, height, width, channels.
    Nhwc,
}

/// What a method takes as one of its operands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperandLimits {
    /// WebNN's names of the element types.
    pub types: Vec<String>,
    /// Fewest and most dimensions.
    pub ranks: [usize; 2],
}

/// The limits of one context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The layout that convolutions and pooling need no conversion for.
    pub layout: Layout,
    /// Bytes of the largest tensor.
    pub max_tensor_bytes: u64,
    /// By method and operand. The types of graph inputs, constants and outputs are those of the methods `input`, `constant`
    /// and `output`, operand `""`. `None` when no context was asked: then everything is taken to work.
    pub methods: Option<BTreeMap<String, BTreeMap<String, OperandLimits>>>,
}

impl Limits {
    /// No context was asked; images as processors like them.
    pub const UNKNOWN: Self = Self { layout: Layout::Nhwc, max_tensor_bytes: u64::MAX, methods: None };

    /// True when the builder has the method.
    #[must_use]
    pub fn has(&self, method: &str) -> bool {
        self.methods.as_ref().is_none_or(|methods| methods.contains_key(method))
    }

    /// True when a method takes values of the type as an operand.
    #[must_use]
    pub fn takes(&self, method: &str, operand: &str, fact: &Fact) -> bool {
        let name = type_name(fact.dtype);
        self.of(method, operand).is_none_or(|limits| limits.types.iter().any(|listed| listed == name))
    }

    /// Fewest and most dimensions that a method takes in an operand.
    #[must_use]
    pub fn ranks(&self, method: &str, operand: &str) -> [usize; 2] {
        self.of(method, operand).map_or([0, usize::MAX], |limits| limits.ranks)
    }

    fn of(&self, method: &str, operand: &str) -> Option<&OperandLimits> {
        self.methods.as_ref()?.get(method)?.get(operand)
    }
}
