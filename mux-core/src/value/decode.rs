//! A value on its way in. It reads MessagePack by itself: `rmp_serde`'s deserializer tells nobody what comes next, which
//! is what the marks of `encode.rs` are read by.

use super::binary::{read_as_one, read_by_element};
use super::error::{DecodeError, elements};
use super::{MAX_SOMES, ext, raw};
use crate::api::descriptor::Encoding;
use mux_proto::wire::shape::{MAX_DEPTH, first_value, nests_acceptably};
use rmp::Marker;
use rmp_serde::MSGPACK_EXT_STRUCT_NAME;
use serde::Deserializer;
use serde::de::value::{BorrowedBytesDeserializer, I8Deserializer, SeqDeserializer};
use serde::de::{DeserializeSeed, EnumAccess, Expected, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde::forward_to_deserialize_any;
use std::borrow::Cow;
use std::iter::Copied;
use std::slice;

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

    /// The marker of the next value, and its data where it is no container.
    fn head(&mut self) -> Read<Head<'de>> {
        let (&first, rest) = self.rest.split_first().ok_or_else(ends_early)?;
        self.rest = rest;
        Ok(match Marker::from_u8(first) {
            Marker::FixPos(number) => Head::Unsigned(number.into()),
            Marker::FixNeg(number) => Head::Signed(number.into()),
            Marker::Null => Head::Nil,
            Marker::True => Head::Bool(true),
            Marker::False => Head::Bool(false),
            Marker::U8 => Head::Unsigned(u8::from_be_bytes(self.data()?).into()),
            Marker::U16 => Head::Unsigned(u16::from_be_bytes(self.data()?).into()),
            Marker::U32 => Head::Unsigned(u32::from_be_bytes(self.data()?).into()),
            Marker::U64 => Head::Unsigned(u64::from_be_bytes(self.data()?)),
            Marker::I8 => Head::Signed(i8::from_be_bytes(self.data()?).into()),
            Marker::I16 => Head::Signed(i16::from_be_bytes(self.data()?).into()),
            Marker::I32 => Head::Signed(i32::from_be_bytes(self.data()?).into()),
            Marker::I64 => Head::Signed(i64::from_be_bytes(self.data()?)),
            Marker::F32 => Head::Single(f32::from_be_bytes(self.data()?)),
            Marker::F64 => Head::Double(f64::from_be_bytes(self.data()?)),
            Marker::FixStr(len) => Head::Text(self.take(len.into())?),
            Marker::Str8 => Head::Text(self.run(u8_len)?),
            Marker::Str16 => Head::Text(self.run(u16_len)?),
            Marker::Str32 => Head::Text(self.run(u32_len)?),
            Marker::Bin8 => Head::Binary(self.run(u8_len)?),
            Marker::Bin16 => Head::Binary(self.run(u16_len)?),
            Marker::Bin32 => Head::Binary(self.run(u32_len)?),
            Marker::FixArray(count) => Head::Array(self.count(count.into(), false)?),
            Marker::Array16 => {
                let count = u16_len(self)?;
                Head::Array(self.count(count, count < 16)?)
            }
            Marker::Array32 => {
                let count = u32_len(self)?;
                Head::Array(self.count(count, count < 0x1_0000)?)
            }
            Marker::FixMap(count) => Head::Map(self.count(count.into(), false)?),
            Marker::Map16 => {
                let count = u16_len(self)?;
                Head::Map(self.count(count, false)?)
            }
            Marker::Map32 => {
                let count = u32_len(self)?;
                Head::Map(self.count(count, count < 0x1_0000)?)
            }
            Marker::FixExt1 => return self.extension(1),
            Marker::FixExt2 => return self.extension(2),
            Marker::FixExt4 => return self.extension(4),
            Marker::FixExt8 => return self.extension(8),
            Marker::FixExt16 => return self.extension(16),
            Marker::Ext8 => return u8_len(self).and_then(|len| self.extension(len)),
            Marker::Ext16 => return u16_len(self).and_then(|len| self.extension(len)),
            Marker::Ext32 => return u32_len(self).and_then(|len| self.extension(len)),
            Marker::Reserved => return Err(DecodeError::new("found what is no MessagePack")),
        })
    }

    /// A number of one byte, as most are.
    #[inline]
    fn small(&mut self) -> Option<u64> {
        let (&number @ 0..0x80, rest) = self.rest.split_first()? else { return None };
        self.rest = rest;
        Some(number.into())
    }

    /// A string of less than 32 bytes, as most are.
    #[inline]
    fn short(&mut self) -> Option<&'de [u8]> {
        let (&marker @ 0xa0..0xc0, rest) = self.rest.split_first()? else { return None };
        let (text, rest) = rest.split_at_checked(usize::from(marker & 0x1f))?;
        self.rest = rest;
        Some(text)
    }

    /// A map of less than 16 entries, as most structs are.
    #[inline]
    fn few(&mut self) -> Option<Len> {
        let (&marker @ 0x80..0x90, rest) = self.rest.split_first()? else { return None };
        let count = u32::from(marker & 0x0f);
        if count as usize > rest.len() {
            return None;
        }
        self.rest = rest;
        Some(Len { count, is_long: false })
    }

    #[inline]
    fn take(&mut self, len: usize) -> Read<&'de [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or_else(ends_early)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn data<const N: usize>(&mut self) -> Read<[u8; N]> {
        let (data, rest) = self.rest.split_first_chunk().ok_or_else(ends_early)?;
        self.rest = rest;
        Ok(*data)
    }

    #[inline]
    fn run(&mut self, len: fn(&mut ValueReader<'de>) -> Read<u32>) -> Read<&'de [u8]> {
        let len = len(self)?;
        self.take(len as usize)
    }

    /// An element takes a byte at least, so a claim that is larger than what is left is refused at once.
    #[inline]
    fn count(&self, count: u32, is_long: bool) -> Read<Len> {
        if count as usize > self.rest.len() { Err(ends_early()) } else { Ok(Len { count, is_long }) }
    }

    #[cold]
    fn extension(&mut self, len: u32) -> Read<Head<'de>> {
        let [kind] = self.data()?;
        let data = self.take(len as usize)?;
        Ok(match (kind as i8, data) {
            (ext::SOME, &[somes @ 0..=MAX_SOMES]) => {
                let read = std::mem::take(&mut self.somes);
                if read == somes { Head::Nil } else { Head::Somes }
            }
            (ext::SOME, _) => {
                return Err(DecodeError::new(format!("found more than {MAX_SOMES} `Some` around nothing")));
            }
            (kind @ (ext::I128 | ext::U128), data) => {
                let data =
                    data.try_into().map_err(|_| DecodeError::new("found a malformed 128-bit integer"))?;
                match kind {
                    ext::I128 => Head::Signed128(i128::from_be_bytes(data)),
                    _ => Head::Unsigned128(u128::from_be_bytes(data)),
                }
            }
            (kind, data) => Head::Extension(kind, data),
        })
    }

    #[inline]
    fn enter(&mut self) -> Read<()> {
        match self.levels.checked_sub(1) {
            Some(levels) => {
                self.levels = levels;
                Ok(())
            }
            None => Err(too_deep()),
        }
    }

    #[inline]
    fn elements<V: Visitor<'de>>(&mut self, count: u32, visitor: V) -> Read<V::Value> {
        self.enter()?;
        let mut elements = Elements { reader: self, left: count, count };
        let value = visitor.visit_seq(&mut elements)?;
        let left = elements.left;
        self.levels += 1;
        if left > 0 { Err(too_many(count, left)) } else { Ok(value) }
    }

    #[inline]
    fn entries<V: Visitor<'de>>(&mut self, len: Len, visitor: V) -> Read<V::Value> {
        self.enter()?;
        let named = self.named;
        // A header longer than it needs to be tells that all within is as with `Encoding::Named`.
        self.named |= len.is_long;
        let mut entries = Entries { key: self.rest, reader: self, left: len.count };
        let value = visitor.visit_map(&mut entries)?;
        let left = entries.left;
        self.named = named;
        self.levels += 1;
        if left > 0 { Err(too_many(len.count, left)) } else { Ok(value) }
    }

    /// A struct that came as an array. Unlike a sequence it has as many elements as fields: where one end leaves out a
    /// field, those behind it would be taken for each other.
    #[inline]
    fn positional<V: Visitor<'de>>(
        &mut self,
        count: u32,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Read<V::Value> {
        self.enter()?;
        let mut elements = Positional { reader: self, left: count, count, fields };
        let value = visitor.visit_seq(&mut elements)?;
        let left = elements.left;
        self.levels += 1;
        if left > 0 { Err(more_fields(count, left)) } else { Ok(value) }
    }

    #[inline]
    fn number<V: Visitor<'de>>(&mut self, visitor: V) -> Read<V::Value> {
        if let Some(number) = self.small() {
            return visitor.visit_u64(number);
        }
        match self.head()? {
            Head::Unsigned(number) => visitor.visit_u64(number),
            Head::Signed(number) => visitor.visit_i64(number),
            Head::Double(number) => visitor.visit_f64(number),
            Head::Single(number) => visitor.visit_f32(number),
            other => Err(other.unlike(&visitor)),
        }
    }

    #[inline]
    fn wide_number<V: Visitor<'de>>(&mut self, visitor: V) -> Read<V::Value> {
        match self.head()? {
            Head::Unsigned(number) => visitor.visit_u64(number),
            Head::Signed(number) => visitor.visit_i64(number),
            Head::Unsigned128(number) => visitor.visit_u128(number),
            Head::Signed128(number) => visitor.visit_i128(number),
            other => Err(other.unlike(&visitor)),
        }
    }

    #[inline]
    fn text<V: Visitor<'de>>(&mut self, visitor: V) -> Read<V::Value> {
        if let Some(text) = self.short() {
            return visit_text(text, visitor);
        }
        match self.head()? {
            Head::Text(text) => visit_text(text, visitor),
            Head::Binary(bytes) => visitor.visit_borrowed_bytes(as_one(bytes)),
            other => Err(other.unlike(&visitor)),
        }
    }

    #[inline]
    fn bytes<V: Visitor<'de>>(&mut self, visitor: V) -> Read<V::Value> {
        match self.head()? {
            Head::Binary(bytes) => visitor.visit_borrowed_bytes(as_one(bytes)),
            Head::Text(text) => visit_text(text, visitor),
            Head::Array(len) => self.elements(len.count, visitor),
            other => Err(other.unlike(&visitor)),
        }
    }

    #[inline]
    fn sequence<V: Visitor<'de>>(&mut self, visitor: V) -> Read<V::Value> {
        match self.head()? {
            Head::Array(len) => self.elements(len.count, visitor),
            Head::Binary(bytes) => visitor.visit_seq(by_element(bytes)),
            other => Err(other.unlike(&visitor)),
        }
    }

    /// Of a fixed length: where an end leaves an element out, those behind it would be taken for each other.
    #[inline]
    fn tuple<V: Visitor<'de>>(&mut self, len: usize, visitor: V) -> Read<V::Value> {
        match self.head()? {
            Head::Array(found) if found.count as usize == len => self.elements(found.count, visitor),
            Head::Array(found) => Err(not_as_many(found.count as usize, len, &visitor)),
            Head::Binary(bytes) if bytes.len() == len => visitor.visit_seq(by_element(bytes)),
            Head::Binary(bytes) => Err(not_as_many(bytes.len(), len, &visitor)),
            other => Err(other.unlike(&visitor)),
        }
    }

    /// `Some` around nil, of which as many have been read as `somes` says.
    #[cold]
    fn marked_option<V: Visitor<'de>>(&mut self, visitor: V) -> Read<V::Value> {
        let before = self.rest;
        let read = self.somes;
        match self.head()? {
            Head::Nil => visitor.visit_none(),
            Head::Somes => {
                (self.rest, self.somes) = (before, read + 1);
                visitor.visit_some(self)
            }
            other => Err(other.unlike(&visitor)),
        }
    }
}

