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
    /// Decoded, and not taken.
    pub(super) ready: vec::IntoIter<Decoded<T>>,
    /// What those of one frame cost that are being taken.
    cost: u64,
    /// Those of a frame that take long, decoded elsewhere.
    decoding: Option<Decoding<Vec<Decoded<T>>>>,
    /// Come, and not decoded.
    frames: VecDeque<Items>,
    /// What was taken, and the connection does not know of yet.
    taken: u64,
}

impl<T, E> Remote<T, E> {
    pub(super) fn new(place: Place, decoder: Decoder<T, E>) -> Remote<T, E> {
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
    pub(super) fn next_ready(&mut self) -> Option<Result<T, ChannelError<E>>> {
        let item = self.ready.next()?;
        if self.ready.as_slice().is_empty() {
            self.taken += std::mem::take(&mut self.cost);
        }
        Some(item.map_err(|why| ChannelError::Undecodable(why.into())))
    }

    /// Decodes the next frame; waits for one where there is none. Resolves to the channel's end, if that came.
    pub(super) fn poll_refill(&mut self, cx: &mut Context<'_>) -> Poll<Option<Ended>> {
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
