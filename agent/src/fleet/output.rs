//! One line of JSON for each job, written as jobs end, and what an earlier run left.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Write};
use std::path::Path;

use anyhow::Context as _;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use wire::{Backend, DType, Fault, TensorHeader};

use crate::exit::Failure;

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Finished {
    /// Line of the input, from 0.
    pub(crate) index: u64,
    /// Whether a backend computed it.
    pub(crate) ok: bool,
    /// A pipeline's result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) result: Option<Value>,
    /// Output tensors by name.
    #[serde(skip_serializing_if = "Outputs::is_empty")]
    pub(crate) outputs: Outputs,
    /// Why there is no result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fault: Option<Fault>,
    /// Browser that ran it, or was the last to try.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) browser: Option<String>,
    /// Backend that ran it, or was the last to try.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) backend: Option<Backend>,
    /// Tries that were started.
    pub(crate) attempts: u32,
    /// Computing in the worker, microseconds; of a batch, for all of its jobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) run_micros: Option<u64>,
    /// Jobs of the batch that it was one of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) batch: Option<usize>,
    /// From reading the line to its end, microseconds.
    pub(crate) total_micros: u64,
}

impl Finished {
    /// A job that no browser has tried.
    pub(crate) fn untried(index: u64, fault: Fault) -> Self {
        Self {
            index,
            ok: false,
            result: None,
            outputs: Outputs::default(),
            fault: Some(fault),
            browser: None,
            backend: None,
            attempts: 0,
            run_micros: None,
            batch: None,
            total_micros: 0,
        }
    }
}

/// Output tensors; in JSON an object `{ name: { dtype, dims, data } }`. Numbers that JSON lacks are null.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Outputs(pub(crate) Vec<(TensorHeader, Vec<u8>)>);

impl Outputs {
    /// The outputs of each of `n_jobs` jobs, which stand one after the other; `None` when they do not come out even.
    pub(crate) fn split(mut self, n_jobs: usize) -> Option<Vec<Self>> {
        let n_outputs = self.0.len().checked_div(n_jobs)?;
        if n_outputs * n_jobs != self.0.len() {
            return None;
        }
        Some((0..n_jobs).map(|_| Self(self.0.drain(..n_outputs).collect())).collect())
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Outputs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (header, bytes) in &self.0 {
            let tensor =
                Tensor { dtype: header.dtype, dims: &header.dims, data: Elements(header.dtype, bytes) };
            map.serialize_entry(&header.name, &tensor)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct Tensor<'a> {
    dtype: DType,
    dims: &'a [u32],
    data: Elements<'a>,
}

/// Little-endian elements; in JSON a list of numbers, halves as their 16 bits.
struct Elements<'a>(DType, &'a [u8]);

impl Serialize for Elements<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(dtype, bytes) = *self;
        match dtype {
            DType::Float32 => {
                serializer.collect_seq(bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)))
            }
            DType::Float16 => {
                serializer.collect_seq(bytes.as_chunks().0.iter().map(|&b| u16::from_le_bytes(b)))
            }
            DType::Int64 => {
                serializer.collect_seq(bytes.as_chunks().0.iter().map(|&b| i64::from_le_bytes(b)))
            }
            DType::Int32 => {
                serializer.collect_seq(bytes.as_chunks().0.iter().map(|&b| i32::from_le_bytes(b)))
            }
            DType::Int8 => serializer.collect_seq(bytes.iter().map(|&b| i8::from_le_bytes([b]))),
            DType::Uint8 => serializer.collect_seq(bytes),
            DType::Bool => serializer.collect_seq(bytes.iter().map(|&b| b != 0)),
        }
    }
}

/// As much of a line as continuing needs.
#[derive(Deserialize)]
struct Earlier {
    index: u64,
    ok: bool,
}

/// Opens the output at `path`. With `resume`, lines of jobs that succeeded stay and their indices are returned; the others go.
///
/// # Errors
/// The file cannot be read or written, or is there already and is not to be resumed.
pub(crate) fn open(path: &Path, resume: bool) -> anyhow::Result<(File, BTreeSet<u64>)> {
    let describe = || Failure::environment(format!("cannot write {}", path.display()));
    let mut done = BTreeSet::new();
    if !resume || !path.exists() {
        return Ok((File::create(path).with_context(describe)?, done));
    }
    // Beside the output, so that it can take its place in one step.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut kept = tempfile::NamedTempFile::new_in(folder).with_context(describe)?;
    let earlier = BufReader::new(File::open(path).with_context(describe)?);
    for line in earlier.split(b'\n') {
        let line = line.with_context(describe)?;
        // What an interrupted write left is run again like what failed.
        let known = serde_json::from_slice::<Earlier>(&line).ok().filter(|earlier| earlier.ok);
        if known.is_some_and(|earlier| done.insert(earlier.index)) {
            kept.write_all(&line).and_then(|()| kept.write_all(b"\n")).with_context(describe)?;
        }
    }
    kept.as_file().sync_all().with_context(describe)?;
    kept.persist(path).map_err(|error| error.error).with_context(describe)?;
    let file = fs::OpenOptions::new().append(true).open(path).with_context(describe)?;
    Ok((file, done))
}

/// Lines of a file, for a progress bar; blank ones count too.
pub(crate) fn count_lines(path: &Path) -> io::Result<u64> {
    let mut lines = BufReader::new(File::open(path)?).split(b'\n');
    lines.try_fold(0, |n, line| line.map(|_| n + 1))
}

#[cfg(test)]
mod tests;
