//! Arguments, results, errors and items <-> bytes. How a value itself is encoded is in `value/`.

use crate::api::channel_error::Never;
use crate::api::descriptor::{Encoding, MethodDescriptor};
use crate::api::error::{Error, Failure, Refused, RemoteCause, RemoteError, RemoteParts};
use crate::link::port::OutgoingHandles;
use crate::util::buffer;
use crate::value::bytes;
use crate::value::evidence::{ErrorEvidence, Evidence, Impossible, Possible, Proof};
use crate::value::scope;
use crate::value::{DecodeError, EncodeFailure, ValueReader, ValueWriter};
use ::bytes::Bytes;
use mux_proto::session::message::Answer;
use mux_proto::session::outbox::payload::Payload;
use mux_proto::wire::fault::{Fault, FaultCode};
use mux_proto::wire::shape::first_value;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::any::{Any, TypeId};
use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;

/// What of a backtrace travels, in bytes.
const MAX_TRACE: usize = 32 << 10;

/// Sources of an error that travel.
const MAX_CHAIN: usize = 32;

/// An argument that could not be encoded.
#[derive(Debug)]
pub struct EncodeError(String);

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for EncodeError {}

/// Encodes the arguments of one call, in order.
#[derive(Debug)]
pub struct ArgsEncoder {
    out: Payload,
    handles: OutgoingHandles,
    encoding: Encoding,
}

impl ArgsEncoder {
    pub(crate) fn new(encoding: Encoding) -> ArgsEncoder {
        ArgsEncoder { out: buffer::take().into(), handles: OutgoingHandles::default(), encoding }
    }

    /// Appends all arguments, and how many they are.
    pub(crate) fn all(&mut self, args: &[&dyn Argument]) -> Result<(), EncodeError> {
        // Writing to a `Vec` cannot fail.
        let _ = rmp::encode::write_array_len(self.out.flat_mut(), args.len() as u32);
        args.iter().try_for_each(|arg| arg.encode(self))
    }

    pub(crate) fn finish(self) -> (Payload, OutgoingHandles) {
        (self.out, self.handles)
    }
}

/// An argument on its way out. Behind a pointer, so that it is compiled once for its type, and not for each
/// method that takes one.
pub trait Argument {
    #[doc(hidden)]
    fn encode(&self, args: &mut ArgsEncoder) -> Result<(), EncodeError>;
}

impl<T: Serialize> Argument for T {
    fn encode(&self, args: &mut ArgsEncoder) -> Result<(), EncodeError> {
        let ArgsEncoder { out, handles, encoding } = args;
        scope::encode(handles, *encoding, || encode(out, self, *encoding))
    }
}

/// An argument that travels as MessagePack bin.
#[derive(Debug)]
pub struct AsBytes<'a, B: ?Sized>(pub &'a B);

impl<B: AsBin + ?Sized> Argument for AsBytes<'_, B> {
    fn encode(&self, args: &mut ArgsEncoder) -> Result<(), EncodeError> {
        encode_bin(&self.0.as_bin(), &mut args.out)
    }
}

fn encode<T: Serialize + ?Sized>(
    out: &mut Payload,
    value: &T,
    encoding: Encoding,
) -> Result<(), EncodeError> {
    value.serialize(&mut ValueWriter::new(out, encoding)).map_err(unencodable)
}

#[cold]
fn unencodable(error: EncodeFailure) -> EncodeError {
    EncodeError(error.to_string())
}

/// What travels as MessagePack bin by itself.
pub trait AsBin {
    /// The bytes; shared ones need no copy.
    #[doc(hidden)]
    fn as_bin(&self) -> BinRef<'_>;
}

/// Opaque to generated code.
#[doc(hidden)]
#[derive(Debug)]
pub enum BinRef<'a> {
    Borrowed(&'a [u8]),
    Shared(&'a Bytes),
}

impl AsBin for [u8] {
    fn as_bin(&self) -> BinRef<'_> {
        BinRef::Borrowed(self)
    }
}

