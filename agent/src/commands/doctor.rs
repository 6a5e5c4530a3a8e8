//! `tabpool doctor`: which browsers, drivers, adapters and backends work on this machine.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use wire::{Adapter, Backend, BenchEvent, Browser, Capabilities, Fault};

use crate::browser::{Found, KINDS, Kind, Launcher, find_program};
use crate::cli::DoctorArgs;
use crate::commands::{find_built_www, interrupt, open_store};
use crate::exit::{Exit, Failure, verdict};
use crate::host::now_unix_micros;
use crate::output::table::{Column, Tone};
use crate::output::{Printer, Table};
use crate::server::session::{Errand, Report};
use crate::server::{self, App};
use crate::store::{Ending, Store};
use crate::zoo::Cache;

/// Programs beside browsers: name, what needs it, how to get it.
const TOOLS: [(&str, &str, &str); 7] = [
    ("Xvfb", "webkit without a screen", "Debian: apt-get install xvfb"),
    ("python3", "fetching models", "Debian: apt-get install python3-pip"),
    ("npm", "bench --peer ort-web", "Debian: apt-get install npm"),
    ("curl", "model add URL", "Debian: apt-get install curl"),
    ("chromedriver", "make test", "Debian: apt-get install chromium-driver"),
    ("geckodriver", "make test", "`make test` builds it"),
    ("WebKitWebDriver", "make test", "Debian: apt-get install webkit2gtk-driver"),
];

/// The document of `doctor --json`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: u32,
    browsers: &'a [Diagnosis],
    tools: Vec<ToolLine>,
}

#[derive(Debug, Serialize)]
struct ToolLine {
    name: &'static str,
    needed_by: &'static str,
    path: Option<String>,
}

/// What was found out about one browser.
#[derive(Debug, Serialize)]
struct Diagnosis {
    name: &'static str,
    program: Option<String>,
    version: Option<String>,
    capabilities: Option<Capabilities>,
    /// Why it does not work: lower-case, no final period.
    problem: Option<String>,
    hint: Option<String>,
}

impl Diagnosis {
    fn works(&self) -> bool {
        self.capabilities.as_ref().is_some_and(|capabilities| !capabilities.backends.is_empty())
    }

    /// Interfaces that the browser lacks, and why in its words.
    fn absences(&self) -> Vec<(&'static str, &str)> {
        let Some(capabilities) = &self.capabilities else { return Vec::new() };
        let webgpu = capabilities.webgpu_reason.as_deref().filter(|_| capabilities.adapter.is_none());
        let webnn = capabilities.webnn_reason.as_deref().filter(|_| capabilities.webnn_devices.is_empty());
        let named = [("WebGPU", webgpu), ("WebNN", webnn)];
        named.into_iter().filter_map(|(what, reason)| Some((what, reason?))).collect()
    }
}

/// Launches every browser once and prints what it can do.
pub(crate) async fn run(args: &DoctorArgs, printer: &Printer) -> anyhow::Result<Exit> {
    let cache = Cache::of_user()?;
    let www = find_built_www(&args.www)?;
    // A machine whose history is broken wants to hear of its browsers all the same.
    let store = open_store(&args.db).or_else(|error| {
        printer.warning(&format!("{error:#}"));
        Store::in_memory()
    })?;
    let app = Arc::new(App {
        store,
        cache: cache.clone(),
        www,
        peers: Vec::new(),
        builds: None,
        sessions: Default::default(),
    });
    let address = server::start(&app).await?;
    let launcher = Launcher::new()?;
    let mut examination = Examination {
        app: &app,
        address,
        launcher: &launcher,
        timeout: Duration::from_secs(args.timeout),
        interrupt: interrupt(),
    };
    let bar = printer.bar(KINDS.len() as u64);
    bar.set_prefix("doctor");
    let mut diagnoses = Vec::new();
    for kind in &KINDS {
        bar.set_message(kind.name);
        diagnoses.push(match kind.find(&cache) {
            Some(found) => examination.examine(&found).await?,
            None => missing(kind),
        });
        bar.inc(1);
    }
    bar.finish_and_clear();
    launcher.close().await;

    let tools: Vec<ToolLine> = TOOLS
        .iter()
        .map(|&(name, needed_by, _)| ToolLine { name, needed_by, path: find_tool(name, &cache) })
        .collect();
    if printer.wants_json() {
        printer.document(&Document { schema: wire::SCHEMA, browsers: &diagnoses, tools })?;
    } else {
        printer.result(&tables(&diagnoses, &tools, printer));
        explain(&diagnoses, &tools, printer);
    }
    if diagnoses.iter().any(Diagnosis::works) {
        return Ok(Exit::Done);
    }
    Err(Failure::environment("no browser works on this machine")
        .hint("install one of them, see above")
        .into())
}

