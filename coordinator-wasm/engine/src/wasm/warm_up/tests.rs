//! The warm-up reaches kernels, not their plain forms, and ends.

use super::*;
use crate::wasm::prepare::{Kernel, choose_kernels};

#[test]
fn every_step_runs_on_a_kernel_of_its_own() {
    let mut plan = Plan::new(graph());
    assert_eq!(plan.steps.len(), graph().nodes.len());
    for (kernel, step) in choose_kernels(&mut plan, &mut Weights::default()).iter().zip(&plan.steps) {
        assert!(!matches!(kernel, Kernel::Reference), "{} has no kernel", step.op.name());
    }
    let executable = Executable::new(Plan::new(graph()), &mut Weights::default());
    let names: Vec<String> = graph().outputs.into_iter().map(|(name, _)| name).collect();
    let wanted: Vec<&str> = names.iter().map(String::as_str).collect();
    let outputs = executable.run(&[], &wanted, &mut Memory::default()).expect("it runs");
    assert_eq!(outputs.len(), wanted.len());
}

#[test]
fn it_stops_when_it_is_told_to() {
    let mut n_rounds = 0;
    warm_up(|| {
        n_rounds += 1;
        n_rounds == 3
    });
    assert_eq!(n_rounds, 3);
}