impl AsBin for Vec<u8> {
    fn as_bin(&self) -> BinRef<'_> {
        BinRef::Borrowed(self)
    }
}

impl AsBin for Cow<'_, [u8]> {
    fn as_bin(&self) -> BinRef<'_> {
        BinRef::Borrowed(self)
    }
}

impl AsBin for Bytes {
    fn as_bin(&self) -> BinRef<'_> {
        BinRef::Shared(self)
    }
}

fn encode_bin(bin: &BinRef<'_>, out: &mut Payload) -> Result<(), EncodeError> {
    match bin {
        BinRef::Borrowed(bytes) => encode_bytes(out.flat_mut(), bytes),
        // A long run is written from where it lies.
        BinRef::Shared(bytes) => {
            write_bin_len(out.flat_mut(), bytes.len())?;
            out.splice(Bytes::clone(bytes));
            Ok(())
        }
    }
}

fn encode_bytes(out: &mut Vec<u8>, value: &[u8]) -> Result<(), EncodeError> {
    out.reserve(value.len() + 5);
    write_bin_len(out, value.len())?;
    out.extend_from_slice(value);
    Ok(())
}

fn write_bin_len(out: &mut Vec<u8>, len: usize) -> Result<(), EncodeError> {
    let too_long = |_| EncodeError(format!("{len} bytes are too many for MessagePack"));
    let len = u32::try_from(len).map_err(too_long)?;
    // Writing to a `Vec` cannot fail.
    let _ = rmp::encode::write_bin_len(out, len);
    Ok(())
}

/// Encodes a value that stands by itself, `Vec<u8>` and `Bytes` as bin.
fn encode_whole<T: Serialize + 'static>(
    value: &T,
    encoding: Encoding,
    out: &mut Payload,
) -> Result<(), EncodeError> {
    if is_bytes::<T>() { encode_any_bin(value, out) } else { encode(out, value, encoding) }
}

/// Of a `Vec<u8>` or `Bytes`.
fn encode_any_bin(value: &dyn Any, out: &mut Payload) -> Result<(), EncodeError> {
    let bin = match (value.downcast_ref::<Bytes>(), value.downcast_ref::<Vec<u8>>()) {
        (Some(bytes), _) => bytes.as_bin(),
        (None, Some(bytes)) => bytes.as_bin(),
        (None, None) => return Ok(()),
    };
    encode_bin(&bin, out)
}

/// Encodes a result with what it carries.
fn encode_result<T: Serialize + 'static>(
    value: &T,
    encoding: Encoding,
) -> Result<(Payload, OutgoingHandles), EncodeError> {
    let (mut out, mut handles) = (buffer::take().into(), OutgoingHandles::default());
    scope::encode(&mut handles, encoding, || encode_whole(value, encoding, &mut out))?;
    Ok((out, handles))
}

/// Appends an item of a channel.
pub(crate) fn encode_item<T: Serialize + 'static>(
    item: &T,
    encoding: Encoding,
    out: &mut Payload,
) -> Result<(), EncodeError> {
    encode_whole(item, encoding, out)
}

/// The fault by which a channel ends with an error of the user's.
pub(crate) fn encode_end<E: Serialize + 'static>(error: &E, encoding: Encoding) -> Fault {
    let mut detail = Payload::default();
    match encode_whole(error, encoding, &mut detail) {
        Ok(()) => Fault { code: FaultCode::App, message: String::new(), detail: detail.into_vec() },
        Err(error) => Fault::new(FaultCode::Unencodable, error.0),
    }
}

pub(crate) fn decode_end<E: DeserializeOwned + 'static>(
    detail: &[u8],
    encoding: Encoding,
) -> Result<E, String> {
    decode(or_nil(detail), encoding)
}

/// An error that encodes to nil, such as `()`, travels as an absent detail.
fn or_nil(detail: &[u8]) -> &[u8] {
    if detail.is_empty() { &[0xc0] } else { detail }
}

