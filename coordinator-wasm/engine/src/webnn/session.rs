//! A model loaded on WebNN.

use std::cell::RefCell;
use std::rc::Rc;

use model::webnn::{Unplaced, place};
use model::{Plan, Source};
use wire::Fault;

use super::backend::Contexts;
use super::context::Context;
use super::parts::{Kernels, Parts};
use crate::backend::{LocalFuture, Session};
use crate::fault;
use crate::planned::{self, Planned};
use crate::tensor::Tensor;
use crate::value::Contract;

/// One model with the graphs of the shapes it was run with.
pub(super) struct WebnnSession {
    planned: Planned<Parts>,
    contexts: Rc<Contexts>,
    /// The context that the graphs are in.
    context: RefCell<Rc<Context>>,
    kernels: Kernels,
}

impl WebnnSession {
    /// Reads the model, and refuses it when the context can do none of its operators, or not enough of them.
    pub(super) async fn load(file: &dyn Source, contexts: Rc<Contexts>) -> Result<Self, Fault> {
        let context = contexts.get().await?;
        let (planned, plan) = Planned::load(file)?;
        let session = Self { planned, contexts, context: RefCell::new(context), kernels: Kernels::default() };
        if let Some(plan) = plan {
            session.prepare_first(&plan).await?;
        }
        Ok(session)
    }

    /// Builds the graphs of a model whose shapes are all known, so that what the browser refuses is refused now. Those of
    /// others are built for shapes that are run; here they only have to be possible.
    async fn prepare_first(&self, plan: &Plan) -> Result<(), Fault> {
        let context = Rc::clone(&self.context.borrow());
        let placed = place(plan, &context.limits);
        if self.planned.is_fixed() {
            let parts =
                Parts::build(plan, placed.map_err(|error| refused(&error))?, &context, &self.kernels).await?;
            self.planned.keep(plan, parts);
            return Ok(());
        }
        match placed {
            // Whether parts pay depends on the shapes.
            Ok(_) | Err(Unplaced::Slow(..)) => Ok(()),
            Err(error @ Unplaced::Missing(_)) => Err(refused(&error)),
        }
    }

    /// The context that holds the model: after a loss a new one, which gets every graph again.
    async fn context(&self) -> Result<Rc<Context>, Fault> {
        let context = self.contexts.get().await?;
        let before = self.context.replace(Rc::clone(&context));
        if !Rc::ptr_eq(&before, &context) {
            self.planned.forget();
        }
        Ok(context)
    }

    async fn compute(&self, inputs: Vec<Tensor>, wanted: &[&str]) -> Result<Vec<Tensor>, Fault> {
        let context = self.context().await?;
        let operands = self.planned.operands(inputs)?;
        let prepare = async |plan: Plan| {
            let placement = place(&plan, &context.limits).map_err(|error| refused(&error))?;
            Parts::build(&plan, placement, &context, &self.kernels).await
        };
        let parts = self.planned.prepared(&operands, prepare).await?;
        let outputs = parts.run(&context, &operands, wanted, &self.kernels).await?;
        Ok(planned::outputs(wanted, outputs))
    }
}

fn refused(error: &Unplaced) -> Fault {
    let refusal = error.refusal();
    fault::unsupported_operator(Some((refusal.operator, &refusal.node)), error)
}

impl Session for WebnnSession {
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
}
