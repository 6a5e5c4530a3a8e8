//! Elements as the bytes that WebNN reads and writes.

use std::borrow::Cow;

use model::tensor::strides;
use model::walk::rows;
use model::webnn::Constant;
use model::{DType, Data, DataRef, Fact, Tensor};

/// The elements of a constant in the type and the order of its operand; borrowed when the plan has them so.
#[must_use]
pub fn constant_bytes(constant: &Constant, dtype: DType) -> Cow<'_, [u8]> {
    let data = constant.tensor.data();
    match (data, &constant.permutation) {
        (DataRef::I64(wide), _) if dtype == DType::I32 => {
            // The lowering has checked that they fit.
            Cow::Owned(wide.iter().flat_map(|&x| (x as i32).to_le_bytes()).collect())
        }
        (_, None) => Cow::Borrowed(data.bytes()),
        (_, Some(permutation)) => {
            let size = data.dtype().size_bytes();
            Cow::Owned(permuted(data.bytes(), size, constant.tensor.dims(), permutation))
        }
    }
}

/// The bytes of an input for an operand of type `dtype`.
///
/// # Errors
/// An `int64` value is outside of `int32`, and that is what the operand is: its index and the value.
pub fn input_bytes(tensor: &Tensor, dtype: DType) -> Result<Cow<'_, [u8]>, (usize, i64)> {
    match (tensor.data(), dtype) {
        (DataRef::I64(wide), DType::I32) => {
            let mut narrow = Vec::with_capacity(4 * wide.len());
            for (index, &value) in wide.iter().enumerate() {
                let value = i32::try_from(value).map_err(|_too_wide| (index, value))?;
                narrow.extend_from_slice(&value.to_le_bytes());
            }
            Ok(Cow::Owned(narrow))
        }
        (data, _) => Ok(Cow::Borrowed(data.bytes())),
    }
}

/// An output of the plan's type and shape from the bytes of an operand of type `dtype`, which may be narrower; `None` when
/// there are too many or too few.
#[must_use]
pub fn output_tensor(bytes: &[u8], dtype: DType, fact: &Fact) -> Option<Tensor> {
    fn elements<const N: usize, T>(bytes: &[u8], from: fn([u8; N]) -> T) -> Vec<T> {
        bytes.as_chunks::<N>().0.iter().map(|&chunk| from(chunk)).collect()
    }
    let data = match fact.dtype {
        DType::F32 => Data::F32(elements(bytes, f32::from_le_bytes)),
        DType::I64 if dtype == DType::I32 => {
            Data::I64(elements(bytes, |chunk| i64::from(i32::from_le_bytes(chunk))))
        }
        DType::I64 => Data::I64(elements(bytes, i64::from_le_bytes)),
        DType::I32 => Data::I32(elements(bytes, i32::from_le_bytes)),
        DType::I8 => Data::I8(elements(bytes, i8::from_le_bytes)),
        DType::U8 => Data::U8(bytes.to_vec()),
        DType::Bool => Data::Bool(bytes.to_vec()),
    };
    Tensor::new(fact.dims.clone(), data)
}

/// Elements of `size` bytes in the order of a transposed tensor.
fn permuted(source: &[u8], size: usize, dims: &[usize], permutation: &[usize]) -> Vec<u8> {
    let own = strides(dims);
    let out_dims: Vec<usize> = permutation.iter().map(|&axis| dims[axis]).collect();
    let steps: Vec<isize> = permutation.iter().map(|&axis| own[axis] as isize).collect();
    let mut out = Vec::with_capacity(source.len());
    rows(&out_dims, [0], [&steps], |row| {
        for index in 0..row.length as isize {
            let at = (row.offsets[0] as isize + index * row.steps[0]) as usize * size;
            out.extend_from_slice(&source[at..at + size]);
        }
    });
    out
}

#[cfg(test)]
mod tests;
