//! Keeps the history of models measured in browsers it launches.

#![expect(dead_code, unused_imports, reason = "the bench command uses the rest")]

mod cli;
mod commands;
mod exit;
mod golden;
mod host;
mod output;
mod server;
mod store;
mod zoo;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;

use crate::cli::{Cli, Command};
use crate::exit::Exit;
use crate::output::Printer;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            Printer::new(false).usage(&error);
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    let printer = Printer::new(cli.json);
    match run(&cli.command, &printer) {
        Ok(exit) => exit.into(),
        Err(error) => {
            printer.error(&error);
            exit::verdict(&error).0.into()
        }
    }
}

fn run(command: &Command, printer: &Printer) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    match command {
        Command::Serve(args) => runtime.block_on(commands::serve::run(args, printer)),
        Command::Model(command) => commands::model::run(command, printer),
    }
}
