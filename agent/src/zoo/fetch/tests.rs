//! What is missing, and what a package must hold.

use super::*;
use crate::zoo::Zoo;

fn check_ort_web(path: &str, expected: Option<&str>) {
    assert_eq!(ort_web_file(path), expected);
}

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
fn files_of_the_right_size_are_not_missing() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path());
    let zoo = Zoo::open(&cache).unwrap();
    let entry = zoo.entry("magika-config").unwrap();
    fs::create_dir_all(cache.models()).unwrap();
    let file = File::create(cache.model_path(&entry.sha256)).unwrap();
    file.set_len(entry.size_bytes - 1).unwrap();
    assert_eq!(missing([entry], &cache).len(), 1);
    file.set_len(entry.size_bytes).unwrap();
    assert_eq!(missing([entry], &cache).len(), 0);
}

#[test]
fn only_modules_wasm_and_the_manifest_of_the_peer_are_kept() {
    check_ort_web("package.json", Some("package.json"));
    check_ort_web("dist/ort.wasm.min.mjs", Some("ort.wasm.min.mjs"));
    check_ort_web("dist/ort-wasm-simd-threaded.wasm", Some("ort-wasm-simd-threaded.wasm"));
    check_ort_web("dist/ort.js", None);
    check_ort_web("dist/ort.min.mjs.map", None);
    check_ort_web("dist/../../ort-wasm-x", None);
    check_ort_web("lib/index.ts", None);
}
