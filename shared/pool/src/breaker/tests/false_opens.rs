//! How often something healthy is taken out for background errors: ours beside the peers' defaults, on the same trace.

use std::collections::VecDeque;

use super::*;
use crate::OutlierConfig;
use crate::outlier::{Member, outliers};

const N_HOSTS: usize = 10;
const N_CALLS: u64 = 10_000_000;
/// Time between two calls: each host gets 111 calls in Envoy's interval of 10 s, of which it needs 100.
const STEP: Duration = Duration::from_millis(9);
const INTERVAL: Duration = Duration::from_secs(10);

/// One policy over all hosts. What was taken out by mistake starts anew at once, so that each time counts by itself.
trait Policy {
    /// A call of a host ended. Gives how many hosts were taken out for it.
    fn observe(&mut self, now: Timestamp, host: usize, is_failed: bool) -> u64;
}

/// Hosts taken out per 1,000 calls, each of which fails with a chance of 1 %. The trace is the same for every policy.
fn rate(policy: &mut dyn Policy, n_calls: u64) -> f64 {
    let mut rng = Rng::new(99);
    let mut now = START;
    let mut n_out = 0;
    for call in 0..n_calls {
        now = now + STEP;
        n_out += policy.observe(now, (call % N_HOSTS as u64) as usize, rng.unit() < 0.01);
    }
    n_out as f64 * 1000.0 / n_calls as f64
}

/// Ours: a breaker for each host, and the comparison between them.
struct Tabpool {
    config: Arc<BreakerConfig>,
    breakers: Vec<Breaker>,
    judged_at: Timestamp,
}

impl Tabpool {
    fn new(browser: &str) -> Self {
        let config = Arc::new(BreakerConfig::for_browser(browser));
        let breakers = (0..N_HOSTS).map(|_| Breaker::new(Arc::clone(&config), 1)).collect();
        Self { config, breakers, judged_at: START }
    }

    fn judge(&mut self, now: Timestamp) -> u64 {
        let member = |breaker: &mut Breaker| Member {
            window: breaker.window(now),
            slower_ln: 0.0,
            slowed_ln: 0.0,
            is_ejected: breaker.state() != BreakerState::Closed,
        };
        let members: Vec<Member> = self.breakers.iter_mut().map(member).collect();
        let found = outliers(&members, &OutlierConfig::default());
        for &host in &found {
            self.breakers[host] = Breaker::new(Arc::clone(&self.config), 1);
        }
        found.len() as u64
    }
}

impl Policy for Tabpool {
    fn observe(&mut self, now: Timestamp, host: usize, is_failed: bool) -> u64 {
        let breaker = &mut self.breakers[host];
        let (Admission::Allow(permit) | Admission::Probe(permit)) = breaker.admit() else {
            panic!("it starts anew when it opens")
        };
        let latency = Duration::from_millis(20);
        let transition = if is_failed {
            breaker.on_failure(now, permit, latency)
        } else {
            breaker.on_success(now, permit, latency, false)
        };
        let is_open = transition.is_some_and(|transition| transition.to == BreakerState::Open);
        if is_open {
            *breaker = Breaker::new(Arc::clone(&self.config), 1);
        }
        if now.since(self.judged_at) < INTERVAL {
            return u64::from(is_open);
        }
        self.judged_at = now;
        u64::from(is_open) + self.judge(now)
    }
}

/// resilience4j's `CircuitBreakerConfig.ofDefaults()`: of the last 100 calls, once there are 100, half failed. (Its other
/// threshold, 100 % of calls slower than 60 s, never applies here.)
struct Resilience4j([VecDeque<bool>; N_HOSTS]);

impl Policy for Resilience4j {
    fn observe(&mut self, _now: Timestamp, host: usize, is_failed: bool) -> u64 {
        let window = &mut self.0[host];
        window.push_back(is_failed);
        if window.len() > 100 {
            window.pop_front();
        }
        let n_failed = window.iter().filter(|&&is_failed| is_failed).count();
        let is_open = window.len() == 100 && n_failed >= 50;
        if is_open {
            window.clear();
        }
        u64::from(is_open)
    }
}

/// Envoy's outlier detection: `consecutive_5xx` 5, and every 10 s hosts with 100 requests whose success rate lies 1.9
/// standard deviations below the mean of at least 5 such hosts; no more than a tenth of the hosts are out at once.
#[derive(Default)]
struct Envoy {
    hosts: [EnvoyHost; N_HOSTS],
    judged_at: Timestamp,
}

#[derive(Default, Clone, Copy)]
struct EnvoyHost {
    n_calls: u32,
    n_failed: u32,
    streak: u32,
}

impl EnvoyHost {
    fn success_percent(&self) -> f64 {
        100.0 * f64::from(self.n_calls - self.n_failed) / f64::from(self.n_calls.max(1))
    }
}

impl Policy for Envoy {
    fn observe(&mut self, now: Timestamp, host: usize, is_failed: bool) -> u64 {
        let one = &mut self.hosts[host];
        one.n_calls += 1;
        one.n_failed += u32::from(is_failed);
        one.streak = if is_failed { one.streak + 1 } else { 0 };
        let mut n_out = u64::from(one.streak == 5);
        if now.since(self.judged_at) >= INTERVAL {
            self.judged_at = now;
            let judged: Vec<&EnvoyHost> = self.hosts.iter().filter(|one| one.n_calls >= 100).collect();
            let n = judged.len() as f64;
            let mean = judged.iter().map(|one| one.success_percent()).sum::<f64>() / n;
            let deviation =
                (judged.iter().map(|one| (one.success_percent() - mean).powi(2)).sum::<f64>() / n).sqrt();
            let is_outlier = |one: &&&EnvoyHost| one.success_percent() < mean - 1.9 * deviation;
            let n_outliers = judged.iter().filter(is_outlier).count();
            // Of ten hosts one may be out.
            n_out += u64::from(judged.len() >= 5 && n_outliers > 0);
            self.hosts
                .iter_mut()
                .for_each(|one| *one = EnvoyHost { streak: one.streak, ..EnvoyHost::default() });
        }
        n_out
    }
}

#[test]
fn background_errors_do_not_open_it() {
    for browser in ["chromium", "edge", "firefox", "webkit"] {
        let ours = rate(&mut Tabpool::new(browser), N_CALLS);
        assert!(ours < 1e-4, "{browser}: {ours} per 1,000 calls");
    }
    let resilience4j = rate(&mut Resilience4j(core::array::from_fn(|_| VecDeque::new())), N_CALLS / 10);
    assert!(resilience4j < 1e-4, "resilience4j: {resilience4j} per 1,000 calls");
    // Envoy takes healthy hosts out, having been made for clusters that can spare them: ours asks for certainty as well.
    let envoy = rate(&mut Envoy { judged_at: START, ..Envoy::default() }, N_CALLS);
    assert!(envoy > 0.1, "Envoy: {envoy} per 1,000 calls");
}
