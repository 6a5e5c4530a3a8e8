//! Turns samples into conclusions with stated confidence.
//!
//! Everything here is a pure function of its arguments: no clock, no I/O, and randomness only from a seed. A
//! question that the data cannot answer gives [`StatsError::NotEnoughData`], which says how much is missing.

mod distribution;
pub mod interval;
mod random;
pub mod sample;
pub mod summary;

pub use interval::{Bootstrap, Interval, Method};
pub use random::Random;
pub use sample::{Sample, StatsError};
pub use summary::{Outlier, Summary};
