//! Series of comparable runs: what they have in common, and their times in order.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension as _, Row, named_params, params};
use serde::Serialize;

use crate::bench::summary::OURS;
use crate::output::quantity;
use crate::store::history::conditions;
use crate::store::{Filter, Store, StoreError};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Metric {
    /// Computing, of runs that are neither the first after a load nor warm-up.
    Warm,
    /// Load and first run.
    Cold,
}

impl Metric {
    /// Every metric.
    pub(crate) const ALL: [Self; 2] = [Self::Warm, Self::Cold];

    /// Stable name: the one in JSON and on the command line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Warm => "warm",
            Self::Cold => "cold",
        }
    }
}

/// Runs that may be compared with each other.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Series {
    /// Number in this history.
    pub(crate) id: i64,
    /// Model or pipeline id.
    pub(crate) model: String,
    /// Lower-case hex SHA-256 of the model; empty for a pipeline.
    pub(crate) model_sha256: String,
    /// Golden case, e.g. `1x16`; for a person's own page the shapes.
    pub(crate) case: String,
    /// Precision of the weights.
    pub(crate) precision: String,
    /// Browser name.
    pub(crate) browser: String,
    /// Backend, with its finer description, e.g. `wasm relaxed-simd`.
    pub(crate) backend: String,
    /// The adapter, with ` (software)` for a fallback; empty for a backend without one.
    pub(crate) adapter: String,
    /// Host name; empty for a person's own page, whose machine nobody knows.
    pub(crate) host: String,
    /// CPU model; empty like the host.
    pub(crate) cpu_model: String,
}

impl Series {
    /// The machine in words.
    pub(crate) fn machine(&self) -> String {
        if self.host.is_empty() {
            "machines of visitors".to_owned()
        } else {
            format!("{} ({})", self.host, self.cpu_model)
        }
    }

    /// The engine in words: backend, and adapter where there is one.
    pub(crate) fn place(&self) -> String {
        let adapter = if self.adapter.is_empty() { String::new() } else { format!(" on {}", self.adapter) };
        format!("{} {}{adapter}", self.browser, self.backend)
    }
}

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    /// Start, microseconds since the Unix epoch.
    pub(crate) started_unix_micros: i64,
    /// The campaign it belongs to; none for a person's own page.
    pub(crate) campaign: Option<i64>,
    /// Duration, microseconds.
    pub(crate) micros: f64,
}

/// What else was so when a run was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Circumstances {
    /// Start in local time.
    pub(crate) time: String,
    /// Full browser version; empty for what was rolled up.
    pub(crate) browser_version: String,
    /// Engine version; empty like that.
    pub(crate) engine_version: String,
    /// Campaign.
    pub(crate) campaign: Option<i64>,
    /// Its label.
    pub(crate) label: Option<String>,
    /// Its commit.
    pub(crate) git_commit: Option<String>,
}