/// An item, or why it is none.
pub(crate) type Decoded<T> = Result<T, Box<str>>;

/// Decodes the items of one frame. One that is no `T` is told in its place.
pub(crate) fn decode_items<T: DeserializeOwned + 'static>(
    values: &Bytes,
    count: u32,
    encoding: Encoding,
) -> Vec<Decoded<T>> {
    let mut items = Vec::new();
    if decode_all(values, count, encoding, &mut items).is_err() {
        decode_singly(values, count, encoding, &mut items);
    }
    items
}

/// One by one, so that a bad one spoils no other. Those before it stay: they may have taken channels out of
/// the message.
#[cold]
fn decode_singly<T: DeserializeOwned + 'static>(
    values: &Bytes,
    count: u32,
    encoding: Encoding,
    items: &mut Vec<Decoded<T>>,
) {
    let good = items.len();
    let mut rest = values.clone();
    for place in 0..count as usize {
        let Some(len) = first_value(&rest) else {
            return items.push(Err("the items end early".into()));
        };
        let value = rest.split_to(len);
        if place >= good {
            items.push(decode_shared(&value, encoding).map_err(Into::into));
        }
    }
    if !rest.is_empty() {
        items.push(Err("more bytes than items".into()));
    }
}

fn decode_all<T: DeserializeOwned + 'static>(
    values: &Bytes,
    count: u32,
    encoding: Encoding,
    items: &mut Vec<Decoded<T>>,
) -> Result<(), String> {
    if count == 1 {
        items.push(Ok(decode_shared(values, encoding)?));
        return Ok(());
    }
    if is_bytes::<T>() {
        return Err("each by itself".into());
    }
    let mut input = ValueReader::new(values, encoding);
    // A count is no longer than its bytes, but an item may be larger than those.
    items.reserve((count as usize).min(1024));
    for _ in 0..count {
        items.push(Ok(value(&mut input)?));
    }
    finish(&input)
}

/// Decodes one whole value, `Vec<u8>` and `Bytes` from bin.
pub(crate) fn decode<T: DeserializeOwned + 'static>(bytes: &[u8], encoding: Encoding) -> Result<T, String> {
    decode_from(bytes, encoding, None)
}

/// Decodes one whole value from a buffer of its own, which `Bytes` shares.
pub(crate) fn decode_shared<T: DeserializeOwned + 'static>(
    owner: &Bytes,
    encoding: Encoding,
) -> Result<T, String> {
    let _within = bytes::within(owner);
    decode_from(owner, encoding, Some(owner))
}

// Compiled for each type of a result: what does not depend on the type is in functions of its own.
fn decode_from<T: DeserializeOwned + 'static>(
    bytes: &[u8],
    encoding: Encoding,
    shared: Option<&Bytes>,
) -> Result<T, String> {
    let mut input = ValueReader::new(bytes, encoding);
    if is_bytes::<T>() {
        let mut value: Option<T> = None;
        whole_bin(&mut input, shared, &mut value)?;
        return value.ok_or_else(String::new);
    }
    let value = value(&mut input)?;
    finish(&input)?;
    Ok(value)
}

/// Whether a value that stands by itself travels as bin.
fn is_bytes<T: 'static>() -> bool {
    let id = TypeId::of::<T>();
    id == TypeId::of::<Vec<u8>>() || id == TypeId::of::<Bytes>()
}

/// Puts the one value, from bin, in its place: an `Option` of `Vec<u8>` or of `Bytes`.
fn whole_bin<'a>(
    input: &mut ValueReader<'a>,
    shared: Option<&'a Bytes>,
    slot: &mut dyn Any,
) -> Result<(), String> {
    let bin = input.bin().map_err(undecodable)?;
    if let Some(slot) = slot.downcast_mut::<Option<Vec<u8>>>() {
        *slot = Some(bin.into_owned());
    } else if let Some(slot) = slot.downcast_mut::<Option<Bytes>>() {
        *slot = Some(match (bin, shared) {
            (Cow::Borrowed(part), Some(whole)) => whole.slice_ref(part),
            (bin, _) => bin.into_owned().into(),
        });
    }
    finish(input)
}

