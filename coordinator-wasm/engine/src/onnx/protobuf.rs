//! The little of Protocol Buffers that finding one's way in an ONNX file takes.

use std::ops::Range;

/// Why a field cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadError {
    /// The field ends at this offset, beyond the message.
    PastEnd(usize),
    /// The bytes are no field.
    Malformed,
}

/// One field of a message, by offsets into the file.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) number: u32,
    /// Tag and value.
    pub(super) whole: Range<usize>,
    value: Value,
}

#[derive(Debug)]
enum Value {
    Varint(u64),
    Fixed,
    Bytes(Range<usize>),
}

impl Field {
    pub(super) fn varint(&self) -> Option<u64> {
        if let Value::Varint(value) = self.value { Some(value) } else { None }
    }

    /// Where the bytes, string or message is.
    pub(super) fn bytes(&self) -> Option<Range<usize>> {
        if let Value::Bytes(range) = &self.value { Some(range.clone()) } else { None }
    }
}

/// The fields of one message, in file order.
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Fields<'a> {
    /// `message` lies within `bytes`.
    pub(super) fn new(bytes: &'a [u8], message: Range<usize>) -> Self {
        Self { bytes, at: message.start, end: message.end }
    }

    /// The next field, or `None` at the end of the message.
    pub(super) fn next(&mut self) -> Result<Option<Field>, ReadError> {
        if self.at == self.end {
            return Ok(None);
        }
        let start = self.at;
        let tag = self.read_varint()?;
        let number = u32::try_from(tag >> 3).map_err(|_too_large| ReadError::Malformed)?;
        // Wire types; the groups (3, 4) are not used by ONNX.
        let value = match tag & 7 {
            0 => Value::Varint(self.read_varint()?),
            1 => self.skip(8).map(|_| Value::Fixed)?,
            2 => {
                let length = self.read_varint()?;
                let length = usize::try_from(length).map_err(|_too_large| ReadError::Malformed)?;
                Value::Bytes(self.skip(length)?)
            }
            5 => self.skip(4).map(|_| Value::Fixed)?,
            _ => return Err(ReadError::Malformed),
        };
        if number == 0 {
            return Err(ReadError::Malformed);
        }
        Ok(Some(Field { number, whole: start..self.at, value }))
    }

    fn skip(&mut self, length: usize) -> Result<Range<usize>, ReadError> {
        let start = self.at;
        let end = start.checked_add(length).ok_or(ReadError::Malformed)?;
        if end > self.end {
            return Err(ReadError::PastEnd(end));
        }
        self.at = end;
        Ok(start..end)
    }

    fn read_varint(&mut self) -> Result<u64, ReadError> {
        let mut value = 0;
        // A 64-bit value takes at most ten groups of seven bits.
        for group in 0..10 {
            let byte = self.bytes[self.skip(1)?][0];
            value |= u64::from(byte & 0x7f) << (7 * group);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(ReadError::Malformed)
    }
}

/// Appends a field of bytes, a string or a message.
pub(super) fn put_bytes(message: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_raw_varint(message, u64::from(number) << 3 | 2);
    put_raw_varint(message, bytes.len() as u64);
    message.extend_from_slice(bytes);
}

/// Appends an integer field.
pub(super) fn put_varint(message: &mut Vec<u8>, number: u32, value: u64) {
    put_raw_varint(message, u64::from(number) << 3);
    put_raw_varint(message, value);
}

fn put_raw_varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push(value as u8 | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
}
