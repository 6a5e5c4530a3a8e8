//! Every message, read and written here and by serde, must be the same. Runs in a browser: it needs JavaScript objects.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use serde_json::{Value, json};
use wasm_bindgen_test::wasm_bindgen_test;
use wire::{EngineReply, EngineRequest};

use super::*;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

fn tensor(dtype: DType) -> TensorHeader {
    TensorHeader { name: "x".to_owned(), dtype, dims: vec![1, 0, u32::MAX] }
}

fn phases() -> Phases {
    Phases { verify_micros: Some(3), load_micros: Some(0), ..Phases::default() }
}

#[track_caller]
fn check_request(request: &Request<'_>, expected: wire::Request) {
    let header: Value = serde_json::from_str(&request_header(7, request)).unwrap();
    assert_eq!(header, serde_json::to_value(EngineRequest { id: 7, request: expected }).unwrap());
}

#[wasm_bindgen_test]
fn requests_are_what_serde_writes() {
    let parts = [
        Part { role: "encoder".to_owned(), sha256: Some("ab".to_owned()) },
        Part { role: "tokenizer".to_owned(), sha256: None },
    ];
    for backend in Backend::ALL {
        for pipeline in PipelineKind::ALL.map(Some).into_iter().chain([None]) {
            check_request(
                &Request::Load { key: "k", backend, pipeline, parts: &parts, contents: &[] },
                wire::Request::Load { key: "k".to_owned(), backend, pipeline, parts: parts.to_vec() },
            );
        }
    }
    let inputs: Vec<TensorHeader> = DType::ALL.into_iter().map(tensor).collect();
    check_request(
        &Request::Run { key: "k", params: None, inputs: &inputs },
        wire::Request::Run { key: "k".to_owned(), params: None, inputs: inputs.clone() },
    );
    let texts = JSON::parse(r#"{"texts":["a","ü"]}"#).unwrap();
    check_request(
        &Request::Run { key: "k", params: Some(&texts), inputs: &[] },
        wire::Request::Run {
            key: "k".to_owned(),
            params: Some(json!({ "texts": ["a", "ü"] })),
            inputs: Vec::new(),
        },
    );
    check_request(
        &Request::RunBatch { key: "k", n_jobs: 3, inputs: &inputs },
        wire::Request::RunBatch { key: "k".to_owned(), n_jobs: 3, inputs: inputs.clone() },
    );
    check_request(&Request::Unload { key: "k" }, wire::Request::Unload { key: "k".to_owned() });
    check_request(&Request::Ping, wire::Request::Ping);
}

/// The reply as the wire has it.
fn to_wire(reply: Reply) -> wire::Reply {
    match reply {
        Reply::Ready { capabilities } => wire::Reply::Ready { capabilities },
        Reply::Loaded { inputs, outputs, backend_detail, phases } => {
            wire::Reply::Loaded { inputs, outputs, backend_detail, phases }
        }
        Reply::Ran { outputs, result, phases, memory_bytes } => {
            let text = |result: JsValue| JSON::stringify(&result).unwrap().as_string().unwrap();
            let result = result.map(|result| serde_json::from_str(&text(result)).unwrap());
            wire::Reply::Ran { outputs, result, phases, memory_bytes }
        }
        Reply::Unloaded => wire::Reply::Unloaded,
        Reply::Pong { memory_bytes } => wire::Reply::Pong { memory_bytes },
        Reply::Failed { fault } => wire::Reply::Failed { fault },
        Reply::Trapped { fault } => wire::Reply::Trapped { fault },
    }
}

#[track_caller]
fn check_reply(reply: wire::Reply) {
    let header = serde_json::to_string(&EngineReply { id: 9, reply: reply.clone() }).unwrap();
    let (id, read) = read_reply(&header).unwrap();
    assert_eq!((id, to_wire(read)), (9, reply));
}

#[wasm_bindgen_test]
fn replies_are_what_serde_wrote() {
    let adapter = Adapter {
        vendor: "v".to_owned(),
        architecture: "a".to_owned(),
        description: String::new(),
        is_fallback: true,
    };
    check_reply(wire::Reply::Ready { capabilities: Capabilities::default() });
    check_reply(wire::Reply::Ready {
        capabilities: Capabilities {
            wasm_build: "relaxed-simd".to_owned(),
            backends: Backend::ALL.to_vec(),
            adapter: Some(adapter),
            webgpu_reason: Some("blocked".to_owned()),
            webnn_devices: vec!["cpu".to_owned(), "npu".to_owned()],
            webnn_reason: Some("missing".to_owned()),
            webnn_notes: vec!["gpu: missing".to_owned()],
            cross_origin_isolated: true,
        },
    });
    let tensors: Vec<TensorHeader> = DType::ALL.into_iter().map(tensor).collect();
    check_reply(wire::Reply::Loaded {
        inputs: tensors.clone(),
        outputs: Vec::new(),
        backend_detail: "relaxed-simd".to_owned(),
        phases: phases(),
    });
    for result in [None, Some(json!({ "scores": [0.5, -1], "label": "rust" }))] {
        check_reply(wire::Reply::Ran {
            outputs: tensors.clone(),
            result,
            phases: phases(),
            memory_bytes: 1 << 40,
        });
    }
    check_reply(wire::Reply::Unloaded);
    check_reply(wire::Reply::Pong { memory_bytes: 0 });
    for category in FaultCategory::ALL {
        check_reply(wire::Reply::Failed { fault: Fault::new(category, "code", "message") });
        check_reply(wire::Reply::Trapped {
            fault: Fault::new(category, "code", "message").with_hint("hint"),
        });
    }
}

#[wasm_bindgen_test]
fn what_is_no_reply_is_named() {
    for (header, reason) in [
        ("{", "it is not JSON"),
        ("{}", "it has no reply"),
        (r#"{"id":1,"reply":{"kind":"sung"}}"#, "there is no reply 'sung'"),
        (r#"{"id":-1,"reply":{"kind":"unloaded"}}"#, "'id' is not a whole number"),
        (r#"{"id":1,"reply":{"kind":"pong"}}"#, "'memory_bytes' is missing"),
        (
            r#"{"id":1,"reply":{"kind":"failed","fault":{"category":"mood"}}}"#,
            "'category': 'mood' is not known",
        ),
        (r#"{"id":1,"reply":{"kind":"loaded","inputs":3}}"#, "'inputs' is not an array"),
    ] {
        assert_eq!(read_reply(header).err().as_deref(), Some(reason), "{header}");
    }
}

#[wasm_bindgen_test]
fn catalogue_is_what_serde_wrote() {
    let models = Precision::ALL.into_iter().map(|precision| ModelCard {
        id: precision.as_str().to_owned(),
        family: "vision".to_owned(),
        sha256: "ab".to_owned(),
        size_bytes: 94_000_000,
        precision,
        licence: "MIT".to_owned(),
        url: "/models/ab".to_owned(),
        inputs: vec![tensor(DType::Float32)],
        outputs: Vec::new(),
        available: precision == Precision::F32,
    });
    let pipelines = PipelineKind::ALL.into_iter().map(|kind| PipelineCard {
        id: kind.as_str().to_owned(),
        title: "title".to_owned(),
        family: "text".to_owned(),
        kind,
        parts: vec![PipelinePart {
            role: "model".to_owned(),
            sha256: "ab".to_owned(),
            size_bytes: 1,
            url: "/models/ab".to_owned(),
        }],
        available: true,
    });
    let catalogue = Catalogue { models: models.collect(), pipelines: pipelines.collect() };
    let value = JSON::parse(&serde_json::to_string(&catalogue).unwrap()).unwrap();
    assert_eq!(read_catalogue(&value).unwrap(), catalogue);
}
