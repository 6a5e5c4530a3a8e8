//! The router without sockets.

use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode, header};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use wire::fleet::{decode_frame, encode_frame};
use wire::{
    Backend, BenchCase, BenchEvent, BenchPlan, Capabilities, FleetCommand, FleetReport, MetricsBatch,
    TuningRecord, tensor,
};

use super::*;
use crate::golden::{Golden, compare::Check};
use crate::server::session::{Errand, Report};
use crate::store::EventFilter;
use crate::testing::{GOLDEN, browser, event_record, record, scaled};

struct World {
    folder: tempfile::TempDir,
    app: Arc<App>,
}

fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let www = folder.path().join("www");
    std::fs::create_dir_all(www.join("pkg")).unwrap();
    std::fs::write(www.join("index.html"), "<p>hello").unwrap();
    std::fs::write(www.join("pkg/a.wasm"), "\0asm").unwrap();
    std::fs::write(folder.path().join("secret"), "secret").unwrap();
    let app = App {
        store: Store::in_memory().unwrap(),
        cache: Cache::at(folder.path().join("cache")),
        www,
        peers: Vec::new(),
        builds: None,
        sessions: Sessions::default(),
    };
    World { folder, app: Arc::new(app) }
}

impl World {
    async fn send(&self, request: Request<Body>) -> Response<Body> {
        router(Arc::clone(&self.app), IpAddr::from([127, 0, 0, 1])).oneshot(request).await.unwrap()
    }

    async fn get(&self, path: &str, headers: &[(header::HeaderName, &str)]) -> Response<Body> {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, body: impl Into<Body>) -> Response<Body> {
        self.send(Request::post(path).body(body.into()).unwrap()).await
    }
}

async fn bytes(response: Response<Body>) -> Vec<u8> {
    to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec()
}

async fn value(response: Response<Body>) -> Value {
    serde_json::from_slice(&bytes(response).await).unwrap()
}

#[track_caller]
fn check_status(response: &Response<Body>, expected: u16) {
    assert_eq!(response.status().as_u16(), expected, "{response:?}");
}

async fn check_fault(response: Response<Body>, status: u16, code: &str) {
    check_status(&response, status);
    let fault: wire::Fault = serde_json::from_slice(&bytes(response).await).unwrap();
    assert_eq!(fault.code, code, "{fault:?}");
}

fn batch(ids: &[&str]) -> Value {
    let record = |id: &&str| {
        json!({
            "id": id, "started_unix_micros": 1, "browser": {"name": "chromium", "version": "1"},
            "engine": "tabpool", "engine_version": "0", "backend": "wasm", "precision": "f32", "model": "tiny",
            "shapes": "x:1x2", "cold": false, "connection": 1, "attempt": 1, "phases": {"run_micros": 5},
            "outcome": {"kind": "ok"}
        })
    };
    json!({ "schema": wire::SCHEMA, "records": ids.iter().map(record).collect::<Vec<_>>() })
}

/// A batch as a page of this version writes it, with an event of its pool and a measured variant of a kernel.
fn full_batch() -> String {
    let event = event_record(1, scaled("queue_delay"));
    let tuning = TuningRecord {
        id: "t".to_owned(),
        at_unix_micros: 1,
        browser: browser(),
        backend: Backend::Webgpu,
        adapter: None,
        key: "matmul f32 512x512x512".to_owned(),
        variant: "tile 8x8".to_owned(),
        micros: 110.5,
        is_chosen: true,
    };
    let batch = MetricsBatch {
        schema: wire::SCHEMA,
        records: vec![record("tiny", 1, 10)],
        events: vec![event],
        tunings: vec![tuning],
    };
    serde_json::to_string(&batch).unwrap()
}

#[tokio::test]
async fn events_and_variants_come_with_the_records() {
    let world = world();
    let accepted = value(world.post("/v1/metrics", full_batch()).await).await;
    assert_eq!(accepted, json!({ "accepted": 3, "duplicates": 0 }));
    let again = value(world.post("/v1/metrics", full_batch()).await).await;
    assert_eq!(again, json!({ "accepted": 0, "duplicates": 3 }));
    let events = world.app.store.events(&EventFilter::default(), 9).unwrap();
    assert_eq!(events[0].event, serde_json::to_value(scaled("queue_delay")).unwrap());
    let nameless = full_batch().replace("\"event 1\"", "\"\"");
    check_fault(world.post("/v1/metrics", nameless).await, 400, "record-id").await;
}

