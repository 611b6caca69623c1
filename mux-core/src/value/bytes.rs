//! `Bytes` anywhere in a value, copied neither out nor in: `#[serde(with = "mux::bytes")]` at their field.
//!
//! A `Bytes` that is itself an argument, a result or an item needs no attribute. One inside a struct goes through
//! serde, which knows slices only, and is copied at both ends. With the attribute, one of more than 16 KiB is written
//! from where it lies, and is a part of the buffer that its message arrived in. Shorter ones are copied, as a part of
//! a large buffer keeps all of it in memory. So are those within an error.
//!
//! It stands at fields that are a [`Bytes`], or an `Option` or `Vec` of what it may stand at. What travels is the same
//! as without it, and any other serializer sees what it sees of a plain `Bytes`.
//!
//! ```
//! # use mux_core as mux;
//! use mux::Bytes;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Picture {
//!     name: String,
//!     #[serde(with = "mux::bytes")]
//!     pixels: Bytes,
//!     #[serde(with = "mux::bytes", default)] // by `with` alone it must be there, if only as nil
//!     thumbnail: Option<Bytes>,
//! }
//!
//! /// For where no attribute can stand: `HashMap<String, Blob>`, `(u32, Blob)`, an argument of `Vec<Blob>`.
//! #[derive(Serialize, Deserialize)]
//! struct Blob(#[serde(with = "mux::bytes")] Bytes);
//! ```

// How it works: serde hands bytes along as a slice, so what the slice is a part of is kept beside serde, in the
// thread. On the way out that is the `Bytes` itself, for as long as its slice is on the way to the writer, which
// knows it by its address. On the way in it is the whole message, in whose range a part of it lies.

use bytes::Bytes;
use mux_proto::session::outbox::payload::Payload;
use mux_proto::wire::settings::SMALL;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::{fmt, io};

thread_local! {
    /// What a serializer has been given the slice of.
    static LEAVING: Cell<Option<Bytes>> = const { Cell::new(None) };
    /// The message that is being decoded, if it is a long one.
    static ARRIVED: RefCell<Option<Bytes>> = const { RefCell::new(None) };
}

/// For `#[serde(with = "mux::bytes")]`.
///
/// # Errors
/// When the serializer fails.
pub fn serialize<T: Nested, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    value.serialize_nested(serializer)
}

/// For `#[serde(with = "mux::bytes")]`. Bytes are understood in the forms that `Bytes` by itself understands: binary,
/// a sequence of small integers, a string.
///
/// # Errors
/// When there is something else.
pub fn deserialize<'de, T: Nested, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::deserialize_nested(deserializer)
}

/// What [`mux::bytes`](self) may stand at.
#[diagnostic::on_unimplemented(
    message = "`mux::bytes` cannot stand at a field of type `{Self}`",
    note = "it stands at `Bytes`, and at `Option` and `Vec` of it; for others, put it at the field of a newtype"
)]
pub trait Nested: Sized {
    #[doc(hidden)]
    fn serialize_nested<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;

    #[doc(hidden)]
    fn deserialize_nested<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

impl Nested for Bytes {
    fn serialize_nested<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let _leaving = (self.len() > SMALL).then(|| LeavingGuard::new(self));
        serializer.serialize_bytes(self)
    }

    fn deserialize_nested<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        deserializer.deserialize_byte_buf(BytesVisitor)
    }
}

impl<T: Nested> Nested for Option<T> {
    fn serialize_nested<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_ref().map(Part).serialize(serializer)
    }

    fn deserialize_nested<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
        Ok(Option::<Part<T>>::deserialize(deserializer)?.map(|Part(value)| value))
    }
}

impl<T: Nested> Nested for Vec<T> {
    fn serialize_nested<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Part))
    }

    fn deserialize_nested<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
        deserializer.deserialize_seq(VecVisitor(PhantomData))
    }
}

/// A part of a value, to serde's own collections.
struct Part<T>(T);

impl<T: Nested> Serialize for Part<&T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize_nested(serializer)
    }
}

