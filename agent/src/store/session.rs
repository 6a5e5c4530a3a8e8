//! Sessions: which command launched which browser, when it was ready, what it could do, and how it ended.

use rusqlite::{Row, params};
use serde::Serialize;
use wire::{Browser, Capabilities};

use crate::browser::flags_of;
use crate::golden::compare::Check;
use crate::store::event::not_json;
use crate::store::{Store, StoreError};

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The page said that everything was tried, or the agent had no more use for it.
    Finished,
    /// The page said nothing for too long.
    Timeout,
    /// The browser ended by itself.
    ConnectionLost,
    /// The page said that it cannot go on.
    Aborted,
    /// Somebody stopped the agent.
    Interrupted,
}

impl Ending {
    /// Stable name: the one in the database.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Timeout => "timeout",
            Self::ConnectionLost => "connection_lost",
            Self::Aborted => "aborted",
            Self::Interrupted => "interrupted",
        }
    }
}

/// A session as a person reads it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct SessionRow {
    /// Its id.
    pub(crate) id: String,
    /// The campaign it measured for, if any.
    pub(crate) campaign: Option<i64>,
    /// The command that launched it.
    pub(crate) command: String,
    /// Browser name.
    pub(crate) browser: String,
    /// Browser version.
    pub(crate) browser_version: String,
    /// Switches, preferences and variables of the launch.
    pub(crate) browser_flags: Option<String>,
    /// Launch, microseconds since the Unix epoch.
    pub(crate) started_unix_micros: i64,
    /// The same in local time.
    pub(crate) time: String,
    /// From the launch to the first word of its page, microseconds.
    pub(crate) launch_micros: Option<i64>,
    /// From the launch to its end, microseconds.
    pub(crate) lasted_micros: Option<i64>,
    /// How it ended; none while it runs, and for good when the agent was killed.
    pub(crate) ending: Option<String>,
    /// What a worker found out it can do, when it was asked.
    pub(crate) capabilities: Option<Capabilities>,
    /// Runs in the history.
    pub(crate) n_runs: i64,
    /// Those that failed.
    pub(crate) n_failed: i64,
}

impl Store {
    /// Adds a launch by `bench`.
    ///
    /// # Errors
    /// A failure of SQLite, as for every method here.
    pub(crate) fn begin_session(
        &self,
        session: &str,
        campaign: i64,
        browser: &Browser,
        started_unix_micros: i64,
    ) -> Result<(), StoreError> {
        self.begin_launch(session, Some(campaign), "bench", browser, started_unix_micros)
    }

    /// Adds a launch by `command`; one that measures nothing has no campaign.
    pub(crate) fn begin_launch(
        &self,
        session: &str,
        campaign: Option<i64>,
        command: &str,
        browser: &Browser,
        started_unix_micros: i64,
    ) -> Result<(), StoreError> {
        self.lock().execute(
            "INSERT INTO session (
                 id, campaign, command, browser_name, browser_version, browser_flags, started_unix_micros
             ) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                session,
                campaign,
                command,
                browser.name,
                browser.version,
                flags_of(&browser.name),
                started_unix_micros
            ],
        )?;
        Ok(())
    }

    /// Notes the first word of a session's page, and what it can do when that is known.
    pub(crate) fn note_ready(
        &self,
        session: &str,
        ready_unix_micros: i64,
        capabilities: Option<&Capabilities>,
    ) -> Result<(), StoreError> {
        let json = capabilities.map(serde_json::to_string).transpose();
        let json = json.map_err(not_json)?;
        self.lock().execute(
            "UPDATE session SET ready_unix_micros = coalesce(ready_unix_micros, ?2), capabilities = ?3 WHERE id = ?1",
            params![session, ready_unix_micros, json],
        )?;
        Ok(())
    }

    /// Notes the end of a session and which of its runs were warm-up: of each case and engine the first `n_warmup` after
    /// the cold one.
    pub(crate) fn end_session(
        &self,
        session: &str,
        ending: Ending,
        n_warmup: u32,
        finished_unix_micros: i64,
    ) -> Result<(), StoreError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        transaction.execute(
            "UPDATE session SET finished_unix_micros = ?2, ending = ?3 WHERE id = ?1",
            params![session, finished_unix_micros, ending.as_str()],
        )?;
        transaction.execute(
            "UPDATE run SET is_warmup = 0 WHERE session = ?1 AND id NOT IN (
                 SELECT id FROM (
                     SELECT id, row_number() OVER (
                         PARTITION BY case_id, engine ORDER BY started_unix_micros, id
                     ) AS nth
                     FROM run WHERE session = ?1 AND NOT cold
                 ) WHERE nth <= ?2
             )",
            params![session, n_warmup],
        )?;
        transaction.commit()?;
        Ok(())
    }

    /// The latest `limit` sessions of these browsers, or of all, since `since`; latest first.
    pub(crate) fn sessions(
        &self,
        browsers: &[String],
        since_unix_micros: Option<i64>,
        limit: u32,
    ) -> Result<Vec<SessionRow>, StoreError> {
        let connection = self.lock();
        let mut statement = connection.prepare(
            "SELECT *, strftime('%Y-%m-%d %H:%M:%S', started_unix_micros / 1000000, 'unixepoch', 'localtime') AS local_time,
                    ready_unix_micros - started_unix_micros AS launch_micros,
                    finished_unix_micros - started_unix_micros AS lasted_micros,
                    (SELECT count(*) FROM run WHERE run.session = session.id) AS n_runs,
                    (SELECT count(fault_category) FROM run WHERE run.session = session.id) AS n_failed
             FROM session
             WHERE started_unix_micros >= ?1 AND (?2 = '[]' OR browser_name IN (SELECT value FROM json_each(?2)))
             ORDER BY started_unix_micros DESC, id DESC LIMIT ?3",
        )?;
        let names = serde_json::Value::from(browsers).to_string();
        let since = since_unix_micros.unwrap_or(i64::MIN);
        let rows = statement.query_map(params![since, names, limit], session)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Notes how the outputs of the first run of a case compare with the golden ones. The run's record must be in.
    pub(crate) fn set_check(
        &self,
        session: &str,
        case_id: &str,
        engine: &str,
        check: &Check,
    ) -> Result<(), StoreError> {
        self.lock().execute(
            "UPDATE run SET check_ok = ?4, check_max_abs_ratio = ?5, check_cosine = ?6, check_problem = ?7
             WHERE id = (
                 SELECT id FROM run WHERE session = ?1 AND case_id = ?2 AND engine = ?3 AND fault_category IS NULL
                 ORDER BY started_unix_micros, id LIMIT 1
             )",
            params![session, case_id, engine, check.ok, check.max_abs_ratio, check.cosine, check.problem],
        )?;
        Ok(())
    }
}

fn session(row: &Row<'_>) -> rusqlite::Result<SessionRow> {
    let capabilities: Option<String> = row.get("capabilities")?;
    Ok(SessionRow {
        id: row.get("id")?,
        campaign: row.get("campaign")?,
        command: row.get("command")?,
        browser: row.get("browser_name")?,
        browser_version: row.get("browser_version")?,
        browser_flags: row.get("browser_flags")?,
        started_unix_micros: row.get("started_unix_micros")?,
        time: row.get("local_time")?,
        launch_micros: row.get("launch_micros")?,
        lasted_micros: row.get("lasted_micros")?,
        ending: row.get("ending")?,
        // A newer version may know more of them than this one can read.
        capabilities: capabilities.and_then(|json| serde_json::from_str(&json).ok()),
        n_runs: row.get("n_runs")?,
        n_failed: row.get("n_failed")?,
    })
}
