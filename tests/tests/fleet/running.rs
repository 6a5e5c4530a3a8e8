//! A run of `tabpool run` whose jobs are written one by one, and what its output and its history say.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rusqlite::{Connection, OpenFlags};
use rustix::process::Pid;
use serde_json::{Value, json};
use tabpool_tests::agent;
use tabpool_tests::poll::eventually;
use tabpool_tests::process::{Group, Process};

/// Browsers start and run something, or are given up and started again, on a busy machine with two cores.
pub(crate) const LIMIT: Duration = Duration::from_secs(300);

/// Files and what they are, as magika itself says.
pub(crate) struct Files {
    folder: tempfile::TempDir,
    expected: Vec<Value>,
}

impl Files {
    pub(crate) fn write() -> Result<Self> {
        let golden: Value = serde_json::from_str(include_str!("../../goldens/identify-file.json"))?;
        let expected = golden["files"].as_array().context("the golden has files")?.clone();
        let folder = tempfile::tempdir()?;
        for (index, file) in expected.iter().enumerate() {
            std::fs::write(
                folder.path().join(index.to_string()),
                file["content"].as_str().unwrap_or_default(),
            )?;
        }
        Ok(Self { folder, expected })
    }

    /// The job with this number.
    pub(crate) fn line(&self, index: usize) -> String {
        let file = self.folder.path().join((index % self.expected.len()).to_string());
        format!("{}\n", json!({ "bytes": file }))
    }

    pub(crate) fn check(&self, index: usize, line: &Value) -> Result<()> {
        let expected = &self.expected[index % self.expected.len()];
        let result = &line["result"];
        ensure!(line["ok"] == true && result["label"] == expected["label"], "{line} against {expected}");
        let difference =
            result["score"].as_f64().context("a score")? - expected["score"].as_f64().context("a score")?;
        ensure!(difference.abs() < 1e-3, "{line} against {expected}");
        Ok(())
    }
}

/// What is run, and what comes out.
pub(crate) enum Jobs {
    /// The pipeline `identify-file`, on files whose kinds are known.
    Files(Files),
    /// The model `magika`, on tensors: jobs of a few kinds, and each kind gives the same numbers always.
    Tensors,
}

/// Kinds of [`Jobs::Tensors`].
const N_KINDS: usize = 4;

/// Elements of a job of [`Jobs::Tensors`].
const N_BYTES: usize = 2048;

impl Jobs {
    /// As `run` knows it.
    fn name(&self) -> &'static str {
        match self {
            Self::Files(_) => "identify-file",
            Self::Tensors => "magika",
        }
    }

    /// The job with this number.
    fn line(&self, index: usize) -> String {
        match self {
            Self::Files(files) => files.line(index),
            Self::Tensors => {
                let factor = 3 + 2 * (index % N_KINDS);
                let data: Vec<usize> = (0..N_BYTES).map(|byte| byte * factor % 256).collect();
                format!("{}\n", json!({ "bytes": { "dtype": "int32", "dims": [1, N_BYTES], "data": data } }))
            }
        }
    }

    /// Whether every line is what its job gives.
    fn check(&self, lines: &BTreeMap<u64, Value>) -> Result<()> {
        for (&index, line) in lines {
            match self {
                Self::Files(files) => files.check(usize::try_from(index)?, line)?,
                Self::Tensors => {
                    let first = &lines[&(index % N_KINDS as u64)];
                    let (numbers, expected) = (label(line)?, label(first)?);
                    let differs = |(a, b): (&f64, &f64)| (a - b).abs() > 1e-3;
                    let is_same = numbers.len() == 214 && !numbers.iter().zip(&expected).any(differs);
                    ensure!(line["ok"] == true && is_same, "{line} against {first}");
                }
            }
        }
        Ok(())
    }
}

/// The output of a job of [`Jobs::Tensors`].
fn label(line: &Value) -> Result<Vec<f64>> {
    let data = line["outputs"]["target_label"]["data"].as_array().with_context(|| line.to_string())?;
    data.iter().map(|number| number.as_f64().context("a number")).collect()
}

/// A run whose input comes bit by bit.
pub(crate) struct Fleet {
    jobs: Jobs,
    group: Group,
    stdin: Option<ChildStdin>,
    n_sent: usize,
    folder: tempfile::TempDir,
}

impl Fleet {
    /// Runs files in two browsers: Chromium is connection 0, Firefox is 1, and both are ready.
    pub(crate) fn start() -> Result<Self> {
        let fleet = Self::begin(Jobs::Files(Files::write()?), &["--browser", "chromium,firefox"])?;
        fleet.wait_until_ready(0, 1)?;
        fleet.wait_until_ready(1, 1)?;
        Ok(fleet)
    }

