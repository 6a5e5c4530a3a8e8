//! `tabpool run` with real browsers: right results, each once, whatever becomes of the browsers meanwhile.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rusqlite::{Connection, OpenFlags};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tabpool_tests::agent::{self, Running};
use tabpool_tests::cache;
use tabpool_tests::poll::eventually;
use tabpool_tests::process::{Group, Process};

/// Browsers start and run something, or are given up and started again, on a busy machine with two cores.
const LIMIT: Duration = Duration::from_secs(300);

/// Files and what they are, as magika itself says.
struct Files {
    folder: tempfile::TempDir,
    expected: Vec<Value>,
}

impl Files {
    fn write() -> Result<Self> {
        let golden: Value = serde_json::from_str(include_str!("../goldens/identify-file.json"))?;
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
    fn line(&self, index: usize) -> String {
        let file = self.folder.path().join((index % self.expected.len()).to_string());
        format!("{}\n", json!({ "bytes": file }))
    }

    fn check(&self, index: usize, line: &Value) -> Result<()> {
        let expected = &self.expected[index % self.expected.len()];
        let result = &line["result"];
        ensure!(line["ok"] == true && result["label"] == expected["label"], "{line} against {expected}");
        let difference =
            result["score"].as_f64().context("a score")? - expected["score"].as_f64().context("a score")?;
        ensure!(difference.abs() < 1e-3, "{line} against {expected}");
        Ok(())
    }
}

/// A run whose input comes bit by bit.
struct Fleet {
    files: Files,
    group: Group,
    stdin: Option<ChildStdin>,
    n_sent: usize,
    folder: tempfile::TempDir,
}

impl Fleet {
    /// Chromium is connection 0, Firefox is 1, and both are ready.
    fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = |name: &str| std::fs::File::create(folder.path().join(name));
        let mut command = Command::new(agent::binary()?);
        command.args(["run", "identify-file", "--json", "--browser", "chromium,firefox", "--output"]);
        command.arg(folder.path().join("output")).arg("--db").arg(folder.path().join("history.sqlite"));
        command.stdin(Stdio::piped()).stdout(file("stdout")?).stderr(file("stderr")?);
        let mut group = Group::start(&mut command)?;
        let stdin = group.child().stdin.take();
        let fleet = Self { files: Files::write()?, group, stdin, n_sent: 0, folder };
        fleet.wait_until_ready(0, 1)?;
        fleet.wait_until_ready(1, 1)?;
        Ok(fleet)
    }

    fn send(&mut self, n_jobs: usize) -> Result<()> {
        let stdin = self.stdin.as_mut().context("the input is open")?;
        for _ in 0..n_jobs {
            stdin.write_all(self.files.line(self.n_sent).as_bytes())?;
            self.n_sent += 1;
        }
        Ok(())
    }

    /// Waits until every job that was sent has its line, and checks that it is the right one.
    fn check_results(&self) -> Result<()> {
        eventually("a line for every job", LIMIT, || {
            let n_lines = read_lines(&self.path("output"))?.len();
            ensure!(n_lines == self.n_sent, "{n_lines} of {}: {}", self.n_sent, self.text("stderr"));
            Ok(())
        })?;
        let lines = read_lines(&self.path("output"))?;
        for index in 0..self.n_sent {
            let line = lines.get(&(index as u64)).with_context(|| format!("no line for job {index}"))?;
            self.files.check(index, line)?;
        }
        Ok(())
    }

    /// Ends the input, and gives the document of the run; the history has a row for every try, in a session that ended.
    fn finish(mut self) -> Result<Value> {
        drop(self.stdin.take());
        let status = self.group.wait(LIMIT).with_context(|| self.text("stderr"))?;
        ensure!(status.code() == Some(0), "{status}: {}", self.text("stderr"));
        self.check_results()?;
        let rows =
            "FROM run JOIN session ON session.id = run.session WHERE ending IS NOT NULL AND NOT is_warmup";
        let n_ok = self.count(&format!("{rows} AND fault_category IS NULL AND run_micros > 0"))?;
        ensure!(usize::try_from(n_ok)? == self.n_sent, "{n_ok} rows for {} jobs", self.n_sent);
        serde_json::from_str(&self.text("stdout")).context("the document")
    }

