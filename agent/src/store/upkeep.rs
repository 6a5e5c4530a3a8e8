//! Care for the history: integrity, copies, retention, and the way back to an older version.

use std::path::Path;

use rusqlite::{OptionalExtension as _, Row, TransactionBehavior};
use serde::Serialize;

use crate::store::{Store, StoreError, rollup, schema};

/// A day, microseconds.
const DAY_MICROS: i64 = 86_400_000_000;

/// What retention removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Pruned {
    /// Runs, which were rolled up.
    pub(crate) n_runs: usize,
    /// Events of pools.
    pub(crate) n_events: usize,
    /// Browser sessions that had no other runs.
    pub(crate) n_sessions: usize,
    /// Campaigns of which nothing is left.
    pub(crate) n_campaigns: usize,
}

impl Store {
    /// Everything that SQLite finds wrong with the file; empty when it is sound.
    ///
    /// # Errors
    /// The check cannot even run.
    pub(crate) fn problems(&self) -> Result<Vec<String>, StoreError> {
        let connection = self.lock();
        let mut problems = Vec::new();
        connection.pragma_query(None, "integrity_check", |row| {
            problems.push(row.get::<_, String>(0)?);
            Ok(())
        })?;
        problems.retain(|problem| problem != "ok");
        connection.pragma_query(None, "foreign_key_check", |row| {
            let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
            problems.push(format!("a row of {table} refers to a row of {parent} that is not there"));
            Ok(())
        })?;
        Ok(problems)
    }

    /// Writes a consistent, compact copy to `path`, which must not exist, while others go on writing.
    ///
    /// # Errors
    /// The file exists or cannot be written.
    pub(crate) fn back_up(&self, path: &Path) -> Result<(), StoreError> {
        self.lock().execute("VACUUM INTO ?1", [path.display().to_string()])?;
        Ok(())
    }

    /// Rolls up and removes the runs of all UTC days that had ended at `cutoff`, microseconds since the Unix epoch, and
    /// removes events of that age. Runs of campaigns with a label stay: they are baselines. So does the newest campaign,
    /// and with it ids only grow.
    ///
    /// # Errors
    /// A failure of SQLite; then nothing was removed.
    pub(crate) fn prune(&self, cutoff_unix_micros: i64) -> Result<Pruned, StoreError> {
        let cutoff = cutoff_unix_micros - cutoff_unix_micros.rem_euclid(DAY_MICROS);
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        rollup::roll_up(&transaction, cutoff)?;
        let n_runs = transaction.execute(&format!("DELETE FROM run WHERE {}", rollup::OLD), [cutoff])?;
        let n_events = transaction.execute("DELETE FROM event WHERE at_unix_micros < ?1", [cutoff])?;
        let n_sessions = transaction.execute(
            "DELETE FROM session WHERE started_unix_micros < ?1 AND finished_unix_micros IS NOT NULL
             AND NOT EXISTS (SELECT 1 FROM run WHERE run.session = session.id)",
            [cutoff],
        )?;
        let n_campaigns = transaction.execute(
            "DELETE FROM campaign WHERE started_unix_micros < ?1 AND id < (SELECT max(id) FROM campaign)
             AND NOT EXISTS (SELECT 1 FROM session WHERE session.campaign = campaign.id)
             AND NOT EXISTS (SELECT 1 FROM rollup WHERE rollup.campaign = campaign.id)",
            [cutoff],
        )?;
        transaction.commit()?;
        Ok(Pruned { n_runs, n_events, n_sessions, n_campaigns })
    }

    /// Gives the space of removed rows back to the file system, which rewrites the file.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub(crate) fn compact(&self) -> Result<(), StoreError> {
        Ok(self.lock().execute_batch("VACUUM")?)
    }

    /// How long runs are kept, microseconds; `None`: for good.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub(crate) fn retention(&self) -> Result<Option<i64>, StoreError> {
        Ok(self.lock().query_row("SELECT keep_micros FROM retention", [], |row| row.get(0))?)
    }

    /// Sets how long runs are kept; the next [`Store::keep_up`] acts on it.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub(crate) fn set_retention(&self, keep_micros: Option<i64>) -> Result<(), StoreError> {
        self.lock()
            .execute("UPDATE retention SET keep_micros = ?1, pruned_unix_micros = 0", [keep_micros])?;
        Ok(())
    }

    /// Prunes as [`Store::retention`] says, unless somebody did within the last day. The space is used again, not given
    /// back.
    ///
    /// # Errors
    /// A failure of SQLite; then nothing was removed.
    pub(crate) fn keep_up(&self, now_unix_micros: i64) -> Result<Option<Pruned>, StoreError> {
        let due = "UPDATE retention SET pruned_unix_micros = ?1
                   WHERE pruned_unix_micros <= ?1 - ?2 AND keep_micros IS NOT NULL RETURNING keep_micros";
        let keep = |row: &Row<'_>| row.get::<_, i64>(0);
        let keep = self.lock().query_row(due, [now_unix_micros, DAY_MICROS], keep).optional()?;
        keep.map(|keep| self.prune(now_unix_micros.saturating_sub(keep))).transpose()
    }

    /// Takes the tables to another version of the schema, for an older tabpool to open.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub(crate) fn migrate(&self, version: u32) -> anyhow::Result<()> {
        schema::migrate(&mut self.lock(), version)
    }
}
