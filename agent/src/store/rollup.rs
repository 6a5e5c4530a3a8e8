//! Roll-ups: what is left of the runs that retention removes.

use rusqlite::{Connection, Row, params};
use stats::{Sample, Summary};

use crate::store::series::experiments;
use crate::store::{Metric, Point, Store, StoreError};

/// Runs that retention may remove: old, and of no campaign with a label.
pub(super) const OLD: &str = "started_unix_micros < ?1
    AND (campaign IS NULL OR campaign NOT IN (SELECT id FROM campaign WHERE label IS NOT NULL))";

/// What runs must share to be rolled up together: series, campaign, UTC day, and whether they are cold starts.
type Key = (i64, Option<i64>, i64, bool);

/// The runs of one row.
#[derive(Debug, Default)]
struct Members {
    first_unix_micros: i64,
    last_unix_micros: i64,
    n_failed: i64,
    micros: Vec<f64>,
}

impl Store {
    /// What was rolled up of a series since `since`, oldest first, without experiments: of each campaign and UTC day the
    /// start of the first run, and the median as one measurement.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub(crate) fn rolled_up(
        &self,
        series: i64,
        metric: Metric,
        since_unix_micros: Option<i64>,
    ) -> Result<Vec<Point>, StoreError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT first_unix_micros, campaign, median_micros FROM rollup
             WHERE series = ?1 AND cold = ?2 AND first_unix_micros >= ?3 AND n > 0 ORDER BY first_unix_micros",
        )?;
        let since = since_unix_micros.unwrap_or(i64::MIN);
        let rows = statement.query_map(params![series, metric == Metric::Cold, since], |row| {
            Ok(Point { started_unix_micros: row.get(0)?, campaign: row.get(1)?, micros: row.get(2)? })
        })?;
        let mut rolled: Vec<Point> = rows.collect::<Result<_, _>>()?;
        if !rolled.is_empty() {
            let experiments = experiments(&connection)?;
            rolled.retain(|one| one.campaign.is_none_or(|campaign| !experiments.contains(&campaign)));
        }
        Ok(rolled)
    }

    /// How many warm runs of a series were rolled up since `since`, and how many runs that failed, without experiments.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub(crate) fn n_rolled_up(
        &self,
        series: i64,
        since_unix_micros: Option<i64>,
    ) -> Result<(usize, usize), StoreError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT coalesce(sum(iif(cold, 0, n)), 0), coalesce(sum(n_failed), 0) FROM rollup
             WHERE series = ?1 AND cold IN (0, 1) AND first_unix_micros >= ?2
                   AND (campaign IS NULL OR campaign NOT IN (SELECT id FROM campaign WHERE is_experiment))",
        )?;
        let since = since_unix_micros.unwrap_or(i64::MIN);
        let (n, n_failed): (i64, i64) =
            statement.query_row([series, since], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let count = |n: i64| usize::try_from(n).unwrap_or(0);
        Ok((count(n), count(n_failed)))
    }
}

/// Rolls up the runs that are [`OLD`] at `cutoff`.
pub(super) fn roll_up(connection: &Connection, cutoff_unix_micros: i64) -> Result<(), StoreError> {
    let mut statement = connection.prepare(&format!(
        "SELECT series, campaign, started_unix_micros / 86400000000 AS day, cold, started_unix_micros,
                fault_category IS NOT NULL AS is_failed,
                iif(is_warmup, NULL, coalesce(run_micros, total_micros) + iif(cold, load_micros, 0)) AS micros
         FROM run WHERE {OLD} ORDER BY 1, 2, 3, 4, 5"
    ))?;
    let mut rows = statement.query([cutoff_unix_micros])?;
    let mut open: Option<(Key, Members)> = None;
    while let Some(row) = rows.next()? {
        let key = key(row)?;
        if open.as_ref().is_none_or(|(last, _)| *last != key) {
            if let Some((key, members)) = open.take() {
                write(connection, key, members)?;
            }
            let first_unix_micros = row.get("started_unix_micros")?;
            open = Some((key, Members { first_unix_micros, ..Members::default() }));
        }
        let Some((_, members)) = &mut open else { continue };
        members.last_unix_micros = row.get("started_unix_micros")?;
        if row.get("is_failed")? {
            members.n_failed += 1;
        } else {
            members.micros.extend(row.get::<_, Option<f64>>("micros")?.filter(|micros| *micros > 0.0));
        }
    }
    match open {
        Some((key, members)) => write(connection, key, members),
        None => Ok(()),
    }
}

fn key(row: &Row<'_>) -> rusqlite::Result<Key> {
    Ok((row.get("series")?, row.get("campaign")?, row.get("day")?, row.get("cold")?))
}

fn write(connection: &Connection, key: Key, members: Members) -> Result<(), StoreError> {
    let (series, campaign, _, cold) = key;
    let sample = Sample::new(&members.micros).ok();
    let summary = sample.as_ref().map(Summary::of);
    let time = |field: fn(&Summary) -> f64| summary.as_ref().map(field);
    let mut statement = connection.prepare_cached(
        "INSERT INTO rollup (series, campaign, cold, first_unix_micros, last_unix_micros, n, n_failed, min_micros,
                             lower_quartile_micros, median_micros, upper_quartile_micros, p95_micros, max_micros,
                             mad_micros)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    )?;
    statement.execute(params![
        series,
        campaign,
        cold,
        members.first_unix_micros,
        members.last_unix_micros,
        i64::try_from(members.micros.len()).unwrap_or(i64::MAX),
        members.n_failed,
        time(|summary| summary.min),
        time(|summary| summary.lower_quartile),
        time(|summary| summary.median),
        time(|summary| summary.upper_quartile),
        sample.as_ref().map(|sample| sample.quantile(0.95)),
        time(|summary| summary.max),
        time(|summary| summary.mad),
    ])?;
    Ok(())
}
