//! A value on its way out. `rmp_serde` writes what has one form; what can be mistaken for something else is written here.

mod elements;
mod entries;
mod fields;
mod keys;
mod number;

use super::{MAX_SOMES, ext, raw};
use crate::api::descriptor::Encoding;
use crate::value::bytes::Writer;
use elements::{Elements, Tuple};
use entries::Entries;
use fields::{Fields, Form};
use keys::Keys;
use mux_proto::session::outbox::payload::Payload;
use number::{NUMBER, Plain};
use rmp::encode;
use rmp_serde::MSGPACK_EXT_STRUCT_NAME;
use serde::ser::Error as _;
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

#[inline]
fn count(len: usize) -> Result<u32, EncodeFailure> {
    u32::try_from(len)
        .map_err(|_| EncodeFailure::custom(format!("{len} elements are too many for MessagePack")))
}

impl<'w, 'p> Serializer for &'w mut ValueWriter<'p> {
    type Ok = ();
    type Error = EncodeFailure;
    type SerializeSeq = Elements<'w, 'p>;
    type SerializeTuple = Tuple<'w, 'p>;
    type SerializeTupleStruct = Tuple<'w, 'p>;
    type SerializeTupleVariant = Tuple<'w, 'p>;
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
    fn serialize_tuple(self, len: usize) -> Result<Tuple<'w, 'p>, EncodeFailure> {
        self.array(len)?;
        Ok(Tuple(self))
    }

    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Tuple<'w, 'p>, EncodeFailure> {
        self.array(len)?;
        Ok(Tuple(self))
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Tuple<'w, 'p>, EncodeFailure> {
        self.variant(variant)?;
        self.array(len)?;
        Ok(Tuple(self))
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
