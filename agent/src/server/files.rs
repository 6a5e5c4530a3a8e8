//! Files: pages, models by their hash, the catalogue of models.

use std::io;
use std::path::Path;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{self, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use tower_http::services::{ServeDir, ServeFile};
use tower_http::set_header::SetResponseHeader;
use wire::Catalogue;

use crate::server::App;
use crate::server::rejection::Rejection;
use crate::zoo::Zoo;

/// A folder of files that may change at any time: browsers ask again and get 304 when they did not.
pub(super) fn folder(folder: &Path) -> SetResponseHeader<ServeDir, HeaderValue> {
    let no_cache = HeaderValue::from_static("no-cache");
    SetResponseHeader::overriding(ServeDir::new(folder), header::CACHE_CONTROL, no_cache)
}

/// `GET /v1/models`.
pub(super) async fn catalogue(State(app): State<Arc<App>>) -> Result<Json<Catalogue>, Rejection> {
    let read = move || Zoo::open(&app.cache).map(|zoo| zoo.catalogue(&app.cache));
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(catalogue)) => Ok(Json(catalogue)),
        Ok(Err(error)) => Err(Rejection::internal(format!("{error:#}"))),
        Err(error) => Err(Rejection::internal(error.to_string())),
    }
}

/// `GET /models/{sha256}`, with ranges; a file never changes under its name.
pub(super) async fn model(
    State(app): State<Arc<App>>,
    extract::Path(sha256): extract::Path<String>,
    request: Request,
) -> Result<Response, Rejection> {
    if !content::is_sha256_hex(&sha256) {
        return Err(Rejection::missing("model-name", "models are named by their SHA-256"));
    }
    let path = app.cache.model_path(&sha256.to_ascii_lowercase());
    let mut response = match ServeFile::new(path).try_call(request).await {
        Ok(response) if response.status() != StatusCode::NOT_FOUND => response.map(Body::new).into_response(),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Rejection::internal(format!("cannot read the file {sha256}: {error}")));
        }
        Ok(_) | Err(_) => return Err(Rejection::not_fetched(&sha256)),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
    headers.insert(header::CACHE_CONTROL, forever);
    Ok(response)
}
