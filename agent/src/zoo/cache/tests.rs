//! Files enter the cache whole and verified, or not at all.

use super::*;

const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::ConnectionReset.into())
    }
}

#[track_caller]
fn check_nothing_left(cache: &Cache) {
    assert_eq!(fs::read_dir(cache.models()).unwrap().count(), 0);
}

#[test]
fn a_right_file_is_stored_under_its_hash() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path());
    let stored = cache.store(&mut b"abc".as_slice(), Some(ABC)).unwrap();
    assert_eq!(stored, Stored { sha256: ABC.to_owned(), size_bytes: 3 });
    assert_eq!(fs::read(cache.model_path(ABC)).unwrap(), b"abc");
    assert_eq!(fs::read_dir(cache.models()).unwrap().count(), 1);
}

#[test]
fn a_wrong_file_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path());
    let error = cache.store(&mut b"abd".as_slice(), Some(ABC)).unwrap_err();
    assert!(error.to_string().contains(ABC), "{error}");
    check_nothing_left(&cache);
    cache.store(&mut b"ab".chain(Broken), None).unwrap_err();
    check_nothing_left(&cache);
}

#[test]
fn scratch_folders_of_processes_that_are_gone_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path());
    let live = cache.scratch().unwrap();
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let gone = child.id();
    child.wait().unwrap();
    let stale = [format!("{SCRATCH}{gone}-a"), format!("{SCRATCH}a")].map(|name| cache.packages().join(name));
    for folder in &stale {
        fs::create_dir_all(folder.join("unpacked")).unwrap();
    }
    let kept = cache.packages().join("onnxruntime-web-1");
    fs::create_dir(&kept).unwrap();
    let next = cache.scratch().unwrap();
    assert!(stale.iter().all(|folder| !folder.exists()));
    assert!(live.path().exists() && next.path().exists() && kept.exists());
}

#[test]
fn a_cache_that_is_a_file_is_an_environment_failure() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = Cache::at(file.path()).store(&mut b"abc".as_slice(), None).unwrap_err();
    assert_eq!(crate::exit::verdict(&error).0, crate::exit::Exit::Environment);
}
