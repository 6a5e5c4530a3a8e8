//! Sampling at positions that are computed.

use crate::op::{Fact, SampleMode, SamplePadding};
use crate::reference::{EvaluationError, Operands};
use crate::tensor::{Data, n_elements, strides};

/// Coefficient of cubic convolution that ONNX's `GridSample` takes.
const CUBIC_COEFFICIENT: f64 = -0.75;

/// Elements along one axis that a sample is made of: index, `None` for a zero outside, and weight.
type Taps = Vec<(Option<usize>, f64)>;

pub(super) fn grid_sample(
    mode: SampleMode,
    padding: SamplePadding,
    aligns_corners: bool,
    operands: &Operands<'_>,
    fact: &Fact,
) -> Result<Data, EvaluationError> {
    let dims = operands.view(0)?.dims;
    let (x, grid) = (operands.f32s(0)?, operands.f32s(1)?);
    let spatial = &dims[2..];
    let n_axes = spatial.len();
    let (n_inner, n_channels) = (n_elements(spatial), dims[1]);
    let n_points = n_elements(&fact.dims[2..]);
    let own = strides(spatial);
    let mut out = vec![0.0; fact.n_elements()];
    for (index, point) in grid.chunks_exact(n_axes).enumerate() {
        let (batch, at) = (index / n_points, index % n_points);
        // Coordinates start with the innermost dimension's.
        let taps: Vec<Taps> = (0..n_axes)
            .map(|axis| axis_taps(mode, padding, aligns_corners, point[n_axes - 1 - axis], spatial[axis]))
            .collect();
        let mut combined: Vec<(usize, f64)> = vec![(0, 1.0)];
        for (taps, stride) in taps.iter().zip(&own) {
            let inside = taps.iter().filter_map(|&(position, weight)| Some((position?, weight)));
            combined = combined
                .iter()
                .flat_map(|&(offset, product)| {
                    inside
                        .clone()
                        .map(move |(position, weight)| (offset + position * stride, product * weight))
                })
                .collect();
        }
        for channel in 0..n_channels {
            let plane = &x[(batch * n_channels + channel) * n_inner..][..n_inner];
            let sum: f64 = combined.iter().map(|&(offset, weight)| f64::from(plane[offset]) * weight).sum();
            out[(batch * n_channels + channel) * n_points + at] = sum as f32;
        }
    }
    Ok(Data::F32(out))
}

fn axis_taps(
    mode: SampleMode,
    padding: SamplePadding,
    aligns_corners: bool,
    coordinate: f32,
    length: usize,
) -> Taps {
    let n = length as f32;
    let mut position = if aligns_corners {
        (coordinate + 1.0) / 2.0 * (n - 1.0)
    } else {
        ((coordinate + 1.0) * n - 1.0) / 2.0
    };
    let borders = if aligns_corners { [0.0, n - 1.0] } else { [-0.5, n - 0.5] };
    if mode == SampleMode::Nearest {
        position = position.round_ties_even();
    }
    // Casts of what is not a number or far outside saturate.
    if !(borders[0]..=borders[1]).contains(&position) {
        position = match padding {
            SamplePadding::Zeros => position,
            SamplePadding::Border => position.clamp(0.0, n - 1.0),
            SamplePadding::Reflection => reflect(position, borders),
        };
    }
    let low = position.floor();
    let ratio = f64::from(position - low);
    let at = |offset: f32| match padding {
        SamplePadding::Zeros => {
            let position = low + offset;
            (0.0..n).contains(&position).then_some(position as usize)
        }
        SamplePadding::Border => Some((low + offset).clamp(0.0, n - 1.0) as usize),
        SamplePadding::Reflection => Some((reflect(low + offset, borders) as usize).min(length - 1)),
    };
    match mode {
        SampleMode::Nearest => vec![(at(0.0), 1.0)],
        SampleMode::Linear => vec![(at(0.0), 1.0 - ratio), (at(1.0), ratio)],
        SampleMode::Cubic => {
            let offsets = [-1.0, 0.0, 1.0, 2.0];
            offsets
                .map(|offset| {
                    (at(offset), cubic_weight(CUBIC_COEFFICIENT, (f64::from(offset) - ratio).abs()))
                })
                .to_vec()
        }
    }
}

/// Mirrors a position at the borders until it is within them.
fn reflect(position: f32, [low, high]: [f32; 2]) -> f32 {
    let range = high - low;
    let beyond = if position < low { low - position } else { position - high };
    if beyond <= 0.0 || range <= 0.0 {
        return position.clamp(low, high.max(low));
    }
    let (n_turns, rest) = ((beyond / range).floor(), beyond % range);
    if (position < low) == (n_turns % 2.0 == 0.0) { low + rest } else { high - rest }
}

