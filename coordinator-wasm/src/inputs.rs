//! The caller's inputs, checked against the model's contract and described for the wire.

mod check;
pub(crate) mod fingerprint;

use core::ops::Range;

use js_sys::{Array, ArrayBuffer, JSON, JsString, Object, Reflect, Symbol, Uint8Array};
use wasm_bindgen::prelude::*;
use wire::{Fault, PipelineKind, TensorHeader};

use crate::fault::invalid;
use crate::inputs::check::{Given, check_names, check_tensor};
use crate::inputs::fingerprint::mix;
use crate::object::{object, property, to_json};

/// Bytes that are copied out of the caller's arrays at a time, to be hashed.
const CHUNK: u32 = 1 << 16;

/// Inputs of one run, still in the caller's arrays.
pub(crate) struct Inputs {
    /// Pipeline parameters that are not tensors.
    pub(crate) params: Option<JsValue>,
    /// What each array holds.
    pub(crate) headers: Vec<TensorHeader>,
    /// For the record, e.g. `input_ids:1x16` or `texts:3`.
    pub(crate) shapes: String,
    /// Elements of all tensors, or characters of all texts: what the time of a run depends on.
    pub(crate) n_elements: u64,
    arrays: Vec<Uint8Array>,
    pub(crate) transfer: bool,
    is_sent: bool,
}

impl Inputs {
    /// Reads `{ name: { dtype, dims, data } }`.
    ///
    /// # Errors
    /// `input-name`, `input-dtype` or `input-shape` when they do not fit `specs`.
    pub(crate) fn of_model(inputs: &JsValue, specs: &[TensorHeader], transfer: bool) -> Result<Self, Fault> {
        let object = inputs
            .dyn_ref::<Object>()
            .ok_or_else(|| invalid("input-name", "inputs are not an object of tensors by name"))?;
        let names: Vec<String> = Object::keys(object).iter().filter_map(|name| name.as_string()).collect();
        check_names(&names, specs)?;
        let mut headers = Vec::with_capacity(specs.len());
        let mut arrays = Vec::with_capacity(specs.len());
        for spec in specs {
            let tensor = property(inputs, &spec.name).unwrap_or(JsValue::UNDEFINED);
            let data = property(&tensor, "data").unwrap_or(JsValue::UNDEFINED);
            let dims = property(&tensor, "dims").unwrap_or(JsValue::UNDEFINED);
            let dims: Option<Vec<f64>> = Array::is_array(&dims)
                .then(|| Array::from(&dims).iter().map(|dim| dim.as_f64().unwrap_or(f64::NAN)).collect());
            let dtype = property(&tensor, "dtype").and_then(|dtype| dtype.as_string());
            let kind = array_kind(&data);
            let n_elements = array_length(&data);
            let given =
                Given { dtype: dtype.as_deref(), dims: dims.as_deref(), array: kind.as_deref(), n_elements };
            headers.push(check_tensor(spec, &given)?);
            arrays.push(bytes_of(&data));
        }
        Ok(Self::of_tensors(headers, arrays, transfer))
    }

    /// Reads `{ texts }`, `{ text }`, `{ image }`, `{ audio }` or `{ bytes }`, whichever `kind` takes.
    ///
    /// # Errors
    /// `input-name`, `input-dtype` or `input-shape` when it is something else.
    pub(crate) fn of_pipeline(inputs: &JsValue, kind: PipelineKind, transfer: bool) -> Result<Self, Fault> {
        let (name, hint) = check::pipeline_input(kind);
        let refuse = |code: &str, what: &str| invalid(code, format!("input '{name}' {what}"));
        let read = |value: JsValue| match kind {
            PipelineKind::TextEmbedding => {
                let texts = Array::is_array(&value).then(|| Array::from(&value));
                let lengths =
                    texts.as_ref().map(|texts| texts.iter().map(|text| text_length(&text)).collect());
                let (Some(texts), Some(Some(lengths))) = (texts, lengths) else {
                    return Err(refuse("input-dtype", "is not an array of strings"));
                };
                let lengths: Vec<usize> = lengths;
                let shapes = format!("{name}:{}", lengths.len());
                Ok(Self::of_params(object(&[(name, texts.into())]), shapes, lengths.into_iter().sum()))
            }
            PipelineKind::WriteTitle => {
                let n_chars = text_length(&value).ok_or_else(|| refuse("input-dtype", "is not a string"))?;
                Ok(Self::of_params(object(&[(name, value)]), format!("{name}:{n_chars}"), n_chars))
            }
            PipelineKind::ReadText => {
                let side = |side| property(&value, side).and_then(|side| side.as_f64()).unwrap_or(f64::NAN);
                let dims = [side("height"), side("width"), 4.0];
                let data = property(&value, "data").unwrap_or(JsValue::UNDEFINED);
                Self::of_array(name, &data, check::image_spec(), Some(&dims), transfer)
            }
            PipelineKind::DetectSpeech | PipelineKind::WakeWord => {
                Self::of_array(name, &value, check::audio_spec(), None, transfer)
            }
            PipelineKind::IdentifyFile => Self::of_array(name, &value, check::bytes_spec(), None, transfer),
        };
        let value = property(inputs, name).ok_or_else(|| refuse("input-name", "is missing"));
        value.and_then(read).map_err(|fault| fault.with_hint(hint))
    }

