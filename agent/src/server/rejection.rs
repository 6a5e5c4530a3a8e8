//! Refusals: a status for HTTP, a fault for the page.

use axum::Json;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use wire::{Fault, FaultCategory};

use crate::store::StoreError;

/// Why a request was refused.
#[derive(Debug)]
pub(super) struct Rejection {
    status: StatusCode,
    fault: Fault,
}

impl Rejection {
    /// The request makes no sense.
    pub(super) fn bad(code: &str, message: impl Into<String>) -> Self {
        let fault = Fault::new(FaultCategory::Validation, code, message);
        Self { status: StatusCode::BAD_REQUEST, fault }
    }

    /// There is no such thing.
    pub(super) fn missing(code: &str, message: impl Into<String>) -> Self {
        let fault = Fault::new(FaultCategory::Validation, code, message);
        Self { status: StatusCode::NOT_FOUND, fault }
    }

    /// The request came under a name that is not this server's.
    pub(super) fn foreign_host() -> Self {
        let message = "this agent does not answer under that host name";
        let fault = Fault::new(FaultCategory::Validation, "host", message)
            .with_hint("open it as localhost, or by the address that `--host` names");
        Self { status: StatusCode::FORBIDDEN, fault }
    }

    /// Another site's page wants to write.
    pub(super) fn foreign_origin() -> Self {
        let message = "pages of other sites may not write to this agent";
        let fault = Fault::new(FaultCategory::Validation, "origin", message);
        Self { status: StatusCode::FORBIDDEN, fault }
    }

    /// The file of a model is not in the cache.
    pub(super) fn not_fetched(sha256: &str) -> Self {
        let fault = Fault::new(
            FaultCategory::ModelLoad,
            "model-not-fetched",
            format!("the agent does not have the file {sha256}"),
        )
        .with_hint("run `tabpool model fetch`");
        Self { status: StatusCode::NOT_FOUND, fault }
    }

    /// The agent itself failed.
    pub(super) fn internal(message: impl Into<String>) -> Self {
        let fault = Fault::new(FaultCategory::Internal, "agent", message);
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, fault }
    }
}

impl From<StoreError> for Rejection {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self {
                status: StatusCode::INSUFFICIENT_STORAGE,
                fault: Fault::new(
                    FaultCategory::Overload,
                    "store-full",
                    "cannot store records: the disk is full",
                )
                .with_hint("free some space where the history is; records are kept by the page until then"),
            },
            StoreError::Corrupt(_) | StoreError::Sqlite(_) => {
                Self::internal(format!("cannot use the history: {error}"))
            }
        }
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        (self.status, Json(self.fault)).into_response()
    }
}

/// The bytes of a body of at most `limit` bytes.
pub(super) async fn read_bytes(body: Body, limit: usize) -> Result<Bytes, Rejection> {
    to_bytes(body, limit).await.map_err(|error| Rejection {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        fault: Fault::new(
            FaultCategory::Validation,
            "body",
            format!("cannot read the body, of which {limit} bytes are allowed: {error}"),
        ),
    })
}

/// A JSON body of at most `limit` bytes.
pub(super) async fn read_json<T: DeserializeOwned>(body: Body, limit: usize) -> Result<T, Rejection> {
    let bytes = read_bytes(body, limit).await?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Rejection::bad("json", format!("the body is not what it should be: {error}")))
}