    /// Runs jobs with these arguments; no browser need be ready yet.
    pub(crate) fn begin(jobs: Jobs, arguments: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = |name: &str| std::fs::File::create(folder.path().join(name));
        let mut command = Command::new(agent::binary()?);
        command.args(["run", jobs.name(), "--json", "--output"]).arg(folder.path().join("output"));
        command.arg("--db").arg(folder.path().join("history.sqlite")).args(arguments);
        command.stdin(Stdio::piped()).stdout(file("stdout")?).stderr(file("stderr")?);
        let mut group = Group::start(&mut command)?;
        let stdin = group.child().stdin.take();
        Ok(Self { jobs, group, stdin, n_sent: 0, folder })
    }

    pub(crate) fn send(&mut self, n_jobs: usize) -> Result<()> {
        let stdin = self.stdin.as_mut().context("the input is open")?;
        for _ in 0..n_jobs {
            stdin.write_all(self.jobs.line(self.n_sent).as_bytes())?;
            self.n_sent += 1;
        }
        Ok(())
    }

    /// Waits until every job that was sent has its line, and checks that it is the right one.
    pub(crate) fn check_results(&self) -> Result<()> {
        eventually("a line for every job", LIMIT, || {
            let n_lines = read_lines(&self.path("output"))?.len();
            ensure!(n_lines == self.n_sent, "{n_lines} of {}: {}", self.n_sent, self.text("stderr"));
            Ok(())
        })?;
        let lines = read_lines(&self.path("output"))?;
        ensure!(lines.keys().copied().eq(0..self.n_sent as u64), "{:?}", lines.keys());
        self.jobs.check(&lines)
    }

    /// Ends the input; gives the exit code and the document of the run.
    pub(crate) fn end(&mut self) -> Result<(Option<i32>, Value)> {
        drop(self.stdin.take());
        let status = self.group.wait(LIMIT).with_context(|| self.text("stderr"))?;
        let document = serde_json::from_str(&self.text("stdout")).with_context(|| self.text("stderr"))?;
        Ok((status.code(), document))
    }

    /// Ends the input of a run in which every job has its result, and gives its document; the history has a row for every
    /// try, in a session that ended.
    pub(crate) fn finish(mut self) -> Result<Value> {
        let (code, document) = self.end()?;
        ensure!(code == Some(0), "{document}: {}", self.text("stderr"));
        self.check_results()?;
        let rows =
            "FROM run JOIN session ON session.id = run.session WHERE ending IS NOT NULL AND NOT is_warmup";
        let n_ok = self.count(&format!("{rows} AND fault_category IS NULL AND run_micros > 0"))?;
        ensure!(usize::try_from(n_ok)? == self.n_sent, "{n_ok} rows for {} jobs", self.n_sent);
        Ok(document)
    }

    pub(crate) fn count(&self, from: &str) -> Result<i64> {
        // A database that the agent has not made yet must not come to be here.
        let read_only = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let connection = Connection::open_with_flags(self.path("history.sqlite"), read_only)?;
        Ok(connection.query_row(&format!("SELECT count(*) {from}"), [], |row| row.get(0))?)
    }

    /// Events of the history that `condition` describes.
    pub(crate) fn n_events(&self, condition: &str) -> Result<i64> {
        self.count(&format!("FROM event WHERE source = 'fleet' AND {condition}"))
    }

    /// Waits until the history has `n` events that `condition` describes.
    pub(crate) fn wait_for_events(&self, n: i64, condition: &str) -> Result<()> {
        eventually(condition, LIMIT, || {
            let found = self.n_events(condition)?;
            ensure!(found >= n, "{found} of {n}: {}", self.text("stderr"));
            Ok(())
        })
    }

    pub(crate) fn wait_until_ready(&self, connection: u32, n_times: i64) -> Result<()> {
        let ready = "kind = 'connection' AND json_extract(detail, '$.to') = 'ready'";
        self.wait_for_events(n_times, &format!("{ready} AND connection = {connection}"))
    }

    /// The process that leads the group of the browser whose program has this name.
    pub(crate) fn browser(&self, program: &str) -> Result<Pid> {
        let family = self.group.descendants()?;
        let is_browser = |process: &&Process| process.name.starts_with(program);
        let is_leader = |process: &&Process| {
            !family.iter().any(|other| other.pid == process.parent && other.name.starts_with(program))
        };
        let leader = family.iter().filter(is_browser).find(is_leader);
        let leader = leader.with_context(|| format!("no {program} among {family:?}"))?;
        Pid::from_raw(i32::try_from(leader.pid)?).context("a process has an id")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }
}

/// Lines by their index; a second line of one job is an error.
pub(crate) fn read_lines(path: &Path) -> Result<BTreeMap<u64, Value>> {
    let text = std::fs::read_to_string(path)?;
    let mut lines = BTreeMap::new();
    for line in text.lines() {
        let value: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        let index = value["index"].as_u64().context("a line has an index")?;
        ensure!(lines.insert(index, value).is_none(), "job {index} has two lines");
    }
    Ok(lines)
}
