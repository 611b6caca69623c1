//! The sending half.

mod remote;

use super::encoder::{Encoder, Ending};
use super::local::{Local, MOST, Phase};
use crate::api::channel_error::{SendError, TrySendError};
use crate::api::descriptor::Encoding;
use crate::link::pending_receiver::Place;
use crate::link::send_queue::{Gone, SendQueue};
use crate::threads::blocking;
use crate::util::budget;
use futures_core::Stream;
use futures_sink::Sink;
use mux_proto::wire::fault::{Fault, FaultCode};
use remote::{Remote, Sending};
use serde::Serialize;
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::task::coop;

/// The sending half of a channel. As a value it may be sent to the peer, whose items then come here.
///
/// A sender that is dropped without [`finish`](Sender::finish) ends its channel with an error:
/// [`ChannelError::Dropped`](super::ChannelError::Dropped). So a receiver can tell a whole sequence from a
/// broken one. What was sent before arrives in either case, unless the connection closes: a channel's
/// halves keep open the connection that they go over, but those within a handler do not.
///
/// It is a [`Sink`]; its flush waits until all items have been handed to the connection.
///
/// ```
/// # use mux_core as mux;
/// # async fn job() {}
/// async fn work(mut progress: mux::Sender<u32>) {
///     for percent in [0, 50, 100] {
///         job().await;
///         if progress.send(percent).await.is_err() {
///             return; // nobody looks any more
///         }
///     }
///     progress.finish();
/// }
/// ```
pub struct Sender<T, E = super::Never> {
    pub(super) other_end: Mutex<OtherEnd<T, E>>,
}

pub(super) enum OtherEnd<T, E> {
    Local(Arc<Local<T, E>>),
    Remote(Box<Remote<T, E>>),
    /// It was sent away, or has ended.
    Gone,
}

impl<T, E> Sender<T, E> {
    pub(super) fn local(local: Arc<Local<T, E>>) -> Sender<T, E> {
        Sender { other_end: Mutex::new(OtherEnd::Local(local)) }
    }

    pub(super) fn remote(send_queue: Arc<SendQueue>, encoder: Encoder<T, E>) -> Sender<T, E> {
        Sender { other_end: Mutex::new(OtherEnd::Remote(Box::new(Remote::new(send_queue, encoder)))) }
    }

    /// Where it sends. A local channel whose receiver has left is one no more.
    fn other_end(&mut self) -> &mut OtherEnd<T, E> {
        let other_end = self.other_end.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let OtherEnd::Local(local) = other_end {
            let left = local.lock().receiver_left();
            if let Some((send_queue, encoder)) = left {
                *other_end = OtherEnd::Remote(Box::new(Remote::new(send_queue, encoder)));
            }
        }
        other_end
    }

    /// Sends an item, and waits while the other side has to take others first.
    ///
    /// It is on its way when this returns, without a flush. Cancel safe: dropped, the item either is on its way or
    /// was not sent.
    ///
    /// # Errors
    /// When nobody receives, or the item cannot be encoded; then the channel goes on. Why nobody receives, the
    /// answer of the call tells that carried the receiver.
    pub async fn send(&mut self, item: T) -> Result<(), SendError> {
        if let OtherEnd::Remote(remote) = self.other_end() {
            if let Err(error) = remote.encode(&item) {
                budget::spend().await;
                return Err(error);
            }
            let sending = Sending(remote);
            return poll_fn(|cx| budget::poll_with(cx, |cx| sending.0.poll_push(cx))).await;
        }
        poll_fn(|cx| budget::poll_with(cx, |cx| self.poll_room(cx))).await?;
        self.put(item)
    }

    /// Sends all that a stream yields, as fast as the other side takes it. It is faster than to
    /// [`send`](Sender::send) each: items that are ready together are encoded together.
    ///
    /// The channel goes on afterwards. Cancel safe: dropped, what was taken from the stream is on its way, or goes
    /// with what is sent next.
    ///
    /// ```
    /// # use mux_core as mux;
    /// # async fn upload(numbers: impl mux::Stream<Item = u64>) -> Result<(), mux::SendError> {
    /// let (mut sender, receiver) = mux::channel();
    /// # drop(receiver);
    /// sender.send_all(numbers).await?;
    /// sender.finish();
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When nobody receives. An item that cannot be encoded ends the channel.
    pub async fn send_all(&mut self, stream: impl Stream<Item = T>) -> Result<(), SendError> {
        let mut stream = pin!(stream);
        let mut count = 0_usize;
        poll_fn(|cx| {
            loop {
                let budget = ready!(coop::poll_proceed(cx));
                ready!(self.poll_room(cx))?;
                budget.made_progress();
                let next = || {
                    count = count.wrapping_add(1);
                    ready!(budget::poll_item(count, cx));
                    stream.as_mut().poll_next(cx).map(|item| item.ok_or(()))
                };
                if ready!(self.poll_fill(next)).is_some() {
                    return Poll::Ready(Ok(()));
                }
            }
        })
        .await
    }

