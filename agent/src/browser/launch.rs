//! Launches browsers, each on its own leash with a fresh profile, and reads their versions.

use std::collections::VecDeque;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::OnceCell;
use tokio::time::timeout;
use wire::Browser;

use crate::browser::{Family, Found, find_program, flags};
use crate::exit::Failure;
use crate::output::Printer;

/// How long a program may take to say its version.
const VERSION_TIMEOUT: Duration = Duration::from_secs(20);

/// How long Xvfb may take to open its display.
const DISPLAY_TIMEOUT: Duration = Duration::from_secs(20);

/// How long the leash may take to clean up; the kill itself takes milliseconds.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(20);

/// Lines of a browser's standard error that are kept for messages.
const KEPT_LINES: usize = 20;

/// Launches browsers; holds the display that WebKitGTK needs.
#[derive(Debug)]
pub(crate) struct Launcher {
    /// This program, which is the leash too.
    tabpool: PathBuf,
    display: OnceCell<Display>,
}

/// A virtual X display.
#[derive(Debug)]
struct Display {
    name: String,
    server: Running,
}

/// A program on the leash. Dropping it ends the program, its whole group and its profile; [`Running::stop`] also waits.
#[derive(Debug)]
pub(crate) struct Running {
    leash: Child,
    rope: Option<ChildStdin>,
    last_words: Arc<Mutex<VecDeque<String>>>,
}

impl Launcher {
    /// A launcher whose leash is this program.
    ///
    /// # Errors
    /// The system does not say where this program is.
    pub(crate) fn new() -> anyhow::Result<Self> {
        // On Linux this path works also after the file was replaced by a newer build.
        let itself = PathBuf::from("/proc/self/exe");
        let tabpool = if itself.exists() {
            itself
        } else {
            env::current_exe().context("cannot find tabpool itself")?
        };
        Ok(Self { tabpool, display: OnceCell::new() })
    }

    /// The browser's version, e.g. `156.0.8078.79`.
    ///
    /// # Errors
    /// It does not start or says no version.
    pub(crate) async fn version(&self, found: &Found) -> anyhow::Result<String> {
        let mut command = Command::new(&found.program);
        if let Some(display) = self.display_of(found).await? {
            command.env("DISPLAY", display);
        }
        let describe =
            || Failure::environment(format!("cannot ask {} for its version", found.program.display()));
        command.arg("--version").stdin(Stdio::null()).kill_on_drop(true);
        let output = timeout(VERSION_TIMEOUT, command.output())
            .await
            .with_context(describe)?
            .with_context(describe)?;
        let said = String::from_utf8_lossy(&output.stdout);
        version_in(&said).map(str::to_owned).with_context(describe)
    }

    /// The browser as records name it; without a version, after a warning, when it says none.
    pub(crate) async fn describe(&self, found: &Found, printer: &Printer) -> Browser {
        let version = self.version(found).await.unwrap_or_else(|error| {
            printer.warning(&format!("{error:#}"));
            String::new()
        });
        Browser { name: found.kind.name.to_owned(), version, ..Browser::default() }
    }

    /// Opens `url` in the browser with a fresh profile.
    ///
    /// # Errors
    /// The profile cannot be made or the leash cannot be started. A browser that cannot start ends the leash.
    pub(crate) async fn open(&self, found: &Found, url: &str) -> anyhow::Result<Running> {
        let display = self.display_of(found).await?;
        let describe = || Failure::environment(format!("cannot launch {}", found.kind.name));
        let profile = tempfile::Builder::new().prefix("tabpool-profile-").tempdir().with_context(describe)?;
        let mut command = self.leash(Some(profile.path()));
        command.arg(&found.program);
        flags::add(&mut command, found, profile.path(), display, url).with_context(describe)?;
        command.stdout(Stdio::null());
        let running = Running::start(command).with_context(describe)?;
        // From here on the leash removes it.
        drop(profile.keep());
        Ok(running)
    }

