//! What is known of kernel variants: the fastest of each class on an adapter.

use std::collections::BTreeMap;

use rusqlite::named_params;
use wire::Adapter;

use crate::store::{Store, StoreError};

impl Store {
    /// The variants that were the fastest on an adapter, by class, as they were last measured.
    pub(crate) fn fastest_variants(&self, adapter: &Adapter) -> Result<BTreeMap<String, String>, StoreError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT key, variant FROM tuning
             WHERE is_chosen AND backend = 'webgpu' AND adapter_vendor = :vendor
               AND adapter_architecture = :architecture AND adapter_description = :description
               AND adapter_is_fallback = :is_fallback
             ORDER BY at_unix_micros, id",
        )?;
        let adapter = named_params! {
            ":vendor": adapter.vendor,
            ":architecture": adapter.architecture,
            ":description": adapter.description,
            ":is_fallback": adapter.is_fallback,
        };
        let rows = statement.query_map(adapter, |row| Ok((row.get(0)?, row.get(1)?)))?;
        // Later measurements replace earlier ones.
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests;
