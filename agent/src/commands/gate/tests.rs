//! Baselines, and the verdict on a made-up history in every format.

use clap::Parser as _;

use super::*;
use crate::cli::{Cli, Command};
use crate::testing::{add_synthetic_campaign, synthetic_micros};

/// Three equal campaigns, then one where `tiny` is slower, `big` the same, `new` new, and `few` hardly measured.
fn history() -> Store {
    let store = Store::in_memory().unwrap();
    let micros = |seed, n, level| synthetic_micros(seed, n, level, 0.01);
    for index in 0..3 {
        let (tiny, big) = (micros(index, 20, 1e4), micros(index + 10, 20, 5e6));
        let few = micros(index + 20, 3, 1e3);
        let models = [("tiny", tiny.as_slice()), ("big", &big), ("few", &few)];
        add_synthetic_campaign(&store, if index == 0 { "release" } else { "test" }, index as usize, &models);
    }
    let (tiny, big, few) = (micros(7, 20, 1.2e4), micros(8, 20, 5e6), micros(9, 3, 1e3));
    let models = [("tiny", tiny.as_slice()), ("big", &big), ("few", &few), ("new", &few)];
    add_synthetic_campaign(&store, "pull request <7>", 3, &models);
    store
}

fn verdict(store: &Store, baseline: &str) -> Verdict {
    let candidate = store.campaign(None).unwrap().unwrap();
    let baseline = baseline.parse().unwrap();
    let found = gather(store, &Filter::default(), &[candidate], &baseline).unwrap();
    decide(found.pairs, Severity::Moderate).unwrap()
}

#[track_caller]
fn check_baseline(baseline: &str, n_baseline: usize) {
    let verdict = verdict(&history(), baseline);
    let tiny = verdict.compared.iter().find(|one| one.series.model == "tiny").unwrap();
    assert_eq!(tiny.n_baseline, n_baseline, "{baseline}");
    assert_eq!((verdict.decision, tiny.outcome), (Decision::Fail, Outcome::Slower));
}

#[test]
fn baselines() {
    check_baseline("last", 20);
    check_baseline("label:release", 20);
    check_baseline("campaign:2", 20);
    check_baseline("branch:main", 60);
    check_baseline("window:2h", 40);
    check_baseline("window:1d", 60);
    for nonsense in ["", "first", "label:", "campaign:x", "window:1", "commit:ab", "branch:", "good:1"] {
        nonsense.parse::<Baseline>().unwrap_err();
    }
    let store = history();
    let candidate = store.campaign(None).unwrap().unwrap();
    for missing in ["label:nothing", "campaign:4", "campaign:99", "commit:abcd", "branch:x"] {
        let baseline = missing.parse().unwrap();
        let error =
            gather(&store, &Filter::default(), std::slice::from_ref(&candidate), &baseline).err().unwrap();
        assert_eq!(crate::exit::verdict(&error).0, Exit::Environment, "{missing}");
    }
}

/// Campaigns of `tiny` at these levels, with verdicts where there are some, and what the next one is compared with.
#[track_caller]
fn check_good(levels: &[(f64, &str)], baseline: &[i64], anchor: &[i64]) {
    let store = Store::in_memory().unwrap();
    for (index, (level, verdict)) in levels.iter().enumerate() {
        let micros = synthetic_micros(index as u64, 20, *level, 0.01);
        let id = add_synthetic_campaign(&store, "test", index, &[("tiny", &micros)]);
        if !verdict.is_empty() {
            store.set_verdict(id, verdict).unwrap();
        }
    }
    let micros = synthetic_micros(99, 20, 1e4, 0.01);
    let id = add_synthetic_campaign(&store, "test", levels.len(), &[("tiny", &micros)]);
    let candidate = store.campaign(Some(id)).unwrap().unwrap();
    let found = gather(&store, &Filter::default(), &[candidate], &Baseline::Good).unwrap().pairs;
    let series = found[0].series.id;
    let of = |id: &i64| -> Vec<f64> {
        let points = store.points(series, Metric::Warm, None, Some(*id)).unwrap();
        points.iter().map(|point| point.micros).collect()
    };
    assert_eq!(found[0].baseline, baseline.iter().map(of).collect::<Vec<_>>(), "baseline");
    assert_eq!(found[0].anchor, anchor.iter().map(of).collect::<Vec<_>>(), "anchor");
}

#[test]
fn good_campaigns_are_the_latest_that_did_not_fail_and_the_first() {
    let same = |n: usize, verdict| vec![(1e4, verdict); n];
    check_good(&same(3, ""), &[1, 2, 3], &[]);
    check_good(&[(1e4, PASS), (2e4, FAIL), (1e4, NOT_ENOUGH_DATA), (1e4, "")], &[1, 3], &[]);
    check_good(&same(2, FAIL), &[], &[]);
    check_good(&[same(2, ""), same(1, PASS), same(1, "")].concat(), &[1, 2, 3], &[]);
    let unjudged = [same(1, FAIL), same(11, "")].concat();
    check_good(&unjudged, &(3..=12).collect::<Vec<i64>>(), &(2..=11).collect::<Vec<i64>>());
    let all: Vec<i64> = (1..=10).collect();
    check_good(&same(10, PASS), &all, &[]);
    check_good(&same(12, PASS), &(3..=12).collect::<Vec<i64>>(), &all);
    let accepted = [same(12, PASS), same(1, ACCEPTED), same(1, PASS)].concat();
    check_good(&accepted, &[13, 14], &[]);
    let faster = [vec![(1.5e4, PASS); 11], same(2, PASS)].concat();
    check_good(&faster, &[12, 13], &all);
}