fn u8_len(reader: &mut ValueReader<'_>) -> Read<u32> {
    reader.data().map(|data| u8::from_be_bytes(data).into())
}

fn u16_len(reader: &mut ValueReader<'_>) -> Read<u32> {
    reader.data().map(|data| u16::from_be_bytes(data).into())
}

fn u32_len(reader: &mut ValueReader<'_>) -> Read<u32> {
    reader.data().map(u32::from_be_bytes)
}

/// Binary that is copied or shared at once.
#[inline]
fn as_one(bytes: &[u8]) -> &[u8] {
    read_as_one(bytes.len());
    bytes
}

/// Binary as a sequence of numbers.
#[inline]
fn by_element(bytes: &[u8]) -> SeqDeserializer<Copied<slice::Iter<'_, u8>>, DecodeError> {
    read_by_element(bytes.len());
    SeqDeserializer::new(bytes.iter().copied())
}

#[inline]
fn visit_text<'de, V: Visitor<'de>>(text: &'de [u8], visitor: V) -> Read<V::Value> {
    match std::str::from_utf8(text) {
        Ok(text) => visitor.visit_borrowed_str(text),
        // Some peers send bytes so.
        Err(_) => visitor
            .visit_borrowed_bytes(text)
            .map_err(|_: DecodeError| DecodeError::new("found a string that is not UTF-8")),
    }
}

