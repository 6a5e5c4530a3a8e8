//! Rows of runs: written as records arrive, read back when a session ends.

use rusqlite::{Connection, OptionalExtension as _, Row, named_params};
use wire::{Adapter, Backend, Fault, FaultCategory, Outcome, RunRecord};

use crate::store::{Store, StoreError, schema};

const INSERT: &str = "
INSERT INTO run (
    id, session, case_id, started_unix_micros, received_unix_micros, browser_name, browser_version, user_agent,
    engine, engine_version, backend, backend_detail, adapter_vendor, adapter_architecture, adapter_description,
    adapter_is_fallback, precision, model, model_sha256, shapes, cold, is_warmup, connection, attempt, queue_micros,
    download_micros, verify_micros, load_micros, run_micros, total_micros, memory_bytes, fault_category, fault_code,
    fault_message, fault_hint
) VALUES (
    :id, :session, :case_id, :started, :received, :browser_name, :browser_version, :user_agent,
    :engine, :engine_version, :backend, :backend_detail, :adapter_vendor, :adapter_architecture, :adapter_description,
    :adapter_is_fallback, :precision, :model, :model_sha256, :shapes, :cold,
    NOT :cold AND EXISTS (SELECT 1 FROM session WHERE session.id = :session), :connection, :attempt, :queue_micros,
    :download_micros, :verify_micros, :load_micros, :run_micros, :total_micros, :memory_bytes, :fault_category,
    :fault_code, :fault_message, :fault_hint
) ON CONFLICT (id) DO NOTHING";

/// How many records a batch added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Inserted {
    /// New rows.
    pub(crate) accepted: usize,
    /// Records that were there already.
    pub(crate) duplicates: usize,
}

/// What ran a model; empty where nobody knows.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Place {
    /// E.g. `relaxed-simd`.
    pub(crate) backend_detail: String,
    /// The adapter, for a backend that has one.
    pub(crate) adapter: Option<Adapter>,
}

/// What a summary needs of one run of a session.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SessionRun {
    /// Which case of the session.
    pub(crate) case_id: Option<String>,
    /// `tabpool` or a peer.
    pub(crate) engine: String,
    /// Engine version.
    pub(crate) engine_version: String,
    /// E.g. `relaxed-simd`.
    pub(crate) backend_detail: String,
    /// First run after a load.
    pub(crate) cold: bool,
    /// Decoding and preparing the model, microseconds.
    pub(crate) load_micros: Option<f64>,
    /// Computing, measured in the worker where that is known, microseconds.
    pub(crate) run_micros: Option<f64>,
    /// Wasm memory after the run, bytes.
    pub(crate) memory_bytes: i64,
    /// Why it failed, if it did.
    pub(crate) fault: Option<Fault>,
}

