//! Questions to the history: medians per group of runs, and the latest runs.

use std::collections::{BTreeMap, BTreeSet};

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

/// Something to group runs by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Dimension {
    /// Model or pipeline id.
    Model,
    /// Input shapes.
    Shapes,
    /// Precision of the weights.
    Precision,
    /// Browser name.
    Browser,
    /// Browser version.
    BrowserVersion,
    /// Backend, with its finer description, e.g. `wasm relaxed-simd`.
    Backend,
    /// `tabpool` or a peer.
    Engine,
    /// Host name; empty for a person's own page.
    Host,
    /// Campaign; empty for a person's own page.
    Campaign,
    /// Local day.
    Day,
}

impl Dimension {
    /// Every dimension, in the order of columns.
    pub(crate) const ALL: [Self; 10] = [
        Self::Model,
        Self::Shapes,
        Self::Precision,
        Self::Browser,
        Self::BrowserVersion,
        Self::Backend,
        Self::Engine,
        Self::Host,
        Self::Campaign,
        Self::Day,
    ];

    /// What makes runs comparable.
    pub(crate) const COMPARABLE: [Self; 6] =
        [Self::Model, Self::Shapes, Self::Browser, Self::BrowserVersion, Self::Backend, Self::Engine];

    /// Stable name: the one in JSON, in CSV and on the command line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Shapes => "shapes",
            Self::Precision => "precision",
            Self::Browser => "browser",
            Self::BrowserVersion => "browser_version",
            Self::Backend => "backend",
            Self::Engine => "engine",
            Self::Host => "host",
            Self::Campaign => "campaign",
            Self::Day => "day",
        }
    }

    /// Its value as an SQL expression.
    fn sql(self) -> &'static str {
        match self {
            Self::Model => "run.model",
            Self::Shapes => "run.shapes",
            Self::Precision => "run.precision",
            Self::Browser => "run.browser_name",
            Self::BrowserVersion => "run.browser_version",
            // As `quantity::backend` has it.
            Self::Backend => {
                "iif(instr(run.backend_detail, run.backend) = 1, run.backend_detail,
                     trim(run.backend || ' ' || run.backend_detail))"
            }
            Self::Engine => "run.engine",
            Self::Host => "coalesce((SELECT host FROM campaign WHERE id = run.campaign), '')",
            Self::Campaign => "coalesce(CAST(run.campaign AS TEXT), '')",
            Self::Day => "strftime('%Y-%m-%d', run.started_unix_micros / 1000000, 'unixepoch', 'localtime')",
        }
    }
}

/// What the runs of a group have in common.
pub(crate) type Group = BTreeMap<&'static str, String>;

/// The runs of one group.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HistoryRow {
    /// What they have in common, by [`Dimension::as_str`].
    pub(crate) group: Group,
    /// Times of the warm runs that succeeded and were no warm-up, microseconds, oldest first.
    pub(crate) warm_micros: Vec<f64>,
    /// True when the times are of different things, so that one median says nothing.
    pub(crate) is_mixed: bool,
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
    run.id, run.started_unix_micros, run.cold, run.is_warmup, run.fault_code, run.check_ok, run.series,
    strftime('%Y-%m-%d %H:%M:%S', run.started_unix_micros / 1000000, 'unixepoch', 'localtime') AS local_time,
    coalesce(run.run_micros, run.total_micros) AS computed_micros";

