//! Rows into pieces, and pieces into rows.

use super::*;

fn inputs(dims: &[&[u32]]) -> Vec<TensorHeader> {
    let input =
        |dims: &&[u32]| TensorHeader { name: String::new(), dtype: DType::Int64, dims: dims.to_vec() };
    dims.iter().map(input).collect()
}

#[track_caller]
fn check(dims: &[&[u32]], n_workers: usize, expected: &[Range<u32>]) {
    assert_eq!(pieces(&inputs(dims), n_workers).unwrap_or_default(), expected);
}

#[test]
fn rows_are_cut_into_nearly_equal_pieces() {
    check(&[&[8, 128], &[8, 128]], 2, &[0..4, 4..8]);
    check(&[&[7, 3]], 3, &[0..3, 3..5, 5..7]);
    check(&[&[2, 3], &[2]], 4, &[0..1, 1..2]);
    check(&[&[u32::MAX]], 2, &[0..1 << 31, 1 << 31..u32::MAX]);
}

#[test]
fn one_piece_is_none() {
    check(&[&[1, 128]], 2, &[]);
    check(&[&[8, 128]], 1, &[]);
    check(&[&[8, 128]], 0, &[]);
    check(&[&[0, 128]], 2, &[]);
    check(&[], 2, &[]);
}

#[test]
fn inputs_must_share_their_rows() {
    check(&[&[8, 128], &[4, 128]], 2, &[]);
    check(&[&[8, 128], &[]], 2, &[]);
}

#[track_caller]
fn check_joined(dims: &[&[u32]], expected: Option<&[u32]>) {
    let dims: Vec<Vec<u32>> = dims.iter().map(|dims| dims.to_vec()).collect();
    assert_eq!(joined_dims(&dims, &[0..3, 3..5]).as_deref(), expected);
}

#[test]
fn outputs_are_joined_row_by_row() {
    check_joined(&[&[3, 16, 384], &[2, 16, 384]], Some(&[5, 16, 384]));
    check_joined(&[&[3], &[2]], Some(&[5]));
}

#[test]
fn what_is_not_made_of_rows_is_not_joined() {
    // As many as were found, of different width, or a figure over all rows.
    check_joined(&[&[3, 4], &[3, 4]], None);
    check_joined(&[&[3, 16], &[2, 17]], None);
    check_joined(&[&[], &[]], None);
    check_joined(&[&[1, 16], &[1, 16]], None);
}
