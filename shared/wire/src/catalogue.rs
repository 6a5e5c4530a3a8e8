//! What the agent offers to pages: models and pipelines, named and hashed.

use serde::{Deserialize, Serialize};

use crate::{Precision, TensorHeader};

/// Body of `GET /v1/models`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Catalogue {
    /// Single ONNX files.
    pub models: Vec<ModelCard>,
    /// Chains of models with pre- and post-processing.
    pub pipelines: Vec<PipelineCard>,
}

/// One ONNX file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// Short id, e.g. `minilm-l3`.
    pub id: String,
    /// Job family: `text_embedding`, `text_generation`, `vision`, `audio`, `text`, `multimodal`.
    pub family: String,
    /// Lower-case hex SHA-256.
    pub sha256: String,
    /// File size, bytes.
    pub size_bytes: u64,
    /// Precision of the weights.
    pub precision: Precision,
    /// Licence as the package declares it.
    pub licence: String,
    /// Where the bytes are, relative to the agent, e.g. `/models/<sha256>`.
    pub url: String,
    /// Input contract; a symbolic dimension is 0.
    pub inputs: Vec<TensorHeader>,
    /// Output contract; a symbolic dimension is 0.
    pub outputs: Vec<TensorHeader>,
    /// False when the file has not been fetched yet.
    pub available: bool,
}

/// A chain of models with pre- and post-processing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PipelineCard {
    /// Short id, e.g. `read-text`.
    pub id: String,
    /// One line for a person.
    pub title: String,
    /// Job family, as in [`ModelCard`].
    pub family: String,
    /// Which chain it is.
    pub kind: PipelineKind,
    /// Files in the order that `Load` expects.
    pub parts: Vec<PipelinePart>,
    /// False when a file has not been fetched yet.
    pub available: bool,
}

/// One file of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipelinePart {
    /// Role, e.g. `detector`.
    pub role: String,
    /// Lower-case hex SHA-256.
    pub sha256: String,
    /// File size, bytes.
    pub size_bytes: u64,
    /// Where the bytes are.
    pub url: String,
}

/// The chains that the engine knows, with their parts in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PipelineKind {
    /// `model`, `tokenizer`: texts → embeddings and their cosine similarities.
    TextEmbedding,
    /// `detector`, `classifier`, `recognizer`: image → lines of text with boxes.
    ReadText,
    /// `model`: 16 kHz audio → speech probability per 32 ms and speech segments.
    DetectSpeech,
    /// `model`: file bytes → content type.
    IdentifyFile,
    /// `mel`, `embedding`, `head`: 16 kHz audio → wake-word score per 80 ms.
    WakeWord,
    /// `encoder`, `decoder`, `tokenizer`: text → short title.
    WriteTitle,
}

impl PipelineKind {
    /// Every kind, in declaration order.
    pub const ALL: [Self; 6] = [
        Self::TextEmbedding,
        Self::ReadText,
        Self::DetectSpeech,
        Self::IdentifyFile,
        Self::WakeWord,
        Self::WriteTitle,
    ];

    /// Stable name: the one in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TextEmbedding => "text-embedding",
            Self::ReadText => "read-text",
            Self::DetectSpeech => "detect-speech",
            Self::IdentifyFile => "identify-file",
            Self::WakeWord => "wake-word",
            Self::WriteTitle => "write-title",
        }
    }
}