    fn count(&self, from: &str) -> Result<i64> {
        // A database that the agent has not made yet must not come to be here.
        let read_only = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let connection = Connection::open_with_flags(self.path("history.sqlite"), read_only)?;
        Ok(connection.query_row(&format!("SELECT count(*) {from}"), [], |row| row.get(0))?)
    }

    /// Waits until the history has `n` events that `condition` describes.
    fn wait_for_events(&self, n: i64, condition: &str) -> Result<()> {
        eventually(condition, LIMIT, || {
            let found = self.count(&format!("FROM event WHERE source = 'fleet' AND {condition}"))?;
            ensure!(found >= n, "{found} of {n}: {}", self.text("stderr"));
            Ok(())
        })
    }

    fn wait_until_ready(&self, connection: u32, n_times: i64) -> Result<()> {
        let ready = "kind = 'connection' AND json_extract(detail, '$.to') = 'ready'";
        self.wait_for_events(n_times, &format!("{ready} AND connection = {connection}"))
    }

    /// The process that leads the group of the browser whose program has this name.
    fn browser(&self, program: &str) -> Result<Pid> {
        let family = self.group.descendants()?;
        let is_browser = |process: &&Process| process.name.starts_with(program);
        let is_leader = |process: &&Process| {
            !family.iter().any(|other| other.pid == process.parent && other.name.starts_with(program))
        };
        let leader = family.iter().filter(is_browser).find(is_leader);
        let leader = leader.with_context(|| format!("no {program} among {family:?}"))?;
        Pid::from_raw(i32::try_from(leader.pid)?).context("a process has an id")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }
}

/// Lines by their index; a second line of one job is an error.
fn read_lines(path: &Path) -> Result<BTreeMap<u64, Value>> {
    let text = std::fs::read_to_string(path)?;
    let mut lines = BTreeMap::new();
    for line in text.lines() {
        let value: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        let index = value["index"].as_u64().context("a line has an index")?;
        ensure!(lines.insert(index, value).is_none(), "job {index} has two lines");
    }
    Ok(lines)
}

fn n_restarts(document: &Value, browser: &str) -> Option<u64> {
    let browsers = document["browsers"].as_array()?;
    browsers.iter().find(|line| line["browser"] == browser)?["n_restarts"].as_u64()
}

#[test]
fn two_browsers_share_the_jobs_and_every_result_is_right() -> Result<()> {
    let mut fleet = Fleet::start()?;
    fleet.send(40)?;
    let document = fleet.finish()?;
    ensure!(document["n_ok"] == 40 && document["n_failed"] == 0, "{document}");
    let browsers = document["browsers"].as_array().context("browsers")?;
    ensure!(browsers.iter().all(|line| line["n_ok"].as_u64() > Some(0)), "one did nothing: {document}");
    Ok(())
}

#[test]
fn a_killed_browser_costs_no_job_and_comes_back() -> Result<()> {
    let mut fleet = Fleet::start()?;
    fleet.send(12)?;
    fleet.check_results()?;
    fleet.send(12)?;
    kill_process_group(fleet.browser("chromium")?, Signal::KILL)?;
    fleet.send(12)?;
    fleet.check_results()?;
    fleet.wait_until_ready(0, 2)?;
    let recovered =
        "json_extract(detail, '$.strategy') = 'restart_browser' AND json_extract(detail, '$.is_success')";
    fleet.wait_for_events(1, &format!("kind = 'recovered' AND {recovered}"))?;
    fleet.send(12)?;
    let document = fleet.finish()?;
    ensure!(document["n_ok"] == 48 && n_restarts(&document, "chromium") == Some(1), "{document}");
    Ok(())
}

#[test]
fn a_hung_browser_is_noticed_and_replaced() -> Result<()> {
    let mut fleet = Fleet::start()?;
    fleet.send(12)?;
    fleet.check_results()?;
    kill_process_group(fleet.browser("firefox")?, Signal::STOP)?;
    fleet.send(12)?;
    fleet.check_results()?;
    fleet.wait_until_ready(1, 2)?;
    let document = fleet.finish()?;
    ensure!(document["n_ok"] == 24 && n_restarts(&document, "firefox") == Some(1), "{document}");
    Ok(())
}

