//! A model's files: fetched once, verified off the main thread, kept while the model is loaded.
//!
//! A worker that replaces a lost one gets the same bytes again. What is kept needs neither the network nor the agent, which
//! may be gone by then. (HTTP caches refuse files of this size.) Files of a known hash are [`stored`] where the browser can;
//! the others are blobs, which belong to the browser too, but often in its memory.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Array, ArrayBuffer, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, AbortSignal, Blob};
use wire::engine::Part;
use wire::{Fault, FaultCategory, Phases};

use crate::clock::now_micros;
use crate::download::get_bytes;
use crate::fault::describe;
use crate::source::{Origin, Source, SourcePart};
use crate::stored;
use crate::sys;

/// Files of one model.
pub(crate) struct ModelFiles {
    files: Vec<ModelFile>,
}

struct ModelFile {
    role: String,
    /// SHA-256 that the engine has to check, because the page could not.
    unverified: Option<String>,
    /// What the bytes hash to, when the page could hash them.
    sha256: Option<String>,
    kept: Blob,
    /// Workers read it where it is.
    is_stored: bool,
    /// The bytes as they arrived, for the first worker.
    fresh: RefCell<Option<ArrayBuffer>>,
}

/// Told of every step: phase, bytes so far, bytes in all (0 when unknown).
pub(crate) type OnProgress<'a> = dyn Fn(&str, f64, f64) + 'a;

impl ModelFiles {
    /// Fetches and verifies every file of `source`; gives the time that both took.
    ///
    /// # Errors
    /// Those of the download, `model-size`, `model-hash`, or `bytes-unreadable` for a file of the caller's that is gone.
    pub(crate) async fn fetch(
        source: &Source,
        signal: &AbortSignal,
        on_progress: &OnProgress<'_>,
    ) -> Result<(Self, Phases), Fault> {
        Self::obtain(source, false, signal, on_progress).await
    }

    async fn obtain(
        source: &Source,
        is_fresh: bool,
        signal: &AbortSignal,
        on_progress: &OnProgress<'_>,
    ) -> Result<(Self, Phases), Fault> {
        #[expect(clippy::cast_precision_loss, reason = "file sizes are below 2^53")]
        let n_total = source.parts.iter().map(|part| part.size_bytes.map(|n| n as f64)).sum::<Option<f64>>();
        let mut n_before = 0.0;
        let (mut download_micros, mut verify_micros) = (0, 0);
        let mut files = Vec::with_capacity(source.parts.len());
        for part in &source.parts {
            let started = now_micros();
            let on_bytes = |n_bytes, n_announced| {
                on_progress("download", n_before + n_bytes, n_total.unwrap_or(n_announced));
            };
            if let Some(stored) = stored::obtain(part, is_fresh, signal, &on_bytes).await? {
                download_micros += (now_micros() - started).saturating_sub(stored.verify_micros);
                verify_micros += stored.verify_micros;
                n_before += stored.file.size();
                files.push(ModelFile::stored(part, stored.file));
                continue;
            }
            let bytes = match &part.origin {
                Origin::Url(url) => get_bytes(url, part.size_bytes, signal, on_bytes).await?,
                Origin::Bytes(bytes) => bytes.clone(),
                Origin::Blob(blob) => read(blob).await?,
            };
            download_micros += now_micros() - started;
            n_before += f64::from(bytes.byte_length());
            on_progress("verify", n_before, n_total.unwrap_or(n_before));
            let started = now_micros();
            files.push(ModelFile::verified(part, bytes).await?);
            verify_micros += now_micros() - started;
        }
        let is_download = source.parts.iter().any(|part| matches!(part.origin, Origin::Url(_)));
        let is_verified = files.iter().all(|file| file.sha256.is_some());
        let phases = Phases {
            download_micros: is_download.then_some(download_micros),
            verify_micros: is_verified.then_some(verify_micros),
            ..Phases::default()
        };
        Ok((Self { files }, phases))
    }

    /// Fetches anew what came from a URL; the caller's own bytes have no second source.
    ///
    /// # Errors
    /// As [`ModelFiles::fetch`].
    pub(crate) async fn fetch_again(source: &Source, files: &Rc<Self>) -> Result<Rc<Self>, Fault> {
        if source.parts.iter().any(|part| !matches!(part.origin, Origin::Url(_))) {
            return Ok(files.clone());
        }
        let signal = AbortController::new().map_err(|thrown| unreadable(&thrown))?.signal();
        let (files, _) = Self::obtain(source, true, &signal, &|_, _, _| {}).await?;
        Ok(Rc::new(files))
    }

