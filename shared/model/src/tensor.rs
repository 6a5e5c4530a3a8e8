//! Tensors in memory: the types that plans compute with, owned and borrowed.

pub mod scaled;
pub(crate) mod stored;

use std::ops::Range;
use std::sync::OnceLock;

use self::scaled::ScaledBytes;
use self::stored::StoredElements;
use crate::dtype::ElementType;

/// An element type that plans compute with. Half floats are widened to `F32` when a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DType {
    /// 32-bit IEEE 754.
    F32,
    /// Signed 64-bit.
    I64,
    /// Signed 32-bit.
    I32,
    /// Unsigned 8-bit.
    U8,
    /// Signed 8-bit.
    I8,
    /// One byte, 0 or 1.
    Bool,
}

impl DType {
    /// The type that values of an element type are computed in; `None` when there is none.
    #[must_use]
    pub fn for_element(element: ElementType) -> Option<Self> {
        match element {
            ElementType::Float32 | ElementType::Float16 => Some(Self::F32),
            ElementType::Int64 => Some(Self::I64),
            ElementType::Int32 => Some(Self::I32),
            ElementType::Uint8 => Some(Self::U8),
            ElementType::Int8 => Some(Self::I8),
            ElementType::Bool => Some(Self::Bool),
            ElementType::Uint16
            | ElementType::Int16
            | ElementType::String
            | ElementType::Float64
            | ElementType::Uint32
            | ElementType::Uint64
            | ElementType::Other(_) => None,
        }
    }

    /// Bytes of one element.
    #[must_use]
    pub fn size_bytes(self) -> usize {
        match self {
            Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::U8 | Self::I8 | Self::Bool => 1,
        }
    }

    /// Name as in ONNX and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::I64 => "int64",
            Self::I32 => "int32",
            Self::U8 => "uint8",
            Self::I8 => "int8",
            Self::Bool => "bool",
        }
    }
}

/// Elements in C order.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// Signed 64-bit integers.
    I64(Vec<i64>),
    /// Signed 32-bit integers.
    I32(Vec<i32>),
    /// Bytes.
    U8(Vec<u8>),
    /// Signed bytes.
    I8(Vec<i8>),
    /// Truth values, 0 or 1.
    Bool(Vec<u8>),
}

impl Data {
    /// `n` zeros.
    #[must_use]
    pub fn zeros(dtype: DType, n: usize) -> Self {
        match dtype {
            DType::F32 => Self::F32(vec![0.0; n]),
            DType::I64 => Self::I64(vec![0; n]),
            DType::I32 => Self::I32(vec![0; n]),
            DType::U8 => Self::U8(vec![0; n]),
            DType::I8 => Self::I8(vec![0; n]),
            DType::Bool => Self::Bool(vec![0; n]),
        }
    }

    /// No elements yet, and room for `n`.
    #[must_use]
    pub fn with_capacity(dtype: DType, n: usize) -> Self {
        match dtype {
            DType::F32 => Self::F32(Vec::with_capacity(n)),
            DType::I64 => Self::I64(Vec::with_capacity(n)),
            DType::I32 => Self::I32(Vec::with_capacity(n)),
            DType::U8 => Self::U8(Vec::with_capacity(n)),
            DType::I8 => Self::I8(Vec::with_capacity(n)),
            DType::Bool => Self::Bool(Vec::with_capacity(n)),
        }
    }

    /// Appends `n` zeros; gives their bytes, to be written little-endian.
    #[expect(unsafe_code, reason = "numbers are written as bytes without a copy")]
    pub fn grow(&mut self, n: usize) -> &mut [u8] {
        fn grow<T: Copy>(values: &mut Vec<T>, n: usize) -> &mut [u8] {
            values.reserve(n);
            let added = values.spare_capacity_mut()[..n].as_mut_ptr();
            let n_bytes = n * size_of::<T>();
            // SAFETY: there is room for `n` elements at `added`; `T` is a number without padding, for which all bytes are
            // valid, so that the zeros make them elements of the vector, which stays borrowed.
            unsafe {
                std::ptr::write_bytes(added, 0, n);
                values.set_len(values.len() + n);
                std::slice::from_raw_parts_mut(added.cast(), n_bytes)
            }
        }
        match self {
            Self::F32(data) => grow(data, n),
            Self::I64(data) => grow(data, n),
            Self::I32(data) => grow(data, n),
            Self::U8(data) | Self::Bool(data) => grow(data, n),
            Self::I8(data) => grow(data, n),
        }
    }

