//! `tabpool serve`: pages, models and metrics until somebody stops it.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::cli::ServeArgs;
use crate::commands::history::removed;
use crate::commands::{BUNDLE_HINT, find_www, has_wasm, open_store, stop_signal};
use crate::exit::Exit;
use crate::host::now_unix_micros;
use crate::output::Printer;
use crate::server::{self, App};
use crate::zoo::{Cache, Zoo};

/// Between two looks at what is too old.
const HOUR: Duration = Duration::from_secs(3600);

/// The document of `serve --json`, printed when the server is ready.
#[derive(Debug, Serialize)]
struct Document {
    schema: u32,
    url: String,
    history: String,
}

/// Serves until Ctrl-C or SIGTERM.
pub(crate) async fn run(args: &ServeArgs, printer: &Printer) -> anyhow::Result<Exit> {
    let www = find_www(&args.www)?;
    if !has_wasm(&www) {
        printer.warning("the pages have no wasm yet");
        printer.hint(BUNDLE_HINT);
    }
    let cache = Cache::of_user()?;
    let catalogue = Zoo::open(&cache)?.catalogue(&cache);
    let n_available = catalogue.models.iter().filter(|model| model.available).count();
    let store = open_store(&args.db)?;
    let (listener, address) = server::listen(args.host, args.port).await?;
    let url = format!("http://{address}/");
    let history = store.path().display().to_string();
    if printer.wants_json() {
        printer.document(&Document { schema: wire::SCHEMA, url, history })?;
    } else {
        printer.result(&url);
        let n_models = catalogue.models.len();
        printer.note(&format!("{n_available} of {n_models} models here, history in {history}, Ctrl-C stops"));
        if n_available < n_models {
            printer.hint("fetch the others with `tabpool model fetch`");
        }
    }
    let app =
        Arc::new(App { store, cache, www, peers: Vec::new(), builds: None, sessions: Default::default() });
    tokio::select! {
        result = server::serve(listener, Arc::clone(&app), stop_signal()) => result?,
        () = keep_up(&app, printer) => {}
    }
    Ok(Exit::Done)
}

/// Sees to the history's retention, now and every hour; ends never.
async fn keep_up(app: &Arc<App>, printer: &Printer) {
    let mut hours = tokio::time::interval(HOUR);
    loop {
        hours.tick().await;
        let app = Arc::clone(app);
        let work = tokio::task::spawn_blocking(move || app.store.keep_up(now_unix_micros()));
        match work.await {
            Ok(Ok(Some(pruned))) if pruned.n_runs > 0 => printer.note(&removed(pruned)),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => printer.warning(&format!("cannot roll up old runs: {error}")),
            Err(error) => printer.warning(&format!("cannot roll up old runs: {error}")),
        }
    }
}