struct Examination<'a> {
    app: &'a App,
    address: SocketAddr,
    launcher: &'a Launcher,
    timeout: Duration,
    interrupt: watch::Receiver<bool>,
}

impl Examination<'_> {
    async fn examine(&mut self, found: &Found) -> anyhow::Result<Diagnosis> {
        let version = self.launcher.version(found).await;
        let mut diagnosis = Diagnosis {
            name: found.kind.name,
            program: Some(found.program.display().to_string()),
            version: version.as_ref().ok().cloned(),
            capabilities: None,
            problem: None,
            hint: None,
        };
        let store = &self.app.store;
        let started = now_unix_micros();
        let session = format!("doctor-{started}-{}", found.kind.name);
        let browser = Browser {
            name: found.kind.name.to_owned(),
            version: diagnosis.version.clone().unwrap_or_default(),
            ..Browser::default()
        };
        store.begin_launch(&session, None, "doctor", &browser, started)?;
        let mut ending = Ending::ConnectionLost;
        let mut reports = self.app.sessions.open(&session, Errand::Doctor);
        let url = format!("http://{}/doctor.html?session={session}", self.address);
        match self.launcher.open(found, &url).await {
            Ok(mut running) => {
                let answer = answer(&mut reports);
                tokio::select! {
                    biased;
                    result = timeout(self.timeout, answer) => match result {
                        Ok(Ok(capabilities)) => {
                            store.note_ready(&session, now_unix_micros(), Some(&capabilities))?;
                            ending = Ending::Finished;
                            diagnosis.capabilities = Some(capabilities);
                        }
                        Ok(Err(fault)) => {
                            ending = Ending::Aborted;
                            diagnosis.problem = Some(format!("{fault} ({})", fault.code));
                            diagnosis.hint = fault.hint;
                        }
                        Err(_) => {
                            ending = Ending::Timeout;
                            let seconds = self.timeout.as_secs();
                            diagnosis.problem = Some(format!("its page did not answer within {seconds} s"));
                            diagnosis.hint =
                                Some("open doctor.html of `tabpool serve` in it and see what the page says".to_owned());
                        }
                    },
                    _ = running.ended() => {
                        diagnosis.problem = Some(format!("it ended by itself: {}", running.last_words()));
                    }
                    _ = self.interrupt.wait_for(|stopped| *stopped) => {
                        running.stop().await;
                        store.end_session(&session, Ending::Interrupted, 0, now_unix_micros())?;
                        return Err(Failure::environment("interrupted").into());
                    }
                }
                running.stop().await;
            }
            Err(error) => {
                diagnosis.problem = Some(format!("{error:#}"));
                diagnosis.hint = verdict(&error).1.map(str::to_owned);
            }
        }
        self.app.sessions.close(&session);
        store.end_session(&session, ending, 0, now_unix_micros())?;
        Ok(diagnosis)
    }
}

/// What the page says at last: its capabilities, or why it has none.
async fn answer(reports: &mut mpsc::UnboundedReceiver<Report>) -> Result<Capabilities, Fault> {
    loop {
        match reports.recv().await {
            Some(Report::Capabilities(capabilities)) => return Ok(*capabilities),
            Some(Report::Event(BenchEvent::Aborted { fault })) => return Err(fault),
            Some(
                Report::Sign
                | Report::CaseBegun(_)
                | Report::Output { .. }
                | Report::Event(_)
                | Report::Fleet(..),
            ) => {}
            None => std::future::pending().await,
        }
    }
}

fn missing(kind: &Kind) -> Diagnosis {
    Diagnosis {
        name: kind.name,
        program: None,
        version: None,
        capabilities: None,
        problem: Some("not installed".to_owned()),
        hint: Some(kind.hint.to_owned()),
    }
}

