//! Threads that decode what takes long, so that no thread of a runtime is held up by it.

use crate::threads::turns::Lane;
use crate::threads::workers::{Fate, Job, LeaveOnDrop, WorkerThreads};
use crate::util::per_process::PerProcess;
use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::thread;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

pub(crate) use mux_proto::wire::shape::takes_long;

const NAME: &str = "mux-decoder";

thread_local! {
    /// What is polled here is to decode now, and then to go on elsewhere.
    static DECODING: Cell<bool> = const { Cell::new(false) };
}

/// The threads of the process, which is what bounds how much is decoded at once. What waits for them is counted by its
/// connection: a request until it is answered, an item until it is taken. Connections take turns, so that what a peer has
/// decoded holds up the others by one message at most.
static THREADS: PerProcess<WorkerThreads> = PerProcess::new();

fn threads() -> &'static WorkerThreads {
    THREADS.get_or_make(|| {
        // More would share the processors. With one alone, a `Deserialize` that blocks would hold up all others.
        let processors = thread::available_parallelism().map_or(2, |processors| processors.get().max(2));
        WorkerThreads::apart(NAME, processors)
    })
}

/// Whether this decodes, for [`decode`].
#[inline]
pub(crate) fn is_here() -> bool {
    DECODING.get()
}

/// The connection of the lane is closed. What of it [outlives](decode_for_good) it has one turn with that of all others.
pub(crate) fn close(lane: Lane) {
    if let Some(threads) = THREADS.get() {
        threads.close(lane);
    }
}

/// Decodes on a thread of these. Where the system has none left to start the first one, decodes here.
pub(crate) fn decode<R: Send + 'static>(
    lane: Lane,
    decode: impl FnOnce() -> R + Send + 'static,
) -> Decoding<R> {
    submit(lane, decode, false)
}

/// As [`decode`], of what is decoded also when its connection is closed.
pub(crate) fn decode_for_good<R: Send + 'static>(
    lane: Lane,
    decode: impl FnOnce() -> R + Send + 'static,
) -> Decoding<R> {
    submit(lane, decode, true)
}

fn submit<R: Send + 'static>(
    lane: Lane,
    decode: impl FnOnce() -> R + Send + 'static,
    for_good: bool,
) -> Decoding<R> {
    let (sender, decoded) = oneshot::channel();
    // `Deserialize` finds the runtime that it would find here.
    let runtime = Handle::try_current().ok();
    let job: Job = Box::new(move |_: Fate| {
        let _entered = runtime.as_ref().map(Handle::enter);
        DECODING.set(true);
        let decoded = catch_unwind(AssertUnwindSafe(decode));
        DECODING.set(false);
        // Fails where nobody waits for it any more.
        let _ = sender.send(decoded);
    });
    let ticket = threads().submit(lane, job, for_good).unwrap_or_else(|no_thread| {
        no_thread.job.into_iter().for_each(|job| job(Fate::Run));
        None
    });
    let leave = ticket.map(|ticket| threads().leave_on_drop(ticket));
    Decoding { decoded, _leave: leave }
}

/// What is decoded elsewhere. A panic of a user's `Deserialize` goes on where this is polled. Dropped, it is not decoded,
/// if that has not begun.
pub(crate) struct Decoding<R> {
    decoded: oneshot::Receiver<thread::Result<R>>,
    _leave: Option<LeaveOnDrop>,
}

impl<R> Future for Decoding<R> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        match ready!(Pin::new(&mut self.decoded).poll(cx)).expect("a job runs, or leaves with this") {
            Ok(decoded) => Poll::Ready(decoded),
            Err(panicked) => resume_unwind(panicked),
        }
    }
}

/// Polls a future until its [`made`] has made what it makes, and no further. Nothing, where the future is over.
pub(crate) fn poll_made<F: Future + Unpin>(mut future: F) -> Option<F> {
    let polled = Pin::new(&mut future).poll(&mut Context::from_waker(Waker::noop()));
    polled.is_pending().then_some(future)
}

/// What makes a value, for [`made`]. Its bound lets a closure that moves what it captured be one.
#[inline]
pub fn once<M: FnOnce() -> R, R>(make: M) -> Option<M> {
    Some(make)
}

/// Makes a value, once, by decoding it. On a decoder's thread, the future that awaits it goes on elsewhere. What makes it
/// stays where it is, as it may be large.
#[inline]
pub fn made<M: FnOnce() -> R, R>(make: &mut Option<M>) -> Made<'_, M, R> {
    Made { make, made: None }
}

/// See [`made`].
pub struct Made<'m, M, R> {
    make: &'m mut Option<M>,
    made: Option<Box<R>>,
}

impl<M, R> fmt::Debug for Made<'_, M, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Made").finish_non_exhaustive()
    }
}

impl<M, R> Unpin for Made<'_, M, R> {}

impl<M: FnOnce() -> R, R> Future for Made<'_, M, R> {
    type Output = R;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<R> {
        if let Some(make) = self.make.take() {
            let made = make();
            if !is_here() {
                return Poll::Ready(made);
            }
            self.made = Some(Box::new(made));
            return Poll::Pending;
        }
        Poll::Ready(*self.made.take().expect("`Made` polled after it was over"))
    }
}
