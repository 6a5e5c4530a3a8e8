//! The committed goldens against the wasm backend compiled natively: kernels, without a browser in the way.

use std::path::Path;

use serde::Deserialize;
use tabpool_tests::cache::Zoo;
use tabpool_tests::native;
use tabpool_tests::node_case::WireTensor;
use wire::{DType, TensorHeader};

#[derive(Deserialize)]
struct Golden {
    model: String,
    sha256: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    inputs: Vec<Input>,
    outputs: Vec<Output>,
    limits: Limits,
}

#[derive(Deserialize)]
struct Input {
    #[serde(flatten)]
    header: TensorHeader,
    fill: Fill,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Fill {
    Values(Vec<f64>),
    Uniform { seed: u32, low: f64, high: f64 },
    Constant(f64),
}

#[derive(Deserialize)]
struct Output {
    name: String,
    dims: Vec<u32>,
    stride: usize,
    values: Vec<f64>,
}

#[derive(Deserialize)]
struct Limits {
    max_abs_ratio: f64,
    cosine: f64,
}

fn elements(header: &TensorHeader, fill: &Fill) -> Vec<f64> {
    let n_elements = header.n_elements().expect("the shape fits into memory");
    match fill {
        Fill::Values(values) => values.clone(),
        Fill::Constant(value) => vec![*value; n_elements],
        Fill::Uniform { seed, low, high } => {
            let mut state = *seed;
            let mut next = || {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                if header.dtype == DType::Float32 {
                    low + (high - low) * f64::from(state >> 8) / f64::from(1 << 24)
                } else {
                    low + f64::from(state) % (high - low)
                }
            };
            (0..n_elements).map(|_| next()).collect()
        }
    }
}

fn input(spec: &Input) -> WireTensor {
    let elements = elements(&spec.header, &spec.fill).into_iter();
    let bytes = match spec.header.dtype {
        DType::Float32 => elements.flat_map(|value| (value as f32).to_le_bytes()).collect(),
        DType::Int64 => elements.flat_map(|value| (value as i64).to_le_bytes()).collect(),
        DType::Int32 => elements.flat_map(|value| (value as i32).to_le_bytes()).collect(),
        other @ (DType::Float16 | DType::Int8 | DType::Uint8 | DType::Bool) => {
            panic!("no golden has {} inputs", other.as_str())
        }
    };
    WireTensor { header: spec.header.clone(), bytes }
}

/// What is wrong with `actual`, or how far it is off.
fn compare(expected: &Output, actual: &WireTensor, limits: &Limits) -> Result<String, String> {
    if actual.header.dims != expected.dims {
        return Err(format!("shape is {:?}, expected {:?}", actual.header.dims, expected.dims));
    }
    let (floats, _) = actual.bytes.as_chunks::<4>();
    let kept: Vec<f64> =
        floats.iter().step_by(expected.stride).map(|&bytes| f64::from(f32::from_le_bytes(bytes))).collect();
    if kept.len() != expected.values.len() {
        return Err(format!("{} values, expected {}", kept.len(), expected.values.len()));
    }
    let pairs = || kept.iter().zip(&expected.values);
    let largest = pairs().map(|(a, e)| (a - e).abs()).fold(0.0, f64::max);
    let (low, high) =
        expected.values.iter().fold((f64::MAX, f64::MIN), |(low, high), e| (low.min(*e), high.max(*e)));
    let ratio = largest / if high > low { high - low } else { high.abs() };
    let dot = |left: &[f64], right: &[f64]| left.iter().zip(right).map(|(l, r)| l * r).sum::<f64>();
    let cosine =
        dot(&kept, &expected.values) / (dot(&kept, &kept) * dot(&expected.values, &expected.values)).sqrt();
    let report = format!("largest difference {ratio:.2e} of the range, cosine {cosine:.7}");
    // Written so that a NaN is outside.
    if ratio <= limits.max_abs_ratio && cosine >= limits.cosine { Ok(report) } else { Err(report) }
}

#[test]
fn every_golden_holds_natively() {
    let zoo = Zoo::read().expect("the zoo is well-formed");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../agent/goldens");
    let mut reports = Vec::new();
    let mut n_wrong = 0;
    for model in &zoo.model {
        let path = folder.join(format!("{}.json", model.id));
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let golden: Golden =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(
            (&golden.model, &golden.sha256),
            (&model.id, &model.sha256),
            "golden and zoo name the same file"
        );
        let session = native::load(model.bytes().expect("models are in the cache")).expect("the model loads");
        for case in &golden.cases {
            let inputs: Vec<WireTensor> = case.inputs.iter().map(input).collect();
            let outputs = native::run(session.as_ref(), &inputs).expect("the model runs");
            for expected in &case.outputs {
                let actual = outputs
                    .iter()
                    .find(|output| output.header.name == expected.name)
                    .expect("the output is there");
                let verdict = compare(expected, actual, &case.limits);
                n_wrong += usize::from(verdict.is_err());
                reports.push(format!("{}/{} {}: {verdict:?}", golden.model, case.id, expected.name));
            }
        }
    }
    assert_eq!(n_wrong, 0, "\n{}", reports.join("\n"));
}
