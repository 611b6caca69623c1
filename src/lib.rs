//! placeholder

pub use mux_core::*;
#[doc(hidden)]
pub use mux_core::private as __private;
pub use mux_macros::service;
