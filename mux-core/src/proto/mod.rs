//! The protocol, pure: frames, tables and the session that rules them.
//! Knows no runtime, no clock, no I/O and no user types; time comes in as [`Millis`].

pub(crate) mod after;
pub(crate) mod calls;
pub(crate) mod carried;
pub(crate) mod channels;
pub(crate) mod chunks;
pub(crate) mod credit;
pub(crate) mod fault;
pub(crate) mod frame;
pub(crate) mod hello;
pub(crate) mod meta;
pub(crate) mod payload;
pub(crate) mod rare;
pub(crate) mod serving;
pub(crate) mod session;
#[cfg(test)]
mod tests;
pub(crate) mod unread;
pub(crate) mod xid;

/// Milliseconds since the connection's start.
pub(crate) type Millis = u64;

/// A time that does not come. For what is kept long: an `Option` takes twice the room.
pub(crate) const NEVER: Millis = Millis::MAX;
