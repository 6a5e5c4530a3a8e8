//! A program with its buffers and bind groups on one device.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use model::Tensor;
use model::webgpu::{self as gpu, Content, Packing, Program, Tunable};
use web_sys::{
    GpuBindGroup, GpuBindGroupDescriptor, GpuBindGroupEntry, GpuBufferBinding, GpuCommandEncoder,
    GpuComputePassDescriptor, GpuComputePassEncoder, GpuComputePassTimestampWrites, GpuComputePipeline,
    GpuQuerySetDescriptor, GpuQueryType,
};
use wire::{Fault, Profile, Span};

use super::buffer::Buffer;
use super::device::{Device, QUERIES, STORAGE, UNIFORM};
use super::fault;
use crate::web::capabilities::words;

/// Offsets of uniform bindings are multiples of this on every adapter, bytes.
const UNIFORM_ALIGNMENT: usize = 256;
/// Calls that one set of queries times: WebGPU allows 4096 queries in it, and a call takes two.
const CALLS_PER_QUERY_SET: usize = 2048;

/// Weights of a model on a device, shared by its shape classes.
#[derive(Default)]
pub(super) struct Weights {
    /// By the address of the weight and its layout.
    resident: BTreeMap<(*const Tensor, Packing), Weight>,
}

struct Weight {
    buffer: Rc<Buffer>,
    /// Kept alive, so that no other gets its address.
    _tensor: Arc<Tensor>,
}

impl Weights {
    /// Uploads what is not on the device yet.
    pub(super) fn upload(&mut self, device: &Device, program: &Program) -> Result<(), Fault> {
        for buffer in &program.buffers {
            if let Content::Constant(tensor, packing) = &buffer.content {
                self.get(device, tensor, *packing, buffer.size_bytes)?;
            }
        }
        Ok(())
    }

    fn get(
        &mut self,
        device: &Device,
        tensor: &Arc<Tensor>,
        packing: Packing,
        size_bytes: u64,
    ) -> Result<Rc<Buffer>, Fault> {
        let key = (Arc::as_ptr(tensor), packing);
        if let Some(weight) = self.resident.get(&key) {
            return Ok(Rc::clone(&weight.buffer));
        }
        let bytes = packing.bytes(tensor).map_err(|wide| fault::wide_weight(&wide))?;
        let buffer = Rc::new(device.buffer(size_bytes, STORAGE)?);
        device.write(&buffer, &bytes)?;
        let weight = Weight { buffer: Rc::clone(&buffer), _tensor: Arc::clone(tensor) };
        self.resident.insert(key, weight);
        Ok(buffer)
    }
}

/// One dispatch, encoded as far as it can be before a run.
struct Call {
    pipeline: GpuComputePipeline,
    bind_group: GpuBindGroup,
    workgroups: [u32; 3],
    kernel: &'static str,
    node: String,
    n_flops: u64,
}

impl Call {
    fn encode(&self, pass: &GpuComputePassEncoder) {
        let [x, y, z] = self.workgroups;
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, Some(&self.bind_group));
        pass.dispatch_workgroups_with_workgroup_count_y_and_workgroup_count_z(x, y, z);
    }
}

/// A program that is ready to run.
pub(super) struct Executable {
    device: Rc<Device>,
    calls: Vec<Call>,
    buffers: Vec<Rc<Buffer>>,
    /// Index of each input among the buffers; `None` for one that nothing reads.
    inputs: Vec<Option<usize>>,
    outputs: Vec<gpu::Output>,
    tunables: Vec<Tunable>,
    /// Bound by the calls.
    _params: Buffer,
}

