//! What benchmarks of the engine share: how often memory is asked for, and a setup that is known already.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use alumet_injector::engine::setup::{Setup, SetupKey, Setups, Snapshot};

/// The system's allocator, counting calls and bytes.
struct Counting;

static CALLS: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);

#[expect(
    unsafe_code,
    reason = "an allocator can be counted in no other way; each call goes on unchanged"
)]
// SAFETY: every method hands its arguments to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many times `work` asks for memory.
pub(crate) fn allocations<T>(work: impl FnOnce() -> T) -> usize {
    let before = CALLS.load(Ordering::Relaxed);
    black_box(work());
    CALLS.load(Ordering::Relaxed) - before
}

/// What `work` gives, and how many bytes of memory that holds.
pub(crate) fn held<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = BYTES.load(Ordering::Relaxed);
    let result = black_box(work());
    let after = BYTES.load(Ordering::Relaxed);
    (result, after.saturating_sub(before))
}

/// Gives one setup, as a memo would.
pub(crate) struct Remembered(pub(crate) Arc<Setup>);

impl Setups for Remembered {
    fn setup(&self, _snapshot: &Snapshot, _key: SetupKey<'_>) -> Arc<Setup> {
        Arc::clone(&self.0)
    }
}
