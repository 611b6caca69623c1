//! The one runtime of connections that were made where there is none, and who drives it.
//!
//! Its own thread, the keeper, does while many threads wait, or none. One that waits alone, call after call,
//! drives it itself while it waits: it reads its answer from the socket, and no other thread has to be woken
//! for it.

use crate::blocking;
use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};
use tokio::runtime::{self, Handle, Runtime};
use tokio::sync::Notify;

/// Calls in a row that a thread waits for alone before it drives.
const ALONE: u32 = 16;

/// How long nobody drives at least once a driving thread has its answer, and at most twice that. It may call
/// again at once, and to wake the keeper costs more than the call.
const GAP: Duration = Duration::from_millis(1);

static BACKGROUND: OnceLock<Background> = OnceLock::new();

/// The runtime, for connections.
///
/// # Errors
/// When its thread cannot be started.
pub(crate) fn runtime() -> io::Result<&'static Handle> {
    Ok(started()?.runtime.handle())
}

/// The runtime, for tasks with code of the user's.
///
/// # Errors
/// When its thread cannot be started.
pub(crate) fn runtime_for_users() -> io::Result<&'static Handle> {
    let runtime = runtime()?;
    keeper_stays();
    Ok(runtime)
}

/// Code of the user's runs on the keeper from now on, which may take its time, and know what is kept by thread.
/// No other thread is to run that while it waits for something else.
pub(crate) fn keeper_stays() {
    if let Some(background) = BACKGROUND.get() {
        background.stays.store(true, SeqCst);
        background.recall();
    }
}

/// Whether this is a task of that runtime.
pub(crate) fn is_here() -> bool {
    BACKGROUND.get().is_some_and(|background| {
        Handle::try_current().is_ok_and(|here| here.id() == background.runtime.handle().id())
    })
}

fn started() -> io::Result<&'static Background> {
    static STARTING: Mutex<()> = Mutex::new(());
    let _starting =
        BACKGROUND.get().is_none().then(|| STARTING.lock().unwrap_or_else(PoisonError::into_inner));
    if let Some(background) = BACKGROUND.get() {
        return Ok(background);
    }
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let keeper = thread::Builder::new().name("mux-io".to_owned()).spawn(|| BACKGROUND.wait().keep())?;
    Ok(BACKGROUND.get_or_init(|| Background::new(runtime, keeper.thread().clone())))
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
    /// Threads that wait for something, driving or not.
    waiting: AtomicUsize,
    /// Calls in a row that a thread waited for alone while the keeper drove.
    alone: AtomicU32,
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
            waiting: AtomicUsize::new(0),
            alone: AtomicU32::new(0),
            driven: AtomicBool::new(false),
        }
    }

    /// What the keeper does all its life.
    fn keep(&self) {
        loop {
            while self.seat.load(SeqCst) == KEEPER {
                self.runtime.block_on(self.leaves.notified());
            }
            thread::park_timeout(GAP);
            if !self.driven.swap(false, SeqCst) {
                self.change(FREE, KEEPER);
            }
        }
    }

    fn change(&self, from: u8, to: u8) -> bool {
        self.seat.compare_exchange(from, to, SeqCst, SeqCst).is_ok()
    }

    /// Has the keeper drive where nobody does.
    fn recall(&self) {
        if self.change(FREE, KEEPER) {
            self.keeper.unpark();
        }
    }

    /// Whether the thread that waits now may drive, and does.
    fn take_seat(&self, alone: bool) -> bool {
        if self.stays.load(SeqCst) {
            self.recall();
            return false;
        }
        if self.change(FREE, CALLER) {
            return true;
        }
        let calls = if alone { self.alone.fetch_add(1, SeqCst) } else { self.alone.swap(0, SeqCst) };
        let taken = alone && calls >= ALONE && self.change(KEEPER, CALLER);
        if taken {
            self.alone.store(0, SeqCst);
            self.leaves.notify_one();
        }
        taken
    }
}

/// Waits for the end of a call on a connection of this runtime, and drives meanwhile where that is better.
/// `None`, where the time is over and the runtime has not said so.
pub(crate) fn wait<F: Future>(future: F, until: Option<Instant>) -> Option<F::Output> {
    let Some(background) = BACKGROUND.get().filter(|_| blocking::is_plain()) else {
        return blocking::block_on_until(future, until);
    };
    let alone = background.waiting.fetch_add(1, SeqCst) == 0;
    let _waiting = Waiting(background);
    if background.take_seat(alone) {
        let _seat = Seat(background);
        return Some(background.runtime.block_on(future));
    }
    blocking::park_until(future, until)
}

/// A thread that waits. While there is one, somebody drives.
pub(crate) struct Waiting(&'static Background);

impl Waiting {
    /// For something else than a call, if there is such a runtime.
    pub(crate) fn parked() -> Option<Waiting> {
        let background = BACKGROUND.get()?;
        background.waiting.fetch_add(1, SeqCst);
        background.recall();
        Some(Waiting(background))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.0.waiting.fetch_sub(1, SeqCst) > 1 {
            self.0.recall();
        }
    }
}

/// A thread that drives.
struct Seat(&'static Background);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.driven.store(true, SeqCst);
        self.0.seat.store(FREE, SeqCst);
    }
}