#[inline]
fn value<'a, T: Deserialize<'a>>(input: &mut ValueReader<'a>) -> Result<T, String> {
    T::deserialize(&mut *input).map_err(|error| undecodable(input.explained(error)))
}

pub(crate) fn finish(input: &ValueReader<'_>) -> Result<(), String> {
    if input.is_at_end() { Ok(()) } else { Err("bytes after the value".to_owned()) }
}

#[cold]
fn undecodable(error: DecodeError) -> String {
    error.to_string()
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

/// What a method came to, encoded.
#[derive(Debug)]
pub struct Outcome {
    answer: Option<Answer>,
    handles: OutgoingHandles,
}

impl Outcome {
    /// A plain value.
    pub fn value<T: Evidence>(value: &T::Value, encoding: Encoding, _: T) -> Outcome {
        Outcome::encoded(encode_result(value, encoding))
    }

    /// Plain bytes.
    pub fn bytes(value: impl Into<Bytes>) -> Outcome {
        let mut out = Payload::from(buffer::take());
        let encoded = encode_bin(&BinRef::Shared(&value.into()), &mut out);
        Outcome::encoded(encoded.map(|()| (out, OutgoingHandles::default())))
    }

    /// The value or the error of a `Result`.
    pub fn result<T: Evidence, E: ErrorEvidence>(
        result: Result<T::Value, E::Error>,
        encoding: Encoding,
        value: T,
        _: E,
    ) -> Outcome {
        match result {
            Ok(returned) => Outcome::value(&returned, encoding, value),
            Err(error) => Outcome::failed(error, encoding),
        }
    }

    /// What a demux came to.
    pub(crate) fn untyped<V>(result: Result<V, Error<V>>) -> Outcome
    where
        V: Serialize + DeserializeOwned + Send + 'static,
    {
        match result {
            Ok(value) => Outcome::encoded(encode_result(&value, Encoding::Named)),
            Err(Error::App(error)) => Outcome::failed(error, Encoding::Named),
            Err(Error::Remote(remote)) => Outcome::fault(fault_of_remote(&remote)),
            Err(Error::Call(error)) => Outcome::fault(error.into_fault()),
        }
    }

    /// Nothing: the outcome of a notify, or of a stream that has ended.
    pub fn none() -> Outcome {
        Outcome { answer: None, handles: OutgoingHandles::default() }
    }

    pub(crate) fn failed<E: Fallible>(error: E, encoding: Encoding) -> Outcome {
        let FaultParts(fault, handles) = error.into_fault(encoding);
        Outcome { answer: Some(Answer::fault(fault)), handles }
    }

    pub(crate) fn panicked(panicked: &RemoteError) -> Outcome {
        Outcome::fault(fault_of_remote(panicked))
    }

    pub(crate) fn fault(fault: Fault) -> Outcome {
        Outcome { answer: Some(Answer::fault(fault)), handles: OutgoingHandles::default() }
    }

    fn encoded(encoded: Result<(Payload, OutgoingHandles), EncodeError>) -> Outcome {
        match encoded {
            Ok((value, handles)) => Outcome { answer: Some(Answer::Value(value)), handles },
            Err(error) => Outcome::fault(Fault::new(FaultCode::Unencodable, error.0)),
        }
    }

    #[inline]
    pub(crate) fn is_large(&self) -> bool {
        matches!(&self.answer, Some(Answer::Value(value)) if value.is_large())
    }

    /// Takes out of traces what may not be revealed.
    #[inline]
    pub(crate) fn redact(&mut self, reveal_traces: bool) {
        if let Some(Answer::Fault(fault)) = &mut self.answer
            && !reveal_traces
        {
            redact(fault);
        }
    }

    /// The answer to send, and what it carries.
    #[inline]
    pub(crate) fn answer_mut(&mut self) -> (&mut Answer, &mut OutgoingHandles) {
        (self.answer.get_or_insert_with(|| Answer::Value(vec![0xc0].into())), &mut self.handles)
    }

    /// What is left of it is dropped, its buffer used again.
    #[inline]
    pub(crate) fn recycle(self) {
        if let Some(Answer::Value(value)) = self.answer {
            buffer::give(value.into_buffer());
        }
    }
}

/// The fault without what only this side should know.
pub(crate) fn redact(fault: &mut Fault) {
    if matches!(fault.code, FaultCode::Failed | FaultCode::Panicked) {
        fault.detail.clear();
    }
}

impl From<Refused> for Outcome {
    fn from(refused: Refused) -> Outcome {
        Outcome::fault(refused.into_fault())
    }
}

/// The two types of a method's `Result`, whatever it is called.
pub trait Returned {
    /// The value.
    type Ok;
    /// The error.
    type Error;
}

impl<T, E> Returned for Result<T, E> {
    type Ok = T;
    type Error = E;
}

/// The error type of a method's `Result`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a service method",
    label = "neither `Serialize + Deserialize` nor `mux::Failure`",
    note = "derive `serde::Serialize` and `serde::Deserialize` for it, or return `mux::Result<T>`, which takes any error by `?`"
)]
pub trait Fallible: Sized {
    #[doc(hidden)]
    type App: 'static;
    /// The error as a stream's receiver gets it.
    #[doc(hidden)]
    type End: Serialize + DeserializeOwned + Send + 'static;

