//! The life of a model in the engine, on a backend without a runtime.

use wire::DType;

use super::*;
use crate::backend::{MemoryBackend, MemorySession};
use crate::tensor::TensorData;
use crate::testing::{floats, now, value};
use crate::value::Contract;

/// An engine whose only model doubles `x`; its clock and memory stand still.
fn engine() -> Engine {
    let open = |bytes: &[u8]| {
        if bytes != b"double" {
            return Err(fault::truncated_model("no bytes"));
        }
        Ok(MemorySession {
            contract: Contract {
                inputs: vec![value("x", DType::Float32, &[-1])],
                outputs: vec![value("y", DType::Float32, &[-1])],
                metadata: Vec::new(),
            },
            compute: |inputs| {
                let doubled = inputs[0].as_f32()?.iter().map(|x| 2.0 * x).collect();
                Ok(vec![Tensor::new("y", &inputs[0].shape(), TensorData::Float32(doubled))])
            },
        })
    };
    let platform = Platform { now_micros: || 7, memory_bytes: || 65_536 };
    Engine::new(platform, vec![Box::new(MemoryBackend { kind: wire::Backend::Wasm, open })])
}

fn part(sha256: Option<&str>, bytes: &[u8]) -> (Part, Vec<u8>) {
    (Part { role: "model".to_owned(), sha256: sha256.map(str::to_owned) }, bytes.to_vec())
}

fn load(engine: &Engine, parts: &[(Part, Vec<u8>)]) -> Reply {
    now(engine.load("m".to_owned(), wire::Backend::Wasm, None, || {
        Ok(parts.iter().map(|(part, bytes)| (part.clone(), Box::new(bytes.clone()) as File)).collect())
    }))
}

fn run(engine: &Engine) -> (Reply, Vec<Tensor>) {
    now(engine.run("m", None, vec![floats("x", &[2], &[1.0, 3.0])]))
}

#[track_caller]
fn check_code(reply: &Reply, code: &str) {
    let Reply::Failed { fault } = reply else { panic!("{reply:?} is no fault") };
    assert_eq!(fault.code, code);
}

#[test]
fn a_model_is_loaded_run_and_forgotten() {
    let engine = engine();
    assert!(matches!(run(&engine), (Reply::Failed { fault }, _) if fault.code == "not-loaded"));
    let sha256 = content::sha256_hex(b"double");
    let Reply::Loaded { inputs, outputs, backend_detail, phases } =
        load(&engine, &[part(Some(&sha256), b"double")])
    else {
        panic!("not loaded");
    };
    assert_eq!((inputs[0].name.as_str(), inputs[0].dims.as_slice()), ("x", [0].as_slice()));
    assert_eq!(outputs[0].name, "y");
    assert_eq!(backend_detail, "memory");
    assert_eq!((phases.verify_micros, phases.load_micros), (Some(0), Some(0)));
    let (reply, tensors) = run(&engine);
    assert_eq!(tensors, [floats("y", &[2], &[2.0, 6.0])]);
    let Reply::Ran { outputs, result, memory_bytes, .. } = reply else { panic!("not run") };
    assert_eq!((outputs, result, memory_bytes), (vec![tensors[0].header()], None, 65_536));
    assert_eq!(engine.unload("m"), Reply::Unloaded);
    check_code(&engine.unload("m"), "not-loaded");
    check_code(&run(&engine).0, "not-loaded");
}

#[test]
fn a_load_that_fails_leaves_what_was_there() {
    let engine = engine();
    assert!(
        matches!(load(&engine, &[part(None, b"double")]), Reply::Loaded { phases, .. } if phases.verify_micros.is_none())
    );
    check_code(&load(&engine, &[part(Some(&"0".repeat(64)), b"double")]), "hash-mismatch");
    check_code(&load(&engine, &[part(None, b"half")]), "truncated-model");
    check_code(&load(&engine, &[]), "part-count");
    check_code(&load(&engine, &[part(None, b"double"), part(None, b"double")]), "part-count");
    let other = now(engine.load("m".to_owned(), wire::Backend::Webgpu, None, || Ok(Vec::new())));
    check_code(&other, "backend-unavailable");
    assert!(matches!(run(&engine).0, Reply::Ran { .. }));
}

#[test]
fn inputs_are_checked_before_the_backend_sees_them() {
    let engine = engine();
    load(&engine, &[part(None, b"double")]);
    let (reply, tensors) = now(engine.run("m", None, vec![floats("z", &[1], &[0.0])]));
    check_code(&reply, "input-unknown");
    assert!(tensors.is_empty());
}

#[test]
fn heartbeats_and_capabilities() {
    let engine = engine();
    assert_eq!(engine.ping(), Reply::Pong { memory_bytes: 65_536 });
    let found = Capabilities { wasm_build: "simd128".to_owned(), ..Capabilities::default() };
    let Reply::Ready { capabilities } = engine.ready(found) else { panic!("not ready") };
    assert_eq!(
        (capabilities.wasm_build.as_str(), capabilities.backends),
        ("simd128", vec![wire::Backend::Wasm])
    );
}
