//! The ways in which a product, or a combination along lines, can be computed. Which of them is the fastest depends on the
//! adapter: adapter information gives the default, measurements replace it.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use super::Target;
use crate::graph::{Graph, Node};
use crate::op::{Epilogue, Fact, Op, Reduction};
use crate::plan::Plan;
use crate::tensor::DType;

/// Rows from which on a product fills enough of a tile in workgroup memory.
const MIN_TILED_ROWS: usize = 32;
/// Invocations that keep all lanes of a software adapter busy.
pub(super) const MIN_INVOCATIONS: usize = 32;
/// Length from which on the lanes of a GPU share a line.
const MIN_SHARED_LENGTH: usize = 64;
/// Register tiles, rows and vec4 columns: the largest first.
const TILES: [[usize; 2]; 8] = [[8, 4], [8, 2], [4, 4], [4, 2], [4, 1], [2, 1], [1, 2], [1, 1]];
/// Tiles in workgroup memory, rows and vec4 columns of each of the 16 × 16 invocations.
const SHARED_TILES: [[usize; 2]; 4] = [[4, 1], [2, 1], [8, 1], [8, 2]];
/// Sizes of workgroups: few invocations spread over the cores of a processor, many fill the lanes of a GPU.
const WORKGROUPS: [usize; 2] = [8, 64];

/// One way to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variant {
    /// A product whose sums are in the registers of one invocation, and whose operands come from memory.
    Registers {
        /// Rows of the tile.
        rows: usize,
        /// Columns of the tile, in units of 4.
        columns: usize,
        /// Elements of a row of the left operand that are read at once: 1 or 4.
        depth: usize,
        /// Invocations per workgroup.
        workgroup: usize,
    },
    /// A product whose operands go through workgroup memory: a tile of 16 · rows × 64 · columns elements.
    Tiled {
        /// Rows of each of the 16 × 16 invocations.
        rows: usize,
        /// Their columns, in units of 4.
        columns: usize,
        /// The tiles hold 16-bit floats, the sums 32-bit ones.
        is_half: bool,
    },
    /// A product whose left operand is passed around among the lanes of a subgroup.
    Subgroups {
        /// Rows of each lane.
        rows: usize,
    },
    /// A line for each invocation.
    Lines,
    /// A line for each workgroup.
    SharedLines,
}

impl Variant {
    /// Every variant.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let registers = TILES.into_iter().flat_map(|[rows, columns]| {
            WORKGROUPS.into_iter().flat_map(move |workgroup| {
                [4, 1].map(|depth| Self::Registers { rows, columns, depth, workgroup })
            })
        });
        let tiled = |is_half| SHARED_TILES.map(|[rows, columns]| Self::Tiled { rows, columns, is_half });
        registers
            .chain(tiled(false))
            .chain([Self::Subgroups { rows: 4 }, Self::Subgroups { rows: 8 }])
            .chain(tiled(true))
            .chain([Self::Lines, Self::SharedLines])
            .collect()
    }

    /// False when results are not those of 32-bit arithmetic: such a variant runs only when it is asked for.
    #[must_use]
    pub fn is_exact(self) -> bool {
        !matches!(self, Self::Tiled { is_half: true, .. })
    }
}

impl Display for Variant {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registers { rows, columns, depth, workgroup } => {
                write!(f, "registers-{rows}x{}-k{depth}-w{workgroup}", 4 * columns)
            }
            Self::Tiled { rows, columns, is_half } => {
                write!(f, "tiled-{}x{}{}", 16 * rows, 64 * columns, if *is_half { "-f16" } else { "" })
            }
            Self::Subgroups { rows } => write!(f, "subgroups-{rows}x4"),
            Self::Lines => f.write_str("lines"),
            Self::SharedLines => f.write_str("shared-lines"),
        }
    }
}

/// No variant has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no WebGPU variant is called `{0}`")]
pub struct UnknownVariant(String);

impl FromStr for Variant {
    type Err = UnknownVariant;

    fn from_str(name: &str) -> Result<Self, UnknownVariant> {
        let found = Self::all().into_iter().find(|variant| variant.to_string() == name);
        found.ok_or_else(|| UnknownVariant(name.to_owned()))
    }
}

