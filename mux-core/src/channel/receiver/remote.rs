//! Receives from another process.

use crate::api::channel_error::ChannelError;
use crate::channel::decoder::{Decoder, error_of_fault};
use crate::link::pending_receiver::Place;
use crate::threads::decoders::{self, Decoding};
use crate::value::Target;
use crate::value::body::Decoded;
use crate::value::scope::IncomingHandles;
use mux_proto::session::channels::Items;
use mux_proto::session::channels::receiving::{Ended, Taken};
use std::collections::VecDeque;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::vec;
use tokio::task::coop;

/// What is taken before the connection is told, in bytes: not only when all is, so that the sender goes
/// on meanwhile.
const REPORTED: u64 = 32 << 10;

pub(in crate::channel) struct Remote<T, E> {
    place: Place,
    decoder: Decoder<T, E>,
    current: Current<T>,
    /// What the current frame cost, all of which is reported with its last item.
    cost: u64,
    /// Come, and not decoded.
    frames: VecDeque<Items>,
    /// What was taken, and the connection does not know of yet.
    taken: u64,
}

/// The frame whose items are taken next.
enum Current<T> {
    /// Those that are left.
    Ready(vec::IntoIter<Decoded<T>>),
    /// They take long, and are decoded elsewhere.
    Decoding(Decoding<Vec<Decoded<T>>>),
}

impl<T> Default for Current<T> {
    fn default() -> Current<T> {
        Current::Ready(Vec::new().into_iter())
    }
}

impl<T, E> Remote<T, E> {
    pub(super) fn new(place: Place, decoder: Decoder<T, E>) -> Remote<T, E> {
        Remote { place, decoder, current: Current::default(), cost: 0, frames: VecDeque::new(), taken: 0 }
    }

    /// How many items there are to be taken without waiting.
    #[inline]
    pub(super) fn ready(&self) -> usize {
        match &self.current {
            Current::Ready(items) => items.len(),
            Current::Decoding(_) => 0,
        }
    }

    #[inline]
    pub(super) fn next_ready(&mut self) -> Option<Result<T, ChannelError<E>>> {
        let Current::Ready(items) = &mut self.current else { return None };
        let item = items.next()?;
        if items.as_slice().is_empty() {
            self.taken += mem::take(&mut self.cost);
        }
        Some(item.map_err(|why| ChannelError::Undecodable(why.into())))
    }

    /// Decodes the next frame, once all of the current one is taken; waits for one where there is none. Resolves to the
    /// channel's end, if that came.
    pub(super) fn poll_refill(&mut self, cx: &mut Context<'_>) -> Poll<Option<Ended>> {
        let coop = ready!(coop::poll_proceed(cx));
        // Taken: one that panics is over.
        if let Current::Decoding(mut decoding) = mem::take(&mut self.current) {
            let Poll::Ready(items) = Pin::new(&mut decoding).poll(cx) else {
                self.current = Current::Decoding(decoding);
                return Poll::Pending;
            };
            self.current = Current::Ready(items.into_iter());
            coop.made_progress();
            return Poll::Ready(None);
        }
        if self.frames.is_empty() {
            let (mux, id) = &self.place;
            match ready!(mux.shared().poll_items(*id, mem::take(&mut self.taken), cx)) {
                Taken::Items(frames) => self.frames = frames,
                Taken::Ended(ended) => return Poll::Ready(Some(ended)),
                Taken::Nothing => return Poll::Pending,
            }
        }
        coop.made_progress();
        if self.taken >= REPORTED {
            let (mux, id) = &self.place;
            mux.shared().consume(*id, mem::take(&mut self.taken));
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
            self.current = Current::Decoding(elsewhere(frame, self.place.0.clone(), encoding));
        } else {
            self.current = Current::Ready(items(frame, &self.place.0, encoding).into_iter());
        }
    }

    pub(super) fn ended(&self, ended: Ended) -> Option<ChannelError<E>> {
        match ended {
            Ended::Said(why) => Some(error_of_fault(why?, self.decoder.encoding, self.decoder.error)),
            Ended::Closed => Some(ChannelError::Closed(self.place.0.shared().close_reason())),
        }
    }

    /// Nobody takes any more.
    pub(super) fn stop(self) {
        let (mux, id) = self.place;
        for frame in self.frames {
            drop(IncomingHandles::new(frame.carried, self.decoder.encoding, || mux.clone()));
        }
        mux.shared().stop_channel(id);
    }
}
