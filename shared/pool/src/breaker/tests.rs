//! The breaker explored exhaustively, and its parameters.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

mod false_opens;

const START: Timestamp = Timestamp::from_millis(1000);
const MAX_IN_FLIGHT: usize = 6;

/// Small numbers, so that every state can be visited; no jitter and no growth, so that states repeat.
fn small(confirms_streak: bool) -> Arc<BreakerConfig> {
    Arc::new(BreakerConfig {
        consecutive_failures: 3,
        confirms_streak,
        failure_ratio: 0.5,
        minimum_calls: 4,
        window_calls: 4,
        window_span: Duration::from_secs(3600),
        open: Duration::from_secs(30),
        max_open: Duration::from_secs(30),
        open_growth: 1.0,
        jitter: 0.0,
        n_probes: 2,
        probe_success_ratio: 1.0,
        ..BreakerConfig::default()
    })
}

/// A breaker and the calls it admitted that have not ended.
#[derive(Clone)]
struct Node {
    breaker: Breaker,
    now: Timestamp,
    in_flight: Vec<Permit>,
}

/// What makes two nodes behave alike: ages of permits instead of their generations, outcomes instead of times.
type Key = (BreakerState, u32, Vec<(bool, bool)>, u32, u32, u32, Vec<(u32, bool)>, u32);

impl Node {
    fn key(&self) -> Key {
        let breaker = &self.breaker;
        let age = |permit: &Permit| breaker.generation.wrapping_sub(permit.generation).min(2);
        let mut permits: Vec<(u32, bool)> =
            self.in_flight.iter().map(|permit| (age(permit), permit.is_probe)).collect();
        permits.sort_unstable();
        (
            breaker.state,
            // More than the threshold makes no difference.
            breaker.n_consecutive.min(breaker.config.consecutive_failures),
            breaker.window.outcomes(),
            breaker.n_probes_out,
            breaker.n_probes_passed,
            breaker.n_probes_failed,
            permits,
            // Repairs tell the first opening from later ones.
            breaker.n_openings.min(2),
        )
    }

    /// Everything that can happen next.
    fn successors(&self) -> Vec<Node> {
        let mut next = Vec::new();
        if self.in_flight.len() < MAX_IN_FLIGHT {
            let mut node = self.clone();
            if let Admission::Allow(permit) | Admission::Probe(permit) = node.breaker.admit() {
                node.in_flight.push(permit);
                next.push(node);
            }
        }
        if let Some(due) = self.breaker.poll_timeout() {
            let mut node = self.clone();
            node.now = due;
            node.breaker.handle_timeout(due);
            next.push(node);
        }
        let mut repaired = self.clone();
        repaired.breaker.on_repaired(repaired.now);
        next.push(repaired);
        let mut seen = BTreeSet::new();
        for (index, permit) in self.in_flight.iter().enumerate() {
            if !seen.insert((permit.generation, permit.is_probe)) {
                continue;
            }
            for ending in 0..3 {
                let mut node = self.clone();
                let permit = node.in_flight.remove(index);
                let late = permit.generation != self.breaker.generation;
                match ending {
                    0 => {
                        node.breaker.on_success(node.now, permit, Duration::ZERO, false);
                    }
                    1 => {
                        node.breaker.on_failure(node.now, permit, Duration::ZERO);
                    }
                    _ => node.breaker.on_ignored(permit),
                }
                if late {
                    let (before, after) = (self.key(), node.key());
                    assert_eq!((before.0, before.2), (after.0, after.2), "a late result changed something");
                }
                next.push(node);
            }
        }
        next
    }

    fn check(&self) {
        let breaker = &self.breaker;
        let n_used = breaker.n_probes_out + breaker.n_probes_passed + breaker.n_probes_failed;
        assert!(n_used <= breaker.config.n_probes, "{n_used} probes");
        let is_current = |permit: &&Permit| permit.is_probe && permit.generation == breaker.generation;
        let n_out = self.in_flight.iter().filter(is_current).count() as u32;
        assert_eq!(n_out, breaker.n_probes_out, "probes in flight are counted");
        if breaker.state == BreakerState::Open {
            assert!(matches!(breaker.clone().admit(), Admission::Refuse { until: Some(_) }));
        }
    }

    /// Once everything succeeds, it closes, even when every call in flight is lost.
    fn heals(mut self) -> bool {
        for _ in 0..20 {
            if self.breaker.state == BreakerState::Closed {
                return true;
            }
            match self.breaker.admit() {
                Admission::Allow(permit) | Admission::Probe(permit) => {
                    self.breaker.on_success(self.now, permit, Duration::ZERO, false);
                }
                Admission::Refuse { .. } => {
                    let Some(due) = self.breaker.poll_timeout() else { return false };
                    self.now = due;
                    self.breaker.handle_timeout(due);
                }
            }
        }
        false
    }
}

