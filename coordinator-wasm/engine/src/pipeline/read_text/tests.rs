//! The chain with models whose answers are known, and the sizes it works at.

use wire::DType;

use super::*;
use crate::backend::{MemoryBackend, MemorySession};
use crate::testing::{floats, now, parts, value};
use crate::value::Contract;

/// A detector that finds one bar across the middle, a classifier that calls dark lines upside down, a recogniser that
/// reads "a" from lines whose left half is dark, else "b".
fn open(bytes: &[u8]) -> Result<MemorySession, Fault> {
    let compute: fn(&[Tensor]) -> Result<Vec<Tensor>, Fault> = match bytes {
        b"detector" => |inputs| {
            let [_, _, height, width] = inputs[0].shape()[..] else { panic!("four dimensions") };
            let is_bar = |y: usize, x: usize| {
                (height * 2 / 5..height * 3 / 5).contains(&y) && (width / 4..width * 3 / 4).contains(&x)
            };
            let map: Vec<f32> =
                (0..height * width).map(|at| f32::from(u8::from(is_bar(at / width, at % width)))).collect();
            Ok(vec![floats("y", &[1, 1, height, width], &map)])
        },
        b"classifier" => |inputs| {
            let is_dark = inputs[0].as_f32()?[0] < 0.0;
            Ok(vec![floats("y", &[1, 2], if is_dark { &[0.05, 0.95] } else { &[0.95, 0.05] })])
        },
        _ => |inputs| {
            let is_dark = inputs[0].as_f32()?[0] < 0.0;
            Ok(vec![floats(
                "y",
                &[1, 1, 4],
                if is_dark { &[0.0, 0.9, 0.0, 0.0] } else { &[0.0, 0.0, 0.9, 0.0] },
            )])
        },
    };
    Ok(MemorySession {
        contract: Contract {
            inputs: vec![crate::value::ValueInfo { dims: None, ..value("x", DType::Float32, &[]) }],
            outputs: vec![value("y", DType::Float32, &[-1])],
            metadata: vec![("character".to_owned(), "a\nb\n".to_owned())],
        },
        compute,
    })
}

/// Reads an image of 100 × 50 pixels whose halves have these grey levels.
fn read(left: u8, right: u8) -> Vec<Value> {
    let roles = ["detector", "classifier", "recognizer"];
    let mut parts = parts(roles.map(|role| (role, role.as_bytes().to_vec())));
    let backend = MemoryBackend { kind: wire::Backend::Wasm, open };
    let pipeline = now(ReadText::open(&backend, &mut parts)).unwrap();
    let pixels = (0..100 * 50).flat_map(|at| {
        let level = if at % 100 < 50 { left } else { right };
        [level, level, level, 255]
    });
    let image = Tensor::new("image", &[50, 100, 4], TensorData::Uint8(pixels.collect()));
    let result = now(pipeline.run(Value::Null, vec![image])).unwrap().result;
    result["lines"].as_array().unwrap().clone()
}

#[test]
fn a_line_is_found_turned_and_read() {
    let lines = read(255, 0);
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["text"], "b");
    assert!((lines[0]["score"].as_f64().unwrap() - 0.9).abs() < 1e-6);
    let corner = |index: usize, axis: usize| lines[0]["box"][index][axis].as_f64().unwrap();
    assert!(
        corner(0, 0) < 25.0 && corner(1, 0) > 75.0 && corner(0, 1) < 20.0 && corner(2, 1) > 30.0,
        "{lines:?}"
    );
    // Dark on the left: upside down, so reading starts on the right, which is light.
    assert_eq!(read(0, 255)[0]["text"], "b");
    assert_eq!(read(0, 0)[0]["text"], "a");
}

#[track_caller]
fn check_size(width: usize, height: usize, expected: [usize; 2]) {
    assert_eq!(detector_size(width, height), expected);
}

#[test]
fn the_detector_sees_multiples_of_its_grid() {
    check_size(800, 800, [800, 800]);
    check_size(384, 191, [896, 448]);
    check_size(191, 384, [448, 896]);
    check_size(200, 200, [448, 448]);
    check_size(4_000, 3_000, [960, 736]);
    check_size(1, 1, [448, 448]);
    check_size(10_000, 1, [960, 32]);
}
