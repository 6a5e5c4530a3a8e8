//! Where the head of a lane should run: the decision itself, which changes nothing but the random stream and the regret.
//!
//! The best place is the one with the least expected time: load, if needed, and latency, weighed by health. Learning is by
//! Thompson sampling: each candidate's latency is drawn from what is believed of it, and the job goes to the best draw,
//! so that a place is tried as often as it could be the best. Tries may take a bounded share of the pool's time. A load onto
//! a backend that is known to be so much better that it pays is no try.
//! Waiting is a choice as well: a free place that is much slower than busy ones is left free for a job further back. What
//! waiting instead of loading has cost is kept as the model's regret.

use super::Pool;
use super::estimate::Task;
use super::state::JobEntry;
use crate::queue::LaneKey;
use crate::router::{Entry, RANK_SCALE};
use crate::time::micros;
use crate::{
    Backend, BackendSet, ConnectionId, ConnectionState, FaultCategory, GroupId, JobId, ModelId, Timestamp,
};

/// Loads are judged as if their cost were shared by this many later runs, where the model is loaded elsewhere already.
const LOAD_SHARED_BY: f64 = 32.0;
/// A busy place is waited for when a free one would take this many times longer. Above 1, because waiting is a bet.
const HOLD_FACTOR: f64 = 1.5;
/// One placement in this many looks at places that would have to load the model first and are known to be better.
const REVIEW_EVERY: u64 = 4;
/// One placement in this many looks at all of them.
const TRY_EVERY: u64 = 16;
/// Runs that must have been seen on a backend before it is known to be better than the one that holds the model.
const KNOWN_WEIGHT: f64 = 3.0;

/// What a decision came to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pick {
    /// Run it here.
    Run(Place),
    /// Load its model here, then run it.
    Load(Place),
    /// Wait, and load its model here meanwhile: waiting has cost enough, or runs here are much shorter.
    Grow(Place),
    /// Nowhere now.
    Wait,
    /// Nowhere ever.
    Never(FaultCategory),
}

/// One place for a job.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) connection: ConnectionId,
    pub(super) backend: Backend,
    pub(super) model: ModelId,
    /// ln of the expected microseconds until the result, once started.
    pub(super) cost_ln: f64,
    pub(super) is_exploration: bool,
    pub(super) is_probe: bool,
}

/// What a job insists on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    pub(super) task: Task,
    pub(super) backends: BackendSet,
    connection: Option<ConnectionId>,
    /// First group of the browser to avoid.
    browser: Option<GroupId>,
}

impl Pool {
    pub(super) fn pick(&mut self, now: Timestamp, key: &LaneKey, job: JobId) -> Pick {
        let Some(entry) = self.jobs.get(job.0) else { return Pick::Wait };
        let (wish, submitted) = (self.wish(now, key, entry), entry.submitted);
        if let Some(pinned) = key.pinned {
            return self.pick_on(pinned, wish);
        }
        if key.solo.is_none() {
            self.models[wish.task.model.0 as usize].regret.count(now, submitted);
        }
        if key.solo.is_none()
            && let Some(place) = self.pick_half_open(wish)
        {
            return place;
        }
        let draw = self.rng.next_u64();
        let may_explore = key.solo.is_none() && self.may_explore();
        let turn = key.solo.is_none().then_some(draw);
        let Some(best) = self.best_loaded(now, wish, turn, may_explore) else {
            return self.pick_load(now, key, wish);
        };
        if let Pick::Run(place) = best
            && key.solo.is_none()
            && !place.is_exploration
            && self.is_worth_waiting(key, wish, place)
        {
            // What it waits for may be too few places: one more load may still be better.
            return match self.pick_load(now, key, wish) {
                Pick::Load(load) if load.cost_ln < place.cost_ln => Pick::Load(load),
                Pick::Grow(load) => Pick::Grow(load),
                Pick::Run(_) | Pick::Load(_) | Pick::Wait | Pick::Never(_) => Pick::Wait,
            };
        }
        best
    }

