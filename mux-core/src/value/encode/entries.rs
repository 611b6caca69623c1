//! The entries of maps.

use super::fields::is_tag;
use super::{EncodeFailure, ValueWriter, Written, count};
use rmp::encode;
use serde::Serialize;
use serde::ser::SerializeMap;

/// The entries of a map.
pub(crate) struct Entries<'w, 'p> {
    out: &'w mut ValueWriter<'p>,
    /// Where its header ends.
    begin: usize,
    len: usize,
    form: MapForm,
}

#[derive(Clone, Copy, PartialEq)]
enum MapForm {
    /// Its length was told beforehand.
    Counted,
    /// Its length is written when it is known.
    Uncounted,
    /// That too, and it is a named part of something that is not.
    NamedPart,
}

impl<'w, 'p> Entries<'w, 'p> {
    #[inline]
    pub(super) fn counted(out: &'w mut ValueWriter<'p>, len: usize) -> Entries<'w, 'p> {
        let begin = out.flat().len();
        Entries { out, begin, len, form: MapForm::Counted }
    }

    /// Of a struct with `#[serde(flatten)]`, or of an iterator. What was flattened into it is read by serde as text
    /// formats are, and nothing tells which of its entries that are.
    pub(super) fn uncounted(out: &'w mut ValueWriter<'p>) -> Entries<'w, 'p> {
        let form = if out.named {
            out.flat().push(0x80);
            MapForm::Uncounted
        } else {
            out.named_map(0);
            MapForm::NamedPart
        };
        let begin = out.flat().len();
        Entries { out, begin, len: 0, form }
    }

    /// Whether its first key is that of a tag: `str` itself.
    #[inline]
    fn begins_with_tag<T: ?Sized>(&mut self) -> bool {
        is_tag::<T>()
            && self.form == MapForm::Counted
            && !self.out.named
            && self.out.flat().len() == self.begin
    }

    #[cold]
    fn tagged(&mut self) {
        let header = map_header(self.len);
        let start = self.begin - header;
        self.out.flat().truncate(start);
        self.out.named_map(0);
        (self.begin, self.len, self.form) = (start + 5, 0, MapForm::NamedPart);
    }

    #[cold]
    fn count(&mut self) -> Written {
        let (begin, len) = (self.begin, count(self.len)?);
        if self.form == MapForm::NamedPart {
            self.out.named = false;
            self.out.flat()[begin - 4..begin].copy_from_slice(&len.to_be_bytes());
            return Ok(());
        }
        let mut header = Vec::new();
        encode::write_map_len(&mut header, len)?;
        self.out.payload().replace(begin - 1..begin, &header);
        Ok(())
    }
}

impl SerializeMap for Entries<'_, '_> {
    type Ok = ();
    type Error = EncodeFailure;

    #[inline]
    fn serialize_key<T: ?Sized + Serialize>(&mut self, key: &T) -> Written {
        if self.begins_with_tag::<T>() {
            self.tagged();
        }
        if self.form != MapForm::Counted {
            self.len += 1;
        }
        key.serialize(&mut *self.out)
    }

    #[inline]
    fn serialize_value<T: ?Sized + Serialize>(&mut self, value: &T) -> Written {
        value.serialize(&mut *self.out)
    }

    #[inline]
    fn end(mut self) -> Written {
        if self.form == MapForm::Counted { Ok(()) } else { self.count() }
    }
}

/// The length of the header of a map, in bytes.
fn map_header(len: usize) -> usize {
    match len {
        0..16 => 1,
        16..0x1_0000 => 3,
        _ => 5,
    }
}
