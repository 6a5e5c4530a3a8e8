//! WebNN as `wasm-bindgen` sees it: `web-sys` does not have it.

use js_sys::{Array, Object, Promise, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::GpuDevice;

#[wasm_bindgen]
extern "C" {
    type Navigator;

    #[wasm_bindgen(thread_local_v2, js_name = navigator)]
    static NAVIGATOR: Navigator;

    #[wasm_bindgen(method, getter)]
    fn ml(this: &Navigator) -> Option<Ml>;

    /// `ML`
    pub(crate) type Ml;

    /// Gives an [`MlContext`].
    #[wasm_bindgen(method, catch, js_name = createContext)]
    pub(crate) fn create_context(this: &Ml, options: &MlContextOptions) -> Result<Promise, JsValue>;

    /// `MLContextOptions`
    pub(crate) type MlContextOptions;

    #[wasm_bindgen(method, setter, js_name = deviceType)]
    pub(crate) fn set_device_type(this: &MlContextOptions, device_type: &str);

    #[wasm_bindgen(method, setter, js_name = powerPreference)]
    pub(crate) fn set_power_preference(this: &MlContextOptions, power_preference: &str);

    /// `MLContext`
    #[derive(Debug, Clone)]
    pub(crate) type MlContext;

    /// Resolves, when the context is lost, to an object with a message.
    #[wasm_bindgen(method, getter)]
    pub(crate) fn lost(this: &MlContext) -> Promise;

    #[wasm_bindgen(method, js_name = opSupportLimits)]
    pub(crate) fn op_support_limits(this: &MlContext) -> JsValue;

    /// Gives an [`MlTensor`].
    #[wasm_bindgen(method, catch, js_name = createTensor)]
    pub(crate) fn create_tensor(
        this: &MlContext,
        descriptor: &MlTensorDescriptor,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = writeTensor)]
    pub(crate) fn write_tensor(this: &MlContext, tensor: &MlTensor, data: &Uint8Array)
    -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn dispatch(
        this: &MlContext,
        graph: &MlGraph,
        inputs: &Object,
        outputs: &Object,
    ) -> Result<(), JsValue>;

    /// Gives an `ArrayBuffer`.
    #[wasm_bindgen(method, catch, js_name = readTensor)]
    pub(crate) fn read_tensor(this: &MlContext, tensor: &MlTensor) -> Result<Promise, JsValue>;

    /// Gives an [`MlTensor`] that WebGPU can have; not every browser has the method.
    #[wasm_bindgen(method, catch, js_name = createExportableTensor)]
    pub(crate) fn create_exportable_tensor(
        this: &MlContext,
        descriptor: &MlTensorDescriptor,
        device: &GpuDevice,
    ) -> Result<Promise, JsValue>;

    /// Gives a `GPUBuffer`, and the tensor to WebGPU until that is destroyed.
    #[wasm_bindgen(method, catch, js_name = exportToGPU)]
    pub(crate) fn export_to_gpu(this: &MlContext, tensor: &MlTensor) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method)]
    pub(crate) fn destroy(this: &MlContext);

    /// `MLTensorDescriptor`, and `MLOperandDescriptor` with its first two members.
    pub(crate) type MlTensorDescriptor;

    #[wasm_bindgen(method, setter, js_name = dataType)]
    pub(crate) fn set_data_type(this: &MlTensorDescriptor, data_type: &str);

    #[wasm_bindgen(method, setter)]
    pub(crate) fn set_shape(this: &MlTensorDescriptor, shape: &Array);

    #[wasm_bindgen(method, setter)]
    pub(crate) fn set_readable(this: &MlTensorDescriptor, readable: bool);

    #[wasm_bindgen(method, setter)]
    pub(crate) fn set_writable(this: &MlTensorDescriptor, writable: bool);

    /// `MLTensor`
    #[derive(Debug)]
    pub(crate) type MlTensor;

    #[wasm_bindgen(method, js_name = destroy)]
    pub(crate) fn destroy_tensor(this: &MlTensor);

    /// `MLGraph`
    #[derive(Debug)]
    pub(crate) type MlGraph;

    /// The device types that the graph is for, where the browser tells.
    #[wasm_bindgen(method, getter)]
    pub(crate) fn devices(this: &MlGraph) -> Option<Array>;

    #[wasm_bindgen(method, js_name = destroy)]
    pub(crate) fn destroy_graph(this: &MlGraph);

    /// `MLOperand`
    pub(crate) type MlOperand;

    /// `MLGraphBuilder`; its methods that make operands of operands are called by name.
    pub(crate) type MlGraphBuilder;

    #[wasm_bindgen(constructor, catch, js_class = "MLGraphBuilder")]
    pub(crate) fn new(context: &MlContext) -> Result<MlGraphBuilder, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn input(
        this: &MlGraphBuilder,
        name: &str,
        descriptor: &MlTensorDescriptor,
    ) -> Result<MlOperand, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn constant(
        this: &MlGraphBuilder,
        descriptor: &MlTensorDescriptor,
        data: &Uint8Array,
    ) -> Result<MlOperand, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn identity(this: &MlGraphBuilder, input: &MlOperand) -> Result<MlOperand, JsValue>;

    /// Gives an [`MlGraph`].
    #[wasm_bindgen(method, catch)]
    pub(crate) fn build(this: &MlGraphBuilder, outputs: &Object) -> Result<Promise, JsValue>;
}

/// `navigator.ml`, where the browser has it.
pub(crate) fn navigator_ml() -> Option<Ml> {
    NAVIGATOR.with(Navigator::ml)
}
