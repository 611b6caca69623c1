//! The elements of sequences and tuples.

use super::{EncodeFailure, ValueWriter, Written, count};
use rmp::encode;
use serde::Serialize;
use serde::ser::{SerializeSeq, SerializeTuple, SerializeTupleStruct, SerializeTupleVariant};

/// The elements of a sequence.
pub(crate) struct Elements<'w, 'p> {
    out: &'w mut ValueWriter<'p>,
    /// Where their number is to be written, and what it is so far.
    uncounted: Option<(usize, usize)>,
}

impl<'w, 'p> Elements<'w, 'p> {
    #[inline]
    pub(super) fn counted(out: &'w mut ValueWriter<'p>) -> Elements<'w, 'p> {
        Elements { out, uncounted: None }
    }

    pub(super) fn uncounted(out: &'w mut ValueWriter<'p>) -> Elements<'w, 'p> {
        let start = out.flat().len();
        out.flat().push(0x90);
        Elements { out, uncounted: Some((start, 0)) }
    }
}

impl SerializeSeq for Elements<'_, '_> {
    type Ok = ();
    type Error = EncodeFailure;

    #[inline]
    fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> Written {
        if let Some((_, count)) = &mut self.uncounted {
            *count += 1;
        }
        value.serialize(&mut *self.out)
    }

    #[inline]
    fn end(self) -> Written {
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

/// The elements of a tuple, whose number is written before them.
pub(crate) struct Tuple<'w, 'p>(pub(super) &'w mut ValueWriter<'p>);

/// Serde has a trait for each kind of tuple, all of them alike.
macro_rules! serialize_tuple {
    ($($Kind:ident by $element:ident;)*) => {$(
        impl $Kind for Tuple<'_, '_> {
            type Ok = ();
            type Error = EncodeFailure;

            #[inline]
            fn $element<T: ?Sized + Serialize>(&mut self, value: &T) -> Written {
                value.serialize(&mut *self.0)
            }

            #[inline]
            fn end(self) -> Written {
                Ok(())
            }
        }
    )*};
}

serialize_tuple! {
    SerializeTuple by serialize_element;
    SerializeTupleStruct by serialize_field;
    SerializeTupleVariant by serialize_field;
}
