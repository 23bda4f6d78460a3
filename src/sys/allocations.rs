//! An allocator that counts: a program installs it, and its allocations can be compared exactly.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

static COUNT: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

/// The system's allocator with two counters. `#[global_allocator] static A: Counting = Counting;`
#[derive(Debug, Clone, Copy, Default)]
pub struct Counting;

/// What was allocated since the program began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allocations {
    /// Allocations, and reallocations that grew.
    pub count: u64,
    /// Bytes asked for.
    pub bytes: u64,
}

/// The counters; `None` where the program did not install [`Counting`] (a program that never allocated cannot be).
#[must_use]
pub fn so_far() -> Option<Allocations> {
    let count = COUNT.load(Ordering::Relaxed);
    (count > 0).then(|| Allocations { count, bytes: BYTES.load(Ordering::Relaxed) })
}

fn note(bytes: usize) {
    COUNT.fetch_add(1, Ordering::Relaxed);
    BYTES.fetch_add(bytes as u64, Ordering::Relaxed);
}

// SAFETY: every call is handed on to the system's allocator unchanged; the counters touch no memory of the caller.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's promise about the layout is the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from one of the calls above, with this layout.
        unsafe { System.dealloc(pointer, layout) };
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        note(new_size.saturating_sub(layout.size()));
        // SAFETY: as above; the caller promises that the new size is one.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}
