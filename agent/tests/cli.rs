//! The program from outside: exit codes, what goes to which stream, and the documents of `--json`.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// `y = Relu(x)` with `x` float32 [2, n], opset 17, as the ONNX format encodes it.
const RELU: &[u8] = b"\x08\x08\x12\x07tabpool:=\n\x0c\n\x01x\x12\x01y\"\x04Relu\x12\x01gZ\x14\n\x01x\x12\x0f\n\r\
    \x08\x01\x12\t\n\x02\x08\x02\n\x03\x12\x01nb\x14\n\x01y\x12\x0f\n\r\x08\x01\x12\t\n\x02\x08\x02\n\x03\x12\x01n\
    B\x04\n\x00\x10\x11";

/// A user with an empty home.
struct World {
    folder: tempfile::TempDir,
}

struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl World {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> String {
        fs::write(self.path(name), bytes).expect("a file");
        self.path(name).display().to_string()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tabpool"));
        command.args(arguments).stdin(Stdio::null());
        command.env_remove("TABPOOL_WWW").env_remove("TABPOOL_CHROMIUM_WEBNN");
        for variable in ["HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"] {
            command.env(variable, self.path(variable));
        }
        command
    }

    fn run(&self, arguments: &[&str]) -> Said {
        let output = self.command(arguments).output().expect("tabpool starts");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Said { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The one document on standard output, with this world's folder replaced.
    fn document(&self, arguments: &[&str]) -> Value {
        let said = self.run(arguments);
        assert_eq!((said.code, said.stdout.lines().count()), (Some(0), 1), "{}", said.stderr);
        let folder = self.folder.path().display().to_string();
        serde_json::from_str(&said.stdout.replace(&folder, "[folder]")).expect("JSON")
    }
}

/// The command ends with this code, says `expected` on standard error, and nothing on standard output.
#[track_caller]
fn check(world: &World, arguments: &[&str], code: i32, expected: &str) {
    let said = world.run(arguments);
    assert_eq!(said.code, Some(code), "{}", said.stderr);
    assert!(said.stderr.contains(expected), "{:?} lacks {expected:?}", said.stderr);
    assert_eq!(said.stdout, "");
}

#[test]
fn usage_errors_end_with_2() {
    let world = World::new();
    check(&world, &["frobnicate"], 2, "unrecognized subcommand");
    check(&world, &["model", "inspect", "nothing"], 2, "hint: `tabpool model list` shows the names");
    check(&world, &["model", "fetch", "nothing"], 2, "there is no model or pipeline \"nothing\"");
    check(&world, &["bench", "--browser", "netscape"], 2, "hint: the names are chromium, ");
    check(&world, &["bench", "--model", "nothing"], 2, "there is no model \"nothing\"");
    check(&world, &["model", "plan", "nothing"], 2, "hint: `tabpool model list` shows the names");
    check(&world, &["model", "plan", "nothing", "--shape", "n"], 2, "it is not NAME=LENGTH");
    let relu = world.file("relu.onnx", RELU);
    check(&world, &["model", "plan", &relu], 2, "hint: give each of them: --shape n=1");
    check(&world, &["model", "add", &relu, "--id", "a/b"], 2, "cannot be a name");
    check(&world, &["model", "add", &relu, "--id", "magika"], 2, "the name of a built-in model");
}

#[test]
fn environment_errors_end_with_3() {
    let world = World::new();
    check(&world, &["model", "inspect", "magika"], 3, "hint: fetch it with `tabpool model fetch magika`");
    check(&world, &["bench", "--browser", "chromium-webnn"], 3, "chromium-webnn is not on this machine");
    check(&world, &["serve", "--www", "/nonexistent"], 3, "hint: name the folder of the pages with --www");
    let text =
        world.file("text", b"not a database, but long enough to be taken for one by its size at least ");
    check(&world, &["history", "--db", &text], 3, "cannot open the history");
    check(&world, &["history", "--db", "/nonexistent/x.sqlite"], 3, "there is no history");
    check(&world, &["model", "add", "http://127.0.0.1:1/x.onnx"], 3, "cannot download");
    check(&world, &["model", "add", &text], 3, "not an onnx file");
    let truncated = world.file("truncated.onnx", &RELU[..60]);
    check(&world, &["model", "add", &truncated], 3, "truncated");
    assert!(!world.path("XDG_CACHE_HOME/tabpool/models").exists());
}

#[test]
fn a_package_client_that_is_missing_is_said() {
    let world = World::new();
    let output = world.command(&["model", "fetch", "magika"]).env("PATH", "/nonexistent").output();
    let output = output.expect("tabpool starts");
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(said.contains("cannot run python3") && said.contains("hint: install Python 3"), "{said}");
}

#[test]
fn an_added_model_is_listed_inspected_and_replaced() {
    let world = World::new();
    let relu = world.file("Relu v2.onnx", RELU);
    let inspected = world.document(&["model", "add", &relu, "--json"]);
    insta::assert_snapshot!("inspect", serde_json::to_string_pretty(&inspected).expect("JSON"));
    assert_eq!(inspected, world.document(&["model", "inspect", "relu-v2", "--json"]));
    let plan = world.document(&["model", "plan", "relu-v2", "--shape", "n=3", "--json"]);
    insta::assert_snapshot!("plan", serde_json::to_string_pretty(&plan).expect("JSON"));
    world.document(&["model", "add", &relu, "--id", "relu-v2", "--json"]);
    let listed = world.document(&["model", "list", "--json"]);
    let added = |list: &str| {
        let list = listed[list].as_array().expect("a list");
        list.iter().filter(|file| file["id"] == "relu-v2").cloned().collect::<Vec<_>>()
    };
    let both = json!({ "files": added("files"), "models": added("models") });
    insta::assert_snapshot!("list", serde_json::to_string_pretty(&both).expect("JSON"));
}

#[test]
fn an_added_model_is_measured_in_shapes_that_its_file_or_the_caller_says() {
    let world = World::new();
    world.run(&["model", "add", &world.file("relu.onnx", RELU)]);
    let bench = |arguments: &[&str], code, expected| {
        let all: Vec<&str> = ["bench", "--model", "relu"].iter().chain(arguments).copied().collect();
        check(&world, &all, code, expected);
    };
    bench(&[], 2, "relu does not say how long n is\nhint: say it, e.g. --dim n=16");
    bench(&["--dim", "n=0"], 2, "whole number from 1 on");
    bench(&["--dim", "n=3", "--dim", "m=3"], 2, "has a dimension \"m\"");
    // Everything about the model is known; only the browser is missing.
    bench(&["--dim", "n=3", "--browser", "chromium-webnn"], 3, "chromium-webnn is not on this machine");
}

#[test]
fn damaged_and_unreadable_files_say_what_to_do() {
    let world = World::new();
    let relu = world.file("relu.onnx", RELU);
    let added = world.document(&["model", "add", &relu, "--json"]);
    let file = format!("XDG_CACHE_HOME/tabpool/models/{}", added["sha256"].as_str().expect("a hash"));
    world.file(&file, &vec![0; RELU.len()]);
    check(&world, &["model", "fetch", "relu"], 3, "hint: add it again: `tabpool model add ");
}

#[test]
fn an_empty_history_is_a_result() {
    let world = World::new();
    check(&world, &["history"], 0, "hint: measure some with `tabpool bench`");
    let document = world.document(&["history", "--since", "30d", "--json"]);
    assert_eq!(document, json!({ "schema": 1, "groups": [], "runs": [] }));
}

struct Server {
    child: Child,
    ready: Value,
}

impl Server {
    fn start(world: &World) -> Self {
        fs::create_dir_all(world.path("www/pkg")).expect("a folder");
        for name in ["www/index.html", "www/pkg/tabpool.js"] {
            world.file(name, b"x");
        }
        let www = world.path("www").display().to_string();
        let mut command = world.command(&["serve", "--json", "--port", "0", "--www", &www]);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("tabpool starts");
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut line).expect("stdout is readable");
        Self { child, ready: serde_json::from_str(&line).expect("JSON") }
    }

    fn ask(&self, request: &str) -> String {
        let address = self.ready["url"].as_str().and_then(|url| url.split('/').nth(2)).expect("an address");
        let mut stream = TcpStream::connect(address).expect("the server listens");
        write!(stream, "{request} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")
            .expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }
}

#[test]
fn a_server_says_where_it_is_and_stops_when_asked() {
    let world = World::new();
    for signal in [Signal::INT, Signal::TERM] {
        let mut server = Server::start(&world);
        assert!(server.ready["history"].as_str().expect("text").ends_with("tabpool/history.sqlite"));
        let answer = server.ask("GET /v1/health");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        kill_process(Pid::from_child(&server.child), signal).expect("the server can be stopped");
        assert_eq!(server.child.wait().expect("the server ends").code(), Some(0));
    }
}

#[test]
fn a_second_server_on_the_same_port_is_refused_with_a_hint() {
    let world = World::new();
    let mut server = Server::start(&world);
    let url = server.ready["url"].as_str().expect("text");
    let port = url.trim_end_matches('/').rsplit(':').next().expect("a port");
    let www = world.path("www").display().to_string();
    check(&world, &["serve", "--port", port, "--www", &www], 3, "hint: another server has this port");
    server.child.kill().expect("the server can be killed");
    server.child.wait().expect("the server ends");
}