    /// Evidence of it.
    #[doc(hidden)]
    fn evidence() -> Proof<Self> {
        Proof::HERE
    }

    #[doc(hidden)]
    fn into_fault(self, encoding: Encoding) -> FaultParts;

    #[doc(hidden)]
    fn into_error(self) -> Error<Self::App>;

    #[doc(hidden)]
    fn into_end(self) -> Result<Self::End, FaultParts>;

    #[doc(hidden)]
    fn decode_app(detail: &[u8], encoding: Encoding) -> Result<Self::App, String>;
}

/// A fault on its way out, and what it carries; opaque to generated code.
#[doc(hidden)]
#[derive(Debug)]
pub struct FaultParts(Fault, OutgoingHandles);

impl FaultParts {
    pub(crate) fn into_fault(self) -> Fault {
        self.0
    }
}

#[diagnostic::do_not_recommend]
impl<E: Serialize + DeserializeOwned + Send + 'static> Fallible for E {
    type App = E;
    type End = E;

    fn into_fault(self, encoding: Encoding) -> FaultParts {
        let mut handles = OutgoingHandles::default();
        let fault = scope::encode(&mut handles, encoding, || encode_end(&self, encoding));
        FaultParts(fault, handles)
    }

    fn into_end(self) -> Result<E, FaultParts> {
        Ok(self)
    }

    fn into_error(self) -> Error<E> {
        Error::App(self)
    }

    fn decode_app(detail: &[u8], encoding: Encoding) -> Result<E, String> {
        decode_end(detail, encoding)
    }
}

/// Never applies. It is there because with two impls the compiler reports an error type that does not fit once, and
/// not each bound of the impl above that is not met.
#[diagnostic::do_not_recommend]
impl<E> Fallible for E
where
    Possible<E>: Impossible,
{
    type App = Infallible;
    type End = Never;

    fn into_fault(self, _: Encoding) -> FaultParts {
        Possible::<E>::never()
    }

    fn into_end(self) -> Result<Never, FaultParts> {
        Possible::<E>::never()
    }

    fn into_error(self) -> Error<Infallible> {
        Possible::<E>::never()
    }

    fn decode_app(_: &[u8], _: Encoding) -> Result<Infallible, String> {
        Possible::<E>::never()
    }
}

