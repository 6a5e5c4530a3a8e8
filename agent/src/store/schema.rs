//! Creates the tables, and migrates them up and down.

use anyhow::Context as _;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::exit::Failure;
use crate::store::{AFRESH_HINT, BUSY_TIMEOUT, StoreError};

/// Marks a database as ours: `tabp` in ASCII.
const APPLICATION_ID: i32 = i32::from_be_bytes(*b"tabp");

/// One step between two versions of the schema.
struct Migration {
    up: &'static str,
    down: &'static str,
}

/// Step `i` leads from `user_version` `i` to `i + 1` and back.
const MIGRATIONS: [Migration; 6] = [
    Migration { up: include_str!("migrations/1_up.sql"), down: include_str!("migrations/1_down.sql") },
    Migration { up: include_str!("migrations/2_up.sql"), down: include_str!("migrations/2_down.sql") },
    Migration { up: include_str!("migrations/3_up.sql"), down: include_str!("migrations/3_down.sql") },
    Migration { up: include_str!("migrations/4_up.sql"), down: include_str!("migrations/4_down.sql") },
    Migration { up: include_str!("migrations/5_up.sql"), down: include_str!("migrations/5_down.sql") },
    Migration { up: include_str!("migrations/6_up.sql"), down: include_str!("migrations/6_down.sql") },
];

/// The version that this program works with.
pub(crate) const NEWEST: u32 = MIGRATIONS.len() as u32;

/// Sets the connection up and brings its tables to the newest version.
pub(super) fn prepare(connection: &mut Connection) -> anyhow::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT).map_err(StoreError::from)?;
    let application_id = pragma(connection, "application_id")?;
    let n_tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(StoreError::from)?;
    if application_id != i64::from(APPLICATION_ID) && (application_id != 0 || n_tables > 0) {
        return Err(Failure::environment("the database belongs to another program").hint(AFRESH_HINT).into());
    }
    // Readers go on while a page's records are written; a crash loses at most the last batch.
    connection.pragma_update(None, "journal_mode", "WAL").map_err(StoreError::from)?;
    connection.pragma_update(None, "synchronous", "NORMAL").map_err(StoreError::from)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(StoreError::from)?;
    migrate(connection, NEWEST)?;
    assign_series(connection)?;
    Ok(())
}

/// Brings the tables to `target`, up or down; all steps or none.
///
/// # Errors
/// The database is newer than this program, or a failure of SQLite.
pub(super) fn migrate(connection: &mut Connection, target: u32) -> anyhow::Result<()> {
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(StoreError::from)?;
    let version = pragma(&transaction, "user_version")?;
    let mut version =
        u32::try_from(version).ok().filter(|version| *version <= NEWEST).with_context(|| {
            Failure::environment(format!(
                "its schema is version {version}, this program knows up to {NEWEST}"
            ))
            .hint("update tabpool, or name another history with --db")
        })?;
    while version < target {
        step(&transaction, MIGRATIONS[version as usize].up, version + 1)?;
        version += 1;
    }
    while version > target {
        version -= 1;
        step(&transaction, MIGRATIONS[version as usize].down, version)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(StoreError::from)?;
    transaction.commit().map_err(StoreError::from)?;
    Ok(())
}

/// Gives every run that lacks one its series: new records, and those that an older version stored.
pub(super) fn assign_series(connection: &Connection) -> Result<(), StoreError> {
    Ok(connection.execute_batch(include_str!("assign.sql"))?)
}

fn step(transaction: &Transaction<'_>, script: &str, version: u32) -> anyhow::Result<()> {
    transaction
        .execute_batch(script)
        .and_then(|()| transaction.pragma_update(None, "user_version", version))
        .map_err(StoreError::from)
        .with_context(|| format!("cannot migrate to schema version {version}"))
}

fn pragma(connection: &Connection, name: &str) -> Result<i64, StoreError> {
    Ok(connection.pragma_query_value(None, name, |row| row.get(0))?)
}
