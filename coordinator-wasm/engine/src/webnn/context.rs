//! A context of WebNN: what it can do, and whether it is still there.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Error, JSON, Object, Promise, Reflect};
use model::webnn::Limits;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use wire::{Fault, FaultCategory};

use super::device::Device;
use super::limits::read_limits;
use super::sys::{self, Ml, MlContext, MlContextOptions};
use super::trial::graph_devices;
use crate::web::capabilities::words;
use crate::web::promise::awaited;

/// One context and its limits.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) context: MlContext,
    pub(super) limits: Limits,
    /// The device type, and what the browser says that graphs for it are for.
    detail: String,
    lost: Rc<RefCell<Option<String>>>,
}

impl Context {
    /// A context for a device type.
    pub(super) async fn open(device: Device) -> Result<Self, Fault> {
        let Some(ml) = sys::navigator_ml() else { return Err(unavailable("navigator.ml is undefined")) };
        let context = awaited(create(&ml, device)).await;
        let context: MlContext = context.map_err(|error| unavailable(&words(&error)))?.unchecked_into();
        let devices = graph_devices(&context).await.map_err(|reason| unavailable(&reason))?;
        let name = device.as_str();
        let detail = if devices.is_empty() || devices == [name] {
            name.to_owned()
        } else {
            format!("{name} ({})", devices.join(", "))
        };
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
        Ok(Self { context, limits, detail, lost })
    }

    /// The device type that it was made for, and what the browser says of that.
    pub(super) fn detail(&self) -> &str {
        &self.detail
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
                format!("the WebNN context on {} was lost: {message}", self.detail),
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

/// Gives an [`MlContext`].
pub(super) fn create(ml: &Ml, device: Device) -> Result<Promise, JsValue> {
    let options: MlContextOptions = Object::new().unchecked_into();
    options.set_device_type(device.as_str());
    options.set_power_preference(device.power_preference());
    ml.create_context(&options)
}

fn unavailable(reason: &str) -> Fault {
    Fault::new(
        FaultCategory::UnsupportedOperator,
        "backend-unavailable",
        format!("this browser gives no WebNN context: {reason}"),
    )
    .with_hint("use a backend that the worker's capabilities list")
}
