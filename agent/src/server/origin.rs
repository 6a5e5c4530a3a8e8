//! Keeps the pages of other sites from writing into the history of a server on this machine.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::server::rejection::Rejection;

/// Refuses a post that a browser says comes from another site's page. Programs say nothing and are let through.
pub(super) async fn check(request: Request, next: Next) -> Response {
    let headers = request.headers();
    if request.method() == Method::POST && !is_ours(headers) {
        return Rejection::foreign_origin().into_response();
    }
    next.run(request).await
}

/// True without an origin, for the server's own, and for pages of this machine: pool members run on other names of it.
fn is_ours(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let Some(origin) = text(header::ORIGIN) else { return true };
    let Some((_, authority)) = origin.split_once("://") else { return false };
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let is_local = host == "localhost" || host.ends_with(".localhost") || is_loopback(host);
    is_local || text(header::HOST) == Some(authority)
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    address.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests;
