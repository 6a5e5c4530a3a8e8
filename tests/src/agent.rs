//! Runs the real `tabpool` program, each time in its own process group and with its own database.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::Value;

use crate::process::Group;

/// Until `serve` says where it listens; it does so at once, but the machine may be busy.
const START_LIMIT: Duration = Duration::from_secs(120);
/// Until it has let go of everything after Ctrl-C.
const STOP_LIMIT: Duration = Duration::from_secs(120);

/// How a command ended.
#[derive(Debug)]
pub struct Finished {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// All of standard output.
    pub stdout: String,
    /// All of standard error.
    pub stderr: String,
}

impl Finished {
    /// Standard output as the one JSON document that `--json` promises.
    ///
    /// # Errors
    /// It is something else.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.stdout)
            .with_context(|| format!("stdout is not one JSON document: {self:?}"))
    }
}

/// A command line of `tabpool` that runs.
#[derive(Debug)]
pub struct Running {
    /// Its processes.
    pub group: Group,
    folder: tempfile::TempDir,
}

impl Running {
    /// Starts `tabpool` with these arguments.
    ///
    /// # Errors
    /// The program cannot be built or started.
    pub fn start(arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(binary()?);
        command.args(arguments);
        Self::start_command(command)
    }

    /// Starts a prepared command.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start_command(mut command: Command) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        command.stdin(Stdio::null());
        command.stdout(File::create(folder.path().join("stdout"))?);
        command.stderr(File::create(folder.path().join("stderr"))?);
        Ok(Self { group: Group::start(&mut command)?, folder })
    }

    /// What it wrote to standard error so far.
    ///
    /// # Errors
    /// The file that holds it cannot be read.
    pub fn stderr(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&std::fs::read(self.folder.path().join("stderr"))?).into_owned())
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// It still runs after `limit`.
    pub fn finish(mut self, limit: Duration) -> Result<Finished> {
        let status = self.group.wait(limit).with_context(|| self.stderr().unwrap_or_default())?;
        let stdout = std::fs::read_to_string(self.folder.path().join("stdout"))?;
        Ok(Finished { code: status.code(), stdout, stderr: self.stderr()? })
    }
}

/// Runs `tabpool` to its end.
///
/// # Errors
/// It does not start, or still runs after `limit`.
pub fn run(arguments: &[&str], limit: Duration) -> Result<Finished> {
    Running::start(arguments)?.finish(limit)
}

/// `tabpool serve` on a port of 127.0.0.1.
#[derive(Debug)]
pub struct Server {
    /// Its processes.
    pub group: Group,
    /// E.g. `http://127.0.0.1:40123/`.
    pub url: String,
}

impl Server {
    /// Starts it with this database; port 0 lets the system choose.
    ///
    /// # Errors
    /// It does not say within two minutes that it listens.
    pub fn start(database: &Path, port: u16) -> Result<Self> {
        let mut command = Command::new(binary()?);
        command.args(["serve", "--json", "--port", &port.to_string(), "--db"]).arg(database);
        Self::start_command(command)
    }

    /// Starts a prepared command that ends in `tabpool serve --json`.
    ///
    /// # Errors
    /// It does not say within two minutes that it listens.
    pub fn start_command(mut command: Command) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut group = Group::start(&mut command)?;
        let stdout = group.child().stdout.take().context("stdout is piped")?;
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(stdout).read_line(&mut line).map(|_| line);
            // Nobody listens any more when the deadline has passed.
            sender.send(read).ok();
        });
        let line = receiver.recv_timeout(START_LIMIT).context("the agent did not say where it listens")??;
        let ready: Value = serde_json::from_str(&line).with_context(|| format!("not JSON: {line:?}"))?;
        let url = ready["url"].as_str().with_context(|| format!("no url in {line}"))?.to_owned();
        Ok(Self { group, url })
    }

    /// The port it listens on.
    ///
    /// # Errors
    /// Its address has none.
    pub fn port(&self) -> Result<u16> {
        let (_, port) = self.url.trim_end_matches('/').rsplit_once(':').context("the address has a port")?;
        port.parse().with_context(|| format!("port in {}", self.url))
    }

    /// Ends it with Ctrl-C and gives its exit code.
    ///
    /// # Errors
    /// It still runs two minutes later.
    pub fn stop(mut self) -> Result<Option<i32>> {
        self.group.interrupt()?;
        Ok(self.group.wait(STOP_LIMIT)?.code())
    }
}

/// The program as this checkout builds it; built once per test program.
///
/// # Errors
/// It does not build.
pub fn binary() -> Result<&'static Path> {
    static BINARY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BINARY.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    built.as_deref().map_err(|error| anyhow!("{error}"))
}

fn build() -> Result<PathBuf> {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "tabpool", "--message-format", "json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "tabpool does not build");
    let messages = String::from_utf8(output.stdout)?;
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let path = messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from)).next_back();
    path.context("cargo names no executable")
}