fn bench_errand() -> Errand {
    let golden = Golden::parse(GOLDEN).unwrap();
    let plan = BenchPlan {
        schema: wire::SCHEMA,
        browser_name: "chromium".to_owned(),
        browser_version: "1".to_owned(),
        n_workers: 1,
        cases: vec![BenchCase {
            id: "tiny/1x2/wasm".to_owned(),
            model: "tiny".to_owned(),
            backend: Backend::Wasm,
            inputs: vec![golden.cases[0].inputs[0].header.clone()],
            n_warmup: 1,
            n_runs: 2,
        }],
        peers: Vec::new(),
        builds: Vec::new(),
        is_cold: false,
        turn: 1,
        worker_query: "webgpu-variant=lines".to_owned(),
        is_profiled: false,
        tune_millis: None,
    };
    Errand::Bench { plan, goldens: golden.cases.into_iter().map(Arc::new).collect() }
}

#[tokio::test]
async fn every_response_isolates() {
    let world = world();
    for path in ["/", "/v1/health", "/v1/models", "/nothing", "/models/x"] {
        let response = world.get(path, &[]).await;
        for (name, value) in HEADERS {
            assert_eq!(response.headers().get(&name), Some(&value), "{name} of {path}");
        }
    }
}

#[tokio::test]
async fn pages_are_served_and_nothing_outside_their_folder() {
    let world = world();
    let response = world.get("/", &[]).await;
    check_status(&response, 200);
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-cache");
    assert_eq!(bytes(response).await, b"<p>hello");
    let wasm = world.get("/pkg/a.wasm", &[]).await;
    assert_eq!(wasm.headers()[header::CONTENT_TYPE], "application/wasm");
    for path in ["/../secret", "/%2e%2e/secret", "/pkg/..%2f..%2fsecret", "//secret", "/nothing"] {
        check_status(&world.get(path, &[]).await, 404);
    }
    check_status(&world.post("/index.html", "x").await, 405);
}