impl Store {
    /// The series of our own engine that `filter` lets through, its age aside.
    ///
    /// # Errors
    /// A failure of SQLite, as for every method here.
    pub(crate) fn series(&self, filter: &Filter) -> Result<Vec<Series>, StoreError> {
        let (conditions, values) = conditions(filter, "series");
        let connection = self.lock();
        let mut statement = connection.prepare(&format!(
            "SELECT * FROM series WHERE engine = '{OURS}' {conditions}
             ORDER BY model, case_id, shapes, browser_name, backend, backend_detail, adapter, host, id"
        ))?;
        let rows = statement.query_map(values.as_slice(), series)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The measurements of a series since `since`, oldest first; of one campaign only, if one is named, and otherwise
    /// without experiments.
    pub(crate) fn points(
        &self,
        series: i64,
        metric: Metric,
        since_unix_micros: Option<i64>,
        campaign: Option<i64>,
    ) -> Result<Vec<Point>, StoreError> {
        let connection = self.lock();
        let experiments = experiments(&connection)?;
        let micros = match metric {
            Metric::Warm => "coalesce(run_micros, total_micros)",
            Metric::Cold => "coalesce(run_micros, total_micros) + load_micros",
        };
        // The terms without parameters are those of the index `run_by_series`. Whatever else decides is left to the loop:
        // this is where ten million rows pass.
        let mut statement = connection.prepare_cached(&format!(
            "SELECT started_unix_micros, campaign, {micros} FROM run INDEXED BY run_by_series
             WHERE series = ?1 AND cold = ?2 AND started_unix_micros >= ?3
                   AND fault_category IS NULL AND is_warmup = 0
             ORDER BY started_unix_micros"
        ))?;
        let since = since_unix_micros.unwrap_or(i64::MIN);
        let mut rows = statement.query(params![series, metric == Metric::Cold, since])?;
        let mut points = Vec::new();
        while let Some(row) = rows.next()? {
            let of: Option<i64> = row.get(1)?;
            let is_chosen = match campaign {
                Some(_) => of == campaign,
                None => of.is_none_or(|of| !experiments.contains(&of)),
            };
            let micros: Option<i64> = row.get(2)?;
            // The clock of a page is coarse: nothing takes no time at all.
            if let Some(micros) = micros.filter(|micros| is_chosen && *micros > 0) {
                points.push(Point { started_unix_micros: row.get(0)?, campaign: of, micros: micros as f64 });
            }
        }
        Ok(points)
    }

    /// How many runs of a series failed since `since`; in one campaign only, if one is named, and otherwise without
    /// experiments.
    pub(crate) fn n_failed(
        &self,
        series: i64,
        since_unix_micros: Option<i64>,
        campaign: Option<i64>,
    ) -> Result<usize, StoreError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT count(*) FROM run INDEXED BY run_by_fault
             WHERE series = :series AND started_unix_micros >= :since AND fault_category IS NOT NULL
                   AND iif(:campaign IS NULL,
                           campaign IS NULL OR campaign NOT IN (SELECT id FROM campaign WHERE is_experiment),
                           campaign = :campaign)",
        )?;
        let n: i64 = statement.query_row(
            named_params! {
                ":series": series,
                ":since": since_unix_micros.unwrap_or(i64::MIN),
                ":campaign": campaign,
            },
            |row| row.get(0),
        )?;
        Ok(usize::try_from(n).unwrap_or(0))
    }

    /// The variants of kernels that were last found to be the fastest, for the browser, backend and adapter of a series, by
    /// kernel and class of shapes.
    pub(crate) fn settings(&self, series: &Series) -> Result<BTreeMap<String, String>, StoreError> {
        if series.adapter.is_empty() {
            return Ok(BTreeMap::new());
        }
        let connection = self.lock();
        // The adapter as series name it.
        let mut statement = connection.prepare_cached(
            "SELECT key, variant FROM tuning
             WHERE is_chosen AND browser_name = :browser AND :backend || ' ' LIKE backend || ' %'
                   AND concat_ws(' ', nullif(adapter_vendor, ''), nullif(adapter_architecture, ''),
                                 nullif(adapter_description, '')) || iif(adapter_is_fallback, ' (software)', '') = :adapter
             ORDER BY at_unix_micros, id",
        )?;
        let place = named_params! {
            ":browser": series.browser,
            ":backend": series.backend,
            ":adapter": series.adapter,
        };
        let rows = statement.query_map(place, |row| Ok((row.get(0)?, row.get(1)?)))?;
        // Later measurements replace earlier ones.
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What else was so when the run of a series that started then was made; of runs that were rolled up, what is left.
    pub(crate) fn circumstances(
        &self,
        series: i64,
        started_unix_micros: i64,
    ) -> Result<Option<Circumstances>, StoreError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT strftime('%Y-%m-%d %H:%M', run.started_unix_micros / 1000000, 'unixepoch', 'localtime') AS time,
                    run.browser_version, run.engine_version, run.campaign, campaign.label, campaign.git_commit
             FROM run LEFT JOIN campaign ON campaign.id = run.campaign
             WHERE run.series = ?1 AND run.cold IN (0, 1) AND run.started_unix_micros = ?2
                   AND run.fault_category IS NULL AND run.is_warmup = 0
             UNION ALL
             SELECT strftime('%Y-%m-%d %H:%M', rollup.first_unix_micros / 1000000, 'unixepoch', 'localtime') AS time,
                    '', '', rollup.campaign, campaign.label, campaign.git_commit
             FROM rollup LEFT JOIN campaign ON campaign.id = rollup.campaign
             WHERE rollup.series = ?1 AND rollup.cold IN (0, 1) AND rollup.first_unix_micros = ?2
             LIMIT 1",
        )?;
        let found = statement.query_row([series, started_unix_micros], |row| {
            Ok(Circumstances {
                time: row.get("time")?,
                browser_version: row.get("browser_version")?,
                engine_version: row.get("engine_version")?,
                campaign: row.get("campaign")?,
                label: row.get("label")?,
                git_commit: row.get("git_commit")?,
            })
        });
        Ok(found.optional()?)
    }
}

/// Campaigns that are experiments.
pub(super) fn experiments(connection: &Connection) -> Result<BTreeSet<i64>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT id FROM campaign WHERE is_experiment")?;
    let ids = statement.query_map([], |row| row.get(0))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

fn series(row: &Row<'_>) -> rusqlite::Result<Series> {
    let text = |column: &str| row.get::<_, String>(column);
    let (model, case_id, backend) = (text("model")?, text("case_id")?, text("backend")?);
    // A planned case is called model/case/backend.
    let case = case_id
        .strip_prefix(&model)
        .and_then(|rest| rest.strip_prefix('/')?.strip_suffix(&backend)?.strip_suffix('/'))
        .map(str::to_owned);
    Ok(Series {
        id: row.get("id")?,
        case: case.map_or_else(|| text("shapes"), Ok)?,
        backend: quantity::backend(&backend, &text("backend_detail")?),
        model,
        model_sha256: text("model_sha256")?,
        precision: text("precision")?,
        browser: text("browser_name")?,
        adapter: text("adapter")?,
        host: text("host")?,
        cpu_model: text("cpu_model")?,
    })
}
