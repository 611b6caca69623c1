//! The receiving half.

mod remote;

use super::decoder::{Decoder, error_of_fault, no_error};
use super::encoder::Ending;
use super::local::{Local, Phase};
use crate::api::channel_error::{ChannelError, Never};
use crate::api::descriptor::Encoding;
use crate::link::pending_receiver::{PendingReceiver, Place};
use crate::threads::blocking;
use crate::util::budget;
use futures_core::Stream;
use remote::Remote;
use serde::de::DeserializeOwned;
use std::fmt;
use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::task::coop;

/// The receiving half of a channel. As a value it may be sent to the peer, which then gets the items.
///
/// It is a [`Stream`] of `Result<T, ChannelError<E>>`, and on a plain thread an iterator of them. Dropped, it stops its
/// sender.
///
/// Items that come are held here until they are taken, up to the window that
/// [`Limits::window`](crate::Limits::window) tells the other end; so who takes slowly slows its own sender, and nobody
/// else.
///
/// ```
/// # use mux_core as mux;
/// async fn sum(mut numbers: mux::Receiver<u64>) -> Result<u64, mux::ChannelError> {
///     let mut sum = 0;
///     while let Some(number) = numbers.recv().await? {
///         sum += number;
///     }
///     Ok(sum)
/// }
/// ```
#[must_use = "a channel whose receiver is dropped ends"]
pub struct Receiver<T, E = Never> {
    pub(super) other_end: Mutex<OtherEnd<T, E>>,
}

pub(super) enum OtherEnd<T, E> {
    Local(Arc<Local<T, E>>),
    /// Its sender leaves.
    PendingReceiver(Arc<PendingReceiver>, Decoder<T, E>),
    Remote(Remote<T, E>),
    /// It was sent away, or has ended.
    Gone,
}

impl<T, E> Receiver<T, E> {
    pub(super) fn local(local: Arc<Local<T, E>>) -> Receiver<T, E> {
        Receiver { other_end: Mutex::new(OtherEnd::Local(local)) }
    }

