//! Waits for what must become true, and never for longer than a deadline.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Between two looks; short beside anything that a browser does.
const PAUSE: Duration = Duration::from_millis(50);

/// Calls `look` until it gives a value; what it fails with last is the reason when the deadline passes.
///
/// # Errors
/// `what` did not happen within `limit`.
pub fn eventually<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Result<T>) -> Result<T> {
    let started = Instant::now();
    loop {
        match look() {
            Ok(value) => return Ok(value),
            Err(error) if started.elapsed() > limit => {
                bail!("{what} did not happen within {} s: {error:#}", limit.as_secs())
            }
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}
