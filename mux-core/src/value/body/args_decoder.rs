//! Arguments on their way in.

use super::evidence::Evidence;
use crate::api::descriptor::{Encoding, MethodDescriptor};
use crate::api::error::Refused;
use crate::value::{DecodeError, ValueReader, bytes};
use ::bytes::Bytes;
use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Decodes the arguments of one call, in order. Strings and bytes may point into them.
pub struct ArgsDecoder<'a> {
    args: Args<'a>,
    input: ValueReader<'a>,
    left: u32,
}

impl fmt::Debug for ArgsDecoder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArgsDecoder").field("left", &self.left).finish_non_exhaustive()
    }
}

impl<'a> ArgsDecoder<'a> {
    /// Begins with the first argument.
    ///
    /// # Errors
    /// When `args` is no array.
    pub fn new(args: impl Into<Args<'a>>) -> Result<Self, Refused> {
        ArgsDecoder::of(args.into())
    }

    fn of(args: Args<'a>) -> Result<Self, Refused> {
        let mut rest = args.bytes;
        let left = rmp::decode::read_array_len(&mut rest).map_err(|_| args.refused("they are no array"))?;
        let input = ValueReader::new(rest, args.encoding());
        Ok(ArgsDecoder { args, input, left })
    }

    /// The next argument. A missing one is `None` where `T` is an `Option`.
    ///
    /// # Errors
    /// When it is missing, or no `T`; the text names it.
    pub fn value<T: Deserialize<'a>>(&mut self, name: &'static str) -> Result<T, Refused> {
        if self.take() {
            let _within = self.args.owner.and_then(bytes::within);
            return T::deserialize(&mut self.input)
                .map_err(|error| self.args.bad(name, &self.input.explained(error)));
        }
        T::deserialize(Missing).map_err(|_| self.args.missing(name))
    }

    /// The next argument, or the default where it is missing.
    ///
    /// # Errors
    /// When it is no `T`; the text names it.
    pub fn default<T: Deserialize<'a> + Default>(&mut self, name: &'static str) -> Result<T, Refused> {
        if self.left == 0 { Ok(T::default()) } else { self.value(name) }
    }

    /// The next argument, of a type that is known to travel. A missing one is `None` where that is an `Option`.
    ///
    /// # Errors
    /// When it is missing, or no such value; the text names it.
    #[inline]
    pub fn owned<T: Evidence>(&mut self, name: &'static str, _: T) -> Result<T::Value, Refused> {
        self.value(name)
    }

    /// The same, or the default where it is missing.
    ///
    /// # Errors
    /// When it is no such value; the text names it.
    #[inline]
    pub fn owned_or_default<T: Evidence<Value: Default>>(
        &mut self,
        name: &'static str,
        _: T,
    ) -> Result<T::Value, Refused> {
        self.default(name)
    }

    /// The next argument, from bin.
    ///
    /// # Errors
    /// When it is missing, or no bin; the text names it.
    pub fn bytes<T: FromBin<'a>>(&mut self, name: &'static str) -> Result<T, Refused> {
        if !self.take() {
            return Err(self.args.missing(name));
        }
        let bin = self.input.bin().map_err(|error| self.args.bad(name, &error))?;
        T::from_bin(bin, self.args).map_err(|expected| self.args.bad(name, &DecodeError::new(expected)))
    }

    /// The next argument, borrowed from the message.
    ///
    /// # Errors
    /// When it is missing, or no `T`; the text names it.
    pub fn cow<T: ?Sized + ToOwned>(&mut self, name: &'static str) -> Result<Cow<'a, T>, Refused>
    where
        &'a T: Deserialize<'a>,
    {
        self.value(name).map(Cow::Borrowed)
    }

    /// Skips arguments of a newer caller.
    ///
    /// # Errors
    /// When bytes are left over, or not MessagePack.
    pub fn finish(mut self) -> Result<(), Refused> {
        while self.take() {
            self.input.skip().map_err(|error| self.args.refused(error.what()))?;
        }
        if self.input.is_at_end() { Ok(()) } else { Err(self.args.refused("bytes come after them")) }
    }

    fn take(&mut self) -> bool {
        let any = self.left > 0;
        self.left -= u32::from(any);
        any
    }
}

