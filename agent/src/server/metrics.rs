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
    if batch.records.iter().any(|record| record.id.is_empty() || record.id.len() > 128) {
        return Err(Rejection::bad("record-id", "a record's id must have 1 to 128 bytes"));
    }
    let sessions: BTreeSet<&str> =
        batch.records.iter().filter_map(|record| record.session.as_deref()).collect();
    for session in sessions {
        app.sessions.touch(session);
    }
    let inserted = blocking(move || app.store.insert(&batch.records, now_unix_micros())).await?;
    Ok(Json(json!({ "accepted": inserted.accepted, "duplicates": inserted.duplicates })))
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
