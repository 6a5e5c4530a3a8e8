//! Where the time of runs goes: what every step took, noted between [`start`] and [`take`].

use std::cell::RefCell;

use model::Op;
use model::plan::Step;
use wire::Span;

thread_local! {
    /// What is noted; `None` while nobody wants to know.
    static SPANS: RefCell<Option<Vec<Span>>> = const { RefCell::new(None) };
}

/// Runs while a step does.
pub(super) struct Stopwatch {
    started_micros: f64,
}

impl Stopwatch {
    /// `None` while nobody wants to know.
    pub(super) fn start() -> Option<Self> {
        SPANS.with_borrow(Option::is_some).then(|| Self { started_micros: now_micros() })
    }

    pub(super) fn stop(self, step: &Step) {
        let kernel = match &step.op {
            Op::Conv { groups: 2.., .. } => "conv of groups",
            op => op.name(),
        };
        let span = Span {
            kernel: kernel.to_owned(),
            node: step.name.clone(),
            start_micros: self.started_micros,
            micros: now_micros() - self.started_micros,
            n_flops: step.cost.n_flops,
        };
        SPANS.with_borrow_mut(|spans| spans.as_mut().map(|spans| spans.push(span)));
    }
}

/// Begins to note what steps take.
pub(crate) fn start() {
    SPANS.set(Some(Vec::new()));
}

/// What was noted since [`start`], from the first step's start on; notes nothing more.
pub(crate) fn take() -> Vec<Span> {
    let mut spans = SPANS.take().unwrap_or_default();
    let first = spans.first().map_or(0.0, |span| span.start_micros);
    spans.iter_mut().for_each(|span| span.start_micros -= first);
    spans
}

#[cfg(target_arch = "wasm32")]
fn now_micros() -> f64 {
    crate::web::sys::now_micros() as f64
}

/// Elsewhere there is no clock.
#[cfg(not(target_arch = "wasm32"))]
fn now_micros() -> f64 {
    0.0
}
