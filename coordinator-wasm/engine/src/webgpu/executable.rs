//! A program with its buffers and bind groups on one device.

use std::rc::Rc;

use model::webgpu::{self as gpu, Content, Program, Tunable};
use model::{Fact, Tensor};
use web_sys::{
    GpuBindGroup, GpuBindGroupDescriptor, GpuBindGroupEntry, GpuBufferBinding, GpuCommandEncoder,
    GpuComputePassDescriptor, GpuComputePassEncoder, GpuComputePassTimestampWrites, GpuComputePipeline,
    GpuQuerySetDescriptor, GpuQueryType,
};
use wire::{Fault, Profile, Span};

use super::buffer::Buffer;
use super::device::{Device, QUERIES, STORAGE, UNIFORM};
use super::fault;
use super::weights::Weights;
use crate::planned::Operand;
use crate::web::capabilities::words;

/// Offsets of uniform bindings are multiples of this on every adapter, bytes.
const UNIFORM_ALIGNMENT: usize = 256;
/// Calls that one set of queries times: WebGPU allows 4096 queries in it, and a call takes two.
const CALLS_PER_QUERY_SET: usize = 2048;

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

/// An input of a run.
pub(super) enum Input {
    /// Elements to upload.
    Here(Tensor),
    /// Elements that an earlier run left on a device.
    Kept(Rc<Kept>),
}

impl Operand for Input {
    fn fact(&self) -> Fact {
        match self {
            Self::Here(tensor) => tensor.fact(),
            Self::Kept(kept) => kept.fact.clone(),
        }
    }

    fn tensor(&self) -> Option<&Tensor> {
        match self {
            Self::Here(tensor) => Some(tensor),
            Self::Kept(_) => None,
        }
    }
}

/// An output that stays on its device as long as somebody has it.
pub(super) struct Kept {
    device: Rc<Device>,
    fact: Fact,
    /// Its parts.
    buffers: Vec<Buffer>,
}

impl Kept {
    /// Shape as it goes on the wire.
    pub(super) fn dims(&self) -> Vec<u32> {
        self.fact.dims.iter().map(|&dim| dim as u32).collect()
    }
}

/// An output of a run.
pub(super) enum Output {
    Here(Tensor),
    Kept(Kept),
}

impl Output {
    pub(super) fn here(self) -> Option<Tensor> {
        match self {
            Self::Here(tensor) => Some(tensor),
            Self::Kept(_) => None,
        }
    }
}

/// A program that is ready to run.
pub(super) struct Executable {
    device: Rc<Device>,
    calls: Vec<Call>,
    buffers: Vec<Rc<Buffer>>,
    /// The parts of each input, as indices of buffers; none for an input that nothing reads.
    inputs: Vec<Vec<usize>>,
    outputs: Vec<gpu::Output>,
    part_bytes: u64,
    tunables: Vec<Tunable>,
    /// Bound by the calls.
    _params: Buffer,
}

