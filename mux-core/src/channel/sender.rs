//! The sending half.

use super::local::{Ending, Left, Local, MOST};
use super::receiver::{Decoder, Receiver};
use super::relay;
use crate::api::channel_error::{SendError, TrySendError};
use crate::api::descriptor::Encoding;
use crate::link::pending_receiver::{PendingReceiver, Place};
use crate::link::port::ChannelPort;
use crate::link::send_queue::{Batch, FRAME, Gone, SendQueue};
use crate::threads::blocking;
use crate::util::budget;
use crate::value::EncodeError;
use crate::value::body;
use crate::value::probe;
use crate::value::scope;
use futures_core::Stream;
use futures_sink::Sink;
use mux_proto::session::outbox::payload::Payload;
use mux_proto::wire::fault::{Fault, FaultCode};
use mux_proto::wire::handles::Half;
use mux_proto::wire::settings::SMALL;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::future::poll_fn;
use std::ops::ControlFlow;
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
    other_end: Mutex<OtherEnd<T, E>>,
}

enum OtherEnd<T, E> {
    Local(Arc<Local<T, E>>),
    Remote(Box<Remote<T, E>>),
    /// It was sent away, or has ended.
    Gone,
}

struct Remote<T, E> {
    send_queue: Arc<SendQueue>,
    encoder: Encoder<T, E>,
    /// An item that is being sent.
    item: Batch,
    /// Items of a stream that share the next frame.
    frame: Batch,
}

/// An item on its way to the send queue. Where its sending is given up, it is let go with what it carries.
struct Sending<'r, T, E>(&'r mut Remote<T, E>);

impl<T, E> Drop for Sending<'_, T, E> {
    fn drop(&mut self) {
        self.0.item.clear();
    }
}

/// How items become bytes; known where one of the halves left or came.
pub(crate) struct Encoder<T, E> {
    pub(crate) encoding: Encoding,
    pub(crate) item: fn(&T, Encoding, &mut Payload) -> Result<(), EncodeError>,
    pub(crate) error: fn(&E, Encoding) -> Fault,
}

impl<T, E> Clone for Encoder<T, E> {
    fn clone(&self) -> Encoder<T, E> {
        *self
    }
}

impl<T, E> Copy for Encoder<T, E> {}

impl<T: Serialize + 'static, E: Serialize + 'static> Encoder<T, E> {
    pub(super) fn new(encoding: Encoding) -> Encoder<T, E> {
        Encoder { encoding, item: body::encode_item::<T>, error: body::encode_end::<E> }
    }
}

impl<T, E> Encoder<T, E> {
    /// Appends an item to a frame, whose values are whole. What it carries leaves with it.
    #[inline]
    pub(super) fn append(&self, item: &T, frame: &mut Batch) -> Result<(), EncodeError> {
        let carried = frame.handles.len();
        let encoded = self.encode(item, frame);
        if encoded.is_ok() {
            frame.count += 1;
            frame.whole = frame.values.mark();
        } else {
            frame.values.split_off(frame.whole);
            frame.handles.truncate(carried);
        }
        encoded
    }

    #[inline]
    fn encode(&self, item: &T, frame: &mut Batch) -> Result<(), EncodeError> {
        let Batch { values, handles, .. } = frame;
        let mut encode = || (self.item)(item, self.encoding, values);
        // What owns nothing has no half of a channel to send away.
        if std::mem::needs_drop::<T>() { scope::encode(handles, self.encoding, encode) } else { encode() }
    }

