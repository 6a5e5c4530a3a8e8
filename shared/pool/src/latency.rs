//! How long calls take: log-normal estimates that forget, per model, shape class, batch size, backend and group, with a
//! factor per connection.
//!
//! A run's logarithm is modelled as `group and shape mean + member offset`. Where a group has not seen a shape class, its
//! mean over all shapes stands in, with what the class costs more or less elsewhere, at little weight; else coarser means,
//! and at last the configured prior. The weight of what was seen halves with every half-life, so that a place which was slow
//! once is tried again. A model's precision is part of its id: variants are models of their own.

use core::time::Duration;

use crate::config::RoutingConfig;
use crate::sort::sort;
use crate::sorted_map::SortedMap;
use crate::time::micros;
use crate::{Backend, ConnectionId, GroupId, ModelId, ShapeClass, Strategy, Timestamp};

/// Most keys kept; a quarter, those not updated for longest, makes room.
const MAX_KEYS: usize = 8192;
/// Variance of one log-latency before there is data: a factor of about 1.6 either way.
const PRIOR_VARIANCE: f64 = 0.25;
/// Weight of that prior, in calls.
const PRIOR_WEIGHT: f64 = 3.0;
/// Calls that a member's past remembers.
const PAST_CALLS: f64 = 500.0;
/// Weight of a coarser estimate that stands in, in calls.
const STAND_IN_WEIGHT: f64 = 1.0;
/// Weight from which an estimate is taken as it is; below, the coarser one is mixed in, so that one odd call decides little.
const TRUSTED_WEIGHT: f64 = 8.0;

/// What a latency depends on. `None`: over all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LatencyKey {
    pub(crate) model: ModelId,
    pub(crate) backend: Backend,
    pub(crate) group: Option<GroupId>,
    /// Shape class and ⌈log₂⌉ of the batch size.
    pub(crate) shape: Option<(ShapeClass, u8)>,
}

/// A log-normal estimate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Calls it rests on, those long ago counted less.
    pub weight: f64,
    /// Mean of ln(latency in microseconds): its exponential is the median.
    pub mean_ln: f64,
    /// Variance of ln(latency).
    pub variance_ln: f64,
    /// When it was last updated.
    pub updated_at: Timestamp,
}

impl Estimate {
    pub(crate) fn prior(latency: Duration) -> Self {
        let mean_ln = (micros(latency).max(1) as f64).ln();
        Self { weight: 0.0, mean_ln, variance_ln: PRIOR_VARIANCE, updated_at: Timestamp::ZERO }
    }

    pub(crate) const NEUTRAL: Self =
        Self { weight: 0.0, mean_ln: 0.0, variance_ln: PRIOR_VARIANCE, updated_at: Timestamp::ZERO };

    pub(crate) fn observe(&mut self, now: Timestamp, sample_ln: f64, config: &RoutingConfig) {
        self.remember(now, sample_ln, config, config.memory_calls);
    }

    fn remember(&mut self, now: Timestamp, sample_ln: f64, config: &RoutingConfig, memory_calls: f64) {
        self.weight = self.weight_at(now, config).min(memory_calls - 1.0) + 1.0;
        let before = sample_ln - self.mean_ln;
        self.mean_ln += before / self.weight;
        let after = sample_ln - self.mean_ln;
        self.variance_ln += (before * after - self.variance_ln) / self.weight;
        self.updated_at = now;
    }

    /// Weight after the time since the last update.
    pub(crate) fn weight_at(&self, now: Timestamp, config: &RoutingConfig) -> f64 {
        self.weight * fading(now.since(self.updated_at), config)
    }

    /// Median latency.
    #[must_use]
    pub fn median(&self) -> Duration {
        duration_of_ln(self.mean_ln)
    }

    /// Latency that a share Φ(`score`) of calls stays below.
    #[must_use]
    pub fn quantile(&self, score: f64) -> Duration {
        duration_of_ln(self.mean_ln + score * self.deviation_ln())
    }

    /// Standard deviation of ln(latency), pulled towards the prior while there is little data.
    #[must_use]
    pub fn deviation_ln(&self) -> f64 {
        let total = self.weight + PRIOR_WEIGHT;
        ((self.variance_ln.max(0.0) * self.weight + PRIOR_VARIANCE * PRIOR_WEIGHT) / total).sqrt()
    }

    /// Standard error of `mean_ln`, from what it still weighs at `now`.
    pub(crate) fn uncertainty_ln(&self, now: Timestamp, config: &RoutingConfig) -> f64 {
        self.deviation_ln() / (self.weight_at(now, config) + PRIOR_VARIANCE).sqrt()
    }
}

