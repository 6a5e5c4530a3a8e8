//! How long a simulated call takes and how it ends.

use pool::{Backend, ConnectionId, FaultCategory};

use crate::sim::brain::Brain;
use crate::sim::scenario::{Member, OutageKind};
use crate::sim::world::{Ending, Work, World};

/// Chance that a job's wrong output is noticed.
const WRONG_NOTICED: f64 = 0.8;
/// Memory of a member without models.
const EMPTY_BYTES: u64 = 30_000_000;

impl<B: Brain> World<'_, B> {
    /// How long a call takes and how it ends.
    pub(super) fn sample(&mut self, connection: ConnectionId, work: &Work) -> (f64, Ending) {
        let member = self.member(connection);
        let Some(body) = self.bodies.get(&connection) else { return (0.0, Ending::Hang) };
        let is_lost = |backend: &Backend| body.lost_devices.contains(backend);
        let lost = Ending::Fault(FaultCategory::DeviceLost);
        match work {
            Work::Ping => (0.5, Ending::Ok),
            Work::Recreate { backend } => {
                let is_out = self.is_device_out(member.spec.domain, *backend);
                (50.0, if is_out { lost } else { Ending::Ok })
            }
            Work::Load { model, backend } => {
                let model = &self.scenario.models[*model];
                if model.unsupported.contains(*backend) {
                    return (20.0, Ending::Fault(FaultCategory::UnsupportedOperator));
                }
                if is_lost(backend) {
                    return (1.0, lost);
                }
                let millis = self.rng.log_normal(model.load_millis, 0.3);
                let ending = if self.now < model.broken_until {
                    Ending::Fault(FaultCategory::ModelLoad)
                } else if self.rng.chance(self.scenario.faults.integrity) {
                    Ending::Fault(FaultCategory::Integrity)
                } else {
                    Ending::Ok
                };
                (millis, ending)
            }
            Work::Run { model, backend, .. } | Work::Probe { model, backend } => {
                if !body.residents.contains(&(*model, *backend)) {
                    return (
                        1.0,
                        if is_lost(backend) { lost } else { Ending::Fault(FaultCategory::ModelLoad) },
                    );
                }
                if is_lost(backend) {
                    return (1.0, lost);
                }
                self.sample_run(member, *model, *backend, work)
            }
        }
    }

    fn sample_run(&mut self, member: &Member, model: usize, backend: Backend, work: &Work) -> (f64, Ending) {
        let truth = &self.scenario.models[model];
        let (n_jobs, shape) =
            if let Work::Run { jobs, shape, .. } = work { (jobs.len(), *shape) } else { (1, 0) };
        let slowness: f64 = self
            .outages
            .iter()
            .map(|&index| match self.scenario.outages[index].kind {
                OutageKind::Slow { domain, factor } if domain == member.spec.domain => factor,
                OutageKind::Slow { .. }
                | OutageKind::Link { .. }
                | OutageKind::Device { .. }
                | OutageKind::Wrong { .. }
                | OutageKind::Memory { .. } => 1.0,
            })
            .product();
        // A batch of n costs 0.3 + 0.7 n single runs.
        let size = 0.3 + 0.7 * n_jobs as f64;
        let large = if shape == 0 { 1.0 } else { truth.large[backend as usize] };
        let median = truth.run_millis * large * member.slowness[backend as usize] * slowness * size;
        let mut millis = self.rng.log_normal(median, truth.deviation);
        let rates = &self.scenario.faults;
        let factor = member.fault_factor;
        let is_poison = match work {
            Work::Run { jobs, .. } => {
                jobs.iter().any(|job| self.orders.get(job).is_some_and(|order| order.is_poison))
            }
            Work::Load { .. } | Work::Probe { .. } | Work::Recreate { .. } | Work::Ping => false,
        };
        let mut draw = self.rng.unit();
        let mut hit = |rate: f64| {
            draw -= rate * factor;
            draw < 0.0
        };
        let result = if is_poison || hit(rates.crash) {
            Ending::Crash
        } else if hit(rates.silent_death) {
            Ending::SilentDeath
        } else if hit(rates.hang) {
            Ending::Hang
        } else if backend != Backend::Wasm && hit(rates.device_lost) {
            Ending::Fault(FaultCategory::DeviceLost)
        } else if hit(rates.out_of_memory) {
            Ending::Fault(FaultCategory::OutOfMemory)
        } else if hit(rates.internal) {
            Ending::Fault(FaultCategory::Internal)
        } else {
            if hit(rates.slow) {
                millis *= 10.0;
            }
            // A golden inference is compared; of jobs' outputs only some look wrong.
            let is_noticed = self.is_wrong(member.spec.domain, backend)
                && (matches!(work, Work::Probe { .. }) || self.rng.chance(WRONG_NOTICED));
            if is_noticed { Ending::Fault(FaultCategory::Numeric) } else { Ending::Ok }
        };
        if result != Ending::Ok {
            millis *= self.rng.unit();
        }
        (millis, result)
    }

    pub(super) fn is_wrong(&self, at: u32, wrong: Backend) -> bool {
        self.outages.iter().any(|&index| {
            matches!(self.scenario.outages[index].kind,
                OutageKind::Wrong { domain, backend } if domain == at && backend == wrong)
        })
    }

    /// Memory of a member, bytes: itself, its models, and what presses on it. A worker gives nothing back.
    pub(super) fn memory_bytes(&mut self, connection: ConnectionId) -> u64 {
        let member = self.member(connection);
        let pressure: u64 = self
            .outages
            .iter()
            .map(|&index| match self.scenario.outages[index].kind {
                OutageKind::Memory { domain, bytes } if domain == member.spec.domain => bytes,
                OutageKind::Memory { .. }
                | OutageKind::Slow { .. }
                | OutageKind::Link { .. }
                | OutageKind::Device { .. }
                | OutageKind::Wrong { .. } => 0,
            })
            .sum();
        let Some(body) = self.bodies.get_mut(&connection) else { return 0 };
        let models = body.residents.iter().map(|(model, _)| self.scenario.models[*model].spec.memory_bytes);
        let own = EMPTY_BYTES + models.sum::<u64>();
        body.peak_bytes = body.peak_bytes.max(own);
        pressure + if member.spec.answers_while_busy { own } else { body.peak_bytes }
    }

    pub(super) fn is_device_out(&self, at: u32, lost: Backend) -> bool {
        self.outages.iter().any(|&index| {
            matches!(self.scenario.outages[index].kind,
                OutageKind::Device { domain, backend } if domain == at && backend == lost)
        })
    }

    pub(super) fn is_link_out(&self, at: u32) -> bool {
        self.outages.iter().any(
            |&index| matches!(self.scenario.outages[index].kind, OutageKind::Link { domain } if domain == at),
        )
    }
}