/// Which variants to use instead of the default ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choices {
    /// Used wherever they can be, the first that can.
    pub forced: Vec<Variant>,
    /// The fastest, by [`Shape::class`].
    pub measured: BTreeMap<String, Variant>,
}

/// A computation that has variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// `batch` products of [m, k] and [k, n].
    Product {
        /// Matrices.
        batch: usize,
        /// Rows.
        m: usize,
        /// Summands.
        k: usize,
        /// Columns.
        n: usize,
        /// The left operand can be read in units of 4 along k.
        in_fours: bool,
    },
    /// `n` lines of `length` elements.
    Lines {
        /// `softmax`, `norm` or `reduce`.
        kernel: &'static str,
        /// Lines.
        n: usize,
        /// Elements of each.
        length: usize,
    },
}

/// Calls of one shape in a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tunable {
    /// What is computed.
    pub shape: Shape,
    /// How.
    pub variant: Variant,
    /// How often.
    pub n_calls: usize,
}

impl Shape {
    /// Shapes of one class share a measurement: sizes are rounded up to powers of two.
    #[must_use]
    pub fn class(&self) -> String {
        let up = |size: usize| size.next_power_of_two();
        match *self {
            Self::Product { batch, m, k, n, in_fours } => {
                let odd = if in_fours { "" } else { " odd" };
                format!("matmul f32 {}x{}x{}x{}{odd}", up(batch), up(m), up(k), up(n))
            }
            Self::Lines { kernel, n, length } => format!("{kernel} f32 {}x{}", up(n), up(length)),
        }
    }

    /// Multiplications and additions; elements for lines.
    #[must_use]
    pub fn n_operations(&self) -> u64 {
        match *self {
            Self::Product { batch, m, k, n, .. } => 2 * (batch * m * k * n) as u64,
            Self::Lines { n, length, .. } => (n * length) as u64,
        }
    }

    /// The variants that a device can run this with, the default first, then those that are most likely to be faster.
    #[must_use]
    pub fn candidates(&self, target: &Target) -> Vec<Variant> {
        let default = self.default_variant(target);
        let mut candidates: Vec<Variant> =
            Variant::all().into_iter().filter(|&variant| self.suits(variant, target)).collect();
        let distance = |variant: &Variant| match (variant, default) {
            (
                Variant::Registers { rows, columns, workgroup, .. },
                Variant::Registers { rows: r, columns: c, workgroup: w, .. },
            ) => {
                rows.ilog2().abs_diff(r.ilog2())
                    + columns.ilog2().abs_diff(c.ilog2())
                    + 3 * u32::from(*workgroup != w)
            }
            (Variant::Tiled { is_half: false, .. }, Variant::Tiled { .. }) => 1,
            (Variant::Registers { workgroup: 64, .. }, Variant::Tiled { .. }) => 2,
            _ => 5,
        };
        candidates.sort_by_key(|variant| (*variant != default, !variant.is_exact(), distance(variant)));
        candidates
    }

    /// The variant to run with.
    #[must_use]
    pub fn choose(&self, target: &Target) -> Variant {
        let choices = &target.choices;
        let forced = choices.forced.iter().copied().find(|&variant| self.suits(variant, target));
        let measured = || choices.measured.get(&self.class()).copied();
        forced
            .or_else(|| measured().filter(|&variant| self.suits(variant, target)))
            .unwrap_or_else(|| self.default_variant(target))
    }

    fn default_variant(&self, target: &Target) -> Variant {
        match *self {
            Self::Product { batch, m, n, in_fours, .. } => {
                let shared = Variant::Tiled { rows: 4, columns: 1, is_half: false };
                if !target.is_software && m >= MIN_TILED_ROWS && self.suits(shared, target) {
                    return shared;
                }
                let [rows, columns] = tile(m, n.div_ceil(4), batch, target.compiles_slowly);
                let workgroup = WORKGROUPS[usize::from(!target.is_software)];
                // Reading four at once is worth up to a sixth, and doubles what there is to compile.
                let depth = if in_fours && !target.compiles_slowly { 4 } else { 1 };
                Variant::Registers { rows, columns, depth, workgroup }
            }
            Self::Lines { length, .. } => {
                let shares = !target.is_software && length >= MIN_SHARED_LENGTH;
                if shares { Variant::SharedLines } else { Variant::Lines }
            }
        }
    }

