//! A value of any type as it travels, with the halves of channels in it.

use super::receiver::Receiver;
use super::sender::Sender;
use crate::api::descriptor::Encoding;
use crate::link::port::OutgoingHandles;
use crate::value::body::{self, ArgsEncoder, Argument};
use crate::value::probe;
use crate::value::scope::{self, IncomingHandles};
use crate::value::{raw, text};
use ::bytes::Bytes;
use mux_proto::wire::handles::Half;
use mux_proto::wire::shape::{first_value, nests_acceptably};
use serde::de::{DeserializeOwned, Error as _, IgnoredAny};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::error::Error as StdError;
use std::fmt::{self, Write};
use std::sync::{Mutex, PoisonError};

/// A value shown as an error is cut after so many bytes.
const SHOWN: usize = 1024;

/// A value of any type, encoded: arguments, a result, an error or an item of a method whose types this program does not
/// know. It is passed on as it came, and decoded where somebody knows its type.
///
/// Halves of channels travel in it. They are a part of it until it is sent or decoded: then it has none any more, and
/// is refused if it is sent again. Dropped, it closes them at both ends.
///
/// It goes through serde as a value by itself, an argument, an item, or a field of one, in messages of mux only. One that
/// has halves of channels is the whole body of its message. It keeps the encoding that it has: `encoding = "compact"`
/// at its method does not change it.
///
/// Displayed, it resembles JSON.
///
/// ```
/// # use mux_core as mux;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pair = mux::Encoded::new(&("apple", 3))?;
/// assert_eq!(pair.to_string(), r#"["apple", 3]"#);
/// assert_eq!(pair.decode::<(String, u32)>()?, ("apple".to_owned(), 3));
/// # Ok(()) }
/// ```
#[derive(Default)]
pub struct Encoded {
    /// Empty for nil.
    bytes: Bytes,
    halves: Mutex<Halves>,
}

#[derive(Default)]
enum Halves {
    #[default]
    None,
    /// With a message.
    Arrived(IncomingHandles),
    /// Of a value of this program.
    Leaving(OutgoingHandles),
    /// They were sent on.
    Gone,
}

/// A value that could not be encoded or decoded. It says what was found, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedError(String);

impl fmt::Display for EncodedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for EncodedError {}

const NIL: &[u8] = &[0xc0];

impl Encoded {
    /// Encodes a value as a method without `encoding = "compact"` does.
    ///
    /// # Errors
    /// If the value cannot be encoded.
    pub fn new<T: Serialize + ?Sized>(value: &T) -> Result<Encoded, EncodedError> {
        Encoded::with_encoding(value, Encoding::Named)
    }

    /// Encodes a value for methods of the given encoding.
    ///
    /// # Errors
    /// If the value cannot be encoded.
    pub fn with_encoding<T: Serialize + ?Sized>(
        value: &T,
        encoding: Encoding,
    ) -> Result<Encoded, EncodedError> {
        let mut encoder = ArgsEncoder::new(encoding);
        (&value).encode(&mut encoder).map_err(|error| EncodedError(error.to_string()))?;
        let (body, handles) = encoder.finish();
        let halves = if handles.is_empty() { Halves::None } else { Halves::Leaving(handles) };
        Ok(Encoded { bytes: body.into_vec().into(), halves: Mutex::new(halves) })
    }

