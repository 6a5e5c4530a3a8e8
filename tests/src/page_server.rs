//! A small server for pages of examples: one page with its script, the zoo's models, and folders of built files.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use axum::Router;
use axum::extract::Path as UrlPath;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use axum::response::Html;
use axum::routing::get;
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::cache;
use crate::driver::{Browser, Driven};

/// The page's own limit: it has to import and compile a few megabytes, on a busy machine with two cores.
const READY_LIMIT: Duration = Duration::from_secs(120);

/// Serves until it is dropped.
#[derive(Debug)]
pub struct PageServer {
    /// Address of the page.
    pub url: String,
    // Dropping the runtime ends the server.
    _runtime: tokio::runtime::Runtime,
}

impl PageServer {
    /// Serves a page whose only content is `script`, the models below `/model/`, and each folder below its path.
    ///
    /// # Errors
    /// No port is free.
    pub fn start(script: &'static str, folders: &[(&str, &Path)]) -> Result<Self> {
        // Isolated pages have shared memory and the finest clocks.
        let header = |name: &'static str, value: &'static str| {
            SetResponseHeaderLayer::overriding(HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let page = "<!doctype html><script type=module src=/script.js></script>";
        let router = Router::new()
            .route("/", get(move || async move { Html(page) }))
            .route("/script.js", get(move || async move { ([(CONTENT_TYPE, "text/javascript")], script) }))
            .route("/model/{id}", get(model));
        let router = folders
            .iter()
            .fold(router, |router, (path, folder)| router.nest_service(path, ServeDir::new(folder)))
            .layer(header("cross-origin-opener-policy", "same-origin"))
            .layer(header("cross-origin-embedder-policy", "require-corp"));
        let runtime = tokio::runtime::Runtime::new()?;
        let listener = runtime.block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0)))?;
        let url = format!("http://{}/", listener.local_addr()?);
        runtime.spawn(async { axum::serve(listener, router).await });
        Ok(Self { url, _runtime: runtime })
    }

    /// As [`start`](Self::start), with `www/pkg` below `/pkg`.
    ///
    /// # Errors
    /// `www/pkg` is not built, or no port is free.
    pub fn with_package(script: &'static str, folders: &[(&str, &Path)]) -> Result<Self> {
        let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../www/pkg");
        ensure!(package.join("tabpool.js").exists(), "www/pkg is not built\nhint: make bundle");
        Self::start(script, &[&[("/pkg", package.as_path())], folders].concat())
    }

    /// A browser with the page, whose address has this query, once the script says that it is ready.
    ///
    /// # Errors
    /// The browser is missing, or the page is not ready in time.
    pub fn open(&self, browser: Browser, query: &str) -> Result<Driven> {
        let driven = browser.drive()?;
        driven.session.goto(&format!("{}{query}", self.url))?;
        driven.session.wait_until("document.title === 'ready'", "document.title", READY_LIMIT)?;
        Ok(driven)
    }
}

async fn model(UrlPath(id): UrlPath<String>) -> Result<Vec<u8>, (StatusCode, String)> {
    cache::bytes(&id).map_err(|error| (StatusCode::NOT_FOUND, format!("{error:#}")))
}
