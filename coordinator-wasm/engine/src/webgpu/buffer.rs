//! GPU memory that is accounted for, and given back when nobody needs it any more.

use std::cell::Cell;
use std::rc::Rc;

use web_sys::GpuBuffer;

/// Bytes of all buffers of one device.
#[derive(Debug, Clone, Default)]
pub(super) struct Account(Rc<Cell<u64>>);

impl Account {
    pub(super) fn bytes(&self) -> u64 {
        self.0.get()
    }
}

/// A buffer that is destroyed when it is dropped.
pub(super) struct Buffer {
    buffer: GpuBuffer,
    size_bytes: u64,
    account: Account,
}

impl Buffer {
    pub(super) fn new(buffer: GpuBuffer, size_bytes: u64, account: &Account) -> Self {
        account.0.set(account.0.get() + size_bytes);
        Self { buffer, size_bytes, account: account.clone() }
    }

    pub(super) fn gpu(&self) -> &GpuBuffer {
        &self.buffer
    }

    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.buffer.destroy();
        self.account.0.set(self.account.0.get() - self.size_bytes);
    }
}