impl<'de, T: Nested> Deserialize<'de> for Part<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Part<T>, D::Error> {
        T::deserialize_nested(deserializer).map(Part)
    }
}

struct VecVisitor<T>(PhantomData<T>);

impl<'de, T: Nested> Visitor<'de> for VecVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence of bytes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
        // Not as many as the peer claims: they may never come.
        let mut parts = Vec::new();
        while let Some(Part(part)) = items.next_element()? {
            parts.push(part);
        }
        Ok(parts)
    }
}

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_borrowed_bytes<E: Error>(self, part: &'de [u8]) -> Result<Bytes, E> {
        Ok(share(part).unwrap_or_else(|| Bytes::copy_from_slice(part)))
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(Bytes::copy_from_slice(bytes))
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
        Ok(bytes.into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Bytes, E> {
        self.visit_bytes(text.as_bytes())
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Bytes, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Bytes, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = items.next_element()? {
            bytes.push(byte);
        }
        Ok(bytes.into())
    }
}

/// While it lives, a writer finds the bytes whose slice it is given. Puts back what was there before, also when a
/// serializer panics.
pub(crate) struct LeavingGuard {
    outer: Option<Bytes>,
}

impl LeavingGuard {
    fn new(bytes: &Bytes) -> LeavingGuard {
        // Fails only while the thread ends; the bytes are copied then.
        let outer = LEAVING.try_with(|leaving| leaving.replace(Some(bytes.clone())));
        LeavingGuard { outer: outer.ok().flatten() }
    }
}

impl Drop for LeavingGuard {
    fn drop(&mut self) {
        let _ = LEAVING.try_with(|leaving| leaving.replace(self.outer.take()));
    }
}

/// The bytes that `slice` is all of, where they are known.
fn leaving(slice: &[u8]) -> Option<Bytes> {
    let bytes = LEAVING.try_with(Cell::take).ok()??;
    if bytes.as_ptr() == slice.as_ptr() && bytes.len() == slice.len() {
        return Some(bytes);
    }
    LEAVING.set(Some(bytes));
    None
}

/// Where a serializer writes to: long bytes stay where they lie.
pub(crate) struct Writer<'a>(pub(crate) &'a mut Payload);

impl Writer<'_> {
    #[cold]
    fn write_long(&mut self, slice: &[u8]) {
        match leaving(slice) {
            Some(bytes) => self.0.splice(bytes),
            None => self.0.flat_mut().extend_from_slice(slice),
        }
    }
}

impl io::Write for Writer<'_> {
    #[inline]
    fn write(&mut self, slice: &[u8]) -> io::Result<usize> {
        self.write_all(slice).map(|()| slice.len())
    }

    #[inline]
    fn write_all(&mut self, slice: &[u8]) -> io::Result<()> {
        if slice.len() <= SMALL {
            self.0.flat_mut().extend_from_slice(slice);
            return Ok(());
        }
        self.write_long(slice);
        Ok(())
    }

    #[inline]
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// While it lives, bytes that are decoded on this thread may be parts of `message`. Nothing where it is too short for
/// that.
#[inline]
pub(crate) fn within(message: &Bytes) -> Option<Within> {
    (message.len() > SMALL).then(|| Within::new(message))
}

/// Puts back what was there before, also when a user's `Deserialize` panics.
#[must_use]
pub(crate) struct Within {
    outer: Option<Bytes>,
}

impl Within {
    #[cold]
    fn new(message: &Bytes) -> Within {
        // Fails only while the thread ends; the bytes are copied then.
        let outer = ARRIVED.try_with(|arrived| arrived.replace(Some(message.clone())));
        Within { outer: outer.ok().flatten() }
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        let _ = ARRIVED.try_with(|arrived| arrived.replace(self.outer.take()));
    }
}

/// A long part of the message that is being decoded, as one that keeps it.
pub(super) fn share(part: &[u8]) -> Option<Bytes> {
    if part.len() <= SMALL {
        return None;
    }
    ARRIVED.try_with(|arrived| part_of(arrived.borrow().as_ref()?, part)).ok()?
}