impl Fallible for Failure {
    type App = Infallible;
    type End = Never;

    fn into_fault(self, _: Encoding) -> FaultParts {
        FaultParts(fault_of_remote(&self.to_remote()), OutgoingHandles::default())
    }

    fn into_end(self) -> Result<Never, FaultParts> {
        Err(self.into_fault(Encoding::Named))
    }

    fn into_error(self) -> Error<Infallible> {
        Error::Remote(self.to_remote())
    }

    fn decode_app(detail: &[u8], encoding: Encoding) -> Result<Infallible, String> {
        no_app(detail, encoding)
    }
}

/// What a caller in this process is told.
pub fn local_result<T, E: ErrorEvidence>(result: Result<T, E::Error>, _: E) -> Result<T, Error<E::App>> {
    result.map_err(Fallible::into_error)
}

/// The decoder of methods that have no error of their own.
pub(crate) fn no_app(_: &[u8], _: Encoding) -> Result<Infallible, String> {
    Err("found an error value, expected none: here the method has no error type of its own".to_owned())
}

/// What travels of a failure or a panic beside its message. A map by names, so that any peer can
/// read it and fields may be added.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Detail {
    r#type: Option<String>,
    #[serde(deserialize_with = "nearest")]
    chain: Vec<String>,
    location: Option<String>,
    trace: Option<String>,
}

/// The first sources of a chain. The peer's own count is not trusted: an error's sources are dropped
/// one within the other, on the stack.
fn nearest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Nearest;

    impl<'de> Visitor<'de> for Nearest {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array of messages")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<String>, A::Error> {
            let mut chain = Vec::new();
            while chain.len() < MAX_CHAIN
                && let Some(message) = items.next_element()?
            {
                chain.push(message);
            }
            while items.next_element::<IgnoredAny>()?.is_some() {}
            Ok(chain)
        }
    }

    deserializer.deserialize_seq(Nearest)
}

/// A failure or a panic as it travels.
pub(crate) fn fault_of_remote(remote: &RemoteError) -> Fault {
    let code = if remote.is_panic() { FaultCode::Panicked } else { FaultCode::Failed };
    let detail = Detail {
        r#type: remote.type_name().map(str::to_owned),
        chain: remote.chain().take(MAX_CHAIN).map(str::to_owned).collect(),
        location: remote.location().map(str::to_owned),
        trace: remote.trace().map(|trace| trace[..trace.floor_char_boundary(MAX_TRACE)].to_owned()),
    };
    let mut text = Payload::default();
    // Text always encodes; without it the message is still told.
    let _ = encode(&mut text, &detail, Encoding::Named);
    Fault { code, message: remote.message().to_owned(), detail: text.into_vec() }
}