impl Store {
    /// Adds the records that are new, all or none.
    ///
    /// # Errors
    /// A full disk or another failure of SQLite; then nothing was added.
    pub(crate) fn insert(
        &self,
        records: &[RunRecord],
        received_unix_micros: i64,
    ) -> Result<Inserted, StoreError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        let mut accepted = 0;
        for record in records {
            accepted += insert_one(&transaction, record, received_unix_micros)?;
        }
        schema::assign_series(&transaction)?;
        transaction.commit()?;
        Ok(Inserted { accepted, duplicates: records.len() - accepted })
    }

    /// Where the latest successful run of an engine's backend ran, in the same version of the session's browser and of
    /// this program, on the same machine.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub(crate) fn latest_place(
        &self,
        session: &str,
        engine: &str,
        backend: Backend,
    ) -> Result<Place, StoreError> {
        let connection = self.lock();
        let found = connection.query_row(
            "SELECT run.backend_detail, run.adapter_vendor, run.adapter_architecture, run.adapter_description,
                    run.adapter_is_fallback
             FROM run
             JOIN session ON session.id = run.session
             JOIN campaign ON campaign.id = session.campaign
             JOIN session AS here ON here.id = ?1
             JOIN campaign AS now ON now.id = here.campaign
             WHERE run.engine = ?2 AND run.backend = ?3 AND run.fault_category IS NULL
                   AND session.browser_name = here.browser_name AND session.browser_version = here.browser_version
                   AND campaign.host = now.host AND campaign.agent_version = now.agent_version
             ORDER BY run.started_unix_micros DESC LIMIT 1",
            (session, engine, backend.as_str()),
            place,
        );
        Ok(found.optional()?.unwrap_or_default())
    }

    /// Number of runs in the history.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub(crate) fn n_runs(&self) -> Result<i64, StoreError> {
        Ok(self.lock().query_row("SELECT count(*) FROM run", [], |row| row.get(0))?)
    }

    /// The runs of a session, oldest first.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub(crate) fn session_runs(&self, session: &str) -> Result<Vec<SessionRun>, StoreError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT case_id, engine, engine_version, backend_detail, cold, load_micros,
                    coalesce(run_micros, total_micros) AS computed_micros, memory_bytes, fault_category, fault_code,
                    fault_message, fault_hint
             FROM run WHERE session = ?1 ORDER BY started_unix_micros, id",
        )?;
        let rows = statement.query_map([session], session_run)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn insert_one(connection: &Connection, record: &RunRecord, received: i64) -> Result<usize, StoreError> {
    let adapter = record.adapter.as_ref();
    let text = |field: fn(&Adapter) -> &String| adapter.map(field);
    let fault = match &record.outcome {
        Outcome::Ok => None,
        Outcome::Failed { fault } => Some(fault),
    };
    let phases = &record.phases;
    let mut statement = connection.prepare_cached(INSERT)?;
    Ok(statement.execute(named_params! {
        ":id": record.id,
        ":session": record.session,
        ":case_id": record.case,
        ":started": record.started_unix_micros,
        ":received": received,
        ":browser_name": record.browser.name,
        ":browser_version": record.browser.version,
        ":user_agent": record.browser.user_agent,
        ":engine": record.engine,
        ":engine_version": record.engine_version,
        ":backend": record.backend.as_str(),
        ":backend_detail": record.backend_detail,
        ":adapter_vendor": text(|adapter| &adapter.vendor),
        ":adapter_architecture": text(|adapter| &adapter.architecture),
        ":adapter_description": text(|adapter| &adapter.description),
        ":adapter_is_fallback": adapter.map(|adapter| adapter.is_fallback),
        ":precision": record.precision.as_str(),
        ":model": record.model,
        ":model_sha256": record.model_sha256,
        ":shapes": record.shapes,
        ":cold": record.cold,
        ":connection": record.connection,
        ":attempt": record.attempt,
        ":queue_micros": phases.queue_micros.map(clamp),
        ":download_micros": phases.download_micros.map(clamp),
        ":verify_micros": phases.verify_micros.map(clamp),
        ":load_micros": phases.load_micros.map(clamp),
        ":run_micros": phases.run_micros.map(clamp),
        ":total_micros": phases.total_micros.map(clamp),
        ":memory_bytes": clamp(record.memory_bytes),
        ":fault_category": fault.map(|fault| fault.category.as_str()),
        ":fault_code": fault.map(|fault| &fault.code),
        ":fault_message": fault.map(|fault| &fault.message),
        ":fault_hint": fault.and_then(|fault| fault.hint.as_ref()),
    })?)
}

/// SQLite's integers are signed; no honest duration or size comes near their limit.
fn clamp(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn place(row: &Row<'_>) -> rusqlite::Result<Place> {
    let adapter = |vendor| {
        Ok::<_, rusqlite::Error>(Adapter {
            vendor,
            architecture: row.get("adapter_architecture")?,
            description: row.get("adapter_description")?,
            is_fallback: row.get("adapter_is_fallback")?,
        })
    };
    Ok(Place {
        backend_detail: row.get("backend_detail")?,
        adapter: row.get::<_, Option<String>>("adapter_vendor")?.map(adapter).transpose()?,
    })
}

fn session_run(row: &Row<'_>) -> rusqlite::Result<SessionRun> {
    Ok(SessionRun {
        case_id: row.get("case_id")?,
        engine: row.get("engine")?,
        engine_version: row.get("engine_version")?,
        backend_detail: row.get("backend_detail")?,
        cold: row.get("cold")?,
        load_micros: row.get("load_micros")?,
        run_micros: row.get("computed_micros")?,
        memory_bytes: row.get("memory_bytes")?,
        fault: fault(row)?,
    })
}

fn fault(row: &Row<'_>) -> rusqlite::Result<Option<Fault>> {
    let Some(name) = row.get::<_, Option<String>>("fault_category")? else { return Ok(None) };
    // A category of a newer version is still a fault.
    let known = FaultCategory::ALL.into_iter().find(|category| category.as_str() == name);
    Ok(Some(Fault {
        category: known.unwrap_or(FaultCategory::Internal),
        code: row.get("fault_code")?,
        message: row.get("fault_message")?,
        hint: row.get("fault_hint")?,
        retry_after_ms: None,
    }))
}