    /// One tensor that is the whole input; its shape is the array's length unless `dims` says otherwise.
    fn of_array(
        name: &str,
        data: &JsValue,
        spec: TensorHeader,
        dims: Option<&[f64]>,
        transfer: bool,
    ) -> Result<Self, Fault> {
        let kind = array_kind(data);
        let n_elements = array_length(data);
        let spec = TensorHeader { name: name.to_owned(), ..spec };
        #[expect(clippy::cast_precision_loss, reason = "array lengths are below 2^53")]
        let length = [n_elements as f64];
        let given = Given {
            dtype: Some(spec.dtype.as_str()),
            dims: Some(dims.unwrap_or(&length)),
            array: kind.as_deref(),
            n_elements,
        };
        let header = check_tensor(&spec, &given)?;
        Ok(Self::of_tensors(vec![header], vec![bytes_of(data)], transfer))
    }

    fn of_tensors(headers: Vec<TensorHeader>, arrays: Vec<Uint8Array>, transfer: bool) -> Self {
        let shapes = check::describe_shapes(&headers);
        let n_elements = headers.iter().filter_map(TensorHeader::n_elements).map(|n| n as u64).sum();
        Self { params: None, headers, shapes, n_elements, arrays, transfer, is_sent: false }
    }

    fn of_params(params: JsValue, shapes: String, n_chars: usize) -> Self {
        let n_elements = n_chars as u64;
        Self {
            params: Some(params),
            headers: Vec::new(),
            shapes,
            n_elements,
            arrays: Vec::new(),
            transfer: false,
            is_sent: false,
        }
    }

    /// The same inputs, independent of the caller's arrays.
    pub(crate) fn copy(&self) -> Self {
        let params = self.params.as_ref().map(|params| {
            to_json(params).and_then(|json| JSON::parse(&json).ok()).unwrap_or_else(|| params.clone())
        });
        Self {
            params,
            headers: self.headers.clone(),
            shapes: self.shapes.clone(),
            n_elements: self.n_elements,
            arrays: self.arrays.iter().map(|array| array.slice(0, array.length())).collect(),
            transfer: false,
            is_sent: false,
        }
    }

    /// Some of the rows that all tensors have along their first dimension, still in the caller's arrays.
    pub(crate) fn rows(&self, rows: &Range<u32>) -> Self {
        let mut headers = self.headers.clone();
        let mut arrays = Vec::with_capacity(headers.len());
        for (header, array) in headers.iter_mut().zip(&self.arrays) {
            if let Some(n_rows) = header.dims.first_mut() {
                let row_bytes = array.length() / (*n_rows).max(1);
                arrays.push(array.subarray(rows.start * row_bytes, rows.end * row_bytes));
                *n_rows = rows.end - rows.start;
            }
        }
        Self::of_tensors(headers, arrays, false)
    }

    /// Equal for equal inputs, and never 0: how the pool recognises what broke several workers.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hash = mix(0, self.shapes.as_bytes());
        if let Some(json) = self.params.as_ref().and_then(to_json) {
            hash = mix(hash, json.as_bytes());
        }
        for array in &self.arrays {
            for start in (0..array.length()).step_by(CHUNK as usize) {
                // Ends with the array at the latest.
                hash = mix(hash, &array.subarray(start, start.saturating_add(CHUNK)).to_vec());
            }
        }
        hash.max(1)
    }

    /// Whether the arrays were handed over, and are empty now.
    pub(crate) const fn are_gone(&self) -> bool {
        self.transfer && self.is_sent
    }

    /// One buffer per header, ready to be transferred to a worker. Copies each array once; with `transfer`, an array that
    /// is the whole of its buffer is handed over instead.
    ///
    /// # Errors
    /// `inputs-transferred` the second time, when the arrays were handed over the first.
    pub(crate) fn buffers(&mut self) -> Result<Vec<ArrayBuffer>, Fault> {
        if self.are_gone() {
            return Err(invalid("inputs-transferred", "the inputs were handed over to a worker that failed")
                .with_hint("run again with new arrays, or without `transfer`"));
        }
        self.is_sent = true;
        let mut buffers: Vec<ArrayBuffer> = Vec::with_capacity(self.arrays.len());
        for array in &self.arrays {
            let whole = array.buffer();
            let may_move = self.transfer
                && whole.is_instance_of::<ArrayBuffer>()
                && whole.byte_length() == array.byte_length()
                && !buffers.contains(&whole);
            buffers.push(if may_move { whole } else { array.slice(0, array.length()).buffer() });
        }
        Ok(buffers)
    }
}

/// UTF-16 units of a string; `None` for anything else.
fn text_length(value: &JsValue) -> Option<usize> {
    value.dyn_ref::<JsString>().map(|text| text.length() as usize)
}

/// `Float32Array` and the like, also for arrays of another realm; `None` for anything but a typed array.
fn array_kind(data: &JsValue) -> Option<String> {
    if !ArrayBuffer::is_view(data) {
        return None;
    }
    Reflect::get(data, &Symbol::to_string_tag()).ok()?.as_string()
}

/// Elements of a typed array; 0 for anything else.
pub(crate) fn array_length(data: &JsValue) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "lengths are whole; a cast saturates"
    )]
    property(data, "length").and_then(|length| length.as_f64()).map_or(0, |length| length as usize)
}

/// The bytes under a typed array, without copying.
pub(crate) fn bytes_of(data: &JsValue) -> Uint8Array {
    let view: &js_sys::DataView = data.unchecked_ref();
    let (offset, length) = (view.byte_offset(), view.byte_length());
    let buffer = property(data, "buffer").unwrap_or(JsValue::UNDEFINED);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "views hold less than 4 GiB in every engine that runs wasm32"
    )]
    Uint8Array::new_with_byte_offset_and_length(&buffer, offset as u32, length as u32)
}
