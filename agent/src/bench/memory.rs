//! Memory of a browser: what all its processes hold, at rest and at most.

use std::collections::BTreeMap;
use std::time::Duration;

/// How often the memory is looked at while an engine starts.
pub(crate) const SAMPLE_INTERVAL: Duration = Duration::from_millis(20);

/// Watches the memory of a program and of everything it started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watch {
    root: u32,
    rest_bytes: u64,
    peak_bytes: u64,
}

impl Watch {
    /// Starts from what the processes hold now; `None` where the system does not tell.
    pub(crate) fn start(root: u32) -> Option<Self> {
        let rest_bytes = resident_bytes(root)?;
        Some(Self { root, rest_bytes, peak_bytes: rest_bytes })
    }

    /// Looks again.
    pub(crate) fn sample(&mut self) {
        self.peak_bytes = self.peak_bytes.max(resident_bytes(self.root).unwrap_or_default());
    }

    /// The most that was seen above the start, bytes.
    pub(crate) fn peak_over_rest_bytes(&self) -> u64 {
        self.peak_bytes - self.rest_bytes
    }
}

/// Memory of `root` and its descendants, bytes. Pages that they share count once; those shared with other programs by
/// their part. `None` where the system does not tell.
pub(crate) fn proportional_bytes(root: u32) -> Option<u64> {
    let own = |(id, resident_bytes): (u32, u64)| {
        let rollup = std::fs::read_to_string(format!("/proc/{id}/smaps_rollup"));
        // A process may refuse to be looked at so closely.
        rollup.map_or(resident_bytes, |rollup| 1024 * number(&rollup, "Pss"))
    };
    Some(family(root)?.into_iter().map(own).sum())
}

/// Resident memory of `root` and its descendants, bytes. Pages that processes share count once for each, at rest as at the
/// peak.
fn resident_bytes(root: u32) -> Option<u64> {
    Some(family(root)?.into_iter().map(|(_, bytes)| bytes).sum())
}

/// `root` and its descendants, with their resident bytes.
fn family(root: u32) -> Option<Vec<(u32, u64)>> {
    let mut processes: BTreeMap<u32, (u32, u64)> = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").ok()?.flatten() {
        // A process may end between the listing and the reading.
        if let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok())
            && let Ok(status) = std::fs::read_to_string(entry.path().join("status"))
        {
            processes.insert(id, parse(&status));
        }
    }
    let is_descendant = |mut id: u32| {
        // Chains of parents are short; the bound is against a process number that came back.
        (0..64).any(|_| {
            let is_root = id == root;
            id = processes.get(&id).map_or(0, |&(parent, _)| parent);
            is_root
        })
    };
    Some(
        processes
            .iter()
            .filter(|&(&id, _)| is_descendant(id))
            .map(|(&id, &(_, bytes))| (id, bytes))
            .collect(),
    )
}

/// Parent and resident bytes of a process from its `/proc/<id>/status`.
fn parse(status: &str) -> (u32, u64) {
    (u32::try_from(number(status, "PPid")).unwrap_or_default(), 1024 * number(status, "VmRSS"))
}

/// The number in the line that starts with `name`; 0 without one.
fn number(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
