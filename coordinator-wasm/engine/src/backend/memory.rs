//! A backend without a runtime: sessions are functions. For tests of everything that stands on a backend.

use wire::Fault;

use super::{Backend, File, LocalFuture, Session};
use crate::tensor::Tensor;
use crate::value::Contract;

/// Turns bytes into a session with a function.
pub struct MemoryBackend {
    /// Which backend it stands for.
    pub kind: wire::Backend,
    /// What to make of a model file.
    pub open: fn(&[u8]) -> Result<MemorySession, Fault>,
}

/// A session that computes with a function.
pub struct MemorySession {
    /// What it declares.
    pub contract: Contract,
    /// Inputs to every output, in declaration order.
    pub compute: fn(&[Tensor]) -> Result<Vec<Tensor>, Fault>,
}

impl Backend for MemoryBackend {
    fn kind(&self) -> wire::Backend {
        self.kind
    }

    fn detail(&self) -> String {
        "memory".to_owned()
    }

    fn load(&self, file: File) -> LocalFuture<'_, Result<Box<dyn Session>, Fault>> {
        Box::pin(
            async move { (self.open)(&file.to_bytes()).map(|session| Box::new(session) as Box<dyn Session>) },
        )
    }
}

impl Session for MemorySession {
    fn contract(&self) -> &Contract {
        &self.contract
    }

    fn run<'a>(
        &'a self,
        inputs: Vec<Tensor>,
        wanted: &'a [&'a str],
    ) -> LocalFuture<'a, Result<Vec<Tensor>, Fault>> {
        Box::pin(async move {
            let mut outputs = (self.compute)(&inputs)?;
            outputs.retain(|output| wanted.contains(&output.name.as_str()));
            Ok(outputs)
        })
    }
}
