//! A context of WebNN: what it can do, and whether it is still there.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Error, JSON, Object, Reflect};
use model::webnn::Limits;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use wire::{Fault, FaultCategory};

use super::limits::read_limits;
use super::sys::{self, Ml, MlContext, MlContextOptions};
use crate::web::capabilities::{WEBNN_DEVICES, words};

/// One context and its limits.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) context: MlContext,
    pub(super) limits: Limits,
    device: &'static str,
    lost: Rc<RefCell<Option<String>>>,
}

impl Context {
    /// The first device type that gives a context.
    pub(super) async fn open() -> Result<Self, Fault> {
        let Some(ml) = sys::navigator_ml() else { return Err(unavailable("navigator.ml is undefined")) };
        let mut reason = String::new();
        for device in WEBNN_DEVICES {
            match create(&ml, device).await {
                Ok(context) => return Self::new(context, device),
                Err(error) => reason = words(&error),
            }
        }
        Err(unavailable(&reason))
    }

    fn new(context: MlContext, device: &'static str) -> Result<Self, Fault> {
        let limits = JSON::stringify(&context.op_support_limits()).map(String::from);
        let limits = limits.ok().and_then(|json| serde_json::from_str(&json).ok());
        let limits = read_limits(&limits.ok_or_else(|| unavailable("opSupportLimits() gave no limits"))?);
        let lost = Rc::new(RefCell::new(None));
        let (promise, note) = (context.lost(), Rc::clone(&lost));
        spawn_local(async move {
            let info = JsFuture::from(promise).await.unwrap_or_else(|error| error);
            let message = Reflect::get(&info, &"message".into()).ok().and_then(|message| message.as_string());
            note.replace(Some(message.unwrap_or_default()));
        });
        Ok(Self { context, limits, device, lost })
    }

    /// The device type that it was made for.
    pub(super) fn device(&self) -> &'static str {
        self.device
    }

    /// Why the context was lost, once it is.
    pub(super) fn lost(&self) -> Option<String> {
        self.lost.borrow().clone()
    }

    /// The fault behind an error of a call that should have worked.
    pub(super) async fn fault(&self, doing: &str, error: &JsValue) -> Fault {
        // The browser settles `lost` after what it makes fail.
        let turn = JsFuture::from(js_sys::Promise::resolve(&JsValue::NULL)).await;
        if let Some(message) = self.lost().filter(|_| turn.is_ok()) {
            return Fault::new(
                FaultCategory::DeviceLost,
                "webnn-context-lost",
                format!("the WebNN context on {} was lost: {message}", self.device),
            )
            .with_hint("the next run makes a new context");
        }
        let name = error.dyn_ref::<Error>().map(|error| String::from(error.name())).unwrap_or_default();
        if name == "QuotaExceededError" || name == "RangeError" {
            let message = format!("WebNN has no memory to {doing}: {}", words(error));
            return Fault::new(FaultCategory::OutOfMemory, "webnn-memory", message);
        }
        Fault::new(
            FaultCategory::Internal,
            "webnn-failed",
            format!("WebNN failed to {doing}: {}", words(error)),
        )
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        self.context.destroy();
    }
}

async fn create(ml: &Ml, device: &str) -> Result<MlContext, JsValue> {
    let options: MlContextOptions = Object::new().unchecked_into();
    options.set_device_type(device);
    options.set_power_preference("high-performance");
    JsFuture::from(ml.create_context(&options)?).await.map(JsCast::unchecked_into)
}

fn unavailable(reason: &str) -> Fault {
    Fault::new(
        FaultCategory::UnsupportedOperator,
        "backend-unavailable",
        format!("this browser gives no WebNN context: {reason}"),
    )
    .with_hint("use a backend that the worker's capabilities list")
}
