//! Every pipeline on real data, natively, against what other people's implementations answer (`pipeline_goldens.py`).

use std::path::Path;

use engine::engine::{Engine, Platform};
use engine::tensor::{Tensor, TensorData};
use engine::wasm::WasmBackend;
use serde_json::{Value, json};
use tabpool_tests::cache::{self, Zoo};
use tabpool_tests::native::finish;
use wire::Reply;
use wire::engine::Part;

/// A pipeline of the catalogue, loaded.
struct Pipeline {
    engine: Engine,
    id: &'static str,
}

impl Pipeline {
    fn load(id: &'static str) -> Self {
        let zoo = Zoo::read().expect("the zoo is well-formed");
        let card = zoo.pipeline.iter().find(|pipeline| pipeline.id == id).expect("the zoo has the pipeline");
        let parts = card.parts.iter().map(|part| {
            let file = zoo.file(&part.from).expect("the zoo has the part");
            let bytes = file.bytes().expect("the part is in the cache");
            let part = Part { role: part.role.clone(), sha256: Some(file.sha256.clone()) };
            (part, Box::new(bytes) as engine::backend::File)
        });
        let platform = Platform { now_micros: || 0, memory_bytes: || 0 };
        let engine = Engine::new(platform, vec![Box::new(WasmBackend)]);
        let parts = parts.collect();
        let reply = finish(engine.load(id.to_owned(), wire::Backend::Wasm, Some(card.kind), || Ok(parts)));
        assert!(matches!(reply, Reply::Loaded { .. }), "{reply:?}");
        Self { engine, id }
    }

    #[track_caller]
    fn run(&self, params: Option<Value>, inputs: Vec<Tensor>) -> (Value, Vec<Tensor>) {
        match finish(self.engine.run(self.id, params, inputs)) {
            (Reply::Ran { result: Some(result), .. }, outputs) => (result, outputs),
            (reply, _) => panic!("{reply:?}"),
        }
    }

    #[track_caller]
    fn hear(&self, samples: Vec<f32>) -> Value {
        self.run(None, vec![Tensor::new("audio", &[samples.len()], TensorData::Float32(samples))]).0
    }
}

fn golden(id: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens").join(format!("{id}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("the golden is JSON")
}

#[track_caller]
fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is not a number"))
}

#[track_caller]
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a text"))
}

#[track_caller]
fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value} is not a list"))
}

#[track_caller]
fn check_close(actual: &Value, expected: &Value, tolerance: f64) {
    let difference = (number(actual) - number(expected)).abs();
    assert!(difference <= tolerance, "{actual} is not {expected} within {tolerance}");
}

/// Samples of a 16 kHz mono WAV file of 16-bit samples, -1 to 1, between silences of these lengths.
fn recording(wav: &[u8], n_before: usize, n_after: usize) -> Vec<f32> {
    const HEADER: usize = 44;
    let n_bytes = u32::from_le_bytes([wav[40], wav[41], wav[42], wav[43]]) as usize;
    assert_eq!((&wav[..4], &wav[8..16], &wav[36..40]), (&b"RIFF"[..], &b"WAVEfmt "[..], &b"data"[..]));
    assert_eq!(
        wav[20..36],
        [1, 0, 1, 0, 0x80, 0x3e, 0, 0, 0, 0x7d, 0, 0, 2, 0, 16, 0],
        "PCM, mono, 16 kHz, 16 bit"
    );
    let samples = wav[HEADER..][..n_bytes]
        .as_chunks::<2>()
        .0
        .iter()
        .map(|&pair| f32::from(i16::from_le_bytes(pair)) / 32768.0);
    let silence = |n| std::iter::repeat_n(0.0, n);
    silence(n_before).chain(samples).chain(silence(n_after)).collect()
}

#[test]
fn similar_sentences_are_as_similar_as_onnx_runtime_says() {
    let golden = golden("similar-sentences");
    let params = json!({ "texts": golden["texts"] });
    let (result, outputs) = Pipeline::load("similar-sentences").run(Some(params), Vec::new());
    for (actual, expected) in list(&result["similarities"]).iter().zip(list(&golden["similarities"])) {
        assert_eq!(list(actual).len(), list(expected).len());
        for (actual, expected) in list(actual).iter().zip(list(expected)) {
            check_close(actual, expected, 1e-4);
        }
    }
    let n_texts = list(&golden["texts"]).len();
    // Texts 2n and 2n + 1 say the same in other words.
    for (first, second) in
        (0..n_texts).flat_map(|first| (first + 1..n_texts).map(move |second| (first, second)))
    {
        let similarity = number(&result["similarities"][first][second]);
        assert_eq!(similarity > 0.3, first / 2 == second / 2, "texts {first} and {second}: {similarity}");
    }
    let [embeddings] = outputs.as_slice() else { panic!("{} outputs", outputs.len()) };
    assert_eq!((embeddings.name.as_str(), embeddings.shape()), ("embeddings", vec![n_texts, 384]));
    for row in embeddings.as_f32().expect("embeddings are floats").chunks(384) {
        let square: f32 = row.iter().map(|value| value * value).sum();
        assert!((square - 1.0).abs() < 1e-5, "an embedding has length {}", square.sqrt());
    }
}

