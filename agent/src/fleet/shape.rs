//! Classes of shapes: which jobs take equally long, and which can be stacked into one run.

use pool::ShapeClass;

/// Elements of a job that may run in a batch, at most. A larger one keeps a worker busy by itself, so that a batch would only
/// take memory: 8 of these with their intermediate values stay below what one picture needs.
const MAX_BATCH_ELEMENTS: u64 = 1 << 16;

/// How the jobs of a run are classed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Classes {
    /// Whether jobs of equal shapes may share a run.
    pub(crate) are_stacked: bool,
}

impl Classes {
    /// Whether a job may share a run with others of its class.
    pub(crate) fn is_batchable(self, n_elements: u64) -> bool {
        self.are_stacked && n_elements <= MAX_BATCH_ELEMENTS
    }

    /// The class of a job. Those that share a run have equal shapes; others are alike when they are within a factor of two.
    pub(crate) fn of(self, shapes: &str, n_elements: u64) -> ShapeClass {
        if self.is_batchable(n_elements) { exact(shapes) } else { ShapeClass::from_elements(n_elements) }
    }
}

/// A class of its own for each text of shapes (FNV-1a, 31 bits): with the highest bit, which no class of sizes has.
fn exact(shapes: &str) -> ShapeClass {
    let hash =
        shapes.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    ShapeClass(hash | 1 << 31)
}

#[cfg(test)]
mod tests;