#[cold]
fn ends_early() -> DecodeError {
    DecodeError::new("the value ends early")
}

#[cold]
fn too_deep() -> DecodeError {
    DecodeError::everywhere(format!("it nests deeper than {MAX_DEPTH} levels"))
}

#[cold]
fn not_as_many(found: usize, expected: usize, of: &dyn Expected) -> DecodeError {
    DecodeError::new(format!("found {}, expected {expected}: {of}", elements(found)))
}

#[cold]
fn too_many(count: u32, left: u32) -> DecodeError {
    DecodeError::new(format!("found {}, expected {}", elements(count as usize), count - left))
}

const BY_NAME: &str = "the two ends differ in its fields; `encoding = \"named\"` goes by names";

#[cold]
fn more_fields(count: u32, left: u32) -> DecodeError {
    DecodeError::new(format!("found {count} fields by position, expected {}: {BY_NAME}", count - left))
}

#[cold]
fn fewer_fields(count: u32, fields: &[&str]) -> DecodeError {
    let field = fields.get(count as usize).copied().unwrap_or("further");
    DecodeError::new(format!("found {count} fields by position, and none for `{field}`: {BY_NAME}"))
}

const BUFFERED: &str = "what serde buffers, as for `untagged`, may need `encoding = \"named\"`";