#[test]
fn every_interleaving_of_six_calls_keeps_the_rules() {
    for confirms_streak in [false, true] {
        explore(small(confirms_streak));
    }
}

fn explore(config: Arc<BreakerConfig>) {
    let root = Node { breaker: Breaker::new(config, 1), now: START, in_flight: Vec::new() };
    let mut seen = BTreeSet::from([root.key()]);
    let mut open = vec![root];
    let mut n_by_state: BTreeMap<BreakerState, u32> = BTreeMap::new();
    while let Some(node) = open.pop() {
        node.check();
        assert!(node.clone().heals(), "stuck in {:?}", node.key());
        *n_by_state.entry(node.breaker.state).or_insert(0) += 1;
        for next in node.successors() {
            if seen.insert(next.key()) {
                open.push(next);
            }
        }
    }
    assert_eq!(n_by_state.len(), 3, "every state is reached");
    assert!(seen.len() > 5000, "only {} states", seen.len());
}

#[test]
fn open_intervals_grow_to_a_cap_with_jitter() {
    let config = BreakerConfig { n_probes: 1, ..BreakerConfig::default() };
    let mut breaker = Breaker::new(Arc::new(config.clone()), 5);
    breaker.trip(START, TransitionReason::Operator);
    let mut now = START;
    for n_openings in 0..8 {
        let until = breaker.poll_timeout().expect("it is open");
        let full = (config.open.as_secs_f64() * 2f64.powi(n_openings)).min(config.max_open.as_secs_f64());
        let waited = until.since(now).as_secs_f64();
        assert!(waited <= full && waited >= full * (1.0 - config.jitter) - 1e-6, "{waited} s of {full} s");
        now = until;
        breaker.handle_timeout(now);
        let Admission::Probe(permit) = breaker.admit() else { panic!("a probe is due") };
        breaker.on_failure(now, permit, Duration::ZERO);
    }
}

#[test]
fn a_restored_breaker_waits_out_its_interval() {
    let mut breaker = Breaker::new(Arc::new(BreakerConfig::default()), 1);
    breaker.restore(START, 3, Some(Duration::from_secs(20)));
    assert_eq!(breaker.state(), BreakerState::Open);
    assert_eq!(breaker.poll_timeout(), Some(START + Duration::from_secs(20)));
}

#[test]
fn a_breaker_restored_half_open_probes_at_once() {
    let mut breaker = Breaker::new(Arc::new(BreakerConfig::default()), 1);
    breaker.restore(START, 1, Some(Duration::ZERO));
    assert!(!breaker.is_passing());
    breaker.handle_timeout(START);
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    assert!(matches!(breaker.admit(), Admission::Probe(_)));
}

/// The table of PARITY.md: failures in a row, seconds open, milliseconds from which a call is slow.
#[test]
fn each_browser_has_its_own_parameters() {
    let table = [
        ("chromium", 5, 30, 2000),
        ("firefox", 4, 20, 1800),
        ("edge", 5, 25, 2000),
        ("webkit", 3, 45, 2500),
        ("unheard-of", 5, 30, 2000),
    ];
    for (browser, failures, open_secs, slow_millis) in table {
        let config = BreakerConfig::for_browser(browser);
        assert_eq!(config.consecutive_failures, failures, "{browser}");
        assert_eq!(config.open, Duration::from_secs(open_secs), "{browser}");
        assert_eq!(config.slow_call, Duration::from_millis(slow_millis), "{browser}");
        assert_eq!((config.n_probes, config.max_open), (3, Duration::from_secs(300)), "{browser}");
    }
}

#[test]
fn operators_overrule_it() {
    let mut breaker = Breaker::new(Arc::new(BreakerConfig::default()), 1);
    breaker.set_mode(START, BreakerMode::ForcedOpen);
    assert_eq!(breaker.admit(), Admission::Refuse { until: None });
    assert_eq!(breaker.poll_timeout(), None);
    for mode in [BreakerMode::Disabled, BreakerMode::MetricsOnly] {
        breaker.set_mode(START, mode);
        for _ in 0..50 {
            let Admission::Allow(permit) = breaker.admit() else { panic!("{mode} passes every call") };
            breaker.on_failure(START, permit, Duration::ZERO);
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
        let counted = if mode == BreakerMode::MetricsOnly { 50 } else { 0 };
        assert_eq!(breaker.window(START).n_failed, counted);
    }
}
