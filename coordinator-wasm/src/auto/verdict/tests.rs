//! Which backend is chosen, and what is said about it.

use super::*;

fn ran(backend: Backend, millis: f64, output: f64) -> Candidate {
    let outputs = Some(Outputs::of("y", vec![0.0, output]));
    let micros = vec![millis * 1e3; 3];
    Candidate { backend, is_loaded: true, problem: None, measured: Some(Measured { micros, outputs }) }
}

fn failed(backend: Backend, is_loaded: bool) -> Candidate {
    Candidate { backend, is_loaded, problem: Some("no".to_owned()), measured: None }
}

#[track_caller]
fn check(mut candidates: Vec<Candidate>, expected: Option<(Backend, &[Backend], &str)>) {
    let verdict = judge(&mut candidates, Limits::default());
    let verdict = verdict.as_ref().map(|v| (v.best, v.right.as_slice(), v.sentence.as_str()));
    assert_eq!(verdict, expected);
}

#[test]
fn the_fastest_of_those_that_agree() {
    use Backend::{Wasm, Webgpu, Webnn};
    check(
        vec![ran(Webgpu, 40.0, 1.0), ran(Webnn, 5.0, 1.001), ran(Wasm, 12.34, 1.0)],
        Some((
            Webnn,
            &[Webgpu, Webnn, Wasm],
            "webnn is chosen; webgpu 40.0 ms (n = 3), webnn 5.0 ms (n = 3), wasm 12.3 ms (n = 3)",
        )),
    );
    check(
        vec![ran(Webgpu, 1.0, 2.0), ran(Wasm, 12.0, 1.0)],
        Some((
            Wasm,
            &[Wasm],
            "wasm is chosen; webgpu 1.0 ms (n = 3): output 'y' differs by more than its limit from wasm's, \
             wasm 12.0 ms (n = 3)",
        )),
    );
}

#[test]
fn what_fails_is_left_out() {
    use Backend::{Wasm, Webgpu, Webnn};
    check(
        vec![failed(Webgpu, false), ran(Webnn, 5.0, 1.0), failed(Wasm, true)],
        Some((Webnn, &[Webnn], "webnn is chosen; webgpu: no, webnn 5.0 ms (n = 3), wasm: no")),
    );
}

#[test]
fn wasm_where_nothing_could_be_measured() {
    use Backend::{Wasm, Webgpu};
    check(
        vec![failed(Webgpu, true), failed(Wasm, true)],
        Some((Wasm, &[Wasm], "wasm is chosen; webgpu: no, wasm: no")),
    );
    check(vec![failed(Webgpu, false), failed(Wasm, false)], None);
}
