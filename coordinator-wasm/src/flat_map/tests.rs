//! Against the standard library's map, with every key inserted and removed in some order.

use std::collections::BTreeMap;

use super::*;

#[track_caller]
fn check(map: &mut FlatMap<u8, u8>, model: &BTreeMap<u8, u8>) {
    assert!(map.iter().eq(model.iter().map(|(key, value)| (*key, value))));
    for key in 0..=16 {
        assert_eq!(map.get(key), model.get(&key));
        assert_eq!(map.get_mut(key).copied(), model.get(&key).copied());
    }
}

#[test]
fn behaves_as_a_map() {
    let (mut map, mut model) = (FlatMap::default(), BTreeMap::new());
    // 5 and 3 are coprime to 16: each key comes once before any comes twice.
    for step in 0..32_u8 {
        let key = step.wrapping_mul(5) % 16;
        map.insert(key, step);
        model.insert(key, step);
        check(&mut map, &model);
    }
    *map.get_or_default(16) += 1;
    *map.get_or_default(16) += 1;
    model.insert(16, 2);
    check(&mut map, &model);
    for step in 0..20_u8 {
        let key = step.wrapping_mul(3) % 16;
        assert_eq!(map.remove(key), model.remove(&key));
        check(&mut map, &model);
    }
    map.clear();
    check(&mut map, &BTreeMap::new());
}
