//! Which variants an adapter is told.

use wire::{Backend, TuningRecord};

use super::*;
use crate::testing::browser;

fn adapter(vendor: &str) -> Adapter {
    Adapter { vendor: vendor.to_owned(), is_fallback: true, ..Adapter::default() }
}

#[test]
fn the_latest_choice_of_each_class_on_the_same_adapter_counts() {
    let store = Store::in_memory().unwrap();
    let tuning = |vendor: &str, at_unix_micros, key: &str, variant: &str, is_chosen| TuningRecord {
        id: format!("{vendor} {at_unix_micros} {key} {variant}"),
        at_unix_micros,
        browser: browser(),
        backend: Backend::Webgpu,
        adapter: Some(adapter(vendor)),
        key: key.to_owned(),
        variant: variant.to_owned(),
        micros: 1.0,
        is_chosen,
    };
    let tunings = [
        tuning("google", 2, "softmax", "lines", true),
        tuning("google", 1, "softmax", "shared-lines", true),
        tuning("google", 3, "softmax", "shared-lines", false),
        tuning("google", 1, "norm", "lines", true),
        tuning("intel", 9, "softmax", "shared-lines", true),
    ];
    store.insert_tunings(&tunings).unwrap();
    let told = |vendor: &str| store.fastest_variants(&adapter(vendor)).unwrap();
    let of = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|&(key, variant)| (key.to_owned(), variant.to_owned())).collect()
    };
    assert_eq!(told("google"), of(&[("norm", "lines"), ("softmax", "lines")]));
    assert_eq!(told("intel"), of(&[("softmax", "shared-lines")]));
    assert_eq!(told("amd"), of(&[]));
}