impl Executable {
    pub(super) fn new(
        device: &Rc<Device>,
        program: Program,
        pipelines: &[GpuComputePipeline],
        weights: &Weights,
    ) -> Result<Self, Fault> {
        let mut inputs = Vec::new();
        let mut buffers = Vec::with_capacity(program.buffers.len());
        for (index, buffer) in program.buffers.iter().enumerate() {
            buffers.push(match &buffer.content {
                Content::Constant(tensor, packing) => weights.get(tensor, *packing, buffer)?,
                Content::Scratch => Rc::new(device.buffer(buffer.size_bytes, STORAGE)?),
                Content::Input(position) => {
                    inputs.resize(inputs.len().max(position + 1), Vec::new());
                    inputs[*position].push(index);
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
            part_bytes: program.part_bytes,
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
    /// have are left out. Those in `kept` stay on the device; without others there is nothing to wait for.
    pub(super) fn run(
        &self,
        inputs: &[Input],
        wanted: &[&str],
        kept: &[&str],
    ) -> Result<impl Future<Output = Result<Vec<Output>, Fault>> + use<>, Fault> {
        self.run_repeatedly(inputs, wanted, kept, 1)
    }

    /// The same, but everything is computed `n_times` in the one submission.
    pub(super) fn run_repeatedly(
        &self,
        inputs: &[Input],
        wanted: &[&str],
        kept: &[&str],
        n_times: usize,
    ) -> Result<impl Future<Output = Result<Vec<Output>, Fault>> + use<>, Fault> {
        let gpu = self.device.gpu();
        let encoder = gpu.create_command_encoder();
        self.write(&encoder, inputs)?;
        let pass = encoder.begin_compute_pass();
        for _ in 0..n_times {
            self.calls.iter().for_each(|call| call.encode(&pass));
        }
        pass.end();
        let found = |name: &&str| self.outputs.iter().find(|output| output.name == **name);
        let mut outputs = Vec::with_capacity(wanted.len());
        let mut copies = Vec::new();
        for output in wanted.iter().filter_map(found) {
            if kept.contains(&output.name.as_str()) {
                outputs.push((output.clone(), Some(self.keep(&encoder, output)?)));
            } else {
                outputs.push((output.clone(), None));
                copies.extend(self.parts(output));
            }
        }
        let total: u64 = copies.iter().map(|(_, n_bytes)| n_bytes).sum();
        // One buffer for all, if there can be such a buffer.
        let groups: Vec<&[(usize, u64)]> = match total {
            _ if outputs.iter().all(|(_, kept)| kept.is_some()) => Vec::new(),
            _ if total <= self.part_bytes => vec![&copies],
            _ => copies.chunks(1).collect(),
        };
        let mut staged = Vec::with_capacity(groups.len());
        for copies in groups {
            let n_bytes: u64 = copies.iter().map(|(_, n_bytes)| n_bytes).sum();
            let staging = self.device.staging(n_bytes.max(4))?;
            let mut offset = 0;
            for &(buffer, n_bytes) in copies {
                copy(&encoder, &self.buffers[buffer], &staging, offset, n_bytes)?;
                offset += n_bytes;
            }
            staged.push((staging, n_bytes));
        }
        gpu.queue().submit(&[encoder.finish()]);
        let device = Rc::clone(&self.device);
        Ok(async move {
            let mut bytes = Vec::new();
            for (staging, n_bytes) in staged {
                device.read(staging, n_bytes, |part| bytes.extend_from_slice(part)).await?;
            }
            let mut rest = bytes.as_slice();
            let output = |(output, kept): (gpu::Output, Option<Kept>)| {
                if let Some(kept) = kept {
                    return Some(Output::Kept(kept));
                }
                let (own, after) = rest.split_at_checked(size_bytes(&output) as usize)?;
                rest = after;
                Tensor::new(output.dims, gpu::from_elements(output.dtype, own)).map(Output::Here)
            };
            let outputs: Option<Vec<Output>> = outputs.into_iter().map(output).collect();
            outputs.ok_or_else(|| fault::refused("fewer bytes came back than were asked for"))
        })
    }
}

impl Executable {
    /// Uploads what is not on the device, and has the rest copied to where the program reads it.
    fn write(&self, encoder: &GpuCommandEncoder, inputs: &[Input]) -> Result<(), Fault> {
        for (index, (input, parts)) in inputs.iter().zip(&self.inputs).enumerate() {
            if parts.is_empty() {
                continue;
            }
            let parts = parts.iter().map(|&buffer| &self.buffers[buffer]);
            match input {
                Input::Here(tensor) => {
                    let bytes =
                        gpu::elements(tensor.data()).map_err(|wide| fault::wide_input(index, &wide))?;
                    for (buffer, part) in parts.zip(bytes.chunks(self.part_bytes as usize)) {
                        self.device.write(buffer, part)?;
                    }
                }
                Input::Kept(kept) if Rc::ptr_eq(&kept.device, &self.device) => {
                    for (buffer, part) in parts.zip(&kept.buffers) {
                        copy(encoder, part, buffer, 0, part.size_bytes())?;
                    }
                }
                Input::Kept(_) => return Err(fault::device_lost("an input was kept on it")),
            }
        }
        Ok(())
    }

    /// Copies an output to where later runs leave it alone.
    fn keep(&self, encoder: &GpuCommandEncoder, output: &gpu::Output) -> Result<Kept, Fault> {
        let mut buffers = Vec::with_capacity(output.buffers.len());
        for (from, n_bytes) in self.parts(output) {
            let buffer = self.device.buffer(n_bytes, STORAGE)?;
            copy(encoder, &self.buffers[from], &buffer, 0, n_bytes)?;
            buffers.push(buffer);
        }
        let fact = Fact::new(output.dtype, output.dims.clone());
        Ok(Kept { device: Rc::clone(&self.device), fact, buffers })
    }

    /// The buffers of an output, and how many bytes of it each holds.
    fn parts(&self, output: &gpu::Output) -> impl Iterator<Item = (usize, u64)> {
        let (total, part_bytes) = (size_bytes(output), self.part_bytes);
        let starts = (0_u64..).map(move |part| part * part_bytes);
        output.buffers.iter().zip(starts).filter_map(move |(&buffer, start)| {
            let n_bytes = total.saturating_sub(start).min(part_bytes);
            (n_bytes > 0).then_some((buffer, n_bytes))
        })
    }

    /// Runs with every call in a pass of its own, whose start and end the adapter's clock tells.
    pub(super) async fn profile(&self, inputs: &[Input]) -> Result<Profile, Fault> {
        let encoder = self.device.gpu().create_command_encoder();
        self.write(&encoder, inputs)?;
        self.device.gpu().queue().submit(&[encoder.finish()]);
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

fn size_bytes(output: &gpu::Output) -> u64 {
    model::tensor::n_elements(&output.dims) as u64 * 4
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
