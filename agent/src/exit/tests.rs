//! Errors choose the exit code through any number of contexts.

use anyhow::Context as _;

use rusqlite::{Error, ffi};

use super::*;

#[track_caller]
fn check(error: &anyhow::Error, exit: Exit, hint: Option<&str>) {
    assert_eq!(verdict(error), (exit, hint));
}

#[test]
fn the_failure_in_the_chain_decides() {
    let plain = anyhow::anyhow!("no reason");
    check(&plain, Exit::Internal, None);
    check(&Failure::usage("odd").into(), Exit::Usage, None);
    let io = std::io::Error::from(std::io::ErrorKind::NotFound);
    let error = Err::<(), _>(io)
        .context(Failure::environment("cannot read x").hint("make x"))
        .context("while doing y")
        .unwrap_err();
    check(&error, Exit::Environment, Some("make x"));
    assert_eq!(format!("{error:#}"), "while doing y: cannot read x: entity not found");
}

#[test]
fn what_the_history_refuses_is_the_environment_s_fault() {
    let refused = |code: i32| StoreError::from(Error::SqliteFailure(ffi::Error::new(code), None));
    let hint = |code: i32, exit: Exit, expected: &str| {
        let error = anyhow::Error::from(refused(code)).context("while doing y");
        let (actual, hint) = verdict(&error);
        assert_eq!(actual, exit, "{code}");
        assert!(hint.unwrap_or_default().contains(expected), "{code}: {hint:?} lacks {expected:?}");
    };
    hint(ffi::SQLITE_FULL, Exit::Environment, "free some space");
    hint(ffi::SQLITE_CORRUPT, Exit::Environment, "move the file away");
    hint(ffi::SQLITE_NOTADB, Exit::Environment, "move the file away");
    for code in [ffi::SQLITE_READONLY, ffi::SQLITE_CANTOPEN, ffi::SQLITE_IOERR, ffi::SQLITE_PERM] {
        hint(code, Exit::Environment, "permissions");
    }
    hint(ffi::SQLITE_BUSY, Exit::Environment, "try again");
    // Only a bug breaks a constraint.
    hint(ffi::SQLITE_CONSTRAINT, Exit::Internal, "");
}
