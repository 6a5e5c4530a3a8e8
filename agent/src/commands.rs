//! One module per subcommand, and what they share.

pub(crate) mod model;
pub(crate) mod serve;

use std::path::{Path, PathBuf};

use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{DbArgs, WwwArgs};
use crate::exit::Failure;
use crate::store::Store;

/// Opens the history that the arguments name.
pub(crate) fn open_store(args: &DbArgs) -> anyhow::Result<Store> {
    match &args.db {
        Some(path) => Store::open(path),
        None => Store::open(&Store::default_path()?),
    }
}

/// The folder of the pages.
pub(crate) fn find_www(args: &WwwArgs) -> anyhow::Result<PathBuf> {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../www");
    let candidates = match &args.www {
        Some(named) => vec![named.clone()],
        None => vec![PathBuf::from("www"), checkout],
    };
    candidates.iter().find(|folder| folder.join("index.html").is_file()).cloned().ok_or_else(|| {
        let tried: Vec<String> = candidates.iter().map(|folder| folder.display().to_string()).collect();
        Failure::environment(format!("there is no index.html in {}", tried.join(" or ")))
            .hint("name the folder of the pages with --www")
            .into()
    })
}

/// Completes at the first Ctrl-C or SIGTERM.
///
/// # Errors
/// The system does not let this process listen for signals.
pub(crate) async fn stop_signal() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result,
        _ = terminate.recv() => Ok(()),
    }
}
