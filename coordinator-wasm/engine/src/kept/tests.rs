//! What is kept passes the same checks as a tensor, and no backend reads what another keeps.

use super::*;
use crate::backend::MemorySession;
use crate::testing::{floats, now, value};
use crate::value::Contract;

fn session() -> MemorySession {
    MemorySession {
        contract: Contract {
            inputs: vec![value("x", DType::Float32, &[2])],
            outputs: vec![value("y", DType::Float32, &[2])],
            metadata: Vec::new(),
        },
        compute: |inputs| Ok(vec![Tensor { name: "y".to_owned(), ..inputs[0].clone() }]),
    }
}

#[track_caller]
fn check(input: Carried, expected: Result<&[f32], &str>) {
    let outcome = now(run(&session(), vec![input], &["y"], &["y"]));
    let outcome = outcome.and_then(|mut outputs| outputs.remove(0).here());
    let found =
        outcome.as_ref().map(|tensor| tensor.as_f32().expect("floats")).map_err(|fault| fault.code.as_str());
    assert_eq!(found, expected);
}

fn kept(name: &str, dims: &[u32]) -> Carried {
    let header = TensorHeader { name: name.to_owned(), dtype: DType::Float32, dims: dims.to_vec() };
    Carried::Kept { header, content: Rc::new(()) }
}

#[test]
fn a_backend_without_a_place_of_its_own_keeps_tensors() {
    check(floats("x", &[2], &[1.0, 2.0]).into(), Ok(&[1.0, 2.0]));
    check(Carried::from(floats("state", &[2], &[1.0, 2.0])).named("x"), Ok(&[1.0, 2.0]));
}

#[test]
fn what_is_kept_is_checked_too() {
    check(kept("z", &[2]), Err("input-unknown"));
    check(kept("x", &[3]), Err("input-shape"));
    check(kept("z", &[2]).named("x"), Err("kept-elsewhere"));
}
