//! Programs are found on a path, and names are checked.

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::exit::{Exit, verdict};

#[test]
fn only_programs_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
    fs::create_dir_all(first.join("browser")).unwrap();
    fs::create_dir_all(&second).unwrap();
    let path = env::join_paths([&first, &second]).unwrap();
    assert_eq!(search(&path, "browser"), None);
    let program = second.join("browser");
    fs::write(&program, "").unwrap();
    assert_eq!(search(&path, "browser"), None);
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(search(&path, "browser"), Some(program));
}

#[test]
fn what_a_browser_was_launched_with_is_whole() {
    let flags = flags_of("chromium-webnn").unwrap();
    assert!(flags.starts_with("--headless ") && flags.ends_with(" --no-sandbox"), "{flags}");
    let is_root = rustix::process::geteuid().is_root();
    assert_eq!(flags_of("chromium").unwrap().contains("--no-sandbox"), is_root);
    assert!(!flags_of("firefox").unwrap().contains("sandbox"));
    assert_eq!(flags_of("netscape"), None);
}

#[test]
fn an_unknown_name_is_a_usage_error() {
    let error = select(&["netscape".to_owned()], &Cache::at("/nonexistent")).unwrap_err();
    let (exit, hint) = verdict(&error);
    assert_eq!(exit, Exit::Usage);
    assert!(hint.unwrap().contains("chromium-webnn, firefox, webkit"));
}

#[test]
fn a_named_browser_that_is_missing_is_an_environment_error_with_a_hint() {
    let error = select(&["chromium-webnn".to_owned()], &Cache::at("/nonexistent")).unwrap_err();
    let (exit, hint) = verdict(&error);
    assert_eq!(exit, Exit::Environment);
    assert!(hint.unwrap().contains("TABPOOL_CHROMIUM_WEBNN"));
}
