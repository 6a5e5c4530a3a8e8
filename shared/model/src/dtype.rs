//! Element types that a file can name, and half floats, which are computed with in 32 bits.

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

/// Converts IEEE 754 binary16 to binary32.
#[must_use]
pub fn widen_half(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let exponent = u32::from(bits >> 10) & 0x1f;
    let fraction = u32::from(bits) & 0x3ff;
    let magnitude = match exponent {
        // Subnormal: fraction · 2^-24.
        0 => (fraction as f32 * (1.0 / 16_777_216.0)).to_bits(),
        0x1f => 0x7f80_0000 | fraction << 13,
        _ => (exponent + 112) << 23 | fraction << 13,
    };
    f32::from_bits(sign | magnitude)
}

/// Converts binary32 to the nearest IEEE 754 binary16, ties to even.
#[must_use]
pub fn narrow_half(x: f32) -> u16 {
    let sign = (x.to_bits() >> 16) as u16 & 0x8000;
    let magnitude = x.to_bits() & 0x7fff_ffff;
    let narrowed = match magnitude {
        0x7f80_0001.. => 0x7e00,
        // 65,520 and above round to infinity.
        0x477f_f000.. => 0x7c00,
        // At least 2^-14.
        0x3880_0000.. => (magnitude + 0x0fff + (magnitude >> 13 & 1) - (112 << 23)) >> 13,
        _ => (f32::from_bits(magnitude) * 16_777_216.0).round_ties_even() as u32,
    };
    sign | narrowed as u16
}

#[cfg(test)]
mod tests;
