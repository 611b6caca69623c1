//! A value on its way in. It reads MessagePack by itself: `rmp_serde`'s deserializer tells nobody what comes next, which
//! is what the marks of `encode/` are read by.

mod containers;
mod extension;
mod head;
mod scalars;
mod variants;

use super::error::DecodeError;
use super::{ext, raw};
use crate::api::descriptor::Encoding;
use containers::{at_key, too_deep};
use extension::Extension;
use head::{Head, Len, ends_early};
use mux_proto::wire::shape::{MAX_DEPTH, first_value, nests_acceptably};
use rmp_serde::MSGPACK_EXT_STRUCT_NAME;
use scalars::{as_one, visit_text};
use serde::Deserializer;
use serde::de::Visitor;
use std::borrow::Cow;
use variants::{UnitVariant, Variant};

type Read<T> = Result<T, DecodeError>;

/// A deserializer of values one after another. Strings and bytes point into what it reads.
pub(crate) struct ValueReader<'de> {
    rest: &'de [u8],
    /// Containers that may still be opened within each other.
    levels: usize,
    /// What has a form for people has it.
    named: bool,
    /// How many `Some` around nil have been read of the extension that comes next.
    somes: u8,
    /// Something was read as whatever it is, as serde does to buffer it, that was not written for that.
    is_guessed: bool,
}

impl<'de> ValueReader<'de> {
    #[inline]
    pub(crate) fn new(rest: &'de [u8], encoding: Encoding) -> ValueReader<'de> {
        ValueReader {
            rest,
            levels: MAX_DEPTH,
            named: encoding == Encoding::Named,
            somes: 0,
            is_guessed: false,
        }
    }

    #[inline]
    pub(crate) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// The error with what may help.
    #[cold]
    pub(crate) fn explained(&self, error: DecodeError) -> DecodeError {
        if self.is_guessed { error.with_hint(BUFFERED) } else { error }
    }

    /// Binary, or an array of small integers as some peers send it.
    pub(crate) fn bin(&mut self) -> Read<Cow<'de, [u8]>> {
        match self.head()? {
            Head::Binary(bytes) => Ok(Cow::Borrowed(as_one(bytes))),
            Head::Text(bytes) => Ok(Cow::Borrowed(bytes)),
            Head::Array(len) => {
                let mut bytes = Vec::with_capacity(len.count as usize);
                for index in 0..len.count {
                    match self.head()? {
                        Head::Unsigned(byte @ 0..=0xff) => bytes.push(byte as u8),
                        other => return Err(other.unlike(&"u8").at_index(index)),
                    }
                }
                Ok(Cow::Owned(bytes))
            }
            other => Err(other.unlike(&"binary")),
        }
    }

    /// Steps over one value.
    pub(crate) fn skip(&mut self) -> Read<()> {
        let len = first_value(self.rest).ok_or_else(ends_early)?;
        let skipped = self.take(len)?;
        if !nests_acceptably(skipped) {
            return Err(too_deep());
        }
        self.somes = 0;
        Ok(())
    }

    /// The next value as it is.
    #[cold]
    fn encoded<V: Visitor<'de>>(&mut self, visitor: V) -> Read<V::Value> {
        if self.somes > 0 {
            return Err(DecodeError::new("found `Some` around nothing, expected an encoded value"));
        }
        let before = self.rest;
        self.skip()?;
        visitor.visit_borrowed_bytes(&before[..before.len() - self.rest.len()])
    }
}

/// Types that are read in the same way.
macro_rules! read_by {
    ($($read:ident: $($deserialize:ident)*;)*) => {$($(
        #[inline]
        fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
            self.$read(visitor)
        }
    )*)*};
}

