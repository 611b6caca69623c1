//! The fields of structs.

use super::{EncodeFailure, ValueWriter, Written};
use rmp::encode;
use serde::Serialize;
use serde::ser::{SerializeStruct, SerializeStructVariant};

/// The fields of a struct.
pub(crate) struct Fields<'w, 'p> {
    pub(super) out: &'w mut ValueWriter<'p>,
    pub(super) form: Form,
}

pub(super) enum Form {
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

/// Whether a value of that type is the tag of an enum. Serde's derive passes the tag of an internally tagged one as `str`
/// itself, which no field of a user's can be, and that of an adjacently tagged one as a type of its own. Known at compile
/// time. A tag that is not recognised makes its struct one by position, which is refused where serde buffers it.
#[inline]
pub(super) fn is_tag<T: ?Sized>() -> bool {
    size_of::<&T>() != size_of::<usize>()
        || std::any::type_name::<T>().ends_with("::AdjacentlyTaggedEnumVariant")
}

/// Serde has a trait for structs and one for such variants, both alike.
macro_rules! serialize_struct {
    ($($Kind:ident)*) => {$(
        impl $Kind for Fields<'_, '_> {
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
    )*};
}

serialize_struct! { SerializeStruct SerializeStructVariant }
