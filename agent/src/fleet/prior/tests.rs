//! What the history says becomes evidence, where it can be told what it is about.

use pool::{FaultCategory, Strategy};

use super::*;
use crate::analysis::advice::{Measured, advise};
use crate::store::Point;
use crate::testing::{GOLDEN, series};

const SINGLE: Classes = Classes { are_stacked: false };

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
        ..Measured::default()
    };
    let measured = vec![
        place("chromium", "1x2", 2000.0, 9),
        place("firefox", "1x2", 3000.0, 2),
        place("firefox", "x:1x1000,y:24", 50_000.0, 4),
        place("firefox", "texts:a", 1.0, 4),
    ];
    let advice = advise(measured, |_| String::new(), 0).unwrap();
    let goldens = [Golden::parse(GOLDEN).unwrap()];
    let seen: Vec<_> = latencies(ModelId(0), &advice, &goldens, SINGLE)
        .into_iter()
        .map(|one| {
            (
                one.place.unwrap().0,
                one.shape.map(|(shape, _)| shape),
                one.estimate.median().as_micros(),
                one.estimate.weight,
            )
        })
        .collect();
    let expected = [
        ("chromium", Some(ShapeClass::from_elements(2)), 2000, 3.0),
        ("chromium", None, 2000, 3.0),
        ("firefox", Some(ShapeClass::from_elements(2)), 3000, 2.0),
        ("firefox", Some(ShapeClass::from_elements(1024)), 50_000, 3.0),
        // (3000² · 50 000³)^⅕
        ("firefox", None, 16_227, 3.0),
    ];
    assert_eq!(seen.len(), expected.len(), "{seen:?}");
    for (seen, expected) in seen.iter().zip(&expected) {
        assert_eq!((seen.0.as_str(), seen.1, seen.3), (expected.0, expected.1, expected.3));
        assert!(seen.2.abs_diff(expected.2) <= 1, "{seen:?}");
    }
}

#[test]
fn shapes_together_spread_further_than_each() {
    let one = |millis, n_calls| Estimate::of(Duration::from_millis(millis), 0.5, n_calls);
    let both = pooled([one(10, 3.0), one(1000, 1.0)].into_iter()).unwrap();
    let apart = 100_f64.ln();
    assert_eq!(both.weight, 3.0);
    assert!((both.mean_ln - (10_000_f64.ln() + apart / 4.0)).abs() < 1e-9, "{both:?}");
    assert!((both.variance_ln - (0.25 + apart * apart * 3.0 / 16.0)).abs() < 1e-9, "{both:?}");
    assert_eq!(pooled([one(10, 2.0)].into_iter()), Some(one(10, 2.0)));
    assert_eq!(pooled(core::iter::empty()), None);
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
        impacts: vec![0.25, 0.75],
    };
    let unknown = Recovery { strategy: "prayer".to_owned(), ..recovery.clone() };
    assert_eq!(strategy(&unknown), None);
    let one = strategy(&recovery).unwrap();
    assert_eq!((one.category, one.strategy), (FaultCategory::ConnectionLost, Strategy::RestartBrowser));
    assert_eq!((one.record.n_helped, one.record.n_failed, one.record.mean_seconds), (20.0, 5.0, 2.0));
    assert_eq!(one.record.impact, 0.5);
    let unmeasured = Recovery { impacts: Vec::new(), ..recovery };
    assert_eq!(strategy(&unmeasured).unwrap().record.impact, Strategy::RestartBrowser.prior_impact());
}
