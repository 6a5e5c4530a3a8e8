//! What the faults of a burst have in common.

use crate::FaultCategory;
use crate::named::named_enum;

named_enum! {
    /// Something that calls can differ in.
    pub enum Factor {
        /// The browser.
        Browser = "browser",
        /// The backend.
        Backend = "backend",
        /// The adapter.
        Adapter = "adapter",
        /// The model.
        Model = "model",
        /// The precision of its weights.
        Precision = "precision",
        /// The class of the inputs' shapes.
        Shape = "shape",
        /// How long the connection had been open.
        Age = "age",
        /// How much memory the connection had in use.
        Memory = "memory",
        /// The connection itself.
        Connection = "connection",
    }
}

/// The factor that best separates the failed calls of a burst from the calls that succeeded.
#[derive(Debug, Clone, PartialEq)]
pub struct RootCause {
    /// Most frequent category among the faults.
    pub category: FaultCategory,
    /// Faults of that category in the window.
    pub n_faults: u32,
    /// What they share, strongest first; empty when nothing separates them from the successes.
    pub factors: Vec<SharedFactor>,
}

/// One value of one factor, and how the calls divide by it.
#[derive(Debug, Clone, PartialEq)]
pub struct SharedFactor {
    /// The factor.
    pub factor: Factor,
    /// Its value, e.g. `webgpu`.
    pub value: String,
    /// Failed calls with this value.
    pub n_failed_with: u32,
    /// Failed calls without it.
    pub n_failed_without: u32,
    /// Successful calls with this value.
    pub n_ok_with: u32,
    /// Successful calls without it.
    pub n_ok_without: u32,
    /// Probability of a division at least as uneven by chance (Fisher's exact test, one-sided), corrected for the number
    /// of values that were tried (Bonferroni).
    pub p_value: f64,
}
