//! Operators whose results follow from shapes alone, and those that only relabel dimensions.

use crate::graph::ValueId;
use crate::lower::{Call, Reason, axes, axis, depends, invalid, length, unsupported};
use crate::op::{Fact, Op};
use crate::tensor::{DType, Data, DataRef, Tensor, checked_n_elements, n_elements};

/// Largest constant that shape operators may make, elements.
const MAX_GENERATED: usize = 1 << 24;

pub(super) fn lower(call: &mut Call<'_>) -> Result<Option<Vec<ValueId>>, Reason> {
    let output = match call.node.op_type.as_str() {
        "Constant" => constant(call)?,
        "Shape" => shape_of(call)?,
        "Size" => {
            let n = n_elements(&call.dims(call.input(0)?));
            generated(call, Vec::new(), Data::I64(vec![n as i64]))?
        }
        "ConstantOfShape" => constant_of_shape(call)?,
        "Range" => range(call)?,
        "EyeLike" => eye_like(call)?,
        "NonZero" => non_zero(call)?,
        "Identity" => call.input(0)?,
        "Dropout" => return dropout(call).map(Some),
        "Reshape" => reshape(call)?,
        "Flatten" => flatten(call)?,
        "Squeeze" => squeeze(call)?,
        "Unsqueeze" => unsqueeze(call)?,
        _ => return Ok(None),
    };
    Ok(Some(vec![output]))
}

pub(super) fn generated(call: &mut Call<'_>, dims: Vec<usize>, data: Data) -> Result<ValueId, Reason> {
    let Some(tensor) = Tensor::new(dims, data) else { return invalid("its shape does not fit its data") };
    match call.budget.checked_sub(tensor.data().len() * tensor.dtype().size_bytes()) {
        Some(left) => *call.budget = left,
        None => return invalid("its constants are too large for a file of this size"),
    }
    Ok(call.constant(tensor))
}

pub(super) fn checked_size(dims: &[usize]) -> Result<usize, Reason> {
    match checked_n_elements(dims) {
        Some(n) if n <= MAX_GENERATED => Ok(n),
        _ => invalid(format!("a constant of shape {dims:?} is too large")),
    }
}

/// A tensor of one value.
pub(super) fn filled(call: &mut Call<'_>, dims: Vec<usize>, value: f32) -> Result<ValueId, Reason> {
    let scalar = call.constant(Tensor::scalar(value));
    call.emit(Op::Expand, &[Some(scalar)], Fact::new(DType::F32, dims))
}

fn constant(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let attributes = &call.node.attributes;
    if let Some(tensor) = attributes.tensor("value") {
        let tensor = tensor.clone();
        return Ok(call.graph.add_constant(call.node.name.clone(), tensor));
    }
    if attributes.has("value_float") {
        return Ok(call.constant(Tensor::scalar(attributes.float("value_float", 0.0))));
    }
    if attributes.has("value_int") {
        return generated(call, Vec::new(), Data::I64(vec![call.node.attributes.int("value_int", 0)]));
    }
    if let Some(values) = attributes.floats("value_floats") {
        return generated(call, vec![values.len()], Data::F32(values.to_vec()));
    }
    if let Some(values) = attributes.ints("value_ints") {
        return Ok(call.constant(Tensor::from_i64s(values.to_vec())));
    }
    unsupported("it holds text or a sparse tensor")
}

fn shape_of(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let dims = call.dims(call.input(0)?);
    let rank = dims.len() as i64;
    let bound = |value: i64| (if value < 0 { value + rank } else { value }).clamp(0, rank) as usize;
    let start = bound(call.node.attributes.int("start", 0));
    let end = bound(call.node.attributes.int("end", rank)).max(start);
    Ok(call.constant(Tensor::from_i64s(dims[start..end].iter().map(|&dim| dim as i64).collect())))
}

