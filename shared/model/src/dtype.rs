//! Element types: every one that a file can name, and the ones that backends compute with.

/// An element type that an ONNX file can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ElementType {
    /// 32-bit IEEE 754.
    Float32,
    /// Unsigned 8-bit.
    Uint8,
    /// Signed 8-bit.
    Int8,
    /// Unsigned 16-bit.
    Uint16,
    /// Signed 16-bit.
    Int16,
    /// Signed 32-bit.
    Int32,
    /// Signed 64-bit.
    Int64,
    /// Text.
    String,
    /// One byte, 0 or 1.
    Bool,
    /// 16-bit IEEE 754.
    Float16,
    /// 64-bit IEEE 754.
    Float64,
    /// Unsigned 32-bit.
    Uint32,
    /// Unsigned 64-bit.
    Uint64,
    /// A type by its ONNX number that has no name here: complex, bfloat16, 8-bit floats, 4-bit integers.
    Other(i32),
}

impl ElementType {
    /// The type with an ONNX `TensorProto.DataType` number; `None` for 0, "undefined".
    #[must_use]
    pub fn from_onnx(number: i32) -> Option<Self> {
        Some(match number {
            0 => return None,
            1 => Self::Float32,
            2 => Self::Uint8,
            3 => Self::Int8,
            4 => Self::Uint16,
            5 => Self::Int16,
            6 => Self::Int32,
            7 => Self::Int64,
            8 => Self::String,
            9 => Self::Bool,
            10 => Self::Float16,
            11 => Self::Float64,
            12 => Self::Uint32,
            13 => Self::Uint64,
            other => Self::Other(other),
        })
    }

    /// Bytes of one element; `None` for text and for types without a name here.
    #[must_use]
    pub fn size_bytes(self) -> Option<u64> {
        match self {
            Self::Uint8 | Self::Int8 | Self::Bool => Some(1),
            Self::Uint16 | Self::Int16 | Self::Float16 => Some(2),
            Self::Float32 | Self::Int32 | Self::Uint32 => Some(4),
            Self::Int64 | Self::Float64 | Self::Uint64 => Some(8),
            Self::String | Self::Other(_) => None,
        }
    }

    /// Name as in JSON and error messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Uint8 => "uint8",
            Self::Int8 => "int8",
            Self::Uint16 => "uint16",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::String => "string",
            Self::Bool => "bool",
            Self::Float16 => "float16",
            Self::Float64 => "float64",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Other(_) => "other",
        }
    }
}