pub(crate) fn remote_error(fault: Fault) -> RemoteError {
    let detail: Detail = decode(&fault.detail, Encoding::Named).unwrap_or_default();
    RemoteError::new(RemoteParts {
        panicked: fault.code == FaultCode::Panicked,
        message: fault.message,
        type_name: detail.r#type,
        source: RemoteCause::from_messages(detail.chain),
        location: detail.location,
        trace: detail.trace,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(values: &[&[u8]]) -> Bytes {
        let mut out = vec![0x90 | values.len() as u8];
        values.iter().for_each(|value| out.extend_from_slice(value));
        out.into()
    }

    #[test]
    fn a_missing_option_is_none_a_default_is_default_anything_else_is_named() {
        let frame = args(&[]);
        let mut decoder = ArgsDecoder::new(&frame).unwrap();
        assert_eq!(decoder.value::<Option<u32>>("a").unwrap(), None);
        assert_eq!(decoder.default::<u32>("b").unwrap(), 0);
        assert_eq!(decoder.value::<u32>("c").unwrap_err().message(), "argument `c` is missing");
    }

    #[test]
    fn extra_arguments_are_skipped_and_stray_bytes_refused() {
        let frame = args(&[&[7], &[0x92, 1, 2]]);
        let mut decoder = ArgsDecoder::new(&frame).unwrap();
        assert_eq!(decoder.value::<u32>("n").unwrap(), 7);
        assert!(decoder.finish().is_ok());

        // A value, nil, what is no marker, and the start of a string.
        for stray in [9, 0xc0, 0xc1, 0xd9] {
            let frame = Bytes::from(vec![0x91, 7, stray]);
            let mut decoder = ArgsDecoder::new(&frame).unwrap();
            assert_eq!(decoder.value::<u32>("n").unwrap(), 7);
            assert_eq!(decoder.finish().unwrap_err().message(), "the arguments: bytes come after them");
        }
    }

    #[test]
    fn bytes_point_into_the_frame() {
        let mut encoder = ArgsEncoder::new(Encoding::Named);
        encoder.all(&[&AsBytes(&b"blob"[..]), &AsBytes(&Bytes::from_static(b"more"))]).unwrap();
        let frame = Bytes::from(encoder.finish().0.to_vec());
        let mut decoder = ArgsDecoder::new(&frame).unwrap();
        let slice: &[u8] = decoder.bytes("slice").unwrap();
        let shared: Bytes = decoder.bytes("shared").unwrap();
        assert!(frame.as_ptr_range().contains(&slice.as_ptr()));
        assert!(frame.as_ptr_range().contains(&shared.as_ptr()));
        assert_eq!((slice, &shared[..]), (&b"blob"[..], &b"more"[..]));
    }

    #[test]
    fn deep_nesting_is_refused_not_followed() {
        let mut deep = vec![0x91; 5000];
        deep.push(0xc0);
        assert!(decode::<IgnoredAny>(&deep, Encoding::Named).is_err());
    }

    #[test]
    fn nested_variants_are_refused_not_followed() {
        #[derive(Debug, Serialize, Deserialize)]
        enum Tree {
            Leaf,
            Node(Box<Tree>),
        }
        let deep = |levels: usize| {
            let mut bytes = b"\x81\xa4Node".repeat(levels);
            bytes.extend_from_slice(b"\xa4Leaf");
            bytes
        };
        assert!(decode::<Tree>(&deep(100), Encoding::Named).is_ok());
        let error = decode::<Tree>(&deep(100_000), Encoding::Named).unwrap_err();
        assert_eq!(error, "it nests deeper than 128 levels");
        let mut args = vec![0x91];
        args.extend(deep(100_000));
        let args = Bytes::from(args);
        assert!(ArgsDecoder::new(&args).unwrap().value::<Tree>("tree").is_err());
        assert!(ArgsDecoder::new(&args).unwrap().finish().is_err());
    }

    #[test]
    fn a_long_flat_body_does_not_nest() {
        let rows: Vec<(u32, Vec<u32>)> = (0..1000).map(|n| (n, vec![n; 10])).collect();
        let encoded = encode_result(&rows, Encoding::Named).unwrap().0.to_vec();
        assert_eq!(decode::<Vec<(u32, Vec<u32>)>>(&encoded, Encoding::Named).unwrap(), rows);
    }

    #[test]
    fn results_of_bytes_travel_as_bin_and_come_back() {
        let encoded = encode_result(&vec![1_u8, 2, 3], Encoding::Named).unwrap().0.to_vec();
        assert_eq!(encoded, [0xc4, 3, 1, 2, 3]);
        assert_eq!(decode::<Vec<u8>>(&encoded, Encoding::Named).unwrap(), [1, 2, 3]);
        assert_eq!(decode::<Bytes>(&encoded, Encoding::Named).unwrap(), [1_u8, 2, 3][..]);
        assert_eq!(decode::<Vec<u8>>(&[0x92, 4, 5], Encoding::Named).unwrap(), [4, 5]);
    }
}
