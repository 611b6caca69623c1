//! What lies on this process's heap, if this is the program that counts it: `mux-bench-heap`.

use stats_alloc::{INSTRUMENTED_SYSTEM, Stats};

use crate::Result;

/// Bytes that were allocated and not yet freed.
pub fn live() -> Result<i64> {
    let Stats { bytes_allocated, bytes_deallocated, .. } = stats()?;
    Ok(bytes_allocated as i64 - bytes_deallocated as i64)
}

/// How often memory was asked for, be it new or more.
pub fn allocations() -> Result<u64> {
    let Stats { allocations, reallocations, .. } = stats()?;
    Ok((allocations + reallocations) as u64)
}

fn stats() -> Result<Stats> {
    match INSTRUMENTED_SYSTEM.stats() {
        // No program comes as far as this without any.
        Stats { allocations: 0, .. } => Err("this program does not count its heap".into()),
        stats => Ok(stats),
    }
}
