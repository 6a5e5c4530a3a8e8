//! The HTTP side: pages, models, metrics, and the errands of launched browsers.

mod advice;
mod bench;
mod files;
mod fleet;
mod metrics;
mod openmetrics;
mod origin;
mod rejection;
pub(crate) mod session;
mod tuning;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tower_http::set_header::SetResponseHeaderLayer;
use wire::PeerEngine;

use crate::exit::Failure;
use crate::store::Store;
use crate::zoo::Cache;
use session::Sessions;

/// On every response: pages are cross-origin isolated, and each origin may have its own process.
const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-embedder-policy"), HeaderValue::from_static("require-corp")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin")),
    (HeaderName::from_static("origin-agent-cluster"), HeaderValue::from_static("?1")),
    (HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff")),
];

/// How long open requests may take after a signal to stop.
const GRACE: Duration = Duration::from_secs(3);

/// What the server serves from and writes to.
#[derive(Debug)]
pub(crate) struct App {
    /// The history.
    pub(crate) store: Store,
    /// Models.
    pub(crate) cache: Cache,
    /// The folder of the pages.
    pub(crate) www: PathBuf,
    /// Peers that a bench compares with, and the folders of their files.
    pub(crate) peers: Vec<(PeerEngine, PathBuf)>,
    /// The folders of two builds that a bench compares.
    pub(crate) builds: Option<[PathBuf; 2]>,
    /// Launched browsers.
    pub(crate) sessions: Sessions,
}

/// Opens the server's port; 0 takes any free one.
///
/// # Errors
/// The port is in use or not allowed.
pub(crate) async fn listen(host: IpAddr, port: u16) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let address = SocketAddr::new(host, port);
    let listener = TcpListener::bind(address).await.map_err(|error| {
        let hint = if error.kind() == io::ErrorKind::AddrInUse {
            "another server has this port; take any free one with --port 0"
        } else if error.kind() == io::ErrorKind::PermissionDenied {
            "ports below 1024 need privileges; choose another one with --port"
        } else {
            "--host must be an address of this machine"
        };
        let failure = Failure::environment(format!("cannot listen on {address}")).hint(hint);
        anyhow::Error::from(error).context(failure)
    })?;
    let address = listener.local_addr().context("the listener has no address")?;
    Ok((listener, address))
}

/// Serves browsers of this machine on a free port until the process ends.
///
/// # Errors
/// No port is free.
pub(crate) async fn start(app: &Arc<App>) -> anyhow::Result<SocketAddr> {
    let (listener, address) = listen(IpAddr::V4(Ipv4Addr::LOCALHOST), 0).await?;
    tokio::spawn(serve(listener, Arc::clone(app), std::future::pending()));
    Ok(address)
}

/// Serves until `stop` completes, then lets open requests finish for [`GRACE`].
///
/// # Errors
/// The listener fails.
pub(crate) async fn serve(
    listener: TcpListener,
    app: Arc<App>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let (stopping, mut stopped) = tokio::sync::watch::channel(false);
    let listens_on = listener.local_addr().context("the listener has no address")?.ip();
    let server = axum::serve(listener, router(app, listens_on)).with_graceful_shutdown(async move {
        stop.await;
        stopping.send_replace(true);
    });
    tokio::select! {
        result = async { server.await } => result.context("the server failed"),
        () = async {
            if stopped.wait_for(|stopped| *stopped).await.is_err() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(GRACE).await;
        } => Ok(()),
    }
}

/// Every route of a server that listens on the address `listens_on`.
fn router(app: Arc<App>, listens_on: IpAddr) -> Router {
    let mut router = Router::new()
        .route("/v1/health", get(metrics::health))
        .route("/v1/metrics", post(metrics::receive))
        .route("/metrics", get(openmetrics::metrics))
        .route("/v1/models", get(files::catalogue))
        .route("/v1/advice", get(advice::advice))
        .route("/v1/tuning", get(tuning::tuning))
        .route("/models/{sha256}", get(files::model))
        .route("/v1/bench/{session}/plan", get(bench::plan))
        .route("/v1/bench/{session}/input/{case}", get(bench::input))
        .route("/v1/bench/{session}/output/{case}", post(bench::output))
        .route("/v1/bench/{session}/event", post(bench::event))
        .route("/v1/doctor/{session}", post(bench::capabilities))
        .route("/v1/fleet/{session}/next", get(fleet::next))
        .route("/v1/fleet/{session}/report", post(fleet::report));
    for (peer, folder) in &app.peers {
        router = router.nest_service(&format!("/peer/{}", peer.as_str()), files::folder(folder));
    }
    if let Some([old, new]) = &app.builds {
        router =
            router.nest_service("/build/a", files::folder(old)).nest_service("/build/b", files::folder(new));
    }
    let mut router = router
        .fallback_service(files::folder(&app.www))
        .with_state(app)
        .layer(middleware::from_fn_with_state(listens_on, origin::check));
    for (name, value) in HEADERS {
        router = router.layer(SetResponseHeaderLayer::overriding(name, value));
    }
    router
}

#[cfg(test)]
mod tests;
