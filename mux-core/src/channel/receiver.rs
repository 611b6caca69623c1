//! The receiving half.

use super::local::{Ending, Left, Local};
use super::relay;
use super::sender::{Encoder, Sender};
use crate::api::channel_error::{ChannelError, Never};
use crate::api::descriptor::Encoding;
use crate::link::handle::Mux;
use crate::link::pending_receiver::{PendingReceiver, Place};
use crate::link::port::ChannelPort;
use crate::link::send_queue::{Batch, SendQueue};
use crate::threads::blocking;
use crate::threads::decoders::{self, Decoding};
use crate::util::budget;
use crate::value::body;
use crate::value::body::Decoded;
use crate::value::scope::{self, IncomingHandles};
use crate::value::{Target, probe};
use bytes::Bytes;
use futures_core::Stream;
use mux_proto::session::channels::Items;
use mux_proto::session::channels::receiving::{Ended, Taken};
use mux_proto::wire::fault::{Fault, FaultCode};
use mux_proto::wire::handles::Half;
use mux_proto::wire::settings::SMALL;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::vec;
use tokio::task::coop;

/// What is taken before the connection is told, in bytes: not only when all is, so that the sender goes
/// on meanwhile.
const REPORTED: u64 = 32 << 10;

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
    other_end: Mutex<OtherEnd<T, E>>,
}

enum OtherEnd<T, E> {
    Local(Arc<Local<T, E>>),
    /// Its sender leaves.
    PendingReceiver(Arc<PendingReceiver>, Decoder<T, E>),
    Remote(Remote<T, E>),
    /// It was sent away, or has ended.
    Gone,
}

struct Remote<T, E> {
    place: Place,
    decoder: Decoder<T, E>,
    /// Decoded, and not taken.
    ready: vec::IntoIter<Decoded<T>>,
    /// What those of one frame cost that are being taken.
    cost: u64,
    /// Those of a frame that take long, decoded elsewhere.
    decoding: Option<Decoding<Vec<Decoded<T>>>>,
    /// Come, and not decoded.
    frames: VecDeque<Items>,
    /// What was taken, and the connection does not know of yet.
    taken: u64,
}

/// How bytes become items; known where one of the halves left or came.
pub(super) struct Decoder<T, E> {
    encoding: Encoding,
    items: fn(Items, &Mux, Encoding) -> Vec<Decoded<T>>,
    /// The same, on another thread.
    elsewhere: fn(Items, Mux, Encoding) -> Decoding<Vec<Decoded<T>>>,
    error: fn(&[u8], Encoding) -> Result<E, String>,
}

impl<T, E> Clone for Decoder<T, E> {
    fn clone(&self) -> Decoder<T, E> {
        *self
    }
}

impl<T, E> Copy for Decoder<T, E> {}

impl<T: DeserializeOwned + Send + 'static, E: DeserializeOwned + 'static> Decoder<T, E> {
    pub(super) fn new(encoding: Encoding) -> Decoder<T, E> {
        Decoder {
            encoding,
            items: decode::<T>,
            elsewhere: decode_elsewhere::<T>,
            error: body::decode_end::<E>,
        }
    }
}

fn decode<T: DeserializeOwned + 'static>(items: Items, mux: &Mux, encoding: Encoding) -> Vec<Decoded<T>> {
    let Items { values, count, carried } = items;
    let mut handles = IncomingHandles::new(carried, encoding, || mux.clone());
    decode_values(&values, count, encoding, &mut handles)
}

fn decode_values<T: DeserializeOwned + 'static>(
    values: &Bytes,
    count: u32,
    encoding: Encoding,
    handles: &mut IncomingHandles,
) -> Vec<Decoded<T>> {
    let _learning = (values.len() > SMALL).then(|| Target::items::<T>().learn());
    scope::decode(handles, || body::decode_items(values, count, encoding))
}