#[test]
fn bad_inputs_fail_alone_and_say_why() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name);
    std::fs::write(file("speech.wav"), cache::bytes("speech-wav")?)?;
    std::fs::write(file("noise.wav"), "no recording at all")?;
    let good = json!({ "audio": file("speech.wav") }).to_string();
    let poison = json!({ "audio": file("noise.wav") }).to_string();
    let missing = json!({ "audio": file("missing.wav") }).to_string();
    let lines = [&good, &poison, &good, "{\"audio\":", "", &missing, &poison, &good];
    std::fs::write(file("input"), lines.join("\n"))?;
    let [input, output, database] =
        ["input", "output", "history.sqlite"].map(|name| file(name).display().to_string());
    let arguments =
        ["run", "detect-speech", "--browser", "chromium", "-i", &input, "-o", &output, "--db", &database];
    let finished = agent::run(&arguments, LIMIT)?;
    ensure!(finished.code == Some(1), "{finished:?}");
    let lines = read_lines(Path::new(&output))?;
    ensure!(lines.keys().copied().eq([0, 1, 2, 3, 5, 6, 7]), "{lines:?}");
    for (index, code) in
        [(1, "not-a-recording"), (3, "input-json"), (5, "input-file"), (6, "not-a-recording")]
    {
        let line = &lines[&index];
        ensure!(line["ok"] == false && line["fault"]["code"] == code, "{line}");
        ensure!(line["fault"]["category"] == "validation" && line["fault"]["hint"].is_string(), "{line}");
    }
    let segments = &lines[&0]["result"]["segments"];
    ensure!(segments.as_array().is_some_and(|segments| !segments.is_empty()), "{}", lines[&0]);
    ensure!([2, 7].iter().all(|index| &lines[index]["result"]["segments"] == segments), "{lines:?}");
    ensure!(finished.stdout.contains("3 ok, 4 failed"), "{finished:?}");
    Ok(())
}

#[test]
fn ctrl_c_keeps_what_is_done_and_resume_does_the_rest() -> Result<()> {
    let files = Files::write()?;
    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name);
    let n_jobs = 2000;
    std::fs::write(file("input"), (0..n_jobs).map(|index| files.line(index)).collect::<String>())?;
    let [input, output, database] =
        ["input", "output", "history.sqlite"].map(|name| file(name).display().to_string());
    let arguments = [
        "run",
        "identify-file",
        "--json",
        "--browser",
        "chromium",
        "-i",
        &input,
        "-o",
        &output,
        "--db",
        &database,
    ];
    let running = Running::start(&arguments)?;
    eventually("the first results", LIMIT, || {
        ensure!(read_lines(Path::new(&output))?.len() > 10, "none yet");
        Ok(())
    })?;
    running.group.interrupt()?;
    let finished = running.finish(LIMIT)?;
    ensure!(finished.code == Some(3) && finished.stderr.contains("hint: "), "{finished:?}");
    ensure!(finished.json()?["interrupted"] == true, "{finished:?}");
    let lines = read_lines(Path::new(&output))?;
    let n_ok = lines.values().filter(|line| line["ok"] == true).count();
    ensure!(n_ok > 10 && lines.len() < n_jobs, "{n_ok} of {}", lines.len());
    ensure!(
        lines.values().all(|line| line["ok"] == true || line["fault"]["category"] == "cancelled"),
        "{lines:?}"
    );

    let finished = agent::run(&[&arguments[..], &["--resume"]].concat(), LIMIT)?;
    ensure!(finished.code == Some(0), "{finished:?}");
    ensure!(finished.json()?["n_ok"] == n_jobs - n_ok, "{finished:?}");
    let lines = read_lines(Path::new(&output))?;
    ensure!(lines.len() == n_jobs, "{} lines", lines.len());
    lines.iter().try_for_each(|(index, line)| files.check(usize::try_from(*index)?, line))
}

#[test]
fn a_browser_that_is_not_here_is_an_error_with_a_hint() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut command = Command::new(agent::binary()?);
    // No program is found on an empty search path, so no browser is.
    command.args(["run", "identify-file", "--browser", "edge"]).env("PATH", folder.path());
    let finished = Running::start_command(command)?.finish(LIMIT)?;
    ensure!(finished.code == Some(3), "{finished:?}");
    ensure!(finished.stderr.contains("edge is not on this machine") && finished.stderr.contains("hint: "));
    ensure!(finished.stdout.is_empty(), "{finished:?}");
    Ok(())
}
