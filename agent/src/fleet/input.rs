//! Jobs from lines of JSON: read by a thread of its own, checked against what the model takes, one at a time.

mod tensor;

use std::fs;
use std::io::BufRead;
use std::thread;

use serde_json::{Map, Value};
use tokio::sync::mpsc;
use wire::{Fault, FaultCategory, Media, PipelineKind, TensorHeader};

/// What a job's line must hold.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Contract {
    /// One parameter, by what the pipeline does.
    Pipeline(PipelineKind),
    /// A tensor for each of these; a symbolic dimension is 0.
    Model(Vec<TensorHeader>),
}

/// One line of the input.
#[derive(Debug, PartialEq)]
pub(crate) struct Line {
    /// Counts the lines of the input from 0.
    pub(crate) index: u64,
    /// The job in it, or what is wrong with it.
    pub(crate) job: Result<JobInput, Fault>,
}

/// What a job runs on.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct JobInput {
    /// Pipeline parameters that are not tensors.
    pub(crate) params: Option<Value>,
    /// Input tensors, in the order of the contract.
    pub(crate) tensors: Vec<(TensorHeader, Vec<u8>)>,
    /// A file that the page decodes to the one input tensor.
    pub(crate) media: Option<(Media, Vec<u8>)>,
    /// For records, e.g. `input_ids:1x16` or `texts:3`; a file's is known once it is decoded.
    pub(crate) shapes: String,
    /// Elements, characters or bytes: what the time of a run depends on.
    pub(crate) n_elements: u64,
}

/// Reads lines on a thread, and files that they name, no further ahead than two lines: one that waits in the channel, and one
/// that waits to get in. Lines for which `is_wanted` is false and blank ones are passed over.
pub(crate) fn read(
    lines: impl BufRead + Send + 'static,
    contract: Contract,
    is_wanted: impl Fn(u64) -> bool + Send + 'static,
) -> mpsc::Receiver<std::io::Result<Line>> {
    let (sender, receiver) = mpsc::channel(1);
    // Not a task: a read of a terminal or pipe may never return, and must not keep the program from ending.
    thread::spawn(move || {
        for (index, bytes) in (0..).zip(lines.split(b'\n')) {
            let line = match bytes {
                Ok(bytes) if bytes.trim_ascii().is_empty() || !is_wanted(index) => continue,
                Ok(bytes) => {
                    Ok(Line { index, job: contract.parse(&bytes).map_err(|fault| at(index, fault)) })
                }
                Err(error) => Err(error),
            };
            let is_last = line.is_err();
            if sender.blocking_send(line).is_err() || is_last {
                return;
            }
        }
    });
    receiver
}

impl Contract {
    /// The job in a line.
    ///
    /// # Errors
    /// `input-json`, `input-name`, `input-dtype`, `input-shape` or `input-file`.
    pub(crate) fn parse(&self, line: &[u8]) -> Result<JobInput, Fault> {
        let parsed = match serde_json::from_slice(line) {
            Ok(Value::Object(object)) => match self {
                Self::Pipeline(kind) => pipeline_job(*kind, object),
                Self::Model(specs) => tensor::model_job(specs, object),
            },
            Ok(_) => Err(invalid("input-json", "the line is not a JSON object")),
            Err(error) => Err(invalid("input-json", format!("the line is not JSON: {error}"))),
        };
        parsed.map_err(|fault| if fault.hint.is_none() { fault.with_hint(self.hint()) } else { fault })
    }

    /// How a line looks.
    fn hint(&self) -> String {
        match self {
            Self::Pipeline(kind) => format!("a line looks like {}", parameter(*kind).1),
            Self::Model(specs) => {
                let tensor = |spec: &TensorHeader| {
                    let dims = tensor::dims_text(&spec.dims);
                    format!(
                        "\"{}\": {{\"dtype\": \"{}\", \"dims\": {dims}, \"data\": […]}}",
                        spec.name,
                        spec.dtype.as_str()
                    )
                };
                let tensors: Vec<String> = specs.iter().map(tensor).collect();
                format!("a line looks like {{{}}}", tensors.join(", "))
            }
        }
    }
}

