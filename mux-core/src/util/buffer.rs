//! Buffers used again by one thread. They are taken, never borrowed: encoding runs user code, which
//! may make calls itself.

use std::cell::RefCell;

/// Buffers a thread keeps, and the largest it keeps, in bytes.
const KEPT: usize = 64;
const LARGEST: usize = 16 << 10;

/// By how much a buffer may be too large for what is kept, in bytes.
const ROUGHLY: usize = 128;

thread_local! {
    static POOL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer.
#[inline]
pub(crate) fn take() -> Vec<u8> {
    let kept = POOL.try_with(|pool| pool.borrow_mut().pop());
    kept.ok().flatten().unwrap_or_default()
}

/// A copy of a small part of something, which may be kept for long: its buffer is hardly larger.
pub(crate) fn copy(part: &[u8]) -> Vec<u8> {
    let mut buffer = take();
    if buffer.capacity() < part.len() || buffer.capacity() > 2 * part.len() + ROUGHLY {
        give(buffer);
        return part.to_vec();
    }
    buffer.extend_from_slice(part);
    buffer
}

/// Gives a buffer back for reuse.
#[inline]
pub(crate) fn give(mut buffer: Vec<u8>) {
    if buffer.capacity() == 0 || buffer.capacity() > LARGEST {
        return;
    }
    buffer.clear();
    // Fails only while the thread ends; the buffer is freed then.
    let _ = POOL.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        if pool.len() < KEPT {
            pool.push(buffer);
        }
    });
}
