//! Records on their way to the agent.

use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::harness::{AGENT, AgentDouble, close, collect, get, model, number, pool, run, text};

#[wasm_bindgen_test]
async fn records_reach_the_agent() {
    let agent = AgentDouble::new();
    let pool = pool("answers", &[("agent", AGENT.into())]).await;
    let model = model(&pool).await;
    for _ in 0..3 {
        run(&model, &[1.0]).await.unwrap();
    }
    assert_eq!(JsFuture::from(pool.flush()).await.unwrap(), 0);
    assert_eq!(agent.records().length(), 3);
    assert_eq!(text(&agent.records().get(0), "engine"), "tabpool");
    assert_eq!(number(&pool.stats(), "records.posted"), 3.0);
    run(&model, &[1.0]).await.unwrap();
    close(&pool).await;
    assert_eq!(agent.records().length(), 4);
    agent.restore();
}

#[wasm_bindgen_test]
async fn events_reach_the_page_and_the_agent() {
    let agent = AgentDouble::new();
    let pool = pool("traps", &[("agent", AGENT.into()), ("session", "s1".into())]).await;
    let told = collect(&pool, "event");
    let model = model(&pool).await;
    run(&model, &[-1.0]).await.unwrap_err();
    assert_eq!(JsFuture::from(pool.flush()).await.unwrap(), 0);
    let kinds: Vec<String> = agent.events().iter().map(|event| text(&event, "event.kind")).collect();
    assert_eq!(kinds[..4], ["connection", "scaled", "called", "connection"], "the worker's start");
    assert!(kinds.contains(&"placed".to_owned()), "the first place that is chosen");
    let recovering = told.iter().find(|event| text(event, "event.kind") == "recovering").unwrap();
    assert_eq!(text(&recovering, "event.category"), "worker_crash");
    assert_eq!((text(&recovering, "source"), text(&recovering, "session")), ("page".into(), "s1".into()));
    assert_eq!(number(&recovering, "connection"), 0.0);
    // The page listens from the first worker on.
    assert_eq!(agent.events().length(), told.length() + 4);
    assert_eq!(number(&pool.stats(), "events.posted"), f64::from(agent.events().length()));
    assert_eq!(number(&pool.stats(), "records.posted"), f64::from(agent.records().length()));
    close(&pool).await;
    agent.restore();
}

#[wasm_bindgen_test]
async fn agent_may_go_and_come_back() {
    let agent = AgentDouble::new();
    let pool = pool("answers", &[("agent", AGENT.into()), ("recordLimit", 2.into())]).await;
    let told = collect(&pool, "agent");
    let model = model(&pool).await;
    agent.set_status(0);
    for _ in 0..3 {
        run(&model, &[1.0]).await.unwrap();
    }
    // Two records and two events; earlier ones were dropped.
    assert_eq!(JsFuture::from(pool.flush()).await.unwrap(), 4);
    assert_eq!(number(&pool.stats(), "records.dropped"), 1.0);
    assert_eq!(get(&told.get(0), "reachable"), JsValue::FALSE);
    assert_eq!(text(&told.get(0), "fault.code"), "agent-unreachable");
    run(&model, &[1.0]).await.unwrap();
    agent.set_status(200);
    assert_eq!(JsFuture::from(pool.flush()).await.unwrap(), 0);
    assert_eq!(agent.records().length(), 2);
    assert_eq!(get(&told.get(1), "reachable"), JsValue::TRUE);
    close(&pool).await;
    agent.restore();
}

#[wasm_bindgen_test]
async fn page_that_goes_leaves_its_records_to_the_browser() {
    let agent = AgentDouble::new();
    let pool = pool("answers", &[("agent", AGENT.into())]).await;
    let model = model(&pool).await;
    let result = run(&model, &[1.0]).await.unwrap();
    assert_eq!(number(&pool.stats(), "records.pending"), 1.0);
    js_sys::eval("dispatchEvent(new Event('pagehide'))").unwrap();
    let records = js_sys::Array::from(&JsFuture::from(agent.beacon_records()).await.unwrap());
    assert_eq!(records.length(), 1);
    assert_eq!(text(&records.get(0), "id"), text(&result, "record.id"));
    assert_eq!(number(&pool.stats(), "records.pending"), 0.0);
    close(&pool).await;
    assert_eq!(agent.records().length(), 0);
    agent.restore();
}

#[wasm_bindgen_test]
async fn pool_that_closes_without_an_agent_counts_what_is_lost() {
    let agent = AgentDouble::new();
    let pool = pool("answers", &[("agent", AGENT.into())]).await;
    let model = model(&pool).await;
    agent.set_status(0);
    run(&model, &[1.0]).await.unwrap();
    close(&pool).await;
    assert_eq!(number(&pool.stats(), "records.dropped"), 1.0);
    assert_eq!(number(&pool.stats(), "records.pending"), 0.0);
    agent.restore();
}

#[wasm_bindgen_test]
async fn refused_records_are_counted() {
    let agent = AgentDouble::new();
    let pool = pool("answers", &[("agent", AGENT.into())]).await;
    let told = collect(&pool, "agent");
    let model = model(&pool).await;
    run(&model, &[1.0]).await.unwrap();
    agent.set_status(400);
    assert_eq!(JsFuture::from(pool.flush()).await.unwrap(), 0);
    assert_eq!(number(&pool.stats(), "records.dropped"), 1.0);
    assert_eq!(text(&told.get(0), "fault.code"), "records-refused");
    close(&pool).await;
    agent.restore();
}