    /// Ends the virtual display, if one was needed.
    pub(crate) async fn close(self) {
        if let Some(display) = self.display.into_inner() {
            display.server.stop().await;
        }
    }

    fn leash(&self, remove: Option<&Path>) -> Command {
        let mut command = Command::new(&self.tabpool);
        command.arg("leash");
        if let Some(folder) = remove {
            command.arg("--remove").arg(folder);
        }
        command.arg("--");
        command
    }

    async fn display_of(&self, found: &Found) -> anyhow::Result<Option<&str>> {
        if found.kind.family != Family::Webkit {
            return Ok(None);
        }
        let display = self.display.get_or_try_init(|| self.start_display()).await?;
        Ok(Some(&display.name))
    }

    async fn start_display(&self) -> anyhow::Result<Display> {
        let describe = || {
            Failure::environment("cannot start Xvfb, the display that WebKitGTK needs")
                .hint("Debian: apt-get install xvfb")
        };
        let program = find_program("Xvfb").with_context(describe)?;
        let mut command = self.leash(None);
        command.arg(program).args(["-displayfd", "1", "-screen", "0", "1280x1024x24", "-nolisten", "tcp"]);
        command.stdout(Stdio::piped());
        let mut server = Running::start(command).with_context(describe)?;
        let mut lines = server.stdout_lines().with_context(describe)?;
        let number = timeout(DISPLAY_TIMEOUT, lines.next_line())
            .await
            .with_context(describe)?
            .with_context(describe)?
            .with_context(|| server.last_words())
            .with_context(describe)?;
        Ok(Display { name: format!(":{}", number.trim()), server })
    }
}

impl Running {
    fn start(mut command: Command) -> std::io::Result<Self> {
        // In a group of its own, so that Ctrl-C reaches the agent alone and the leash lives to clean up.
        let mut leash = command.process_group(0).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let rope = leash.stdin.take();
        let last_words = Arc::new(Mutex::new(VecDeque::new()));
        if let Some(stderr) = leash.stderr.take() {
            let words = Arc::clone(&last_words);
            tokio::spawn(async move {
                let mut lines = BufReader::new(stderr).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
                    if words.len() == KEPT_LINES {
                        words.pop_front();
                    }
                    words.push_back(line);
                }
            });
        }
        Ok(Self { leash, rope, last_words })
    }

    /// The process that everything else of it descends from; `None` once it has ended.
    pub(crate) fn root(&self) -> Option<u32> {
        self.leash.id()
    }

    /// Completes when the program has ended by itself and everything is cleaned up. Can be called again.
    pub(crate) async fn ended(&mut self) -> std::io::Result<ExitStatus> {
        // `Child::wait` closes the child's own standard input, which is not the rope: that was taken out of it.
        self.leash.wait().await
    }

    /// Ends the program with its whole group and waits until its profile is gone.
    pub(crate) async fn stop(mut self) {
        drop(self.rope.take());
        // A leash that hangs cannot be helped; its kill has been sent.
        timeout(RELEASE_TIMEOUT, self.leash.wait()).await.ok();
    }

    /// What the program wrote to standard error last.
    pub(crate) fn last_words(&self) -> String {
        let words = self.last_words.lock().unwrap_or_else(PoisonError::into_inner);
        words.iter().rev().find(|line| !line.trim().is_empty()).cloned().unwrap_or_default()
    }

    fn stdout_lines(&mut self) -> Option<Lines<BufReader<ChildStdout>>> {
        Some(BufReader::new(self.leash.stdout.take()?).lines())
    }
}

/// The first word of a version line that starts with a digit, without a suffix such as `esr`.
fn version_in(said: &str) -> Option<&str> {
    let word = said.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let end = word.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(word.len());
    Some(word[..end].trim_end_matches('.'))
}

#[cfg(test)]
mod tests;
