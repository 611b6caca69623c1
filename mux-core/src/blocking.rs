//! Plain threads: waiting for a future by parking, and the one background runtime that serves
//! programs which have none.

use crate::panic;
use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use tokio::runtime::{Builder, Handle, Runtime};

thread_local! {
    /// A thread of ours, which may block although it knows a runtime.
    static MAY_BLOCK: Cell<bool> = const { Cell::new(false) };
    static UNPARK: Waker = Waker::from(Arc::new(Unpark(thread::current())));
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// Parks this thread until the future is ready.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    UNPARK.with(|waker| {
        let mut context = Context::from_waker(waker);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return output;
            }
            thread::park();
        }
    })
}

/// Whether this thread may park: a plain one, one of ours, or one a runtime lends for blocking.
pub(crate) fn may_block() -> bool {
    if MAY_BLOCK.get() {
        return true;
    }
    match Handle::try_current() {
        Err(_) => true,
        // Only the runtime knows what this thread does for it, and tells by a panic.
        Ok(handle) => panic::probe(|| handle.block_on(async {})).is_some(),
    }
}

/// Marks this thread as one that may block, for as long as `f` runs.
pub(crate) fn while_blocking<R>(f: impl FnOnce() -> R) -> R {
    let outer = MAY_BLOCK.replace(true);
    let result = f();
    MAY_BLOCK.set(outer);
    result
}

/// The runtime of connections that were made where there is none. It has one thread.
///
/// # Errors
/// When the thread cannot be started.
pub(crate) fn background() -> std::io::Result<&'static Handle> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime.handle());
    }
    let built = Builder::new_multi_thread().worker_threads(1).thread_name("mux-io").enable_all().build()?;
    // Of two threads that build one at once, the second's is dropped here.
    Ok(RUNTIME.get_or_init(|| built).handle())
}
