//! Version lines as browsers write them.

use super::*;

#[track_caller]
fn check(said: &str, expected: Option<&str>) {
    assert_eq!(version_in(said), expected);
}

#[test]
fn versions_are_found() {
    check("Chromium 156.0.8078.79 built on Debian GNU/Linux 12 (bookworm)\n", Some("156.0.8078.79"));
    check("Mozilla Firefox 153.7.0esr\n", Some("153.7.0"));
    check("WebKitGTK 2.50.6\n", Some("2.50.6"));
    check("Google Chrome 150.0.1 \n", Some("150.0.1"));
    check("no version\n", None);
    check("", None);
}
