//! The map against the tree of the standard library, over every short sequence of operations.

use std::collections::BTreeMap;

use super::*;

#[test]
fn behaves_like_a_tree() {
    // Each digit of a number in base 12 is an operation on one of three keys.
    for script in 0..12_u32.pow(4) {
        let (mut map, mut tree) = (SortedMap::default(), BTreeMap::new());
        for step in 0..4 {
            let operation = script / 12_u32.pow(step) % 12;
            let key = operation % 3;
            match operation / 3 {
                0 => {
                    map.insert(key, step);
                    tree.insert(key, step);
                }
                1 => assert_eq!(map.remove(&key), tree.remove(&key)),
                2 => {
                    *map.get_or_insert(key, 10) += step;
                    *tree.entry(key).or_insert(10) += step;
                }
                _ => {
                    map.retain(|own, _| *own != key);
                    tree.retain(|own, _| *own != key);
                }
            }
            assert_eq!(map.get(&key), tree.get(&key));
            assert_eq!(map.contains_key(&key), tree.contains_key(&key));
        }
        assert!(map.iter().eq(tree.iter()), "{script}: {map:?} is not {tree:?}");
        assert!(map.keys().eq(tree.keys()) && map.values().eq(tree.values()));
    }
}
