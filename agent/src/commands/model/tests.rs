//! Which files a list of names means.

use super::*;

fn zoo() -> Zoo {
    let folder = tempfile::tempdir().unwrap();
    Zoo::open(&Cache::at(folder.path())).unwrap()
}

#[track_caller]
fn check(ids: &[&str], expected: &[&str]) {
    let zoo = zoo();
    let ids: Vec<String> = ids.iter().map(|&id| id.to_owned()).collect();
    let entries = select(&zoo, &ids, false).unwrap();
    assert_eq!(entries.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>(), expected);
}

#[test]
fn names_mean_files_and_pipelines_mean_their_parts() {
    check(&["silero-vad"], &["silero-vad"]);
    check(&["detect-speech", "silero-vad"], &["silero-vad"]);
    check(&["similar-sentences"], &["minilm-l3", "minilm-tokenizer"]);
}

#[test]
fn without_names_everything_but_test_data_is_meant() {
    let zoo = zoo();
    let entries = select(&zoo, &[], false).unwrap();
    assert!(entries.iter().all(|entry| entry.kind != EntryKind::TestData));
    assert!(select(&zoo, &[], true).unwrap().len() > entries.len());
}

#[test]
fn an_unknown_name_is_a_usage_error() {
    let error = select(&zoo(), &["nothing".to_owned()], false).unwrap_err();
    assert_eq!(crate::exit::verdict(&error).0, Exit::Usage);
}
