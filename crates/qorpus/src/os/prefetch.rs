//! Prefetching memory into the processor's caches.

#![expect(unsafe_code, reason = "memory that is far away is fetched while other work is done")]

/// Bytes of a line of the caches.
#[cfg(target_arch = "x86_64")]
const LINE_BYTES: usize = 64;

/// Prefetches bytes that will be read or written soon. Any address will do.
#[inline(always)]
pub(crate) fn prefetch(start: *const u8, len: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        for offset in (0..len + start.addr() % LINE_BYTES).step_by(LINE_BYTES) {
            // To the second level: the buffers of the first level hold about a dozen lines, and a
            // block of a corpus has more. SAFETY: a prefetch is a hint and reads nothing, for any
            // address.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(start.wrapping_add(offset).cast()) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (start, len);
}