/// Weight of an element at a distance in cubic convolution with coefficient `a` (Keys, 1981).
pub(crate) fn cubic_weight(a: f64, x: f64) -> f64 {
    if x <= 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a
    } else {
        0.0
    }
}

/// Parameters of `Op::RoiAlign`.
pub(super) struct RoiAlign {
    pub(super) is_max: bool,
    pub(super) half_pixel: bool,
    pub(super) n_samples: usize,
    pub(super) scale: f32,
}

impl RoiAlign {
    pub(super) fn evaluate(&self, operands: &Operands<'_>, fact: &Fact) -> Result<Data, EvaluationError> {
        let &[n_images, n_channels, height, width] = operands.view(0)?.dims else {
            return Err(EvaluationError::Shape { operator: "roi-align" });
        };
        let (x, regions, images) = (operands.f32s(0)?, operands.f32s(1)?, operands.integers(2)?);
        let (out_height, out_width) = (fact.dims[2], fact.dims[3]);
        let offset = if self.half_pixel { 0.5 } else { 0.0 };
        let mut out = Vec::with_capacity(fact.n_elements());
        for (region, &index) in regions.chunks_exact(4).zip(&images) {
            let image = usize::try_from(index).ok().filter(|&image| image < n_images);
            let image = image.ok_or(EvaluationError::Index { index, length: n_images })?;
            let corner = |at: usize| region[at] * self.scale - offset;
            // First sample, samples per cell and step between them.
            let samples = |first: f32, last: f32, n_cells: usize, limit: usize| {
                let length = if self.half_pixel { last - first } else { (last - first).max(1.0) };
                let cell = length / n_cells as f32;
                // One sample per pixel of the image is enough whatever the region claims.
                let n = if self.n_samples > 0 { self.n_samples } else { cell.ceil() as usize };
                let n = n.min(limit + 1);
                (first, cell, n)
            };
            let rows = samples(corner(1), corner(3), out_height, height);
            let columns = samples(corner(0), corner(2), out_width, width);
            for channel in 0..n_channels {
                let plane = &x[(image * n_channels + channel) * height * width..][..height * width];
                for i in 0..out_height {
                    for j in 0..out_width {
                        out.push(self.cell(plane, [height, width], (rows, i), (columns, j)));
                    }
                }
            }
        }
        Ok(Data::F32(out))
    }

    fn cell(
        &self,
        plane: &[f32],
        [height, width]: [usize; 2],
        ((first_row, row_cell, n_rows), i): ((f32, f32, usize), usize),
        ((first_column, column_cell, n_columns), j): ((f32, f32, usize), usize),
    ) -> f32 {
        let at = |first: f32, cell: f32, index: usize, sample: usize, n: usize| {
            first + index as f32 * cell + (sample as f32 + 0.5) * cell / n as f32
        };
        let (mut largest, mut sum) = (f32::NEG_INFINITY, 0.0);
        for row in 0..n_rows {
            let rows = neighbours(at(first_row, row_cell, i, row, n_rows), height);
            for column in 0..n_columns {
                let columns = neighbours(at(first_column, column_cell, j, column, n_columns), width);
                let mut terms = [0.0; 4];
                if let (Some(rows), Some(columns)) = (&rows, &columns) {
                    let pairs = rows.iter().flat_map(|row| columns.iter().map(move |column| (row, column)));
                    for (term, (&(row, row_weight), &(column, column_weight))) in terms.iter_mut().zip(pairs)
                    {
                        *term = plane[row * width + column] * (row_weight * column_weight);
                    }
                }
                sum += f64::from(terms.iter().sum::<f32>());
                largest = terms.into_iter().fold(largest, f32::max);
            }
        }
        let n = n_rows * n_columns;
        match (self.is_max, n) {
            (_, 0) => 0.0,
            (true, _) => largest,
            (false, _) => (sum / n as f64) as f32,
        }
    }
}

/// Two elements around a position and their weights; `None` outside.
fn neighbours(position: f32, length: usize) -> Option<[(usize, f32); 2]> {
    if !(-1.0..=length as f32).contains(&position) {
        return None;
    }
    let position = position.clamp(0.0, (length - 1) as f32);
    let low = position as usize;
    let ratio = position - low as f32;
    Some([(low, 1.0 - ratio), ((low + 1).min(length - 1), ratio)])
}
