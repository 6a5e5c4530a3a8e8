//! Under which names the server answers, and whose pages may post.

use super::*;

fn headers(origin: Option<&str>, host: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(origin) = origin {
        headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
    }
    headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
    headers
}

#[track_caller]
fn check(origin: Option<&str>, host: &str, expected: bool) {
    assert_eq!(is_our_origin(&headers(origin, host)), expected);
}

#[track_caller]
fn check_host(host: &str, listens_on: &str, expected: bool) {
    assert_eq!(is_our_host(&headers(None, host), listens_on.parse().unwrap()), expected, "{host}");
}

#[test]
fn pages_of_this_machine_and_programs_may() {
    check(None, "127.0.0.1:8600", true);
    check(Some("http://127.0.0.1:8600"), "127.0.0.1:8600", true);
    check(Some("http://p1.localhost:8600"), "127.0.0.1:8600", true);
    check(Some("http://localhost"), "127.0.0.1:8600", true);
    check(Some("http://[::1]:8600"), "127.0.0.1:8600", true);
    check(Some("http://[::1]"), "127.0.0.1:8600", true);
    check(Some("http://192.168.1.5:8600"), "192.168.1.5:8600", true);
}

#[test]
fn pages_of_other_sites_may_not() {
    check(Some("https://example.org"), "127.0.0.1:8600", false);
    check(Some("http://localhost.example.org:8600"), "127.0.0.1:8600", false);
    check(Some("http://127.0.0.1.example.org"), "127.0.0.1:8600", false);
    check(Some("http://127.0.0.1:80@example.org"), "127.0.0.1:8600", false);
    check(Some("http://192.168.1.5:8601"), "192.168.1.5:8600", false);
    check(Some("null"), "127.0.0.1:8600", false);
}

#[test]
fn the_names_of_this_machine_reach_the_server_on_any_port() {
    for host in [
        "127.0.0.1:8600",
        "127.9.9.9",
        "localhost:1",
        "LOCALHOST",
        "p1.localhost:8600",
        "[::1]:8600",
        "[::1]",
    ] {
        check_host(host, "127.0.0.1", true);
    }
    check_host("192.168.1.5:8600", "192.168.1.5", true);
    check_host("192.168.1.5:8600", "0.0.0.0", true);
    check_host("[fd00::5]:8600", "::", true);
}

#[test]
fn names_that_another_site_may_have_do_not() {
    for host in [
        "rebind.example:8600",
        "localhost.example",
        "127.0.0.1.example",
        "127.0.0.1:80@example.org",
        "",
        "a b",
    ] {
        check_host(host, "127.0.0.1", false);
        check_host(host, "0.0.0.0", false);
    }
    check_host("192.168.1.5:8600", "127.0.0.1", false);
    check_host("192.168.1.6:8600", "192.168.1.5", false);
    let mut two = headers(None, "localhost");
    two.append(header::HOST, HeaderValue::from_static("rebind.example"));
    assert!(!is_our_host(&two, IpAddr::from([127, 0, 0, 1])));
}
