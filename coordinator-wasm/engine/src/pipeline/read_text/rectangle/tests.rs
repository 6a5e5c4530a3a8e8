//! Rectangles around points at several angles.

use super::*;

/// Checks the rectangle's centre and sides, the longer side first.
#[track_caller]
fn check(points: &[[i32; 2]], center: [f32; 2], sides: [f32; 2]) {
    let rectangle = Rectangle::around(points.to_vec()).unwrap();
    let mut size = rectangle.size;
    size.sort_by(|a, b| b.total_cmp(a));
    let close = |a: [f32; 2], b: [f32; 2]| (a[0] - b[0]).abs() < 0.01 && (a[1] - b[1]).abs() < 0.01;
    assert!(close(rectangle.center, center) && close(size, sides), "{rectangle:?}");
    assert!(points.iter().all(|point| rectangle.contains(point.map(|value| value as f32))));
}

#[test]
fn rectangles_around_points() {
    assert_eq!(Rectangle::around(Vec::new()), None);
    check(&[[3, 4]], [3.0, 4.0], [0.0, 0.0]);
    check(&[[0, 0], [4, 0]], [2.0, 0.0], [4.0, 0.0]);
    check(&[[0, 0], [4, 0], [4, 2], [0, 2], [1, 1]], [2.0, 1.0], [4.0, 2.0]);
    // A square on its corner.
    let root = 8.0_f32.sqrt();
    check(&[[0, 2], [2, 0], [4, 2], [2, 4]], [2.0, 2.0], [root, root]);
}

#[test]
fn a_long_flat_line_keeps_its_height() {
    let edge = |y: i32| (0..1_400).map(move |x| [x, y + x % 2]);
    let points: Vec<[i32; 2]> = edge(72).chain(edge(102)).collect();
    check(&points, [699.5, 87.5], [1_399.0, 31.0]);
}

#[test]
fn growth_and_corners() {
    let grown = Rectangle::around(vec![[0, 0], [4, 0], [4, 2], [0, 2]]).unwrap().grown(2.0);
    let mut corners = grown.corners().map(|corner| corner.map(|value| value.round() as i32));
    corners.sort_unstable();
    assert_eq!(corners, [[-1, -1], [-1, 3], [5, -1], [5, 3]]);
    assert!(grown.contains([5.0, 3.0]) && !grown.contains([5.1, 3.0]));
}
