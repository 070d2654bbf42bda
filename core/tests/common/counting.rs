//! An allocator that counts what the calling thread takes, for test files that install it:
//! `#[global_allocator] static ALLOCATOR: counting::Counting = counting::Counting;`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]
#![allow(dead_code, reason = "each test file uses a part of this")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicI64, Ordering};

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted {
    /// All bytes asked for, also those given back at once.
    pub(crate) total: usize,
    /// The largest single block.
    pub(crate) largest: usize,
    pub(crate) blocks: usize,
}

thread_local! {
    // Constant and without a destructor, so that counting never allocates itself.
    static COUNTED: Cell<Counted> = const { Cell::new(Counted { total: 0, largest: 0, blocks: 0 }) };
}

pub(crate) struct Counting;

/// Bytes that all threads have at present.
static LIVE: AtomicI64 = AtomicI64::new(0);

fn live_by(change: i64) {
    LIVE.fetch_add(change, Ordering::Relaxed);
}

fn count(size: usize) {
    let Counted { total, largest, blocks } = COUNTED.get();
    COUNTED.set(Counted { total: total + size, largest: largest.max(size), blocks: blocks + 1 });
}

// SAFETY: every call goes to the system's allocator unchanged.
#[allow(unsafe_code, reason = "an allocator is unsafe by its nature")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        live_by(layout.size() as i64);
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        live_by(-(layout.size() as i64));
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        live_by(layout.size() as i64);
        // SAFETY: as promised by the caller.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        live_by(size as i64 - layout.size() as i64);
        // SAFETY: as promised by the caller.
        unsafe { System.realloc(block, layout, size) }
    }
}

/// What this thread allocates during `act`.
pub(crate) fn during<T>(act: impl FnOnce() -> T) -> (T, Counted) {
    COUNTED.set(Counted::default());
    let result = act();
    (result, COUNTED.get())
}

/// The bytes that all threads have at present: what a process takes, without what its allocator keeps for later.
pub(crate) fn live() -> i64 {
    LIVE.load(Ordering::Relaxed)
}