    /// Sends an item where that needs no waiting.
    ///
    /// # Errors
    /// [`TrySendError::Full`] with the item, or why it can never be sent.
    pub fn try_send(&mut self, item: T) -> Result<(), TrySendError<T>> {
        let room = match self.other_end() {
            OtherEnd::Gone => Err(Gone),
            OtherEnd::Local(local) => {
                let state = local.lock();
                if state.is_receiver_gone() { Err(Gone) } else { Ok(state.queue.len() < MOST) }
            }
            OtherEnd::Remote(remote) => remote.send_queue.has_room(),
        };
        match room {
            Ok(true) => self.put(item).map_err(TrySendError::Failed),
            Ok(false) => Err(TrySendError::Full(item)),
            Err(Gone) => Err(TrySendError::Failed(self.gone())),
        }
    }

    /// As [`send`](Sender::send), on a plain thread.
    ///
    /// # Errors
    /// As [`send`](Sender::send).
    ///
    /// # Panics
    /// In an async task, which it would block.
    #[track_caller]
    pub fn blocking_send(&mut self, item: T) -> Result<(), SendError> {
        blocking::must_not_block_a_task("Sender::blocking_send", "send(…).await");
        blocking::block_on(self.send(item))
    }

    /// Waits until all items have been handed to the connection, or taken where there is none.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// When nobody receives.
    pub async fn flush(&mut self) -> Result<(), SendError> {
        poll_fn(|cx| budget::poll_with(cx, |cx| self.poll_empty(cx))).await
    }

    /// Resolves when nobody receives any more.
    ///
    /// Cancel safe.
    pub async fn closed(&mut self) {
        poll_fn(|cx| budget::poll_with(cx, |cx| self.poll_gone(cx))).await;
    }

    /// Whether nobody receives any more.
    pub fn is_closed(&mut self) -> bool {
        match self.other_end() {
            OtherEnd::Gone => true,
            OtherEnd::Local(local) => local.lock().is_receiver_gone(),
            OtherEnd::Remote(remote) => remote.send_queue.is_closed(),
        }
    }

    /// Ends the channel well. What was sent still arrives.
    pub fn finish(mut self) {
        self.end(Ending::Finished);
    }

    /// Ends the channel with an error, which its receiver gets as
    /// [`ChannelError::App`](super::ChannelError::App) after all that was sent. An error that does not encode
    /// to 16 KiB arrives as a text that says so.
    pub fn fail(mut self, error: E) {
        self.end(Ending::App(error));
    }

    pub(super) fn end(&mut self, ending: Ending<E>) {
        self.other_end();
        match std::mem::replace(
            self.other_end.get_mut().unwrap_or_else(PoisonError::into_inner),
            OtherEnd::Gone,
        ) {
            OtherEnd::Local(local) => end_local(&local, ending),
            OtherEnd::Remote(mut remote) => {
                // What a stream yielded before it panicked.
                remote.push_frame();
                SendQueue::end(&remote.send_queue, remote.encoder.ending(ending));
            }
            OtherEnd::Gone => {}
        }
    }

    pub(crate) fn end_by(&mut self, fault: Fault) {
        self.end(Ending::Fault(fault));
    }

    /// Sends what `next` yields, a frame of it at most, until it has none now: `Pending`, or is over.
    pub(crate) fn poll_fill<R>(&mut self, mut next: impl FnMut() -> Poll<Result<T, R>>) -> Poll<Option<R>> {
        if let OtherEnd::Remote(remote) = self.other_end() {
            return remote.poll_fill(next);
        }
        match ready!(next()) {
            // Fails where nobody receives, which the next look at the channel tells.
            Ok(item) => drop(self.put(item)),
            Err(over) => return Poll::Ready(Some(over)),
        }
        Poll::Ready(None)
    }

    /// Without looking for room.
    fn put(&mut self, mut item: T) -> Result<(), SendError> {
        loop {
            item = match self.other_end() {
                OtherEnd::Gone => return Err(SendError::Dropped),
                OtherEnd::Remote(remote) => {
                    remote.encode(&item)?;
                    return remote.push_item();
                }
                OtherEnd::Local(local) => match put_local(local, item) {
                    Ok(()) => return Ok(()),
                    Err(Unsent::Gone) => return Err(SendError::Dropped),
                    Err(Unsent::Left(item)) => item,
                },
            };
        }
    }

