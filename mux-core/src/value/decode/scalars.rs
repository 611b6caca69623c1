//! Numbers, text, binary, and `Some` around nil.

use super::head::Head;
use super::{Read, ValueReader};
use crate::value::binary::{read_as_one, read_by_element};
use crate::value::error::DecodeError;
use serde::de::Visitor;
use serde::de::value::SeqDeserializer;
use std::iter::Copied;
use std::slice;

impl<'de> ValueReader<'de> {
    #[inline]
    pub(super) fn number<V: Visitor<'de>>(&mut self, visitor: V) -> Read<V::Value> {
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
    pub(super) fn wide_number<V: Visitor<'de>>(&mut self, visitor: V) -> Read<V::Value> {
        match self.head()? {
            Head::Unsigned(number) => visitor.visit_u64(number),
            Head::Signed(number) => visitor.visit_i64(number),
            Head::Unsigned128(number) => visitor.visit_u128(number),
            Head::Signed128(number) => visitor.visit_i128(number),
            other => Err(other.unlike(&visitor)),
        }
    }

    #[inline]
    pub(super) fn text<V: Visitor<'de>>(&mut self, visitor: V) -> Read<V::Value> {
        if let Some(text) = self.short() {
            return visit_text(text, visitor);
        }
        match self.head()? {
            Head::Text(text) => visit_text(text, visitor),
            Head::Binary(bytes) => visitor.visit_borrowed_bytes(as_one(bytes)),
            other => Err(other.unlike(&visitor)),
        }
    }

    /// `Some` around nil, of which as many have been read as `somes` says.
    #[cold]
    pub(super) fn marked_option<V: Visitor<'de>>(&mut self, visitor: V) -> Read<V::Value> {
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

#[inline]
pub(super) fn visit_text<'de, V: Visitor<'de>>(text: &'de [u8], visitor: V) -> Read<V::Value> {
    match std::str::from_utf8(text) {
        Ok(text) => visitor.visit_borrowed_str(text),
        // Some peers send bytes so.
        Err(_) => visitor
            .visit_borrowed_bytes(text)
            .map_err(|_: DecodeError| DecodeError::new("found a string that is not UTF-8")),
    }
}

/// Binary that is copied or shared at once.
#[inline]
pub(super) fn as_one(bytes: &[u8]) -> &[u8] {
    read_as_one(bytes.len());
    bytes
}

/// Binary as a sequence of numbers.
#[inline]
pub(super) fn by_element(bytes: &[u8]) -> SeqDeserializer<Copied<slice::Iter<'_, u8>>, DecodeError> {
    read_by_element(bytes.len());
    SeqDeserializer::new(bytes.iter().copied())
}
