//! Errors choose the exit code through any number of contexts.

use anyhow::Context as _;

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
