//! How bytes become items, and the end of their channel.

use crate::api::channel_error::ChannelError;
use crate::api::descriptor::Encoding;
use crate::link::handle::Mux;
use crate::threads::decoders::{self, Decoding};
use crate::value::Target;
use crate::value::body::{self, Decoded};
use crate::value::scope::{self, IncomingHandles};
use bytes::Bytes;
use mux_proto::session::channels::Items;
use mux_proto::wire::fault::{Fault, FaultCode};
use mux_proto::wire::settings::SMALL;
use serde::de::DeserializeOwned;

/// How bytes become items; known where one of the halves left or came.
pub(super) struct Decoder<T, E> {
    pub(super) encoding: Encoding,
    pub(super) items: fn(Items, &Mux, Encoding) -> Vec<Decoded<T>>,
    /// The same, on another thread.
    pub(super) elsewhere: fn(Items, Mux, Encoding) -> Decoding<Vec<Decoded<T>>>,
    pub(super) error: fn(&[u8], Encoding) -> Result<E, String>,
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

pub(super) fn error_of_fault<E>(
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

/// Of a fault that was made in this process, whose error is the user's own.
pub(super) fn no_error<E>(_: &[u8], _: Encoding) -> Result<E, String> {
    Err("no error of the sender's own".into())
}
