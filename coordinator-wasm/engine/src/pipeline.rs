//! Chains of models with pre- and post-processing.

mod detect_speech;
mod identify_file;
mod read_text;
mod text_embedding;
mod wake_word;
mod write_title;

use serde::de::DeserializeOwned;
use serde_json::Value;
use wire::{DType, Fault, PipelineKind};

use crate::backend::{Backend, File, LocalFuture, Session};
use crate::fault;
use crate::kept::{self, Carried};
use crate::tensor::{Tensor, TensorData};
use crate::value::ValueInfo;

/// A loaded chain.
pub trait Pipeline {
    /// Runs the chain on `params` (what is not a tensor) and `inputs`.
    ///
    /// # Errors
    /// `pipeline-input`, and those of the models inside.
    fn run<'a>(&'a self, params: Value, inputs: Vec<Tensor>) -> LocalFuture<'a, Result<Output, Fault>>;
}

/// What a chain gives.
#[derive(Debug)]
pub struct Output {
    /// The result for people, in the chain's own form.
    pub result: Value,
    /// Output tensors, if the chain has any.
    pub outputs: Vec<Tensor>,
}

impl Output {
    /// A result without tensors.
    fn of(result: Value) -> Self {
        Self { result, outputs: Vec::new() }
    }
}

/// The files of a chain, by role.
pub struct Parts(Vec<(String, File)>);

impl Parts {
    /// Files with their roles.
    #[must_use]
    pub fn new(parts: Vec<(String, File)>) -> Self {
        Self(parts)
    }

    /// Takes the file with this role out.
    ///
    /// # Errors
    /// `pipeline-part` when there is none.
    pub fn take(&mut self, role: &str) -> Result<File, Fault> {
        let index = self.0.iter().position(|part| part.0 == role);
        index
            .map(|index| self.0.swap_remove(index).1)
            .ok_or_else(|| fault::pipeline_part(role, "it is missing"))
    }
}

/// Loads a chain from its files.
///
/// # Errors
/// `pipeline-part`, and those of [`Backend::load`].
pub async fn open(
    kind: PipelineKind,
    backend: &dyn Backend,
    mut parts: Parts,
) -> Result<Box<dyn Pipeline>, Fault> {
    let parts = &mut parts;
    Ok(match kind {
        PipelineKind::TextEmbedding => Box::new(text_embedding::TextEmbedding::open(backend, parts).await?),
        PipelineKind::ReadText => Box::new(read_text::ReadText::open(backend, parts).await?),
        PipelineKind::DetectSpeech => Box::new(detect_speech::DetectSpeech::open(backend, parts).await?),
        PipelineKind::IdentifyFile => Box::new(identify_file::IdentifyFile::open(backend, parts).await?),
        PipelineKind::WakeWord => Box::new(wake_word::WakeWord::open(backend, parts).await?),
        PipelineKind::WriteTitle => Box::new(write_title::WriteTitle::open(backend, parts).await?),
    })
}

/// One model of a chain.
struct Model {
    role: &'static str,
    session: Box<dyn Session>,
}

impl Model {
    async fn open(backend: &dyn Backend, parts: &mut Parts, role: &'static str) -> Result<Self, Fault> {
        Ok(Self { role, session: backend.load(parts.take(role)?).await? })
    }

    /// The name of the only input, or of the input at `index` if there are several.
    fn input(&self, index: usize) -> Result<&ValueInfo, Fault> {
        let input = self.session.inputs().get(index);
        input.ok_or_else(|| fault::pipeline_part(self.role, format_args!("it has no input {index}")))
    }

    /// True when the graph has an input of this name.
    fn has_input(&self, name: &str) -> bool {
        self.session.inputs().iter().any(|input| input.name == name)
    }

    /// The last `float32` output with this many dimensions.
    fn output_of_rank(&self, rank: usize) -> Option<&str> {
        let fits = |output: &&ValueInfo| {
            output.dtype == DType::Float32 && output.dims.as_ref().is_some_and(|dims| dims.len() == rank)
        };
        self.session.outputs().iter().rfind(fits).map(|output| output.name.as_str())
    }

    /// Computes the outputs named in `wanted`.
    async fn run<const N: usize>(
        &self,
        inputs: Vec<Tensor>,
        wanted: [&str; N],
    ) -> Result<[Tensor; N], Fault> {
        self.counted(crate::backend::run(self.session.as_ref(), inputs, &wanted).await?)
    }

    /// Computes the first output.
    async fn run_first(&self, inputs: Vec<Tensor>) -> Result<Tensor, Fault> {
        let [output] = self.run(inputs, [self.first_output()?]).await?;
        Ok(output)
    }

    fn first_output(&self) -> Result<&str, Fault> {
        let output = self.session.outputs().first().map(|output| output.name.as_str());
        output.ok_or_else(|| fault::pipeline_part(self.role, "it has no output"))
    }

    /// Computes the outputs named in `wanted`; those in `kept` stay where they are computed, for further runs.
    async fn run_values<const N: usize>(
        &self,
        inputs: Vec<Carried>,
        wanted: [&str; N],
        kept: &[&str],
    ) -> Result<[Carried; N], Fault> {
        let outputs = kept::run(self.session.as_ref(), inputs, &wanted, kept).await?;
        self.counted(outputs)
    }

    fn counted<T, const N: usize>(&self, outputs: Vec<T>) -> Result<[T; N], Fault> {
        let n_outputs = outputs.len();
        <[T; N]>::try_from(outputs).map_err(|_others| {
            fault::pipeline_part(self.role, format_args!("it gave {n_outputs} outputs instead of {N}"))
        })
    }
}

/// The chain's parameters.
fn params<T: DeserializeOwned>(params: Value, example: &str) -> Result<T, Fault> {
    serde_json::from_value(params).map_err(|error| {
        fault::pipeline_input(format!("cannot read the parameters: {error}"), &format!("pass {example}"))
    })
}

/// The chain's only input, which must have this name and rank.
fn input(inputs: Vec<Tensor>, name: &str, rank: usize, hint: &str) -> Result<Tensor, Fault> {
    let n_inputs = inputs.len();
    let [input] = <[Tensor; 1]>::try_from(inputs).map_err(|_others| {
        fault::pipeline_input(format!("the pipeline takes one input, \"{name}\", and got {n_inputs}"), hint)
    })?;
    let header = input.header();
    if header.name != name || header.dims.len() != rank || header.n_elements() != Some(input.data.len()) {
        let (name, dims) = (&header.name, fault::dims_text(&header.dims));
        return Err(fault::pipeline_input(format!("input \"{name}\" {dims} does not fit"), hint));
    }
    Ok(input)
}

/// 16 kHz mono samples, -1 to 1.
fn audio(inputs: Vec<Tensor>) -> Result<Vec<f32>, Fault> {
    let hint = "pass \"audio\" as float32 [n]: mono samples at 16 kHz, -1 to 1";
    let TensorData::Float32(samples) = input(inputs, "audio", 1, hint)?.data else {
        return Err(fault::pipeline_input("input \"audio\" is not float32", hint));
    };
    Ok(samples)
}

/// A real number for JSON with as many digits as a 32-bit float has.
fn number(value: f32) -> Value {
    Value::from(f64::from(value))
}

/// Index and value of the greatest element; the first of equals, 0 of none.
fn argmax(values: &[f32]) -> (usize, f32) {
    let greater = |best: (usize, f32), (index, &value): (usize, &f32)| {
        if value > best.1 { (index, value) } else { best }
    };
    values.iter().enumerate().fold((0, f32::NEG_INFINITY), greater)
}
