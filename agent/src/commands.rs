//! One module per subcommand, and what they share.

pub(crate) mod bench;
pub(crate) mod doctor;
pub(crate) mod export;
pub(crate) mod gate;
pub(crate) mod history;
pub(crate) mod model;
pub(crate) mod recommend;
pub(crate) mod regressions;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod trends;
pub(crate) mod tune;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use wire::Backend;

use crate::bench::summary::Warm;
use crate::cli::{DbArgs, FilterArgs, WwwArgs};
use crate::exit::Failure;
use crate::host::now_unix_micros;
use crate::output::quantity;
use crate::store::{Filter, Store};

/// Opens the history that the arguments name.
pub(crate) fn open_store(args: &DbArgs) -> anyhow::Result<Store> {
    match &args.db {
        Some(path) => Store::open(path),
        None => Store::open(&Store::default_path()?),
    }
}

/// Opens a history that is there already.
pub(crate) fn open_existing(args: &DbArgs) -> anyhow::Result<Store> {
    if let Some(path) = args.db.as_ref().filter(|path| !path.exists()) {
        return Err(Failure::environment(format!("there is no history {}", path.display())).into());
    }
    open_store(args)
}

/// The store's filter for these arguments.
pub(crate) fn filter(args: &FilterArgs, since: Option<Duration>) -> Filter {
    Filter {
        models: args.model.clone(),
        browsers: args.browser.clone(),
        backends: args.backend.iter().copied().map(Backend::as_str).map(str::to_owned).collect(),
        since_unix_micros: since.map(ago),
    }
}

/// The moment this long before now, microseconds since the Unix epoch.
pub(crate) fn ago(age: Duration) -> i64 {
    now_unix_micros().saturating_sub(i64::try_from(age.as_micros()).unwrap_or(i64::MAX))
}

/// The folder of the pages, with the wasm that launched browsers need.
pub(crate) fn find_built_www(args: &WwwArgs) -> anyhow::Result<PathBuf> {
    let www = find_www(args)?;
    if has_wasm(&www) {
        return Ok(www);
    }
    Err(Failure::environment(format!("the pages in {} have no wasm yet", www.display()))
        .hint(BUNDLE_HINT)
        .into())
}

/// How to give the pages their wasm.
pub(crate) const BUNDLE_HINT: &str = "build it with `cargo bundle`";

/// True when the pages have their wasm.
pub(crate) fn has_wasm(www: &Path) -> bool {
    www.join("pkg/tabpool.js").is_file()
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

/// The median of warm runs as a cell of a table.
pub(crate) fn median(warm: Option<Warm>) -> String {
    warm.map_or_else(dash, |warm| quantity::micros(warm.median_micros))
}

/// The interval of that median as a cell of a table.
pub(crate) fn interval(warm: Option<Warm>) -> String {
    match warm.map(|warm| warm.interval_micros) {
        None => dash(),
        Some(None) => "not enough data".to_owned(),
        Some(Some([low, high])) => quantity::micros_range(low, high),
    }
}

/// A cell without a value.
pub(crate) fn dash() -> String {
    "–".to_owned()
}

/// Becomes true at the first Ctrl-C or SIGTERM.
pub(crate) fn interrupt() -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        stop_signal().await;
        sender.send_replace(true);
        // Keeps the channel open: a receiver must not take its end for a signal.
        sender.closed().await;
    });
    receiver
}

/// Completes at the first Ctrl-C or SIGTERM.
pub(crate) async fn stop_signal() {
    let wait = async {
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            result = tokio::signal::ctrl_c() => result,
            _ = terminate.recv() => Ok(()),
        }
    };
    if wait.await.is_err() {
        // A process that may not listen for signals goes on until it is killed.
        std::future::pending::<()>().await;
    }
}
