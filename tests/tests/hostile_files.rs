//! Small ONNX files, damaged in thousands of ways: the reader answers each, without a panic and within bounded memory.

use std::panic::{AssertUnwindSafe, catch_unwind};

use model::{DType, Data, Dim, Model, Tensor, ValueContract};
use rustix::process::{Resource, Rlimit, setrlimit};
use tabpool_tests::cache;
use tabpool_tests::node_case::read_all;

/// Damaged copies of each file.
const N_COPIES: usize = 20;
/// Address space of the whole test, bytes: what a file may ask for, with room for the test itself.
const MAX_MEMORY: u64 = 2 << 30;
/// Inputs with more elements are not made.
const MAX_ELEMENTS: usize = 4096;
/// Plans that cost more are not run.
const MAX_FLOPS: u64 = 100_000;

struct Random(u64);

impl Random {
    /// A whole number below `n`, or 0.
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }
}

/// A copy of `file` with a few bytes changed, doubled, taken out, or taken over from `other`.
fn damaged(random: &mut Random, file: &[u8], other: &[u8]) -> Vec<u8> {
    let mut copy = file.to_vec();
    for _ in 0..1 + random.below(2) {
        let at = random.below(copy.len());
        let until = (at + random.below(16)).min(copy.len());
        match random.below(8) {
            0 => copy.truncate(at),
            // A length or a number of ten bytes.
            1 => drop(copy.splice(at..at, [0xff; 9])),
            2 => drop(copy.splice(at..at, copy[at..until].to_vec())),
            3 => drop(copy.drain(at..until)),
            4 => {
                let from = random.below(other.len());
                let part = &other[from..(from + random.below(24)).min(other.len())];
                copy.splice(at..at, part.iter().copied());
            }
            _ => {
                if let Some(byte) = copy.get_mut(at) {
                    *byte = byte.wrapping_add([1, 2, 4, 0x7f, 0x80, 0xff][random.below(6)]);
                }
            }
        }
    }
    copy
}

/// Zeros as the contract wants them, 2 long where it leaves that open.
fn zeros(contract: &ValueContract) -> Option<Tensor> {
    let dtype = contract.dtype.and_then(DType::for_element)?;
    let length = |dim: &Dim| if let Dim::Fixed(length) = dim { *length as usize } else { 2 };
    let dims: Vec<usize> = contract.dims.as_ref()?.iter().map(length).collect();
    let n = model::tensor::checked_n_elements(&dims).filter(|&n| n <= MAX_ELEMENTS)?;
    Tensor::new(dims, Data::zeros(dtype, n))
}

/// Does with a file what a page would; true when it got as far as a plan.
fn use_file(file: &[u8]) -> bool {
    // Refusals are fine.
    let _inspection = model::inspect(file);
    let Ok(model) = Model::load(file) else { return false };
    let Some(inputs) = model.inputs().into_iter().map(zeros).collect::<Option<Vec<Tensor>>>() else {
        return false;
    };
    let Ok(plan) = model.plan_for(&inputs) else { return false };
    if plan.cost().n_flops < MAX_FLOPS && plan.fixed_inputs.is_empty() {
        let facts: Vec<model::Fact> =
            inputs.iter().map(|input| model::Fact::new(input.dtype(), input.dims().to_vec())).collect();
        if let Ok(graph) = model.specialise(&facts) {
            let _outputs = model::reference::run(&graph, &inputs);
        }
    }
    true
}

#[test]
fn damaged_files_are_answered() {
    let limit = Some(MAX_MEMORY);
    let package = cache::bytes("onnx-node-cases").expect("test data is in the cache");
    let cases = read_all(package).expect("the package is whole");
    setrlimit(Resource::As, Rlimit { current: limit, maximum: limit }).expect("memory can be limited");
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut n_planned, mut panicked) = (0, Vec::new());
    for case in &cases {
        for _ in 0..N_COPIES {
            let other = &cases[random.below(cases.len())].model;
            let file = damaged(&mut random, &case.model, other);
            match catch_unwind(AssertUnwindSafe(|| use_file(&file))) {
                Ok(is_planned) => n_planned += usize::from(is_planned),
                Err(_) => panicked.push(format!("{}: {file:x?}", case.name)),
            }
        }
    }
    assert!(panicked.is_empty(), "{} files, the first from {}", panicked.len(), panicked[0]);
    // Damage that nothing survives would prove little.
    assert!(n_planned > cases.len() / 2, "{n_planned} of {} files could be planned", cases.len() * N_COPIES);
}
