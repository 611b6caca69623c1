//! A value on its way out. `rmp_serde` writes what has one form; what can be mistaken for something else is written here.

use super::{MAX_SOMES, ext, raw};
use crate::api::descriptor::Encoding;
use crate::value::bytes::Writer;
use mux_proto::session::outbox::payload::Payload;
use rmp::encode;
use rmp_serde::MSGPACK_EXT_STRUCT_NAME;
use serde::ser::{
    Error as _, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};
use serde::{Serialize, Serializer};
use std::cell::Cell;

pub(crate) type EncodeFailure = rmp_serde::encode::Error;

type Written = Result<(), EncodeFailure>;

/// A serializer that appends to a payload.
pub(crate) struct ValueWriter<'p> {
    inner: rmp_serde::Serializer<Writer<'p>>,
    /// Structs go by name, and what has a form for people takes it.
    named: bool,
    /// Where a value begins that has a form for people and takes the other.
    program_form: Cell<usize>,
    /// Of the structs by position that are being written: the fields so far, and where they begin. Those of the innermost
    /// last.
    keys: Keys,
}

/// A stack of names and places. What does not fit is kept in a list.
#[derive(Default)]
struct Keys {
    len: usize,
    names: [Option<&'static str>; KEYS],
    places: [usize; KEYS],
    more: Vec<(&'static str, usize)>,
}

const KEYS: usize = 16;

impl Keys {
    #[inline(always)]
    fn push(&mut self, name: &'static str, place: usize) {
        let at = self.len;
        self.len += 1;
        if at < KEYS {
            self.names[at] = Some(name);
            self.places[at] = place;
        } else {
            self.push_more(name, place);
        }
    }

    #[cold]
    fn push_more(&mut self, name: &'static str, place: usize) {
        self.more.push((name, place));
    }

    fn pop(&mut self) -> Option<(&'static str, usize)> {
        self.len = self.len.checked_sub(1)?;
        match self.names.get(self.len) {
            Some(name) => name.map(|name| (name, self.places[self.len])),
            None => self.more.pop(),
        }
    }

    #[inline(always)]
    fn truncate(&mut self, len: usize) {
        if self.len > KEYS {
            self.more.truncate(len.saturating_sub(KEYS));
        }
        self.len = len;
    }
}

impl<'p> ValueWriter<'p> {
    #[inline]
    pub(crate) fn new(out: &'p mut Payload, encoding: Encoding) -> ValueWriter<'p> {
        let named = encoding == Encoding::Named;
        ValueWriter {
            inner: rmp_serde::Serializer::new(Writer(out)),
            named,
            program_form: Cell::new(usize::MAX),
            keys: Keys::default(),
        }
    }

    #[inline]
    fn payload(&mut self) -> &mut Payload {
        self.inner.get_mut().0
    }

    #[inline]
    fn flat(&mut self) -> &mut Vec<u8> {
        self.payload().flat_mut()
    }

    #[inline]
    fn array(&mut self, len: usize) -> Written {
        if self.is_program_form() {
            self.long_array(count(len)?);
            return Ok(());
        }
        if len < 16 {
            self.flat().push(0x90 | len as u8);
            return Ok(());
        }
        encode::write_array_len(self.flat(), count(len)?)?;
        Ok(())
    }

    #[inline]
    fn map(&mut self, len: usize) -> Written {
        if len < 16 {
            self.flat().push(0x80 | len as u8);
            return Ok(());
        }
        encode::write_map_len(self.flat(), count(len)?)?;
        Ok(())
    }

    /// Longer than it needs to be, which tells it from a sequence.
    #[inline]
    fn long_array(&mut self, len: u32) {
        match u8::try_from(len) {
            Ok(len) if len < 16 => self.flat().extend_from_slice(&[0xdc, 0, len]),
            _ => {
                self.flat().push(0xdd);
                self.flat().extend_from_slice(&len.to_be_bytes());
            }
        }
    }

    #[inline]
    fn is_program_form(&self) -> bool {
        self.program_form.get() == self.inner.get_ref().0.flat_len()
    }

    /// A map of one entry, whose value comes next.
    #[inline]
    fn variant(&mut self, name: &str) -> Written {
        if self.is_program_form() {
            self.flat().extend_from_slice(&[0xde, 0, 1]);
        } else {
            self.flat().push(0x81);
        }
        encode::write_str(self.flat(), name)?;
        Ok(())
    }

    #[inline]
    fn key(&mut self, key: &str) -> Written {
        if key.len() < 32 {
            self.flat().push(0xa0 | key.len() as u8);
            self.flat().extend_from_slice(key.as_bytes());
            return Ok(());
        }
        encode::write_str(self.flat(), key)?;
        Ok(())
    }

    fn ext_128(&mut self, kind: i8, data: [u8; 16]) {
        let flat = self.flat();
        flat.extend_from_slice(&[0xd8, kind as u8]);
        flat.extend_from_slice(&data);
    }

    /// A map within which everything is as it is with [`Encoding::Named`], as a header longer than it needs to be tells.
    fn named_map(&mut self, len: u32) {
        let flat = self.flat();
        flat.push(0xdf);
        flat.extend_from_slice(&len.to_be_bytes());
        self.named = true;
    }

    #[inline]
    fn fields<'w>(&'w mut self, name: &str, len: usize) -> Result<Fields<'w, 'p>, EncodeFailure> {
        let start = self.flat().len();
        // By names that begin so, libraries tell their own deserializers what a value is: these look for the names.
        let is_private = name.starts_with('$');
        if self.named || is_private {
            self.map(len)?;
            let form = if is_private && name == NUMBER { Form::Number { start } } else { Form::Keyed };
            return Ok(Fields { out: self, form });
        }
        let len = count(len)?;
        self.long_array(len);
        let first = self.keys.len;
        Ok(Fields { out: self, form: Form::Positional { start, len, first } })
    }

    /// Writes a number of `serde_json`'s as any other number. One whose text would not come out the same stays text.
    #[cold]
    fn plain_number(&mut self, start: usize) -> Written {
        let Some(number) = Plain::of(self.flat().get(start..).unwrap_or_default()) else { return Ok(()) };
        self.flat().truncate(start);
        match number {
            Plain::Unsigned(number) => self.inner.serialize_u64(number),
            Plain::Signed(number) => self.inner.serialize_i64(number),
            Plain::Float(number) => self.inner.serialize_f64(number),
        }
    }

    /// Tells `Some` around nil from nil.
    #[inline]
    fn mark_some(&mut self, start: usize) -> Written {
        match self.flat().get(start..) {
            Some(&[0xc0]) => {
                self.flat().truncate(start);
                self.flat().extend_from_slice(&[0xd4, ext::SOME as u8, 1]);
                Ok(())
            }
            Some(&[0xd4, kind, somes]) if kind == ext::SOME as u8 => {
                if somes >= MAX_SOMES {
                    return Err(EncodeFailure::custom(format!(
                        "more than {MAX_SOMES} `Some` around nothing"
                    )));
                }
                self.flat()[start + 2] = somes + 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A value that is encoded already.
    #[cold]
    fn encoded<T: ?Sized + Serialize>(&mut self, value: &T) -> Written {
        match raw::leaving() {
            Some(encoded) => {
                self.payload().splice(encoded);
                Ok(())
            }
            None => value.serialize(self),
        }
    }

    /// Refuses a user's extension of a type that would be taken for one of mux's own.
    fn check_ext(&mut self, start: usize) -> Written {
        let written = self.flat().get(start..).unwrap_or_default();
        let kind = match written.first() {
            Some(0xd4..=0xd8) => written.get(1),
            Some(0xc7) => written.get(2),
            Some(0xc8) => written.get(3),
            Some(0xc9) => written.get(5),
            _ => None,
        };
        match kind.map(|kind| *kind as i8) {
            Some(kind) if ext::OWN.contains(&kind) => {
                Err(EncodeFailure::custom(format!("extensions of type {kind} are the protocol's own")))
            }
            _ => Ok(()),
        }
    }
}

/// What `serde_json` calls a number that it keeps as text, with its feature `arbitrary_precision`. Whether it has it is
/// decided for a whole program, and the peer is another one.
const NUMBER: &str = "$serde_json::private::Number";

/// A number that has the same text again at the other end.
enum Plain {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
}

impl Plain {
    /// From a map of the name to the text.
    fn of(map: &[u8]) -> Option<Plain> {
        let text = map.strip_prefix(&[0x81, 0xbc])?.strip_prefix(NUMBER.as_bytes())?;
        // A longer text than one with this header is none of those below.
        let (0xa0..=0xbf, text) = text.split_first()? else { return None };
        let text = std::str::from_utf8(text).ok()?;
        let same = |number: String| number == text;
        if let Some(number) = text.parse().ok().filter(|number: &u64| same(number.to_string())) {
            return Some(Plain::Unsigned(number));
        }
        if let Some(number) = text.parse().ok().filter(|number: &i64| same(number.to_string())) {
            return Some(Plain::Signed(number));
        }
        // All ways to write a number agree in this range.
        let is_usual = |number: &f64| *number == 0.0 || (1e-3..1e15).contains(&number.abs());
        text.parse().ok().filter(|number| is_usual(number) && same(format!("{number:?}"))).map(Plain::Float)
    }
}

#[inline]
fn count(len: usize) -> Result<u32, EncodeFailure> {
    u32::try_from(len)
        .map_err(|_| EncodeFailure::custom(format!("{len} elements are too many for MessagePack")))
}

impl<'w, 'p> Serializer for &'w mut ValueWriter<'p> {
    type Ok = ();
    type Error = EncodeFailure;
    type SerializeSeq = Elements<'w, 'p>;
    type SerializeTuple = Elements<'w, 'p>;
    type SerializeTupleStruct = Elements<'w, 'p>;
    type SerializeTupleVariant = Elements<'w, 'p>;
    type SerializeMap = Entries<'w, 'p>;
    type SerializeStruct = Fields<'w, 'p>;
    type SerializeStructVariant = Fields<'w, 'p>;

    #[inline]
    fn is_human_readable(&self) -> bool {
        if !self.named {
            self.program_form.set(self.inner.get_ref().0.flat_len());
        }
        self.named
    }

    #[inline]
    fn serialize_bool(self, value: bool) -> Written {
        self.inner.serialize_bool(value)
    }

    #[inline]
    fn serialize_i8(self, value: i8) -> Written {
        self.inner.serialize_i64(value.into())
    }

    #[inline]
    fn serialize_i16(self, value: i16) -> Written {
        self.inner.serialize_i64(value.into())
    }

    #[inline]
    fn serialize_i32(self, value: i32) -> Written {
        self.inner.serialize_i64(value.into())
    }

    #[inline]
    fn serialize_i64(self, value: i64) -> Written {
        self.inner.serialize_i64(value)
    }

    fn serialize_i128(self, value: i128) -> Written {
        self.ext_128(ext::I128, value.to_be_bytes());
        Ok(())
    }

    #[inline]
    fn serialize_u8(self, value: u8) -> Written {
        self.inner.serialize_u64(value.into())
    }

    #[inline]
    fn serialize_u16(self, value: u16) -> Written {
        self.inner.serialize_u64(value.into())
    }

    #[inline]
    fn serialize_u32(self, value: u32) -> Written {
        self.inner.serialize_u64(value.into())
    }

    #[inline]
    fn serialize_u64(self, value: u64) -> Written {
        self.inner.serialize_u64(value)
    }

    fn serialize_u128(self, value: u128) -> Written {
        self.ext_128(ext::U128, value.to_be_bytes());
        Ok(())
    }

    #[inline]
    fn serialize_f32(self, value: f32) -> Written {
        self.inner.serialize_f32(value)
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Written {
        self.inner.serialize_f64(value)
    }

    #[inline]
    fn serialize_char(self, value: char) -> Written {
        self.inner.serialize_char(value)
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Written {
        self.inner.serialize_str(value)
    }

    #[inline]
    fn serialize_bytes(self, value: &[u8]) -> Written {
        self.inner.serialize_bytes(value)
    }

    #[inline]
    fn serialize_none(self) -> Written {
        self.inner.serialize_unit()
    }

    #[inline]
    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Written {
        let start = self.flat().len();
        value.serialize(&mut *self)?;
        self.mark_some(start)
    }

    #[inline]
    fn serialize_unit(self) -> Written {
        self.inner.serialize_unit()
    }

    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Written {
        self.inner.serialize_unit()
    }

    #[inline]
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Written {
        self.inner.serialize_str(variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: ?Sized + Serialize>(self, name: &'static str, value: &T) -> Written {
        if name == MSGPACK_EXT_STRUCT_NAME {
            let start = self.flat().len();
            self.inner.serialize_newtype_struct(name, value)?;
            return self.check_ext(start);
        }
        if name == raw::NAME {
            return self.encoded(value);
        }
        value.serialize(self)
    }

    #[inline]
    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Written {
        self.variant(variant)?;
        value.serialize(self)
    }

    #[inline]
    fn serialize_seq(self, len: Option<usize>) -> Result<Elements<'w, 'p>, EncodeFailure> {
        let Some(len) = len else { return Ok(Elements::uncounted(self)) };
        self.array(len)?;
        Ok(Elements::counted(self))
    }

    #[inline]
    fn serialize_tuple(self, len: usize) -> Result<Elements<'w, 'p>, EncodeFailure> {
        self.array(len)?;
        Ok(Elements::counted(self))
    }

    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Elements<'w, 'p>, EncodeFailure> {
        self.array(len)?;
        Ok(Elements::counted(self))
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Elements<'w, 'p>, EncodeFailure> {
        self.variant(variant)?;
        self.array(len)?;
        Ok(Elements::counted(self))
    }

    #[inline]
    fn serialize_map(self, len: Option<usize>) -> Result<Entries<'w, 'p>, EncodeFailure> {
        let Some(len) = len else { return Ok(Entries::uncounted(self)) };
        self.map(len)?;
        Ok(Entries::counted(self, len))
    }

    #[inline]
    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Fields<'w, 'p>, EncodeFailure> {
        self.fields(name, len)
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Fields<'w, 'p>, EncodeFailure> {
        self.variant(variant)?;
        self.fields(name, len)
    }
}

/// The elements of a sequence or tuple.
pub(crate) struct Elements<'w, 'p> {
    out: &'w mut ValueWriter<'p>,
    /// Where their number is to be written, and what it is so far.
    uncounted: Option<(usize, usize)>,
}

impl<'w, 'p> Elements<'w, 'p> {
    #[inline]
    fn counted(out: &'w mut ValueWriter<'p>) -> Elements<'w, 'p> {
        Elements { out, uncounted: None }
    }

    fn uncounted(out: &'w mut ValueWriter<'p>) -> Elements<'w, 'p> {
        let start = out.flat().len();
        out.flat().push(0x90);
        Elements { out, uncounted: Some((start, 0)) }
    }

    #[inline]
    fn element<T: ?Sized + Serialize>(&mut self, value: &T) -> Written {
        if let Some((_, count)) = &mut self.uncounted {
            *count += 1;
        }
        value.serialize(&mut *self.out)
    }

    #[inline]
    fn finish(self) -> Written {
        match self.uncounted {
            Some((start, len)) => {
                let mut header = Vec::new();
                encode::write_array_len(&mut header, count(len)?)?;
                self.out.payload().replace(start..start + 1, &header);
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl SerializeSeq for Elements<'_, '_> {
    type Ok = ();
    type Error = EncodeFailure;

    #[inline]
    fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> Written {
        self.element(value)
    }

    #[inline]
    fn end(self) -> Written {
        self.finish()
    }
}

impl SerializeTuple for Elements<'_, '_> {
    type Ok = ();
    type Error = EncodeFailure;

    #[inline]
    fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> Written {
        value.serialize(&mut *self.out)
    }

    #[inline]
    fn end(self) -> Written {
        Ok(())
    }
}

impl SerializeTupleStruct for Elements<'_, '_> {
    type Ok = ();
    type Error = EncodeFailure;

    #[inline]
    fn serialize_field<T: ?Sized + Serialize>(&mut self, value: &T) -> Written {
        value.serialize(&mut *self.out)
    }

    #[inline]
    fn end(self) -> Written {
        Ok(())
    }
}

impl SerializeTupleVariant for Elements<'_, '_> {
    type Ok = ();
    type Error = EncodeFailure;

    #[inline]
    fn serialize_field<T: ?Sized + Serialize>(&mut self, value: &T) -> Written {
        value.serialize(&mut *self.out)
    }

    #[inline]
    fn end(self) -> Written {
        Ok(())
    }
}

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
    fn counted(out: &'w mut ValueWriter<'p>, len: usize) -> Entries<'w, 'p> {
        let begin = out.flat().len();
        Entries { out, begin, len, form: MapForm::Counted }
    }

    /// Of a struct with `#[serde(flatten)]`, or of an iterator. What was flattened into it is read by serde as text
    /// formats are, and nothing tells which of its entries that are.
    fn uncounted(out: &'w mut ValueWriter<'p>) -> Entries<'w, 'p> {
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

/// The fields of a struct.
pub(crate) struct Fields<'w, 'p> {
    out: &'w mut ValueWriter<'p>,
    form: Form,
}

enum Form {
    /// As a map.
    Keyed,
    /// As a number, if it is one that MessagePack has: else as a map.
    Number { start: usize },
    /// As a map that is a named part of something that is not.
    NamedPart,
    /// As an array, as long as that is unambiguous: where the header is, how many fields there will be, and the first of
    /// its keys.
    Positional { start: usize, len: u32, first: usize },
}

/// Whether a value of that type is the tag of an enum. Serde's derive passes the tag of an internally tagged one as `str`
/// itself, which no field of a user's can be, and that of an adjacently tagged one as a type of its own. Known at compile
/// time. A tag that is not recognised makes its struct one by position, which is refused where serde buffers it.
#[inline]
fn is_tag<T: ?Sized>() -> bool {
    size_of::<&T>() != size_of::<usize>()
        || std::any::type_name::<T>().ends_with("::AdjacentlyTaggedEnumVariant")
}

impl Fields<'_, '_> {
    #[inline]
    fn field<T: ?Sized + Serialize>(&mut self, key: &'static str, value: &T) -> Written {
        self.begin(key, is_tag::<T>())?;
        value.serialize(&mut *self.out)
    }

    #[inline(always)]
    fn begin(&mut self, key: &'static str, is_tag: bool) -> Written {
        if let Form::Positional { first, .. } = self.form {
            if !is_tag || self.out.keys.len > first {
                let at = self.out.flat().len();
                self.out.keys.push(key, at);
                return Ok(());
            }
            self.tagged();
        }
        self.out.key(key)
    }

    /// Of an enum with a tag, before its first field: serde reads such an enum as text formats are read.
    #[cold]
    fn tagged(&mut self) {
        if let Form::Positional { start, len, .. } = self.form {
            self.out.flat().truncate(start);
            self.out.named_map(len);
            self.form = Form::NamedPart;
        }
    }

    /// A field is left out, so positions would tell no more which is which: names do.
    #[inline]
    fn skip(&mut self) -> Written {
        if let Form::Positional { .. } = self.form { self.by_name() } else { Ok(()) }
    }

    #[cold]
    fn by_name(&mut self) -> Written {
        let Form::Positional { start, len, first } = self.form else { return Ok(()) };
        self.form = Form::Keyed;
        let mut name = Vec::new();
        while self.out.keys.len > first
            && let Some((key, at)) = self.out.keys.pop()
        {
            name.clear();
            encode::write_str(&mut name, key)?;
            self.out.payload().replace(at..at, &name);
        }
        let old = if len < 16 { 3 } else { 5 };
        let mut header = Vec::new();
        encode::write_map_len(&mut header, len)?;
        self.out.payload().replace(start..start + old, &header);
        Ok(())
    }

    #[inline]
    fn finish(self) -> Written {
        match self.form {
            Form::NamedPart => self.out.named = false,
            Form::Number { start } => self.out.plain_number(start)?,
            Form::Positional { first, .. } => self.out.keys.truncate(first),
            Form::Keyed => {}
        }
        Ok(())
    }
}

impl SerializeStruct for Fields<'_, '_> {
    type Ok = ();
    type Error = EncodeFailure;

    #[inline]
    fn serialize_field<T: ?Sized + Serialize>(&mut self, key: &'static str, value: &T) -> Written {
        self.field(key, value)
    }

    #[inline]
    fn skip_field(&mut self, _: &'static str) -> Written {
        self.skip()
    }

    #[inline]
    fn end(self) -> Written {
        self.finish()
    }
}

impl SerializeStructVariant for Fields<'_, '_> {
    type Ok = ();
    type Error = EncodeFailure;

    #[inline]
    fn serialize_field<T: ?Sized + Serialize>(&mut self, key: &'static str, value: &T) -> Written {
        self.field(key, value)
    }

    #[inline]
    fn skip_field(&mut self, _: &'static str) -> Written {
        self.skip()
    }

    #[inline]
    fn end(self) -> Written {
        self.finish()
    }
}
