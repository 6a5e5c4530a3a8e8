//! Questions to the history: medians per group of comparable runs, and the latest runs.

use std::collections::BTreeMap;

use rusqlite::{Row, ToSql};
use serde::Serialize;

use crate::store::{Store, StoreError};

/// Which runs count; an empty list does not restrict.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Filter {
    /// Model or pipeline ids.
    pub(crate) models: Vec<String>,
    /// Browser names.
    pub(crate) browsers: Vec<String>,
    /// Backend names.
    pub(crate) backends: Vec<String>,
    /// Start at or after this, microseconds since the Unix epoch.
    pub(crate) since_unix_micros: Option<i64>,
}

/// What makes runs comparable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Group {
    /// Model or pipeline id.
    pub(crate) model: String,
    /// Input shapes.
    pub(crate) shapes: String,
    /// Browser name.
    pub(crate) browser: String,
    /// Browser version.
    pub(crate) browser_version: String,
    /// Backend, with its finer description, e.g. `wasm relaxed-simd`.
    pub(crate) backend: String,
    /// `tabpool` or a peer.
    pub(crate) engine: String,
}

/// The runs of one group.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HistoryRow {
    /// What they have in common.
    pub(crate) group: Group,
    /// Times of the warm runs that succeeded and were no warm-up, microseconds, oldest first.
    pub(crate) warm_micros: Vec<f64>,
    /// Runs in all.
    pub(crate) n_runs: usize,
    /// Runs that failed.
    pub(crate) n_failed: usize,
    /// Start of the latest, microseconds since the Unix epoch.
    pub(crate) last_unix_micros: i64,
    /// The same in local time.
    pub(crate) last_time: String,
}

/// One run as a person reads it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct RecentRun {
    /// Record id.
    pub(crate) id: String,
    /// Start, microseconds since the Unix epoch.
    pub(crate) started_unix_micros: i64,
    /// The same in local time.
    pub(crate) time: String,
    /// What it has in common with others.
    #[serde(flatten)]
    pub(crate) group: Group,
    /// First run after a load.
    pub(crate) cold: bool,
    /// Computing, measured in the worker where that is known, microseconds.
    pub(crate) run_micros: Option<f64>,
    /// Code of the fault of a run that failed.
    pub(crate) fault: Option<String>,
    /// Whether the outputs kept their limits, when they were compared.
    pub(crate) check_ok: Option<bool>,
}

const COLUMNS: &str = "
    id, model, shapes, browser_name, browser_version, trim(backend || ' ' || backend_detail) AS backend, engine,
    started_unix_micros,
    strftime('%Y-%m-%d %H:%M:%S', started_unix_micros / 1000000, 'unixepoch', 'localtime') AS local_time,
    cold, is_warmup, coalesce(run_micros, total_micros) AS computed_micros, fault_code, check_ok";

impl Store {
    /// The runs that `filter` lets through, grouped, in the order of [`Group`].
    ///
    /// # Errors
    /// A failure of SQLite.
    pub(crate) fn history(&self, filter: &Filter) -> Result<Vec<HistoryRow>, StoreError> {
        let mut rows: BTreeMap<Group, HistoryRow> = BTreeMap::new();
        self.each(filter, "started_unix_micros, id", i64::MAX, |row| {
            let run = recent_run(row)?;
            let is_warmup: bool = row.get("is_warmup")?;
            let entry = rows.entry(run.group.clone()).or_insert_with(|| HistoryRow {
                group: run.group,
                warm_micros: Vec::new(),
                n_runs: 0,
                n_failed: 0,
                last_unix_micros: 0,
                last_time: String::new(),
            });
            entry.n_runs += 1;
            entry.last_unix_micros = run.started_unix_micros;
            entry.last_time = run.time;
            if run.fault.is_some() {
                entry.n_failed += 1;
            } else if !run.cold && !is_warmup {
                entry.warm_micros.extend(run.run_micros);
            }
            Ok(())
        })?;
        Ok(rows.into_values().collect())
    }

    /// The latest `limit` runs that `filter` lets through, latest first.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub(crate) fn recent(&self, filter: &Filter, limit: u32) -> Result<Vec<RecentRun>, StoreError> {
        let mut runs = Vec::new();
        self.each(filter, "started_unix_micros DESC, id DESC", i64::from(limit), |row| {
            runs.push(recent_run(row)?);
            Ok(())
        })?;
        Ok(runs)
    }

    fn each(
        &self,
        filter: &Filter,
        order: &str,
        limit: i64,
        mut visit: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), StoreError> {
        let mut conditions = vec!["started_unix_micros >= ?".to_owned()];
        let since = filter.since_unix_micros.unwrap_or(i64::MIN);
        let mut values: Vec<&dyn ToSql> = vec![&since];
        let lists =
            [("model", &filter.models), ("browser_name", &filter.browsers), ("backend", &filter.backends)];
        for (column, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            // The column of the table: an alias of the same name would not be seen here.
            conditions.push(format!("run.{column} IN ({})", vec!["?"; list.len()].join(", ")));
            values.extend(list.iter().map(|value| value as &dyn ToSql));
        }
        values.push(&limit);
        let sql =
            format!("SELECT {COLUMNS} FROM run WHERE {} ORDER BY {order} LIMIT ?", conditions.join(" AND "));
        let connection = self.lock();
        let mut statement = connection.prepare(&sql)?;
        let mut rows = statement.query(values.as_slice())?;
        while let Some(row) = rows.next()? {
            visit(row)?;
        }
        Ok(())
    }
}

fn recent_run(row: &Row<'_>) -> rusqlite::Result<RecentRun> {
    Ok(RecentRun {
        id: row.get("id")?,
        started_unix_micros: row.get("started_unix_micros")?,
        time: row.get("local_time")?,
        group: Group {
            model: row.get("model")?,
            shapes: row.get("shapes")?,
            browser: row.get("browser_name")?,
            browser_version: row.get("browser_version")?,
            backend: row.get("backend")?,
            engine: row.get("engine")?,
        },
        cold: row.get("cold")?,
        run_micros: row.get("computed_micros")?,
        fault: row.get("fault_code")?,
        check_ok: row.get("check_ok")?,
    })
}
