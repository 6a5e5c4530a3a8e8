//! Copies of a model file with other initializers.

use crate::onnx::protobuf::{Fields, WireError};

/// Field numbers of `onnx.proto3`.
const MODEL_GRAPH: u64 = 7;
const GRAPH_INITIALIZER: u64 = 5;

/// A copy of a model file in which `rewrite` replaced initializers of the main graph; those for which it gives `None` stay.
pub(crate) fn rewrite_initializers<'a, E: From<WireError>>(
    file: &'a [u8],
    mut rewrite: impl FnMut(&'a [u8]) -> Result<Option<Vec<u8>>, E>,
) -> Result<Vec<u8>, E> {
    replace_fields(file, MODEL_GRAPH, |graph| {
        replace_fields(graph, GRAPH_INITIALIZER, &mut rewrite).map(Some)
    })
}

/// A copy of a message in which `replace` changed the fields with one number.
fn replace_fields<'a, E: From<WireError>>(
    message: &'a [u8],
    number: u64,
    mut replace: impl FnMut(&'a [u8]) -> Result<Option<Vec<u8>>, E>,
) -> Result<Vec<u8>, E> {
    let mut copy = Vec::new();
    let mut fields = Fields::new(message);
    while let Some((field, whole)) = fields.next_whole()? {
        if field.number == number
            && let Some(replaced) = replace(field.bytes()?)?
        {
            put_bytes(&mut copy, number, &replaced);
        } else {
            copy.extend_from_slice(whole);
        }
    }
    Ok(copy)
}

/// Appends a field of bytes, a string or a message.
pub(crate) fn put_bytes(message: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    put_varint(message, number << 3 | 2);
    put_varint(message, bytes.len() as u64);
    message.extend_from_slice(bytes);
}

/// Appends a variable-length integer.
pub(crate) fn put_varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push(value as u8 | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
}
