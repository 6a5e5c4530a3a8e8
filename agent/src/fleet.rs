//! A fleet of browsers that runs jobs: the pool decides, the driver does what it says, hosts launch the browsers.
//!
//! `batch` is the loop. `driver` owns the pool and everything it must remember; it has no clock and does no I/O itself, so that tests drive it with
//! a host of their own. `host` launches real browsers and carries messages to and from their pages.

pub(crate) mod batch;
pub(crate) mod driver;
pub(crate) mod host;
pub(crate) mod input;
pub(crate) mod operator;
pub(crate) mod output;
pub(crate) mod prior;
mod record;
pub(crate) mod shape;
pub(crate) mod summary;
mod translate;
