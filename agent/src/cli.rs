//! The command line, as clap reads it.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::exit::EXIT_HELP;

/// Runs AI models in a pool of browser contexts and keeps an honest history of how they did.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_HELP, max_term_width = 100)]
pub(crate) struct Cli {
    /// Print one JSON document instead of tables
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the pages, the models and the place that records go to
    Serve(ServeArgs),
    /// List and fetch models, and add your own
    #[command(subcommand)]
    Model(ModelCommand),
}

/// Where the history is.
#[derive(Debug, Args)]
pub(crate) struct DbArgs {
    /// History file [default: $XDG_DATA_HOME/tabpool/history.sqlite]
    #[arg(long, value_name = "FILE")]
    pub(crate) db: Option<PathBuf>,
}

/// Where the pages are.
#[derive(Debug, Args)]
pub(crate) struct WwwArgs {
    /// Folder of the pages [default: www in this folder, or the checkout's]
    #[arg(long, value_name = "DIR", env = "TABPOOL_WWW")]
    pub(crate) www: Option<PathBuf>,
}

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Port to listen on; 0 takes any free one
    #[arg(long, default_value_t = 8600)]
    pub(crate) port: u16,
    /// Address to listen on; others than 127.0.0.1 let the network in
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) host: IpAddr,
    #[command(flatten)]
    pub(crate) www: WwwArgs,
    #[command(flatten)]
    pub(crate) db: DbArgs,
}

/// Subcommands of `model`.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Download models into the cache and verify them; without IDs all of the zoo
    Fetch {
        /// Models, assets or pipelines
        #[arg(value_name = "ID")]
        ids: Vec<String>,
        /// Also fetch the files that only tests need
        #[arg(long)]
        test_data: bool,
    },
    /// Add your own ONNX file
    Add {
        /// Path, or http(s) address
        #[arg(value_name = "FILE|URL")]
        from: String,
        /// Name of the model [default: the file's name]
        #[arg(long)]
        id: Option<String>,
    },
    /// List models and pipelines, and whether they are here
    List,
    /// Show what is inside an ONNX file: contract, operators, weights
    Inspect {
        /// Name of a model, or path of a file
        #[arg(value_name = "ID|FILE")]
        model: String,
    },
}