/// Every estimate of the pool.
#[derive(Debug)]
pub(crate) struct Latencies {
    config: RoutingConfig,
    runs: SortedMap<LatencyKey, Estimate>,
    loads: SortedMap<(ModelId, Backend), Estimate>,
    members: SortedMap<(ConnectionId, Backend), Member>,
    opens: SortedMap<(GroupId, Option<Strategy>), Estimate>,
}

/// A member's own factor, as a logarithm.
#[derive(Debug, Clone, Copy)]
struct Member {
    recent: Estimate,
    /// The same over many more calls: what it is compared with when it changes.
    past: Estimate,
}

impl Latencies {
    pub(crate) const fn new(config: RoutingConfig) -> Self {
        Self {
            config,
            runs: SortedMap::new(),
            loads: SortedMap::new(),
            members: SortedMap::new(),
            opens: SortedMap::new(),
        }
    }

    /// A run's estimate in its group as it was measured there, the member's own factor left out; else what stands in.
    pub(crate) fn run(&self, key: LatencyKey) -> Estimate {
        self.runs.get(&key).copied().unwrap_or_else(|| self.coarse(key))
    }

    /// A run's estimate for a choice between places: where little was measured, what stands in takes part.
    pub(crate) fn expected(&self, key: LatencyKey) -> Estimate {
        let Some(&exact) = self.runs.get(&key) else { return self.coarse(key) };
        if exact.weight >= TRUSTED_WEIGHT || key.shape.is_none() {
            return exact;
        }
        let coarse = self.coarse(key);
        let mean_ln = (exact.mean_ln * exact.weight + coarse.mean_ln * coarse.weight)
            / (exact.weight + coarse.weight).max(f64::MIN_POSITIVE);
        Estimate { mean_ln, ..exact }
    }

    /// Whether any run of the model on the backend was measured, or told without a place.
    pub(crate) fn knows(&self, model: ModelId, backend: Backend) -> bool {
        self.runs.contains_key(&LatencyKey { model, backend, group: None, shape: None })
    }

    /// What stands in for a shape class that a group has not seen.
    fn coarse(&self, key: LatencyKey) -> Estimate {
        let any_shape = LatencyKey { shape: None, ..key };
        let anywhere = LatencyKey { group: None, ..any_shape };
        let (everywhere, this_shape) =
            (self.runs.get(&anywhere), self.runs.get(&LatencyKey { group: None, ..key }));
        let Some(&all) = self.runs.get(&any_shape).or(everywhere).or(this_shape) else {
            return Estimate::prior(self.config.prior_latency);
        };
        // How this class compares with all of them elsewhere.
        let shape_ln = this_shape.zip(everywhere).map_or(0.0, |(shape, all)| shape.mean_ln - all.mean_ln);
        Estimate { weight: all.weight.min(STAND_IN_WEIGHT), mean_ln: all.mean_ln + shape_ln, ..all }
    }

    /// What is known of the model on the backend with other shapes, or in other groups, with its full weight.
    pub(crate) fn stand_in(&self, key: LatencyKey) -> Estimate {
        let any_shape = LatencyKey { shape: None, ..key };
        let anywhere = LatencyKey { group: None, ..any_shape };
        let enough = |key| self.runs.get(key).filter(|estimate| estimate.weight >= PRIOR_WEIGHT);
        let found = enough(&any_shape).or_else(|| enough(&anywhere));
        found.copied().unwrap_or_else(|| Estimate::prior(self.config.prior_latency))
    }

    /// How much slower than its group a member is, as a logarithm; 0 unless the difference is certain.
    pub(crate) fn member_offset(&self, connection: ConnectionId, backend: Backend) -> f64 {
        let Some(Member { recent: member, .. }) = self.members.get(&(connection, backend)) else {
            return 0.0;
        };
        // Two standard errors on at least five calls: about 95 % certain.
        let is_certain =
            member.weight >= 5.0 && member.mean_ln.abs() > 2.0 * member.deviation_ln() / member.weight.sqrt();
        if is_certain { member.mean_ln } else { 0.0 }
    }

    /// How much slower than in its own past a member is, as a logarithm; 0 unless the difference is certain.
    pub(crate) fn member_drift(&self, connection: ConnectionId, backend: Backend) -> f64 {
        let Some(Member { recent, past }) = self.members.get(&(connection, backend)) else { return 0.0 };
        let drift = recent.mean_ln - past.mean_ln;
        let is_certain = past.weight >= 2.0 * self.config.memory_calls
            && drift > 2.0 * recent.deviation_ln() / recent.weight.max(1.0).sqrt();
        if is_certain { drift } else { 0.0 }
    }

