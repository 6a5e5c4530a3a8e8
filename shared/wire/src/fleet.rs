//! `tabpool run`: what the agent asks of a page of its fleet, and what the page says.
//!
//! The page holds workers and passes [`crate::engine`] messages on; it decides nothing. It asks for the next command with
//! `GET /v1/fleet/{session}/next`, and posts reports to `/v1/fleet/{session}/report`. Both bodies are frames: header length
//! (u32, little-endian), JSON `{ "message": …, "sizes": […] }`, buffers of those sizes.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{BundleError, EngineReply, EngineRequest, Fault, TensorHeader};

/// What the agent asks of the page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FleetCommand {
    /// End every worker there is, and start new ones.
    Start {
        /// Number of this start; reports carry it, so that words of workers that were ended are recognised.
        start: u32,
        /// Workers to start.
        n_workers: u32,
    },
    /// Hand a request to a worker. The buffers are the request's, except that the page itself fetches the parts of a load,
    /// by their hash.
    Engine {
        /// Index of the worker.
        worker: u32,
        /// The request.
        request: EngineRequest,
        /// Whether to fetch the parts of a load past every cache: the last ones may have been damaged.
        #[serde(default)]
        is_refetch: bool,
        /// Set when the one buffer of a run is a file that the page decodes to the one input tensor first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        decode: Option<Media>,
    },
    /// Say that you are alive.
    Ping,
}

/// Kinds of file that a page can decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Media {
    /// A picture in any format of the browser → `image`, uint8 [h, w, 4], RGBA.
    Image,
    /// A recording in any format of the browser → `audio`, float32 [n], 16 kHz mono.
    Audio,
}

impl Media {
    /// Name of the input tensor that the file becomes.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Audio => "audio",
        }
    }
}

/// What the page says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FleetReport {
    /// The page is up.
    Up {
        /// `navigator.userAgent`.
        user_agent: String,
    },
    /// A worker answered, or says that it is ready or has trapped; the buffers are the reply's.
    Engine {
        /// Number of the start that the worker came from.
        start: u32,
        /// Index of the worker.
        worker: u32,
        /// The answer.
        reply: Box<EngineReply>,
        /// What a decoded file became.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        decoded: Option<TensorHeader>,
    },
    /// A worker cannot be relied on any more, or none can be started.
    Lost {
        /// Number of the start that it came from.
        start: u32,
        /// Why.
        fault: Fault,
    },
    /// The answer to a ping.
    Pong,
}

#[derive(Serialize, Deserialize)]
struct Header<T> {
    message: T,
    sizes: Vec<usize>,
}

/// A message and its buffers as one body.
#[must_use]
pub fn encode_frame(message: &impl Serialize, buffers: &[&[u8]]) -> Vec<u8> {
    let sizes: Vec<usize> = buffers.iter().map(|buffer| buffer.len()).collect();
    // Every type in a message has a JSON form.
    let json = serde_json::to_vec(&Header { message, sizes }).unwrap_or_default();
    let mut body =
        Vec::with_capacity(4 + json.len() + buffers.iter().map(|buffer| buffer.len()).sum::<usize>());
    body.extend_from_slice(&u32::try_from(json.len()).unwrap_or(u32::MAX).to_le_bytes());
    body.extend_from_slice(&json);
    buffers.iter().for_each(|buffer| body.extend_from_slice(buffer));
    body
}

/// Reads what [`encode_frame`] wrote, without copying buffers.
///
/// # Errors
/// Any length or header that does not fit the bytes.
pub fn decode_frame<T: DeserializeOwned>(body: &[u8]) -> Result<(T, Vec<&[u8]>), BundleError> {
    let (json, mut rest) = crate::tensor::split_header(body)?;
    let Header { message, sizes } =
        serde_json::from_slice(json).map_err(|error| BundleError::Header(error.to_string()))?;
    let mut buffers = Vec::with_capacity(sizes.len().min(body.len()));
    for size in sizes {
        let (buffer, after) = rest.split_at_checked(size).ok_or(BundleError::Truncated {
            needed: (body.len() - rest.len()).saturating_add(size),
            actual: body.len(),
        })?;
        buffers.push(buffer);
        rest = after;
    }
    if rest.is_empty() { Ok((message, buffers)) } else { Err(BundleError::TrailingBytes(rest.len())) }
}

#[cfg(test)]
mod tests;
