//! Greedy decoding of class sequences.

use super::*;

/// Classes of "ab": blank, a, b, space; each row of the input has one class with this probability.
#[track_caller]
fn check(rows: &[(usize, f32)], text: &str, score: f32) {
    let row = |&(class, probability): &(usize, f32)| {
        let mut row = [0.0; 4];
        row[class] = probability;
        row
    };
    let probabilities: Vec<f32> = rows.iter().flat_map(row).collect();
    assert_eq!(Characters::new("a\nb\n").decode(&probabilities, 4), (text.to_owned(), score));
}

#[test]
fn repeats_are_one_character_unless_a_blank_parts_them() {
    check(&[], "", 0.0);
    check(&[(0, 1.0), (0, 1.0)], "", 0.0);
    check(&[(1, 0.5), (1, 0.9), (0, 1.0), (1, 1.0), (3, 0.75), (2, 0.75)], "aa b", 0.75);
}
