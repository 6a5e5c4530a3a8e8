//! Our own kernels on WebAssembly SIMD: models run as plans of `model`, one plan per shape class.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the operator sets are large and most code is about a few of them"
)]

use std::cell::RefCell;

use model::{Source, Tensor as Operand, View};
use wire::{Fault, Profile};

use crate::backend::{Backend, File, LocalFuture, Session};
use crate::planned::{self, Planned};
use crate::tensor::Tensor;
use crate::value::Contract;

pub(crate) use self::executor::{Executable, Memory};
pub(crate) use self::prepare::Weights;
use self::prepare::pack_weights;

#[cfg(all(feature = "profile", target_arch = "wasm32"))]
pub(crate) mod bench;
mod dispatch;
mod executor;
pub mod kernel;
mod layout;
mod prepare;
pub(crate) mod profile;
#[cfg(any(test, all(target_arch = "wasm32", not(feature = "rten"))))]
pub(crate) mod warm_up;

/// Runs before the one that is profiled.
const WARM_UP_RUNS: usize = 5;

/// The wasm backend: our own kernels.
#[derive(Debug, Default)]
pub struct WasmBackend;

impl Backend for WasmBackend {
    fn kind(&self) -> wire::Backend {
        wire::Backend::Wasm
    }

    fn detail(&self) -> String {
        crate::SIMD_BUILD.to_owned()
    }

    fn load(&self, file: File) -> LocalFuture<'_, Result<Box<dyn Session>, Fault>> {
        Box::pin(async move {
            WasmSession::load(file.as_ref()).map(|session| Box::new(session) as Box<dyn Session>)
        })
    }
}

/// One model with the kernels of its plans.
struct WasmSession {
    planned: Planned<Executable>,
    weights: RefCell<Weights>,
    memory: RefCell<Memory>,
}

impl WasmSession {
    fn load(file: &dyn Source) -> Result<Self, Fault> {
        let (mut planned, plan) = Planned::load(file)?;
        let mut weights = Weights::default();
        if let Some(plan) = plan {
            // Now, so that the first run finds the weights packed whatever its shapes are.
            pack_weights(plan, &mut weights, |from, to| planned.replace_weight(from, to));
        }
        Ok(Self { planned, weights: RefCell::new(weights), memory: RefCell::default() })
    }

    async fn compute(&self, inputs: Vec<Tensor>, wanted: &[&str]) -> Result<Vec<Tensor>, Fault> {
        let operands = self.planned.operands(inputs)?;
        let prepare = async |plan| Ok(Executable::new(plan, &mut self.weights.borrow_mut()));
        let executable = self.planned.prepared(&operands, prepare).await?;
        let views: Vec<View<'_>> = operands.iter().map(Operand::view).collect();
        let outputs = executable.run(&views, wanted, &mut self.memory.borrow_mut());
        let outputs = outputs.map_err(|error| error.fault())?;
        Ok(planned::outputs(wanted, outputs))
    }
}

impl Session for WasmSession {
    fn contract(&self) -> &Contract {
        self.planned.contract()
    }

    fn run<'a>(
        &'a self,
        inputs: Vec<Tensor>,
        wanted: &'a [&'a str],
    ) -> LocalFuture<'a, Result<Vec<Tensor>, Fault>> {
        Box::pin(self.compute(inputs, wanted))
    }

    fn profile(&self, inputs: Vec<Tensor>) -> LocalFuture<'_, Result<Profile, Fault>> {
        Box::pin(async move {
            let names: Vec<&str> = self.outputs().iter().map(|output| output.name.as_str()).collect();
            // Browsers translate code again when it turns out to be used.
            for _ in 0..WARM_UP_RUNS {
                self.compute(inputs.clone(), &names).await?;
            }
            profile::start();
            let ran = self.compute(inputs, &names).await;
            let spans = profile::take();
            ran.map(|_outputs| Profile { clock: "performance.now".to_owned(), spans })
        })
    }
}
