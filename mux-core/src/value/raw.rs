//! A value that is encoded already, on its way through serde: it is handed over beside serde, in the thread, under a name
//! that the writer and the reader of this crate know.

use super::bytes;
use ::bytes::Bytes;
use serde::de::{Error as _, Visitor};
use serde::ser::Error as _;
use serde::{Deserializer, Serializer};
use std::cell::Cell;
use std::fmt;

/// What serde calls such a value.
pub(crate) const NAME: &str = "$mux::Encoded";

const ELSEWHERE: &str = "an encoded value goes straight into a message of mux only";

thread_local! {
    static LEAVING: Cell<Option<Bytes>> = const { Cell::new(None) };
}

pub(crate) fn serialize<S: Serializer>(value: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    LEAVING.set(Some(value.clone()));
    let written = serializer.serialize_newtype_struct(NAME, &());
    // Another serializer has written the `()`.
    if LEAVING.take().is_some() { Err(S::Error::custom(ELSEWHERE)) } else { written }
}

/// The value that [`serialize`] hands over.
pub(crate) fn leaving() -> Option<Bytes> {
    LEAVING.take()
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    deserializer.deserialize_newtype_struct(NAME, RawVisitor)
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value in a message of mux")
    }

    fn visit_borrowed_bytes<E: serde::de::Error>(self, value: &'de [u8]) -> Result<Bytes, E> {
        Ok(bytes::share(value).unwrap_or_else(|| Bytes::copy_from_slice(value)))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, _: D) -> Result<Bytes, D::Error> {
        Err(D::Error::custom(ELSEWHERE))
    }
}