impl Executable {
    pub(super) fn new(
        device: &Rc<Device>,
        program: Program,
        pipelines: &[GpuComputePipeline],
        weights: &mut Weights,
    ) -> Result<Self, Fault> {
        let mut inputs = Vec::new();
        let mut buffers = Vec::with_capacity(program.buffers.len());
        for (index, buffer) in program.buffers.iter().enumerate() {
            buffers.push(match &buffer.content {
                Content::Constant(tensor, packing) => {
                    weights.get(device, tensor, *packing, buffer.size_bytes)?
                }
                Content::Scratch => Rc::new(device.buffer(buffer.size_bytes, STORAGE)?),
                Content::Input(position) => {
                    inputs.resize(inputs.len().max(position + 1), None);
                    inputs[*position] = Some(index);
                    Rc::new(device.buffer(buffer.size_bytes, STORAGE)?)
                }
            });
        }
        let (params, places) = upload_params(device, &program)?;
        let layouts: Vec<_> = pipelines.iter().map(|pipeline| pipeline.get_bind_group_layout(0)).collect();
        let calls = program.dispatches.iter().zip(places).map(|(dispatch, (offset, size))| {
            let binding = GpuBufferBinding::new(params.gpu());
            binding.set_offset(offset);
            binding.set_size(size);
            let bound = dispatch.bindings.iter().enumerate();
            let entries: Vec<GpuBindGroupEntry> =
                std::iter::once(GpuBindGroupEntry::new_with_gpu_buffer_binding(0, &binding))
                    .chain(bound.map(|(index, &buffer)| {
                        GpuBindGroupEntry::new_with_gpu_buffer(index as u32 + 1, buffers[buffer].gpu())
                    }))
                    .collect();
            let descriptor = GpuBindGroupDescriptor::new(&entries, &layouts[dispatch.shader]);
            Call {
                pipeline: pipelines[dispatch.shader].clone(),
                bind_group: device.gpu().create_bind_group(&descriptor),
                workgroups: dispatch.workgroups,
                kernel: dispatch.kernel,
                node: dispatch.node.clone(),
                n_flops: dispatch.n_flops,
            }
        });
        let calls = calls.collect();
        Ok(Self {
            device: Rc::clone(device),
            calls,
            buffers,
            inputs,
            outputs: program.outputs,
            tunables: program.tunables,
            _params: params,
        })
    }

    pub(super) fn device(&self) -> &Rc<Device> {
        &self.device
    }

    /// What could be computed in other ways.
    pub(super) fn tunables(&self) -> &[Tunable] {
        &self.tunables
    }

    /// Submits a run; the future waits for the outputs named in `wanted`, in that order. Names that the program does not
    /// have are left out.
    pub(super) fn run(
        &self,
        inputs: &[Tensor],
        wanted: &[&str],
    ) -> Result<impl Future<Output = Result<Vec<Tensor>, Fault>> + use<>, Fault> {
        self.run_repeatedly(inputs, wanted, 1)
    }

    /// The same, but everything is computed `n_times` in the one submission.
    pub(super) fn run_repeatedly(
        &self,
        inputs: &[Tensor],
        wanted: &[&str],
        n_times: usize,
    ) -> Result<impl Future<Output = Result<Vec<Tensor>, Fault>> + use<>, Fault> {
        self.write(inputs)?;
        let gpu = self.device.gpu();
        let encoder = gpu.create_command_encoder();
        let pass = encoder.begin_compute_pass();
        for _ in 0..n_times {
            self.calls.iter().for_each(|call| call.encode(&pass));
        }
        pass.end();
        let outputs: Vec<gpu::Output> = wanted
            .iter()
            .filter_map(|name| self.outputs.iter().find(|output| output.name == *name).cloned())
            .collect();
        let size_bytes = |output: &gpu::Output| model::tensor::n_elements(&output.dims) as u64 * 4;
        let total: u64 = outputs.iter().map(size_bytes).sum();
        let staging = self.device.staging(total.max(4))?;
        let mut offset = 0;
        for output in &outputs {
            let size = size_bytes(output);
            copy(&encoder, &self.buffers[output.buffer], &staging, offset, size)?;
            offset += size;
        }
        gpu.queue().submit(&[encoder.finish()]);
        let device = Rc::clone(&self.device);
        Ok(async move {
            device
                .read(staging, total, |bytes| {
                    let mut rest = bytes;
                    let tensor = |output: gpu::Output| {
                        let (own, after) = rest.split_at_checked(size_bytes(&output) as usize)?;
                        rest = after;
                        Tensor::new(output.dims, gpu::from_elements(output.dtype, own))
                    };
                    outputs.into_iter().map(tensor).collect::<Option<Vec<_>>>()
                })
                .await?
                .ok_or_else(|| fault::refused("fewer bytes came back than were asked for"))
        })
    }
}

impl Executable {
    fn write(&self, inputs: &[Tensor]) -> Result<(), Fault> {
        for (index, input) in inputs.iter().enumerate() {
            if let Some(buffer) = self.inputs.get(index).copied().flatten() {
                let bytes = gpu::elements(input.data()).map_err(|wide| fault::wide_input(index, &wide))?;
                self.device.write(&self.buffers[buffer], &bytes)?;
            }
        }
        Ok(())
    }

