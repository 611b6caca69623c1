//! Buffers of large messages, used again. An allocator gives megabytes back to the system as soon as
//! they are free, and has them faulted in again for the next message.

use crate::util::per_process::PerProcess;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What the process keeps in all, in bytes.
const KEPT: usize = 64 << 20;

/// Smaller buffers are not worth keeping, in bytes.
const SMALLEST: usize = 64 << 10;

/// Room for what is read along behind a message, in bytes.
pub(crate) const SLACK: usize = 64;

/// What is reserved at least, and how far at once what has arrived may be outrun.
const STEP: usize = 256 << 10;

/// Each process has its own: its parent's may have been locked when it was forked.
static POOL: PerProcess<Mutex<Pool>> = PerProcess::new();

#[derive(Default)]
struct Pool {
    /// Those that are open. With the last of them goes all that is kept.
    connections: usize,
    /// The oldest first, each with when it came back.
    buffers: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
}

fn pool() -> &'static Mutex<Pool> {
    POOL.get_or_make(Mutex::default)
}

fn lock() -> MutexGuard<'static, Pool> {
    lock_that(pool())
}

fn lock_that(pool: &'static Mutex<Pool>) -> MutexGuard<'static, Pool> {
    pool.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection, which wants buffers. While there is none, none are kept.
pub(crate) struct Using(&'static Mutex<Pool>);

impl Using {
    pub(crate) fn begin() -> Using {
        let pool = pool();
        lock_that(pool).connections += 1;
        Using(pool)
    }
}

impl Drop for Using {
    fn drop(&mut self) {
        let mut pool = lock_that(self.0);
        pool.connections -= 1;
        let unwanted = if pool.connections == 0 { pool.empty() } else { VecDeque::new() };
        drop(pool);
        drop(unwanted);
    }
}

/// An empty buffer for `total` bytes, of which `now` come at once. It has room for all of them only where
/// that costs nothing: memory grows with what has arrived, not with what was claimed.
pub(crate) fn take(total: usize, now: usize) -> Vec<u8> {
    let mut pool = lock();
    // The youngest of a length: what it holds may still be in the processor's caches, and the oldest can go.
    let lengths = pool.buffers.iter().map(|(_, buffer)| buffer.capacity()).enumerate().rev();
    let fitting = lengths.filter(|&(_, capacity)| capacity >= total && capacity / 4 <= total);
    let best = fitting.min_by_key(|&(_, capacity)| capacity);
    let Some((_, buffer)) = best.and_then(|(at, _)| pool.buffers.remove(at)) else {
        drop(pool);
        return Vec::with_capacity(total.min(now.max(STEP)));
    };
    pool.bytes -= buffer.capacity();
    buffer
}

/// Makes room for `more` bytes in a buffer that will hold `total`, and a little beyond: the next message is
/// seldom of that very length, as its xid may be longer.
pub(crate) fn grow(buffer: &mut Vec<u8>, more: usize, total: usize) {
    if buffer.capacity() - buffer.len() >= more {
        return;
    }
    let needed = buffer.len() + more;
    let room = (4 * buffer.len()).max(needed).min(total.saturating_add(SMALLEST).max(needed));
    buffer.reserve_exact(room - buffer.len());
}

/// Gives a buffer back. Where there is no room the oldest goes: nobody may want its length any more.
pub(crate) fn give(mut buffer: Vec<u8>) {
    if !(SMALLEST..=KEPT).contains(&buffer.capacity()) {
        return;
    }
    buffer.clear();
    let mut pool = lock();
    if pool.connections == 0 {
        return;
    }
    while pool.bytes + buffer.capacity() > KEPT {
        pool.drop_oldest();
    }
    pool.bytes += buffer.capacity();
    pool.buffers.push_back((Instant::now(), buffer));
}

/// Drops the buffers that nobody has wanted for so long.
pub(crate) fn trim(age: Duration) {
    let mut pool = lock();
    while pool.buffers.front().is_some_and(|(since, _)| since.elapsed() >= age) {
        pool.drop_oldest();
    }
    if pool.buffers.is_empty() {
        pool.buffers = VecDeque::new();
    }
}

impl Pool {
    fn empty(&mut self) -> VecDeque<(Instant, Vec<u8>)> {
        self.bytes = 0;
        std::mem::take(&mut self.buffers)
    }

    fn drop_oldest(&mut self) {
        self.bytes -= self.buffers.pop_front().map_or(0, |(_, buffer)| buffer.capacity());
    }
}

/// A buffer to be read and shared. It comes back with the last of its parts.
pub(crate) fn share(buffer: Vec<u8>) -> Bytes {
    if buffer.capacity() < SMALLEST { buffer.into() } else { Bytes::from_owner(Shared(buffer)) }
}

struct Shared(Vec<u8>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        give(std::mem::take(&mut self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pool is the process's: tests that look at what it keeps take turns.
    static TURN: Mutex<()> = Mutex::new(());

    /// With a connection.
    fn turn() -> (Using, MutexGuard<'static, ()>) {
        let turn = alone();
        (Using::begin(), turn)
    }

    fn alone() -> MutexGuard<'static, ()> {
        TURN.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[test]
    fn with_the_last_connection_goes_all_that_is_kept_and_nothing_is_kept_after_it() {
        let _turn = alone();
        let kept = || {
            let pool = lock();
            (pool.buffers.len(), pool.bytes)
        };
        let (first, last) = (Using::begin(), Using::begin());
        give(Vec::with_capacity(6_666_666));
        drop(first);
        assert_ne!(kept(), (0, 0));
        drop(last);
        assert_eq!(kept(), (0, 0));
        give(Vec::with_capacity(6_666_666));
        assert_eq!(kept(), (0, 0));
    }

    #[test]
    fn a_claim_reserves_little_and_arrivals_reserve_the_rest() {
        let mut buffer = take(1 << 30, 1000);
        assert!(buffer.capacity() <= 1 << 20, "{}", buffer.capacity());
        buffer.resize(buffer.capacity(), 0);
        let arrived = buffer.len();
        grow(&mut buffer, 1000, 1 << 30);
        assert!(buffer.capacity() > arrived && buffer.capacity() <= 4 * arrived + 1000);
    }

    #[test]
    fn lengths_that_nobody_wants_any_more_make_room() {
        let _turn = turn();
        let capacity = |nth: usize| (20 << 20) + 100 * nth;
        (0..6).for_each(|nth| give(Vec::with_capacity(capacity(nth))));
        assert_eq!(take(capacity(5), 0).capacity(), capacity(5));
        assert!(lock().bytes <= KEPT);
    }

    #[test]
    fn buffers_that_nobody_wants_for_long_are_dropped_and_younger_ones_stay() {
        let _turn = turn();
        give(Vec::with_capacity(7_777_777));
        trim(Duration::from_secs(3600));
        assert_eq!(take(7_777_777, 0).capacity(), 7_777_777);
        give(Vec::with_capacity(7_777_777));
        trim(Duration::ZERO);
        assert!(take(7_777_777, 0).capacity() < 7_777_777);
    }

    #[test]
    fn of_two_that_fit_alike_the_one_that_came_back_last_is_taken() {
        let _turn = turn();
        let buffers = [(); 3].map(|()| Vec::<u8>::with_capacity(2_222_222));
        let last = buffers[2].as_ptr();
        buffers.into_iter().for_each(give);
        let taken = take(2_222_222, 0);
        assert_eq!(taken.as_ptr(), last);
    }

    #[test]
    fn a_message_hardly_longer_than_the_last_one_takes_its_buffer() {
        let _turn = turn();
        let mut buffer = take(5 << 20, 0);
        while buffer.len() < (5 << 20) {
            let more = (64 << 10).min((5 << 20) - buffer.len());
            grow(&mut buffer, more, 5 << 20);
            buffer.resize(buffer.len() + more, 0);
        }
        let at = buffer.as_ptr();
        give(buffer);
        let again = take((5 << 20) + 4, 0);
        assert_eq!(again.as_ptr(), at);
    }

    #[test]
    fn a_shared_buffer_comes_back_with_the_last_of_its_parts() {
        let _turn = turn();
        let mut buffer = Vec::with_capacity(3_333_333);
        buffer.extend_from_slice(b"abc");
        let (at, shared) = (buffer.as_ptr(), share(buffer));
        let part = shared.slice(1..);
        drop(shared);
        assert_eq!(&part[..], b"bc");
        drop(part);
        let again = take(3_333_333, 0);
        assert_eq!((again.as_ptr(), again.len()), (at, 0));
    }
}
