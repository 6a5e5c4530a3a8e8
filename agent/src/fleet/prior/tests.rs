//! What the history says becomes evidence, where it can be told what it is about.

use pool::{FaultCategory, Strategy};

use super::*;
use crate::analysis::advice::{Measured, advise};
use crate::store::Point;
use crate::testing::{GOLDEN, series};

fn points(micros: f64, n: i64) -> Vec<Point> {
    (0..n).map(|at| Point { started_unix_micros: at, campaign: Some(1), micros }).collect()
}

#[test]
fn latencies_come_with_place_and_shape() {
    let place = |browser: &str, case: &str, micros, n| Measured {
        series: crate::store::Series {
            browser: browser.to_owned(),
            case: case.to_owned(),
            model_sha256: String::new(),
            ..series("tiny")
        },
        points: points(micros, n),
        n_failed: 0,
    };
    let measured = vec![
        place("chromium", "1x2", 2000.0, 9),
        place("firefox", "1x2", 3000.0, 2),
        place("firefox", "x:1x1000,y:24", 50_000.0, 4),
        place("firefox", "texts:a", 1.0, 4),
    ];
    let advice = advise(measured, |_| String::new(), 0);
    let goldens = [Golden::parse(GOLDEN).unwrap()];
    let seen: Vec<_> = latencies(ModelId(0), &advice, &goldens)
        .into_iter()
        .map(|one| {
            (
                one.place.unwrap().0,
                one.shape.unwrap().0,
                one.estimate.median().as_micros(),
                one.estimate.weight,
            )
        })
        .collect();
    let expected = [
        ("chromium", ShapeClass::from_elements(2), 2000, 3.0),
        ("firefox", ShapeClass::from_elements(2), 3000, 2.0),
        ("firefox", ShapeClass::from_elements(1024), 50_000, 3.0),
    ];
    assert_eq!(seen.len(), expected.len(), "{seen:?}");
    for (seen, expected) in seen.iter().zip(&expected) {
        assert_eq!((seen.0.as_str(), seen.1, seen.3), (expected.0, expected.1, expected.3));
        assert!(seen.2.abs_diff(expected.2) <= 1, "{seen:?}");
    }
}

#[test]
fn strategies_count_up_to_a_limit() {
    let recovery = Recovery {
        category: "connection_lost".to_owned(),
        component: "transport".to_owned(),
        strategy: "restart_browser".to_owned(),
        n: 100,
        n_succeeded: 80,
        took_micros: vec![2e6; 80],
    };
    let unknown = Recovery { strategy: "prayer".to_owned(), ..recovery.clone() };
    assert_eq!(strategy(&unknown), None);
    let one = strategy(&recovery).unwrap();
    assert_eq!((one.category, one.strategy), (FaultCategory::ConnectionLost, Strategy::RestartBrowser));
    assert_eq!((one.record.n_helped, one.record.n_failed, one.record.mean_seconds), (20.0, 5.0, 2.0));
}
