//! How long a simulated call takes and how it ends.

use pool::{Backend, ConnectionId, FaultCategory};

use crate::sim::brain::Brain;
use crate::sim::scenario::{Member, OutageKind};
use crate::sim::world::{Ending, Work, World};

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
                (millis, if model.is_broken { Ending::Fault(FaultCategory::ModelLoad) } else { Ending::Ok })
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
        let n_jobs = if let Work::Run { jobs, .. } = work { jobs.len() } else { 1 };
        let slowness: f64 = self
            .outages
            .iter()
            .map(|&index| match self.scenario.outages[index].kind {
                OutageKind::Slow { domain, factor } if domain == member.spec.domain => factor,
                OutageKind::Slow { .. } | OutageKind::Link { .. } | OutageKind::Device { .. } => 1.0,
            })
            .product();
        // A batch of n costs 0.3 + 0.7 n single runs.
        let size = 0.3 + 0.7 * n_jobs as f64;
        let median = truth.run_millis * member.slowness[backend as usize] * slowness * size;
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
            Ending::Ok
        };
        if result != Ending::Ok {
            millis *= self.rng.unit();
        }
        (millis, result)
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