    pub(crate) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.poll_local_or(cx, |queued| queued < MOST, SendQueue::poll_room)
    }

    fn poll_empty(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.poll_local_or(cx, |queued| queued == 0, SendQueue::poll_empty)
    }

    fn poll_local_or(
        &mut self,
        cx: &mut Context<'_>,
        ready: impl Fn(usize) -> bool,
        remote_ready: impl Fn(&SendQueue, &mut Context<'_>) -> Poll<Result<(), Gone>>,
    ) -> Poll<Result<(), SendError>> {
        let polled = match self.other_end() {
            OtherEnd::Gone => Poll::Ready(Err(Gone)),
            OtherEnd::Remote(remote) => remote_ready(&remote.send_queue, cx),
            OtherEnd::Local(local) => {
                let waker = cx.waker().clone();
                let mut state = local.lock();
                match state.phase {
                    Phase::ReceiverGone => Poll::Ready(Err(Gone)),
                    // Meanwhile.
                    Phase::ReceiverLeft(..) => {
                        drop(state);
                        return self.poll_local_or(cx, ready, remote_ready);
                    }
                    _ if ready(state.queue.len()) => Poll::Ready(Ok(())),
                    _ => {
                        let before = state.sender.replace(waker);
                        drop(state);
                        drop(before);
                        Poll::Pending
                    }
                }
            }
        };
        polled.map_err(|Gone| self.gone())
    }

    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.other_end() {
            OtherEnd::Gone => Poll::Ready(()),
            OtherEnd::Remote(remote) => remote.send_queue.poll_gone(cx),
            OtherEnd::Local(local) => {
                let waker = cx.waker().clone();
                let mut state = local.lock();
                match state.phase {
                    Phase::ReceiverGone => Poll::Ready(()),
                    // Meanwhile.
                    Phase::ReceiverLeft(..) => {
                        drop(state);
                        self.poll_gone(cx)
                    }
                    _ => {
                        let before = state.watcher.replace(waker);
                        drop(state);
                        drop(before);
                        Poll::Pending
                    }
                }
            }
        }
    }

    /// Why nobody receives.
    fn gone(&mut self) -> SendError {
        match self.other_end() {
            OtherEnd::Remote(remote) => remote.gone(),
            OtherEnd::Local(_) | OtherEnd::Gone => SendError::Dropped,
        }
    }
}

/// Why an item was not put into a local channel.
enum Unsent<T> {
    Gone,
    /// The receiver left meanwhile, so that it is a local one no more.
    Left(T),
}

fn put_local<T, E>(local: &Local<T, E>, item: T) -> Result<(), Unsent<T>> {
    let mut state = local.lock();
    match state.phase {
        Phase::ReceiverGone => return Err(Unsent::Gone),
        Phase::ReceiverLeft(..) => return Err(Unsent::Left(item)),
        Phase::Open | Phase::Ended(_) | Phase::SenderLeft(..) => {}
    }
    state.queue.push_back(item);
    let waker = state.receiver.take();
    drop(state);
    waker.into_iter().for_each(std::task::Waker::wake);
    Ok(())
}

fn end_local<T, E>(local: &Local<T, E>, ending: Ending<E>) {
    let (left, untold) = local.tell(|state| match state.phase {
        Phase::Open => {
            state.phase = Phase::Ended(ending);
            (None, None)
        }
        _ => (state.receiver_left(), Some(ending)),
    });
    if let (Some((send_queue, encoder)), Some(ending)) = (left, untold) {
        SendQueue::end(&send_queue, encoder.ending(ending));
    }
}

/// Nothing in it is pinned.
impl<T, E> Unpin for Sender<T, E> {}

impl<T, E> Drop for Sender<T, E> {
    fn drop(&mut self) {
        self.end_by(Fault::new(FaultCode::Cancelled, "its sender was dropped"));
    }
}

impl<T, E> fmt::Debug for Sender<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl<T, E> Sink<T> for Sender<T, E> {
    type Error = SendError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        budget::poll_with(cx, |cx| self.poll_room(cx))
    }

    fn start_send(mut self: Pin<&mut Self>, item: T) -> Result<(), SendError> {
        self.put(item)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        budget::poll_with(cx, |cx| self.poll_empty(cx))
    }

    /// Finishes the channel.
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        ready!(self.poll_empty(cx))?;
        self.end(Ending::Finished);
        Poll::Ready(Ok(()))
    }
}

impl<T: Serialize + 'static, E: Serialize + 'static> Sender<T, E> {
    /// One that came with a message.
    pub(super) fn arrived((mux, id): Place, encoding: Encoding) -> Sender<T, E> {
        Sender::remote(SendQueue::arrived(mux, id), Encoder::new(encoding))
    }
}

impl<T, E> Sender<T, E> {
    pub(super) fn take_other_end(&self) -> OtherEnd<T, E> {
        let mut other_end = self.other_end.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *other_end, OtherEnd::Gone)
    }
}