fn constant_of_shape(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let shape = call.ints(0, "its shape")?.ok_or(Reason::Invalid("input 0 is missing".to_owned()))?;
    let dims: Vec<usize> = shape.into_iter().map(length).collect::<Result<_, _>>()?;
    let n = checked_size(&dims)?;
    let fill = call.node.attributes.tensor("value").cloned();
    let data = match fill.as_ref().map(|tensor| tensor.data()) {
        None => Data::F32(vec![0.0; n]),
        Some(DataRef::F32(&[x])) => Data::F32(vec![x; n]),
        Some(DataRef::I64(&[x])) => Data::I64(vec![x; n]),
        Some(DataRef::I32(&[x])) => Data::I32(vec![x; n]),
        Some(DataRef::U8(&[x])) => Data::U8(vec![x; n]),
        Some(DataRef::I8(&[x])) => Data::I8(vec![x; n]),
        Some(DataRef::Bool(&[x])) => Data::Bool(vec![x; n]),
        Some(_) => return invalid("its value is not one element"),
    };
    generated(call, dims, data)
}

fn range(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let dtype = call.dtype(call.input(0)?);
    if dtype == DType::F32 {
        let one = |index, what| -> Result<f32, Reason> {
            let values = call.floats(index, what)?.unwrap_or_default();
            values.first().copied().ok_or_else(|| Reason::Invalid(format!("{what} is missing")))
        };
        let (start, limit, delta) = (one(0, "the start")?, one(1, "the limit")?, one(2, "the step")?);
        let n = ((limit - start) / delta).ceil().max(0.0) as usize;
        checked_size(&[n])?;
        let data = (0..n).map(|index| start + index as f32 * delta).collect();
        return generated(call, vec![n], Data::F32(data));
    }
    let one = |index, what| -> Result<i64, Reason> {
        let values = call.ints(index, what)?.unwrap_or_default();
        values.first().copied().ok_or_else(|| Reason::Invalid(format!("{what} is missing")))
    };
    let (start, limit, delta) = (one(0, "the start")?, one(1, "the limit")?, one(2, "the step")?);
    if delta == 0 {
        return invalid("its step is 0");
    }
    let distance = i128::from(limit) - i128::from(start);
    let n = (distance + i128::from(delta) - i128::from(delta.signum())) / i128::from(delta);
    let n = usize::try_from(n.max(0)).unwrap_or(usize::MAX);
    checked_size(&[n])?;
    let values = (0..n as i64).map(|index| start + index * delta);
    let data = match dtype {
        DType::I64 => Data::I64(values.collect()),
        DType::I32 => Data::I32(values.map(|value| value as i32).collect()),
        DType::F32 | DType::U8 | DType::I8 | DType::Bool => return unsupported("its data type"),
    };
    generated(call, vec![n], data)
}

fn eye_like(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let x = call.input(0)?;
    let dims = call.dims(x);
    let [n_rows, n_columns] = dims[..] else { return invalid("its input is not a matrix") };
    let diagonal = call.node.attributes.int("k", 0);
    let number = call.node.attributes.int("dtype", 0) as i32;
    let wanted = crate::dtype::ElementType::from_onnx(number).and_then(DType::for_element);
    let dtype = if number == 0 { Some(call.dtype(x)) } else { wanted };
    let Some(dtype) = dtype else { return unsupported("its data type") };
    checked_size(&dims)?;
    let ones: Vec<f32> = (0..n_rows as i64)
        .flat_map(|row| (0..n_columns as i64).map(move |column| f32::from(column - row == diagonal)))
        .collect();
    let eye = generated(call, dims, Data::F32(ones))?;
    call.cast(eye, dtype)
}

