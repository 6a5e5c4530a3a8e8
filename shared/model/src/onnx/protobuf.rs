//! Protocol Buffers wire format over borrowed bytes: fields are slices of the file, never copies.
//!
//! A declared length is checked against the bytes that are there before anything is done with it, so a hostile file
//! cannot make the reader allocate.

/// Why bytes are not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A field is longer than the bytes that hold it.
    #[error("a field needs {needed} bytes where {actual} are left")]
    Truncated {
        /// Bytes the field declares.
        needed: u64,
        /// Bytes there are.
        actual: u64,
    },
    /// A variable-length integer has more than 64 bits.
    #[error("an integer has more than 64 bits")]
    Varint,
    /// A wire type that Protocol Buffers does not define, or that the field cannot have.
    #[error("field {field} has wire type {wire_type}")]
    WireType {
        /// Field number.
        field: u64,
        /// Wire type, 0–7.
        wire_type: u8,
    },
    /// A string is not UTF-8.
    #[error("field {field} is not UTF-8")]
    Utf8 {
        /// Field number.
        field: u64,
    },
}

/// The value of one field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(&'a [u8]),
    Fixed32([u8; 4]),
}

/// One field of a message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Field<'a> {
    pub(crate) number: u64,
    pub(crate) value: Value<'a>,
}

impl<'a> Field<'a> {
    fn mismatch(&self) -> WireError {
        let wire_type = match self.value {
            Value::Varint(_) => 0,
            Value::Fixed64(_) => 1,
            Value::Bytes(_) => 2,
            Value::Fixed32(_) => 5,
        };
        WireError::WireType { field: self.number, wire_type }
    }

    pub(crate) fn int(&self) -> Result<i64, WireError> {
        match self.value {
            Value::Varint(value) => Ok(value as i64),
            Value::Fixed64(_) | Value::Bytes(_) | Value::Fixed32(_) => Err(self.mismatch()),
        }
    }

    pub(crate) fn float(&self) -> Result<f32, WireError> {
        match self.value {
            Value::Fixed32(bytes) => Ok(f32::from_le_bytes(bytes)),
            Value::Varint(_) | Value::Fixed64(_) | Value::Bytes(_) => Err(self.mismatch()),
        }
    }

    pub(crate) fn bytes(&self) -> Result<&'a [u8], WireError> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            Value::Varint(_) | Value::Fixed64(_) | Value::Fixed32(_) => Err(self.mismatch()),
        }
    }

    pub(crate) fn text(&self) -> Result<&'a str, WireError> {
        std::str::from_utf8(self.bytes()?).map_err(|_not_utf8| WireError::Utf8 { field: self.number })
    }

    /// Appends the integers of a repeated field, packed or not.
    pub(crate) fn ints(&self, into: &mut Vec<i64>) -> Result<(), WireError> {
        if let Value::Bytes(mut rest) = self.value {
            while !rest.is_empty() {
                into.push(varint(&mut rest)? as i64);
            }
            return Ok(());
        }
        into.push(self.int()?);
        Ok(())
    }

    /// Appends the floats of a repeated field, packed or not.
    pub(crate) fn floats(&self, into: &mut Vec<f32>) -> Result<(), WireError> {
        if let Value::Bytes(bytes) = self.value {
            let (chunks, rest) = bytes.as_chunks::<4>();
            if !rest.is_empty() {
                return Err(self.mismatch());
            }
            into.extend(chunks.iter().map(|&chunk| f32::from_le_bytes(chunk)));
            return Ok(());
        }
        into.push(self.float()?);
        Ok(())
    }

    /// Appends the doubles of a repeated field, packed or not.
    pub(crate) fn doubles(&self, into: &mut Vec<f64>) -> Result<(), WireError> {
        match self.value {
            Value::Bytes(bytes) => {
                let (chunks, rest) = bytes.as_chunks::<8>();
                if !rest.is_empty() {
                    return Err(self.mismatch());
                }
                into.extend(chunks.iter().map(|&chunk| f64::from_le_bytes(chunk)));
                Ok(())
            }
            Value::Fixed64(bytes) => {
                into.push(f64::from_le_bytes(bytes));
                Ok(())
            }
            Value::Varint(_) | Value::Fixed32(_) => Err(self.mismatch()),
        }
    }
}

/// The fields of one message, in file order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next field with all its bytes, tag included, or `None` at the end.
    pub(crate) fn next_whole(&mut self) -> Result<Option<(Field<'a>, &'a [u8])>, WireError> {
        let before = self.rest;
        let field = self.next()?;
        Ok(field.map(|field| (field, &before[..before.len() - self.rest.len()])))
    }

    /// The next field, or `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Field<'a>>, WireError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = varint(&mut self.rest)?;
        let number = tag >> 3;
        let value = match tag & 7 {
            0 => Value::Varint(varint(&mut self.rest)?),
            1 => Value::Fixed64(fixed(&mut self.rest)?),
            2 => {
                let length = varint(&mut self.rest)?;
                Value::Bytes(take(&mut self.rest, length)?)
            }
            5 => Value::Fixed32(fixed(&mut self.rest)?),
            wire_type => return Err(WireError::WireType { field: number, wire_type: wire_type as u8 }),
        };
        Ok(Some(Field { number, value }))
    }
}

fn take<'a>(rest: &mut &'a [u8], length: u64) -> Result<&'a [u8], WireError> {
    let truncated = WireError::Truncated { needed: length, actual: rest.len() as u64 };
    let (head, tail) =
        usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length)).ok_or(truncated)?;
    *rest = tail;
    Ok(head)
}

fn fixed<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], WireError> {
    let truncated = WireError::Truncated { needed: N as u64, actual: rest.len() as u64 };
    let (head, tail) = rest.split_first_chunk::<N>().ok_or(truncated)?;
    *rest = tail;
    Ok(*head)
}

/// Takes a variable-length integer off the front.
pub(crate) fn varint(rest: &mut &[u8]) -> Result<u64, WireError> {
    let mut value = 0_u64;
    for index in 0..10 {
        let [byte] = fixed::<1>(rest)?;
        value |= u64::from(byte & 0x7f).wrapping_shl(7 * index);
        if byte & 0x80 == 0 {
            return if index == 9 && byte > 1 { Err(WireError::Varint) } else { Ok(value) };
        }
    }
    Err(WireError::Varint)
}
