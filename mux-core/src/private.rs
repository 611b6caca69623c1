//! All that generated code names. No part of the public interface.

pub use crate::api::descriptor::{
    ArgDescriptor, Encoding, Kind, MethodDescriptor, Placement, ServiceDescriptor, Shape, fingerprint,
};
pub use crate::api::error::{Error, Refused};
pub use crate::channel::{Never, Receiver, Sender};
pub use crate::client::call::Call;
pub use crate::client::probed::Probed;
pub use crate::client::stub::{Stub, transaction, transaction_result};
pub use crate::context::Context;
pub use crate::endpoint::connect::{connect, connect_blocking};
pub use crate::endpoint::connection::Connection;
pub use crate::link::handle::Client;
pub use crate::link::handle::Mux;
pub use crate::serve::dispatch::Slot;
pub use crate::serve::inbound::Inbound;
pub use crate::serve::service::Service;
pub use crate::serve::source::{Failing, Opening, Plain, Source, failing, local_stream, plain};
pub use crate::threads::decoders::{made, once};
pub use crate::transport::{Address, ConnectError};
pub use crate::value::body::evidence::{
    ErrorEvidence, Evidence, Fails, Travels, failing_receiver_of, fails, list_of, option_of, receiver_of,
    travels,
};
pub use crate::value::body::{
    Args, ArgsDecoder, Argument, AsBytes, Fallible, FromBin, Outcome, Returned, local_result,
};
pub use crate::value::probe::Probe;
pub use bytes::Bytes;
pub use core::borrow::Borrow;
pub use core::clone::Clone;
pub use core::convert::{AsRef, From, Infallible, Into, TryInto, identity};
pub use core::default::Default;
pub use core::fmt;
pub use core::marker::{PhantomData, Send, Sized, Sync};
pub use core::ops::{Deref, Fn, FnOnce};
pub use core::option::Option::{self, None, Some};
pub use core::result::Result::{self, Err, Ok};
pub use core::unreachable;
pub use futures_core::Stream;
pub use serde::Serialize;
pub use serde::de::DeserializeOwned;
pub use std::borrow::{Cow, ToOwned};
pub use std::boxed::Box;
pub use std::string::String;
pub use std::sync::Arc;
pub use std::vec::Vec;

/// What an `async fn` returns. Under a name of our own, so that its absence says what to do; that of the standard library's,
/// as it is what the docs of a user's trait show.
#[diagnostic::on_unimplemented(
    message = "the trait has an `async fn` here, and this is a plain `fn`",
    label = "returned by a plain `fn`",
    note = "write `async fn` in the implementation too; or `fn` in the trait, for a method that may block and runs on a worker thread"
)]
pub trait Future: core::future::Future {}

#[diagnostic::do_not_recommend]
impl<F: core::future::Future + ?Sized> Future for F {}

/// A type parameter of a service: what can be an argument or a result by itself.
pub trait Value: Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Value for T {}

/// A value that was encoded, for the fuzz target `body`.
#[cfg(fuzzing)]
pub fn decode_value<T: DeserializeOwned + 'static>(bytes: &[u8], encoding: Encoding) -> Result<T, String> {
    crate::value::body::decode(bytes, encoding)
}

/// The bytes of a value, for the fuzz target `body`.
#[cfg(fuzzing)]
pub fn encode_value<T: Serialize>(value: &T, encoding: Encoding) -> Option<Vec<u8>> {
    let mut args = crate::value::body::ArgsEncoder::new(encoding);
    args.all(&[value]).ok()?;
    // An array of one begins with a byte.
    args.finish().0.to_vec().get(1..).map(<[u8]>::to_vec)
}
