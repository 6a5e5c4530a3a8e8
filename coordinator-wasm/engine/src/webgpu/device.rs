//! One WebGPU device: what it can do, its pipelines, its memory, and how it fails.

use std::cell::{RefCell, RefMut};
use std::collections::BTreeMap;
use std::rc::Rc;

use js_sys::{JsString, Object, Promise, Reflect};
use model::webgpu::{Choices, Target};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    Gpu, GpuAdapter, GpuAutoLayoutMode, GpuBufferDescriptor, GpuComputePipeline,
    GpuComputePipelineDescriptor, GpuDevice, GpuDeviceDescriptor, GpuDeviceLostInfo, GpuError,
    GpuErrorFilter, GpuOutOfMemoryError, GpuProgrammableStage, GpuShaderModuleDescriptor, GpuSupportedLimits,
    GpuUncapturedErrorEvent,
};
use wire::{Adapter, Fault};

use super::buffer::{Account, Buffer};
use super::settings::Settings;
use super::{choices, fault};
use crate::web::capabilities::{described, words};
use crate::web::promise::{Failure, within};
use crate::web::sys::{self, Navigator};

/// Time for an adapter, a device or an error scope, milliseconds.
const PATIENCE_MILLIS: i32 = 10_000;
/// Time for a shader, milliseconds: software adapters take seconds.
const COMPILE_MILLIS: i32 = 120_000;
/// Time for a run, milliseconds.
const RUN_MILLIS: i32 = 120_000;
/// Time in which a failed operation is followed by the news that its device is lost, milliseconds.
const LOSS_MILLIS: i32 = 300;
/// How often Firefox is made to look for finished work, milliseconds: by itself it does so every 100.
const TICK_MILLIS: i32 = 2;
/// `GPUMapMode.READ`.
const MAP_READ: u32 = 1;
/// Most staging buffers that are kept.
const MAX_STAGING: usize = 4;

/// Names of limits that kernels are chosen by.
const BINDING: &str = "maxStorageBufferBindingSize";
const BUFFER: &str = "maxBufferSize";
const STORAGE_BUFFERS: &str = "maxStorageBuffersPerShaderStage";
const WORKGROUPS: &str = "maxComputeWorkgroupsPerDimension";

/// Features that are asked for where the adapter has them.
const FEATURES: [&str; 3] = ["timestamp-query", "shader-f16", "subgroups"];

/// Usages of a buffer that shaders bind: `STORAGE | COPY_SRC | COPY_DST`.
pub(super) const STORAGE: u32 = 0x80 | 0x4 | 0x8;
/// Usages of a buffer of parameters: `UNIFORM | COPY_DST`.
pub(super) const UNIFORM: u32 = 0x40 | 0x8;
/// Usages of a buffer that results are read from: `MAP_READ | COPY_DST`.
const STAGING: u32 = 0x1 | 0x8;
/// Usages of a buffer that queries are resolved into: `QUERY_RESOLVE | COPY_SRC`.
pub(super) const QUERIES: u32 = 0x200 | 0x4;

/// What error scopes tell apart.
const FILTERS: [GpuErrorFilter; 2] = [GpuErrorFilter::OutOfMemory, GpuErrorFilter::Validation];

/// What a call gave, with the error scopes around it.
pub(super) struct Watched<T> {
    made: Result<T, Fault>,
    scopes: [Promise; 2],
}

/// What went wrong outside of any call, the first of it.
#[derive(Default)]
struct News {
    lost: RefCell<Option<String>>,
    error: RefCell<Option<Fault>>,
}

pub(super) struct Device {
    gpu: GpuDevice,
    name: String,
    adapter: Adapter,
    /// Without choices.
    target: Target,
    choices: RefCell<Choices>,
    has_timestamps: bool,
    run_millis: i32,
    /// The browser looks for finished work only when it is asked.
    needs_ticks: bool,
    news: Rc<News>,
    pipelines: RefCell<BTreeMap<String, Promise>>,
    staging: RefCell<Vec<Buffer>>,
    account: Account,
    /// Kept for the device, which calls it.
    _on_error: Closure<dyn FnMut(GpuUncapturedErrorEvent)>,
}

