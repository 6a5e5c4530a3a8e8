//! The table of sizes that a build ends with.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the table is what the command is for")]

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::artefact::Artefact;

/// Sizes of one file, bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// As it is.
    pub(crate) raw: usize,
    /// Compressed with gzip at level 9.
    pub(crate) gzip: usize,
    /// Compressed with brotli at quality 11.
    pub(crate) brotli: usize,
}

impl Sizes {
    /// Compresses `file` as a web server would.
    pub(crate) fn measure(file: &Path) -> Result<Self> {
        let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(&bytes)?;
        let mut brotli = Vec::new();
        let parameters = brotli::enc::BrotliEncoderParams { quality: 11, ..Default::default() };
        brotli::BrotliCompress(&mut bytes.as_slice(), &mut brotli, &parameters)?;
        Ok(Self { raw: bytes.len(), gzip: gzip.finish()?.len(), brotli: brotli.len() })
    }
}

/// Prints the table.
pub(crate) fn report(rows: &[(Artefact, Sizes)]) {
    println!("{:<20} {:>10} {:>10} {:>10} {:>10}", "wasm, kB", "raw", "gzip", "brotli", "limit");
    for (artefact, Sizes { raw, gzip, brotli }) in rows {
        let [raw, gzip, brotli, limit] = [*raw, *gzip, *brotli, artefact.limit_bytes].map(kilobytes);
        println!("{:<20} {raw:>10} {gzip:>10} {brotli:>10} {limit:>10}", artefact.name);
    }
}

/// Says something that is not the result.
pub(crate) fn note(text: &str) {
    eprintln!("note: {text}");
}

fn kilobytes(n_bytes: usize) -> String {
    format!("{}.{}", n_bytes / 1000, n_bytes % 1000 / 100)
}