    /// What the job asks for now: its constraints lapse when they were insisted on long enough.
    fn wish(&self, now: Timestamp, key: &LaneKey, entry: &JobEntry) -> Wish {
        let task = Task::new(key.model, key.shape, self.batch_len(key));
        let mut wish = Wish { task, backends: key.backends, connection: None, browser: None };
        if let Some(retry) = entry.retry.as_deref() {
            if let Some(model) = retry.model {
                wish.task.model = model;
                wish.backends = entry.job.backends.and(self.models[model.0 as usize].spec.backends);
            }
            if now < retry.insists_until {
                wish.connection = retry.avoid_connection;
                wish.browser = retry.avoid_browser;
                wish.backends = wish.backends.except(retry.avoid_backends);
            }
        }
        wish
    }

    fn is_allowed(&self, wish: Wish, group: GroupId, backend: Backend) -> bool {
        let state = &self.groups[usize::from(group.0)];
        state.n_ready > 0
            && state.backends.contains(backend)
            && wish.browser != Some(state.browser_id)
            && !self.models[wish.task.model.0 as usize].unsupported.contains(&(group, backend))
    }

    fn may_explore(&self) -> bool {
        self.affords(0.0)
    }

    /// Whether a try that takes `micros_more` is within the share of the pool's time that learning may take.
    fn affords(&self, micros_more: f64) -> bool {
        let routing = &self.config.routing;
        let start = micros(routing.exploration_start) as f64;
        let allowance = routing.exploration_ratio * self.placed_micros + start;
        routing.exploration_ratio > 0.0 && self.explored_micros + micros_more <= allowance
    }

    fn pick_half_open(&self, wish: Wish) -> Option<Pick> {
        let (backend, connection) = self.index.half_open().find(|&(backend, id)| {
            wish.backends.contains(backend)
                && self.connection(id).is_some_and(|connection| {
                    self.is_allowed(wish, connection.group, backend)
                        && (connection.residents.contains_key(&(wish.task.model, backend))
                            || self.could_load(id, wish.task.model, backend))
                })
        })?;
        let cost_ln = self.cost_ln(wish.task, connection, backend);
        let is_loaded = self.connection(connection)?.residents.contains_key(&(wish.task.model, backend));
        let place = Place {
            connection,
            backend,
            model: wish.task.model,
            cost_ln,
            is_exploration: false,
            is_probe: true,
        };
        Some(if is_loaded { Pick::Run(place) } else { Pick::Load(place) })
    }

