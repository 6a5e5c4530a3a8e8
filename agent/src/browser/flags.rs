//! Command lines, preferences and environments, one function per family.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

use tokio::process::Command;

use crate::browser::{Family, Found, Kind};

/// WebGPU also on software adapters, WebNN where the build has it, one process per origin, and recovery after any number
/// of GPU process crashes.
const CHROMIUM: [&str; 11] = [
    "--headless",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-unsafe-webgpu",
    "--enable-features=WebMachineLearningNeuralNetwork",
    "--site-per-process",
    "--disable-gpu-process-crash-limit",
    "--disable-domain-blocking-for-3d-apis",
];

/// Only the agent's own pages are opened.
const NO_SANDBOX: &str = "--no-sandbox";

/// WebGPU needs both of its preferences; the others keep a fresh profile from opening pages and calling home.
const FIREFOX_PREFERENCES: &str = r#"
user_pref("dom.webgpu.enabled", true);
user_pref("gfx.webgpu.ignore-blocklist", true);
user_pref("app.normandy.enabled", false);
user_pref("app.update.enabled", false);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.startup.homepage_override.mstone", "ignore");
user_pref("browser.safebrowsing.malware.enabled", false);
user_pref("browser.safebrowsing.phishing.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("extensions.update.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("toolkit.telemetry.reportingpolicy.firstRun", false);
"#;

/// WebKit's engine reads its switches from the environment.
const WEBKIT_SWITCH: (&str, &str) = ("JSC_useSharedArrayBuffer", "1");

/// Switches, preferences and variables that decide what a browser can do, as a line.
pub(super) fn described(kind: &Kind) -> String {
    match kind.family {
        Family::Chromium => {
            let sandbox = (!has_sandbox(kind)).then_some(NO_SANDBOX);
            CHROMIUM.into_iter().chain(sandbox).collect::<Vec<_>>().join(" ")
        }
        Family::Firefox => FIREFOX_PREFERENCES.split_whitespace().collect::<Vec<_>>().join(" "),
        Family::Webkit => format!("{}={}", WEBKIT_SWITCH.0, WEBKIT_SWITCH.1),
    }
}

/// Prepares the fresh folder `profile` and adds to `command`, which ends in the browser's program, everything that
/// opens `url` there.
pub(super) fn add(
    command: &mut Command,
    found: &Found,
    profile: &Path,
    display: Option<&str>,
    url: &str,
) -> io::Result<()> {
    match found.kind.family {
        Family::Chromium => {
            command.args(CHROMIUM).arg(flag("--user-data-dir=", profile));
            if !has_sandbox(found.kind) {
                command.arg(NO_SANDBOX);
            }
            command.arg(url);
        }
        Family::Firefox => {
            fs::write(profile.join("user.js"), FIREFOX_PREFERENCES)?;
            command.env("MOZ_CRASHREPORTER_DISABLE", "1");
            command.args(["--headless", "--no-remote", "--profile"]).arg(profile).arg(url);
        }
        Family::Webkit => {
            let (name, value) = WEBKIT_SWITCH;
            command.env("HOME", profile).env(name, value);
            for variable in ["XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
                command.env(variable, profile.join(variable));
            }
            if let Some(display) = display {
                command.env("DISPLAY", display);
            }
            command.arg(url);
        }
    }
    Ok(())
}

/// Chromium's sandbox refuses root, and the bare build has no set-uid helper for machines without user namespaces.
fn has_sandbox(kind: &Kind) -> bool {
    !rustix::process::geteuid().is_root() && kind.name != "chromium-webnn"
}

fn flag(name: &str, path: &Path) -> OsString {
    let mut flag = OsString::from(name);
    flag.push(path);
    flag
}
