//! The errands of launched browsers: `doctor` and `bench`.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::Deserialize;
use wire::{BenchEvent, BenchPlan, Capabilities, tensor};

use crate::golden;
use crate::golden::compare::compare;
use crate::server::App;
use crate::server::metrics::blocking;
use crate::server::rejection::{Rejection, read_bytes, read_json};
use crate::server::session::{Errand, Report};

/// Largest event or capability report, bytes.
const EVENT_LIMIT: usize = 1 << 20;

/// Largest bundle of outputs, bytes.
pub(super) const OUTPUT_LIMIT: usize = 256 << 20;

/// Query of an output post.
#[derive(Debug, Deserialize)]
pub(super) struct Sender {
    #[serde(default = "Sender::ours")]
    engine: String,
}

impl Sender {
    fn ours() -> String {
        "tabpool".to_owned()
    }
}

/// `GET /v1/bench/{session}/plan`.
pub(super) async fn plan(
    State(app): State<Arc<App>>,
    Path(session): Path<String>,
) -> Result<Json<BenchPlan>, Rejection> {
    let errand = app.sessions.errand(&session);
    match errand.as_deref() {
        Some(Errand::Bench { plan, .. }) => Ok(Json(plan.clone())),
        Some(Errand::Doctor | Errand::Fleet(_)) | None => Err(no_session(&session)),
    }
}

/// `GET /v1/bench/{session}/input/{case}`: the inputs of a case as a tensor bundle.
pub(super) async fn input(
    State(app): State<Arc<App>>,
    Path((session, case)): Path<(String, usize)>,
) -> Result<impl IntoResponse, Rejection> {
    let golden = golden_case(&app, &session, case)?;
    app.sessions.report(&session, Report::CaseBegun(case));
    let bundle = blocking(move || {
        let mut tensors = Vec::with_capacity(golden.inputs.len());
        for golden::Input { header, fill } in &golden.inputs {
            let n = header.n_elements().ok_or_else(|| Rejection::internal("an input shape overflows"))?;
            tensors.push((header.clone(), fill.bytes(header.dtype, n)));
        }
        let parts: Vec<_> = tensors.iter().map(|(header, data)| (header.clone(), data.as_slice())).collect();
        Ok::<_, Rejection>(tensor::encode_bundle(&parts))
    })
    .await?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bundle))
}

/// `POST /v1/bench/{session}/output/{case}`: the outputs of an engine's first run as a tensor bundle. The answer is the
/// comparison, or `null` when there is nothing to compare with.
pub(super) async fn output(
    State(app): State<Arc<App>>,
    Path((session, case)): Path<(String, usize)>,
    Query(Sender { engine }): Query<Sender>,
    body: Body,
) -> Result<impl IntoResponse, Rejection> {
    let golden = golden_case(&app, &session, case)?;
    let bytes = read_bytes(body, OUTPUT_LIMIT).await?;
    let check = blocking(move || {
        let tensors = tensor::decode_bundle(&bytes)
            .map_err(|error| Rejection::bad("tensor-bundle", error.to_string()))?;
        Ok::<_, Rejection>(compare(&golden, &tensors))
    })
    .await?;
    let answer = Json(check.clone());
    if let Some(check) = check {
        app.sessions.report(&session, Report::Output { case, engine, check });
    }
    Ok(answer)
}

/// `POST /v1/bench/{session}/event`.
pub(super) async fn event(
    State(app): State<Arc<App>>,
    Path(session): Path<String>,
    body: Body,
) -> Result<StatusCode, Rejection> {
    let event: BenchEvent = read_json(body, EVENT_LIMIT).await?;
    deliver(&app, &session, Report::Event(event))
}

/// `POST /v1/doctor/{session}`.
pub(super) async fn capabilities(
    State(app): State<Arc<App>>,
    Path(session): Path<String>,
    body: Body,
) -> Result<StatusCode, Rejection> {
    let capabilities: Capabilities = read_json(body, EVENT_LIMIT).await?;
    deliver(&app, &session, Report::Capabilities(Box::new(capabilities)))
}

pub(super) fn deliver(app: &App, session: &str, report: Report) -> Result<StatusCode, Rejection> {
    if app.sessions.report(session, report) { Ok(StatusCode::NO_CONTENT) } else { Err(no_session(session)) }
}

fn golden_case(app: &App, session: &str, case: usize) -> Result<Arc<golden::Case>, Rejection> {
    let errand = app.sessions.errand(session);
    let Some(Errand::Bench { goldens, .. }) = errand.as_deref() else { return Err(no_session(session)) };
    let golden = goldens
        .get(case)
        .ok_or_else(|| Rejection::missing("case", format!("the plan of {session} has no case {case}")))?;
    Ok(Arc::clone(golden))
}

pub(super) fn no_session(session: &str) -> Rejection {
    Rejection::missing("session", format!("there is no session {session}, or it is over"))
}
