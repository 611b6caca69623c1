//! Where a method's handler is.

use crate::api::descriptor::{Encoding, MethodDescriptor};
use crate::client::untyped::is_untyped;

/// A method, and which of the services has it.
#[derive(Clone, Copy)]
pub(crate) struct Route {
    pub(super) service: usize,
    pub(crate) method: &'static MethodDescriptor,
}

impl Route {
    pub(crate) fn encoding(&self) -> Encoding {
        self.method.encoding
    }

    #[inline]
    pub(crate) fn is_untyped(&self) -> bool {
        is_untyped(self.method)
    }
}
