//! Events of pools, what became of recoveries, and measurements of kernel variants.

use rusqlite::{Row, ToSql, named_params};
use serde::Serialize;
use serde_json::Value;
use wire::{Adapter, EventRecord, TuningRecord};

use crate::store::run::Inserted;
use crate::store::{Store, StoreError};

/// Which events count; an empty list does not restrict.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct EventFilter {
    /// Kinds, as [`wire::PoolEvent::kind`] names them.
    pub(crate) kinds: Vec<String>,
    /// Browser names.
    pub(crate) browsers: Vec<String>,
    /// At or after this, microseconds since the Unix epoch.
    pub(crate) since_unix_micros: Option<i64>,
}

/// An event as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct EventRow {
    /// Unique id.
    pub(crate) id: String,
    /// When, microseconds since the Unix epoch.
    pub(crate) at_unix_micros: i64,
    /// The same in local time.
    pub(crate) time: String,
    /// `page` or `fleet`.
    pub(crate) source: String,
    /// Launch of a browser by `bench` that it happened in; none for a person's own page and for fleets.
    pub(crate) session: Option<String>,
    /// Browser name; empty when it concerns several.
    pub(crate) browser: String,
    /// Browser version.
    pub(crate) browser_version: String,
    /// Pool connection.
    pub(crate) connection: Option<u32>,
    /// What happened: a [`wire::PoolEvent`], unless a newer version wrote it.
    pub(crate) event: Value,
}

/// What a strategy did for one kind of fault of one component.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Recovery {
    /// The fault.
    pub(crate) category: String,
    /// The component, e.g. `webgpu`.
    pub(crate) component: String,
    /// The strategy.
    pub(crate) strategy: String,
    /// Times that it was tried to the end.
    pub(crate) n: u32,
    /// Times that it helped.
    pub(crate) n_succeeded: u32,
    /// Times from the fault to the outcome where it helped, microseconds, ascending.
    #[serde(skip)]
    pub(crate) took_micros: Vec<f64>,
    /// What each try cost other jobs, 0–1, where that was measured.
    #[serde(skip)]
    pub(crate) impacts: Vec<f64>,
}