/// A pipeline's one parameter, and how a line with it looks.
fn parameter(kind: PipelineKind) -> (&'static str, &'static str) {
    match kind {
        PipelineKind::TextEmbedding => ("texts", r#"{"texts": ["…", "…"]}"#),
        PipelineKind::ReadText => ("image", r#"{"image": "page.png"}"#),
        PipelineKind::DetectSpeech | PipelineKind::WakeWord => ("audio", r#"{"audio": "voice.wav"}"#),
        PipelineKind::IdentifyFile => ("bytes", r#"{"bytes": "any.file"}"#),
        PipelineKind::WriteTitle => ("text", r#"{"text": "…"}"#),
    }
}

fn pipeline_job(kind: PipelineKind, mut object: Map<String, Value>) -> Result<JobInput, Fault> {
    let (name, _) = parameter(kind);
    let value = object
        .remove(name)
        .ok_or_else(|| invalid("input-name", format!("parameter \"{name}\" is missing")))?;
    if let Some(other) = object.keys().next() {
        return Err(invalid("input-name", format!("the pipeline has no parameter \"{other}\"")));
    }
    let wrong = |what: &str| invalid("input-dtype", format!("parameter \"{name}\" is not {what}"));
    let of_params = |value: Value, shapes: String, n_elements: usize| JobInput {
        params: Some(Value::Object([(name.to_owned(), value)].into_iter().collect())),
        shapes,
        n_elements: n_elements as u64,
        ..JobInput::default()
    };
    match kind {
        PipelineKind::TextEmbedding => {
            let lengths: Option<Vec<usize>> = value
                .as_array()
                .and_then(|texts| texts.iter().map(|text| Some(text.as_str()?.chars().count())).collect());
            let lengths = lengths.ok_or_else(|| wrong("a list of texts"))?;
            Ok(of_params(value, format!("{name}:{}", lengths.len()), lengths.iter().sum()))
        }
        PipelineKind::WriteTitle => {
            let n_chars = value.as_str().ok_or_else(|| wrong("a text"))?.chars().count();
            Ok(of_params(value, format!("{name}:{n_chars}"), n_chars))
        }
        PipelineKind::ReadText => Ok(media_job(Media::Image, read_file(name, &value)?)),
        PipelineKind::DetectSpeech | PipelineKind::WakeWord => {
            Ok(media_job(Media::Audio, read_file(name, &value)?))
        }
        PipelineKind::IdentifyFile => {
            let bytes = read_file(name, &value)?;
            let n_bytes = bytes.len();
            let dims = vec![u32::try_from(n_bytes).map_err(|_too_large| wrong("a file below 4 GiB"))?];
            let header = TensorHeader { name: name.to_owned(), dtype: wire::DType::Uint8, dims };
            Ok(JobInput {
                tensors: vec![(header, bytes)],
                shapes: format!("{name}:{n_bytes}"),
                n_elements: n_bytes as u64,
                ..JobInput::default()
            })
        }
    }
}

fn media_job(media: Media, file: Vec<u8>) -> JobInput {
    JobInput {
        shapes: media.as_str().to_owned(),
        n_elements: file.len() as u64,
        media: Some((media, file)),
        ..JobInput::default()
    }
}

/// The file that a parameter names, relative to the working folder.
fn read_file(name: &str, value: &Value) -> Result<Vec<u8>, Fault> {
    let wrong = || invalid("input-dtype", format!("parameter \"{name}\" is not the path of a file"));
    let path = value.as_str().ok_or_else(wrong)?;
    fs::read(path).map_err(|error| {
        invalid("input-file", format!("cannot read {path}: {error}"))
            .with_hint("paths are relative to the folder that tabpool was started in")
    })
}

fn invalid(code: &str, message: impl Into<String>) -> Fault {
    Fault::new(FaultCategory::Validation, code, message)
}

/// The fault with the number that editors give the line.
fn at(index: u64, fault: Fault) -> Fault {
    Fault { message: format!("line {}: {}", index + 1, fault.message), ..fault }
}

#[cfg(test)]
mod tests;
