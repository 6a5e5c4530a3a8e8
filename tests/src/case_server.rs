//! A small server for pages that run node cases: gives out the cases, takes in the engine's answers.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path as UrlPath, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{Html, IntoResponse};
use axum::routing::{get, post};
use tower_http::services::ServeDir;
use wire::{DType, EngineReply, Fault, Reply, TensorHeader};

use crate::node_case::{NodeCase, WireTensor};
use crate::verdict::Outcome;

/// Serves until it is dropped.
#[derive(Debug)]
pub struct CaseServer {
    /// Address of the page that runs the cases.
    pub url: String,
    shared: Arc<Shared>,
    // Dropping the runtime ends the server.
    _runtime: tokio::runtime::Runtime,
}

#[derive(Debug)]
struct Shared {
    /// Bundle of each case: the model, then its inputs.
    bundles: Vec<Bytes>,
    outcomes: Mutex<BTreeMap<usize, Outcome>>,
}

impl CaseServer {
    /// Serves `cases` with the engine in `www/pkg`; each must have at most one data set.
    ///
    /// # Errors
    /// A case has several data sets, the bundle was not built, or no port is free.
    pub fn start(cases: &[NodeCase]) -> Result<Self> {
        let pkg = Path::new(env!("CARGO_MANIFEST_DIR")).join("../www/pkg");
        anyhow::ensure!(pkg.join("worker.js").exists(), "www/pkg is not built\nhint: make bundle");
        let bundles = cases.iter().map(bundle).collect::<Result<_>>()?;
        let shared = Arc::new(Shared { bundles, outcomes: Mutex::default() });
        let javascript =
            || async { ([(CONTENT_TYPE, "text/javascript")], include_str!("../www/node_cases.js")) };
        let router = Router::new()
            .route("/", get(|| async { Html(include_str!("../www/node_cases.html")) }))
            .route("/node_cases.js", get(javascript))
            .route("/cases", get(n_cases))
            .route("/case/{index}", get(case))
            .route("/outcome/{index}", post(outcome))
            .nest_service("/pkg", ServeDir::new(pkg))
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shared));
        let runtime = tokio::runtime::Runtime::new()?;
        let listener = runtime.block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0)))?;
        let url = format!("http://{}/", listener.local_addr()?);
        runtime.spawn(async { axum::serve(listener, router).await });
        Ok(Self { url, shared, _runtime: runtime })
    }

    /// What came back for each case, in order; `None` for a case without an answer.
    #[must_use]
    pub fn into_outcomes(self) -> Vec<Option<Outcome>> {
        let mut outcomes = self.shared.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        (0..self.shared.bundles.len()).map(|index| outcomes.remove(&index)).collect()
    }
}

async fn n_cases(State(shared): State<Arc<Shared>>) -> String {
    shared.bundles.len().to_string()
}

async fn case(
    State(shared): State<Arc<Shared>>,
    UrlPath(index): UrlPath<usize>,
) -> Result<Bytes, StatusCode> {
    shared.bundles.get(index).cloned().ok_or(StatusCode::NOT_FOUND)
}

async fn outcome(
    State(shared): State<Arc<Shared>>,
    UrlPath(index): UrlPath<usize>,
    body: Bytes,
) -> impl IntoResponse {
    match read_outcome(&body) {
        Ok(outcome) => {
            shared.outcomes.lock().unwrap_or_else(PoisonError::into_inner).insert(index, outcome);
            (StatusCode::OK, String::new())
        }
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error:#}")),
    }
}

fn bundle(case: &NodeCase) -> Result<Bytes> {
    // A case whose data cannot travel is one whose model the engine must refuse.
    let inputs = match &case.data_sets {
        Ok(data_sets) => match data_sets.as_slice() {
            [data_set] => data_set.inputs.as_slice(),
            _ => bail!("{} has {} data sets", case.name, data_sets.len()),
        },
        Err(_) => &[],
    };
    let dims = vec![u32::try_from(case.model.len())?];
    let model = TensorHeader { name: "model".to_owned(), dtype: DType::Uint8, dims };
    let inputs = inputs.iter().map(|input| (input.header.clone(), input.bytes.as_slice()));
    let tensors: Vec<_> = std::iter::once((model, case.model.as_slice())).chain(inputs).collect();
    Ok(wire::tensor::encode_bundle(&tensors).into())
}

/// Reads header length (u32, little-endian), the JSON of an [`EngineReply`], and the outputs' data.
fn read_outcome(body: &[u8]) -> Result<Outcome> {
    let (length, rest) = body.split_first_chunk::<4>().context("no header length")?;
    let length = u32::from_le_bytes(*length) as usize;
    let (json, mut data) = rest.split_at_checked(length).context("the header is cut off")?;
    let EngineReply { reply, .. } = serde_json::from_slice(json).context("the header is not a reply")?;
    let headers = match reply {
        Reply::Ran { outputs, .. } => outputs,
        Reply::Failed { fault } => return Ok(Err(fault)),
        Reply::Trapped { fault } => {
            return Ok(Err(Fault { code: format!("trapped, {}", fault.code), ..fault }));
        }
        other @ (Reply::Ready { .. }
        | Reply::Loaded { .. }
        | Reply::Unloaded
        | Reply::Pong { .. }
        | Reply::Profiled { .. }
        | Reply::Tuned { .. }) => {
            bail!("{other:?} is not the end of a case")
        }
    };
    let mut outputs = Vec::new();
    for header in headers {
        let size = header.size_bytes().context("shape overflows")?;
        let (bytes, after) = data.split_at_checked(size).context("the outputs are cut off")?;
        outputs.push(WireTensor { header, bytes: bytes.to_vec() });
        data = after;
    }
    anyhow::ensure!(data.is_empty(), "{} bytes after the last output", data.len());
    Ok(Ok(vec![outputs]))
}