    /// The best free place that holds the model, or, when it is the placement's `turn`, one that is known to be so much
    /// better that a load there pays; with `may_explore`, one that could turn out better.
    fn best_loaded(
        &mut self,
        now: Timestamp,
        wish: Wish,
        turn: Option<u64>,
        may_explore: bool,
    ) -> Option<Pick> {
        let model = wish.task.model;
        let is_review = turn.is_some_and(|turn| turn.is_multiple_of(REVIEW_EVERY));
        let may_try_loads = may_explore && turn.is_some_and(|turn| turn.is_multiple_of(TRY_EVERY));
        let mut best: Option<(Entry, f64)> = None;
        let mut better: Option<(Entry, f64, f64)> = None;
        let mut tried: Option<(Entry, f64, f64)> = None;
        for group in (0..self.groups.len() as u16).map(GroupId) {
            for backend in wish.backends.iter() {
                if !self.is_allowed(wish, group, backend) {
                    continue;
                }
                let is_allowed = |connection| Some(connection) != wish.connection;
                let loaded = self.index.best(Some(model), backend, group, is_allowed);
                if loaded.is_none() && !is_review {
                    continue;
                }
                let estimate = self.estimate(wish.task, backend, group);
                let uncertainty =
                    if may_explore { estimate.uncertainty_ln(now, self.latencies.config()) } else { 0.0 };
                if let Some(entry) = loaded {
                    let cost_ln = estimate.mean_ln + f64::from(entry.rank) / RANK_SCALE;
                    if best.is_none_or(|(_, best_ln)| cost_ln < best_ln) {
                        best = Some((entry, cost_ln));
                    }
                    if may_explore {
                        let draw = cost_ln + uncertainty * self.rng.normal();
                        if tried.is_none_or(|(_, _, tried_ln)| draw < tried_ln) {
                            tried = Some((entry, cost_ln, draw));
                        }
                    }
                } else if let Some(entry) = self.index.best(None, backend, group, is_allowed)
                    && self.is_loadable(model)
                    && self.could_hold(entry.connection, model, backend)
                {
                    let load = micros(self.latencies.load(model, backend).median()) as f64;
                    let mean_ln = estimate.mean_ln + f64::from(entry.rank) / RANK_SCALE;
                    let cost_ln = (mean_ln.exp() + load).ln();
                    let shared_ln = |run_ln: f64| (run_ln.exp() + load / LOAD_SHARED_BY).ln();
                    let known_ln = shared_ln(mean_ln);
                    if estimate.weight >= KNOWN_WEIGHT
                        && better.is_none_or(|(_, _, better_ln)| known_ln < better_ln)
                        && self.may_grow(now, entry.connection, model, load)
                    {
                        better = Some((entry, cost_ln, known_ln));
                    }
                    if may_try_loads {
                        let draw = shared_ln(mean_ln + uncertainty * self.rng.normal());
                        if tried.is_none_or(|(_, _, tried_ln)| draw < tried_ln) {
                            tried = Some((entry, cost_ln, draw));
                        }
                    }
                }
            }
        }
        let (best, best_ln) = best?;
        let better = better.filter(|(_, _, better_ln)| *better_ln < best_ln);
        let (entry, cost_ln, is_exploration) = match (better, tried) {
            (Some((entry, cost_ln, _)), _) => (entry, cost_ln, false),
            (None, Some((entry, cost_ln, _))) if entry != best && self.affords(cost_ln.exp()) => {
                (entry, cost_ln, true)
            }
            (None, _) => (best, best_ln, false),
        };
        let place = Place {
            connection: entry.connection,
            backend: entry.backend,
            model: wish.task.model,
            cost_ln,
            is_exploration,
            is_probe: false,
        };
        Some(match (better, entry.model) {
            (Some(_), _) => Pick::Grow(place),
            (None, Some(_)) => Pick::Run(place),
            (None, None) => Pick::Load(place),
        })
    }

    /// Whether busy places that hold the model will have served the lane before `place` could serve its head.
    fn is_worth_waiting(&self, key: &LaneKey, wish: Wish, place: Place) -> bool {
        let n_ahead = self.n_calls_waiting(key);
        self.busy_wait(wish, n_ahead, Some(place))
            .is_some_and(|wait_micros| place.cost_ln.exp() > HOLD_FACTOR * wait_micros)
    }

    /// The best free place that could load the model, if loading there beats waiting for those that hold it.
    fn pick_load(&mut self, now: Timestamp, key: &LaneKey, wish: Wish) -> Pick {
        if !self.is_loadable(wish.task.model) {
            return Pick::Wait;
        }
        let mut best: Option<(Entry, f64, f64)> = None;
        for group in (0..self.groups.len() as u16).map(GroupId) {
            for backend in wish.backends.iter().filter(|&backend| self.is_allowed(wish, group, backend)) {
                let entry = self.index.best(None, backend, group, |connection| {
                    Some(connection) != wish.connection
                        && self.could_hold(connection, wish.task.model, backend)
                });
                let Some(entry) = entry else { continue };
                let run = (self.estimate(wish.task, backend, group).mean_ln
                    + f64::from(entry.rank) / RANK_SCALE)
                    .exp();
                let load = micros(self.latencies.load(wish.task.model, backend).median()) as f64;
                if best.is_none_or(|(_, best_run, best_load)| run + load < best_run + best_load) {
                    best = Some((entry, run, load));
                }
            }
        }
        let Some((entry, run, load)) = best else { return self.never_or_wait(wish) };
        let place = Place {
            connection: entry.connection,
            backend: entry.backend,
            model: wish.task.model,
            cost_ln: (run + load).ln(),
            is_exploration: false,
            is_probe: false,
        };
        if key.solo.is_none() {
            let n_ahead = self.n_calls_waiting(key);
            let busy_wait = self.busy_wait(wish, n_ahead, None);
            let mut wait = busy_wait.unwrap_or(f64::INFINITY);
            let loading =
                wish.backends.iter().filter_map(|backend| self.loading.get(&(wish.task.model, backend)));
            let n_loading: u32 = loading.sum();
            if n_loading > 0 {
                // Half of a load is left on average; then those places work through the lane as well.
                let run = self.estimate(wish.task, entry.backend, entry.group).mean_ln.exp();
                wait = wait.min(load / 2.0 + run * n_ahead / f64::from(n_loading));
            }
            if wait < run + load {
                // A place is missed if a job would run there now that no load under way is for.
                let is_missed = busy_wait.is_some_and(|wait| run <= HOLD_FACTOR * wait)
                    && n_ahead > f64::from(n_loading)
                    && self.may_grow(now, entry.connection, wish.task.model, load);
                let regret = &mut self.models[wish.task.model.0 as usize].regret;
                regret.is_waiting |= is_missed;
                let is_grown = is_missed && wait + regret.micros as f64 >= run + load;
                return if is_grown { Pick::Grow(place) } else { Pick::Wait };
            }
        }
        Pick::Load(place)
    }

