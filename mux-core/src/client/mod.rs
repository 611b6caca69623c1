//! The asking half: calls, to another process or in this one.

pub(crate) mod call;
pub(crate) mod local;
pub(crate) mod probed;
pub(crate) mod stub;
pub(crate) mod untyped;
