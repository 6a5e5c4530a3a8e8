//! A deterministic simulator of fleets, for tests, examples and comparisons. Its figures are simulated.

pub(crate) mod baselines;
pub(crate) mod brain;
pub(crate) mod chaos;
pub(crate) mod check;
pub(crate) mod compare;
pub(crate) mod physics;
pub(crate) mod rng;
pub(crate) mod scenario;
pub(crate) mod world;
