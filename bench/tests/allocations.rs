//! Decoding allocates nothing: counted by an allocator of our own, over every row.
#![expect(unsafe_code, reason = "an allocator cannot be written without; it only counts and passes on")]
use metergate_bench::ROWS;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    // Each thread counts its own: the test harness allocates in others.
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    COUNT.with(|count| count.set(count.get() + 1));
}

// SAFETY: passes every call on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise about `layout` is the one that System asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from System, through `alloc` above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations_of(work: impl FnOnce() -> usize) -> (usize, u64) {
    let before = COUNT.with(Cell::get);
    let result = work();
    (result, COUNT.with(Cell::get) - before)
}

#[test]
fn the_counter_sees_allocations() {
    assert_eq!(allocations_of(|| Box::new(1_usize).to_string().len()), (1, 2), "one box and one text");
}

#[test]
fn decoding_reads_every_value_and_allocates_nothing() {
    for row in ROWS {
        let mut pass = (row.prepare)();
        // The first telegram too: nothing is set up lazily on the heap.
        for _ in 0..3 {
            assert_eq!(allocations_of(&mut pass), (row.values, 0), "{}", row.name);
        }
    }
}
