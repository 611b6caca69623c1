//! The beginning of a value: its marker, and its data where it is no container.

use super::{Read, ValueReader};
use crate::value::error::DecodeError;
use crate::value::{MAX_SOMES, ext};
use rmp::Marker;
use serde::de::Expected;

/// The beginning of a value, or all of it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Head<'de> {
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

/// How many elements or entries a container has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Len {
    pub(super) count: u32,
    /// Its header is longer than it needs to be.
    pub(super) is_long: bool,
}

impl Head<'_> {
    #[cold]
    pub(super) fn unlike(self, expected: &dyn Expected) -> DecodeError {
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

impl<'de> ValueReader<'de> {
    /// The marker of the next value, and its data where it is no container.
    pub(super) fn head(&mut self) -> Read<Head<'de>> {
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
            Marker::Array16 => Head::Array(self.long(u16_len, 16)?),
            Marker::Array32 => Head::Array(self.long(u32_len, 0x1_0000)?),
            Marker::FixMap(count) => Head::Map(self.count(count.into(), false)?),
            // Whether one of this size is longer than it needs to be, only `deserialize_any` asks, and looks itself.
            Marker::Map16 => Head::Map(self.long(u16_len, 0)?),
            Marker::Map32 => Head::Map(self.long(u32_len, 0x1_0000)?),
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
    pub(super) fn small(&mut self) -> Option<u64> {
        let (&number @ 0..0x80, rest) = self.rest.split_first()? else { return None };
        self.rest = rest;
        Some(number.into())
    }

    /// A string of less than 32 bytes, as most are.
    #[inline]
    pub(super) fn short(&mut self) -> Option<&'de [u8]> {
        let (&marker @ 0xa0..0xc0, rest) = self.rest.split_first()? else { return None };
        let (text, rest) = rest.split_at_checked(usize::from(marker & 0x1f))?;
        self.rest = rest;
        Some(text)
    }

    /// A map of less than 16 entries, as most structs are.
    #[inline]
    pub(super) fn few(&mut self) -> Option<Len> {
        let (&marker @ 0x80..0x90, rest) = self.rest.split_first()? else { return None };
        let count = u32::from(marker & 0x0f);
        if count as usize > rest.len() {
            return None;
        }
        self.rest = rest;
        Some(Len { count, is_long: false })
    }

    #[inline]
    pub(super) fn take(&mut self, len: usize) -> Read<&'de [u8]> {
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

    /// The count in a header of this length, which need not be as long for a count below `least`.
    #[inline]
    fn long(&mut self, len: fn(&mut ValueReader<'de>) -> Read<u32>, least: u32) -> Read<Len> {
        let count = len(self)?;
        self.count(count, count < least)
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

#[cold]
pub(super) fn ends_early() -> DecodeError {
    DecodeError::new("the value ends early")
}
