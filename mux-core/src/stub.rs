//! What generated clients are made of.

use crate::mux::Mux;
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
