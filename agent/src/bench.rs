//! Benchmarks: what to run, in which browsers, what came of it, and what it means.

pub(crate) mod browser_run;
pub(crate) mod memory;
pub(crate) mod page;
pub(crate) mod plan;
pub(crate) mod summary;