fn non_zero(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let x = call.input(0)?;
    let dims = call.dims(x);
    let Some(tensor) = call.graph.constant(x) else {
        return Err(depends(x, "its result's shape"));
    };
    let is_set: Vec<bool> = match tensor.data() {
        DataRef::F32(data) => data.iter().map(|&x| x != 0.0).collect(),
        other => other.to_i64().unwrap_or_default().into_iter().map(|x| x != 0).collect(),
    };
    let strides = crate::tensor::strides(&dims);
    let positions: Vec<usize> = (0..is_set.len()).filter(|&index| is_set[index]).collect();
    let along = |axis: usize| {
        let (stride, dim) = (strides[axis], dims[axis]);
        positions.iter().map(move |&position| (position / stride % dim) as i64).collect::<Vec<_>>()
    };
    let indices: Vec<i64> = (0..dims.len()).flat_map(along).collect();
    generated(call, vec![dims.len(), positions.len()], Data::I64(indices))
}

fn dropout(call: &mut Call<'_>) -> Result<Vec<ValueId>, Reason> {
    let x = call.input(0)?;
    if call.ints(2, "its training flag")?.is_some_and(|flag| flag.first() == Some(&1)) {
        return unsupported("training");
    }
    if call.node.outputs.len() < 2 {
        return Ok(vec![x]);
    }
    let dims = call.dims(x);
    let n = checked_size(&dims)?;
    let mask = generated(call, dims, Data::Bool(vec![1; n]))?;
    Ok(vec![x, mask])
}

fn reshape(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let x = call.input(0)?;
    let dims = call.dims(x);
    let wanted = call.ints(1, "its shape")?.ok_or(Reason::Invalid("its shape is missing".to_owned()))?;
    let keeps_zero = call.node.attributes.flag("allowzero", false);
    let mut target = Vec::with_capacity(wanted.len());
    let mut inferred = None;
    for (index, &dim) in wanted.iter().enumerate() {
        target.push(match dim {
            -1 if inferred.is_none() => {
                inferred = Some(index);
                1
            }
            0 if !keeps_zero => match dims.get(index) {
                Some(&dim) => dim,
                None => return invalid("it copies a dimension that does not exist"),
            },
            _ => length(dim)?,
        });
    }
    if let Some(index) = inferred {
        let known = checked_n_elements(&target).unwrap_or(0);
        let n = n_elements(&dims);
        if known == 0 || !n.is_multiple_of(known) {
            return invalid(format!("{dims:?} cannot be reshaped to {wanted:?}"));
        }
        target[index] = n / known;
    }
    call.reshape(x, target)
}

fn flatten(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let x = call.input(0)?;
    let dims = call.dims(x);
    let given = call.node.attributes.int("axis", 1);
    let at = if given == dims.len() as i64 { dims.len() } else { axis(given, dims.len())? };
    call.reshape(x, vec![n_elements(&dims[..at]), n_elements(&dims[at..])])
}

fn squeeze(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let x = call.input(0)?;
    let dims = call.dims(x);
    let dropped = match call.ints_of("axes", 1)? {
        Some(given) => axes(&given, dims.len())?,
        None => (0..dims.len()).filter(|&axis| dims[axis] == 1).collect(),
    };
    if let Some(&axis) = dropped.iter().find(|&&axis| dims[axis] != 1) {
        return invalid(format!("dimension {axis} of {dims:?} is not 1"));
    }
    let kept = (0..dims.len()).filter(|axis| !dropped.contains(axis)).map(|axis| dims[axis]).collect();
    call.reshape(x, kept)
}

fn unsqueeze(call: &mut Call<'_>) -> Result<ValueId, Reason> {
    let x = call.input(0)?;
    let dims = call.dims(x);
    let given = call.ints_of("axes", 1)?.ok_or(Reason::Invalid("its axes are missing".to_owned()))?;
    let added = axes(&given, dims.len() + given.len())?;
    let mut old = dims.into_iter();
    let n = old.len() + added.len();
    let target = (0..n).map(|axis| if added.contains(&axis) { 1 } else { old.next().unwrap_or(1) }).collect();
    call.reshape(x, target)
}
