//! Plain threads: waiting for a future by parking.

use crate::threads::background;
use crate::threads::panic;
use crate::threads::workers;
use crate::util::sync::atomic::{AtomicBool, Ordering};
use crate::util::sync::thread::{self, Thread};
use crate::util::sync::thread_local;
use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

#[cfg(test)]
#[cfg(mux_loom)]
mod models;

/// Threads that wait at once, from which on each lets the others run before it parks: by the time it has its turn
/// again its answer may be there, and nobody has to wake it. With fewer that takes longer than to be woken.
const CROWD: usize = 256;

/// Threads that wait for something.
static WAITING: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// A thread of ours, which may block although it knows a runtime.
    static MAY_BLOCK: Cell<bool> = const { Cell::new(false) };
    static UNPARK: Cell<Option<Arc<Unpark>>> = const { Cell::new(None) };
}

/// A thread that waits. While there is one, somebody drives the runtime of plain threads.
pub(crate) struct Waiting(());

impl Waiting {
    /// The `bool` tells whether it is the only one.
    pub(crate) fn begin() -> (Waiting, bool) {
        let alone = WAITING.fetch_add(1, Ordering::SeqCst) == 0;
        (Waiting(()), alone)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if WAITING.fetch_sub(1, Ordering::SeqCst) > 1 {
            background::ensure_driven();
        }
    }
}

/// Wakes a thread that parks. The token of `unpark` alone may be taken by anyone else who parks on it,
/// such as a lock within the future that is polled.
struct Unpark {
    thread: Thread,
    woken: AtomicBool,
}

impl Unpark {
    fn here() -> Arc<Unpark> {
        Arc::new(Unpark { thread: thread::current(), woken: AtomicBool::new(false) })
    }

    /// Parks until woken, or until then: `false`.
    fn park(&self, until: Option<Instant>) -> bool {
        if WAITING.load(Ordering::Relaxed) >= CROWD && !self.woken.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        if self.woken.swap(false, Ordering::Acquire) {
            return true;
        }
        let _waiting = workers::Waiting::begin();
        while !self.woken.swap(false, Ordering::Acquire) {
            match until.map(|until| until.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => return false,
                Some(left) => thread::park_timeout(left),
                None => thread::park(),
            }
        }
        true
    }
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Parks this thread until the future is ready.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    match block_on_until(future, None) {
        Some(output) => output,
        None => unreachable!("there is no time to run out"),
    }
}

/// Parks this thread until the future is ready, or until then: `None`.
pub(crate) fn block_on_until<F: Future>(future: F, until: Option<Instant>) -> Option<F::Output> {
    let _waiting = Waiting::begin();
    background::ensure_driven();
    park_until(future, until)
}

/// The same, where it is known already that this thread waits.
pub(crate) fn park_until<F: Future>(future: F, until: Option<Instant>) -> Option<F::Output> {
    let mut future = pin!(future);
    // One for each use of this function that is under way here, as they nest.
    let unpark = UNPARK.with(Cell::take).unwrap_or_else(Unpark::here);
    let waker = Waker::from(Arc::clone(&unpark));
    let mut context = Context::from_waker(&waker);
    let output = loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => break Some(output),
            Poll::Pending if unpark.park(until) => {}
            Poll::Pending => break None,
        }
    };
    UNPARK.with(|cell| cell.set(Some(unpark)));
    output
}

/// The runtime of this thread.
///
/// # Panics
/// Where there is none.
#[track_caller]
pub(crate) fn here() -> Handle {
    match Handle::try_current() {
        Ok(handle) => handle,
        Err(_) => panic!("mux needs a tokio runtime here; on a plain thread connect by `connect_blocking`"),
    }
}

/// # Errors
/// When the runtime of this thread was built without timers.
pub(crate) fn timers() -> io::Result<()> {
    let timer = || drop(tokio::time::sleep(Duration::ZERO));
    enabled(timer, "this tokio runtime has no timers: build it with `enable_time` or `enable_all`")
}

/// # Errors
/// When the runtime of this thread was built without I/O.
pub(crate) fn io() -> io::Result<()> {
    #[cfg(unix)]
    let register = || drop(tokio::net::UnixStream::pair());
    #[cfg(not(unix))]
    let register = || {
        let socket = std::net::UdpSocket::bind(("127.0.0.1", 0));
        drop(socket.and_then(tokio::net::UdpSocket::from_std));
    };
    enabled(register, "this tokio runtime has no I/O: build it with `enable_io` or `enable_all`")
}

/// Only the runtime knows what it was built with, and tells by a panic.
fn enabled(use_it: impl FnOnce(), otherwise: &'static str) -> io::Result<()> {
    panic::probe(use_it).ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, otherwise))
}

/// Whether this thread is none of a runtime, nor one of ours.
pub(crate) fn is_plain() -> bool {
    !MAY_BLOCK.with(Cell::get) && Handle::try_current().is_err()
}

/// Whether this thread may park: a plain one, one of ours, or one a runtime lends for blocking.
pub(crate) fn may_block() -> bool {
    if MAY_BLOCK.with(Cell::get) {
        return true;
    }
    match Handle::try_current() {
        Err(_) => true,
        // Only the runtime knows what this thread does for it, and tells by a panic.
        Ok(handle) => panic::probe(|| handle.block_on(async {})).is_some(),
    }
}

/// # Panics
/// In an async task, which `what` would block; it says what to write instead.
#[track_caller]
pub(crate) fn must_not_block_a_task(what: &str, instead: &str) {
    assert!(may_block(), "`{what}` would block an async task; write `{instead}` there");
}

/// Marks this thread as one that may block, for as long as `f` runs.
pub(crate) fn while_blocking<R>(f: impl FnOnce() -> R) -> R {
    let outer = MAY_BLOCK.with(|may| may.replace(true));
    let result = f();
    MAY_BLOCK.with(|may| may.set(outer));
    result
}
