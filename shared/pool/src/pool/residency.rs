//! Models held without a run: jobs that only load one, and models that nobody wants any more.

use super::Pool;
use crate::record::UnloadReason;
use crate::{BackendSet, Connection, ConnectionId, Job, JobEnd, JobId, ModelId, Timestamp};

impl Pool {
    /// Leaves a model these backends, or gives it more: takes it off the others where no call uses it.
    pub fn restrict_model(&mut self, now: Timestamp, model: ModelId, backends: BackendSet) {
        let Some(entry) = self.models.get_mut(model.0 as usize) else { return };
        entry.spec.backends = backends;
        let ids: Vec<ConnectionId> = self.connections().map(|connection| connection.id).collect();
        for id in ids {
            let Some(connection) = self.connection(id) else { continue };
            for (held, on) in self.idle_models(connection) {
                if held == model && !backends.contains(on) {
                    self.unload(now, id, (held, on), UnloadReason::Unwanted);
                }
            }
            self.reindex(now, id);
        }
    }

    /// Takes a model out of every connection, at once or when the calls that use it end. Jobs that wait for it still run.
    /// Registering it again brings it back.
    pub fn retire_model(&mut self, now: Timestamp, model: ModelId) {
        let Some(entry) = self.models.get_mut(model.0 as usize) else { return };
        entry.is_retired = true;
        let connections: Vec<ConnectionId> = self.connections().map(|connection| connection.id).collect();
        for id in connections {
            self.unload_retired(now, id);
            self.reindex(now, id);
        }
    }

    /// Unloads what a connection holds of retired models and no call uses.
    pub(super) fn unload_retired(&mut self, now: Timestamp, id: ConnectionId) {
        let Some(connection) = self.connection(id) else { return };
        if !connection.residents.keys().any(|(model, _)| self.models[model.0 as usize].is_retired) {
            return;
        }
        for (model, backend) in self.idle_models(connection) {
            if self.models[model.0 as usize].is_retired {
                self.unload(now, id, (model, backend), UnloadReason::Unwanted);
            }
        }
    }

    /// Ends a job that only wants its model loaded, if a connection that it may run on holds it.
    pub(super) fn end_if_loaded(&mut self, now: Timestamp, id: JobId) -> bool {
        let Some(entry) = self.jobs.get(id.0).filter(|entry| entry.job.is_load_only) else { return false };
        let Job { model, backends, pinned, .. } = entry.job;
        let is_place = |place: &&Connection| pinned.is_none_or(|pinned| pinned == place.id);
        let held = self.connections().filter(is_place).find_map(|connection| {
            let mut residents = connection.residents();
            let (_, backend) = residents.find(|&(held, on)| held == model && backends.contains(on))?;
            Some((connection.id, backend))
        });
        let Some((connection, backend)) = held else { return false };
        self.end(now, id, JobEnd::Loaded { connection, backend });
        true
    }
}
