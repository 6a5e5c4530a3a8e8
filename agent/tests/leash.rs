//! The leash ends whole process groups, whoever ends first.

use std::fs;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};

struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    fn profile(&self) -> PathBuf {
        self.folder.path().join("profile")
    }

    /// The leash around a shell that starts two children, one of which it forgets, and then does `last`.
    fn command(&self, last: &str) -> Command {
        fs::create_dir(self.profile()).expect("a profile");
        fs::write(self.profile().join("file"), "x").expect("a file");
        let script = format!("sleep 600 & (sleep 600 & ) ; echo $$ ; {last}");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tabpool"));
        command.arg("leash").arg("--remove").arg(self.profile()).args(["--", "sh", "-c", &script]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command
    }
}

/// The process group that the shell says it leads.
fn group(child: &mut Child) -> Pid {
    let mut stdout = child.stdout.take().expect("stdout is piped");
    let mut said = Vec::new();
    let mut byte = [0];
    while stdout.read(&mut byte).expect("stdout is readable") == 1 && byte[0] != b'\n' {
        said.push(byte[0]);
    }
    let pid = String::from_utf8(said).expect("a number").parse().expect("a number");
    Pid::from_raw(pid).expect("not 0")
}

#[track_caller]
fn check_gone(group: Pid, profile: &Path) {
    assert_eq!(test_kill_process_group(group), Err(rustix::io::Errno::SRCH));
    assert!(!profile.exists());
}

#[test]
fn everything_ends_when_the_agent_lets_go() {
    let world = World::new();
    let mut leash = world.command("wait").spawn().expect("the leash starts");
    let group = group(&mut leash);
    assert_eq!(test_kill_process_group(group), Ok(()));
    drop(leash.stdin.take());
    assert!(leash.wait().expect("the leash ends").success());
    check_gone(group, &world.profile());
}

#[test]
fn everything_ends_when_the_program_ends_first() {
    let world = World::new();
    let mut leash = world.command("exit 7").spawn().expect("the leash starts");
    let rope = leash.stdin.take();
    let group = group(&mut leash);
    leash.wait().expect("the leash ends");
    check_gone(group, &world.profile());
    drop(rope);
}

#[test]
fn everything_ends_when_the_agent_is_killed() {
    let world = World::new();
    // A shell in the agent's place holds the other end of the pipe; the leash is in a group of its own, as the agent
    // puts it.
    let mut leash = world.command("wait");
    leash.process_group(0);
    let mut agent =
        Command::new("sleep").arg("600").stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("sleep");
    let rope = agent.stdout.take().expect("stdout is piped");
    let mut leash = leash.stdin(rope).spawn().expect("the leash starts");
    let group = group(&mut leash);
    kill_process(Pid::from_child(&agent), Signal::KILL).expect("the agent can be killed");
    agent.wait().expect("the agent ends");
    leash.wait().expect("the leash ends");
    check_gone(group, &world.profile());
}

#[test]
fn an_interrupted_program_leaves_no_children() {
    let world = World::new();
    let mut leash = world.command("wait").spawn().expect("the leash starts");
    let rope = leash.stdin.take();
    let group = group(&mut leash);
    // The shell ends; its children in the background ignore the signal.
    kill_process_group(group, Signal::INT).expect("the program can be interrupted");
    leash.wait().expect("the leash ends");
    check_gone(group, &world.profile());
    drop(rope);
}

#[test]
fn a_program_that_is_not_there_is_said() {
    let output = Command::new(env!("CARGO_BIN_EXE_tabpool"))
        .args(["leash", "--", "/nonexistent/browser"])
        .stdin(Stdio::null())
        .output()
        .expect("the leash starts");
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(said.contains("cannot start /nonexistent/browser"), "{said}");
}