    pub(crate) fn observe_run(
        &mut self,
        now: Timestamp,
        key: LatencyKey,
        connection: ConnectionId,
        latency: Duration,
    ) {
        let sample_ln = (micros(latency).max(1) as f64).ln();
        // The group's view before this call, which the member is compared with.
        let expected_ln = self.runs.get(&key).filter(|group| group.weight >= 3.0).map(|group| group.mean_ln);
        if let Some(expected_ln) = expected_ln {
            let fresh = Member { recent: Estimate::NEUTRAL, past: Estimate::NEUTRAL };
            let member = self.members.get_or_insert((connection, key.backend), fresh);
            member.recent.observe(now, sample_ln - expected_ln, &self.config);
            member.past.remember(now, sample_ln - expected_ln, &self.config, PAST_CALLS);
        }
        let any_shape = LatencyKey { shape: None, ..key };
        let anywhere = |key| LatencyKey { group: None, ..key };
        for key in [key, any_shape, anywhere(key), anywhere(any_shape)] {
            let prior = Estimate { weight: 0.0, mean_ln: sample_ln, ..Estimate::NEUTRAL };
            self.runs.get_or_insert(key, prior).observe(now, sample_ln, &self.config);
        }
        self.trim();
    }

    pub(crate) fn load(&self, model: ModelId, backend: Backend) -> Estimate {
        let prior = || Estimate::prior(self.config.prior_load);
        self.loads.get(&(model, backend)).copied().unwrap_or_else(prior)
    }

    pub(crate) fn observe_load(
        &mut self,
        now: Timestamp,
        model: ModelId,
        backend: Backend,
        latency: Duration,
    ) {
        let sample_ln = (micros(latency).max(1) as f64).ln();
        let prior = Estimate { weight: 0.0, mean_ln: sample_ln, ..Estimate::NEUTRAL };
        self.loads.get_or_insert((model, backend), prior).observe(now, sample_ln, &self.config);
    }

    /// Time to open a connection of a browser, first (`None`) or by a strategy.
    pub(crate) fn open(&self, browser: GroupId, strategy: Option<Strategy>) -> Option<Estimate> {
        self.opens.get(&(browser, strategy)).copied()
    }

    pub(crate) fn observe_open(
        &mut self,
        now: Timestamp,
        browser: GroupId,
        strategy: Option<Strategy>,
        latency: Duration,
    ) {
        let sample_ln = (micros(latency).max(1) as f64).ln();
        let prior = Estimate { weight: 0.0, mean_ln: sample_ln, ..Estimate::NEUTRAL };
        self.opens.get_or_insert((browser, strategy), prior).observe(now, sample_ln, &self.config);
    }

    /// Puts in what is known from elsewhere, unless something was measured already.
    pub(crate) fn seed(&mut self, key: LatencyKey, estimate: Estimate) {
        self.runs.get_or_insert(key, estimate);
        self.trim();
    }

    pub(crate) fn forget_member(&mut self, connection: ConnectionId) {
        for &backend in Backend::ALL {
            self.members.remove(&(connection, backend));
        }
    }

    pub(crate) fn forget_member_on(&mut self, connection: ConnectionId, backend: Backend) {
        self.members.remove(&(connection, backend));
    }

    pub(crate) fn runs(&self) -> impl Iterator<Item = (&LatencyKey, &Estimate)> {
        self.runs.iter()
    }

    /// Entries by collection.
    pub(crate) fn footprint(&self) -> [(&'static str, usize); 4] {
        [
            ("runs", self.runs.len()),
            ("loads", self.loads.len()),
            ("members", self.members.len()),
            ("opens", self.opens.len()),
        ]
    }

    pub(crate) const fn config(&self) -> &RoutingConfig {
        &self.config
    }

    fn trim(&mut self) {
        if self.runs.len() > MAX_KEYS {
            let mut times: Vec<Timestamp> = self.runs.values().map(|estimate| estimate.updated_at).collect();
            sort(&mut times, |a, b| a < b);
            let oldest_kept = times[times.len() / 4];
            let mut n_left = MAX_KEYS;
            self.runs.retain(|_, estimate| {
                let is_kept = estimate.updated_at >= oldest_kept && n_left > 0;
                n_left -= usize::from(is_kept);
                is_kept
            });
        }
    }
}

/// Share of its weight that an estimate keeps after `age`.
pub(crate) fn fading(age: Duration, config: &RoutingConfig) -> f64 {
    (-age.as_secs_f64() / config.half_life.as_secs_f64().max(1e-3)).exp2()
}

fn duration_of_ln(micros_ln: f64) -> Duration {
    // e^34 µs is eighteen years.
    Duration::from_micros(micros_ln.clamp(0.0, 34.0).exp() as u64)
}
