//! What is missing, and what a package must hold.

use std::fs;

use super::*;
use crate::zoo::Zoo;

#[test]
fn missing_files_are_grouped_by_package() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path());
    let zoo = Zoo::open(&cache).unwrap();
    let wanted = ["ppocr-det", "silero-vad", "ppocr-rec"].map(|id| zoo.entry(id).unwrap());
    let packages: Vec<(String, usize)> = missing(wanted, &cache)
        .into_iter()
        .map(|(package, wanted)| (package.to_string(), wanted.len()))
        .collect();
    assert_eq!(packages, [("rapidocr-onnxruntime 1.4.4".to_owned(), 2), ("silero-vad 6.2.3".to_owned(), 1)]);
}

#[test]
fn a_file_is_missing_until_its_bytes_are_right() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path());
    let stored = cache.store(&mut b"abc".as_slice(), None).unwrap();
    let zoo = Zoo::open(&cache).unwrap();
    let entry = zoo.entry("magika-config").unwrap().clone();
    let entry = Entry { sha256: stored.sha256, size_bytes: stored.size_bytes, ..entry };
    let path = cache.model_path(&entry.sha256);
    for (bytes, n_missing) in [("abc", 0), ("ab", 1), ("abd", 1)] {
        fs::write(&path, bytes).unwrap();
        assert_eq!(missing([&entry], &cache).len(), n_missing, "{bytes}");
    }
    fs::remove_file(path).unwrap();
    assert_eq!(missing([&entry], &cache).len(), 1);
}
