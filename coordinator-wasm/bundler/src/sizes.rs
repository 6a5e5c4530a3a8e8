//! The table of sizes that a build ends with.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the table is what the command is for")]

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Sizes of one file, bytes.
#[derive(Debug)]
pub(crate) struct Sizes {
    name: String,
    raw: usize,
    gzip: usize,
    brotli: usize,
}

/// Compresses `file` as a web server would: gzip level 9, brotli quality 11.
pub(crate) fn measure(file: &Path) -> Result<Sizes> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&bytes)?;
    let mut brotli = Vec::new();
    let parameters = brotli::enc::BrotliEncoderParams { quality: 11, ..Default::default() };
    brotli::BrotliCompress(&mut bytes.as_slice(), &mut brotli, &parameters)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Sizes { name, raw: bytes.len(), gzip: gzip.finish()?.len(), brotli: brotli.len() })
}

/// Prints the table.
pub(crate) fn report(rows: &[Sizes]) {
    println!("{:<24} {:>10} {:>10} {:>10}", "kB", "raw", "gzip", "brotli");
    for Sizes { name, raw, gzip, brotli } in rows {
        println!("{name:<24} {:>10} {:>10} {:>10}", kilobytes(*raw), kilobytes(*gzip), kilobytes(*brotli));
    }
}

/// Says something that is not the result.
pub(crate) fn note(text: &str) {
    eprintln!("note: {text}");
}

fn kilobytes(n_bytes: usize) -> String {
    format!("{}.{}", n_bytes / 1000, n_bytes % 1000 / 100)
}
