//! What generated clients are made of.

use crate::body::{Argument, Returned};
use crate::descriptor::MethodDescriptor;
use crate::mux::{Call, Mux};
use serde::de::DeserializeOwned;
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
pub fn transaction<T: DeserializeOwned + 'static>(
    mux: &Mux,
    method: &'static MethodDescriptor,
    args: &[&dyn Argument],
) -> Call<T> {
    mux.transaction(method, |encoder| encoder.all(args))
}

/// A call of a method that returns a `Result`.
pub fn transaction_result<R: Returned>(
    mux: &Mux,
    method: &'static MethodDescriptor,
    args: &[&dyn Argument],
) -> Call<R::Ok, R::App> {
    mux.transaction_result::<R>(method, |encoder| encoder.all(args))
}
