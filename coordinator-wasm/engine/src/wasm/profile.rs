//! Where the time of runs goes: time and work per kind of step.

use std::cell::RefCell;
use std::collections::BTreeMap;

use model::Op;
use model::plan::Step;

use crate::web::sys::now_micros;

/// Steps of one kind since the last [`take`].
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub(crate) struct Steps {
    n_calls: u64,
    micros: u64,
    n_flops: u64,
}

thread_local! {
    static STEPS: RefCell<BTreeMap<&'static str, Steps>> = RefCell::default();
}

/// Runs while a step does.
pub(super) struct Stopwatch {
    started_micros: u64,
}

impl Stopwatch {
    pub(super) fn start() -> Self {
        Self { started_micros: now_micros() }
    }

    pub(super) fn stop(self, step: &Step) {
        let kind = match &step.op {
            Op::Conv { groups: 2.., .. } => "conv of groups",
            op => op.name(),
        };
        STEPS.with_borrow_mut(|steps| {
            let steps = steps.entry(kind).or_default();
            steps.n_calls += 1;
            steps.micros += now_micros().saturating_sub(self.started_micros);
            steps.n_flops += step.cost.n_flops;
        });
    }
}

/// What was counted since the last call.
pub(crate) fn take() -> BTreeMap<&'static str, Steps> {
    STEPS.take()
}
