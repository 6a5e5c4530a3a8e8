//! Boxes in synthetic maps.

use super::*;

/// A map in which each rectangle (left, top, right, bottom) has a probability.
fn map(width: usize, height: usize, regions: &[([usize; 4], f32)]) -> Vec<f32> {
    let mut map = vec![0.0; width * height];
    for &([left, top, right, bottom], probability) in regions {
        for y in top..bottom {
            map[y * width + left..y * width + right].fill(probability);
        }
    }
    map
}

fn rounded(quads: Vec<Quad>) -> Vec<[[i32; 2]; 4]> {
    quads
        .into_iter()
        .map(|quad| quad.corners.map(|corner| corner.map(|value| value.round() as i32)))
        .collect()
}

#[test]
fn a_bar_becomes_a_larger_box() {
    let map = map(100, 50, &[([20, 10, 80, 20], 0.9)]);
    // The region spans 60 × 10 between pixel centres, so that it grows by 1.6 · 600 / 140 on each side.
    let expected = [[[13, 3], [87, 3], [87, 27], [13, 27]]];
    assert_eq!(rounded(find(&map, 100, 50, [1.0, 1.0]).unwrap()), expected);
    let doubled = expected.map(|quad| quad.map(|[x, y]| [2 * x, y]));
    let found = rounded(find(&map, 100, 50, [2.0, 1.0]).unwrap());
    assert!(
        found[0].iter().zip(doubled[0]).all(|(found, expected)| (found[0] - expected[0]).abs() <= 1),
        "{found:?}"
    );
}

#[test]
fn faint_and_tiny_regions_are_no_text() {
    assert!(find(&map(100, 50, &[([20, 10, 80, 20], 0.4)]), 100, 50, [1.0, 1.0]).unwrap().is_empty());
    assert!(find(&map(100, 50, &[([20, 10, 21, 11], 0.9)]), 100, 50, [1.0, 1.0]).unwrap().is_empty());
    assert!(find(&map(100, 50, &[]), 100, 50, [1.0, 1.0]).unwrap().is_empty());
    assert!(find(&[0.0; 7], 100, 50, [1.0, 1.0]).is_none());
}

#[test]
fn reading_order() {
    let at = |x: f32, y: f32| Quad { corners: [[x, y]; 4] };
    let ordered = in_reading_order(vec![at(50.0, 103.0), at(200.0, 0.0), at(5.0, 108.0), at(100.0, 5.0)]);
    let starts: Vec<[f32; 2]> = ordered.iter().map(|quad| quad.corners[0]).collect();
    assert_eq!(starts, [[100.0, 5.0], [200.0, 0.0], [5.0, 108.0], [50.0, 103.0]]);
}
