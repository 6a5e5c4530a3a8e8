//! The backend of one device type: one context per worker, and the models loaded on it.

use std::cell::RefCell;
use std::rc::Rc;

use wire::Fault;

use super::context::Context;
use super::device::Device;
use super::session::WebnnSession;
use crate::backend::{Backend, File, LocalFuture, Session};

/// WebNN on one device type.
#[derive(Debug)]
pub struct WebnnBackend {
    contexts: Rc<Contexts>,
}

/// The context that all sessions of a worker share.
#[derive(Debug)]
pub(super) struct Contexts {
    device: Device,
    current: RefCell<Option<Rc<Context>>>,
}

impl Contexts {
    /// The context, or a new one when there is none or the last was lost.
    pub(super) async fn get(&self) -> Result<Rc<Context>, Fault> {
        if let Some(context) = self.current.borrow().as_ref().filter(|context| context.lost().is_none()) {
            return Ok(Rc::clone(context));
        }
        let context = Rc::new(Context::open(self.device).await?);
        self.current.replace(Some(Rc::clone(&context)));
        Ok(context)
    }
}

impl WebnnBackend {
    /// Without a context yet.
    #[must_use]
    pub fn new(device: Device) -> Self {
        Self { contexts: Rc::new(Contexts { device, current: RefCell::default() }) }
    }
}

impl Backend for WebnnBackend {
    fn kind(&self) -> wire::Backend {
        self.contexts.device.backend()
    }

    fn detail(&self) -> String {
        let context = self.contexts.current.borrow();
        format!("webnn {}", context.as_ref().map_or("without a context", |context| context.detail()))
    }

    fn load(&self, file: File) -> LocalFuture<'_, Result<Box<dyn Session>, Fault>> {
        let contexts = Rc::clone(&self.contexts);
        Box::pin(async move {
            let session = WebnnSession::load(file.as_ref(), contexts).await?;
            Ok(Box::new(session) as Box<dyn Session>)
        })
    }
}
