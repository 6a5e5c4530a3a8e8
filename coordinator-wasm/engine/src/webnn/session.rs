//! A model loaded on WebNN.

use std::cell::RefCell;
use std::rc::Rc;

use model::webnn::{Program, Refusal, lower};
use model::{Plan, Source};
use wire::Fault;

use super::backend::Contexts;
use super::context::Context;
use super::graph::Graph;
use crate::backend::{LocalFuture, Session};
use crate::fault;
use crate::planned::{self, Planned};
use crate::tensor::Tensor;
use crate::value::Contract;

/// One model with the graphs of the shapes it was run with.
pub(super) struct WebnnSession {
    planned: Planned<Graph>,
    contexts: Rc<Contexts>,
    /// The context that the graphs are in.
    context: RefCell<Rc<Context>>,
}

impl WebnnSession {
    /// Reads the model, and refuses it when the context cannot do one of its operators.
    pub(super) async fn load(file: &dyn Source, contexts: Rc<Contexts>) -> Result<Self, Fault> {
        let context = contexts.get().await?;
        let (planned, plan) = Planned::load(file)?;
        if let Some(plan) = plan {
            program(&plan, &context)?;
        }
        Ok(Self { planned, contexts, context: RefCell::new(context) })
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
        let prepare = async |plan: Plan| Graph::build(&plan, &program(&plan, &context)?, &context).await;
        let graph = self.planned.prepared(&operands, prepare).await?;
        let outputs = graph.run(&context, &operands, wanted).await?;
        Ok(planned::outputs(wanted, outputs))
    }
}

/// What the context is asked to build.
fn program(plan: &Plan, context: &Context) -> Result<Program, Fault> {
    lower(plan, &context.limits).map_err(|refusal| {
        let Refusal { operator, node, reason } = &refusal;
        fault::unsupported_operator(Some((operator, node)), reason)
    })
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
