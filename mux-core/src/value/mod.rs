//! A user's value <-> MessagePack, through serde. Knows no arguments, results or channels: those are in `body.rs`.
//!
//! What is particular about it is in WIRE.md, under "Values": what would be ambiguous is marked, so that a value is read
//! as what was written, or refused.

mod binary;
mod decode;
mod encode;
mod error;
pub(crate) mod probe;

pub(crate) use binary::Target;
pub(crate) use decode::ValueReader;
pub(crate) use encode::{EncodeFailure, ValueWriter};
pub(crate) use error::DecodeError;

/// Types of MessagePack's extensions that are mux's own: a value of a user's may not have them.
mod ext {
    /// `Some` around what travels as nil. The data is one byte: how many there are, one around the other.
    pub(super) const SOME: i8 = 125;
    /// A signed integer of 128 bits, big endian.
    pub(super) const I128: i8 = 126;
    /// An unsigned one.
    pub(super) const U128: i8 = 127;

    pub(super) const OWN: std::ops::RangeInclusive<i8> = SOME..=U128;
}

/// How many `Some` may stand around nil. A type that contains itself in an `Option` could have any number of them, and
/// each is a level of recursion.
const MAX_SOMES: u8 = 127;

#[cfg(test)]
mod tests;
