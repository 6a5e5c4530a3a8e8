//! The machine and the moment: what a campaign records beside its measurements.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

/// The machine, as far as it tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Host {
    /// Host name, or `unknown`.
    pub(crate) name: String,
    /// CPU model, or `unknown`.
    pub(crate) cpu_model: String,
    /// Logical CPUs that this process may use.
    pub(crate) n_cpus: u32,
}

impl Host {
    /// Looks at this machine. Where `/proc` is missing, names are `unknown`.
    pub(crate) fn of_machine() -> Self {
        let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Self {
            name: known(name.trim()),
            cpu_model: known(cpu_model(&cpuinfo).unwrap_or_default()),
            n_cpus: std::thread::available_parallelism()
                .map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX)),
        }
    }
}

/// Memory that this process and what it starts may take, bytes: the machine's, or that of the control group if it is less.
/// `None` where the system does not tell.
pub(crate) fn memory_bytes() -> Option<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let total: u64 = total.split_whitespace().next()?.parse().ok()?;
    // Version 2 and version 1; without a limit they say `max`, or a number beyond every machine.
    let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let limits = limits.iter().filter_map(|path| fs::read_to_string(path).ok()?.trim().parse().ok());
    limits.chain([1024 * total]).min()
}

/// One-minute load average, where the system has one.
pub(crate) fn load_average() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

/// HEAD of the checkout that the working folder is in.
pub(crate) fn git_commit() -> Option<String> {
    git(&["rev-parse", "HEAD"])
}

/// The branch that HEAD is on; none where it is on none, as in many checkouts of continuous integration.
pub(crate) fn git_branch() -> Option<String> {
    git(&["symbolic-ref", "--short", "--quiet", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).stderr(Stdio::null()).output().ok()?;
    let answer = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !answer.is_empty()).then_some(answer)
}

/// Microseconds since the Unix epoch (UTC).
pub(crate) fn now_unix_micros() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX)
}

fn cpu_model(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim())
}

fn known(name: &str) -> String {
    (if name.is_empty() { "unknown" } else { name }).to_owned()
}