fn part_of(message: &Bytes, part: &[u8]) -> Option<Bytes> {
    let start = part.as_ptr().addr().checked_sub(message.as_ptr().addr())?;
    let end = start.checked_add(part.len())?;
    (end <= message.len()).then(|| message.slice(start..end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::descriptor::Encoding;
    use crate::threads::panic;
    use crate::value::body;
    use serde::de::IntoDeserializer;
    use serde::de::value::{BytesDeserializer, Error as PlainError};

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Parcel {
        name: String,
        #[serde(with = "super")]
        data: Bytes,
        #[serde(with = "super")]
        note: Option<Bytes>,
        #[serde(with = "super")]
        rest: Vec<Option<Bytes>>,
        kind: Kind,
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    enum Kind {
        Empty,
        Full(#[serde(with = "super")] Bytes),
        Named {
            #[serde(with = "super")]
            data: Bytes,
        },
    }

    /// The same, copied.
    #[derive(Serialize, Deserialize)]
    struct Plain {
        name: String,
        data: Bytes,
        note: Option<Bytes>,
        rest: Vec<Option<Bytes>>,
        kind: PlainKind,
    }

    #[derive(Serialize, Deserialize)]
    enum PlainKind {
        Empty,
        Full(Bytes),
        Named { data: Bytes },
    }

    fn plain(parcel: &Parcel) -> Plain {
        let Parcel { name, data, note, rest, kind } = parcel.clone();
        let kind = match kind {
            Kind::Empty => PlainKind::Empty,
            Kind::Full(data) => PlainKind::Full(data),
            Kind::Named { data } => PlainKind::Named { data },
        };
        Plain { name, data, note, rest, kind }
    }

    fn long(byte: u8) -> Bytes {
        vec![byte; SMALL + 1 + usize::from(byte)].into()
    }

    fn parcel(kind: Kind) -> Parcel {
        let rest = vec![Some(long(3)), None, Some(Bytes::from_static(b"short"))];
        Parcel { name: "a parcel".into(), data: long(1), note: Some(long(2)), rest, kind }
    }

    fn parcels() -> [Parcel; 3] {
        [parcel(Kind::Empty), parcel(Kind::Full(long(4))), parcel(Kind::Named { data: long(5) })]
    }

    fn encoded<T: Serialize + 'static>(value: &T, encoding: Encoding) -> Payload {
        let mut out = Payload::default();
        body::encode_item(value, encoding, &mut out).unwrap();
        out
    }

    fn parts(parcel: &Parcel) -> Vec<&Bytes> {
        let own = match &parcel.kind {
            Kind::Empty => None,
            Kind::Full(data) | Kind::Named { data } => Some(data),
        };
        let parts = [&parcel.data].into_iter().chain(&parcel.note).chain(parcel.rest.iter().flatten());
        parts.chain(own).collect()
    }

    #[test]
    fn long_ones_are_written_from_where_they_lie_and_the_same_travels() {
        for (parcel, encoding) in
            parcels().iter().flat_map(|parcel| [(parcel, Encoding::Named), (parcel, Encoding::Compact)])
        {
            let payload = encoded(parcel, encoding);
            assert_eq!(payload.to_vec(), encoded(&plain(parcel), encoding).to_vec());
            let written: Vec<_> =
                payload.into_segments(Vec::new()).iter().map(|part| part.as_ptr()).collect();
            for part in parts(parcel) {
                assert_eq!(written.contains(&part.as_ptr()), part.len() > SMALL);
            }
        }
    }

    #[test]
    fn long_ones_are_parts_of_the_message_and_short_ones_are_not() {
        for encoding in [Encoding::Named, Encoding::Compact] {
            for sent in parcels() {
                let message = Bytes::from(encoded(&sent, encoding).to_vec());
                let parcel: Parcel = body::decode_shared(&message, encoding).unwrap();
                assert_eq!(parcel, sent);
                for part in parts(&parcel) {
                    assert_eq!(message.as_ptr_range().contains(&part.as_ptr()), part.len() > SMALL);
                }
            }
        }
    }

    #[test]
    fn without_a_message_to_share_they_are_copied() {
        let message = encoded(&parcel(Kind::Empty), Encoding::Named).to_vec();
        let parcel: Parcel = body::decode(&message, Encoding::Named).unwrap();
        assert!(parts(&parcel).iter().all(|part| !message.as_ptr_range().contains(&part.as_ptr())));
    }

    #[test]
    fn serdes_buffered_forms_understand_them() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(u32),
            Parcel(Parcel),
        }
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Outer {
            #[serde(flatten)]
            parcel: Parcel,
            either: Either,
        }
        let outer =
            Outer { parcel: parcel(Kind::Empty), either: Either::Parcel(parcel(Kind::Full(long(9)))) };
        let message = Bytes::from(encoded(&outer, Encoding::Named).to_vec());
        assert_eq!(body::decode_shared::<Outer>(&message, Encoding::Named).unwrap(), outer);
    }

    #[test]
    fn bytes_are_understood_in_every_form_and_anything_else_is_an_error() {
        let numbers: Vec<u8> = (0..100_000).map(|at| at as u8).collect();
        let array = encoded(&(numbers.clone(),), Encoding::Named).to_vec();
        #[derive(Debug, Deserialize)]
        struct Blob(#[serde(with = "super")] Bytes);
        let read = |message: &[u8]| {
            body::decode_shared::<(Blob,)>(&Bytes::copy_from_slice(message), Encoding::Named)
        };
        assert_eq!(read(&array).unwrap().0.0, numbers);
        assert_eq!(read(b"\x91\xa3abc").unwrap().0.0, "abc");
        assert!(read(&[0x91, 7]).is_err());
        assert!(read(&[0x91, 0x92, 1, 0xa1, b'x']).is_err());
        assert!(read(&[0x91, 0x92, 1, 0xcd, 1, 0]).is_err(), "256 is no byte");
        assert!(read(&[0x91, 0xc6, 0xff, 0xff, 0xff, 0xff, 1]).is_err());
    }

    #[test]
    fn other_serializers_see_plain_bytes() {
        let read: Result<Bytes, PlainError> = deserialize(BytesDeserializer::new(b"abc"));
        assert_eq!(read.unwrap(), "abc");
        let text: Result<Bytes, PlainError> = deserialize("abc".into_deserializer());
        assert_eq!(text.unwrap(), "abc");
    }

    #[test]
    fn nothing_is_left_behind_by_what_fails_or_panics() {
        /// Fails at bytes, before anything writes them.
        struct Printed;
        impl fmt::Display for Printed {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                serialize(&long(1), f)
            }
        }
        assert!(fmt::write(&mut String::new(), format_args!("{Printed}")).is_err());
        assert!(LEAVING.take().is_none());

        #[derive(Debug)]
        struct Bomb;
        impl<'de> Deserialize<'de> for Bomb {
            fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Bomb, D::Error> {
                panic!("while the message is there");
            }
        }
        let message = Bytes::from(encoded(&(long(1),), Encoding::Named).to_vec());
        let outer = within(&message);
        assert!(panic::catch(|| body::decode_shared::<Bomb>(&long(2), Encoding::Named)).is_err());
        let arrived = ARRIVED.with_borrow(|arrived| arrived.as_ref().map(|bytes| bytes.as_ptr()));
        assert_eq!(arrived, Some(message.as_ptr()));
        drop(outer);
        assert!(ARRIVED.take().is_none());
    }

    #[test]
    fn only_what_lies_within_the_message_is_a_part_of_it() {
        let whole = Bytes::from(vec![0; 100]);
        let message = whole.slice(10..90);
        assert_eq!(part_of(&message, &whole[10..90]).unwrap().len(), 80);
        assert_eq!(part_of(&message, &whole[20..30]).unwrap().as_ptr(), whole[20..].as_ptr());
        assert!(part_of(&message, &whole[9..20]).is_none());
        assert!(part_of(&message, &whole[80..91]).is_none());
    }
}
