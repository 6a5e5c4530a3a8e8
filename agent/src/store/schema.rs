//! Creates and migrates the tables.

use anyhow::Context as _;
use rusqlite::{Connection, TransactionBehavior};

use crate::exit::Failure;
use crate::store::{BUSY_TIMEOUT, StoreError};

/// Marks a database as ours: `tabp` in ASCII.
const APPLICATION_ID: i32 = i32::from_be_bytes(*b"tabp");

/// Script `i` takes a database from `user_version` `i` to `i + 1`.
const MIGRATIONS: [&str; 1] = [include_str!("schema.sql")];

/// Sets the connection up and brings its tables to the newest version.
pub(super) fn prepare(connection: &mut Connection) -> anyhow::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT).map_err(StoreError::from)?;
    let application_id = pragma(connection, "application_id")?;
    let n_tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(StoreError::from)?;
    if application_id != i64::from(APPLICATION_ID) && (application_id != 0 || n_tables > 0) {
        return Err(Failure::environment("the database belongs to another program").into());
    }
    // Readers go on while a page's records are written; a crash loses at most the last batch.
    connection.pragma_update(None, "journal_mode", "WAL").map_err(StoreError::from)?;
    connection.pragma_update(None, "synchronous", "NORMAL").map_err(StoreError::from)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(StoreError::from)?;
    migrate(connection)
}

fn migrate(connection: &mut Connection) -> anyhow::Result<()> {
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(StoreError::from)?;
    let version = pragma(&transaction, "user_version")?;
    let newest = MIGRATIONS.len();
    let done = usize::try_from(version).ok().filter(|done| *done <= newest).with_context(|| {
        Failure::environment(format!("its schema is version {version}, this program knows up to {newest}"))
            .hint("update tabpool, or name another history with --db")
    })?;
    for (version, script) in (1_u32..).zip(MIGRATIONS).skip(done) {
        transaction
            .execute_batch(script)
            .and_then(|()| transaction.pragma_update(None, "user_version", version))
            .map_err(StoreError::from)
            .with_context(|| format!("cannot migrate to schema version {version}"))?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(StoreError::from)?;
    transaction.commit().map_err(StoreError::from)?;
    Ok(())
}

fn pragma(connection: &Connection, name: &str) -> Result<i64, StoreError> {
    Ok(connection.pragma_query_value(None, name, |row| row.get(0))?)
}