#[cold]
fn unnamed() -> DecodeError {
    DecodeError::new(
        "found a struct by position or a form for programs, where serde needs names and forms for people (`untagged`, or a \
         type that takes any value)",
    )
}

/// How many elements or entries a container has.
#[derive(Clone, Copy, Debug)]
struct Len {
    count: u32,
    /// Its header is longer than it needs to be.
    is_long: bool,
}

/// The beginning of a value, or all of it.
#[derive(Clone, Copy, Debug)]
enum Head<'de> {
    Nil,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Unsigned128(u128),
    Signed128(i128),
    Single(f32),
    Double(f64),
    Text(&'de [u8]),
    Binary(&'de [u8]),
    Array(Len),
    Map(Len),
    /// `Some` around nil, not all of which have been read.
    Somes,
    Extension(i8, &'de [u8]),
}

impl Head<'_> {
    #[cold]
    fn unlike(self, expected: &dyn Expected) -> DecodeError {
        let found = match self {
            Head::Nil => "nil".to_owned(),
            Head::Bool(value) => format!("the boolean {value}"),
            Head::Unsigned(number) => format!("the number {number}"),
            Head::Signed(number) => format!("the number {number}"),
            Head::Unsigned128(number) => format!("the 128-bit integer {number}"),
            Head::Signed128(number) => format!("the 128-bit integer {number}"),
            Head::Single(number) => format!("the number {number:?}"),
            Head::Double(number) => format!("the number {number:?}"),
            Head::Text(_) => "a string".to_owned(),
            Head::Binary(_) => "binary".to_owned(),
            Head::Array(_) => "an array".to_owned(),
            Head::Map(_) => "a map".to_owned(),
            Head::Somes => "`Some` around nothing".to_owned(),
            Head::Extension(kind, _) => format!("an extension of type {kind}"),
        };
        DecodeError::found(&found, expected)
    }
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

    #[inline]
    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.number(visitor)
    }

    #[inline]
    fn deserialize_i16<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.number(visitor)
    }

    #[inline]
    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.number(visitor)
    }

    #[inline]
    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.number(visitor)
    }

    #[inline]
    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.wide_number(visitor)
    }

    #[inline]
    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.number(visitor)
    }

    #[inline]
    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.number(visitor)
    }

    #[inline]
    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.number(visitor)
    }

    #[inline]
    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.number(visitor)
    }

    #[inline]
    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.wide_number(visitor)
    }

    #[inline]
    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.number(visitor)
    }

    #[inline]
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.number(visitor)
    }

    #[inline]
    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.text(visitor)
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.text(visitor)
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.text(visitor)
    }

    #[inline]
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.bytes(visitor)
    }

    #[inline]
    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.bytes(visitor)
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
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.sequence(visitor)
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

/// The elements of an array.
struct Elements<'r, 'de> {
    reader: &'r mut ValueReader<'de>,
    left: u32,
    count: u32,
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = DecodeError;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Read<Option<T::Value>> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        match seed.deserialize(&mut *self.reader) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(error.at_index(self.count - left - 1)),
        }
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.left as usize)
    }
}