impl Store {
    /// The runs that `filter` lets through, grouped by `dimensions` and in their order.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub(crate) fn history(
        &self,
        filter: &Filter,
        dimensions: &[Dimension],
    ) -> Result<Vec<HistoryRow>, StoreError> {
        let mut rows: BTreeMap<Vec<String>, (HistoryRow, BTreeSet<i64>)> = BTreeMap::new();
        self.each(filter, dimensions, "run.started_unix_micros, run.id", i64::MAX, |row| {
            let run = recent_run(row, dimensions)?;
            let is_warmup: bool = row.get("is_warmup")?;
            let key = dimensions.iter().map(|dimension| run.group[dimension.as_str()].clone()).collect();
            let (entry, series) = rows.entry(key).or_insert_with(|| {
                let row = HistoryRow {
                    group: run.group,
                    warm_micros: Vec::new(),
                    is_mixed: false,
                    n_runs: 0,
                    n_failed: 0,
                    last_unix_micros: 0,
                    last_time: String::new(),
                };
                (row, BTreeSet::new())
            });
            entry.n_runs += 1;
            entry.last_unix_micros = run.started_unix_micros;
            entry.last_time = run.time;
            if run.fault.is_some() {
                entry.n_failed += 1;
            } else if !run.cold && !is_warmup {
                series.insert(row.get("series")?);
                entry.warm_micros.extend(run.run_micros);
            }
            Ok(())
        })?;
        let is_comparable = Dimension::COMPARABLE.iter().all(|dimension| dimensions.contains(dimension));
        let finish = |(mut row, series): (HistoryRow, BTreeSet<i64>)| {
            row.is_mixed = !is_comparable && series.len() > 1;
            row
        };
        Ok(rows.into_values().map(finish).collect())
    }

    /// The latest `limit` runs that `filter` lets through, latest first.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub(crate) fn recent(&self, filter: &Filter, limit: u32) -> Result<Vec<RecentRun>, StoreError> {
        let mut runs = Vec::new();
        let order = "run.started_unix_micros DESC, run.id DESC";
        self.each(filter, &Dimension::COMPARABLE, order, i64::from(limit), |row| {
            runs.push(recent_run(row, &Dimension::COMPARABLE)?);
            Ok(())
        })?;
        Ok(runs)
    }

    fn each(
        &self,
        filter: &Filter,
        dimensions: &[Dimension],
        order: &str,
        limit: i64,
        mut visit: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), StoreError> {
        let (conditions, mut values) = conditions(filter, "run");
        let since = filter.since_unix_micros.unwrap_or(i64::MIN);
        values.insert(0, &since);
        values.push(&limit);
        let group: Vec<String> = dimensions
            .iter()
            .map(|dimension| format!("{} AS group_{}", dimension.sql(), dimension.as_str()))
            .collect();
        let sql = format!(
            "SELECT {COLUMNS}, {} FROM run WHERE run.started_unix_micros >= ? {conditions} ORDER BY {order} LIMIT ?",
            group.join(", ")
        );
        let connection = self.lock();
        let mut statement = connection.prepare(&sql)?;
        let mut rows = statement.query(values.as_slice())?;
        while let Some(row) = rows.next()? {
            visit(row)?;
        }
        Ok(())
    }
}

/// The lists of the filter as SQL on `table`, each with a leading AND, and their values in order.
pub(super) fn conditions<'a>(filter: &'a Filter, table: &str) -> (String, Vec<&'a dyn ToSql>) {
    let lists =
        [("model", &filter.models), ("browser_name", &filter.browsers), ("backend", &filter.backends)];
    let mut conditions = String::new();
    let mut values: Vec<&dyn ToSql> = Vec::new();
    for (column, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        conditions += &format!(" AND {table}.{column} IN ({})", vec!["?"; list.len()].join(", "));
        values.extend(list.iter().map(|value| value as &dyn ToSql));
    }
    (conditions, values)
}

fn recent_run(row: &Row<'_>, dimensions: &[Dimension]) -> rusqlite::Result<RecentRun> {
    let member = |dimension: &Dimension| {
        let name = dimension.as_str();
        Ok((name, row.get(format!("group_{name}").as_str())?))
    };
    Ok(RecentRun {
        id: row.get("id")?,
        started_unix_micros: row.get("started_unix_micros")?,
        time: row.get("local_time")?,
        group: dimensions.iter().map(member).collect::<rusqlite::Result<_>>()?,
        cold: row.get("cold")?,
        run_micros: row.get("computed_micros")?,
        fault: row.get("fault_code")?,
        check_ok: row.get("check_ok")?,
    })
}
