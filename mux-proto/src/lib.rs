//! The protocol of mux, pure: frames, tables, and the session that rules them.
//!
//! Knows no runtime, no clock, no I/O and no type of a user. The crate is `no_std`, so the compiler keeps it so. What a
//! runtime has to do is handed out as values: [`session::inbound::Action`] for a frame, [`session::effects::Effects`] once a lock
//! is free, [`session::outbox::Batch`] to be written. Time comes in as [`Millis`]. WIRE.md says what the frames mean.
//!
//! A part of `mux-rpc`, which is what programs depend on. It changes with it and promises nothing by itself.

#![cfg_attr(not(any(test, fuzzing)), no_std)]
#![expect(missing_docs, reason = "fields and variants are named as WIRE.md names them")]

extern crate alloc;

pub mod session;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod tests;
pub mod thin_list;
pub mod wire;

/// Milliseconds since the connection's start.
pub type Millis = u64;

/// A time that never comes, in place of an `Option`, which is twice as large.
pub const NEVER: Millis = Millis::MAX;
