//! Names that both crates have must be the same ones: they meet in the database.

use super::*;

#[test]
fn categories_keep_their_names() {
    for category in FaultCategory::ALL {
        let translated = to_pool_category(category);
        assert_eq!(translated.as_str(), category.as_str());
        assert_eq!(to_wire_category(translated), category);
    }
    assert_eq!(pool::FaultCategory::ALL.len(), FaultCategory::ALL.len());
}

#[test]
fn backends_keep_their_names() {
    for &backend in pool::Backend::ALL {
        let translated = to_wire_backend(backend);
        assert_eq!(translated.as_str(), backend.as_str());
        assert_eq!(to_pool_backend(translated), backend);
    }
}

#[test]
fn precisions_keep_their_names() {
    for precision in Precision::ALL {
        let translated = to_pool_precision(precision);
        assert_eq!(
            translated.map(pool::Precision::as_str),
            Some(precision.as_str()).filter(|_| precision != Precision::Unknown)
        );
    }
}
