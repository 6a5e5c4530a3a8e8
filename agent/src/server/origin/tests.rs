//! Whose pages may post.

use axum::http::HeaderValue;

use super::*;

#[track_caller]
fn check(origin: Option<&str>, host: &str, expected: bool) {
    let mut headers = HeaderMap::new();
    if let Some(origin) = origin {
        headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
    }
    headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
    assert_eq!(is_ours(&headers), expected);
}

#[test]
fn pages_of_this_machine_and_programs_may() {
    check(None, "127.0.0.1:8600", true);
    check(Some("http://127.0.0.1:8600"), "127.0.0.1:8600", true);
    check(Some("http://p1.localhost:8600"), "127.0.0.1:8600", true);
    check(Some("http://localhost"), "127.0.0.1:8600", true);
    check(Some("http://[::1]:8600"), "127.0.0.1:8600", true);
    check(Some("http://bench.example:8600"), "bench.example:8600", true);
}

#[test]
fn pages_of_other_sites_may_not() {
    check(Some("https://example.org"), "127.0.0.1:8600", false);
    check(Some("http://localhost.example.org:8600"), "127.0.0.1:8600", false);
    check(Some("http://127.0.0.1.example.org"), "127.0.0.1:8600", false);
    check(Some("http://bench.example:8601"), "bench.example:8600", false);
    check(Some("null"), "127.0.0.1:8600", false);
}
