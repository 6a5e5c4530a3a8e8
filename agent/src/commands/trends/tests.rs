//! The table and the document of made-up trends.

use std::time::Duration;

use super::*;
use crate::cli::{DbArgs, FilterArgs};
use crate::testing::{synthetic_history, synthetic_micros};

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
