//! The one runtime of connections that were made where there is none, and who drives it.
//!
//! Its own thread, the I/O thread, drives it while many threads wait, or none. A thread that waits alone, call after
//! call, drives the runtime itself while it waits: it reads its answer from the socket, and no other thread has to be
//! woken for it.

use crate::threads::blocking::{self, Waiting};
use crate::util::per_process::PerProcess;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::SeqCst};
use std::sync::mpsc;
use std::task::Poll;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};
use tokio::runtime::{self, Handle, Runtime};
use tokio::sync::Notify;

/// Calls in a row that a thread waits for alone before it drives.
const ALONE: u32 = 16;

/// How long nobody drives at least once a driving thread has its answer, and at most twice that, unless there is
/// something to do. It may call again at once, and to wake the I/O thread costs more than the call.
const GAP: Duration = Duration::from_millis(1);

static BACKGROUND: PerProcess<Background> = PerProcess::new();

/// The runtime, for connections.
///
/// # Errors
/// When the system has no thread or descriptor left for it.
pub(crate) fn runtime() -> io::Result<&'static Handle> {
    Ok(started()?.runtime.handle())
}

/// The runtime, for tasks with code of the user's.
///
/// # Errors
/// As [`runtime`].
pub(crate) fn runtime_for_users() -> io::Result<&'static Handle> {
    let runtime = runtime()?;
    only_io_thread_drives();
    Ok(runtime)
}

/// From now on nobody but the I/O thread drives: code of the user runs there, which may take long, and may rely on
/// what is kept by thread. A thread that waits for something else is not to run that code.
pub(crate) fn only_io_thread_drives() {
    if let Some(background) = BACKGROUND.latest() {
        background.io_thread_only.store(true, SeqCst);
        background.revoked.notify_waiters();
        background.ensure_driven();
    }
}

/// There is something to do for the runtime: somebody drives now.
pub(crate) fn ensure_driven() {
    if let Some(background) = BACKGROUND.latest() {
        background.ensure_driven();
    }
}

/// Whether this is a task of that runtime.
pub(crate) fn is_here() -> bool {
    BACKGROUND.latest().is_some_and(|background| {
        Handle::try_current().is_ok_and(|here| here.id() == background.runtime.handle().id())
    })
}

fn started() -> io::Result<&'static Background> {
    match BACKGROUND.get() {
        Some(background) => Ok(background),
        None => start(),
    }
}

#[cold]
fn start() -> io::Result<&'static Background> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let (tell, told) = mpsc::channel::<&'static Background>();
    let run = move || {
        if let Ok(background) = told.recv() {
            background.run_io_thread();
        }
    };
    let io_thread = thread::Builder::new().name("mux-io".to_owned()).spawn(run)?;
    match BACKGROUND.put(Background::new(runtime, io_thread.thread().clone())) {
        Ok(background) => {
            // The I/O thread waits for it.
            let _ = tell.send(background);
            Ok(background)
        }
        Err((first, spare)) => {
            // Without waiting for anything, as this thread may be within another runtime.
            spare.runtime.shutdown_background();
            Ok(first)
        }
    }
}

struct Background {
    runtime: Runtime,
    io_thread: Thread,
    /// Who drives: [`IO_THREAD`], [`CALLER`], or nobody while it is [`NOBODY`].
    driver: AtomicU8,
    /// Tells the I/O thread to stop driving.
    io_thread_yields: Notify,
    /// Nobody else drives any more.
    io_thread_only: AtomicBool,
    /// Tells a thread that drives to stop, for good.
    revoked: Notify,
    /// The I/O thread sleeps until the thread that drives has its answer.
    io_thread_sleeps: AtomicBool,
    /// Calls in a row, whoever's, that had no other wait beside them while the I/O thread drove.
    calls_alone: AtomicU32,
    /// A thread drove since the I/O thread last looked.
    driven: AtomicBool,
}

const IO_THREAD: u8 = 0;
const CALLER: u8 = 1;
const NOBODY: u8 = 2;

