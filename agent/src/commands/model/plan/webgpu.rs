//! What is dispatched on the GPU, dispatch by dispatch.

use model::Plan;
use model::webgpu::{Buffer, Content, Dispatch, Program, Target};
use serde::Serialize;

use super::Head;
use crate::exit::Failure;
use crate::output::Printer;

/// The document of `model plan --backend webgpu --json`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    dispatches: Vec<DispatchLine<'a>>,
    buffers: Vec<BufferLine>,
    n_shaders: usize,
    weight_bytes: u64,
    /// Inputs and results.
    working_bytes: u64,
}

#[derive(Debug, Serialize)]
struct DispatchLine<'a> {
    node: &'a str,
    kernel: &'static str,
    shader: usize,
    /// The words of the uniform buffer.
    params: &'a [u32],
    /// Indices of buffers.
    bindings: &'a [usize],
    workgroups: [u32; 3],
}

#[derive(Debug, Serialize)]
struct BufferLine {
    /// `input`, `weight` or `scratch`.
    content: &'static str,
    size_bytes: u64,
}

/// Prints what a plan becomes on an adapter without special abilities.
pub(super) fn show(head: Head<'_>, plan: &Plan, printer: &Printer) -> anyhow::Result<()> {
    let program = Program::new(plan, &Target::default())
        .map_err(|error| Failure::environment(format!("{} has no WebGPU program: {error}", head.model)))?;
    if !printer.wants_json() {
        printer.result(&program.to_string());
        return Ok(());
    }
    printer.document(&Document {
        head,
        dispatches: program.dispatches.iter().map(dispatch_line).collect(),
        buffers: program.buffers.iter().map(buffer_line).collect(),
        n_shaders: program.shaders.len(),
        weight_bytes: program.weight_bytes(),
        working_bytes: program.working_bytes(),
    })?;
    Ok(())
}

fn dispatch_line(dispatch: &Dispatch) -> DispatchLine<'_> {
    DispatchLine {
        node: &dispatch.node,
        kernel: dispatch.kernel,
        shader: dispatch.shader,
        params: &dispatch.params,
        bindings: &dispatch.bindings,
        workgroups: dispatch.workgroups,
    }
}

fn buffer_line(buffer: &Buffer) -> BufferLine {
    let content = match buffer.content {
        Content::Input(_) => "input",
        Content::Constant(..) => "weight",
        Content::Scratch => "scratch",
    };
    BufferLine { content, size_bytes: buffer.size_bytes }
}
