//! Child processes in groups of their own, and what is left of them.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::poll::eventually;

/// A child that leads its own process group; the whole group is killed when this is dropped.
#[derive(Debug)]
pub struct Group {
    child: Child,
}

impl Group {
    /// Starts `command` as the leader of a new group.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(command: &mut Command) -> Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.process_group(0).spawn().with_context(|| format!("{program} did not start"))?;
        Ok(Self { child })
    }

    /// The leader, e.g. to take its standard output.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Presses Ctrl-C, as a terminal does it: every process of the group gets the signal.
    ///
    /// # Errors
    /// The group is gone.
    pub fn interrupt(&self) -> Result<()> {
        kill_process_group(self.pid()?, Signal::INT).context("the group cannot be interrupted")
    }

    /// The leader's exit status, once it has ended.
    ///
    /// # Errors
    /// It still runs after `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        eventually("the end of the process", limit, || self.child.try_wait()?.context("it still runs"))
    }

    /// Everything that the leader started, and what that started.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn descendants(&self) -> Result<Vec<Process>> {
        let all = processes()?;
        let mut family = vec![self.child.id()];
        let mut found = Vec::new();
        while let Some(parent) = family.pop() {
            for process in all.values().filter(|process| process.parent == parent) {
                family.push(process.pid);
                found.push(process.clone());
            }
        }
        Ok(found)
    }

    fn pid(&self) -> Result<Pid> {
        Pid::from_raw(i32::try_from(self.child.id())?).context("a process has an id")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A group that has already ended is what this is for.
        if let Ok(pid) = self.pid() {
            kill_process_group(pid, Signal::KILL).ok();
        }
        self.child.wait().ok();
    }
}

/// One process, told apart from a later one that got the same id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// Program name, at most 15 bytes.
    pub name: String,
    /// Process that started it, or that took it over.
    pub parent: u32,
    start_ticks: u64,
    is_zombie: bool,
}

impl Process {
    /// What it holds of the machine's memory, shared pages in part, bytes; 0 when it has ended.
    pub fn pss_bytes(&self) -> u64 {
        let path = format!("/proc/{}/smaps_rollup", self.pid);
        let rollup = std::fs::read_to_string(path).unwrap_or_default();
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
        let kilobytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        kilobytes.unwrap_or(0) * 1024
    }
}

/// Waits until none of `processes` runs any more; a zombie does not run.
///
/// # Errors
/// Some still run after `limit`.
pub fn wait_until_gone(processes_then: &[Process], limit: Duration) -> Result<()> {
    eventually("the end of every process", limit, || {
        let now = processes()?;
        let is_alive = |then: &&Process| {
            now.get(&then.pid).is_some_and(|now| now.start_ticks == then.start_ticks && !now.is_zombie)
        };
        let left: Vec<&Process> = processes_then.iter().filter(is_alive).collect();
        ensure!(left.is_empty(), "still there: {left:?}");
        Ok(())
    })
}

fn processes() -> Result<BTreeMap<u32, Process>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").context("/proc")? {
        let Ok(pid) = entry?.file_name().to_string_lossy().parse() else { continue };
        // A process may end between the listing and the reading.
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        if let Some(process) = parse_stat(pid, &stat) {
            found.insert(pid, process);
        }
    }
    Ok(found)
}

/// Fields as proc(5) numbers them: 2 the name in parentheses, 3 the state, 4 the parent, 22 the start time.
fn parse_stat(pid: u32, stat: &str) -> Option<Process> {
    let (_, rest) = stat.split_once('(')?;
    let (name, rest) = rest.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    Some(Process {
        pid,
        name: name.to_owned(),
        parent: fields.get(1)?.parse().ok()?,
        start_ticks: fields.get(19)?.parse().ok()?,
        is_zombie: *fields.first()? == "Z",
    })
}