    /// The hash of a model of one file; empty for several, or when the page could not hash.
    pub(crate) fn sha256(&self) -> &str {
        match self.files.as_slice() {
            [file] => file.sha256.as_deref().unwrap_or_default(),
            _ => "",
        }
    }

    /// All hashes, as [`Source::fingerprint`] gives the expected ones; `None` when the page could not hash.
    pub(crate) fn fingerprint(&self) -> Option<String> {
        let hashes: Option<Vec<&str>> = self.files.iter().map(|file| file.sha256.as_deref()).collect();
        hashes.map(|hashes| hashes.join("+"))
    }

    /// Bytes of all files.
    pub(crate) fn n_bytes(&self) -> f64 {
        self.files.iter().map(|file| file.kept.size()).sum()
    }

    /// Describes the files for the engine.
    pub(crate) fn parts(&self) -> Vec<Part> {
        self.files
            .iter()
            .map(|file| Part { role: file.role.clone(), sha256: file.unverified.clone() })
            .collect()
    }

    /// One buffer per part, to be transferred to a worker, or the file that the browser has: WebGPU reads weights again when
    /// a device is lost.
    ///
    /// # Errors
    /// `bytes-unreadable` when a file of the caller's has changed or gone.
    pub(crate) async fn contents(&self, backend: wire::Backend) -> Result<Vec<JsValue>, Fault> {
        let mut contents = Vec::with_capacity(self.files.len());
        for file in &self.files {
            let fresh = file.fresh.borrow_mut().take();
            contents.push(match fresh {
                _ if file.is_stored || backend == wire::Backend::Webgpu => file.kept.clone().into(),
                Some(bytes) => bytes.into(),
                None => read(&file.kept).await?.into(),
            });
        }
        Ok(contents)
    }
}

impl ModelFile {
    /// A file whose hash was found to be the one that its part must have.
    fn stored(part: &SourcePart, file: Blob) -> Self {
        Self {
            role: part.role.clone(),
            unverified: None,
            sha256: part.sha256.clone(),
            kept: file,
            is_stored: true,
            fresh: RefCell::default(),
        }
    }

    async fn verified(part: &SourcePart, bytes: ArrayBuffer) -> Result<Self, Fault> {
        let n_bytes = u64::from(bytes.byte_length());
        if let Some(expected) = part.size_bytes.filter(|&expected| expected != n_bytes) {
            let message = format!("the {} has {n_bytes} bytes, {expected} were expected", part.role);
            return Err(Fault::new(FaultCategory::Integrity, "model-size", message)
                .with_hint("load it again; if that fails too, run `tabpool model fetch` again"));
        }
        let sha256 = sha256_hex(&bytes).await;
        if let (Some(actual), Some(expected)) = (&sha256, &part.sha256)
            && actual != expected
        {
            let message = format!("SHA-256 of the {} is {actual}, {expected} was expected", part.role);
            return Err(Fault::new(FaultCategory::Integrity, "model-hash", message)
                .with_hint("load it again; if that fails too, run `tabpool model fetch` again"));
        }
        let kept = match &part.origin {
            Origin::Blob(blob) => blob.clone(),
            Origin::Url(_) | Origin::Bytes(_) => Blob::new_with_buffer_source_sequence(&Array::of1(&bytes))
                .map_err(|thrown| unreadable(&thrown))?,
        };
        let unverified = if sha256.is_some() { None } else { part.sha256.clone() };
        let fresh = RefCell::new(Some(bytes));
        Ok(Self { role: part.role.clone(), unverified, sha256, kept, is_stored: false, fresh })
    }
}

/// The browser's own SHA-256, which does not block the page; `None` outside secure contexts.
async fn sha256_hex(bytes: &ArrayBuffer) -> Option<String> {
    let subtle = sys::CRYPTO.with(Clone::clone)?.subtle()?;
    let digest = JsFuture::from(subtle.digest("SHA-256", &Uint8Array::new(bytes)).ok()?).await.ok()?;
    Some(Uint8Array::new(&digest).to_vec().iter().map(|byte| format!("{byte:02x}")).collect())
}

async fn read(blob: &Blob) -> Result<ArrayBuffer, Fault> {
    let bytes = JsFuture::from(blob.array_buffer()).await.map_err(|thrown| unreadable(&thrown))?;
    bytes.dyn_into().map_err(|thrown| unreadable(&thrown))
}

fn unreadable(thrown: &JsValue) -> Fault {
    let message = format!("the model's bytes cannot be read: {}", describe(thrown));
    Fault::new(FaultCategory::ModelLoad, "bytes-unreadable", message).with_hint("choose the file again")
}
