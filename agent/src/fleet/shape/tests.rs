//! What may share a run has equal shapes, and is small.

use super::*;

#[test]
fn only_equal_shapes_share_a_run() {
    let stacked = Classes { are_stacked: true };
    assert_eq!(stacked.of("x:1x16", 16), stacked.of("x:1x16", 16));
    assert_ne!(stacked.of("x:1x16", 16), stacked.of("x:2x8", 16));
    assert_ne!(stacked.of("x:1x16", 16), ShapeClass::from_elements(16));
    assert!(!stacked.is_batchable(1 << 20));
    assert_eq!(stacked.of("x:1024x1024", 1 << 20), ShapeClass::from_elements(1 << 20));
}

#[test]
fn jobs_that_run_alone_are_classed_by_size() {
    let single = Classes { are_stacked: false };
    assert!(!single.is_batchable(16));
    assert_eq!(single.of("x:1x16", 16), single.of("x:2x12", 24));
}
