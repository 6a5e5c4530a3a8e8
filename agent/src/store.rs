//! The history in SQLite: one row per run, with everything needed to compare it fairly later.
//!
//! `store/migrations` documents the tables. The store has one connection behind a lock; every method is short.

mod campaign;
mod event;
mod history;
mod meters;
mod rollup;
mod rows;
mod run;
mod schema;
mod series;
mod session;
mod tuning;
mod upkeep;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use rusqlite::{Connection, ErrorCode};

use crate::exit::{Failure, verdict};
use crate::zoo::cache::user_directory;

pub(crate) use campaign::{Campaign, NewCampaign};
pub(crate) use event::{EventFilter, EventRow, Recovery};
pub(crate) use history::{Dimension, Filter, Group, HistoryRow, RecentRun};
pub(crate) use meters::{BOUNDS_MICROS, Meter};
pub(crate) use rows::{column_names, column_types, row_schema};
pub(crate) use run::{Inserted, Place, SessionRun};
pub(crate) use schema::NEWEST as NEWEST_SCHEMA;
pub(crate) use series::{Circumstances, Metric, Point, Series};
pub(crate) use session::{Ending, SessionRow};
pub(crate) use upkeep::Pruned;

/// How long a statement waits for another program's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What to do about a file that is no history.
const AFRESH_HINT: &str = "move the file away to start afresh, or name another one with --db";

/// What to do about a place that cannot be written.
const ACCESS_HINT: &str =
    "check free space and the permissions of the file and its folder, or name another one with --db";

/// Name of a history without a file.
const IN_MEMORY: &str = ":memory:";

/// An open history.
#[derive(Debug)]
pub(crate) struct Store {
    connection: Mutex<Connection>,
    path: PathBuf,
}

/// Why the store refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// No space left where the database is.
    #[error("the disk is full")]
    Full,
    /// The file is no database, or damaged.
    #[error("the file is not a usable SQLite database: {0}")]
    Corrupt(#[source] rusqlite::Error),
    /// Anything else.
    #[error(transparent)]
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt(error),
            Some(_) | None => Self::Sqlite(error),
        }
    }
}

impl StoreError {
    /// The next thing to try; `None` for what only a bug can cause.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Full => Some("free some space where the history is, or name another file with --db"),
            Self::Corrupt(_) => Some(AFRESH_HINT),
            Self::Sqlite(error) => match error.sqlite_error_code() {
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                    Some("another program is writing to it: try again, or name another file with --db")
                }
                Some(
                    ErrorCode::PermissionDenied
                    | ErrorCode::ReadOnly
                    | ErrorCode::CannotOpen
                    | ErrorCode::SystemIoFailure
                    | ErrorCode::FileLockingProtocolFailed,
                ) => Some(ACCESS_HINT),
                Some(_) | None => None,
            },
        }
    }
}

impl Store {
    /// Opens the history at `path`, creating or migrating it.
    ///
    /// # Errors
    /// The file cannot be created, is no history, or was written by a newer version.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let open = || {
            if let Some(folder) = path.parent() {
                let describe = || Failure::environment("cannot make its folder").hint(ACCESS_HINT);
                std::fs::create_dir_all(folder).with_context(describe)?;
            }
            let mut connection = Connection::open(path).map_err(StoreError::from)?;
            schema::prepare(&mut connection)?;
            Ok(connection)
        };
        let connection = open().map_err(|error: anyhow::Error| {
            let (exit, hint) = verdict(&error);
            let message = format!("cannot open the history {}", path.display());
            let failure = Failure { exit, message, hint: hint.map(str::to_owned) };
            error.context(failure)
        })?;
        Ok(Self { connection: Mutex::new(connection), path: path.to_owned() })
    }

    /// A history that lives as long as the value.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub(crate) fn in_memory() -> anyhow::Result<Self> {
        let mut connection = Connection::open_in_memory()?;
        schema::prepare(&mut connection)?;
        Ok(Self { connection: Mutex::new(connection), path: PathBuf::from(IN_MEMORY) })
    }

    /// Another connection to the same file, for another thread; none for a history in memory.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub(crate) fn another(&self) -> anyhow::Result<Option<Self>> {
        if self.path == Path::new(IN_MEMORY) { Ok(None) } else { Self::open(&self.path).map(Some) }
    }

    /// Lets the database grow to `n_pages`, or not at all when that is less than it has: a full disk.
    #[cfg(test)]
    pub(crate) fn limit_pages_for_test(&self, n_pages: u32) {
        self.lock().pragma_update(None, "max_page_count", n_pages.max(1)).expect("a pragma");
    }

    /// Where the history is when nobody says: `${XDG_DATA_HOME:-~/.local/share}/tabpool/history.sqlite`.
    ///
    /// # Errors
    /// Neither `XDG_DATA_HOME` nor `HOME` is set.
    pub(crate) fn default_path() -> anyhow::Result<PathBuf> {
        Ok(user_directory("XDG_DATA_HOME", ".local/share")?.join("history.sqlite"))
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // A panic cannot leave SQLite half-way: its transaction was rolled back.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
