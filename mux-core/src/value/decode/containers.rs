//! Sequences, tuples, maps and structs, and how deep they nest.

use super::head::{Head, Len};
use super::scalars::{as_one, by_element, visit_text};
use super::{Read, ValueReader};
use crate::api::descriptor::Encoding;
use crate::value::error::{DecodeError, elements};
use mux_proto::wire::shape::MAX_DEPTH;
use serde::de::{DeserializeSeed, Expected, MapAccess, SeqAccess, Visitor};

impl<'de> ValueReader<'de> {
    #[inline]
    pub(super) fn sequence<V: Visitor<'de>>(&mut self, visitor: V) -> Read<V::Value> {
        match self.head()? {
            Head::Array(len) => self.elements(len.count, visitor),
            Head::Binary(bytes) => visitor.visit_seq(by_element(bytes)),
            other => Err(other.unlike(&visitor)),
        }
    }

    /// Of a fixed length: where an end leaves an element out, those behind it would be taken for each other.
    #[inline]
    pub(super) fn tuple<V: Visitor<'de>>(&mut self, len: usize, visitor: V) -> Read<V::Value> {
        match self.head()? {
            Head::Array(found) if found.count as usize == len => self.elements(found.count, visitor),
            Head::Array(found) => Err(not_as_many(found.count as usize, len, &visitor)),
            Head::Binary(bytes) if bytes.len() == len => visitor.visit_seq(by_element(bytes)),
            Head::Binary(bytes) => Err(not_as_many(bytes.len(), len, &visitor)),
            other => Err(other.unlike(&visitor)),
        }
    }

    #[inline]
    pub(super) fn bytes<V: Visitor<'de>>(&mut self, visitor: V) -> Read<V::Value> {
        match self.head()? {
            Head::Binary(bytes) => visitor.visit_borrowed_bytes(as_one(bytes)),
            Head::Text(text) => visit_text(text, visitor),
            Head::Array(len) => self.elements(len.count, visitor),
            other => Err(other.unlike(&visitor)),
        }
    }

    #[inline]
    pub(super) fn elements<V: Visitor<'de>>(&mut self, count: u32, visitor: V) -> Read<V::Value> {
        self.enter()?;
        let mut elements = Elements { reader: self, left: count, count };
        let value = visitor.visit_seq(&mut elements)?;
        let left = elements.left;
        self.levels += 1;
        if left > 0 { Err(too_many(count, left)) } else { Ok(value) }
    }

    #[inline]
    pub(super) fn entries<V: Visitor<'de>>(&mut self, len: Len, visitor: V) -> Read<V::Value> {
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
    pub(super) fn positional<V: Visitor<'de>>(
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
    pub(super) fn enter(&mut self) -> Read<()> {
        match self.levels.checked_sub(1) {
            Some(levels) => {
                self.levels = levels;
                Ok(())
            }
            None => Err(too_deep()),
        }
    }
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
pub(super) fn at_key(error: DecodeError, key: &[u8]) -> DecodeError {
    match ValueReader::new(key, Encoding::Named).head() {
        Ok(Head::Text(name)) => error.at_name(&String::from_utf8_lossy(name)),
        Ok(Head::Unsigned(number)) => error.at_name(&number.to_string()),
        Ok(Head::Signed(number)) => error.at_name(&number.to_string()),
        _ => error,
    }
}

#[cold]
pub(super) fn too_deep() -> DecodeError {
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
