//! The document and the tables of a small history.

use wire::{Fault, FaultCategory, Outcome, Phases, RunRecord};

use super::*;
use crate::store::{Filter, Store};
use crate::testing::record;

fn history() -> (Vec<HistoryRow>, Vec<RecentRun>) {
    let store = Store::in_memory().unwrap();
    let fault = Fault::new(FaultCategory::OutOfMemory, "wasm-memory", "no memory");
    let records = [
        RunRecord { cold: true, ..record("tiny", 1, 90_000) },
        record("tiny", 2, 1_000),
        record("tiny", 3, 1_100),
        RunRecord { outcome: Outcome::Failed { fault }, phases: Phases::default(), ..record("tiny", 4, 0) },
        record("big", 5, 2_000_000),
    ];
    store.insert(&records, 0).unwrap();
    let filter = Filter::default();
    let without_time = |mut run: RecentRun| {
        run.time = "[time]".to_owned();
        run
    };
    let mut rows = store.history(&filter, &Dimension::COMPARABLE).unwrap();
    rows.iter_mut().for_each(|row| row.last_time = "[time]".to_owned());
    (rows, store.recent(&filter, 4).unwrap().into_iter().map(without_time).collect())
}

#[test]
fn json() {
    let (rows, runs) = history();
    insta::assert_json_snapshot!(document(&rows, &runs));
}

#[test]
fn tables() {
    let (rows, runs) = history();
    let printer = Printer::plain();
    insta::assert_snapshot!(format!(
        "{}\n\n{}",
        medians(&rows, &Dimension::COMPARABLE, &printer),
        latest(&runs, &printer)
    ));
}

#[test]
fn csv() {
    insta::assert_snapshot!(comma_separated(&history().0, &Dimension::COMPARABLE));
}

#[test]
fn groups_of_different_things_have_no_median() {
    let store = Store::in_memory().unwrap();
    store.insert(&[record("tiny", 1, 10), record("tiny", 2, 10), record("big", 3, 90)], 0).unwrap();
    let rows = store.history(&Filter::default(), &[Dimension::Browser, Dimension::Day]).unwrap();
    assert_eq!((rows.len(), rows[0].n_runs, comparable(&rows[0])), (1, 3, None));
    let rows = store.history(&Filter::default(), &[Dimension::Model]).unwrap();
    assert_eq!(rows.iter().map(|row| comparable(row).unwrap().n).collect::<Vec<_>>(), [1, 2]);
}
