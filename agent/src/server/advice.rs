//! What the history advises, for coordinators that have no measurements of their own yet.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;

use crate::cli::age;
use crate::commands::ago;
use crate::commands::recommend::{Document, document};
use crate::server::App;
use crate::server::metrics::blocking;
use crate::server::rejection::Rejection;
use crate::store::Filter;
use crate::zoo::Zoo;

/// Query of `GET /v1/advice`.
#[derive(Debug, Deserialize)]
pub(super) struct Question {
    /// Only this model.
    model: Option<String>,
    /// Only this browser.
    browser: Option<String>,
    /// How far to look back, e.g. `30d`.
    #[serde(default = "Question::month")]
    since: String,
}

impl Question {
    fn month() -> String {
        "30d".to_owned()
    }
}

/// `GET /v1/advice`.
pub(super) async fn advice(
    State(app): State<Arc<App>>,
    Query(Question { model, browser, since }): Query<Question>,
) -> Result<Json<Document>, Rejection> {
    let since = age(&since).map_err(|problem| Rejection::bad("since", problem))?;
    let filter = Filter {
        models: model.into_iter().collect(),
        browsers: browser.into_iter().collect(),
        since_unix_micros: Some(ago(since)),
        ..Filter::default()
    };
    let read = move || {
        let zoo = Zoo::open(&app.cache)?;
        document(&app.store, &zoo, &filter)
    };
    let answer = blocking(move || read().map_err(|error| Rejection::internal(format!("{error:#}")))).await?;
    Ok(Json(answer))
}