impl<'de> Deserializer<'de> for &mut ValueReader<'de> {
    type Error = DecodeError;

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.named
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        let before = (self.rest, self.somes);
        self.is_guessed |= !self.named;
        if let [0xde, 0, 0..16, ..] = self.rest
            && !self.named
        {
            return Err(unnamed());
        }
        match self.head()? {
            Head::Nil => visitor.visit_unit(),
            Head::Bool(value) => visitor.visit_bool(value),
            Head::Unsigned(number) => visitor.visit_u64(number),
            Head::Signed(number) => visitor.visit_i64(number),
            Head::Single(number) => visitor.visit_f32(number),
            Head::Double(number) => visitor.visit_f64(number),
            Head::Text(text) => visit_text(text, visitor),
            Head::Binary(bytes) => visitor.visit_borrowed_bytes(as_one(bytes)),
            Head::Array(Len { is_long: true, .. }) => Err(unnamed()),
            Head::Array(len) => self.elements(len.count, visitor),
            Head::Map(len) => self.entries(len, visitor),
            Head::Unsigned128(number) => visitor.visit_u128(number).map_err(narrow),
            Head::Signed128(number) => visitor.visit_i128(number).map_err(narrow),
            Head::Somes => {
                (self.rest, self.somes) = (before.0, before.1 + 1);
                visitor.visit_some(self)
            }
            Head::Extension(kind, data) => visitor.visit_newtype_struct(Extension::new(kind, data)),
        }
    }

    #[inline]
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.head()? {
            Head::Bool(value) => visitor.visit_bool(value),
            other => Err(other.unlike(&visitor)),
        }
    }

    read_by! {
        number: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
            deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
            deserialize_f32 deserialize_f64;
        wide_number: deserialize_i128 deserialize_u128;
        text: deserialize_char deserialize_str deserialize_string;
        bytes: deserialize_bytes deserialize_byte_buf;
        sequence: deserialize_seq;
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.rest {
            [0xc0, rest @ ..] => {
                self.rest = rest;
                visitor.visit_none()
            }
            [0xd4, kind, ..] if *kind == ext::SOME as u8 => self.marked_option(visitor),
            _ => visitor.visit_some(self),
        }
    }

    #[inline]
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.head()? {
            Head::Nil => visitor.visit_unit(),
            other => Err(other.unlike(&visitor)),
        }
    }

    #[inline]
    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Read<V::Value> {
        match self.head()? {
            Head::Nil | Head::Array(Len { count: 0, .. }) => visitor.visit_unit(),
            other => Err(other.unlike(&visitor)),
        }
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Read<V::Value> {
        if name == MSGPACK_EXT_STRUCT_NAME {
            return match self.head()? {
                Head::Extension(kind, data) => visitor.visit_newtype_struct(Extension::new(kind, data)),
                other => Err(other.unlike(&visitor)),
            };
        }
        // A library's own way of telling its deserializer what comes: what came tells it instead.
        if name.starts_with('$') {
            if name == raw::NAME {
                return self.encoded(visitor);
            }
            return self.deserialize_any(visitor);
        }
        visitor.visit_newtype_struct(self)
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Read<V::Value> {
        self.tuple(len, visitor)
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Read<V::Value> {
        self.tuple(len, visitor)
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.head()? {
            Head::Map(len) => self.entries(len, visitor),
            other => Err(other.unlike(&visitor)),
        }
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Read<V::Value> {
        if let Some(len) = self.few() {
            return self.entries(len, visitor);
        }
        if let [0xdc, 0, count, rest @ ..] = self.rest
            && usize::from(*count) <= rest.len()
        {
            self.rest = rest;
            return self.positional((*count).into(), fields, visitor);
        }
        match self.head()? {
            Head::Map(len) => self.entries(len, visitor),
            Head::Array(len) => self.positional(len.count, fields, visitor),
            other => Err(other.unlike(&visitor)),
        }
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Read<V::Value> {
        let before = self.rest;
        match self.head()? {
            Head::Map(Len { count: 1, .. }) => {
                self.enter()?;
                let name = self.rest;
                let value = visitor
                    .visit_enum(Variant { reader: &mut *self })
                    .map_err(|error| at_key(error, name))?;
                self.levels += 1;
                Ok(value)
            }
            Head::Text(_) | Head::Binary(_) | Head::Unsigned(_) => {
                self.rest = before;
                visitor.visit_enum(UnitVariant { reader: self })
            }
            other => Err(other.unlike(&visitor)),
        }
    }

    #[inline]
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        if let Some(text) = self.short() {
            return visit_text(text, visitor);
        }
        match self.head()? {
            Head::Text(text) => visit_text(text, visitor),
            Head::Unsigned(number) => visitor.visit_u64(number),
            Head::Signed(number) => visitor.visit_i64(number),
            Head::Binary(bytes) => visitor.visit_borrowed_bytes(bytes),
            Head::Bool(value) => visitor.visit_bool(value),
            Head::Single(number) => visitor.visit_f32(number),
            Head::Double(number) => visitor.visit_f64(number),
            Head::Nil => visitor.visit_unit(),
            other => Err(other.unlike(&visitor)),
        }
    }

    #[inline]
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.skip()?;
        visitor.visit_unit()
    }
}

/// What takes any value is mostly serde's own buffer.
#[cold]
fn narrow(_: DecodeError) -> DecodeError {
    DecodeError::new(
        "found a 128-bit integer, which serde cannot hold where it buffers (`flatten`, `tag`, `untagged`)",
    )
}

#[cold]
fn unnamed() -> DecodeError {
    DecodeError::new(
        "found a struct by position or a form for programs, where serde needs names and forms for people (`untagged`, or a \
         type that takes any value)",
    )
}

const BUFFERED: &str = "what serde buffers, as for `untagged`, may need `encoding = \"named\"`";