impl Device {
    /// Asks for an adapter and a device with all that the adapter has.
    pub(super) async fn request() -> Result<Rc<Self>, Fault> {
        let gpu = sys::NAVIGATOR.with(Navigator::gpu);
        if gpu.is_undefined() {
            return Err(fault::no_adapter("navigator.gpu is undefined"));
        }
        let asked = gpu.unchecked_into::<Gpu>().request_adapter().unchecked_into();
        let adapter = answer(&asked, "give an adapter").await?;
        if adapter.is_null() {
            return Err(fault::no_adapter("requestAdapter() gave null"));
        }
        let adapter: GpuAdapter = adapter.unchecked_into();
        let settings = Settings::of_worker()?;
        let asked = adapter.request_device_with_descriptor(&descriptor(&adapter, &settings)).unchecked_into();
        let gpu: GpuDevice = answer(&asked, "start").await?.unchecked_into();
        let (limits, features, info) = (gpu.limits(), gpu.features(), adapter.info());
        let described = described(&adapter);
        let choices = choices::known(&described, &settings).await;
        let names = [info.architecture(), info.description(), info.vendor()];
        let unnamed = if info.is_fallback_adapter() { "fallback" } else { "unnamed" };
        let name = names.into_iter().find(|name| !name.is_empty()).unwrap_or_else(|| unnamed.to_owned());
        let target = Target {
            is_software: info.is_fallback_adapter(),
            compiles_slowly: info.architecture() == "swiftshader",
            // A device never has less than WebGPU's default limits, whatever it was asked for.
            max_binding_bytes: settings.lowered(BINDING, limits.max_storage_buffer_binding_size()) as u64,
            max_buffer_bytes: settings.lowered(BUFFER, limits.max_buffer_size()) as u64,
            max_storage_buffers: settings
                .lowered(STORAGE_BUFFERS, f64::from(limits.max_storage_buffers_per_shader_stage()))
                as usize,
            max_workgroups: settings
                .lowered(WORKGROUPS, f64::from(limits.max_compute_workgroups_per_dimension()))
                as u32,
            has_f16: features.has("shader-f16"),
            has_subgroups: features.has("subgroups"),
            choices: Choices::default(),
        };
        let (news, account) = (Rc::new(News::default()), Account::default());
        let on_error = Closure::new({
            let (news, account) = (Rc::clone(&news), account.clone());
            move |event: GpuUncapturedErrorEvent| {
                news.error.borrow_mut().get_or_insert_with(|| gpu_fault(&event.error(), &account));
            }
        });
        gpu.set_onuncapturederror(Some(on_error.as_ref().unchecked_ref()));
        let (lost, note): (Promise, _) = (gpu.lost().unchecked_into(), Rc::clone(&news));
        spawn_local(async move {
            if let Ok(info) = JsFuture::from(lost).await {
                note.lost.replace(Some(reason(&info.unchecked_into())));
            }
        });
        Ok(Rc::new(Self {
            gpu,
            name,
            adapter: described,
            target,
            choices: RefCell::new(choices),
            has_timestamps: features.has("timestamp-query"),
            run_millis: settings.run_seconds.map_or(RUN_MILLIS, |seconds| seconds.saturating_mul(1000)),
            needs_ticks: sys::NAVIGATOR.with(Navigator::user_agent).contains("Firefox/"),
            news,
            pipelines: RefCell::default(),
            staging: RefCell::default(),
            account,
            _on_error: on_error,
        }))
    }

    pub(super) fn gpu(&self) -> &GpuDevice {
        &self.gpu
    }

    /// What the adapter calls itself, and whether kernels are chosen otherwise than by default.
    pub(super) fn detail(&self) -> String {
        let choices = self.choices.borrow();
        let mut detail = format!("webgpu {}", self.name);
        for variant in &choices.forced {
            detail += &format!(" {variant}");
        }
        if !choices.measured.is_empty() {
            detail += " tuned";
        }
        detail
    }

    /// The adapter as the browser describes it.
    pub(super) fn adapter(&self) -> &Adapter {
        &self.adapter
    }

    /// What kernels are chosen for.
    pub(super) fn target(&self) -> Target {
        self.target_with(self.choices.borrow().clone())
    }

    /// The same with other choices.
    pub(super) fn target_with(&self, choices: Choices) -> Target {
        Target { choices, ..self.target.clone() }
    }

