//! Plans as graphs of WebNN: which methods of `MLGraphBuilder` are called, in which order, with what.
//!
//! Pure: a program is data, checked against the limits of a context before any browser sees it.

mod builder;
mod limits;
mod lower;
mod place;
mod program;

pub use limits::{Layout, Limits, OperandLimits};
pub use lower::{Refusal, lower};
pub use place::{Estimate, Part, Placement, Unplaced, place};
pub use program::{Argument, Call, Constant, OperandId, Program, type_name};

#[cfg(test)]
mod tests;
