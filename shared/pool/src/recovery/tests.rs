//! Ladders as priors, and evidence over them.

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1000);

fn choose(playbook: &Playbook, rng: &mut Rng, category: FaultCategory) -> Option<Strategy> {
    playbook.choose(rng, category, Component::Wasm, job_ladder(category).iter().copied())
}

fn trial(category: FaultCategory, strategy: Strategy) -> Trial {
    Trial::new(NOW, category, Component::Wasm, strategy)
}

#[test]
fn without_evidence_the_ladder_decides() {
    let playbook = Playbook::default();
    let mut rng = Rng::new(1);
    for &category in FaultCategory::ALL {
        assert_eq!(
            choose(&playbook, &mut rng, category),
            job_ladder(category).first().copied(),
            "{category}"
        );
    }
}

#[test]
fn a_strategy_that_fails_gives_way_to_one_that_helps() {
    let mut playbook = Playbook::default();
    let mut rng = Rng::new(1);
    let category = FaultCategory::Timeout;
    for _ in 0..30 {
        playbook.observe(trial(category, Strategy::RetryElsewhere), false, Duration::from_secs(1), 0.0);
        playbook.observe(trial(category, Strategy::OtherBrowser), true, Duration::from_millis(300), 0.0);
    }
    let n_better =
        (0..1000).filter(|_| choose(&playbook, &mut rng, category) == Some(Strategy::OtherBrowser)).count();
    assert!(n_better > 950, "{n_better} of 1,000");
}

#[test]
fn a_strategy_with_little_evidence_is_still_tried() {
    let mut playbook = Playbook::default();
    let mut rng = Rng::new(1);
    let category = FaultCategory::Timeout;
    for _ in 0..3 {
        playbook.observe(trial(category, Strategy::RetryElsewhere), true, Duration::from_millis(200), 0.0);
    }
    playbook.observe(trial(category, Strategy::OtherBrowser), true, Duration::from_millis(200), 0.0);
    let chosen: Vec<_> = (0..1000).map(|_| choose(&playbook, &mut rng, category)).collect();
    let n_other = chosen.iter().filter(|&&strategy| strategy != Some(Strategy::RetryElsewhere)).count();
    assert!((20..500).contains(&n_other), "{n_other} of 1,000");
}

#[test]
fn old_evidence_is_forgotten() {
    let mut playbook = Playbook::default();
    let failing = trial(FaultCategory::DeviceLost, Strategy::RetryElsewhere);
    for is_success in [true, false] {
        for _ in 0..500 {
            playbook.observe(failing, is_success, Duration::from_secs(1), 0.0);
        }
    }
    let (_, record) = playbook.records().next().expect("it was used");
    assert!(record.n_helped < 1.0 && record.n_failed > 40.0, "{record:?}");
}

#[test]
fn repairs_that_do_not_hold_lose_stability() {
    let mut playbook = Playbook::default();
    let repair = trial(FaultCategory::DeviceLost, Strategy::RecreateDevice);
    for _ in 0..10 {
        playbook.observe(repair, true, Duration::from_secs(1), 0.0);
        playbook.observe_relapse(repair);
    }
    let (_, record) = playbook.records().next().expect("it was used");
    assert!(record.stability < 0.6, "{record:?}");
}

#[test]
fn what_costs_others_more_gives_way() {
    let mut playbook = Playbook::default();
    let mut rng = Rng::new(1);
    let category = FaultCategory::Timeout;
    for _ in 0..40 {
        let took = Duration::from_secs(1);
        playbook.observe(trial(category, Strategy::RetryElsewhere), true, took, 0.9);
        playbook.observe(trial(category, Strategy::OtherBrowser), true, took, 0.0);
    }
    let (_, record) = playbook.records().next().expect("it was used");
    assert!(record.impact > 0.85, "{record:?}");
    let n_harmless =
        (0..1000).filter(|_| choose(&playbook, &mut rng, category) == Some(Strategy::OtherBrowser)).count();
    assert!(n_harmless > 950, "{n_harmless} of 1,000");
}

#[test]
fn thirty_seconds_of_slots_are_as_bad_as_can_be() {
    let cost = |seconds| {
        Trial {
            slot_time: Duration::from_secs(seconds),
            ..trial(FaultCategory::Timeout, Strategy::RespawnWorker)
        }
        .impact()
    };
    assert_eq!([0, 15, 30, 300].map(cost), [0.0, 0.5, 1.0, 1.0]);
}

#[test]
fn every_ladder_names_only_what_it_may() {
    let is_repair = |strategy: &Strategy| {
        matches!(
            strategy,
            Strategy::ReloadModel
                | Strategy::RecreateDevice
                | Strategy::RespawnWorker
                | Strategy::RespawnIframe
                | Strategy::RestartBrowser
        )
    };
    for &category in FaultCategory::ALL {
        assert!(!job_ladder(category).iter().any(is_repair), "{category}");
        assert_eq!(job_ladder(category).is_empty(), !category.is_retryable(), "{category}");
        for &kind in ConnectionKind::ALL {
            assert!(repair_ladder(category, kind).iter().all(is_repair), "{category} of a {kind}");
        }
    }
}
