//! What the history knows of kernel variants, for workers that have measured none themselves.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use wire::Adapter;

use crate::server::App;
use crate::server::metrics::blocking;
use crate::server::rejection::Rejection;

/// `GET /v1/tuning`: names of the fastest variants on an adapter, by class.
pub(super) async fn tuning(
    State(app): State<Arc<App>>,
    Query(adapter): Query<Adapter>,
) -> Result<Json<BTreeMap<String, String>>, Rejection> {
    Ok(Json(blocking(move || app.store.fastest_variants(&adapter)).await?))
}
