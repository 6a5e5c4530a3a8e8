//! Against the standard library's sort.

use super::*;
use crate::rng::Rng;

#[test]
fn random_slices_are_sorted() {
    let mut rng = Rng::new(7);
    for n_items in 0..200 {
        let mut items: Vec<u64> = (0..n_items).map(|_| rng.next_u64() % 50).collect();
        let mut expected = items.clone();
        expected.sort_unstable();
        sort(&mut items, |a, b| a < b);
        assert_eq!(items, expected);
    }
}