    pub(super) fn ending(&self, ending: Ending<E>) -> Option<Fault> {
        match ending {
            Ending::Finished => None,
            Ending::App(error) => Some((self.error)(&error, self.encoding)),
            Ending::Fault(fault) => Some(fault),
        }
    }
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
            let left = local.lock().left.clone();
            if let Some(Left::Receiver(send_queue, encoder)) = left {
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
                if state.receiver_gone { Err(Gone) } else { Ok(state.queue.len() < MOST) }
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
            OtherEnd::Local(local) => local.lock().receiver_gone,
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
                if state.receiver_gone {
                    Poll::Ready(Err(Gone))
                } else if state.left.is_some() {
                    // It left meanwhile.
                    drop(state);
                    return self.poll_local_or(cx, ready, remote_ready);
                } else if ready(state.queue.len()) {
                    Poll::Ready(Ok(()))
                } else {
                    let before = state.sender.replace(waker);
                    drop(state);
                    drop(before);
                    Poll::Pending
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
                if state.receiver_gone {
                    return Poll::Ready(());
                }
                if state.left.is_some() {
                    // It left meanwhile.
                    drop(state);
                    return self.poll_gone(cx);
                }
                let before = state.watcher.replace(waker);
                drop(state);
                drop(before);
                Poll::Pending
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
pub(crate) enum Unsent<T> {
    Gone,
    /// The receiver left meanwhile, so that it is a local one no more.
    Left(T),
}

fn put_local<T, E>(local: &Local<T, E>, item: T) -> Result<(), Unsent<T>> {
    let mut state = local.lock();
    if state.receiver_gone {
        return Err(Unsent::Gone);
    }
    if state.left.is_some() {
        return Err(Unsent::Left(item));
    }
    state.queue.push_back(item);
    let waker = state.receiver.take();
    drop(state);
    waker.into_iter().for_each(std::task::Waker::wake);
    Ok(())
}

fn end_local<T, E>(local: &Local<T, E>, ending: Ending<E>) {
    let left = local.tell(|state| match &state.left {
        Some(Left::Receiver(send_queue, encoder)) => Some((Arc::clone(send_queue), *encoder, ending)),
        _ => {
            state.ended.get_or_insert(ending);
            None
        }
    });
    if let Some((send_queue, encoder, ending)) = left {
        SendQueue::end(&send_queue, encoder.ending(ending));
    }
}

impl<T, E> Remote<T, E> {
    fn new(send_queue: Arc<SendQueue>, encoder: Encoder<T, E>) -> Remote<T, E> {
        Remote { send_queue, encoder, item: Batch::default(), frame: Batch::default() }
    }

    /// As [`Sender::poll_fill`]: one lock for a frame.
    fn poll_fill<R>(&mut self, mut next: impl FnMut() -> Poll<Result<T, R>>) -> Poll<Option<R>> {
        let polled = loop {
            match next() {
                Poll::Pending => break Poll::Pending,
                Poll::Ready(Err(over)) => break Poll::Ready(Some(over)),
                Poll::Ready(Ok(item)) => {
                    if self.add(&item).is_break() {
                        break Poll::Ready(None);
                    }
                }
            }
        };
        // A frame was full: what begins the next one waits for more.
        if !matches!(polled, Poll::Ready(None)) {
            self.push_frame();
        }
        polled
    }

    /// Adds an item to the frame, until that is full: then it goes, and the item begins the next. An item
    /// that cannot be encoded, or is more than the other end takes, ends the channel.
    fn add(&mut self, item: &T) -> ControlFlow<()> {
        let (mark, before) = (self.frame.whole, self.frame.count);
        if let Err(error) = self.encoder.append(item, &mut self.frame) {
            return self.break_off(FaultCode::Unencodable, format!("an item could not be encoded: {error}"));
        }
        // A frame holds no more than a small message.
        if self.frame.handles.is_empty() && self.frame.values.len() <= FRAME {
            return ControlFlow::Continue(());
        }
        let len = self.frame.values.len_since(mark);
        let apart = self.frame.split_off(mark, before);
        self.push_frame();
        if len <= SMALL && apart.handles.is_empty() {
            self.frame = apart;
            // It will be full like the last one.
            self.frame.values.flat_mut().reserve(FRAME);
        } else if let Err(SendError::TooLarge(why)) = self.push_apart(apart) {
            return self.break_off(FaultCode::ReplyTooLarge, why);
        }
        ControlFlow::Break(())
    }

    fn break_off(&mut self, code: FaultCode, why: String) -> ControlFlow<()> {
        self.push_frame();
        SendQueue::end(&self.send_queue, Some(Fault::new(code, why)));
        ControlFlow::Break(())
    }

    fn push_frame(&mut self) {
        if self.frame.count > 0 {
            self.frame.trim();
            // Fails where nobody receives, which the next look at the channel tells.
            let _ = SendQueue::push_batch(&self.send_queue, std::mem::take(&mut self.frame));
        }
    }

    fn encode(&mut self, item: &T) -> Result<(), SendError> {
        // What is left where sending a stream was given up.
        self.push_frame();
        self.item.clear();
        self.encoder.append(item, &mut self.item).map_err(|error| SendError::Unencodable(error.to_string()))
    }

    /// Sends the item that was encoded, without looking for room.
    fn push_item(&mut self) -> Result<(), SendError> {
        if self.item.values.is_large() || !self.item.handles.is_empty() {
            let item = std::mem::take(&mut self.item);
            return self.push_apart(item);
        }
        SendQueue::push(&self.send_queue, self.item.values.flat()).map_err(|Gone| self.gone())
    }

    /// As [`push_item`](Remote::push_item), as soon as there is room.
    fn poll_push(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        if self.item.values.is_large() || !self.item.handles.is_empty() {
            if ready!(self.send_queue.poll_room(cx)).is_err() {
                return Poll::Ready(Err(self.gone()));
            }
            return Poll::Ready(self.push_item());
        }
        loop {
            match SendQueue::try_push(&self.send_queue, self.item.values.flat()) {
                Ok(true) => return Poll::Ready(Ok(())),
                Ok(false) => {}
                Err(Gone) => return Poll::Ready(Err(self.gone())),
            }
            if ready!(self.send_queue.poll_room(cx)).is_err() {
                return Poll::Ready(Err(self.gone()));
            }
        }
    }

    fn push_apart(&mut self, batch: Batch) -> Result<(), SendError> {
        let (len, carried) = (batch.values.len(), batch.handles.len());
        if let Some(shared) = self.send_queue.connection()
            && let Some(fault) = shared.item_exceeds_limits(len, carried)
        {
            return Err(SendError::TooLarge(fault.message));
        }
        SendQueue::push_batch(&self.send_queue, batch).map_err(|Gone| self.gone())
    }

    fn gone(&self) -> SendError {
        match self.send_queue.connection() {
            Some(shared) if shared.is_closed() => SendError::Closed(shared.close_reason()),
            _ => SendError::Dropped,
        }
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

impl<T, E> Serialize for Sender<T, E>
where
    T: Serialize + DeserializeOwned + Send + 'static,
    E: Serialize + DeserializeOwned + Send + 'static,
{
    /// Sends this half away: its items come to the receiver that stays.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if probe::is_within() {
            probe::item::<T>();
            probe::item::<E>();
            return serializer.serialize_unit();
        }
        let Some(encoding) = scope::encoding() else {
            return Err(serde::ser::Error::custom("a channel's half leaves in a message of mux only"));
        };
        let other_end = self.take_other_end();
        if let OtherEnd::Gone = other_end {
            return Err(serde::ser::Error::custom("this sender was sent away before"));
        }
        serializer.serialize_u32(scope::depart(
            Half::Sending,
            ChannelPort::PendingReceiver(leave(other_end, encoding)),
        ))
    }
}

impl<T: Serialize + 'static, E: Serialize + 'static> Sender<T, E> {
    /// One that came with a message.
    pub(super) fn arrived((mux, id): Place, encoding: Encoding) -> Sender<T, E> {
        Sender::remote(SendQueue::arrived(mux, id), Encoder::new(encoding))
    }
}

impl<T, E> Sender<T, E>
where
    T: Serialize + DeserializeOwned + Send + 'static,
    E: Serialize + DeserializeOwned + Send + 'static,
{
    /// What stays of it here when it is sent away.
    pub(super) fn leave(self, encoding: Encoding) -> ChannelPort {
        ChannelPort::PendingReceiver(leave(self.take_other_end(), encoding))
    }
}

impl<T, E> Sender<T, E> {
    fn take_other_end(&self) -> OtherEnd<T, E> {
        let mut other_end = self.other_end.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *other_end, OtherEnd::Gone)
    }
}

/// The pending receiver that stands for a sender which leaves.
fn leave<T, E>(other_end: OtherEnd<T, E>, encoding: Encoding) -> Arc<PendingReceiver>
where
    T: Serialize + DeserializeOwned + Send + 'static,
    E: Serialize + DeserializeOwned + Send + 'static,
{
    let pending = Arc::new(PendingReceiver::default());
    let local = match other_end {
        OtherEnd::Local(local) => local,
        OtherEnd::Remote(remote) => {
            let sender = Sender { other_end: Mutex::new(OtherEnd::Remote(remote)) };
            relay::spawn(Receiver::pending(Arc::clone(&pending), encoding), sender);
            return pending;
        }
        OtherEnd::Gone => return pending,
    };
    let left = local.tell(|state| match &state.left {
        None if state.receiver_gone => None,
        None => {
            state.left = Some(Left::Sender(Arc::clone(&pending), Decoder::new(encoding)));
            None
        }
        // Both leave: items pass through here.
        Some(left) => Some(left.clone()),
    });
    match left {
        Some(Left::Receiver(send_queue, encoder)) => {
            relay::spawn(
                Receiver::pending(Arc::clone(&pending), encoding),
                Sender::remote(send_queue, encoder),
            );
        }
        _ if local.lock().receiver_gone => pending.drop_receiver(),
        _ => {}
    }
    pending
}

impl<'de, T, E> Deserialize<'de> for Sender<T, E>
where
    T: Serialize + 'static,
    E: Serialize + 'static,
{
    /// Takes this half out of the message that carries it.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Sender<T, E>, D::Error> {
        let place = u32::deserialize(deserializer)?;
        if probe::is_within() {
            return Ok(super::channel_with_error().0);
        }
        let (mux, id, encoding) = scope::arrive(place, Half::Sending).map_err(serde::de::Error::custom)?;
        Ok(Sender::arrived((mux, id), encoding))
    }
}
