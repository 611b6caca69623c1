//! A serializer that notes what is written, and writes nothing.

use super::{Fields, NOTHING, Node};
use serde::ser::{
    SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};
use serde::{Serialize, Serializer};
use std::fmt;

type Noted<T = ()> = Result<T, Unwritten>;

#[derive(Default)]
pub(super) struct Recorder(Vec<Node>);

impl Recorder {
    pub(super) fn finish(mut self) -> Node {
        self.0.pop().unwrap_or(NOTHING)
    }

    fn leaf(&mut self, text: &impl ToString) -> Noted {
        self.note(Node::Leaf(text.to_string()))
    }

    fn note(&mut self, node: Node) -> Noted {
        self.0.push(node);
        Ok(())
    }

    fn parts(&mut self, variant: Option<&'static str>) -> Noted<Parts<'_>> {
        let start = self.0.len();
        Ok(Parts { recorder: self, start, variant, name: None, keys: Vec::new(), by_position: true })
    }

    fn fields(&mut self, name: &'static str, variant: Option<&'static str>) -> Noted<Parts<'_>> {
        // What has a private name is written by names.
        let by_position = !name.starts_with('$');
        Ok(Parts { name: Some(name), by_position, ..self.parts(variant)? })
    }
}

/// What is in a container, or in a struct where that has a name.
pub(super) struct Parts<'r> {
    recorder: &'r mut Recorder,
    start: usize,
    variant: Option<&'static str>,
    name: Option<&'static str>,
    keys: Vec<&'static str>,
    by_position: bool,
}

impl Parts<'_> {
    fn finish(self) -> Noted {
        let Parts { recorder, start, variant, name, keys, by_position } = self;
        let values = recorder.0.split_off(start);
        let node = match name {
            Some(name) => Node::Struct(Fields { name, keys, values, by_position }),
            // Within it all is written by names.
            None if !by_position => NOTHING,
            None => Node::List(values),
        };
        recorder.note(match variant {
            Some(variant) => Node::Variant(variant, Box::new(node)),
            None => node,
        })
    }
}

macro_rules! leaves {
    ($($method:ident: $of:ty),*) => {$(
        fn $method(self, value: $of) -> Noted {
            self.leaf(&value)
        }
    )*};
}

impl<'r> Serializer for &'r mut Recorder {
    type Ok = ();
    type Error = Unwritten;
    type SerializeSeq = Parts<'r>;
    type SerializeTuple = Parts<'r>;
    type SerializeTupleStruct = Parts<'r>;
    type SerializeTupleVariant = Parts<'r>;
    type SerializeMap = Parts<'r>;
    type SerializeStruct = Parts<'r>;
    type SerializeStructVariant = Parts<'r>;

    leaves! {
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_i128: i128, serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
        serialize_u128: u128, serialize_f32: f32, serialize_f64: f64, serialize_char: char, serialize_str: &str
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_bytes(self, value: &[u8]) -> Noted {
        self.note(Node::Leaf(format!("{value:?}")))
    }

    fn serialize_none(self) -> Noted {
        self.note(NOTHING)
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Noted {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Noted {
        self.note(NOTHING)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Noted {
        self.note(NOTHING)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Noted {
        self.note(Node::Variant(variant, Box::new(NOTHING)))
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(self, _: &'static str, value: &T) -> Noted {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Noted {
        value.serialize(&mut *self)?;
        let data = self.0.pop().unwrap_or(NOTHING);
        self.note(Node::Variant(variant, Box::new(data)))
    }

    fn serialize_seq(self, _: Option<usize>) -> Noted<Parts<'r>> {
        self.parts(None)
    }

    fn serialize_tuple(self, _: usize) -> Noted<Parts<'r>> {
        self.parts(None)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Noted<Parts<'r>> {
        self.parts(None)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Noted<Parts<'r>> {
        self.parts(Some(variant))
    }

    fn serialize_map(self, len: Option<usize>) -> Noted<Parts<'r>> {
        Ok(Parts { by_position: len.is_some(), ..self.parts(None)? })
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Noted<Parts<'r>> {
        self.fields(name, None)
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Noted<Parts<'r>> {
        self.fields(name, Some(variant))
    }
}

macro_rules! parts {
    ($($of:ident: $method:ident),*) => {$(
        impl $of for Parts<'_> {
            type Ok = ();
            type Error = Unwritten;

            fn $method<T: ?Sized + Serialize>(&mut self, value: &T) -> Noted {
                value.serialize(&mut *self.recorder)
            }

            fn end(self) -> Noted {
                self.finish()
            }
        }
    )*};
}

parts! {
    SerializeSeq: serialize_element,
    SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field
}

macro_rules! fields {
    ($($of:ident),*) => {$(
        impl $of for Parts<'_> {
            type Ok = ();
            type Error = Unwritten;

            fn serialize_field<T: ?Sized + Serialize>(&mut self, key: &'static str, value: &T) -> Noted {
                self.keys.push(key);
                value.serialize(&mut *self.recorder)
            }

            fn skip_field(&mut self, _: &'static str) -> Noted {
                self.by_position = false;
                Ok(())
            }

            fn end(self) -> Noted {
                self.finish()
            }
        }
    )*};
}

fields!(SerializeStruct, SerializeStructVariant);

impl SerializeMap for Parts<'_> {
    type Ok = ();
    type Error = Unwritten;

    fn serialize_key<T: ?Sized + Serialize>(&mut self, key: &T) -> Noted {
        key.serialize(&mut *self.recorder)
    }

    fn serialize_value<T: ?Sized + Serialize>(&mut self, value: &T) -> Noted {
        value.serialize(&mut *self.recorder)
    }

    fn end(self) -> Noted {
        self.finish()
    }
}

/// A value that cannot be written.
#[derive(Debug)]
pub(super) struct Unwritten;

impl fmt::Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not written")
    }
}

impl std::error::Error for Unwritten {}

impl serde::ser::Error for Unwritten {
    fn custom<T: fmt::Display>(_: T) -> Unwritten {
        Unwritten
    }
}
