//! Decides whose requests count: keeps the pages of other sites away from a server on this machine.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::server::rejection::Rejection;

/// What a page of an accepted origin may send, and for how many seconds its browser need not ask again. Browsers deliver
/// beacons with credentials; there are none here.
const CORS: [(HeaderName, HeaderValue); 4] = [
    (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")),
    (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST")),
    (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type, range")),
    (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600")),
];

/// Refuses requests that reached the server listening on `listens_on` under a name it does not have, and posts that a
/// browser says come from another site's page. Pages of this machine may read the answers, whatever their port.
pub(super) async fn check(State(listens_on): State<IpAddr>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    if !is_our_host(headers, listens_on) {
        return Rejection::foreign_host().into_response();
    }
    let is_ours = is_our_origin(headers);
    let origin = headers.get(header::ORIGIN).filter(|_| is_ours).cloned();
    let is_preflight = request.method() == Method::OPTIONS
        && origin.is_some()
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if is_preflight {
        StatusCode::NO_CONTENT.into_response()
    } else if is_ours || request.method().is_safe() {
        next.run(request).await
    } else {
        Rejection::foreign_origin().into_response()
    };
    // Models are cached for good: an answer to one origin must not be given to another.
    response.headers_mut().append(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        response.headers_mut().extend(CORS.map(|(name, value)| (Some(name), value)));
    }
    response
}

/// True for names that no other site can point at this server: a site whose own name suddenly means this machine (DNS
/// rebinding) is stopped here. A server on all addresses has any address, but no other name. Programs of HTTP/1.0 say none.
fn is_our_host(headers: &HeaderMap, listens_on: IpAddr) -> bool {
    headers.get_all(header::HOST).iter().all(|authority| {
        let host = authority.to_str().ok().and_then(host_of);
        host.is_some_and(|host| {
            let is_named = |address: IpAddr| address == listens_on || listens_on.is_unspecified();
            is_local(&host) || address_of(&host).is_some_and(is_named)
        })
    })
}

/// True without an origin, for the server's own, and for pages of this machine: pool members run on other names of it.
fn is_our_origin(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let Some(origin) = text(header::ORIGIN) else { return true };
    let Some((_, authority)) = origin.split_once("://") else { return false };
    host_of(authority).is_some_and(|host| is_local(&host)) || text(header::HOST) == Some(authority)
}

/// `host` or `host:port` without the port.
fn host_of(authority: &str) -> Option<String> {
    authority.parse().ok().map(|authority: Authority| authority.host().to_ascii_lowercase())
}

fn address_of(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn is_local(host: &str) -> bool {
    host == "localhost"
        || host.ends_with(".localhost")
        || address_of(host).is_some_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;
