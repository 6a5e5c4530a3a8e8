//! The table and the document of made-up trends.

use std::time::Duration;

use super::*;
use crate::cli::{DbArgs, FilterArgs};
use crate::testing::{add_synthetic_campaign, synthetic_history, synthetic_micros};

/// Every warm trend of a history that begins at the epoch.
pub(crate) fn arguments() -> TrendArgs {
    TrendArgs {
        filter: FilterArgs {
            model: Vec::new(),
            browser: Vec::new(),
            backend: Vec::new(),
            db: DbArgs { db: None },
        },
        since: Duration::from_secs(u64::from(u32::MAX)),
        metric: None,
    }
}

#[test]
fn table_and_json() {
    let levels = [1e4, 1e4, 1e4, 1.3e4, 1.3e4];
    let campaigns: Vec<Vec<f64>> =
        levels.iter().zip(1..).map(|(level, seed)| synthetic_micros(seed, 20, *level, 0.01)).collect();
    let trends = gather(&synthetic_history(&campaigns), &arguments()).unwrap();
    let few = gather(
        &synthetic_history(&campaigns[..1].iter().map(|c| c[..4].to_vec()).collect::<Vec<_>>()),
        &arguments(),
    );
    let all = [trends, few.unwrap()].concat();
    insta::assert_snapshot!(table(&all, &Printer::plain()));
    insta::assert_json_snapshot!(Document { schema: wire::SCHEMA, since_unix_micros: None, trends: &all });
}

#[test]
fn a_step_is_found_across_runs_that_were_rolled_up() {
    let store = Store::in_memory().unwrap();
    for day in 0..40 {
        let micros = synthetic_micros(day, 20, if day < 15 { 1e4 } else { 1.3e4 }, 0.01);
        add_synthetic_campaign(&store, "", 24 * day as usize, &[("tiny", &micros)]);
    }
    let step = |n, is_rolled_up| {
        let trends = gather(&store, &arguments()).unwrap();
        let (finding, graded) = trends[0].changes().next().unwrap();
        assert_eq!((trends[0].n, trends[0].is_rolled_up, graded.severity), (n, is_rolled_up, "critical"));
        assert_eq!((trends[0].blocks.len(), trends[0].changes().count()), (40, 1));
        finding.after.first_unix_micros / 86_400_000_000
    };
    assert_eq!(step(800, false), 15);
    store.prune(30 * 86_400_000_000).unwrap();
    assert_eq!(step(40, true), 15);
}