#[tokio::test]
async fn models_come_whole_in_ranges_or_not_at_all() {
    let world = world();
    let stored = world.app.cache.store(&mut b"0123456789".as_slice(), None).unwrap();
    let path = format!("/models/{}", stored.sha256);
    let whole = world.get(&path, &[]).await;
    check_status(&whole, 200);
    assert_eq!(whole.headers()[header::CONTENT_LENGTH], "10");
    assert!(whole.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
    let etag = whole.headers()[header::ETAG].to_str().unwrap().to_owned();
    assert_eq!(bytes(whole).await, b"0123456789");

    let part = world.get(&path, &[(header::RANGE, "bytes=2-4")]).await;
    check_status(&part, 206);
    assert_eq!(part.headers()[header::CONTENT_RANGE], "bytes 2-4/10");
    assert_eq!(bytes(part).await, b"234");
    check_status(&world.get(&path, &[(header::RANGE, "bytes=20-")]).await, 416);
    check_status(&world.get(&path, &[(header::IF_NONE_MATCH, &etag)]).await, 304);

    check_fault(world.get(&format!("/models/{}", "0".repeat(64)), &[]).await, 404, "model-not-fetched").await;
    check_fault(world.get("/models/added.toml", &[]).await, 404, "model-name").await;
    check_fault(world.get("/models/..%2f..%2fsecret", &[]).await, 404, "model-name").await;
    drop(world.folder);
}

#[tokio::test]
async fn records_are_accepted_once() {
    let world = world();
    let first = world.post("/v1/metrics", batch(&["a", "b"]).to_string()).await;
    check_status(&first, 200);
    assert_eq!(value(first).await, json!({"accepted": 2, "duplicates": 0}));
    let again = world.post("/v1/metrics", batch(&["b", "c"]).to_string()).await;
    assert_eq!(value(again).await, json!({"accepted": 1, "duplicates": 1}));
    let health = value(world.get("/v1/health", &[]).await).await;
    assert_eq!((&health["status"], &health["runs"]), (&json!("ok"), &json!(3)));
}

#[tokio::test]
async fn bad_batches_are_refused_with_a_fault() {
    let world = world();
    check_fault(world.post("/v1/metrics", "no json").await, 400, "json").await;
    check_fault(world.post("/v1/metrics", batch(&[""]).to_string()).await, 400, "record-id").await;
    let mut newer = batch(&["a"]);
    newer["schema"] = json!(wire::SCHEMA + 1);
    check_fault(world.post("/v1/metrics", newer.to_string()).await, 400, "schema").await;
    check_fault(world.post("/v1/metrics", vec![b' '; 9 << 20]).await, 413, "body").await;
    check_status(&world.get("/v1/metrics", &[]).await, 405);
}

#[tokio::test]
async fn pages_of_other_sites_cannot_post() {
    let world = world();
    let post = |origin: &str| {
        let request = Request::post("/v1/metrics").header(header::ORIGIN, origin);
        request.body(Body::from(batch(&["a"]).to_string())).unwrap()
    };
    check_fault(world.send(post("https://example.org")).await, 403, "origin").await;
    check_status(&world.send(post("http://127.0.0.1:8600")).await, 200);
}

#[tokio::test]
async fn outputs_that_nothing_can_be_compared_with_are_not_called_right() {
    let world = world();
    let Errand::Bench { plan, mut goldens } = bench_errand() else { return };
    Arc::make_mut(&mut goldens[0]).outputs.clear();
    let mut reports = world.app.sessions.open("s", Errand::Bench { plan, goldens });
    let output = wire::TensorHeader { name: "y".to_owned(), dtype: wire::DType::Float32, dims: vec![1] };
    let bundle = tensor::encode_bundle(&[(output, &[0; 4])]);
    assert_eq!(value(world.post("/v1/bench/s/output/0", bundle).await).await, Value::Null);
    while let Ok(report) = reports.try_recv() {
        assert_eq!(report, Report::Sign);
    }
}

#[tokio::test]
async fn a_name_that_is_not_ours_reaches_nothing() {
    let world = world();
    for path in ["/", "/v1/health", "/v1/models", "/pkg/a.wasm"] {
        check_fault(world.get(path, &[(header::HOST, "rebind.example:8600")]).await, 403, "host").await;
        let response = world.get(path, &[(header::HOST, "p1.localhost:8600")]).await;
        check_status(&response, 200);
    }
    let own = [(header::HOST, "rebind.example:8600"), (header::ORIGIN, "http://rebind.example:8600")];
    check_fault(world.get("/v1/models", &own).await, 403, "host").await;
}

#[tokio::test]
async fn pages_of_this_machine_may_read_and_post_from_another_port() {
    let world = world();
    let allowed = |response: &Response<Body>| {
        assert_eq!(response.headers()[header::VARY], "origin");
        response.headers().get(header::ACCESS_CONTROL_ALLOW_ORIGIN).cloned()
    };
    for (origin, is_ours) in [("http://localhost:3000", true), ("https://example.org", false)] {
        let expected = is_ours.then(|| HeaderValue::from_str(origin).unwrap());
        let read = world.get("/v1/models", &[(header::ORIGIN, origin)]).await;
        check_status(&read, 200);
        assert_eq!(allowed(&read), expected);

        let preflight = Request::options("/v1/metrics")
            .header(header::ORIGIN, origin)
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
            .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "content-type");
        let answer = world.send(preflight.body(Body::empty()).unwrap()).await;
        assert_eq!(allowed(&answer), expected);
        assert_eq!(answer.status() == StatusCode::NO_CONTENT, is_ours);
        let headers = answer.headers().get(header::ACCESS_CONTROL_ALLOW_HEADERS);
        assert_eq!(headers.is_some_and(|names| names.to_str().unwrap().contains("content-type")), is_ours);
    }
    assert_eq!(allowed(&world.get("/v1/models", &[]).await), None);
}