    /// A value that is encoded already: one value of MessagePack, by the rules for values in WIRE.md.
    ///
    /// # Errors
    /// If the bytes are not exactly one value, or nest deeper than 128 levels.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Result<Encoded, EncodedError> {
        let bytes = bytes.into();
        if first_value(&bytes) != Some(bytes.len()) {
            return Err(EncodedError(format!("{} bytes are not one value of MessagePack", bytes.len())));
        }
        if !nests_acceptably(&bytes) {
            return Err(EncodedError("it nests deeper than 128 levels".to_owned()));
        }
        Ok(Encoded { bytes, halves: Mutex::default() })
    }

    /// The value as MessagePack. A half of a channel is a number there: its place among the halves.
    pub fn bytes(&self) -> &[u8] {
        if self.bytes.is_empty() { NIL } else { &self.bytes }
    }

    /// How many halves of channels are in it.
    pub fn channels(&self) -> usize {
        match &*self.halves.lock().unwrap_or_else(PoisonError::into_inner) {
            Halves::None | Halves::Gone => 0,
            Halves::Arrived(handles) => handles.len(),
            Halves::Leaving(handles) => handles.len(),
        }
    }

    /// Decodes it as a method without `encoding = "compact"` does.
    ///
    /// # Errors
    /// If it is no `T`, or holds halves of channels that do not come from another program.
    pub fn decode<T: DeserializeOwned + 'static>(self) -> Result<T, EncodedError> {
        self.decode_with(Encoding::Named)
    }

    /// Decodes a value of a method of the given encoding.
    ///
    /// # Errors
    /// As [`decode`](Encoded::decode).
    pub fn decode_with<T: DeserializeOwned + 'static>(self, encoding: Encoding) -> Result<T, EncodedError> {
        let halves = self.halves.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut handles = match halves {
            Halves::None => IncomingHandles::default(),
            Halves::Arrived(handles) => handles,
            Halves::Leaving(_) => return Err(EncodedError("its channels are of this program".to_owned())),
            Halves::Gone => return Err(EncodedError("its channels were sent on".to_owned())),
        };
        handles.set_encoding(encoding);
        let bytes = if self.bytes.is_empty() { Bytes::from_static(NIL) } else { self.bytes };
        scope::decode(&mut handles, || body::decode_shared(&bytes, encoding)).map_err(EncodedError)
    }

    pub(crate) fn arrived(bytes: Bytes, handles: IncomingHandles) -> Encoded {
        let halves = if handles.is_empty() { Halves::None } else { Halves::Arrived(handles) };
        Encoded { bytes, halves: Mutex::new(halves) }
    }

    /// Has its halves go with the message that is being encoded.
    fn depart(&self) -> Result<(), &'static str> {
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Halves::None = *halves {
            return Ok(());
        }
        if let Halves::Gone = *halves {
            return Err("its channels were sent on before");
        }
        if scope::encoding().is_none() {
            return Err("an encoded value with channels leaves in a message of mux only");
        }
        if scope::departed_so_far() > 0 {
            return Err("an encoded value with channels is the whole body of its message");
        }
        let leaving = std::mem::replace(&mut *halves, Halves::Gone);
        drop(halves);
        match leaving {
            Halves::None | Halves::Gone => {}
            Halves::Leaving(mut handles) => {
                handles.take().into_iter().for_each(|handle| _ = scope::depart(handle.half, handle.port));
            }
            Halves::Arrived(handles) => pass_on(handles),
        }
        Ok(())
    }
}

/// Has the halves that came with one message go with the one that is being encoded. Items pass through this program.
fn pass_on(mut handles: IncomingHandles) {
    // What their items are is known to nobody here, nor how they are encoded.
    let encoding = Encoding::Named;
    for (mux, handle) in handles.drain() {
        let port = match handle.half {
            Half::Receiving => {
                Receiver::<Encoded, Encoded>::arrived((mux, handle.id), encoding).leave(encoding)
            }
            Half::Sending => Sender::<Encoded, Encoded>::arrived((mux, handle.id), encoding).leave(encoding),
        };
        scope::depart(handle.half, port);
    }
}

impl fmt::Debug for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Encoded({self})")
    }
}

impl fmt::Display for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = Cut { left: SHOWN, out: f };
        if text::write(self.bytes(), &mut shown).is_err() && shown.left == 0 {
            return f.write_str("…");
        }
        Ok(())
    }
}

/// The error of a call whose types are not known.
impl StdError for Encoded {}

/// Fails when so many bytes have been written.
struct Cut<'c, 'f> {
    left: usize,
    out: &'c mut fmt::Formatter<'f>,
}

impl Write for Cut<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let shown = text.floor_char_boundary(self.left);
        self.out.write_str(&text[..shown])?;
        self.left = if shown < text.len() { 0 } else { self.left - shown };
        if shown < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

impl Serialize for Encoded {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if probe::is_within() {
            return serializer.serialize_unit();
        }
        self.depart().map_err(S::Error::custom)?;
        let bytes = if self.bytes.is_empty() { Bytes::from_static(NIL) } else { self.bytes.clone() };
        raw::serialize(&bytes, serializer)
    }
}

impl<'de> Deserialize<'de> for Encoded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Encoded, D::Error> {
        if probe::is_within() {
            return IgnoredAny::deserialize(deserializer).map(|_| Encoded::default());
        }
        let bytes = raw::deserialize(deserializer)?;
        let handles = scope::arrive_all().map_err(D::Error::custom)?;
        Ok(Encoded::arrived(bytes, handles))
    }
}