fn decode_elsewhere<T: DeserializeOwned + Send + 'static>(
    items: Items,
    mux: Mux,
    encoding: Encoding,
) -> Decoding<Vec<Decoded<T>>> {
    let Items { values, count, carried } = items;
    // Here: dropped before it is decoded, it closes them.
    let lane = mux.shared().lane();
    let mut handles = IncomingHandles::new(carried, encoding, || mux);
    decoders::decode(lane, move || decode_values(&values, count, encoding, &mut handles))
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
            && remote.ready.len() > 0
        {
            ready!(budget::poll_item(remote.ready.len(), cx));
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
        if let Some(ended) = state.ended.take() {
            drop(state);
            *self.other_end() = OtherEnd::Gone;
            return Poll::Ready(match ended {
                Ending::Finished => None,
                Ending::App(error) => Some(Err(ChannelError::App(error))),
                Ending::Fault(fault) => Some(Err(error_of_fault(fault, Encoding::Named, no_error))),
            });
        }
        if let Some(Left::Sender(pending, decoder)) = &state.left {
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

impl<T, E> Remote<T, E> {
    fn new(place: Place, decoder: Decoder<T, E>) -> Remote<T, E> {
        Remote {
            place,
            decoder,
            ready: Vec::new().into_iter(),
            cost: 0,
            decoding: None,
            frames: VecDeque::new(),
            taken: 0,
        }
    }

    #[inline]
    fn next_ready(&mut self) -> Option<Result<T, ChannelError<E>>> {
        let item = self.ready.next()?;
        if self.ready.as_slice().is_empty() {
            self.taken += std::mem::take(&mut self.cost);
        }
        Some(item.map_err(|why| ChannelError::Undecodable(why.into())))
    }

    /// Decodes the next frame; waits for one where there is none. Resolves to the channel's end, if that came.
    fn poll_refill(&mut self, cx: &mut Context<'_>) -> Poll<Option<Ended>> {
        let coop = ready!(coop::poll_proceed(cx));
        // Taken: one that panics is over.
        if let Some(mut decoding) = self.decoding.take() {
            let Poll::Ready(ready) = Pin::new(&mut decoding).poll(cx) else {
                self.decoding = Some(decoding);
                return Poll::Pending;
            };
            self.ready = ready.into_iter();
            coop.made_progress();
            return Poll::Ready(None);
        }
        if self.frames.is_empty() {
            let (mux, id) = &self.place;
            match ready!(mux.shared().poll_items(*id, std::mem::take(&mut self.taken), cx)) {
                Taken::Items(frames) => self.frames = frames,
                Taken::Ended(ended) => return Poll::Ready(Some(ended)),
                Taken::Nothing => return Poll::Pending,
            }
        }
        coop.made_progress();
        if self.taken >= REPORTED {
            let (mux, id) = &self.place;
            mux.shared().consume(*id, std::mem::take(&mut self.taken));
        }
        if let Some(frame) = self.frames.pop_front() {
            self.decode(frame);
        }
        Poll::Ready(None)
    }

    fn decode(&mut self, frame: Items) {
        self.cost += frame.cost();
        let Decoder { encoding, items, elsewhere, .. } = self.decoder;
        if decoders::takes_long(&frame.values, || Target::items::<T>().may_read_by_element()) {
            self.decoding = Some(elsewhere(frame, self.place.0.clone(), encoding));
        } else {
            self.ready = items(frame, &self.place.0, encoding).into_iter();
        }
    }

    fn ended(&self, ended: Ended) -> Option<ChannelError<E>> {
        match ended {
            Ended::Said(why) => Some(error_of_fault(why?, self.decoder.encoding, self.decoder.error)),
            Ended::Closed => Some(ChannelError::Closed(self.place.0.shared().close_reason())),
        }
    }

    /// Nobody takes any more.
    fn stop(self) {
        let (mux, id) = self.place;
        for frame in self.frames {
            drop(IncomingHandles::new(frame.carried, self.decoder.encoding, || mux.clone()));
        }
        mux.shared().stop_channel(id);
    }
}

fn never_left<E>() -> ChannelError<E> {
    ChannelError::Dropped("its sender was in a message that was not sent".into())
}

/// Of a fault that was made in this process, whose error is the user's own.
fn no_error<E>(_: &[u8], _: Encoding) -> Result<E, String> {
    Err("no error of the sender's own".into())
}

fn error_of_fault<E>(
    fault: Fault,
    encoding: Encoding,
    decode: fn(&[u8], Encoding) -> Result<E, String>,
) -> ChannelError<E> {
    match fault.code {
        FaultCode::App => match decode(&fault.detail, encoding) {
            Ok(error) => ChannelError::App(error),
            // After an undecodable item others follow. This is the end.
            Err(why) => ChannelError::Dropped(format!("its error could not be decoded: {why}")),
        },
        FaultCode::Failed | FaultCode::Panicked => ChannelError::Remote(body::remote_error(fault)),
        FaultCode::Draining => ChannelError::Drained,
        FaultCode::TooLarge | FaultCode::ReplyTooLarge => ChannelError::TooLarge(fault.message),
        _ => ChannelError::Dropped(fault.message),
    }
}

/// Nothing in it is pinned.
impl<T, E> Unpin for Receiver<T, E> {}

impl<T, E> Drop for Receiver<T, E> {
    fn drop(&mut self) {
        match std::mem::replace(self.other_end(), OtherEnd::Gone) {
            OtherEnd::Local(local) => drop_local(&local),
            OtherEnd::PendingReceiver(pending, _) => pending.drop_receiver(),
            OtherEnd::Remote(remote) => remote.stop(),
            OtherEnd::Gone => {}
        }
    }
}

fn drop_local<T, E>(local: &Local<T, E>) {
    let (untaken, left) = local.tell(|state| {
        state.receiver_gone = true;
        (std::mem::take(&mut state.queue), state.left.clone())
    });
    if let Some(Left::Sender(pending, _)) = left {
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

impl<T, E> Serialize for Receiver<T, E>
where
    T: Serialize + DeserializeOwned + Send + 'static,
    E: Serialize + DeserializeOwned + Send + 'static,
{
    /// Sends this half away: it gets what the sender that stays sends.
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
            return Err(serde::ser::Error::custom("this receiver was sent away, or has ended"));
        }
        serializer
            .serialize_u32(scope::depart(Half::Receiving, ChannelPort::SendQueue(leave(other_end, encoding))))
    }
}

impl<T, E> Receiver<T, E>
where
    T: Serialize + DeserializeOwned + Send + 'static,
    E: Serialize + DeserializeOwned + Send + 'static,
{
    /// What stays of it here when it is sent away.
    pub(super) fn leave(self, encoding: Encoding) -> ChannelPort {
        ChannelPort::SendQueue(leave(self.take_other_end(), encoding))
    }
}

impl<T, E> Receiver<T, E> {
    fn take_other_end(&self) -> OtherEnd<T, E> {
        let mut other_end = self.other_end.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *other_end, OtherEnd::Gone)
    }
}

/// The send queue that stands for a receiver which leaves.
fn leave<T, E>(other_end: OtherEnd<T, E>, encoding: Encoding) -> Arc<SendQueue>
where
    T: Serialize + DeserializeOwned + Send + 'static,
    E: Serialize + DeserializeOwned + Send + 'static,
{
    let send_queue = Arc::new(SendQueue::default());
    let encoder = Encoder::new(encoding);
    match other_end {
        OtherEnd::Local(local) => leave_local(&local, &send_queue, encoder),
        // What comes from elsewhere passes through here.
        other_end => {
            relay::spawn(
                Receiver { other_end: Mutex::new(other_end) },
                Sender::remote(Arc::clone(&send_queue), encoder),
            );
        }
    }
    send_queue
}

fn leave_local<T, E>(local: &Arc<Local<T, E>>, send_queue: &Arc<SendQueue>, encoder: Encoder<T, E>)
where
    T: Serialize + DeserializeOwned + Send + 'static,
    E: Serialize + DeserializeOwned + Send + 'static,
{
    loop {
        let mut state = local.lock();
        if let Some(Left::Sender(..)) = state.left {
            drop(state);
            let receiver = Receiver::local(Arc::clone(local));
            return relay::spawn(receiver, Sender::remote(Arc::clone(send_queue), encoder));
        }
        if state.queue.is_empty() {
            let ended = state.ended.take();
            state.left = Some(Left::Receiver(Arc::clone(send_queue), encoder));
            drop(state);
            if let Some(ended) = ended {
                SendQueue::end(send_queue, encoder.ending(ended));
            }
            // The sender goes on over there.
            return local.tell(|_| ());
        }
        let queue = std::mem::take(&mut state.queue);
        drop(state);
        // Encoding runs code of the user, which never runs under a lock.
        for item in queue {
            let mut batch = Batch::default();
            match encoder.append(&item, &mut batch) {
                // Fails where the message was given up meanwhile; so are its items.
                Ok(()) => drop(SendQueue::push_batch(send_queue, batch)),
                Err(error) => {
                    let why = format!("an item could not be encoded: {error}");
                    SendQueue::end(send_queue, Some(Fault::new(FaultCode::Unencodable, why)));
                }
            }
        }
    }
}

impl<'de, T, E> Deserialize<'de> for Receiver<T, E>
where
    T: DeserializeOwned + Send + 'static,
    E: DeserializeOwned + 'static,
{
    /// Takes this half out of the message that carries it.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Receiver<T, E>, D::Error> {
        let place = u32::deserialize(deserializer)?;
        if probe::is_within() {
            return Ok(super::channel_with_error().1);
        }
        let (mux, id, encoding) = scope::arrive(place, Half::Receiving).map_err(serde::de::Error::custom)?;
        Ok(Receiver::arrived((mux, id), encoding))
    }
}
