//! Counts and distributions over the whole history, for a monitoring system to scrape.

use std::collections::BTreeMap;

use rusqlite::named_params;

use crate::store::{Filter, Series, Store, StoreError};

/// Upper bounds of the buckets of warm times, microseconds: 1 ms to 10 s in steps of about 2.
pub(crate) const BOUNDS_MICROS: [i64; 13] = [
    1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000, 5_000_000,
    10_000_000,
];

/// What a history holds of one series.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Meter {
    /// The series.
    pub(crate) series: Series,
    /// Runs of any kind that succeeded.
    pub(crate) n_succeeded: i64,
    /// Runs that failed, by category.
    pub(crate) n_failed: BTreeMap<String, i64>,
    /// Warm runs with a time up to each of [`BOUNDS_MICROS`].
    pub(crate) n_up_to: Vec<i64>,
    /// Warm runs.
    pub(crate) n_warm: i64,
    /// Sum of their times, microseconds.
    pub(crate) warm_micros: f64,
    /// The latest of them: id, time, start since the Unix epoch, both microseconds.
    pub(crate) latest: Option<(String, f64, i64)>,
}

impl Store {
    /// One meter for each series of our own engine.
    ///
    /// # Errors
    /// A failure of SQLite, as for every method here.
    pub(crate) fn meters(&self) -> Result<Vec<Meter>, StoreError> {
        let all = self.series(&Filter::default())?;
        let sums: Vec<String> = BOUNDS_MICROS
            .iter()
            .map(|bound| format!("coalesce(sum(coalesce(run_micros, total_micros) <= {bound}), 0)"))
            .collect();
        let distribution = format!(
            "SELECT count(*), coalesce(sum(coalesce(run_micros, total_micros)), 0.0), {}
             FROM run INDEXED BY run_by_series
             WHERE series = ?1 AND cold = 0 AND fault_category IS NULL AND is_warmup = 0",
            sums.join(", ")
        );
        let connection = self.lock();
        let mut n_runs = BTreeMap::new();
        let mut statement = connection.prepare_cached("SELECT series, count(*) FROM run GROUP BY series")?;
        for row in statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))? {
            let (series, n): (Option<i64>, i64) = row?;
            n_runs.insert(series, n);
        }
        let mut meters = Vec::with_capacity(all.len());
        for series in all {
            let mut failures = connection.prepare_cached(
                "SELECT fault_category, count(*) FROM run INDEXED BY run_by_fault
                 WHERE series = ?1 AND fault_category IS NOT NULL GROUP BY fault_category",
            )?;
            let n_failed: BTreeMap<String, i64> = failures
                .query_map([series.id], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<_, _>>()?;
            let n_succeeded =
                n_runs.get(&Some(series.id)).copied().unwrap_or(0) - n_failed.values().sum::<i64>();
            let latest = latest(&connection, series.id)?;
            let mut statement = connection.prepare_cached(&distribution)?;
            meters.push(statement.query_row([series.id], |row| {
                let n_up_to = (0..BOUNDS_MICROS.len()).map(|index| row.get(2 + index));
                Ok(Meter {
                    n_succeeded,
                    n_failed,
                    n_up_to: n_up_to.collect::<Result<_, _>>()?,
                    n_warm: row.get(0)?,
                    warm_micros: row.get(1)?,
                    latest,
                    series,
                })
            })?);
        }
        Ok(meters)
    }

    /// Size of the database, bytes.
    pub(crate) fn n_bytes(&self) -> Result<i64, StoreError> {
        let connection = self.lock();
        Ok(connection.query_row(
            "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
            [],
            |row| row.get(0),
        )?)
    }
}

fn latest(connection: &rusqlite::Connection, series: i64) -> Result<Option<(String, f64, i64)>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, coalesce(run_micros, total_micros), started_unix_micros FROM run INDEXED BY run_by_series
         WHERE series = :series AND cold = 0 AND fault_category IS NULL AND is_warmup = 0
         ORDER BY started_unix_micros DESC LIMIT 1",
    )?;
    let mut rows = statement.query(named_params! { ":series": series })?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let micros: Option<f64> = row.get(1)?;
    let (id, started) = (row.get(0)?, row.get(2)?);
    Ok(micros.map(|micros| (id, micros, started)))
}
