//! Both kinds of package file are read the same way.

use std::io::Write as _;

use super::*;

fn listing(archive: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    visit(archive, |path, bytes| {
        let mut text = String::new();
        bytes.read_to_string(&mut text)?;
        files.push((path.to_owned(), text));
        Ok(())
    })?;
    Ok(files)
}

#[track_caller]
fn check(archive: &Path) {
    let expected = [("a/one.txt", "1"), ("two.txt", "22")].map(|(path, text)| (path.into(), text.into()));
    assert_eq!(listing(archive).unwrap(), expected);
}

#[test]
fn wheels_are_zip_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x-1-py3-none-any.whl");
    let mut zip = zip::ZipWriter::new(File::create(&path).unwrap());
    let options = zip::write::SimpleFileOptions::default();
    for (name, text) in [("a/one.txt", "1"), ("two.txt", "22")] {
        zip.start_file(name, options).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap();
    check(&path);
}

#[test]
fn npm_packages_are_tarballs_with_a_package_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x-1.tgz");
    let gzip = flate2::write::GzEncoder::new(File::create(&path).unwrap(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(gzip);
    for (name, text) in [("package/a/one.txt", "1"), ("package/two.txt", "22")] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap();
    check(&path);
}

#[test]
fn other_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["x.txt", "x.whl", "x.tgz"] {
        let path = folder.path().join(name);
        fs::write(&path, "not a package").unwrap();
        listing(&path).unwrap_err();
    }
}
