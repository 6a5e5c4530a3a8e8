//! Tensors of a context: what goes into graphs, comes out of them, or stays between two.

use js_sys::{Array, Object, Uint8Array};
use model::webnn::type_name;
use model::{DType, Fact, Tensor};
use wasm_bindgen::prelude::*;
use wire::Fault;

use super::bytes::{input_bytes, output_tensor};
use super::context::Context;
use super::sys::{MlTensor, MlTensorDescriptor};
use crate::fault;
use crate::web::promise::awaited;

/// A value's tensor.
#[derive(Debug)]
pub(super) struct Port {
    /// For faults.
    name: String,
    tensor: MlTensor,
    /// Element type in the context.
    dtype: DType,
    /// Type and shape in the plan.
    fact: Fact,
}

/// What is done with a tensor beside graphs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Uses {
    pub(super) is_written: bool,
    pub(super) is_read: bool,
}

impl Port {
    /// Makes a tensor for a value that has type `dtype` in the context.
    pub(super) async fn new(
        context: &Context,
        name: String,
        fact: Fact,
        dtype: DType,
        uses: Uses,
    ) -> Result<Self, Fault> {
        let descriptor = descriptor(&Fact::new(dtype, fact.dims.clone()));
        descriptor.set_writable(uses.is_written);
        descriptor.set_readable(uses.is_read);
        match awaited(context.context.create_tensor(&descriptor)).await {
            Ok(tensor) => Ok(Self { name, tensor: tensor.unchecked_into(), dtype, fact }),
            Err(error) => Err(context.fault("make a tensor", &error).await),
        }
    }

    pub(super) fn tensor(&self) -> &MlTensor {
        &self.tensor
    }

    /// Queues the elements of a value.
    pub(super) fn write(&self, context: &Context, value: &Tensor) -> Result<Result<(), JsValue>, Fault> {
        let bytes = input_bytes(value, self.dtype)
            .map_err(|(index, value)| fault::input_range(&self.name, index, value))?;
        Ok(with_view(&bytes, |view| context.context.write_tensor(&self.tensor, view)))
    }

    /// Queues a read now; the future gives what it finds.
    pub(super) fn read<'a>(
        &'a self,
        context: &'a Context,
    ) -> impl Future<Output = Result<Tensor, Fault>> + use<'a> {
        let promise = context.context.read_tensor(&self.tensor);
        async move {
            let buffer = match awaited(promise).await {
                Ok(buffer) => buffer,
                Err(error) => return Err(context.fault("read a result", &error).await),
            };
            let bytes = Uint8Array::new(&buffer).to_vec();
            output_tensor(&bytes, self.dtype, &self.fact).ok_or_else(|| {
                fault::operator_failed(None, format!("\"{}\" has {} bytes", self.name, bytes.len()))
            })
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.tensor.destroy_tensor();
    }
}

/// Type and shape, as WebNN takes them.
pub(super) fn descriptor(fact: &Fact) -> MlTensorDescriptor {
    let descriptor: MlTensorDescriptor = Object::new().unchecked_into();
    descriptor.set_data_type(type_name(fact.dtype));
    descriptor.set_shape(&numbers_array(&fact.dims));
    descriptor
}

pub(super) fn numbers_array(numbers: &[usize]) -> Array {
    numbers.iter().map(|&number| JsValue::from(number as f64)).collect()
}

/// Shows bytes to JavaScript without a copy.
#[expect(unsafe_code, reason = "a view of our memory, which WebNN copies before it returns")]
pub(super) fn with_view<T>(bytes: &[u8], call: impl FnOnce(&Uint8Array) -> T) -> T {
    // SAFETY: the view ends with this call, and WebNN's methods do not call back into us, so the memory does not grow while
    // they read it.
    call(&unsafe { Uint8Array::view(bytes) })
}