#[tokio::test]
async fn a_bench_page_finds_its_plan_and_is_heard() {
    let world = world();
    let mut reports = world.app.sessions.open("s", bench_errand());
    let plan = value(world.get("/v1/bench/s/plan", &[]).await).await;
    assert_eq!(plan["cases"][0]["id"], "tiny/1x2/wasm");
    let input = bytes(world.get("/v1/bench/s/input/0", &[]).await).await;
    let tensors = tensor::decode_bundle(&input).unwrap();
    assert_eq!((tensors[0].0.name.as_str(), tensors[0].1[8]), ("x", 2));
    check_fault(world.get("/v1/bench/s/input/1", &[]).await, 404, "case").await;

    let output = wire::TensorHeader { name: "y".to_owned(), dtype: wire::DType::Float32, dims: vec![1, 5] };
    let data: Vec<u8> = [0.5_f32, 0.0, 1.5, 0.0, 2.5].iter().flat_map(|value| value.to_le_bytes()).collect();
    let bundle = tensor::encode_bundle(&[(output, &data)]);
    check_fault(world.post("/v1/bench/s/output/0", "short").await, 400, "tensor-bundle").await;
    let answer = value(world.post("/v1/bench/s/output/0?engine=ort-web", bundle).await).await;
    assert_eq!(answer, json!({"ok": true, "max_abs_ratio": 0.0, "cosine": 1.0}));
    check_status(&world.post("/v1/bench/s/event", r#"{"kind":"finished"}"#).await, 204);
    check_fault(world.post("/v1/bench/s/event", "{}").await, 400, "json").await;

    let mut heard = Vec::new();
    while let Ok(report) = reports.try_recv() {
        heard.extend((report != Report::Sign).then_some(report));
    }
    let check = Check { ok: true, max_abs_ratio: Some(0.0), cosine: Some(1.0), problem: None };
    let output = Report::Output { case: 0, engine: "ort-web".to_owned(), check };
    assert_eq!(heard, [Report::CaseBegun(0), output, Report::Event(BenchEvent::Finished)]);
}

#[tokio::test]
async fn pages_without_a_session_are_refused() {
    let world = world();
    check_fault(world.get("/v1/bench/s/plan", &[]).await, 404, "session").await;
    check_fault(world.post("/v1/bench/s/event", r#"{"kind":"started"}"#).await, 404, "session").await;
    let capabilities = serde_json::to_string(&Capabilities::default()).unwrap();
    check_fault(world.post("/v1/doctor/s", capabilities.clone()).await, 404, "session").await;
    let mut reports = world.app.sessions.open("s", Errand::Doctor);
    check_fault(world.get("/v1/bench/s/plan", &[]).await, 404, "session").await;
    check_status(&world.post("/v1/doctor/s", capabilities).await, 204);
    assert_eq!(reports.recv().await, Some(Report::Sign));
    assert_eq!(reports.recv().await, Some(Report::Capabilities(Box::default())));
    world.app.sessions.close("s");
    check_fault(world.post("/v1/doctor/s", "{}").await, 400, "json").await;
}

#[tokio::test]
async fn a_full_disk_is_said_and_the_server_goes_on() {
    let world = world();
    world.app.store.limit_pages_for_test(0);
    let ids: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    let many = batch(&ids.iter().map(String::as_str).collect::<Vec<_>>()).to_string();
    check_fault(world.post("/v1/metrics", many.clone()).await, 507, "store-full").await;
    check_status(&world.get("/v1/health", &[]).await, 200);
    world.app.store.limit_pages_for_test(1_000_000);
    check_status(&world.post("/v1/metrics", many).await, StatusCode::OK.as_u16());
}

#[tokio::test]
async fn a_port_in_use_is_an_environment_failure_with_a_hint() {
    let host = IpAddr::from([127, 0, 0, 1]);
    let (_listener, address) = listen(host, 0).await.unwrap();
    let error = listen(host, address.port()).await.unwrap_err();
    let (exit, hint) = crate::exit::verdict(&error);
    assert_eq!(exit, crate::exit::Exit::Environment);
    assert!(hint.unwrap().contains("--port 0"));
}

#[tokio::test]
async fn advice_comes_from_the_history() {
    let world = world();
    let mut records = batch(&["a", "b", "c", "d", "e", "f"]);
    for record in records["records"].as_array_mut().unwrap() {
        record["started_unix_micros"] = json!(crate::host::now_unix_micros());
    }
    check_status(&world.post("/v1/metrics", records.to_string()).await, 200);
    let document = value(world.get("/v1/advice?model=tiny", &[]).await).await;
    let advice = &document["advice"][0];
    assert_eq!((&advice["confidence"], &advice["choices"][0]["n"]), (&json!("only-choice"), &json!(6)));
    assert_eq!(value(world.get("/v1/advice?model=big", &[]).await).await["advice"], json!([]));
    check_fault(world.get("/v1/advice?since=soon", &[]).await, 400, "since").await;
}

#[tokio::test]
async fn pages_of_a_fleet_get_commands_and_report() {
    let world = world();
    let (commands, outbox) = tokio::sync::mpsc::unbounded_channel();
    let errand = Errand::Fleet(Arc::new(tokio::sync::Mutex::new(outbox)));
    let mut reports = world.app.sessions.open("1-firefox-0-1", errand);
    commands.send(encode_frame(&FleetCommand::Ping, &[])).unwrap();
    let response = world.get("/v1/fleet/1-firefox-0-1/next", &[]).await;
    check_status(&response, 200);
    let body = bytes(response).await;
    assert_eq!(decode_frame(&body), Ok((FleetCommand::Ping, Vec::new())));

    let frame = encode_frame(&FleetReport::Pong, &[b"more"]);
    check_status(&world.post("/v1/fleet/1-firefox-0-1/report", frame).await, 204);
    let expected = Report::Fleet(Box::new(FleetReport::Pong), vec![b"more".to_vec()]);
    let mut others = std::iter::from_fn(|| reports.try_recv().ok()).filter(|report| *report != Report::Sign);
    assert_eq!(others.next(), Some(expected));
    check_fault(world.post("/v1/fleet/1-firefox-0-1/report", "no frame").await, 400, "frame").await;
    check_fault(world.get("/v1/fleet/nobody/next", &[]).await, 404, "session").await;
}
