//! Values that stand by themselves: results, errors and items. `Vec<u8>` and `Bytes` travel as bin then.

use super::bin::{AsBin, encode_bin};
use crate::api::descriptor::Encoding;
use crate::link::port::OutgoingHandles;
use crate::util::buffer;
use crate::value::{DecodeError, EncodeError, EncodeFailure, ValueReader, ValueWriter, bytes, scope};
use ::bytes::Bytes;
use mux_proto::session::outbox::payload::Payload;
use mux_proto::wire::shape::first_value;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::any::{Any, TypeId};
use std::borrow::Cow;

pub(super) fn encode<T: Serialize + ?Sized>(
    out: &mut Payload,
    value: &T,
    encoding: Encoding,
) -> Result<(), EncodeError> {
    value.serialize(&mut ValueWriter::new(out, encoding)).map_err(unencodable)
}

#[cold]
fn unencodable(error: EncodeFailure) -> EncodeError {
    EncodeError(error.to_string())
}

/// Encodes a value that stands by itself, `Vec<u8>` and `Bytes` as bin.
pub(super) fn encode_whole<T: Serialize + 'static>(
    value: &T,
    encoding: Encoding,
    out: &mut Payload,
) -> Result<(), EncodeError> {
    if is_bytes::<T>() { encode_any_bin(value, out) } else { encode(out, value, encoding) }
}

/// Of a `Vec<u8>` or `Bytes`.
fn encode_any_bin(value: &dyn Any, out: &mut Payload) -> Result<(), EncodeError> {
    let bin = match (value.downcast_ref::<Bytes>(), value.downcast_ref::<Vec<u8>>()) {
        (Some(bytes), _) => bytes.as_bin(),
        (None, Some(bytes)) => bytes.as_bin(),
        (None, None) => return Ok(()),
    };
    encode_bin(&bin, out)
}

/// Encodes a result with what it carries.
pub(super) fn encode_result<T: Serialize + 'static>(
    value: &T,
    encoding: Encoding,
) -> Result<(Payload, OutgoingHandles), EncodeError> {
    let (mut out, mut handles) = (buffer::take().into(), OutgoingHandles::default());
    scope::encode(&mut handles, encoding, || encode_whole(value, encoding, &mut out))?;
    Ok((out, handles))
}

/// Appends an item of a channel.
pub(crate) fn encode_item<T: Serialize + 'static>(
    item: &T,
    encoding: Encoding,
    out: &mut Payload,
) -> Result<(), EncodeError> {
    encode_whole(item, encoding, out)
}

/// An item, or why it is none.
pub(crate) type Decoded<T> = Result<T, Box<str>>;

/// Decodes the items of one frame. One that is no `T` is told in its place.
pub(crate) fn decode_items<T: DeserializeOwned + 'static>(
    values: &Bytes,
    count: u32,
    encoding: Encoding,
) -> Vec<Decoded<T>> {
    let mut items = Vec::new();
    if decode_all(values, count, encoding, &mut items).is_err() {
        decode_singly(values, count, encoding, &mut items);
    }
    items
}

/// One by one, so that a bad one spoils no other. Those before it stay: they may have taken channels out of
/// the message.
#[cold]
fn decode_singly<T: DeserializeOwned + 'static>(
    values: &Bytes,
    count: u32,
    encoding: Encoding,
    items: &mut Vec<Decoded<T>>,
) {
    let good = items.len();
    let mut rest = values.clone();
    for place in 0..count as usize {
        let Some(len) = first_value(&rest) else {
            return items.push(Err("the items end early".into()));
        };
        let value = rest.split_to(len);
        if place >= good {
            items.push(decode_shared(&value, encoding).map_err(Into::into));
        }
    }
    if !rest.is_empty() {
        items.push(Err("more bytes than items".into()));
    }
}

fn decode_all<T: DeserializeOwned + 'static>(
    values: &Bytes,
    count: u32,
    encoding: Encoding,
    items: &mut Vec<Decoded<T>>,
) -> Result<(), String> {
    if count == 1 {
        items.push(Ok(decode_shared(values, encoding)?));
        return Ok(());
    }
    if is_bytes::<T>() {
        return Err("each by itself".into());
    }
    let mut input = ValueReader::new(values, encoding);
    // A count is no longer than its bytes, but an item may be larger than those.
    items.reserve((count as usize).min(1024));
    for _ in 0..count {
        items.push(Ok(value(&mut input)?));
    }
    finish(&input)
}

/// Decodes one whole value, `Vec<u8>` and `Bytes` from bin.
pub(crate) fn decode<T: DeserializeOwned + 'static>(bytes: &[u8], encoding: Encoding) -> Result<T, String> {
    decode_from(bytes, encoding, None)
}

/// Decodes one whole value from a buffer of its own, which `Bytes` shares.
pub(crate) fn decode_shared<T: DeserializeOwned + 'static>(
    owner: &Bytes,
    encoding: Encoding,
) -> Result<T, String> {
    let _within = bytes::within(owner);
    decode_from(owner, encoding, Some(owner))
}

// Compiled for each type of a result: what does not depend on the type is in functions of its own.
fn decode_from<T: DeserializeOwned + 'static>(
    bytes: &[u8],
    encoding: Encoding,
    shared: Option<&Bytes>,
) -> Result<T, String> {
    let mut input = ValueReader::new(bytes, encoding);
    if is_bytes::<T>() {
        let mut value: Option<T> = None;
        whole_bin(&mut input, shared, &mut value)?;
        return value.ok_or_else(String::new);
    }
    let value = value(&mut input)?;
    finish(&input)?;
    Ok(value)
}

/// Whether a value that stands by itself travels as bin.
fn is_bytes<T: 'static>() -> bool {
    let id = TypeId::of::<T>();
    id == TypeId::of::<Vec<u8>>() || id == TypeId::of::<Bytes>()
}

/// Puts the one value, from bin, in its place: an `Option` of `Vec<u8>` or of `Bytes`.
fn whole_bin<'a>(
    input: &mut ValueReader<'a>,
    shared: Option<&'a Bytes>,
    slot: &mut dyn Any,
) -> Result<(), String> {
    let bin = input.bin().map_err(undecodable)?;
    if let Some(slot) = slot.downcast_mut::<Option<Vec<u8>>>() {
        *slot = Some(bin.into_owned());
    } else if let Some(slot) = slot.downcast_mut::<Option<Bytes>>() {
        *slot = Some(match (bin, shared) {
            (Cow::Borrowed(part), Some(whole)) => whole.slice_ref(part),
            (bin, _) => bin.into_owned().into(),
        });
    }
    finish(input)
}

#[inline]
fn value<'a, T: Deserialize<'a>>(input: &mut ValueReader<'a>) -> Result<T, String> {
    T::deserialize(&mut *input).map_err(|error| undecodable(input.explained(error)))
}

pub(crate) fn finish(input: &ValueReader<'_>) -> Result<(), String> {
    if input.is_at_end() { Ok(()) } else { Err("bytes after the value".to_owned()) }
}

#[cold]
fn undecodable(error: DecodeError) -> String {
    error.to_string()
}
