//! A program as a table for people.

use std::fmt::{self, Display, Formatter};

use super::{Content, Dispatch, Program};

impl Display for Program {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let index_width = self.dispatches.len().to_string().len().max(4);
        writeln!(
            f,
            "{:>index_width$}  {:<20} {:>6} {:>12} {:>10}  buffers",
            "call", "kernel", "shader", "workgroups", "kB"
        )?;
        for (index, dispatch) in self.dispatches.iter().enumerate() {
            let [x, y, _] = dispatch.workgroups;
            let workgroups = if y == 1 { x.to_string() } else { format!("{x}×{y}") };
            let kilobytes = self.bound_bytes(dispatch) as f64 / 1e3;
            let buffers: Vec<String> = dispatch.bindings.iter().map(|&buffer| self.buffer(buffer)).collect();
            writeln!(
                f,
                "{index:>index_width$}  {:<20} {:>6} {workgroups:>12} {kilobytes:>10.1}  {}",
                dispatch.kernel,
                dispatch.shader,
                buffers.join(" ")
            )?;
        }
        write!(
            f,
            "{} dispatches of {} shaders; weights {:.1} MB; other buffers {:.1} MB",
            self.dispatches.len(),
            self.shaders.len(),
            self.weight_bytes() as f64 / 1e6,
            self.working_bytes() as f64 / 1e6,
        )
    }
}

impl Program {
    fn bound_bytes(&self, dispatch: &Dispatch) -> u64 {
        dispatch.bindings.iter().map(|&buffer| self.buffers[buffer].size_bytes).sum()
    }

    fn buffer(&self, index: usize) -> String {
        match self.buffers[index].content {
            Content::Input(input) => format!("in{input}"),
            Content::Constant(..) => format!("w{index}"),
            Content::Scratch => format!("b{index}"),
        }
    }
}
