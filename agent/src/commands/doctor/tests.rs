//! The document and the tables of a machine with one browser of each kind.

use super::*;

fn diagnoses() -> Vec<Diagnosis> {
    let adapter = Adapter {
        vendor: "google".to_owned(),
        architecture: "swiftshader".to_owned(),
        description: String::new(),
        is_fallback: true,
    };
    let capabilities = Capabilities {
        wasm_build: "relaxed-simd".to_owned(),
        backends: vec![Backend::Wasm, Backend::Webgpu],
        adapter: Some(adapter),
        webgpu_reason: None,
        webnn_devices: vec!["cpu".to_owned(), "npu".to_owned()],
        webnn_reason: None,
        webnn_notes: Vec::new(),
        cross_origin_isolated: true,
    };
    let unable = Capabilities {
        backends: Vec::new(),
        adapter: None,
        webnn_devices: Vec::new(),
        ..capabilities.clone()
    };
    let found = |kind: &Kind, capabilities: Option<Capabilities>, problem: Option<&str>| Diagnosis {
        program: Some(format!("/usr/bin/{}", kind.name)),
        version: Some("1.2.3".to_owned()),
        capabilities,
        problem: problem.map(str::to_owned),
        hint: None,
        ..missing(kind)
    };
    vec![
        found(&KINDS[0], Some(capabilities), None),
        found(&KINDS[1], Some(unable), None),
        found(&KINDS[2], None, Some("it ended by itself: no display")),
        missing(&KINDS[3]),
    ]
}

fn tools() -> Vec<ToolLine> {
    let [(first, for_first, _), (second, for_second, _), ..] = TOOLS;
    vec![
        ToolLine { name: first, needed_by: for_first, path: Some("/usr/bin/first".to_owned()) },
        ToolLine { name: second, needed_by: for_second, path: None },
    ]
}

#[test]
fn only_a_browser_with_a_backend_works() {
    let works: Vec<bool> = diagnoses().iter().map(Diagnosis::works).collect();
    assert_eq!(works, [true, false, false, false]);
}

#[test]
fn what_is_absent_says_why() {
    let mut diagnosis = diagnoses().remove(1);
    assert_eq!(diagnosis.absences(), []);
    let capabilities = diagnosis.capabilities.as_mut().unwrap();
    capabilities.webgpu_reason = Some("no adapter".to_owned());
    capabilities.webnn_reason = Some("not built in".to_owned());
    assert_eq!(diagnosis.absences(), [("WebGPU", "no adapter"), ("WebNN", "not built in")]);
}

#[test]
fn a_program_that_only_the_tests_need_is_not_promised_by_the_set_up() {
    for (name, needed_by, hint) in TOOLS {
        assert!(needed_by != "make test" || !hint.contains("make setup"), "{name}: {hint}");
    }
}

#[test]
fn json() {
    insta::assert_json_snapshot!(Document { schema: wire::SCHEMA, browsers: &diagnoses(), tools: tools() });
}

#[test]
fn browsers_and_programs() {
    insta::assert_snapshot!(tables(&diagnoses(), &tools(), &Printer::plain()));
}

#[tokio::test]
async fn a_page_that_gives_up_says_why() {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let fault = Fault::new(wire::FaultCategory::WorkerCrash, "engine-missing", "no engine");
    sender.send(Report::Sign).unwrap();
    sender.send(Report::Event(BenchEvent::Aborted { fault: fault.clone() })).unwrap();
    assert_eq!(answer(&mut receiver).await, Err(fault));
}
