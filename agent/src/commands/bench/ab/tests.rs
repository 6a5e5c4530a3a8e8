//! What becomes of the records of two builds, and folders that hold none.

use wire::RunRecord;

use super::*;
use crate::store::Ending;
use crate::testing::{browser, campaign, planned_case, record};

#[test]
fn runs_are_paired_by_launch_and_turn() {
    let store = Store::in_memory().unwrap();
    let (old, new) = (store.begin_campaign(&campaign()).unwrap(), store.begin_campaign(&campaign()).unwrap());
    let mut run = BrowserRun { browser: browser(), ..BrowserRun::default() };
    for launch in 0..2 {
        for (id, factor, sessions) in [(old, 1, &mut run.sessions), (new, 2, &mut run.rival_sessions)] {
            let session = format!("{id}-{launch}");
            store.begin_session(&session, id, &browser(), 1).unwrap();
            let of = |turn: i64| RunRecord {
                id: format!("{session}-{turn}"),
                session: Some(session.clone()),
                cold: turn == 0,
                ..record("tiny", turn, factor * (10 * launch + 1 + turn as u64))
            };
            store.insert(&[of(0), of(1), of(2), of(3)], 0).unwrap();
            store.end_session(&session, Ending::Finished, 1, 9).unwrap();
            sessions.push(session);
        }
    }
    let pairs = read_pairs(&run, &store).unwrap();
    let duel = duel(&planned_case("tiny"), &run.browser, &pairs, &Host::of_machine());
    let times = |times: [f64; 2]| times.map(Some).to_vec();
    let launch = |old, new| Launch { old_micros: times(old), new_micros: times(new) };
    assert_eq!(duel.launches, [launch([3.0, 4.0], [6.0, 8.0]), launch([13.0, 14.0], [26.0, 28.0])]);
    assert_eq!((duel.series.backend.as_str(), duel.n_failed), ("wasm simd128", 0));
}

#[test]
fn a_build_is_where_its_module_is() {
    let folder = tempfile::tempdir().unwrap();
    let pkg = folder.path().join("pkg");
    find_build(folder.path()).unwrap_err();
    std::fs::create_dir(&pkg).unwrap();
    std::fs::write(pkg.join("tabpool.js"), "").unwrap();
    assert_eq!([find_build(folder.path()).unwrap(), find_build(&pkg).unwrap()], [pkg.clone(), pkg]);
}
