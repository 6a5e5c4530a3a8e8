//! Care for the history: integrity, copies, retention, and the way back to an older version.

use std::path::Path;

use serde::Serialize;

use crate::store::{Store, StoreError, schema};

/// What retention removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Pruned {
    /// Runs.
    pub(crate) n_runs: usize,
    /// Browser sessions that had no other runs.
    pub(crate) n_sessions: usize,
    /// Campaigns that had no other sessions.
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

    /// Removes runs that started before `cutoff`, microseconds since the Unix epoch, and gives their space back. Runs of
    /// campaigns with a label stay: they are baselines. So does the newest campaign, and with it ids only grow.
    ///
    /// # Errors
    /// A failure of SQLite; then nothing was removed.
    pub(crate) fn prune(&self, cutoff_unix_micros: i64) -> Result<Pruned, StoreError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        let n_runs = transaction.execute(
            "DELETE FROM run WHERE started_unix_micros < ?1
             AND (campaign IS NULL OR campaign NOT IN (SELECT id FROM campaign WHERE label IS NOT NULL))",
            [cutoff_unix_micros],
        )?;
        let n_sessions = transaction.execute(
            "DELETE FROM session WHERE started_unix_micros < ?1 AND finished_unix_micros IS NOT NULL
             AND NOT EXISTS (SELECT 1 FROM run WHERE run.session = session.id)",
            [cutoff_unix_micros],
        )?;
        let n_campaigns = transaction.execute(
            "DELETE FROM campaign WHERE started_unix_micros < ?1 AND id < (SELECT max(id) FROM campaign)
             AND NOT EXISTS (SELECT 1 FROM session WHERE session.campaign = campaign.id)",
            [cutoff_unix_micros],
        )?;
        transaction.commit()?;
        if n_runs > 0 {
            connection.execute_batch("VACUUM")?;
        }
        Ok(Pruned { n_runs, n_sessions, n_campaigns })
    }

    /// Takes the tables to another version of the schema, for an older tabpool to open.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub(crate) fn migrate(&self, version: u32) -> anyhow::Result<()> {
        schema::migrate(&mut self.lock(), version)
    }
}
