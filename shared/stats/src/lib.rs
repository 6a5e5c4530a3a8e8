//! Turns samples into conclusions with stated confidence.
//!
//! Everything here is a pure function of its arguments: no clock, no I/O, and randomness only from a seed. A
//! question that the data cannot answer gives [`StatsError::NotEnoughData`], which says how much is missing.

pub mod change;
pub mod cluster;
pub mod comparison;
mod distribution;
pub mod drift;
pub mod family;
pub mod hypothesis;
pub mod interval;
pub mod paired;
pub mod power;
pub mod quality;
mod random;
pub mod sample;
pub mod severity;
pub mod summary;

pub use change::{Change, Detector, DetectorConfig, detect};
pub use cluster::{Contrast, History, Level, Spread, probability_lowest};
pub use comparison::{Comparison, ComparisonConfig};
pub use drift::{Drift, drift};
pub use family::benjamini_hochberg;
pub use hypothesis::{MannWhitneyTest, StudentTest, WelchTest, mann_whitney, student, welch};
pub use interval::{Bootstrap, Interval, Method};
pub use paired::{Paired, paired, turn_ratio};
pub use power::{Design, minimum_detectable_effect};
pub use quality::{Autocorrelation, Warning, autocorrelation, warnings};
pub use random::Random;
pub use sample::{Sample, StatsError, quantile_sorted};
pub use severity::{Better, Grade, Severity, Verdict, grade};
pub use summary::{Outlier, Summary};
