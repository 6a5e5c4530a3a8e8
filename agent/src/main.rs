//! Keeps the history of models measured in browsers it launches.

mod analysis;
mod bench;
mod browser;
mod cli;
mod commands;
mod exit;
mod fleet;
mod golden;
mod host;
mod output;
mod server;
mod store;
#[cfg(test)]
mod testing;
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
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.enable_all().build().context("cannot start the async runtime")
    };
    match command {
        Command::Doctor(args) => runtime()?.block_on(commands::doctor::run(args, printer)),
        Command::Bench(args) => runtime()?.block_on(commands::bench::run(args, printer)),
        Command::Tune(args) => runtime()?.block_on(commands::tune::run(args, printer)),
        Command::Run(args) => runtime()?.block_on(commands::run::run(args, printer)),
        Command::History(args) => commands::history::run(args, printer),
        Command::Trends(args) => commands::trends::run(args, printer),
        Command::Regressions(args) => commands::regressions::run(args, printer),
        Command::Gate(args) => commands::gate::run(args, printer),
        Command::Recommend(args) => commands::recommend::run(args, printer),
        Command::Export(args) => commands::export::run(args, printer),
        Command::Serve(args) => runtime()?.block_on(commands::serve::run(args, printer)),
        Command::Model(command) => commands::model::run(command, printer),
        Command::Leash(args) => {
            browser::leash::run(&args.command, args.remove.as_deref()).map(|()| Exit::Done)
        }
    }
}
