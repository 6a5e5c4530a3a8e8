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

/// A message with one field of bytes.
fn message(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat()
}

/// A model whose only weight, two floats, is in the file `location`.
fn split_model(location: &str) -> Vec<u8> {
    let entry = [message(1, b"location"), message(2, location.as_bytes())].concat();
    let weight =
        [b"\x08\x02\x10\x01".to_vec(), message(8, b"w"), message(13, &entry), vec![14 << 3, 1]].concat();
    let graph = [message(5, &weight), message(12, &message(1, b"w"))].concat();
    [b"\x08\x08".to_vec(), message(7, &graph), message(8, b"\x10\x11")].concat()
}

#[test]
fn weights_in_other_files_become_part_of_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.onnx");
    let attach = |location: &str| {
        fs::write(&path, split_model(location)).unwrap();
        with_side_files(read(&path).unwrap(), |location| beside(&path, location))
    };
    fs::create_dir(folder.path().join("data")).unwrap();
    fs::write(folder.path().join("data/w.bin"), [0; 8]).unwrap();
    let whole = attach("data/w.bin").unwrap();
    model::Model::load(&whole).unwrap();
    let refused = |location: &str, expected: &str| {
        let text = format!("{:#}", attach(location).unwrap_err());
        assert!(text.contains(expected), "{text:?} lacks {expected:?}");
    };
    refused("missing.bin", "the weights in missing.bin");
    refused("../w.bin", "not a plain path below the model's folder");
    std::os::unix::fs::symlink("/etc/hostname", folder.path().join("link")).unwrap();
    refused("link", "is not below the model's folder");
}

#[test]
fn weights_of_a_downloaded_model_are_beside_it() {
    assert_eq!(url_beside("https://a.b/c/net.onnx?x=1/2", "data/w.bin"), "https://a.b/c/data/w.bin");
}
