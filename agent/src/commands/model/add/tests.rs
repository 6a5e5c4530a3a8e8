//! Names that pages can load, and files that are too large.

use std::io::Write as _;
use std::net::TcpListener;

use super::*;
use crate::exit::{Exit, verdict};

#[track_caller]
fn check(from: &str, expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let zoo = Zoo::open(&Cache::at(folder.path())).unwrap();
    let id = id_from(from);
    assert_eq!(id, expected);
    check_id(&id, &zoo).unwrap();
}

#[track_caller]
fn check_refused(error: &anyhow::Error, exit: Exit, expected: &str) {
    assert_eq!(verdict(error).0, exit);
    let text = format!("{error:#}");
    assert!(text.contains(expected), "{text:?} lacks {expected:?}");
}

#[test]
fn names_made_from_files_can_be_loaded_by_pages() {
    check("/models/My Model.onnx", "my-model");
    check("yolo.v8.1.onnx", "yolo-v8-1");
    check("https://example.org/a/net_2.0.onnx?download=1.2#x", "net_2-0");
}

#[test]
fn a_name_that_pages_would_take_for_an_address_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let zoo = Zoo::open(&Cache::at(folder.path())).unwrap();
    for id in ["a.b", "a/b", "a:b", ""] {
        let error = check_id(id, &zoo).unwrap_err();
        check_refused(&error, Exit::Usage, "cannot be a name");
        assert_eq!(verdict(&error).1, Some("use letters, digits, `-` and `_` in --id"));
    }
}

#[test]
fn a_file_that_no_page_can_hold_is_not_read() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(SIZE_LIMIT + 1).unwrap();
    check_refused(&read(file.path()).unwrap_err(), Exit::Environment, "is too large");
}

/// Downloads what a server sends that does not announce its size.
fn download_from(n_bytes: usize) -> anyhow::Result<Vec<u8>> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let url = format!("http://{}/x.onnx", listener.local_addr()?);
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _request = stream.read(&mut [0; 4096]).unwrap();
        // A client that has enough hangs up.
        stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n").and_then(|()| stream.write_all(&vec![7; n_bytes])).ok();
    });
    let folder = tempfile::tempdir()?;
    let path = download(&url, folder.path(), 1000, &Printer::plain());
    Ok(fs::read(path?)?)
}

#[test]
fn a_download_ends_at_the_limit() {
    assert_eq!(download_from(1000).unwrap(), [7; 1000]);
    check_refused(&download_from(1001).unwrap_err(), Exit::Environment, "more than the largest model");
}

#[test]
fn a_download_that_stalls_is_given_up() {
    let curl = curl("http://127.0.0.1:1/x", SIZE_LIMIT);
    let arguments: Vec<&str> = curl.get_args().filter_map(|argument| argument.to_str()).collect();
    for pair in [["--speed-limit", "1"], ["--speed-time", "60"], ["--max-filesize", "4294967296"]] {
        assert!(arguments.windows(2).any(|window| window == pair), "{pair:?} in {arguments:?}");
    }
}