impl Store {
    /// Adds the events that are new, all or none.
    ///
    /// # Errors
    /// A failure of SQLite, as for every method here; then nothing was added.
    pub(crate) fn insert_events(
        &self,
        events: &[EventRecord],
        received_unix_micros: i64,
    ) -> Result<Inserted, StoreError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        let mut accepted = 0;
        for record in events {
            let mut statement = transaction.prepare_cached(
                "INSERT INTO event (id, session, at_unix_micros, received_unix_micros, source, browser_name,
                                    browser_version, connection, kind, detail)
                 VALUES (:id, :session, :at, :received, :source, :browser_name, :browser_version, :connection, :kind,
                         :detail)
                 ON CONFLICT (id) DO NOTHING",
            )?;
            accepted += statement.execute(named_params! {
                ":id": record.id,
                ":session": record.session,
                ":at": record.at_unix_micros,
                ":received": received_unix_micros,
                ":source": record.source.as_str(),
                ":browser_name": record.browser.name,
                ":browser_version": record.browser.version,
                ":connection": record.connection,
                ":kind": record.event.kind(),
                ":detail": serde_json::to_string(&record.event).map_err(not_json)?,
            })?;
        }
        transaction.commit()?;
        Ok(Inserted { accepted, duplicates: events.len() - accepted })
    }

    /// Adds the measurements of kernel variants that are new, all or none.
    pub(crate) fn insert_tunings(&self, tunings: &[TuningRecord]) -> Result<Inserted, StoreError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        let mut accepted = 0;
        for record in tunings {
            let adapter = record.adapter.as_ref();
            let text = |field: fn(&Adapter) -> &String| adapter.map(field);
            let mut statement = transaction.prepare_cached(
                "INSERT INTO tuning (id, at_unix_micros, browser_name, browser_version, backend, adapter_vendor,
                                     adapter_architecture, adapter_description, adapter_is_fallback, key, variant,
                                     micros, is_chosen)
                 VALUES (:id, :at, :browser_name, :browser_version, :backend, :vendor, :architecture, :description,
                         :is_fallback, :key, :variant, :micros, :is_chosen)
                 ON CONFLICT (id) DO NOTHING",
            )?;
            accepted += statement.execute(named_params! {
                ":id": record.id,
                ":at": record.at_unix_micros,
                ":browser_name": record.browser.name,
                ":browser_version": record.browser.version,
                ":backend": record.backend.as_str(),
                ":vendor": text(|adapter| &adapter.vendor),
                ":architecture": text(|adapter| &adapter.architecture),
                ":description": text(|adapter| &adapter.description),
                ":is_fallback": adapter.map(|adapter| adapter.is_fallback),
                ":key": record.key,
                ":variant": record.variant,
                ":micros": record.micros,
                ":is_chosen": record.is_chosen,
            })?;
        }
        transaction.commit()?;
        Ok(Inserted { accepted, duplicates: tunings.len() - accepted })
    }

    /// The latest `limit` events that `filter` lets through, latest first.
    pub(crate) fn events(&self, filter: &EventFilter, limit: u32) -> Result<Vec<EventRow>, StoreError> {
        let (conditions, values) = conditions(filter);
        let connection = self.lock();
        let mut statement = connection.prepare(&format!(
            "SELECT *, strftime('%Y-%m-%d %H:%M:%S', at_unix_micros / 1000000, 'unixepoch', 'localtime') AS local_time
             FROM event WHERE {conditions} ORDER BY at_unix_micros DESC, id DESC LIMIT {limit}"
        ))?;
        let rows = statement.query_map(values.as_slice(), event)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What became of the recoveries that `filter` lets through, its kinds aside, by fault, component and strategy.
    pub(crate) fn recoveries(&self, filter: &EventFilter) -> Result<Vec<Recovery>, StoreError> {
        let filter = EventFilter { kinds: Vec::new(), ..filter.clone() };
        let (conditions, values) = conditions(&filter);
        let connection = self.lock();
        let mut statement = connection.prepare(&format!(
            "SELECT category, component, strategy, is_success, CAST(took_micros AS REAL) AS took_micros,
                    (SELECT CAST(detail ->> '$.impact' AS REAL) FROM event WHERE event.id = recovery.id) AS impact
             FROM recovery WHERE {conditions} ORDER BY category, component, strategy, took_micros"
        ))?;
        let mut found: Vec<Recovery> = Vec::new();
        let mut rows = statement.query(values.as_slice())?;
        while let Some(row) = rows.next()? {
            let recovery = Recovery {
                category: row.get("category")?,
                component: row.get("component")?,
                strategy: row.get("strategy")?,
                n: 0,
                n_succeeded: 0,
                took_micros: Vec::new(),
                impacts: Vec::new(),
            };
            let is_alike = |last: &Recovery| {
                last.category == recovery.category
                    && last.component == recovery.component
                    && last.strategy == recovery.strategy
            };
            if !found.last().is_some_and(is_alike) {
                found.push(recovery);
            }
            let Some(last) = found.last_mut() else { continue };
            last.n += 1;
            last.impacts.extend(row.get::<_, Option<f64>>("impact")?);
            if row.get("is_success")? {
                last.n_succeeded += 1;
                last.took_micros.push(row.get("took_micros")?);
            }
        }
        Ok(found)
    }
}

/// The filter as SQL, and its values in order.
fn conditions(filter: &EventFilter) -> (String, Vec<&dyn ToSql>) {
    let mut conditions = "at_unix_micros >= ?".to_owned();
    let mut values: Vec<&dyn ToSql> = vec![match &filter.since_unix_micros {
        Some(since) => since,
        None => &i64::MIN,
    }];
    for (column, list) in [("kind", &filter.kinds), ("browser_name", &filter.browsers)] {
        if !list.is_empty() {
            conditions += &format!(" AND {column} IN ({})", vec!["?"; list.len()].join(", "));
            values.extend(list.iter().map(|value| value as &dyn ToSql));
        }
    }
    (conditions, values)
}

fn event(row: &Row<'_>) -> rusqlite::Result<EventRow> {
    let detail: String = row.get("detail")?;
    Ok(EventRow {
        id: row.get("id")?,
        at_unix_micros: row.get("at_unix_micros")?,
        time: row.get("local_time")?,
        source: row.get("source")?,
        session: row.get("session")?,
        browser: row.get("browser_name")?,
        browser_version: row.get("browser_version")?,
        connection: row.get("connection")?,
        event: serde_json::from_str(&detail).map_err(not_json)?,
    })
}

/// What SQLite calls a value that has no JSON.
pub(super) fn not_json(error: serde_json::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(error))
}