    /// Borrows the first `n` elements.
    #[must_use]
    pub fn first(&self, n: usize) -> DataRef<'_> {
        match self {
            Self::F32(data) => DataRef::F32(&data[..n]),
            Self::I64(data) => DataRef::I64(&data[..n]),
            Self::I32(data) => DataRef::I32(&data[..n]),
            Self::U8(data) => DataRef::U8(&data[..n]),
            Self::I8(data) => DataRef::I8(&data[..n]),
            Self::Bool(data) => DataRef::Bool(&data[..n]),
        }
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::F32(data) => data.len(),
            Self::I64(data) => data.len(),
            Self::I32(data) => data.len(),
            Self::U8(data) | Self::Bool(data) => data.len(),
            Self::I8(data) => data.len(),
        }
    }

    /// True when there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Borrowed elements in C order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DataRef<'a> {
    /// 32-bit floats.
    F32(&'a [f32]),
    /// Signed 64-bit integers.
    I64(&'a [i64]),
    /// Signed 32-bit integers.
    I32(&'a [i32]),
    /// Bytes.
    U8(&'a [u8]),
    /// Signed bytes.
    I8(&'a [i8]),
    /// Truth values, 0 or 1.
    Bool(&'a [u8]),
}

impl<'a> DataRef<'a> {
    /// Element type.
    #[must_use]
    pub fn dtype(self) -> DType {
        match self {
            Self::F32(_) => DType::F32,
            Self::I64(_) => DType::I64,
            Self::I32(_) => DType::I32,
            Self::U8(_) => DType::U8,
            Self::I8(_) => DType::I8,
            Self::Bool(_) => DType::Bool,
        }
    }

    /// Number of elements.
    #[must_use]
    pub fn len(self) -> usize {
        match self {
            Self::F32(data) => data.len(),
            Self::I64(data) => data.len(),
            Self::I32(data) => data.len(),
            Self::U8(data) | Self::Bool(data) => data.len(),
            Self::I8(data) => data.len(),
        }
    }

    /// True when there are no elements.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The elements as bytes, little-endian as WebAssembly, GPUs and the agent's machines are.
    #[must_use]
    #[expect(unsafe_code, reason = "numbers are read as bytes without a copy")]
    pub fn bytes(self) -> &'a [u8] {
        fn of<T: Copy>(values: &[T]) -> &[u8] {
            // SAFETY: the memory is the slice's own; `T` is a number without padding, and every byte is a valid `u8`.
            unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
        }
        match self {
            Self::F32(data) => of(data),
            Self::I64(data) => of(data),
            Self::I32(data) => of(data),
            Self::U8(data) | Self::Bool(data) => data,
            Self::I8(data) => of(data),
        }
    }

    /// Some of the elements.
    #[must_use]
    pub fn part(self, range: Range<usize>) -> Self {
        match self {
            Self::F32(data) => Self::F32(&data[range]),
            Self::I64(data) => Self::I64(&data[range]),
            Self::I32(data) => Self::I32(&data[range]),
            Self::U8(data) => Self::U8(&data[range]),
            Self::I8(data) => Self::I8(&data[range]),
            Self::Bool(data) => Self::Bool(&data[range]),
        }
    }

    /// An owned copy.
    #[must_use]
    pub fn to_data(self) -> Data {
        match self {
            Self::F32(data) => Data::F32(data.to_vec()),
            Self::I64(data) => Data::I64(data.to_vec()),
            Self::I32(data) => Data::I32(data.to_vec()),
            Self::U8(data) => Data::U8(data.to_vec()),
            Self::I8(data) => Data::I8(data.to_vec()),
            Self::Bool(data) => Data::Bool(data.to_vec()),
        }
    }

    /// The elements, when they are 32-bit floats.
    #[must_use]
    pub fn as_f32(self) -> Option<&'a [f32]> {
        if let Self::F32(data) = self { Some(data) } else { None }
    }

    /// Integers and truth values as 64-bit; `None` for floats.
    #[must_use]
    pub fn to_i64(self) -> Option<Vec<i64>> {
        match self {
            Self::F32(_) => None,
            Self::I64(data) => Some(data.to_vec()),
            Self::I32(data) => Some(data.iter().map(|&x| i64::from(x)).collect()),
            Self::U8(data) | Self::Bool(data) => Some(data.iter().map(|&x| i64::from(x)).collect()),
            Self::I8(data) => Some(data.iter().map(|&x| i64::from(x)).collect()),
        }
    }
}

/// A tensor somebody else owns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View<'a> {
    /// Shape, outermost dimension first; empty for a scalar.
    pub dims: &'a [usize],
    /// As many elements as the shape says.
    pub data: DataRef<'a>,
}

/// A tensor that owns its elements.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    dims: Vec<usize>,
    elements: Elements,
}

#[derive(Debug, Clone, PartialEq)]
enum Elements {
    Plain(Data),
    /// Floats that are made when they are read.
    Scaled(ScaledBytes, OnceLock<Data>),
    /// Elements that are read when they are needed.
    Stored(StoredElements, OnceLock<Data>),
}

impl Tensor {
    /// A tensor; `None` when the shape asks for another number of elements than there are.
    #[must_use]
    pub fn new(dims: Vec<usize>, data: Data) -> Option<Self> {
        (checked_n_elements(&dims)? == data.len()).then_some(Self { dims, elements: Elements::Plain(data) })
    }

    /// A one-dimensional integer tensor.
    #[must_use]
    pub fn from_i64s(values: Vec<i64>) -> Self {
        Self { dims: vec![values.len()], elements: Elements::Plain(Data::I64(values)) }
    }

    /// A scalar.
    #[must_use]
    pub fn scalar(value: f32) -> Self {
        Self { dims: Vec::new(), elements: Elements::Plain(Data::F32(vec![value])) }
    }

    /// Floats that stay in 8 bits until somebody reads them.
    #[must_use]
    pub fn scaled(scaled: ScaledBytes) -> Self {
        Self { dims: scaled.bytes().dims().to_vec(), elements: Elements::Scaled(scaled, OnceLock::new()) }
    }

    /// Elements that stay in their file until somebody reads them.
    pub(crate) fn stored(dims: Vec<usize>, stored: StoredElements) -> Self {
        Self { dims, elements: Elements::Stored(stored, OnceLock::new()) }
    }

    /// The 8-bit form of floats that have one.
    #[must_use]
    pub fn as_scaled(&self) -> Option<&ScaledBytes> {
        match &self.elements {
            Elements::Plain(_) | Elements::Stored(..) => None,
            Elements::Scaled(scaled, _) => Some(scaled),
        }
    }

    /// The same type and shape, for elements that are kept in another form elsewhere.
    #[must_use]
    pub fn released(&self) -> Self {
        let nothing = Data::with_capacity(self.dtype(), 0);
        Self { dims: self.dims.clone(), elements: Elements::Plain(nothing) }
    }

    /// True when the elements are elsewhere: [`Self::data`] is empty though the shape has elements.
    #[must_use]
    pub fn is_released(&self) -> bool {
        match &self.elements {
            Elements::Plain(data) => data.len() != self.n_elements(),
            Elements::Scaled(..) | Elements::Stored(..) => false,
        }
    }

    /// Shape, outermost dimension first; empty for a scalar.
    #[must_use]
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// Hands some of the elements to `read`; those that must be made or read for it are not kept.
    pub fn with_part<T>(&self, range: Range<usize>, read: impl FnOnce(DataRef<'_>) -> T) -> T {
        let made = match &self.elements {
            Elements::Scaled(scaled, floats) if floats.get().is_none() => {
                let mut floats = vec![0.0; range.len()];
                scaled.read(range.start, &mut floats);
                Data::F32(floats)
            }
            Elements::Stored(stored, read) if read.get().is_none() => stored.read(range),
            Elements::Plain(_) | Elements::Scaled(..) | Elements::Stored(..) => {
                return read(self.data().part(range));
            }
        };
        read(made.first(made.len()))
    }

    /// The elements; none of a tensor that is [released](Self::is_released). The tensor keeps those that it had to make or to
    /// read for this.
    #[must_use]
    pub fn data(&self) -> DataRef<'_> {
        let data = match &self.elements {
            Elements::Plain(data) => data,
            Elements::Scaled(scaled, floats) => floats.get_or_init(|| {
                let mut floats = vec![0.0; self.n_elements()];
                scaled.read(0, &mut floats);
                Data::F32(floats)
            }),
            Elements::Stored(stored, read) => read.get_or_init(|| stored.read(0..self.n_elements())),
        };
        data.first(data.len())
    }

    /// True for a scaled tensor, or one in a file, that nobody has read.
    #[cfg(test)]
    pub(crate) fn is_unread(&self) -> bool {
        match &self.elements {
            Elements::Plain(_) => false,
            Elements::Scaled(_, read) | Elements::Stored(_, read) => read.get().is_none(),
        }
    }

    /// Number of elements that the shape asks for.
    #[must_use]
    pub fn n_elements(&self) -> usize {
        n_elements(&self.dims)
    }

    /// Element type.
    #[must_use]
    pub fn dtype(&self) -> DType {
        match &self.elements {
            Elements::Plain(data) => data.first(0).dtype(),
            Elements::Scaled(..) => DType::F32,
            Elements::Stored(stored, _) => stored.dtype(),
        }
    }

    /// Borrows everything.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        View { dims: &self.dims, data: self.data() }
    }

    /// Gives up the elements.
    #[must_use]
    pub fn into_data(self) -> Data {
        match self.elements {
            Elements::Plain(data) => data,
            Elements::Scaled(..) | Elements::Stored(..) => self.data().to_data(),
        }
    }
}

