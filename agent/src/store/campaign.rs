//! Campaigns: one invocation of a measuring command each.

use rusqlite::{OptionalExtension as _, Row, params};
use serde::Serialize;

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
    /// Branch of that checkout, or as the caller says.
    pub(crate) branch: Option<String>,
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
    /// Branch of that checkout, or as the caller said.
    pub(crate) branch: Option<String>,
    /// What the gate said of all of it.
    pub(crate) verdict: Option<String>,
    /// Host name.
    pub(crate) host: String,
    /// CPU model.
    pub(crate) cpu_model: String,
    /// Logical CPUs.
    pub(crate) n_cpus: u32,
    /// One-minute load average at the end.
    pub(crate) load_after: Option<f64>,
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
                                   load_before, is_experiment, branch)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
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
                campaign.branch,
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

    /// Notes what the gate said of a campaign.
    pub(crate) fn set_verdict(&self, campaign: i64, verdict: &str) -> Result<(), StoreError> {
        self.lock().execute("UPDATE campaign SET verdict = ?2 WHERE id = ?1", params![campaign, verdict])?;
        Ok(())
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
}

fn campaign(row: &Row<'_>) -> rusqlite::Result<Campaign> {
    Ok(Campaign {
        id: row.get("id")?,
        started_unix_micros: row.get("started_unix_micros")?,
        label: row.get("label")?,
        git_commit: row.get("git_commit")?,
        branch: row.get("branch")?,
        verdict: row.get("verdict")?,
        host: row.get("host")?,
        cpu_model: row.get("cpu_model")?,
        n_cpus: row.get("n_cpus")?,
        load_after: row.get("load_after")?,
    })
}
