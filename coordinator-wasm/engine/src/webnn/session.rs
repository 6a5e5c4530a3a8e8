//! A model loaded on WebNN.

use std::rc::Rc;

use model::webnn::{Program, Refusal, lower};
use model::{Plan, Source};
use wire::Fault;

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
    context: Rc<Context>,
}

impl WebnnSession {
    /// Reads the model, and refuses it when the context cannot do one of its operators.
    pub(super) fn load(file: &dyn Source, context: Rc<Context>) -> Result<Self, Fault> {
        let (planned, plan) = Planned::load(file)?;
        let session = Self { planned, context };
        if let Some(plan) = plan {
            session.program(&plan)?;
        }
        Ok(session)
    }

    fn program(&self, plan: &Plan) -> Result<Program, Fault> {
        lower(plan, &self.context.limits).map_err(|refusal| {
            let Refusal { operator, node, reason } = &refusal;
            fault::unsupported_operator(Some((operator, node)), reason)
        })
    }

    async fn compute(&self, inputs: Vec<Tensor>, wanted: &[&str]) -> Result<Vec<Tensor>, Fault> {
        let operands = self.planned.operands(inputs)?;
        let prepare = async |plan: Plan| {
            let program = self.program(&plan)?;
            Graph::build(&plan, &program, &self.context).await
        };
        let graph = self.planned.prepared(&operands, prepare).await?;
        let outputs = graph.run(&self.context, &operands, wanted).await?;
        Ok(wanted.iter().zip(outputs).map(|(name, output)| planned::output(name, output)).collect())
    }
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
