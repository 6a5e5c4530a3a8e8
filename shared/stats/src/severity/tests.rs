//! The severity table at its borders, and which findings are made.

use super::*;

#[track_caller]
fn check_severity(effect: f64, expected: Severity) {
    assert_eq!(Severity::of(effect), expected);
    assert_eq!(Severity::of(-effect), expected);
}

#[track_caller]
fn check_grade(bounds: (f64, f64, f64), significant: bool, better: Better, expected: Verdict) {
    let ratio = Interval { low: bounds.0, estimate: bounds.1, high: bounds.2, level: 0.95 };
    assert_eq!(grade(ratio, significant, DEFAULT_NOISE_FLOOR, better), expected);
}

#[test]
fn borders_of_the_table() {
    check_severity(0.26, Severity::Critical);
    check_severity(0.25, Severity::Severe);
    check_severity(0.15, Severity::Severe);
    check_severity(1.15 - 1.0, Severity::Severe);
    check_severity(0.14, Severity::Moderate);
    check_severity(0.05, Severity::Moderate);
    check_severity(0.049, Severity::Minor);
}

#[test]
fn the_bound_nearest_to_no_change_limits_the_severity() {
    let regression = |effect, severity, supported| Verdict::Regression(Grade { effect, severity, supported });
    check_grade(
        (1.0625, 1.5, 2.0),
        true,
        Better::Lower,
        regression(0.5, Severity::Critical, Some(Severity::Moderate)),
    );
    check_grade((0.9, 1.5, 2.0), true, Better::Lower, regression(0.5, Severity::Critical, None));
    check_grade(
        (0.25, 0.5, 0.75),
        true,
        Better::Higher,
        regression(-0.5, Severity::Critical, Some(Severity::Severe)),
    );
}

#[test]
fn faster_is_an_improvement() {
    let grade = Grade { effect: -0.5, severity: Severity::Critical, supported: Some(Severity::Severe) };
    check_grade((0.25, 0.5, 0.75), true, Better::Lower, Verdict::Improvement(grade));
}

#[test]
fn doubtful_and_tiny_changes_are_no_findings() {
    check_grade((1.1, 1.5, 2.0), false, Better::Lower, Verdict::NotSignificant);
    check_grade((1.005, 1.01, 1.015), true, Better::Lower, Verdict::WithinNoise);
}
