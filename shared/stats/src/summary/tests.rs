//! One summary by hand, and which values count as outliers.

use super::*;

#[track_caller]
fn check_outliers(values: &[f64], expected: &[usize]) {
    let sample = Sample::new(values).expect("usable values");
    let marked: Vec<usize> = outliers(&sample).iter().map(|outlier| outlier.index).collect();
    assert_eq!(marked, expected);
}

#[test]
fn a_summary_describes_the_sample() {
    let summary = Summary::of(&Sample::new(&[5.0, 1.0, 2.0, 4.0, 3.0]).expect("usable values"));
    assert_eq!((summary.n, summary.min, summary.max), (5, 1.0, 5.0));
    assert_eq!((summary.lower_quartile, summary.median, summary.upper_quartile), (2.0, 3.0, 4.0));
    assert_eq!((summary.iqr, summary.mad, summary.mean), (2.0, 1.0, 3.0));
    assert_eq!(summary.sd, Some(2.5_f64.sqrt()));
    assert_eq!(summary.outliers, []);
}

#[test]
fn one_value_has_no_spread() {
    let summary = Summary::of(&Sample::new(&[8.0]).expect("usable value"));
    assert_eq!((summary.n, summary.median, summary.mad, summary.sd), (1, 8.0, 0.0, None));
}

#[test]
fn far_values_are_marked_on_both_sides() {
    check_outliers(&[10.0, 11.0, 10.5, 9.5, 10.0, 30.0, 10.2, 1.0], &[5, 7]);
    check_outliers(&[10.0, 11.0, 10.5, 9.5, 10.0], &[]);
}

#[test]
fn a_rare_value_among_equal_ones_is_marked() {
    check_outliers(&[2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 9.0], &[8]);
    check_outliers(&[2.0, 2.0, 2.0], &[]);
}
