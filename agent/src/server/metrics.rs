//! Records of runs from pages, and the health of the server.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use serde_json::{Value, json};
use wire::MetricsBatch;

use crate::host::now_unix_micros;
use crate::server::App;
use crate::server::rejection::{Rejection, read_json};
use crate::store::{Inserted, StoreError};

/// Largest batch, bytes: some thousand records.
const METRICS_LIMIT: usize = 8 << 20;

/// `GET /v1/health`.
pub(super) async fn health(State(app): State<Arc<App>>) -> Result<Json<Value>, Rejection> {
    let n_runs = blocking(move || app.store.n_runs()).await?;
    Ok(Json(json!({
        "status": "ok",
        "schema": wire::SCHEMA,
        "version": env!("CARGO_PKG_VERSION"),
        "runs": n_runs,
    })))
}

/// `POST /v1/metrics`.
pub(super) async fn receive(State(app): State<Arc<App>>, body: Body) -> Result<Json<Value>, Rejection> {
    let batch: MetricsBatch = read_json(body, METRICS_LIMIT).await?;
    if batch.schema != wire::SCHEMA {
        let message = format!("the page speaks schema {}, the agent {}", batch.schema, wire::SCHEMA);
        return Err(Rejection::bad("schema", message));
    }
    let MetricsBatch { records, events, tunings, .. } = batch;
    let mut ids = records.iter().map(|record| &record.id);
    let mut others = events.iter().map(|event| &event.id).chain(tunings.iter().map(|tuning| &tuning.id));
    let is_bad = |id: &String| id.is_empty() || id.len() > 128;
    if ids.any(is_bad) || others.any(is_bad) {
        return Err(Rejection::bad("record-id", "an id must have 1 to 128 bytes"));
    }
    let sessions: BTreeSet<&str> = records.iter().filter_map(|record| record.session.as_deref()).collect();
    for session in sessions {
        app.sessions.touch(session);
    }
    // What a failure keeps out comes again: the page posts the whole batch until it is accepted.
    let store = move || {
        let now = now_unix_micros();
        let runs = app.store.insert(&records, now)?;
        Ok::<_, StoreError>([
            runs,
            app.store.insert_events(&events, now)?,
            app.store.insert_tunings(&tunings)?,
        ])
    };
    let inserted = blocking(store).await?;
    let sum = |count: fn(&Inserted) -> usize| inserted.iter().map(count).sum::<usize>();
    Ok(Json(json!({ "accepted": sum(|kind| kind.accepted), "duplicates": sum(|kind| kind.duplicates) })))
}

/// Runs `work` where it may block.
pub(super) async fn blocking<T, E>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Rejection>
where
    T: Send + 'static,
    E: Send + 'static,
    Rejection: From<E>,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        Err(error) => Err(Rejection::internal(error.to_string())),
    }
}