    /// Which variants replace the default ones.
    pub(super) fn choices(&self) -> RefMut<'_, Choices> {
        self.choices.borrow_mut()
    }

    /// True when kernels can be timed one by one.
    pub(super) fn has_timestamps(&self) -> bool {
        self.has_timestamps
    }

    pub(super) fn is_lost(&self) -> bool {
        self.news.lost.borrow().is_some()
    }

    /// A buffer with unspecified contents.
    pub(super) fn buffer(&self, size_bytes: u64, usage: u32) -> Result<Buffer, Fault> {
        let descriptor = GpuBufferDescriptor::new_with_f64(size_bytes as f64, usage);
        let buffer = self
            .gpu
            .create_buffer(&descriptor)
            .map_err(|error| fault::out_of_memory(&words(&error), self.account.bytes()))?;
        Ok(Buffer::new(buffer, size_bytes, &self.account))
    }

    /// Copies bytes, a multiple of 4, to the front of a buffer.
    pub(super) fn write(&self, buffer: &Buffer, bytes: &[u8]) -> Result<(), Fault> {
        self.write_at(buffer, 0, bytes)
    }

    /// Copies bytes, a multiple of 4, to a place in a buffer.
    pub(super) fn write_at(&self, buffer: &Buffer, offset_bytes: u64, bytes: &[u8]) -> Result<(), Fault> {
        let queue = self.gpu.queue();
        let written = queue.write_buffer_with_f64_and_u8_slice(buffer.gpu(), offset_bytes as f64, bytes);
        written.map_err(|error| fault::refused(&words(&error)))
    }

    /// Calls `make`, and waits for what the device has to say about it.
    pub(super) async fn watched<T>(&self, make: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
        self.settled(self.watch(make)).await
    }

    /// Calls `make`; what the device has to say about it comes later.
    pub(super) fn watch<T>(&self, make: impl FnOnce() -> Result<T, Fault>) -> Watched<T> {
        FILTERS.into_iter().for_each(|filter| self.gpu.push_error_scope(filter));
        let made = make();
        Watched { made, scopes: FILTERS.map(|_| self.gpu.pop_error_scope().unchecked_into()) }
    }

    /// What was made, once the device has said that it is as it should be.
    pub(super) async fn settled<T>(&self, Watched { made, scopes }: Watched<T>) -> Result<T, Fault> {
        // The scope that was opened last is closed first. What is out of memory makes what uses it invalid.
        for scope in scopes.iter().rev() {
            match within(scope, PATIENCE_MILLIS).await {
                Ok(error) if error.is_null() => {}
                Ok(error) => return Err(gpu_fault(&error.unchecked_into(), &self.account)),
                Err(failure) => {
                    return Err(self.explain(failure, "check what it was asked for", PATIENCE_MILLIS).await);
                }
            }
        }
        made
    }

    /// Starts to compile what is not compiled yet.
    pub(super) fn compile(&self, shaders: &[String]) {
        let mut pipelines = self.pipelines.borrow_mut();
        for text in shaders {
            if pipelines.contains_key(text) {
                continue;
            }
            let module = self.gpu.create_shader_module(&GpuShaderModuleDescriptor::new(text));
            let stage = GpuProgrammableStage::new(&module);
            stage.set_entry_point("main");
            let descriptor =
                GpuComputePipelineDescriptor::new_with_gpu_auto_layout_mode(GpuAutoLayoutMode::Auto, &stage);
            let promise: Promise = self.gpu.create_compute_pipeline_async(&descriptor).unchecked_into();
            pipelines.insert(text.clone(), promise.clone());
            // Whoever needs the pipeline learns of a failure; until then nobody else listens.
            spawn_local(async { drop(JsFuture::from(promise).await) });
        }
    }

    /// One pipeline per shader.
    pub(super) async fn pipelines(&self, shaders: &[String]) -> Result<Vec<GpuComputePipeline>, Fault> {
        self.compile(shaders);
        let mut compiled = Vec::with_capacity(shaders.len());
        for text in shaders {
            let promise = self.pipelines.borrow().get(text).cloned();
            let Some(promise) = promise else { continue };
            match within(&promise, COMPILE_MILLIS).await {
                Ok(pipeline) => compiled.push(pipeline.unchecked_into()),
                Err(failure) => {
                    self.pipelines.borrow_mut().remove(text);
                    return Err(self.explain(failure, "compile a shader", COMPILE_MILLIS).await);
                }
            }
        }
        Ok(compiled)
    }

    /// Forgets pipelines that nobody will ask for again.
    pub(super) fn forget(&self, shaders: &[String]) {
        let mut pipelines = self.pipelines.borrow_mut();
        for text in shaders {
            pipelines.remove(text);
        }
    }

    /// A buffer for results of at least a size.
    pub(super) fn staging(&self, size_bytes: u64) -> Result<Buffer, Fault> {
        let mut free = self.staging.borrow_mut();
        let fits = (0..free.len()).filter(|&index| free[index].size_bytes() >= size_bytes);
        match fits.min_by_key(|&index| free[index].size_bytes()) {
            Some(index) => Ok(free.swap_remove(index)),
            None => self.buffer(size_bytes, STAGING),
        }
    }

    /// Waits until a staging buffer holds its results, hands the first `n_bytes` to `read`, and keeps the buffer for the
    /// next run.
    pub(super) async fn read<T>(
        &self,
        buffer: Buffer,
        n_bytes: u64,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, Fault> {
        let mapped: Promise = buffer.gpu().map_async(MAP_READ).unchecked_into();
        let settled = if self.needs_ticks {
            let tick = || self.gpu.queue().submit(&[]);
            within_ticking(&mapped, self.run_millis, TICK_MILLIS, tick).await
        } else {
            within(&mapped, self.run_millis).await
        };
        if let Err(failure) = settled {
            return Err(self.explain(failure, "finish a run", self.run_millis).await);
        }
        if let Some(fault) = self.news.error.borrow_mut().take() {
            return Err(fault);
        }
        let range = buffer.gpu().get_mapped_range_with_f64_and_f64(0.0, n_bytes as f64);
        let range = range.map_err(|error| fault::refused(&words(&error)))?;
        let result = read(&js_sys::Uint8Array::new(&range).to_vec());
        buffer.gpu().unmap();
        let mut free = self.staging.borrow_mut();
        if free.len() < MAX_STAGING {
            free.push(buffer);
        }
        Ok(result)
    }

    /// The fault behind an operation that gave nothing: a lost device before anything else.
    async fn explain(&self, failure: Failure, what: &str, limit_millis: i32) -> Fault {
        let lost: Promise = self.gpu.lost().unchecked_into();
        if let Ok(info) = within(&lost, LOSS_MILLIS).await {
            return fault::device_lost(&reason(&info.unchecked_into()));
        }
        if let Some(fault) = self.news.error.borrow_mut().take() {
            return fault;
        }
        match failure {
            Failure::Late => fault::timeout(what, limit_millis),
            Failure::Rejected(error) => fault::refused(&words(&error)),
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.gpu.set_onuncapturederror(None);
        self.gpu.destroy();
    }
}

async fn answer(promise: &Promise, what: &str) -> Result<JsValue, Fault> {
    within(promise, PATIENCE_MILLIS).await.map_err(|failure| match failure {
        Failure::Late => fault::timeout(what, PATIENCE_MILLIS),
        Failure::Rejected(error) => fault::no_adapter(&words(&error)),
    })
}

/// Asks for the adapter's features, and for its limits where the default ones may be too small.
fn descriptor(adapter: &GpuAdapter, settings: &Settings) -> GpuDeviceDescriptor {
    let required = Object::new();
    for (name, value) in raised(&adapter.limits()) {
        // Setting a property of a plain object does not fail.
        Reflect::set(&required, &JsString::from(name), &JsValue::from_f64(settings.lowered(name, value)))
            .unwrap_or_default();
    }
    let features = adapter.features();
    let wanted: Vec<JsString> =
        FEATURES.into_iter().filter(|name| features.has(name)).map(JsString::from).collect();
    let descriptor = GpuDeviceDescriptor::new();
    descriptor.set_required_limits(required.unchecked_ref());
    descriptor.set_required_features(&wanted);
    descriptor
}

fn raised(limits: &GpuSupportedLimits) -> [(&'static str, f64); 3] {
    [
        (BUFFER, limits.max_buffer_size()),
        (BINDING, limits.max_storage_buffer_binding_size()),
        (STORAGE_BUFFERS, f64::from(limits.max_storage_buffers_per_shader_stage())),
    ]
}

fn reason(info: &GpuDeviceLostInfo) -> String {
    format!("{:?}, {}", info.reason(), info.message()).replace('\n', " ")
}

/// By class: the words differ between browsers.
fn gpu_fault(error: &GpuError, account: &Account) -> Fault {
    if error.has_type::<GpuOutOfMemoryError>() {
        fault::out_of_memory(&error.message(), account.bytes())
    } else {
        fault::refused(&error.message().replace('\n', " "))
    }
}

/// Awaits `promise` for at most `limit_millis`, calling `tick` every `tick_millis` until it is settled.
async fn within_ticking(
    promise: &Promise,
    limit_millis: i32,
    tick_millis: i32,
    tick: impl Fn(),
) -> Result<JsValue, Failure> {
    for _ in 0..limit_millis / tick_millis {
        match within(promise, tick_millis).await {
            Err(Failure::Late) => tick(),
            settled => return settled,
        }
    }
    Err(Failure::Late)
}