    fn other_end(&mut self) -> &mut OtherEnd<T, E> {
        self.other_end.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next item; `None` when the sender has finished.
    ///
    /// Cancel safe: dropped, it has taken nothing.
    ///
    /// # Errors
    /// When the channel ended otherwise, or the item cannot be decoded; then the next ones follow.
    pub async fn recv(&mut self) -> Result<Option<T>, ChannelError<E>> {
        poll_fn(|cx| self.poll_recv(cx)).await.transpose()
    }

    /// As [`recv`](Receiver::recv), on a plain thread. The receiver's iterator does the same.
    ///
    /// # Errors
    /// As [`recv`](Receiver::recv).
    ///
    /// # Panics
    /// In an async task, which it would block.
    #[track_caller]
    pub fn blocking_recv(&mut self) -> Result<Option<T>, ChannelError<E>> {
        blocking::must_not_block_a_task("Receiver::blocking_recv", "recv().await");
        blocking::block_on(self.recv())
    }

    #[inline]
    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, ChannelError<E>>>> {
        if let OtherEnd::Remote(remote) = self.other_end()
            && remote.ready() > 0
        {
            ready!(budget::poll_item(remote.ready(), cx));
            if let Some(item) = remote.next_ready() {
                return Poll::Ready(Some(item));
            }
        }
        self.poll_next_frame(cx)
    }

    fn poll_next_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, ChannelError<E>>>> {
        loop {
            match self.other_end() {
                OtherEnd::Gone => return budget::poll_spend(cx).map(|()| None),
                OtherEnd::Remote(remote) => {
                    if let Some(item) = remote.next_ready() {
                        return Poll::Ready(Some(item));
                    }
                    let ended = ready!(remote.poll_refill(cx));
                    if let Some(ended) = ended {
                        let ended = remote.ended(ended);
                        *self.other_end() = OtherEnd::Gone;
                        return Poll::Ready(ended.map(Err));
                    }
                }
                OtherEnd::PendingReceiver(pending, decoder) => {
                    let decoder = *decoder;
                    *self.other_end() = match ready!(pending.poll_place(cx)) {
                        Some(place) => OtherEnd::Remote(Remote::new(place, decoder)),
                        None => {
                            *self.other_end() = OtherEnd::Gone;
                            return Poll::Ready(Some(Err(never_left())));
                        }
                    };
                }
                OtherEnd::Local(_) => return self.poll_local(cx),
            }
        }
    }

    fn poll_local(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, ChannelError<E>>>> {
        let OtherEnd::Local(local) = self.other_end() else { return self.poll_recv(cx) };
        let coop = ready!(coop::poll_proceed(cx));
        let waker = cx.waker().clone();
        let mut state = local.lock();
        if let Some(item) = state.queue.pop_front() {
            let waiting =
                (state.queue.len() <= super::local::MOST / 2).then(|| state.sender.take()).flatten();
            drop(state);
            waiting.into_iter().for_each(std::task::Waker::wake);
            coop.made_progress();
            return Poll::Ready(Some(Ok(item)));
        }
        if let Some(ended) = state.take_ending() {
            drop(state);
            *self.other_end() = OtherEnd::Gone;
            return Poll::Ready(match ended {
                Ending::Finished => None,
                Ending::App(error) => Some(Err(ChannelError::App(error))),
                Ending::Fault(fault) => Some(Err(error_of_fault(fault, Encoding::Named, no_error))),
            });
        }
        if let Phase::SenderLeft(pending, decoder) = &state.phase {
            let other_end = OtherEnd::PendingReceiver(Arc::clone(pending), *decoder);
            drop(state);
            *self.other_end() = other_end;
            return self.poll_recv(cx);
        }
        let before = state.receiver.replace(waker);
        drop(state);
        drop(before);
        Poll::Pending
    }
}

impl<T, E> Receiver<T, E>
where
    T: DeserializeOwned + Send + 'static,
    E: DeserializeOwned + 'static,
{
    /// One that came with a message.
    pub(super) fn arrived(place: Place, encoding: Encoding) -> Receiver<T, E> {
        Receiver { other_end: Mutex::new(OtherEnd::Remote(Remote::new(place, Decoder::new(encoding)))) }
    }

    /// Of a sender that leaves.
    pub(super) fn pending(pending: Arc<PendingReceiver>, encoding: Encoding) -> Receiver<T, E> {
        Receiver { other_end: Mutex::new(OtherEnd::PendingReceiver(pending, Decoder::new(encoding))) }
    }
}

fn never_left<E>() -> ChannelError<E> {
    ChannelError::Dropped("its sender was in a message that was not sent".into())
}

/// Nothing in it is pinned.
impl<T, E> Unpin for Receiver<T, E> {}

impl<T, E> Drop for Receiver<T, E> {
    fn drop(&mut self) {
        match mem::replace(self.other_end(), OtherEnd::Gone) {
            OtherEnd::Local(local) => drop_local(&local),
            OtherEnd::PendingReceiver(pending, _) => pending.drop_receiver(),
            OtherEnd::Remote(remote) => remote.stop(),
            OtherEnd::Gone => {}
        }
    }
}

fn drop_local<T, E>(local: &Local<T, E>) {
    let (untaken, before) = local
        .tell(|state| (mem::take(&mut state.queue), mem::replace(&mut state.phase, Phase::ReceiverGone)));
    if let Phase::SenderLeft(pending, _) = before {
        pending.drop_receiver();
    }
    drop(untaken);
}

impl<T, E> fmt::Debug for Receiver<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}

impl<T, E> Stream for Receiver<T, E> {
    type Item = Result<T, ChannelError<E>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_recv(cx)
    }
}

/// The items of a receiver, on a plain thread.
#[derive(Debug)]
pub struct Iter<T, E = Never>(Receiver<T, E>);

impl<T, E> Iterator for Iter<T, E> {
    type Item = Result<T, ChannelError<E>>;

    fn next(&mut self) -> Option<Self::Item> {
        blocking::must_not_block_a_task("the iterator of a `Receiver`", "recv().await");
        self.0.blocking_recv().transpose()
    }
}

/// Takes items on a plain thread; its iterator panics in an async task, which it would block.
impl<T, E> IntoIterator for Receiver<T, E> {
    type Item = Result<T, ChannelError<E>>;
    type IntoIter = Iter<T, E>;

    fn into_iter(self) -> Iter<T, E> {
        Iter(self)
    }
}

impl<T, E> Receiver<T, E> {
    pub(super) fn take_other_end(&self) -> OtherEnd<T, E> {
        let mut other_end = self.other_end.lock().unwrap_or_else(PoisonError::into_inner);
        mem::replace(&mut *other_end, OtherEnd::Gone)
    }
}
