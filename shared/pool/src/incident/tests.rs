//! Who leads, who is held, who returns.

use super::*;

const SITE: Site = (0, Component::Webgpu);
const LOST: FaultCategory = FaultCategory::DeviceLost;

fn fault(incidents: &mut Incidents, at_millis: u64, id: u32) -> Role {
    let config = IncidentConfig::default();
    incidents.on_fault(Timestamp::from_millis(at_millis), SITE, LOST, ConnectionId(id), &config).0
}

#[test]
fn two_members_within_the_window_share_one_recovery() {
    let mut incidents = Incidents::default();
    assert_eq!(fault(&mut incidents, 0, 1), Role::Repair);
    assert_eq!(fault(&mut incidents, 100, 2), Role::Held);
    assert_eq!(fault(&mut incidents, 150, 3), Role::Held);
    assert!(incidents.is_held(SITE, ConnectionId(3)));
    let verdict = incidents.on_repaired(SITE, ConnectionId(1), true);
    let Verdict::Return(notice, held) = verdict else { panic!("{verdict:?}") };
    assert_eq!((notice.n_members, held), (3, vec![ConnectionId(2), ConnectionId(3)]));
    assert!(!incidents.is_held(SITE, ConnectionId(3)));
}

#[test]
fn faults_far_apart_or_of_one_member_are_its_own() {
    let mut incidents = Incidents::default();
    for at_millis in [0, 100, 200] {
        assert_eq!(fault(&mut incidents, at_millis, 1), Role::Repair);
    }
    assert_eq!(fault(&mut incidents, 10_000, 2), Role::Repair);
}

#[test]
fn a_member_that_works_again_does_not_lead() {
    let mut incidents = Incidents::default();
    fault(&mut incidents, 0, 1);
    incidents.on_repaired(SITE, ConnectionId(1), true);
    assert_eq!(fault(&mut incidents, 100, 2), Role::Repair);
}

#[test]
fn a_leader_that_fails_hands_over() {
    let mut incidents = Incidents::default();
    fault(&mut incidents, 0, 1);
    fault(&mut incidents, 100, 2);
    let verdict = incidents.on_repaired(SITE, ConnectionId(1), false);
    assert!(matches!(verdict, Verdict::Lead(_, ConnectionId(2))), "{verdict:?}");
    assert!(incidents.is_held(SITE, ConnectionId(1)));
    assert_eq!(fault(&mut incidents, 200, 2), Role::Repair);
}

#[test]
fn a_leader_that_is_removed_hands_over() {
    let mut incidents = Incidents::default();
    fault(&mut incidents, 0, 1);
    fault(&mut incidents, 100, 2);
    assert_eq!(incidents.forget(ConnectionId(1)), [(SITE, ConnectionId(2))]);
    assert!(!incidents.is_held(SITE, ConnectionId(2)));
}
