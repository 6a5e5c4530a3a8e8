//! How much the pool keeps, collection by collection.

use super::Pool;

impl Pool {
    /// Entries in each collection of the pool, by name: what grows with time, were anything to. Those of jobs and calls are in
    /// [`PoolStats`](crate::PoolStats) as well.
    #[must_use]
    pub fn footprint(&self) -> Vec<(&'static str, usize)> {
        let own = [
            ("actions", self.actions.len()),
            ("calls", self.calls.len()),
            ("connections", self.connections().count()),
            ("families", self.families.len()),
            ("groups", self.groups.len()),
            ("jobs", self.jobs.len()),
            ("loading", self.loading.len()),
            ("models", self.models.len()),
            ("timers", self.timers.len()),
        ];
        let mut all = own.to_vec();
        all.extend(self.analyst.footprint());
        all.extend(self.incidents.footprint());
        all.extend(self.index.footprint());
        all.extend(self.latencies.footprint());
        all.extend(self.playbook.footprint());
        all.extend(self.quarantine.footprint());
        all.extend(self.queue.footprint());
        all
    }
}