/// The encoded arguments of one call, an array.
#[derive(Clone, Copy, Debug)]
pub struct Args<'a> {
    bytes: &'a [u8],
    /// Where they are a part of something that may be kept.
    owner: Option<&'a Bytes>,
    method: Option<&'static MethodDescriptor>,
}

impl<'a> Args<'a> {
    /// The method they are for: how they are encoded, and what an error says.
    pub(crate) fn of(self, method: &'static MethodDescriptor) -> Args<'a> {
        Args { method: Some(method), ..self }
    }

    /// A part of them that lives on: where it lies, or copied.
    fn share(self, part: &'a [u8]) -> Bytes {
        self.owner.map_or_else(|| Bytes::copy_from_slice(part), |owner| owner.slice_ref(part))
    }

    fn encoding(self) -> Encoding {
        self.method.map_or(Encoding::Named, |method| method.encoding)
    }

    /// ` of `store.add``, where the method is known.
    fn of_method(self) -> String {
        self.method.map_or_else(String::new, |method| format!(" of `{}`", method.path))
    }

    #[cold]
    fn refused(self, why: &str) -> Refused {
        Refused::invalid_args(format!("the arguments{}: {why}", self.of_method()))
    }

    #[cold]
    fn missing(self, name: &str) -> Refused {
        Refused::invalid_args(format!("argument `{name}`{} is missing", self.of_method()))
    }

    #[cold]
    fn bad(self, name: &str, error: &DecodeError) -> Refused {
        let (path, what) = (error.path(), error.what());
        Refused::invalid_args(format!("argument `{name}{path}`{}: {what}", self.of_method()))
    }
}

/// Encoded as with [`Encoding::Named`].
impl<'a> From<&'a [u8]> for Args<'a> {
    fn from(bytes: &'a [u8]) -> Args<'a> {
        Args { bytes, owner: None, method: None }
    }
}

/// Encoded as with [`Encoding::Named`].
impl<'a> From<&'a Bytes> for Args<'a> {
    fn from(owner: &'a Bytes) -> Args<'a> {
        Args { bytes: owner, owner: Some(owner), method: None }
    }
}

/// An argument type that travels as bin.
pub trait FromBin<'a>: Sized {
    /// Makes the argument from the bytes in `args`, or tells what was expected.
    #[doc(hidden)]
    fn from_bin(bin: Cow<'a, [u8]>, args: Args<'a>) -> Result<Self, &'static str>;
}

impl<'a> FromBin<'a> for &'a [u8] {
    fn from_bin(bin: Cow<'a, [u8]>, _: Args<'a>) -> Result<Self, &'static str> {
        match bin {
            Cow::Borrowed(bytes) => Ok(bytes),
            Cow::Owned(_) => Err("found an array, expected binary"),
        }
    }
}

impl<'a> FromBin<'a> for Vec<u8> {
    fn from_bin(bin: Cow<'a, [u8]>, _: Args<'a>) -> Result<Self, &'static str> {
        Ok(bin.into_owned())
    }
}

impl<'a> FromBin<'a> for Cow<'a, [u8]> {
    fn from_bin(bin: Cow<'a, [u8]>, _: Args<'a>) -> Result<Self, &'static str> {
        Ok(bin)
    }
}

impl<'a> FromBin<'a> for Bytes {
    fn from_bin(bin: Cow<'a, [u8]>, args: Args<'a>) -> Result<Self, &'static str> {
        Ok(match bin {
            Cow::Borrowed(bytes) => args.share(bytes),
            Cow::Owned(bytes) => bytes.into(),
        })
    }
}

/// Deserializes the absent: only an `Option` can be made of it.
struct Missing;

#[derive(Debug)]
struct MissingError;

impl fmt::Display for MissingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("missing")
    }
}

impl std::error::Error for MissingError {}

impl serde::de::Error for MissingError {
    fn custom<T: fmt::Display>(_: T) -> Self {
        MissingError
    }
}

impl<'de> Deserializer<'de> for Missing {
    type Error = MissingError;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, MissingError> {
        Err(MissingError)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, MissingError> {
        visitor.visit_none()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
