//! The one runtime of connections that were made where there is none, and who drives it.
//!
//! Its own thread, the keeper, does while many threads wait, or none. One that waits alone, call after call,
//! drives it itself while it waits: it reads its answer from the socket, and no other thread has to be woken
//! for it.

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
/// something to do. It may call again at once, and to wake the keeper costs more than the call.
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
    keeper_stays();
    Ok(runtime)
}

/// Code of the user's runs on the keeper from now on, which may take its time, and know what is kept by thread.
/// No other thread is to run that while it waits for something else.
pub(crate) fn keeper_stays() {
    if let Some(background) = BACKGROUND.latest() {
        background.stays.store(true, SeqCst);
        background.evicted.notify_waiters();
        background.recall();
    }
}

/// There is something to do for the runtime: somebody drives now.
pub(crate) fn recall() {
    if let Some(background) = BACKGROUND.latest() {
        background.recall();
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
    let keep = move || {
        if let Ok(background) = told.recv() {
            background.keep();
        }
    };
    let keeper = thread::Builder::new().name("mux-io".to_owned()).spawn(keep)?;
    match BACKGROUND.put(Background::new(runtime, keeper.thread().clone())) {
        Ok(background) => {
            // Its keeper waits for it.
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
    keeper: Thread,
    /// Who drives: [`KEEPER`], [`CALLER`], or nobody while it is [`FREE`].
    seat: AtomicU8,
    /// The keeper is to leave its seat.
    leaves: Notify,
    /// It never leaves it again.
    stays: AtomicBool,
    /// Nor is anybody else to drive any more.
    evicted: Notify,
    /// It sleeps until the thread that drives has its answer.
    dozes: AtomicBool,
    /// Calls in a row, whoever's, that had no other wait beside them while the keeper drove.
    calls_alone: AtomicU32,
    /// A thread drove since the keeper last looked.
    driven: AtomicBool,
}

const KEEPER: u8 = 0;
const CALLER: u8 = 1;
const FREE: u8 = 2;

impl Background {
    fn new(runtime: Runtime, keeper: Thread) -> Background {
        Background {
            runtime,
            keeper,
            seat: AtomicU8::new(KEEPER),
            leaves: Notify::new(),
            stays: AtomicBool::new(false),
            evicted: Notify::new(),
            dozes: AtomicBool::new(false),
            calls_alone: AtomicU32::new(0),
            driven: AtomicBool::new(false),
        }
    }

    /// What the keeper does all its life.
    fn keep(&self) {
        loop {
            while self.seat.load(SeqCst) == KEEPER {
                self.runtime.block_on(self.leaves.notified());
            }
            self.doze();
            if !self.driven.swap(false, SeqCst) {
                self.change(FREE, KEEPER);
            }
        }
    }

    /// For a moment, and then for as long as a thread drives.
    fn doze(&self) {
        thread::park_timeout(GAP);
        if !self.driven.load(SeqCst) {
            self.dozes.store(true, SeqCst);
            if self.seat.load(SeqCst) == CALLER {
                thread::park();
            }
            self.dozes.store(false, SeqCst);
        }
    }

    fn change(&self, from: u8, to: u8) -> bool {
        self.seat.compare_exchange(from, to, SeqCst, SeqCst).is_ok()
    }

    /// Has the keeper drive where nobody does.
    fn recall(&self) {
        if self.seat.load(SeqCst) == FREE && self.change(FREE, KEEPER) {
            self.keeper.unpark();
        }
    }

    /// Where the thread that waits now may drive.
    fn take_seat(&self, alone: bool) -> Option<Seat<'_>> {
        if self.change(FREE, CALLER) {
            return Some(Seat(self));
        }
        if !alone {
            self.calls_alone.store(0, SeqCst);
        } else if self.calls_alone.fetch_add(1, SeqCst) >= ALONE && self.change(KEEPER, CALLER) {
            self.calls_alone.store(0, SeqCst);
            self.leaves.notify_one();
            return Some(Seat(self));
        }
        None
    }

    /// Drives until the future is ready, or nobody but the keeper may any more: `None`.
    fn drive<F: Future>(&self, mut future: Pin<&mut F>) -> Option<F::Output> {
        let mut evicted = pin!(self.evicted.notified());
        if self.stays.load(SeqCst) {
            return None;
        }
        self.runtime.block_on(async {
            let mut turned = false;
            let output = poll_fn(|cx| {
                if let Poll::Ready(output) = future.as_mut().poll(cx) {
                    return Poll::Ready(Some(output));
                }
                let evicted = evicted.as_mut().poll(cx);
                turned |= evicted.is_pending();
                evicted.map(|()| None)
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
    if !background.stays.load(SeqCst)
        && let Some(seat) = background.take_seat(alone)
    {
        if let Some(output) = background.drive(future.as_mut()) {
            return Some(output);
        }
        drop(seat);
    }
    background.recall();
    blocking::park_until(future, until)
}

/// A thread that drives.
struct Seat<'b>(&'b Background);

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.driven.store(true, SeqCst);
        self.0.seat.store(FREE, SeqCst);
        if self.0.dozes.load(SeqCst) {
            self.0.keeper.unpark();
        }
    }
}
