//! What generated clients are made of.

use crate::api::descriptor::MethodDescriptor;
use crate::client::call::Call;
use crate::link::handle::Mux;
use crate::value::body::Argument;
use crate::value::body::evidence::{ErrorEvidence, Evidence};
use std::fmt;
use std::sync::Arc;

/// Where a client's calls go: over a connection, or to an implementation in this process.
pub enum Stub<L: ?Sized> {
    /// Over a connection.
    Remote(Mux),
    /// To an implementation in this process.
    Local(Arc<L>),
}

impl<L: ?Sized> Clone for Stub<L> {
    fn clone(&self) -> Stub<L> {
        match self {
            Stub::Remote(mux) => Stub::Remote(mux.clone()),
            Stub::Local(local) => Stub::Local(Arc::clone(local)),
        }
    }
}

impl<L: ?Sized> fmt::Debug for Stub<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stub::Remote(mux) => mux.fmt(f),
            Stub::Local(_) => f.write_str("local"),
        }
    }
}

/// A call of a method that returns a plain value.
#[inline]
pub fn transaction<T: Evidence>(
    mux: &Mux,
    method: &'static MethodDescriptor,
    args: &[&dyn Argument],
    _: T,
) -> Call<T::Value> {
    mux.call_for_value(method, |encoder| encoder.all(args))
}

/// A call of a method that returns a `Result`.
#[inline]
pub fn transaction_result<T: Evidence, E: ErrorEvidence>(
    mux: &Mux,
    method: &'static MethodDescriptor,
    args: &[&dyn Argument],
    _: T,
    _: E,
) -> Call<T::Value, E::App> {
    mux.call_for_result::<T::Value, E::Error>(method, |encoder| encoder.all(args))
}
