//! Scripts of reports, and what is blamed and tried again.

use super::*;
use crate::testing::planned_case;

/// Three cases of four rounds each.
fn cases() -> Vec<PlannedCase> {
    ["m0", "m1", "m2"].map(planned_case).to_vec()
}

fn begun(case: usize) -> Report {
    Report::CaseBegun(case)
}

fn progress(case: u32, n_done: u32) -> Report {
    Report::Event(BenchEvent::Progress { case, n_done })
}

fn failed(case: u32, engine: &str) -> Report {
    Report::Event(BenchEvent::CaseFailed { case, engine: engine.to_owned(), fault: fault("own") })
}

fn fault(code: &str) -> Fault {
    Fault::new(FaultCategory::Internal, code, "m")
}

/// Plays the reports, loses the page if `lost`, and compares who is blamed (`case engine code`) and where to go on.
#[track_caller]
fn check(reports: Vec<Report>, lost: bool, peers: &[&str], blamed: &[&str], go_on: usize) {
    let mut page = Page::new(&cases());
    reports.into_iter().for_each(|report| page.on_report(report));
    if lost {
        page.on_lost(Ending::Timeout, fault("lost"));
    }
    let peers: Vec<String> = peers.iter().map(|&peer| peer.to_owned()).collect();
    assert_eq!(page.settle(&peers), go_on);
    let faults = page.faults.iter().map(|f| format!("{} {} {}", f.case, f.engine, f.fault.code));
    assert_eq!(faults.collect::<Vec<_>>(), blamed);
}

#[test]
fn a_page_that_finishes_leaves_nothing() {
    let reports = vec![
        Report::Event(BenchEvent::Started),
        begun(0),
        progress(0, 4),
        begun(1),
        failed(1, "tabpool"),
        begun(2),
        progress(2, 4),
        Report::Event(BenchEvent::Finished),
    ];
    check(reports, false, &[], &["1 tabpool own"], 3);
}

#[test]
fn a_page_that_never_began_fails_every_case() {
    let everything = ["0 tabpool lost", "1 tabpool lost", "2 tabpool lost"];
    check(Vec::new(), true, &[], &everything, 3);
    check(vec![Report::Sign, Report::Event(BenchEvent::Started)], true, &["ort-web"], &everything, 3);
}

#[test]
fn a_page_lost_in_a_case_loses_that_case_only() {
    check(vec![begun(0), progress(0, 4), begun(1), progress(1, 3)], true, &[], &["1 tabpool lost"], 2);
    check(vec![begun(0)], true, &[], &["0 tabpool lost"], 1);
    check(vec![begun(0), begun(1), begun(2)], true, &[], &["2 tabpool lost"], 3);
}

#[test]
fn a_page_lost_after_the_last_run_of_a_case_loses_only_what_the_peer_missed() {
    check(vec![begun(0), progress(0, 4)], true, &[], &[], 1);
    check(vec![begun(0), progress(0, 4)], true, &["ort-web"], &["0 ort-web lost"], 1);
}

#[test]
fn nothing_is_blamed_twice() {
    check(vec![begun(0), failed(0, "tabpool")], true, &["ort-web"], &["0 tabpool own", "0 ort-web lost"], 1);
}

#[test]
fn an_abort_is_blamed_like_a_loss() {
    let abort = || Report::Event(BenchEvent::Aborted { fault: fault("gone") });
    check(vec![abort()], false, &[], &["0 tabpool gone", "1 tabpool gone", "2 tabpool gone"], 3);
    check(vec![begun(2), progress(2, 4), abort()], false, &[], &[], 3);
}

#[test]
fn an_interrupted_page_is_nobodys_fault() {
    let mut page = Page::new(&cases());
    page.on_report(begun(1));
    page.on_lost(Ending::Interrupted, fault("x"));
    assert_eq!((page.settle(&[]), page.faults.len()), (3, 0));
}

#[test]
fn progress_counts_rounds_of_all_cases() {
    let mut page = Page::new(&cases());
    assert_eq!(page.n_done(), 0);
    page.on_report(begun(1));
    page.on_report(progress(1, 3));
    page.on_report(progress(0, 2));
    assert_eq!((page.n_done(), page.current()), (7, Some(1)));
}