    /// The only connection that will do.
    fn pick_on(&self, id: ConnectionId, wish: Wish) -> Pick {
        let Some(connection) = self.connection(id) else { return Pick::Never(FaultCategory::ConnectionLost) };
        if connection.state != ConnectionState::Ready {
            return Pick::Wait;
        }
        let group = connection.group;
        let backends = wish.backends.and(connection.capabilities.backends);
        let candidates: Vec<Backend> =
            backends.iter().filter(|&backend| self.is_allowed(wish, group, backend)).collect();
        if candidates.is_empty() {
            return self.never_or_wait(wish);
        }
        if !connection.has_free_slot() {
            return Pick::Wait;
        }
        let is_usable = |&backend: &Backend| {
            connection.is_serving(backend)
                || connection.is_reachable(backend)
                    && connection.breaker(backend.component()).n_probes_free() > 0
        };
        let cost = |backend: &Backend| self.cost_ln(wish.task, id, *backend);
        let best = |is_loaded: bool| {
            let kind = candidates.iter().copied().filter(is_usable).filter(|&backend| {
                let holds = connection.residents.contains_key(&(wish.task.model, backend));
                holds == is_loaded && (holds || self.could_hold(id, wish.task.model, backend))
            });
            kind.min_by(|a, b| cost(a).total_cmp(&cost(b)))
        };
        let place = |backend: Backend| Place {
            connection: id,
            backend,
            model: wish.task.model,
            cost_ln: cost(&backend),
            is_exploration: false,
            is_probe: !connection.is_serving(backend),
        };
        if let Some(backend) = best(true) {
            return Pick::Run(place(backend));
        }
        best(false)
            .filter(|_| self.is_loadable(wish.task.model))
            .map_or(Pick::Wait, |backend| Pick::Load(place(backend)))
    }

    /// Tells a place that is only busy from one that does not exist.
    fn never_or_wait(&self, wish: Wish) -> Pick {
        let model = &self.models[wish.task.model.0 as usize];
        let mut has_unknown = false;
        let mut is_too_large = false;
        for connection in self.connections() {
            if connection.capabilities.backends.is_empty() {
                has_unknown |= connection.ready_at == Timestamp::ZERO;
                continue;
            }
            let mut backends = wish.backends.and(connection.capabilities.backends).iter();
            if backends.any(|backend| !model.unsupported.contains(&(connection.group, backend))) {
                if self.could_fit(connection, wish.task.model) {
                    return Pick::Wait;
                }
                is_too_large = true;
            }
        }
        // With no connection at all, the driver may still add one before the deadline.
        if has_unknown || self.connections().next().is_none() {
            return Pick::Wait;
        }
        Pick::Never(if is_too_large {
            FaultCategory::OutOfMemory
        } else {
            FaultCategory::UnsupportedOperator
        })
    }
}
