//! How items, and the end of their channel, become bytes.

use crate::api::descriptor::Encoding;
use crate::link::send_queue::Batch;
use crate::value::{EncodeError, body, scope};
use mux_proto::session::outbox::payload::Payload;
use mux_proto::wire::fault::Fault;
use serde::Serialize;

/// How items become bytes; known where one of the halves left or came.
pub(super) struct Encoder<T, E> {
    encoding: Encoding,
    item: fn(&T, Encoding, &mut Payload) -> Result<(), EncodeError>,
    error: fn(&E, Encoding) -> Fault,
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

/// How a sender ends its channel.
#[derive(Debug)]
pub(super) enum Ending<E> {
    Finished,
    App(E),
    Fault(Fault),
}
