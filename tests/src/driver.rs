//! Starts a browser's WebDriver program: the three browsers that every page must work in, and the one with WebNN.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::cache;
use crate::poll::eventually;
use crate::process::{Group, Process};
use crate::webdriver::Session;

/// Seconds on a quiet machine; a busy one with two cores takes much longer.
const START_LIMIT: Duration = Duration::from_secs(180);

/// A browser with a driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Browser {
    /// Debian's Chromium through chromedriver.
    Chromium,
    /// Firefox through geckodriver.
    Firefox,
    /// WebKitGTK's MiniBrowser through WebKitWebDriver, on a display of its own.
    Webkit,
    /// The Chromium build that has WebNN contexts, and WebGPU on its software adapter, through Debian's chromedriver.
    ChromiumWebnn,
    /// Debian's Chromium with WebGPU on its software adapter.
    ChromiumWebgpu,
    /// Firefox with WebGPU on the machine's adapter, which may be a software one.
    FirefoxWebgpu,
}

/// A driver program, its browser, and one window.
#[derive(Debug)]
pub struct Driven {
    // Order of drop: the window, then the driver's group, then the display it is shown on.
    /// The window.
    pub session: Session,
    driver: Group,
    _display: Option<Group>,
}

impl Driven {
    /// Memory of every process of the browser, shared pages counted in part (PSS), bytes.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn memory_bytes(&self) -> Result<u64> {
        Ok(self.driver.descendants()?.iter().map(Process::pss_bytes).sum())
    }
}

impl Browser {
    /// Starts the driver and opens one window; a missing program is an error with a hint, never a skip.
    ///
    /// # Errors
    /// A program is missing, or does not answer.
    pub fn drive(self) -> Result<Driven> {
        let port = free_port()?;
        let (mut command, display) = self.command(port)?;
        let driver = Group::start(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()))
            .with_context(|| {
            format!("hint: `make setup` and `.ci/setup --tests` install what {self:?} needs")
        })?;
        let url = format!("http://127.0.0.1:{port}");
        eventually("the driver's first answer", START_LIMIT, || {
            let status = ureq::get(format!("{url}/status")).call()?.body_mut().read_json::<Value>()?;
            ensure!(status["value"]["ready"] == Value::Bool(true), "{status}");
            Ok(())
        })?;
        let session = Session::open(&url, &self.capabilities()?)?;
        Ok(Driven { session, driver, _display: display })
    }

    fn command(self, port: u16) -> Result<(Command, Option<Group>)> {
        let port = format!("--port={port}");
        match self {
            Self::Chromium | Self::ChromiumWebgpu => {
                let mut command = Command::new("chromedriver");
                command.arg(port);
                Ok((command, None))
            }
            Self::ChromiumWebnn => {
                // The driver belongs to a newer version, and works with this one all the same.
                let mut command = Command::new("chromedriver");
                command.args([&port, "--disable-build-check"]);
                Ok((command, None))
            }
            Self::Firefox | Self::FirefoxWebgpu => {
                let built = tools()?.join("geckodriver");
                let mut command = Command::new(if built.exists() { built } else { "geckodriver".into() });
                command.args(["--host=127.0.0.1", &port]).env("MOZ_CRASHREPORTER_DISABLE", "1");
                Ok((command, None))
            }
            Self::Webkit => {
                let (display, name) = start_display()?;
                let mut command = Command::new("WebKitWebDriver");
                command.args(["--host=127.0.0.1", &port]).env("DISPLAY", name);
                command.env("JSC_useSharedArrayBuffer", "1");
                Ok((command, Some(display)))
            }
        }
    }

    /// Fake microphones where the browser has them: the page must record without a person who allows it.
    fn capabilities(self) -> Result<Value> {
        Ok(match self {
            Self::Chromium => json!({ "browserName": "chrome", "goog:chromeOptions": { "args": [
                "--headless", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
                "--disable-component-update", "--disable-sync", "--window-size=1280,900",
                "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
            ] } }),
            Self::ChromiumWebnn => json!({ "browserName": "chrome", "goog:chromeOptions": {
                "binary": webnn_browser()?, "args": [
                    "--headless", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
                    "--disable-component-update", "--disable-sync", "--enable-unsafe-webgpu",
                    "--enable-features=WebMachineLearningNeuralNetwork",
            ] } }),
            Self::Firefox => json!({ "browserName": "firefox", "moz:firefoxOptions": {
                "args": ["-headless", "--width=1280", "--height=900"],
                "prefs": { "media.navigator.streams.fake": true, "media.navigator.permission.disabled": true },
            } }),
            Self::ChromiumWebgpu => json!({ "browserName": "chrome", "goog:chromeOptions": { "args": [
                "--headless", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
                "--disable-component-update", "--disable-sync", "--enable-unsafe-webgpu",
            ] } }),
            Self::FirefoxWebgpu => json!({ "browserName": "firefox", "moz:firefoxOptions": {
                "args": ["-headless"],
                "prefs": { "dom.webgpu.enabled": true, "gfx.webgpu.ignore-blocklist": true },
            } }),
            Self::Webkit => json!({ "browserName": "MiniBrowser", "webkitgtk:browserOptions": {
                "binary": mini_browser()?, "args": ["--automation"],
            } }),
        })
    }
}

/// MiniBrowser is off `PATH`: below a folder of WebKitGTK's version, below one that may name the machine's architecture.
fn mini_browser() -> Result<PathBuf> {
    let architectures =
        std::fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    let folders: Vec<PathBuf> = ["/usr/lib", "/usr/libexec", "/usr/lib64"]
        .map(PathBuf::from)
        .into_iter()
        .chain(architectures)
        .collect();
    ["webkit2gtk-4.1", "webkitgtk-6.0", "webkit2gtk-4.0"]
        .iter()
        .flat_map(|version| folders.iter().map(move |folder| folder.join(version).join("MiniBrowser")))
        .find(|path| path.is_file())
        .context("no MiniBrowser below /usr/lib, /usr/libexec and /usr/lib64\nhint: `make setup` installs webkit2gtk-driver")
}

/// Starts an X server without a screen; it chooses a free display and says which.
fn start_display() -> Result<(Group, String)> {
    let mut command = Command::new("Xvfb");
    command.args(["-displayfd", "1", "-screen", "0", "1280x900x24", "-nolisten", "tcp"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut display = Group::start(&mut command).context("hint: `make setup` installs Xvfb")?;
    let stdout = display.child().stdout.take().context("stdout is piped")?;
    let mut number = String::new();
    BufReader::new(stdout).read_line(&mut number)?;
    ensure!(!number.trim().is_empty(), "Xvfb ended without naming its display");
    Ok((display, format!(":{}", number.trim())))
}

/// Drivers take a port number; the one the system gave a moment ago is free as far as anyone can know.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// The browser with WebNN, where `make setup` unpacks it.
fn webnn_browser() -> Result<PathBuf> {
    let path = cache::home()?.join("browsers/chromium-webnn/headless_shell");
    ensure!(path.is_file(), "no {}\nhint: `make setup` fetches it", path.display());
    Ok(path)
}

/// Where `.ci/setup --tests` builds tools.
fn tools() -> Result<PathBuf> {
    Ok(cache::home()?.join("tools/bin"))
}
