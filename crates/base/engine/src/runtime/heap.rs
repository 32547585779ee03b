//! The heap between two pictures.

/// Blocks up to this size come from the heap; the C library allows no more (`HEAP_MAX_SIZE / 2`).
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGEST_BLOCK: i32 = 32 << 20;
/// So much free memory at the end of the heap is kept.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const KEPT: i32 = 256 << 20;

/// Lets this process keep the memory that a network frees after each picture.
///
/// rten allocates the same large tensors for every picture. By default the C library gives them back to the system
/// at once and gets them anew, page by page: a seventh of YOLOv5n's time (see `bench/README.md`). The price is
/// about 40 MB for each instance of it. Other C libraries than glibc are left as they are.
///
/// This is a setting of the whole process, so it is for programs to call, at their start. What was kept is given back by
/// [`give_back_freed_memory`].
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "the C library's allocator has no safe interface")]
    // SAFETY: `mallopt` takes two integers, touches no memory of ours, and may be called at any time.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGEST_BLOCK);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
    }
}

/// Gives the system back what this process has freed and kept: for moments in which much was freed for good, such as a model that
/// is not served any more. Without it every change of models leaves pieces between blocks that are in use, and the process grows.
/// It takes milliseconds, in which others wait for memory.
pub fn give_back_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "the C library's allocator has no safe interface")]
    // SAFETY: `malloc_trim` takes an integer, frees only what is free already, and may be called at any time by any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}