    fn suits(&self, variant: Variant, target: &Target) -> bool {
        let fit =
            |groups: [usize; 3]| groups.iter().all(|&n| (1..=target.max_workgroups as usize).contains(&n));
        match (*self, variant) {
            (Self::Product { m, n, in_fours, .. }, Variant::Registers { rows, columns, depth, .. }) => {
                rows <= m && columns <= n.div_ceil(4) && (depth == 1 || in_fours)
            }
            (Self::Product { .. }, Variant::Tiled { is_half, .. }) => {
                (!is_half || target.has_f16) && fit(self.groups(variant))
            }
            (Self::Product { .. }, Variant::Subgroups { .. }) => {
                target.has_subgroups && fit(self.groups(variant))
            }
            (Self::Lines { .. }, Variant::Lines | Variant::SharedLines) => true,
            (Self::Product { .. } | Self::Lines { .. }, _) => false,
        }
    }

    /// Workgroups of a product whose variant has a tile for each of them.
    pub(super) fn groups(&self, variant: Variant) -> [usize; 3] {
        let (Self::Product { batch, m, n, .. }, Some([rows, columns])) = (*self, variant.workgroup_tile())
        else {
            return [1; 3];
        };
        [n.div_ceil(4 * columns), m.div_ceil(rows), batch]
    }

    /// A plan that computes just this, from inputs of these shapes.
    #[must_use]
    pub fn trial(&self) -> Plan {
        let floats = |dims: &[usize]| Fact::new(DType::F32, dims.to_vec());
        let (op, inputs, output) = match *self {
            Self::Product { batch, m, k, n, .. } => {
                let n = n.next_multiple_of(4);
                let op = Op::MatMul { trans_a: false, trans_b: false, epilogue: Epilogue::default() };
                (op, vec![floats(&[batch, m, k]), floats(&[batch, k, n])], floats(&[batch, m, n]))
            }
            Self::Lines { kernel, n, length } => {
                let x = floats(&[n, length]);
                let scale = floats(&[length]);
                match kernel {
                    "softmax" => (Op::Softmax { axis: 1, is_log: false }, vec![x.clone()], x),
                    "norm" => {
                        let op = Op::LayerNorm { axis: 1, epsilon: 1e-5, is_rms: false };
                        (op, vec![x.clone(), scale.clone(), scale], x)
                    }
                    _ => (Op::Reduce { kind: Reduction::Sum, axes: vec![1] }, vec![x], floats(&[n])),
                }
            }
        };
        let mut graph = Graph::default();
        for fact in inputs {
            let value = graph.add_value("input", fact);
            graph.inputs.push(value);
        }
        let output = graph.add_value("output", output);
        let inputs = graph.inputs.iter().copied().map(Some).collect();
        graph.nodes.push(Node { name: self.class(), op, inputs, outputs: vec![output] });
        graph.outputs.push(("output".to_owned(), output));
        Plan::new(graph)
    }
}

impl Variant {
    /// Rows and vec4 columns that a workgroup computes together.
    fn workgroup_tile(self) -> Option<[usize; 2]> {
        match self {
            Self::Tiled { rows, columns, .. } => Some([16 * rows, 16 * columns]),
            Self::Subgroups { rows } => Some([rows, 64]),
            Self::Registers { .. } | Self::Lines | Self::SharedLines => None,
        }
    }
}

/// Rows and vec4 columns that one invocation computes: as many as registers hold, unless that leaves lanes idle. Where it
/// compiles slowly, half of that: on SwiftShader it takes half as long to compile and is a tenth slower at most.
fn tile(m: usize, n4: usize, n_batches: usize, compiles_slowly: bool) -> [usize; 2] {
    let suits = |&[rows, columns]: &[usize; 2]| {
        rows <= m && columns <= n4 && m.div_ceil(rows) * n4.div_ceil(columns) * n_batches >= MIN_INVOCATIONS
    };
    TILES.into_iter().skip(usize::from(compiles_slowly)).find(suits).unwrap_or([1, 1])
}
