//! Rows of whole, transposed, broadcast, reversed and empty reads.

use super::*;

/// Checks which operand positions a read visits, and in how many rows.
#[track_caller]
fn check(dims: &[usize], offset: usize, strides: &[isize], expected: &[usize], n_rows: usize) {
    let mut positions: Vec<usize> = Vec::new();
    let mut count = 0;
    rows(dims, [offset], [strides], |row| {
        assert_eq!(row.start, positions.len());
        count += 1;
        for index in 0..row.length as isize {
            positions.push((row.offsets[0] as isize + index * row.steps[0]) as usize);
        }
    });
    assert_eq!(positions, expected);
    assert_eq!(count, n_rows);
}

#[test]
fn reads_follow_their_strides() {
    check(&[2, 3], 0, &[3, 1], &[0, 1, 2, 3, 4, 5], 1);
    check(&[3, 2], 0, &[1, 3], &[0, 3, 1, 4, 2, 5], 3);
    check(&[2, 2, 2], 0, &[0, 2, 1], &[0, 1, 2, 3, 0, 1, 2, 3], 2);
    check(&[4], 3, &[-1], &[3, 2, 1, 0], 1);
    check(&[2, 1, 2], 5, &[2, 99, 1], &[5, 6, 7, 8], 1);
    check(&[], 7, &[], &[7], 1);
    check(&[2, 0], 0, &[1, 1], &[], 0);
}
