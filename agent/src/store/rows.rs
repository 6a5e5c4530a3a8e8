//! Whole rows for other programs: one run with its campaign.

use rusqlite::ToSql;
use rusqlite::types::ValueRef;
use serde_json::{Value, json};

use crate::store::history::conditions;
use crate::store::{Filter, Store, StoreError};

/// A column of an exported row: name, SQL expression, JSON type, meaning.
struct Column {
    name: &'static str,
    sql: &'static str,
    json_type: &'static str,
    meaning: &'static str,
}

const fn column(
    name: &'static str,
    sql: &'static str,
    json_type: &'static str,
    meaning: &'static str,
) -> Column {
    Column { name, sql, json_type, meaning }
}

/// Every column, in order. Times are microseconds since the Unix epoch (UTC), durations microseconds, sizes bytes.
const COLUMNS: [Column; 38] = [
    column("id", "run.id", "string", "unique id, chosen by the page"),
    column("started_unix_micros", "run.started_unix_micros", "integer", "start, since the Unix epoch (UTC)"),
    column("campaign", "run.campaign", "integer", "campaign; null for a person's own page"),
    column("label", "campaign.label", "string", "the campaign's label"),
    column("git_commit", "campaign.git_commit", "string", "HEAD where the campaign was started"),
    column("host", "campaign.host", "string", "host name; null for a person's own page"),
    column("cpu_model", "campaign.cpu_model", "string", "CPU model; null for a person's own page"),
    column("session", "run.session", "string", "launch of a browser; null for a person's own page"),
    column("case_id", "run.case_id", "string", "model/case/backend of a measured run"),
    column("model", "run.model", "string", "model or pipeline"),
    column("model_sha256", "run.model_sha256", "string", "hash of the model file; empty for a pipeline"),
    column("precision", "run.precision", "string", "precision of the weights"),
    column("shapes", "run.shapes", "string", "input shapes"),
    column("browser_name", "run.browser_name", "string", "browser"),
    column("browser_version", "run.browser_version", "string", "its version"),
    column(
        "browser_flags",
        "(SELECT browser_flags FROM session WHERE session.id = run.session)",
        "string",
        "switches, preferences and variables of its launch; null for a person's own page",
    ),
    column("engine", "run.engine", "string", "tabpool or a peer"),
    column("engine_version", "run.engine_version", "string", "its version"),
    column("backend", "run.backend", "string", "webgpu, webnn, webnn-gpu, webnn-npu or wasm"),
    column("backend_detail", "run.backend_detail", "string", "e.g. relaxed-simd"),
    column("adapter_vendor", "run.adapter_vendor", "string", "null for a backend without an adapter"),
    column("adapter_architecture", "run.adapter_architecture", "string", "the same"),
    column("adapter_description", "run.adapter_description", "string", "the same"),
    column("adapter_is_fallback", "run.adapter_is_fallback", "integer", "1: the adapter renders in software"),
    column("cold", "run.cold", "integer", "1: first run after a load"),
    column("is_warmup", "run.is_warmup", "integer", "1: no part of summaries"),
    column("attempt", "run.attempt", "integer", "1 for the first try of a job"),
    column("queue_micros", "run.queue_micros", "integer", "waiting in the pool"),
    column("download_micros", "run.download_micros", "integer", "fetching the model"),
    column("verify_micros", "run.verify_micros", "integer", "checking its hash"),
    column("load_micros", "run.load_micros", "integer", "decoding and preparing it"),
    column("run_micros", "run.run_micros", "integer", "computing, measured in the worker"),
    column(
        "total_micros",
        "run.total_micros",
        "integer",
        "from the call to its promise, measured in the page",
    ),
    column("memory_bytes", "run.memory_bytes", "integer", "wasm memory after the run; 0 when unknown"),
    column("fault_category", "run.fault_category", "string", "null for a run that succeeded"),
    column("fault_code", "run.fault_code", "string", "the same"),
    column("check_ok", "run.check_ok", "integer", "1: outputs kept their limits; null: not compared"),
    column(
        "check_max_abs_ratio",
        "run.check_max_abs_ratio",
        "number",
        "largest difference, over the range of values",
    ),
];

/// Names of the columns, in order.
pub(crate) fn column_names() -> Vec<&'static str> {
    COLUMNS.iter().map(|column| column.name).collect()
}

/// Name and type of each column, in order; types as JSON Schema calls them.
pub(crate) fn column_types() -> Vec<(&'static str, &'static str)> {
    COLUMNS.iter().map(|column| (column.name, column.json_type)).collect()
}

/// JSON Schema of one exported row.
pub(crate) fn row_schema() -> Value {
    let property = |column: &Column| {
        let schema = json!({ "type": [column.json_type, "null"], "description": column.meaning });
        (column.name.to_owned(), schema)
    };
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "one run in a tabpool history",
        "type": "object",
        "properties": COLUMNS.iter().map(property).collect::<serde_json::Map<_, _>>(),
        "required": column_names(),
        "additionalProperties": false,
    })
}

impl Store {
    /// Visits the runs that `filter` lets through, oldest first, as values in the order of [`column_names`].
    ///
    /// # Errors
    /// A failure of SQLite, or one of `visit`.
    pub(crate) fn each_row(
        &self,
        filter: &Filter,
        mut visit: impl FnMut(Vec<Value>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let (conditions, mut values) = conditions(filter, "run");
        let since = filter.since_unix_micros.unwrap_or(i64::MIN);
        values.insert(0, &since as &dyn ToSql);
        let columns: Vec<&str> = COLUMNS.iter().map(|column| column.sql).collect();
        let sql = format!(
            "SELECT {} FROM run LEFT JOIN campaign ON campaign.id = run.campaign
             WHERE run.started_unix_micros >= ? {conditions} ORDER BY run.started_unix_micros, run.id",
            columns.join(", ")
        );
        let connection = self.lock();
        let mut statement = connection.prepare(&sql).map_err(StoreError::from)?;
        let mut rows = statement.query(values.as_slice()).map_err(StoreError::from)?;
        while let Some(row) = rows.next().map_err(StoreError::from)? {
            let value = |index| Ok::<_, rusqlite::Error>(json_value(row.get_ref(index)?));
            let values = (0..COLUMNS.len()).map(value).collect::<Result<_, _>>().map_err(StoreError::from)?;
            visit(values)?;
        }
        Ok(())
    }
}

fn json_value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(integer) => json!(integer),
        ValueRef::Real(real) => json!(real),
        ValueRef::Text(text) | ValueRef::Blob(text) => json!(String::from_utf8_lossy(text)),
    }
}