#[test]
fn only_whole_campaigns_are_accepted() {
    for part in [["--model", "tiny"], ["--browser", "chromium"], ["--backend", "wasm"]] {
        let arguments = [["tabpool", "gate"].as_slice(), &["--accept"], &part].concat();
        let Command::Gate(args) = Cli::parse_from(arguments).command else { panic!("no gate") };
        let error = run(&args, &Printer::plain()).unwrap_err();
        assert_eq!(crate::exit::verdict(&error).0, Exit::Usage, "{part:?}");
    }
}

#[test]
fn what_a_person_accepted_stays_accepted() {
    let store = history();
    let noted = |verdict: &str| {
        note_verdict(&store, &candidates(&store, &[3, 4]).unwrap(), verdict).unwrap();
        [3, 4].map(|id| store.campaign(Some(id)).unwrap().unwrap().verdict.unwrap())
    };
    assert_eq!(noted(FAIL), [FAIL; 2]);
    store.set_verdict(4, ACCEPTED).unwrap();
    assert_eq!(noted(PASS), [PASS, ACCEPTED]);
    assert_eq!(noted(ACCEPTED), [ACCEPTED; 2]);
}

#[test]
fn every_format() {
    let store = history();
    let verdict = verdict(&store, "last");
    let report = Report {
        candidate: store.campaign(None).unwrap().unwrap().name(),
        baseline: Baseline::Last.to_string(),
        machine: "h (c)".to_owned(),
        n_candidates: 1,
        n_elsewhere: 2,
        doubt: Some("the machine was busier".to_owned()),
        method: METHOD,
        verdict: &verdict,
    };
    assert!(report.advice().unwrap().starts_with("one campaign may be off as a whole"));
    insta::assert_snapshot!("text", report.text(&Printer::plain()));
    insta::assert_snapshot!("markdown", report.markdown());
    insta::assert_snapshot!("junit", report.junit());
    insta::assert_json_snapshot!("sarif", report.sarif());
    insta::assert_json_snapshot!("json", report.json());
}

#[test]
fn exit_codes() {
    let verdict = |decision| Verdict { decision, fail_on: "moderate", compared: Vec::new() };
    assert_eq!(exit(&verdict(Decision::Pass), Exit::NotEnoughData), Exit::Done);
    assert_eq!(exit(&verdict(Decision::Fail), Exit::NotEnoughData), Exit::Finding);
    assert_eq!(exit(&verdict(Decision::NotEnoughData), Exit::NotEnoughData), Exit::NotEnoughData);
    assert_eq!(exit(&verdict(Decision::NotEnoughData), Exit::Done), Exit::Done);
}

#[test]
fn a_case_that_fails_now_is_broken_and_other_machines_are_no_baseline() {
    use crate::store::{Ending, NewCampaign};
    use crate::testing::{browser, campaign, record};
    use wire::{Fault, FaultCategory, Outcome as RunOutcome, Phases, RunRecord};
    let store = history();
    let id = store.begin_campaign(&NewCampaign { host: "h".to_owned(), ..campaign() }).unwrap();
    store.begin_session("broken", id, &browser(), 9).unwrap();
    let fault = Fault::new(FaultCategory::Timeout, "run-timeout", "run took too long");
    let lost = RunRecord {
        session: Some("broken".to_owned()),
        backend_detail: String::new(),
        outcome: RunOutcome::Failed { fault },
        phases: Phases::default(),
        ..record("tiny", i64::from(u32::MAX), 0)
    };
    store.insert(&[lost], 9).unwrap();
    let found = verdict(&store, "last");
    assert_eq!(found.compared.len(), 1);
    assert_eq!((found.compared[0].outcome, found.decision), (Outcome::Broken, Decision::Fail));

    let id = store.begin_campaign(&NewCampaign { host: "elsewhere".to_owned(), ..campaign() }).unwrap();
    store.begin_session("elsewhere", id, &browser(), 9).unwrap();
    let moved =
        RunRecord { session: Some("elsewhere".to_owned()), ..record("tiny", i64::from(u32::MAX) + 1, 9) };
    store.insert(&[moved], 9).unwrap();
    store.end_session("elsewhere", Ending::Finished, 0, 10).unwrap();
    store.end_session("elsewhere", Ending::Finished, 0, 9).unwrap();
    let candidate = store.campaign(None).unwrap().unwrap();
    let found = gather(&store, &Filter::default(), &[candidate], &Baseline::Last).unwrap();
    assert_eq!((found.pairs.len(), found.pairs[0].baseline.len(), found.n_elsewhere), (1, 0, 1));
}

#[test]
fn a_busier_machine_is_said() {
    let store = history();
    let doubt = |load: f64| {
        store.end_campaign(4, 0, Some(load)).unwrap();
        let candidate = store.campaign(Some(4)).unwrap().unwrap();
        gather(&store, &Filter::default(), &[candidate], &Baseline::Last).unwrap().doubt
    };
    assert_eq!(doubt(9.0), None, "nobody knows the baseline's load");
    store.end_campaign(3, 0, Some(1.0)).unwrap();
    assert_eq!(doubt(1.4), None);
    assert!(doubt(1.6).unwrap().contains("load 1.6, not 1.0"));
}
