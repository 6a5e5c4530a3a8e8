//! wasm memory: its size, and why the instance trapped.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of one wasm page, from the WebAssembly specification.
const PAGE_BYTES: u64 = 65_536;

/// Where the standard library refuses sizes that no allocation can have.
const VECTOR_SOURCE: &str = "alloc/src/raw_vec/mod.rs";

thread_local! {
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

static FAILED_ALLOCATION_BYTES: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: NotingAllocator = NotingAllocator;

/// Size of the wasm memory, bytes. It never shrinks.
pub(super) fn size_bytes() -> u64 {
    core::arch::wasm32::memory_size(0) as u64 * PAGE_BYTES
}

/// Keeps the message of each panic, which ends in a trap that has none.
pub(super) fn keep_panics() {
    std::panic::set_hook(Box::new(|info| {
        // A vector of more than half the address space panics before it asks the allocator.
        if info.location().is_some_and(|location| location.file().ends_with(VECTOR_SOURCE)) {
            FAILED_ALLOCATION_BYTES.store(1 << 31, Ordering::Relaxed);
        }
        LAST_PANIC.set(Some(info.to_string()));
    }));
}

pub(super) fn last_panic() -> Option<String> {
    LAST_PANIC.take()
}

/// Size of the last allocation that failed, bytes, or a lower bound of it; 0 when none did.
pub(super) fn failed_allocation_bytes() -> usize {
    FAILED_ALLOCATION_BYTES.load(Ordering::Relaxed)
}

/// The system allocator, which notes what it could not give: running out of memory traps without a panic message.
struct NotingAllocator;

#[expect(unsafe_code, reason = "an allocator is unsafe by its trait; everything is passed on to `System`")]
// SAFETY: every call goes to `System` with the caller's own arguments.
unsafe impl GlobalAlloc for NotingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise about `layout` is passed on.
        note(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise about `layout` is passed on.
        note(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's promises about all three are passed on.
        note(unsafe { System.realloc(pointer, layout, new_size) }, new_size)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises about both are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn note(pointer: *mut u8, size: usize) -> *mut u8 {
    if pointer.is_null() {
        FAILED_ALLOCATION_BYTES.store(size, Ordering::Relaxed);
    }
    pointer
}
