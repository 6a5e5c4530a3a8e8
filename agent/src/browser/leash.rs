//! The leash: a small process between the agent and each browser that ends the browser when the agent ends, however.
//!
//! `tabpool leash [--remove DIR] -- PROGRAM ARGS…` starts the program in a process group of its own and waits until the
//! program ends or standard input closes. The kernel closes that pipe when the agent drops it, exits, panics or is
//! killed, so there is one way of cleaning up: kill the whole group, wait for it, remove the profile.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, waitpgid};

use crate::exit::Failure;

/// How often a folder is removed again after a process wrote into it meanwhile.
const REMOVE_TRIES: u32 = 5;

/// Runs `command` on the leash and then removes the folder `remove`.
///
/// # Errors
/// The program cannot be started, or its group or folder cannot be cleaned up.
pub(crate) fn run(command: &[OsString], remove: Option<&Path>) -> anyhow::Result<()> {
    let result = start(command).and_then(|child| hold(child).context("cannot end the process group"));
    let removed = remove.map_or(Ok(()), remove_folder);
    result.and(removed)
}

fn start(command: &[OsString]) -> anyhow::Result<Child> {
    let (program, arguments) = command.split_first().context("the leash needs a program")?;
    // Orphans of the group become children of this process, which can then wait for all of them.
    #[cfg(target_os = "linux")]
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).context("cannot adopt orphans")?;
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .with_context(|| Failure::environment(format!("cannot start {}", Path::new(program).display())))
}

/// Waits for the program or the agent to end, then ends what is left of the program's group.
fn hold(mut child: Child) -> io::Result<()> {
    let group = Pid::from_child(&child);
    let (ended, first_end) = mpsc::channel();
    let agent_ended = ended.clone();
    thread::spawn(move || {
        // An error means as much as the end: nobody holds the other side any more.
        io::copy(&mut io::stdin(), &mut io::sink()).ok();
        agent_ended.send(()).ok();
    });
    let program = thread::spawn(move || {
        let result = child.wait();
        ended.send(()).ok();
        result
    });
    first_end.recv().ok();
    ignore_gone(kill_process_group(group, Signal::KILL))?;
    if let Ok(result) = program.join() {
        result?;
    }
    loop {
        match waitpgid(group, WaitOptions::empty()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return ignore_gone(Err(error)),
        }
    }
}

fn ignore_gone(result: rustix::io::Result<()>) -> io::Result<()> {
    match result {
        Err(rustix::io::Errno::SRCH | rustix::io::Errno::CHILD) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn remove_folder(folder: &Path) -> anyhow::Result<()> {
    let mut result = Ok(());
    for _ in 0..REMOVE_TRIES {
        result = fs::remove_dir_all(folder);
        match &result {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Ok(()) | Err(_) => break,
        }
    }
    result.with_context(|| format!("cannot remove {}", folder.display()))
}
