//! Switches are read as they are written on the command line.

use super::*;

#[track_caller]
fn check(text: &str, browser: Option<&str>, component: Component, mode: BreakerMode) {
    let expected = Switch { browser: browser.map(str::to_owned), component, mode };
    assert_eq!(text.parse(), Ok(expected));
}

#[test]
fn switches_name_browser_component_and_mode() {
    check("firefox/webgpu=forced-open", Some("firefox"), Component::Webgpu, BreakerMode::ForcedOpen);
    check("loader=disabled", None, Component::Loader, BreakerMode::Disabled);
    check("webkit/wasm=metrics-only", Some("webkit"), Component::Wasm, BreakerMode::MetricsOnly);
}

#[test]
fn what_is_no_switch_is_refused_with_the_choices() {
    for (text, part) in
        [("firefox", "looks like"), ("gpu=disabled", "webgpu, "), ("wasm=off", "forced-open, disabled")]
    {
        let error = text.parse::<Switch>().unwrap_err();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_switch_without_a_browser_is_about_all() {
    let switch = |text: &str| text.parse::<Switch>().unwrap();
    assert!(switch("wasm=disabled").concerns("firefox"));
    assert!(switch("firefox/wasm=disabled").concerns("firefox"));
    assert!(!switch("firefox/wasm=disabled").concerns("chromium"));
}
