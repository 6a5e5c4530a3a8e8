//! What a browser keeps of measurements, in a dedicated worker.

use wasm_bindgen_test::wasm_bindgen_test;

use super::*;

/// Keeps one list after the other on an adapter that only this test has; gives what is there then.
async fn check(architecture: &str, lists: &[&[(&str, &str)]], expected: &[(&str, &str)]) {
    let measured = |list: &[(&str, &str)]| -> Measured {
        list.iter().map(|(class, name)| ((*class).to_owned(), (*name).to_owned())).collect()
    };
    let adapter = Adapter {
        vendor: "test".to_owned(),
        architecture: architecture.to_owned(),
        description: js_sys::Date::now().to_string(),
        is_fallback: false,
    };
    assert_eq!(kept(&adapter).await, None);
    for list in lists {
        assert!(keep(&adapter, measured(list)).await);
    }
    assert_eq!(kept(&adapter).await, Some(measured(expected)));
}

#[wasm_bindgen_test]
async fn what_is_kept_outlives_later_measurements_of_other_classes() {
    check("other", &[&[("a", "lines")], &[("b", "lines")]], &[("a", "lines"), ("b", "lines")]).await;
    check("same", &[&[("a", "lines")], &[("a", "tiled-64x64")]], &[("a", "tiled-64x64")]).await;
}

#[wasm_bindgen_test]
async fn names_that_another_version_knows_are_kept() {
    let kept = [("a", "of-tomorrow"), ("b", "lines")];
    check("unknown", &[&kept[..1], &kept[1..]], &kept).await;
}