#[test]
fn speech_is_where_the_silero_vad_package_finds_it() {
    let golden = golden("detect-speech");
    let wav = cache::bytes("speech-wav").expect("the recording is in the cache");
    let result = Pipeline::load("detect-speech").hear(recording(&wav, 16_000, 16_000));
    check_close(&result["frameSeconds"], &json!(0.032), 0.0);
    let (actual, expected) = (list(&result["probabilities"]), list(&golden["probabilities"]));
    assert_eq!(actual.len(), expected.len());
    actual.iter().zip(expected).for_each(|(actual, expected)| check_close(actual, expected, 1e-3));
    let (actual, expected) = (list(&result["segments"]), list(&golden["segment_samples"]));
    assert_eq!(actual.len(), expected.len(), "{actual:?}");
    for (actual, expected) in actual.iter().zip(expected) {
        // Half a sample, for the division.
        check_close(&actual["startSeconds"], &json!(number(&expected["start"]) / 16_000.0), 0.5 / 16_000.0);
        check_close(&actual["endSeconds"], &json!(number(&expected["end"]) / 16_000.0), 0.5 / 16_000.0);
    }
}

#[test]
fn files_are_what_magika_says() {
    let pipeline = Pipeline::load("identify-file");
    for file in list(&golden("identify-file")["files"]) {
        let bytes = text(&file["content"]).as_bytes().to_vec();
        let inputs = vec![Tensor::new("bytes", &[bytes.len()], TensorData::Uint8(bytes))];
        let (result, _) = pipeline.run(None, inputs);
        assert_eq!(result["label"], file["label"]);
        check_close(&result["score"], &file["score"], 1e-3);
        assert_eq!(result["top"][0]["label"], file["label"]);
    }
}

#[test]
fn the_wake_word_is_heard_and_nothing_else_is() {
    let pipeline = Pipeline::load("wake-word");
    let golden = golden("wake-word");
    let alexa =
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("data/alexa.wav")).expect("data/alexa.wav");
    let speech = cache::bytes("speech-wav").expect("the recording is in the cache");
    let silence = vec![0.0; 56_000];
    let recordings = [
        ("alexa", recording(&alexa, 24_000, 16_000)),
        ("speech", recording(&speech, 24_000, 16_000)),
        ("silence", silence),
    ];
    for (name, samples) in recordings {
        let result = pipeline.hear(samples);
        check_close(&result["frameSeconds"], &json!(0.08), 0.0);
        let highest = list(&result["scores"]).iter().map(number).fold(0.0, f64::max);
        assert_eq!(highest > 0.5, name == "alexa", "{name}: {highest}, the package's chain {}", golden[name]);
    }
}

#[test]
fn titles_are_those_that_onnx_runtime_or_exact_arithmetic_decodes() {
    let pipeline = Pipeline::load("write-title");
    for title in list(&golden("write-title")["titles"]) {
        let (result, _) = pipeline.run(Some(json!({ "text": title["text"] })), Vec::new());
        let accepted = [&title["title"], &title["exact"]];
        assert!(accepted.contains(&&result["title"]), "{} is not one of {accepted:?}", result["title"]);
    }
}

/// What the page says, line by line.
const PRINTED: [&str; 7] = [
    "Region-based segmentation",
    "Let us first determine markers of the coins and the",
    "background. These markers are pixels that we can label",
    "unambiguously as either object or background. Here,",
    "the markers are found at the two extreme parts of the",
    "histogram of grey values:",
    ">>> markers = np.zeros_like(coins)",
];

#[test]
fn the_printed_page_is_read() {
    let png = cache::bytes("page-png").expect("the page is in the cache");
    let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().expect("the page is a PNG");
    let mut grey = vec![0; reader.output_buffer_size().expect("the page fits into memory")];
    let info = reader.next_frame(&mut grey).expect("the page decodes");
    assert_eq!((info.color_type, info.bit_depth), (png::ColorType::Grayscale, png::BitDepth::Eight));
    let rgba = grey.iter().flat_map(|&level| [level, level, level, 255]).collect();
    let dims = [info.height as usize, info.width as usize, 4];
    let pipeline = Pipeline::load("read-text");
    let (result, _) = pipeline.run(None, vec![Tensor::new("image", &dims, TensorData::Uint8(rgba))]);
    let lines = list(&result["lines"]);

    // RapidOCR reads five of the lines, without some of the spaces: that is the least to ask for, and at the same places.
    for theirs in list(&golden("read-text")["lines"]) {
        let ours = lines.iter().find(|ours| center_distance(&ours["box"], &theirs["box"]) < 6.0);
        let ours =
            ours.unwrap_or_else(|| panic!("no line where RapidOCR reads {}: {lines:?}", theirs["text"]));
        let distance = error_ratio(text(&ours["text"]), text(&theirs["text"]));
        assert!(distance <= 0.1, "{} is not {}", ours["text"], theirs["text"]);
    }
    let is_read = |printed: &str| lines.iter().any(|line| error_ratio(text(&line["text"]), printed) <= 0.1);
    let n_read = PRINTED.iter().filter(|printed| is_read(printed)).count();
    assert!(n_read >= 6, "{n_read} of {} lines are read: {lines:?}", PRINTED.len());
}

/// Distance between the centres of two boxes of four corners, pixels.
fn center_distance(left: &Value, right: &Value) -> f64 {
    let center = |corners: &Value, axis: usize| {
        list(corners).iter().map(|corner| number(&corner[axis])).sum::<f64>() / list(corners).len() as f64
    };
    (center(left, 0) - center(right, 0)).hypot(center(left, 1) - center(right, 1))
}

/// Edit distance without spaces, over the length of `expected`.
fn error_ratio(actual: &str, expected: &str) -> f64 {
    let letters = |text: &str| text.chars().filter(|letter| !letter.is_whitespace()).collect::<Vec<char>>();
    let (actual, expected) = (letters(actual), letters(expected));
    let mut row: Vec<usize> = (0..=expected.len()).collect();
    for (index, letter) in actual.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (column, wanted) in expected.iter().enumerate() {
            let changed = diagonal + usize::from(letter != wanted);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[expected.len()] as f64 / expected.len() as f64
}