/// Product of dimensions, or `None` when it overflows.
#[must_use]
pub fn checked_n_elements(dims: &[usize]) -> Option<usize> {
    dims.iter().try_fold(1_usize, |n, &dim| n.checked_mul(dim))
}

/// Product of dimensions that are known not to overflow.
#[must_use]
pub fn n_elements(dims: &[usize]) -> usize {
    dims.iter().product()
}

/// Elements between neighbours along each dimension in C order.
#[must_use]
pub fn strides(dims: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; dims.len()];
    for axis in (1..dims.len()).rev() {
        strides[axis - 1] = strides[axis] * dims[axis];
    }
    strides
}

/// Shape that two shapes broadcast to, or `None` when they do not.
#[must_use]
pub fn broadcast(left: &[usize], right: &[usize]) -> Option<Vec<usize>> {
    let rank = left.len().max(right.len());
    let at = |dims: &[usize], axis: usize| {
        (axis + dims.len()).checked_sub(rank).map_or(1, |axis_of_dims| dims[axis_of_dims])
    };
    (0..rank)
        .map(|axis| match (at(left, axis), at(right, axis)) {
            (l, r) if l == r => Some(l),
            (1, r) => Some(r),
            (l, 1) => Some(l),
            _ => None,
        })
        .collect()
}

/// Strides with which a tensor is read to look like a shape it broadcasts to: 0 along repeated dimensions.
#[must_use]
pub fn broadcast_strides(from: &[usize], to: &[usize]) -> Vec<usize> {
    let own = strides(from);
    let added = to.len() - from.len();
    (0..to.len())
        .map(|axis| match axis.checked_sub(added) {
            Some(own_axis) if from[own_axis] != 1 => own[own_axis],
            _ => 0,
        })
        .collect()
}
