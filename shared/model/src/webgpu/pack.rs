//! How weights lie in GPU buffers, and the bytes to upload.

use std::borrow::Cow;
use std::ops::Range;

use crate::tensor::{DType, Data, DataRef, Tensor};

/// Most bytes that are handed over at once: 91 MB take as long in blocks of this size as in one.
const BLOCK_BYTES: usize = 1 << 20;

/// How the elements of a constant lie in its buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Packing {
    /// In order, 32 bits each.
    Elements,
    /// A stack of row-major matrices as [n_rows, n_columns rounded up to 4] each, zero beyond the last column.
    Columns {
        /// Rows of a matrix.
        n_rows: usize,
        /// Columns of a matrix.
        n_columns: usize,
        /// The tensor holds the transposed matrices.
        is_transposed: bool,
    },
    /// A row-major matrix of bytes, each row filled up to whole words.
    Bytes {
        /// Columns.
        n_columns: usize,
    },
}

/// A 64-bit integer that 32 bits do not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} does not fit 32 bits")]
pub struct Wide(pub i64);

impl Packing {
    /// Bytes in the buffer for a tensor of `n` elements.
    #[must_use]
    pub fn size_bytes(self, n: usize) -> usize {
        match self {
            Self::Elements => n * 4,
            Self::Columns { n_columns, .. } => n / n_columns.max(1) * n_columns.next_multiple_of(4) * 4,
            Self::Bytes { n_columns } => n / n_columns.max(1) * n_columns.next_multiple_of(4),
        }
    }

    /// Hands a range of the bytes to upload to `write`, block by block, with the offset of each in the range.
    ///
    /// Where elements lie in the tensor's order only a block of them is in memory.
    ///
    /// # Errors
    /// An element does not fit 32 bits; and those of `write`.
    pub fn write<E: From<Wide>>(
        self,
        tensor: &Tensor,
        range: Range<usize>,
        mut write: impl FnMut(usize, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let n = tensor.n_elements();
        let range = range.start..range.end.min(self.size_bytes(n));
        if !self.is_in_order(tensor.dtype()) {
            return tensor.with_part(0..n, |data| write(0, &self.bytes(data)?[range]));
        }
        let element_bytes = if matches!(self, Self::Bytes { .. }) { 1 } else { 4 };
        for start in range.clone().step_by(BLOCK_BYTES) {
            let end = (start + BLOCK_BYTES).min(range.end);
            let part = start / element_bytes..end / element_bytes;
            tensor.with_part(part, |data| write(start - range.start, &self.bytes(data)?))?;
        }
        Ok(())
    }

    /// True when elements of a type lie in the buffer as they do in the tensor.
    #[must_use]
    pub fn is_in_order(self, dtype: DType) -> bool {
        match self {
            Self::Elements => true,
            Self::Columns { is_transposed, n_columns, .. } => {
                dtype == DType::F32 && !is_transposed && n_columns % 4 == 0
            }
            Self::Bytes { n_columns } => dtype.size_bytes() == 1 && n_columns % 4 == 0,
        }
    }

    /// The bytes of elements; borrowed when their own will do. They are all of a tensor's, or some that lie in order.
    fn bytes(self, data: DataRef<'_>) -> Result<Cow<'_, [u8]>, Wide> {
        match (self, data) {
            (Self::Elements, data) => elements(data),
            (Self::Columns { n_columns, is_transposed: false, .. }, DataRef::F32(data))
                if n_columns % 4 == 0 =>
            {
                elements(DataRef::F32(data))
            }
            (Self::Columns { n_rows, n_columns, is_transposed }, DataRef::F32(data)) => {
                let padded = n_columns.next_multiple_of(4);
                let mut out = vec![0; self.size_bytes(data.len())];
                let n_matrix = (n_rows * n_columns).max(1);
                for (flat, value) in data.iter().enumerate() {
                    let (matrix, at) = (flat / n_matrix, flat % n_matrix);
                    let (row, column) = if is_transposed {
                        (at % n_rows, at / n_rows)
                    } else {
                        (at / n_columns, at % n_columns)
                    };
                    let to = ((matrix * n_rows + row) * padded + column) * 4;
                    out[to..to + 4].copy_from_slice(&value.to_le_bytes());
                }
                Ok(Cow::Owned(out))
            }
            (Self::Bytes { n_columns }, data) => {
                if data.dtype().size_bytes() != 1 {
                    return elements(data);
                }
                let bytes = data.bytes();
                if n_columns % 4 == 0 {
                    return Ok(Cow::Borrowed(bytes));
                }
                let padded = n_columns.next_multiple_of(4);
                let mut out = vec![0; self.size_bytes(bytes.len())];
                for (row, to) in bytes.chunks_exact(n_columns.max(1)).zip(out.chunks_exact_mut(padded)) {
                    to[..n_columns].copy_from_slice(row);
                }
                Ok(Cow::Owned(out))
            }
            (Self::Columns { .. }, data) => elements(data),
        }
    }
}

/// Elements as the GPU holds them, 32 bits each.
///
/// # Errors
/// A 64-bit integer does not fit.
pub fn elements(data: DataRef<'_>) -> Result<Cow<'_, [u8]>, Wide> {
    let words =
        |values: &mut dyn Iterator<Item = i32>| -> Vec<u8> { values.flat_map(i32::to_le_bytes).collect() };
    Ok(Cow::Owned(match data {
        DataRef::F32(_) => return Ok(Cow::Borrowed(data.bytes())),
        DataRef::I32(data) => words(&mut data.iter().copied()),
        DataRef::I64(data) => {
            let mut out = Vec::with_capacity(data.len() * 4);
            for &value in data {
                let narrow = i32::try_from(value).map_err(|_range| Wide(value))?;
                out.extend_from_slice(&narrow.to_le_bytes());
            }
            out
        }
        DataRef::U8(data) | DataRef::Bool(data) => words(&mut data.iter().map(|&x| i32::from(x))),
        DataRef::I8(data) => words(&mut data.iter().map(|&x| i32::from(x))),
    }))
}

/// Elements of a type from what the GPU holds.
#[must_use]
pub fn from_elements(dtype: DType, bytes: &[u8]) -> Data {
    let words = || bytes.chunks_exact(4).map(|word| i32::from_le_bytes([word[0], word[1], word[2], word[3]]));
    match dtype {
        DType::F32 => Data::F32(words().map(|word| f32::from_bits(word.cast_unsigned())).collect()),
        DType::I64 => Data::I64(words().map(i64::from).collect()),
        DType::I32 => Data::I32(words().collect()),
        DType::U8 => Data::U8(words().map(|word| word as u8).collect()),
        DType::I8 => Data::I8(words().map(|word| word as i8).collect()),
        DType::Bool => Data::Bool(words().map(|word| u8::from(word != 0)).collect()),
    }
}
