//! What the error of a method may be, and what becomes of it.

use super::fault::{decode_end, encode_end, fault_of_remote, no_app};
use super::proof::{Impossible, Possible, Proof};
use crate::api::channel_error::Never;
use crate::api::descriptor::Encoding;
use crate::api::error::{Error, Failure};
use crate::link::port::OutgoingHandles;
use crate::value::scope;
use mux_proto::wire::fault::Fault;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::convert::Infallible;

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
pub struct FaultParts(pub(super) Fault, pub(super) OutgoingHandles);

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
