//! Weights of a model on a device: they go there block by block, and wasm memory holds no more of them than one block.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use model::Tensor;
use model::webgpu::{self as gpu, Content, Packing, Program, Wide};
use wire::Fault;

use super::buffer::Buffer;
use super::device::{Device, STORAGE};
use super::fault;

/// Bytes that are sent before the device is asked whether those before them have arrived: until then a browser holds what
/// was written two or three times.
const GROUP_BYTES: u64 = 8 << 20;

/// Weights of a model on one device, shared by its shape classes.
#[derive(Default)]
pub(super) struct Weights {
    resident: RefCell<BTreeMap<Key, Weight>>,
}

/// The address of the weight, its layout, and where the buffer begins in it.
type Key = (*const Tensor, Packing, u64);

struct Weight {
    buffer: Rc<Buffer>,
    /// Kept alive, so that no other gets its address.
    _tensor: Arc<Tensor>,
}

/// What of a weight is written at once.
struct Piece<'p> {
    tensor: &'p Arc<Tensor>,
    packing: Packing,
    buffer: &'p gpu::Buffer,
    /// Bytes of the buffer.
    range: Range<u64>,
}

impl Weights {
    /// Uploads what a program reads and is not on the device yet.
    ///
    /// # Errors
    /// A weight does not fit 32 bits, or those of the device.
    pub(super) async fn upload(&self, device: &Device, program: &Program) -> Result<(), Fault> {
        let mut arriving = BTreeMap::new();
        let mut sent = None;
        for group in groups(self.missing(program)) {
            let next = device.watch(|| {
                group.iter().try_for_each(|piece| piece.send(device, &mut arriving))?;
                // What was written stays where it was staged until something is submitted.
                device.gpu().queue().submit(&[]);
                Ok(())
            });
            // One group is on its way while the one before it arrives.
            if let Some(sent) = sent.replace(next) {
                device.settled(sent).await?;
            }
        }
        if let Some(sent) = sent {
            device.settled(sent).await?;
        }
        self.resident.borrow_mut().append(&mut arriving);
        Ok(())
    }

    /// The buffer of an uploaded weight.
    pub(super) fn get(
        &self,
        tensor: &Arc<Tensor>,
        packing: Packing,
        planned: &gpu::Buffer,
    ) -> Result<Rc<Buffer>, Fault> {
        let resident = self.resident.borrow();
        let weight = resident.get(&(Arc::as_ptr(tensor), packing, planned.offset_bytes));
        let weight = weight.ok_or_else(|| fault::refused("a weight is not on the device"))?;
        Ok(Rc::clone(&weight.buffer))
    }

    fn missing<'p>(&self, program: &'p Program) -> Vec<Piece<'p>> {
        let resident = self.resident.borrow();
        let mut pieces = Vec::new();
        for buffer in &program.buffers {
            let Content::Constant(tensor, packing) = &buffer.content else { continue };
            let packing = *packing;
            if resident.contains_key(&(Arc::as_ptr(tensor), packing, buffer.offset_bytes)) {
                continue;
            }
            // What has to be put in order is read as a whole each time.
            let n_bytes = if packing.is_in_order(tensor.dtype()) { GROUP_BYTES } else { buffer.size_bytes };
            for start in (0..buffer.size_bytes).step_by(n_bytes as usize) {
                let range = start..(start + n_bytes).min(buffer.size_bytes);
                pieces.push(Piece { tensor, packing, buffer, range });
            }
        }
        pieces
    }
}

impl Piece<'_> {
    fn send(&self, device: &Device, arriving: &mut BTreeMap<Key, Weight>) -> Result<(), Fault> {
        let key = (Arc::as_ptr(self.tensor), self.packing, self.buffer.offset_bytes);
        if self.range.start == 0 {
            let buffer = Rc::new(device.buffer(self.buffer.size_bytes, STORAGE)?);
            arriving.insert(key, Weight { buffer, _tensor: Arc::clone(self.tensor) });
        }
        let Some(weight) = arriving.get(&key) else { return Ok(()) };
        let first = (self.buffer.offset_bytes + self.range.start) as usize;
        let range = first..first + (self.range.end - self.range.start) as usize;
        let written = self.packing.write(self.tensor, range, |offset, block| {
            let offset = self.range.start + offset as u64;
            device.write_at(&weight.buffer, offset, block).map_err(Failure::Device)
        });
        written.map_err(|failure| match failure {
            Failure::Wide(wide) => fault::wide_weight(&wide),
            Failure::Device(fault) => fault,
        })
    }
}

/// Why a piece is not sent.
enum Failure {
    Wide(Wide),
    Device(Fault),
}

impl From<Wide> for Failure {
    fn from(wide: Wide) -> Self {
        Self::Wide(wide)
    }
}

/// Pieces by order, as many together as a group has bytes.
fn groups(pieces: Vec<Piece<'_>>) -> Vec<Vec<Piece<'_>>> {
    let mut groups: Vec<Vec<Piece<'_>>> = Vec::new();
    let mut n_bytes = GROUP_BYTES;
    for piece in pieces {
        let length = piece.range.end - piece.range.start;
        if n_bytes + length > GROUP_BYTES {
            groups.push(Vec::new());
            n_bytes = 0;
        }
        n_bytes += length;
        if let Some(group) = groups.last_mut() {
            group.push(piece);
        }
    }
    groups
}