/// The fields of a struct, by position.
struct Positional<'r, 'de> {
    reader: &'r mut ValueReader<'de>,
    left: u32,
    count: u32,
    /// With the aliases among them.
    fields: &'static [&'static str],
}

impl Positional<'_, '_> {
    #[cold]
    fn at_field(&self, error: DecodeError) -> DecodeError {
        let index = self.count - self.left - 1;
        match self.fields.get(index as usize) {
            Some(name) if self.fields.len() == self.count as usize => error.at_name(name),
            _ => error.at_index(index),
        }
    }
}

impl<'de> SeqAccess<'de> for Positional<'_, 'de> {
    type Error = DecodeError;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Read<Option<T::Value>> {
        let Some(left) = self.left.checked_sub(1) else { return Err(fewer_fields(self.count, self.fields)) };
        self.left = left;
        match seed.deserialize(&mut *self.reader) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(self.at_field(error)),
        }
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.left as usize)
    }
}

/// The entries of a map.
struct Entries<'r, 'de> {
    reader: &'r mut ValueReader<'de>,
    left: u32,
    /// From the key of the entry on.
    key: &'de [u8],
}

impl<'de> MapAccess<'de> for Entries<'_, 'de> {
    type Error = DecodeError;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Read<Option<K::Value>> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        self.key = self.reader.rest;
        seed.deserialize(&mut *self.reader).map(Some)
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Read<V::Value> {
        match seed.deserialize(&mut *self.reader) {
            Ok(value) => Ok(value),
            Err(error) => Err(at_key(error, self.key)),
        }
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.left as usize)
    }
}

/// It lies behind the key that these bytes begin with.
#[cold]
fn at_key(error: DecodeError, key: &[u8]) -> DecodeError {
    match ValueReader::new(key, Encoding::Named).head() {
        Ok(Head::Text(name)) => error.at_name(&String::from_utf8_lossy(name)),
        Ok(Head::Unsigned(number)) => error.at_name(&number.to_string()),
        Ok(Head::Signed(number)) => error.at_name(&number.to_string()),
        _ => error,
    }
}

/// A variant with data: a map of one entry.
struct Variant<'r, 'de> {
    reader: &'r mut ValueReader<'de>,
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = DecodeError;
    type Variant = Self;

    #[inline]
    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Read<(V::Value, Self)> {
        Ok((seed.deserialize(&mut *self.reader)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = DecodeError;

    #[inline]
    fn unit_variant(self) -> Read<()> {
        match self.reader.head()? {
            Head::Nil => Ok(()),
            other => Err(other.unlike(&"nothing, as the variant has no data")),
        }
    }

    #[inline]
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Read<T::Value> {
        seed.deserialize(self.reader)
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Read<V::Value> {
        self.reader.tuple(len, visitor)
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Read<V::Value> {
        self.reader.deserialize_struct("", fields, visitor)
    }
}

/// A variant that came as its name alone.
struct UnitVariant<'r, 'de> {
    reader: &'r mut ValueReader<'de>,
}

impl<'de> EnumAccess<'de> for UnitVariant<'_, 'de> {
    type Error = DecodeError;
    type Variant = Self;

    #[inline]
    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Read<(V::Value, Self)> {
        Ok((seed.deserialize(&mut *self.reader)?, self))
    }
}

impl<'de> VariantAccess<'de> for UnitVariant<'_, 'de> {
    type Error = DecodeError;

    #[inline]
    fn unit_variant(self) -> Read<()> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Read<T::Value> {
        Err(without_data())
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Read<V::Value> {
        Err(without_data())
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Read<V::Value> {
        Err(without_data())
    }
}

#[cold]
fn without_data() -> DecodeError {
    DecodeError::new("found the name of a variant alone, expected its data too")
}

/// A user's extension, as `rmp_serde` reads it: a pair of its type and its data.
struct Extension<'de> {
    kind: Option<i8>,
    data: Option<&'de [u8]>,
}

impl<'de> Extension<'de> {
    fn new(kind: i8, data: &'de [u8]) -> Extension<'de> {
        Extension { kind: Some(kind), data: Some(data) }
    }
}

impl<'de> Deserializer<'de> for Extension<'de> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        visitor.visit_seq(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> SeqAccess<'de> for Extension<'de> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Read<Option<T::Value>> {
        if let Some(kind) = self.kind.take() {
            return seed.deserialize(I8Deserializer::new(kind)).map(Some);
        }
        let Some(data) = self.data.take() else { return Ok(None) };
        seed.deserialize(BorrowedBytesDeserializer::new(data)).map(Some)
    }
}
