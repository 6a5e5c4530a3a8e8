//! Who is ejected, and who never is.

use super::*;

fn member(n_calls: u32, n_failed: u32) -> Member {
    let window = WindowStats { n_calls, n_failed, n_slow: 0, mean_latency_micros: 1000 };
    Member { window, slower_ln: 0.0, slowed_ln: 0.0, is_ejected: false }
}

#[track_caller]
fn check(members: &[Member], expected: &[usize]) {
    assert_eq!(outliers(members, &OutlierConfig::default()), expected);
}

#[test]
fn the_member_that_fails_more_than_its_peers_goes() {
    check(&[member(100, 1), member(100, 2), member(100, 1), member(100, 0), member(100, 40)], &[4]);
}

#[test]
fn small_or_uncertain_differences_eject_nobody() {
    // Envoy would eject the second: 1.9 deviations below the mean, and nothing.
    check(&[member(100, 0), member(100, 2), member(100, 0), member(100, 0), member(100, 0)], &[]);
    check(&[member(10, 0), member(10, 0), member(10, 0), member(10, 9)], &[]);
    check(&[member(100, 0), member(100, 60)], &[]);
}

#[test]
fn slowness_counts_as_well() {
    let slow = Member { slower_ln: 7f64.ln(), ..member(100, 0) };
    check(&[member(100, 0), member(100, 0), member(100, 0), slow], &[3]);
    let slowed = Member { slowed_ln: 7f64.ln(), ..member(100, 0) };
    check(&[slowed, member(100, 0), member(100, 0), member(100, 0)], &[0]);
}

#[test]
fn the_cap_holds_and_the_last_one_stays() {
    let ejected = Member { is_ejected: true, ..member(100, 90) };
    let slow = Member { slower_ln: 7f64.ln(), ..member(100, 0) };
    check(&[member(100, 0), member(100, 0), slow, member(100, 0)], &[2]);
    check(&[member(100, 0), member(100, 0), slow, ejected], &[]);
    let config = OutlierConfig { max_ejected_ratio: 1.0, minimum_members: 1, ..OutlierConfig::default() };
    assert_eq!(outliers(&[slow, slow, slow], &config).len(), 2);
    assert_eq!(outliers(&[slow], &config).len(), 0);
}
