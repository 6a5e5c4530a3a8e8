//! How many connections there should be.

use core::time::Duration;

use crate::Timestamp;
use crate::config::ScalingConfig;
use crate::record::ScaleReason;

/// What the decision rests on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Load {
    /// Connections not closed and not draining.
    pub(crate) n_connections: u32,
    /// Connections of those that are opening or waiting to.
    pub(crate) n_opening: u32,
    pub(crate) n_slots: u32,
    pub(crate) n_busy: u32,
    pub(crate) n_queued: usize,
    /// How long the queue should take with what there is.
    pub(crate) queue_delay: Duration,
    /// Memory in use by its limit, 0–1; 0 when no limit is known.
    pub(crate) memory_ratio: f64,
}

impl Load {
    /// Share of slots in use, 0–1.
    pub(crate) fn utilization(&self) -> f64 {
        f64::from(self.n_busy) / f64::from(self.n_slots.max(1))
    }
}

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Up(ScaleReason),
    Down(ScaleReason),
    /// Memory is short, and there are as few connections as there may be: models must go.
    Shed,
}

#[derive(Debug, Default)]
pub(crate) struct Scaler {
    /// Smoothed utilization, 0–1.
    smoothed: f64,
    stepped_at: Option<Timestamp>,
}

impl Scaler {
    /// The next step, if one is due. Minimum, maximum and memory do not wait for the cooldown.
    pub(crate) fn step(&mut self, now: Timestamp, load: &Load, config: &ScalingConfig) -> Option<Step> {
        let utilization = load.utilization();
        self.smoothed += config.smoothing * (utilization - self.smoothed);
        let step = self.decide(now, load, config);
        self.note(now, step)
    }

    /// The step that memory above the ceiling asks for, at any time.
    pub(crate) fn relieve(&mut self, now: Timestamp, load: &Load, config: &ScalingConfig) -> Option<Step> {
        self.note(now, for_memory(load, config))
    }

    fn note(&mut self, now: Timestamp, step: Option<Step>) -> Option<Step> {
        if matches!(step, Some(Step::Up(_) | Step::Down(_))) {
            self.stepped_at = Some(now);
        }
        step
    }

    fn decide(&self, now: Timestamp, load: &Load, config: &ScalingConfig) -> Option<Step> {
        let n = load.n_connections;
        if n > config.max_connections {
            return Some(Step::Down(ScaleReason::Maximum));
        }
        if let Some(step) = for_memory(load, config) {
            return Some(step);
        }
        if n < config.min_connections {
            return Some(Step::Up(ScaleReason::Minimum));
        }
        if self.stepped_at.is_some_and(|at| now.since(at) < config.cooldown) {
            return None;
        }
        // What is still opening will take load off; more on top would overshoot. One more like the others must fit.
        let memory_ratio_then = load.memory_ratio * f64::from(n + 1) / f64::from(n.max(1));
        if load.n_opening == 0 && n < config.max_connections && memory_ratio_then <= config.memory_ceiling {
            let utilization = load.utilization();
            if utilization > config.up_above && self.smoothed > config.up_above && load.n_queued > 0 {
                return Some(Step::Up(ScaleReason::Utilization));
            }
            if load.queue_delay > config.max_queue_delay && load.n_busy >= load.n_slots {
                return Some(Step::Up(ScaleReason::QueueDelay));
            }
        }
        let is_idle = load.utilization() < config.down_below && self.smoothed < config.down_below;
        (is_idle && load.n_queued == 0 && n > config.min_connections).then_some(Step::Down(ScaleReason::Idle))
    }
}

/// Memory above the ceiling costs a connection, if the pool may close one, else models.
fn for_memory(load: &Load, config: &ScalingConfig) -> Option<Step> {
    let can_shrink = !config.templates.is_empty() && load.n_connections > config.min_connections.max(1);
    let step = if can_shrink { Step::Down(ScaleReason::Memory) } else { Step::Shed };
    (load.memory_ratio > config.memory_ceiling).then_some(step)
}

#[cfg(test)]
mod tests;
