//! The set beside the standard library's tree.

use std::collections::BTreeSet;

use super::*;
use crate::rng::Rng;

#[test]
fn random_changes_are_those_of_a_tree() {
    for (seed, n_values) in [(1, 40), (2, 3_000), (3, 100_000)] {
        let mut rng = Rng::new(seed);
        let (mut set, mut tree) = (BlockSet::default(), BTreeSet::new());
        for step in 0..30_000 {
            let value = rng.next_u64() % n_values;
            // Grows for a while, then shrinks.
            match rng.next_u64() % 8 {
                0 => assert_eq!(set.pop_first(), tree.pop_first()),
                1..4 if step < 15_000 => assert_eq!(set.remove(&value), tree.remove(&value)),
                1..6 if step >= 15_000 => assert_eq!(set.remove(&value), tree.remove(&value)),
                _ => {
                    set.insert(value);
                    tree.insert(value);
                }
            }
            assert_eq!((set.len(), set.is_empty(), set.first()), (tree.len(), tree.is_empty(), tree.first()));
            assert!(set.from(&value).take(200).eq(tree.range(value..).take(200)));
        }
        assert!(set.from(&0).eq(&tree));
        assert!(set.blocks.iter().all(|values| (1..=BLOCK).contains(&values.len())));
    }
}

#[test]
fn rising_values_fill_their_blocks() {
    let mut set = BlockSet::default();
    for value in 0..10 * BLOCK {
        set.insert(value);
    }
    assert_eq!(set.blocks.len(), 10);
    for value in 0..10 * BLOCK {
        assert_eq!(set.pop_first(), Some(value));
    }
    assert!(set.blocks.is_empty());
}