fn find_tool(name: &str, cache: &Cache) -> Option<String> {
    let own = cache.tools().join(name);
    let path = find_program(name).or_else(|| own.is_file().then_some(own))?;
    Some(path.display().to_string())
}

fn tables(diagnoses: &[Diagnosis], tools: &[ToolLine], printer: &Printer) -> String {
    let mut browsers = Table::new(
        printer,
        &[
            Column::left("browser"),
            Column::left("version").optional(1),
            Column::left("state"),
            Column::left("runs models on"),
            Column::left("WebGPU adapter").optional(2),
            Column::left("WebNN").optional(3),
            Column::left("shared memory").optional(4),
        ],
    );
    for diagnosis in diagnoses {
        let state = match &diagnosis.problem {
            None if diagnosis.works() => ("works".to_owned(), Tone::Good),
            None => ("no backend".to_owned(), Tone::Bad),
            Some(_) if diagnosis.program.is_none() => ("not installed".to_owned(), Tone::Faint),
            Some(_) => ("does not work".to_owned(), Tone::Bad),
        };
        let capabilities = diagnosis.capabilities.as_ref();
        let say =
            |say: fn(&Capabilities) -> String| (capabilities.map_or_else(String::new, say), Tone::Plain);
        browsers.row([
            (diagnosis.name.to_owned(), Tone::Plain),
            (diagnosis.version.clone().unwrap_or_default(), Tone::Plain),
            state,
            say(backends),
            say(adapter),
            say(webnn),
            say(|capabilities| yes_no(capabilities.cross_origin_isolated)),
        ]);
    }
    let mut programs = Table::new(
        printer,
        &[Column::left("program"), Column::left("needed by").optional(1), Column::left("path")],
    );
    for tool in tools {
        let path = tool.path.clone().map_or(("not found".to_owned(), Tone::Bad), |path| (path, Tone::Faint));
        programs.row([(tool.name.to_owned(), Tone::Plain), (tool.needed_by.to_owned(), Tone::Plain), path]);
    }
    format!("{}\n\n{}", browsers.render(), programs.render())
}

fn explain(diagnoses: &[Diagnosis], tools: &[ToolLine], printer: &Printer) {
    for diagnosis in diagnoses {
        if let Some(problem) = diagnosis.problem.as_ref().filter(|_| diagnosis.program.is_some()) {
            printer.warning(&format!("{}: {problem}", diagnosis.name));
        }
        for (what, reason) in diagnosis.absences() {
            printer.note(&format!("{}: no {what}: {reason}", diagnosis.name));
        }
        for note in diagnosis.capabilities.iter().flat_map(|capabilities| &capabilities.webnn_notes) {
            printer.note(&format!("{}: WebNN {note}", diagnosis.name));
        }
        if let Some(hint) = &diagnosis.hint {
            printer.hint(&format!("{}: {hint}", diagnosis.name));
        }
    }
    for (name, _, hint) in TOOLS {
        if tools.iter().any(|tool| tool.name == name && tool.path.is_none()) {
            printer.hint(&format!("{name}: {hint}"));
        }
    }
}

fn backends(capabilities: &Capabilities) -> String {
    let name = |backend: &Backend| match backend {
        Backend::Wasm => format!("wasm ({})", capabilities.wasm_build),
        Backend::Webgpu | Backend::Webnn | Backend::WebnnGpu | Backend::WebnnNpu => {
            backend.as_str().to_owned()
        }
    };
    capabilities.backends.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn adapter(capabilities: &Capabilities) -> String {
    let Some(Adapter { vendor, architecture, description, is_fallback }) = &capabilities.adapter else {
        return "none".to_owned();
    };
    let words = [vendor, architecture, description].map(String::as_str);
    let name = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let name = if name.is_empty() { "unnamed" } else { &name };
    let kind = if *is_fallback { "software" } else { "hardware" };
    format!("{name} ({kind})")
}

fn webnn(capabilities: &Capabilities) -> String {
    if capabilities.webnn_devices.is_empty() {
        "none".to_owned()
    } else {
        capabilities.webnn_devices.join(", ")
    }
}

fn yes_no(yes: bool) -> String {
    (if yes { "yes" } else { "no" }).to_owned()
}

#[cfg(test)]
mod tests;
