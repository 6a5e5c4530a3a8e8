//! Exit codes, and the failures that choose them.

use std::fmt;
use std::process::ExitCode;

use crate::store::StoreError;

/// What the process tells its caller. The numbers are part of the command line's contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// The command did what it was asked.
    Done = 0,
    /// It worked and found something wrong: an output outside its limits, a failed case.
    Finding = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// Something outside tabpool is missing or refuses: a browser, a port, a file, a package client.
    Environment = 3,
    /// A bug in tabpool.
    Internal = 4,
    /// `gate` cannot tell: too few runs, or nothing to compare with. `--not-enough-data` chooses another code.
    NotEnoughData = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error a person can act on; attached to an [`anyhow::Error`] as its context.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Exit code to end with.
    pub(crate) exit: Exit,
    /// What failed: lower-case, no final period.
    pub(crate) message: String,
    /// The next thing to try.
    pub(crate) hint: Option<String>,
}

impl Failure {
    /// A failure of the command line's arguments.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into(), hint: None }
    }

    /// A failure of something outside tabpool.
    pub(crate) fn environment(message: impl Into<String>) -> Self {
        Self { exit: Exit::Environment, message: message.into(), hint: None }
    }

    /// The same failure with the next thing to try.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Exit code and hint of an error: those of the outermost [`Failure`] in it, or of what the history refused.
pub(crate) fn verdict(error: &anyhow::Error) -> (Exit, Option<&str>) {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return (failure.exit, failure.hint.as_deref());
    }
    match error.downcast_ref().and_then(StoreError::hint) {
        Some(hint) => (Exit::Environment, Some(hint)),
        None => (Exit::Internal, None),
    }
}

#[cfg(test)]
mod tests;
