//! Campaigns and sessions: which command launched which browser, when, and how that ended.

use rusqlite::{OptionalExtension as _, Row, params};
use serde::Serialize;

use crate::golden::compare::Check;
use crate::store::{Store, StoreError};

/// What is known when a campaign starts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NewCampaign {
    /// Start, microseconds since the Unix epoch.
    pub(crate) started_unix_micros: i64,
    /// The caller's words.
    pub(crate) label: Option<String>,
    /// HEAD of the working folder's checkout.
    pub(crate) git_commit: Option<String>,
    /// Host name.
    pub(crate) host: String,
    /// CPU model.
    pub(crate) cpu_model: String,
    /// Logical CPUs.
    pub(crate) n_cpus: u32,
    /// One-minute load average.
    pub(crate) load_before: Option<f64>,
    /// No part of trends, and no baseline.
    pub(crate) is_experiment: bool,
}

/// A campaign of the history.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Campaign {
    /// Number in this history; later ones are larger.
    pub(crate) id: i64,
    /// Start, microseconds since the Unix epoch.
    pub(crate) started_unix_micros: i64,
    /// The caller's words.
    pub(crate) label: Option<String>,
    /// HEAD of the working folder's checkout.
    pub(crate) git_commit: Option<String>,
    /// Host name.
    pub(crate) host: String,
    /// CPU model.
    pub(crate) cpu_model: String,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The page said that everything was tried.
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

impl Store {
    /// Adds a campaign and returns its id.
    ///
    /// # Errors
    /// A failure of SQLite, as for every method here.
    pub(crate) fn begin_campaign(&self, campaign: &NewCampaign) -> Result<i64, StoreError> {
        let connection = self.lock();
        connection.execute(
            "INSERT INTO campaign (started_unix_micros, label, agent_version, git_commit, host, cpu_model, n_cpus,
                                   load_before, is_experiment)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                campaign.started_unix_micros,
                campaign.label,
                env!("CARGO_PKG_VERSION"),
                campaign.git_commit,
                campaign.host,
                campaign.cpu_model,
                campaign.n_cpus,
                campaign.load_before,
                campaign.is_experiment,
            ],
        )?;
        Ok(connection.last_insert_rowid())
    }

    /// The campaign with this id, or the latest that is no experiment.
    pub(crate) fn campaign(&self, id: Option<i64>) -> Result<Option<Campaign>, StoreError> {
        let connection = self.lock();
        let found = connection.query_row(
            "SELECT * FROM campaign WHERE id = ?1 OR (?1 IS NULL AND NOT is_experiment) ORDER BY id DESC LIMIT 1",
            [id],
            campaign,
        );
        Ok(found.optional()?)
    }

    /// Every campaign, oldest first, that is no experiment.
    pub(crate) fn campaigns(&self) -> Result<Vec<Campaign>, StoreError> {
        let connection = self.lock();
        let mut statement =
            connection.prepare("SELECT * FROM campaign WHERE NOT is_experiment ORDER BY id")?;
        let rows = statement.query_map([], campaign)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Notes the end of a campaign.
    pub(crate) fn end_campaign(
        &self,
        campaign: i64,
        finished_unix_micros: i64,
        load_after: Option<f64>,
    ) -> Result<(), StoreError> {
        self.lock().execute(
            "UPDATE campaign SET finished_unix_micros = ?2, load_after = ?3 WHERE id = ?1",
            params![campaign, finished_unix_micros, load_after],
        )?;
        Ok(())
    }

    /// Adds a session.
    pub(crate) fn begin_session(
        &self,
        session: &str,
        campaign: i64,
        browser: &wire::Browser,
        started_unix_micros: i64,
    ) -> Result<(), StoreError> {
        self.lock().execute(
            "INSERT INTO session (id, campaign, browser_name, browser_version, started_unix_micros)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![session, campaign, browser.name, browser.version, started_unix_micros],
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

fn campaign(row: &Row<'_>) -> rusqlite::Result<Campaign> {
    Ok(Campaign {
        id: row.get("id")?,
        started_unix_micros: row.get("started_unix_micros")?,
        label: row.get("label")?,
        git_commit: row.get("git_commit")?,
        host: row.get("host")?,
        cpu_model: row.get("cpu_model")?,
    })
}