impl Background {
    fn new(runtime: Runtime, io_thread: Thread) -> Background {
        Background {
            runtime,
            io_thread,
            driver: AtomicU8::new(IO_THREAD),
            io_thread_yields: Notify::new(),
            io_thread_only: AtomicBool::new(false),
            revoked: Notify::new(),
            io_thread_sleeps: AtomicBool::new(false),
            calls_alone: AtomicU32::new(0),
            driven: AtomicBool::new(false),
        }
    }

    /// The I/O thread's loop. It never ends.
    fn run_io_thread(&self) {
        loop {
            while self.driver.load(SeqCst) == IO_THREAD {
                self.runtime.block_on(self.io_thread_yields.notified());
            }
            self.sleep();
            if !self.driven.swap(false, SeqCst) {
                self.change(NOBODY, IO_THREAD);
            }
        }
    }

    /// For a moment, and then for as long as a thread drives.
    fn sleep(&self) {
        thread::park_timeout(GAP);
        if !self.driven.load(SeqCst) {
            self.io_thread_sleeps.store(true, SeqCst);
            if self.driver.load(SeqCst) == CALLER {
                thread::park();
            }
            self.io_thread_sleeps.store(false, SeqCst);
        }
    }

    fn change(&self, from: u8, to: u8) -> bool {
        self.driver.compare_exchange(from, to, SeqCst, SeqCst).is_ok()
    }

    /// Has the I/O thread drive where nobody does.
    fn ensure_driven(&self) {
        if self.driver.load(SeqCst) == NOBODY && self.change(NOBODY, IO_THREAD) {
            self.io_thread.unpark();
        }
    }

    /// Where the thread that waits now may drive.
    fn try_lease(&self, alone: bool) -> Option<DriverLease<'_>> {
        if self.change(NOBODY, CALLER) {
            return Some(DriverLease(self));
        }
        if !alone {
            self.calls_alone.store(0, SeqCst);
        } else if self.calls_alone.fetch_add(1, SeqCst) >= ALONE && self.change(IO_THREAD, CALLER) {
            self.calls_alone.store(0, SeqCst);
            self.io_thread_yields.notify_one();
            return Some(DriverLease(self));
        }
        None
    }

    /// Drives until the future is ready, or nobody but the I/O thread may any more: `None`.
    fn drive<F: Future>(&self, mut future: Pin<&mut F>) -> Option<F::Output> {
        let mut revoked = pin!(self.revoked.notified());
        if self.io_thread_only.load(SeqCst) {
            return None;
        }
        self.runtime.block_on(async {
            let mut turned = false;
            let output = poll_fn(|cx| {
                if let Poll::Ready(output) = future.as_mut().poll(cx) {
                    return Poll::Ready(Some(output));
                }
                let revoked = revoked.as_mut().poll(cx);
                turned |= revoked.is_pending();
                revoked.map(|()| None)
            });
            let output = output.await;
            if !turned {
                // What the poll left for the runtime to do is lost with this `block_on`, unless it has a turn.
                tokio::task::yield_now().await;
            }
            output
        })
    }
}

/// Waits for the end of a call on a connection of this runtime, and drives meanwhile where that is better.
/// `None`, where the time is over and the runtime has not said so.
pub(crate) fn wait<F: Future>(future: F, until: Option<Instant>) -> Option<F::Output> {
    let Some(background) = BACKGROUND.latest().filter(|_| blocking::is_plain()) else {
        return blocking::block_on_until(future, until);
    };
    let (_waiting, alone) = Waiting::begin();
    let mut future = pin!(future);
    if !background.io_thread_only.load(SeqCst)
        && let Some(driver) = background.try_lease(alone)
    {
        if let Some(output) = background.drive(future.as_mut()) {
            return Some(output);
        }
        drop(driver);
    }
    background.ensure_driven();
    blocking::park_until(future, until)
}

/// A thread that drives.
struct DriverLease<'b>(&'b Background);

impl Drop for DriverLease<'_> {
    fn drop(&mut self) {
        self.0.driven.store(true, SeqCst);
        self.0.driver.store(NOBODY, SeqCst);
        if self.0.io_thread_sleeps.load(SeqCst) {
            self.0.io_thread.unpark();
        }
    }
}
