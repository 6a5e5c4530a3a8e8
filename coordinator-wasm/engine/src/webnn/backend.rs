//! The backend: one context, and the models loaded on it.

use std::cell::RefCell;
use std::rc::Rc;

use wire::Fault;

use super::context::Context;
use super::session::WebnnSession;
use crate::backend::{Backend, File, LocalFuture, Session};

/// The WebNN backend. Its sessions share one context, which is made when the first model is loaded and again after it was
/// lost.
#[derive(Debug, Default)]
pub struct WebnnBackend {
    context: RefCell<Option<Rc<Context>>>,
}

impl WebnnBackend {
    async fn context(&self) -> Result<Rc<Context>, Fault> {
        if let Some(context) = self.context.borrow().as_ref().filter(|context| context.lost().is_none()) {
            return Ok(Rc::clone(context));
        }
        let context = Rc::new(Context::open().await?);
        self.context.replace(Some(Rc::clone(&context)));
        Ok(context)
    }
}

impl Backend for WebnnBackend {
    fn kind(&self) -> wire::Backend {
        wire::Backend::Webnn
    }

    fn detail(&self) -> String {
        self.context.borrow().as_ref().map(|context| context.device().to_owned()).unwrap_or_default()
    }

    fn load(&self, file: File) -> LocalFuture<'_, Result<Box<dyn Session>, Fault>> {
        Box::pin(async move {
            let context = self.context().await?;
            WebnnSession::load(file.as_ref(), context).map(|session| Box::new(session) as Box<dyn Session>)
        })
    }
}