    /// Runs with every call in a pass of its own, whose start and end the adapter's clock tells.
    pub(super) async fn profile(&self, inputs: &[Tensor]) -> Result<Profile, Fault> {
        self.write(inputs)?;
        let mut nanos: Vec<u64> = Vec::new();
        for calls in self.calls.chunks(CALLS_PER_QUERY_SET) {
            nanos.extend(self.times(calls).await?);
        }
        let first = nanos.first().copied().unwrap_or_default();
        // Clocks of some adapters step back by a tick.
        let micros = |from: u64, to: u64| to.saturating_sub(from) as f64 / 1e3;
        let spans = self.calls.iter().zip(nanos.as_chunks().0).map(|(call, &[start, end])| Span {
            kernel: call.kernel.to_owned(),
            node: call.node.clone(),
            start_micros: micros(first, start),
            micros: micros(start, end),
            n_flops: call.n_flops,
        });
        Ok(Profile { clock: "timestamp-query".to_owned(), spans: spans.collect() })
    }

    /// Start and end of each call, nanoseconds.
    async fn times(&self, calls: &[Call]) -> Result<Vec<u64>, Fault> {
        let gpu = self.device.gpu();
        let n_queries = 2 * calls.len() as u32;
        let n_bytes = u64::from(n_queries) * 8;
        let descriptor = GpuQuerySetDescriptor::new(n_queries, GpuQueryType::Timestamp);
        let queries = gpu.create_query_set(&descriptor).map_err(|error| fault::refused(&words(&error)))?;
        let resolved = self.device.buffer(n_bytes, QUERIES)?;
        let staging = self.device.staging(n_bytes)?;
        let encoder = gpu.create_command_encoder();
        for (index, call) in calls.iter().enumerate() {
            let writes = GpuComputePassTimestampWrites::new(&queries);
            writes.set_beginning_of_pass_write_index(2 * index as u32);
            writes.set_end_of_pass_write_index(2 * index as u32 + 1);
            let descriptor = GpuComputePassDescriptor::new();
            descriptor.set_timestamp_writes(&writes);
            let pass = encoder.begin_compute_pass_with_descriptor(&descriptor);
            call.encode(&pass);
            pass.end();
        }
        encoder.resolve_query_set_with_u32(&queries, 0, n_queries, resolved.gpu(), 0);
        copy(&encoder, &resolved, &staging, 0, n_bytes)?;
        gpu.queue().submit(&[encoder.finish()]);
        let read = |bytes: &[u8]| bytes.as_chunks().0.iter().copied().map(u64::from_le_bytes).collect();
        let times = self.device.read(staging, n_bytes, read).await;
        queries.destroy();
        times
    }
}

fn copy(
    encoder: &GpuCommandEncoder,
    from: &Buffer,
    to: &Buffer,
    offset_bytes: u64,
    n_bytes: u64,
) -> Result<(), Fault> {
    let (offset, size) = (offset_bytes as f64, n_bytes as f64);
    let copied =
        encoder.copy_buffer_to_buffer_with_f64_and_f64_and_f64(from.gpu(), 0.0, to.gpu(), offset, size);
    copied.map_err(|error| fault::refused(&words(&error)))
}

/// All parameters in one buffer, with offset and size of each dispatch's.
fn upload_params(device: &Device, program: &Program) -> Result<(Buffer, Vec<(u32, u32)>), Fault> {
    let mut bytes: Vec<u8> = Vec::new();
    let mut places = Vec::with_capacity(program.dispatches.len());
    for dispatch in &program.dispatches {
        bytes.resize(bytes.len().next_multiple_of(UNIFORM_ALIGNMENT), 0);
        let offset = bytes.len();
        bytes.extend(dispatch.params.iter().flat_map(|word| word.to_le_bytes()));
        bytes.resize(bytes.len().next_multiple_of(16).max(offset + 16), 0);
        places.push((offset as u32, (bytes.len() - offset) as u32));
    }
    bytes.resize(bytes.len().max(16), 0);
    let buffer = device.buffer(bytes.len() as u64, UNIFORM)?;
    device.write(&buffer, &bytes)?;
    Ok((buffer, places))
}
