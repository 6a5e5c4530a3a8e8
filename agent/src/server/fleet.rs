//! Pages of a fleet: the next command of each, and what each reports.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;
use wire::fleet::decode_frame;

use crate::server::App;
use crate::server::bench::{OUTPUT_LIMIT, deliver, no_session};
use crate::server::rejection::{Rejection, read_bytes};
use crate::server::session::{Errand, Report};

/// How long a page waits for a command before it asks again: shorter than anything between them gives up.
const POLL_TIMEOUT: Duration = Duration::from_secs(20);

/// `GET /v1/fleet/{session}/next`: the next command as a frame; 204 when there is none for a while.
pub(super) async fn next(
    State(app): State<Arc<App>>,
    Path(session): Path<String>,
) -> Result<Response, Rejection> {
    let errand = app.sessions.errand(&session);
    let Some(Errand::Fleet(outbox)) = errand.as_deref() else { return Err(no_session(&session)) };
    match timeout(POLL_TIMEOUT, async { outbox.lock().await.recv().await }).await {
        Ok(Some(frame)) => Ok(([(header::CONTENT_TYPE, "application/octet-stream")], frame).into_response()),
        Ok(None) => Err(no_session(&session)),
        Err(_elapsed) => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

/// `POST /v1/fleet/{session}/report`: a frame.
pub(super) async fn report(
    State(app): State<Arc<App>>,
    Path(session): Path<String>,
    body: Body,
) -> Result<StatusCode, Rejection> {
    let bytes = read_bytes(body, OUTPUT_LIMIT).await?;
    let (report, buffers) =
        decode_frame(&bytes).map_err(|error| Rejection::bad("frame", error.to_string()))?;
    let buffers = buffers.into_iter().map(<[u8]>::to_vec).collect();
    deliver(&app, &session, Report::Fleet(Box::new(report), buffers))
}
