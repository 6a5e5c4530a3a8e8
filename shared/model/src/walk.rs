//! Walks tensors in the order of an output, row by row, with adjacent dimensions merged where memory allows.

/// One run of consecutive output elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<const N: usize> {
    /// Position of the first output element.
    pub start: usize,
    /// Number of elements.
    pub length: usize,
    /// Position of the first element of each operand.
    pub offsets: [usize; N],
    /// Step of each operand from one element to the next.
    pub steps: [isize; N],
}

/// Visits every row of an output of shape `dims` whose operands are read with the given offsets and strides.
///
/// Every position that the strides reach must be inside the operand; rows are as long as merging makes them.
pub fn rows<const N: usize>(
    dims: &[usize],
    offsets: [usize; N],
    strides: [&[isize]; N],
    mut visit: impl FnMut(Row<N>),
) {
    if dims.contains(&0) {
        return;
    }
    let (dims, strides) = merge(dims, &strides);
    let (length, steps) = match dims.last() {
        Some(&length) => (length, std::array::from_fn(|operand| strides[operand][dims.len() - 1])),
        None => (1, [0; N]),
    };
    let n_outer = dims.len().saturating_sub(1);
    let mut index = vec![0; n_outer];
    let mut offsets = offsets.map(|offset| offset as isize);
    let mut start = 0;
    loop {
        visit(Row { start, length, offsets: offsets.map(|offset| offset as usize), steps });
        start += length;
        let mut axis = n_outer;
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            index[axis] += 1;
            let wraps = index[axis] == dims[axis];
            let distance = if wraps { 1 - dims[axis] as isize } else { 1 };
            for (offset, strides) in offsets.iter_mut().zip(&strides) {
                *offset += distance * strides[axis];
            }
            if !wraps {
                break;
            }
            index[axis] = 0;
        }
    }
}

/// Drops dimensions of length 1 and joins neighbours that every operand reads as one.
pub(crate) fn merge(dims: &[usize], strides: &[&[isize]]) -> (Vec<usize>, Vec<Vec<isize>>) {
    let mut merged: Vec<usize> = Vec::with_capacity(dims.len());
    let mut merged_strides: Vec<Vec<isize>> = vec![Vec::with_capacity(dims.len()); strides.len()];
    for (axis, &dim) in dims.iter().enumerate() {
        if dim == 1 {
            continue;
        }
        let joins = merged_strides
            .iter()
            .zip(strides)
            .all(|(merged, strides)| merged.last() == Some(&(strides[axis] * dim as isize)));
        match merged.last_mut() {
            Some(last) if joins => {
                *last *= dim;
                for (merged, strides) in merged_strides.iter_mut().zip(strides) {
                    if let Some(last) = merged.last_mut() {
                        *last = strides[axis];
                    }
                }
            }
            _ => {
                merged.push(dim);
                for (merged, strides) in merged_strides.iter_mut().zip(strides) {
                    merged.push(strides[axis]);
                }
            }
        }
    }
    (merged, merged_strides)
}

#[cfg(test)]
mod tests;
