//! A user's value <-> MessagePack, through serde. Knows no arguments, results or channels: those are in `body/`.
//!
//! What is particular about it is in WIRE.md, under "Values": what would be ambiguous is marked, so that a value is read
//! as what was written, or refused.

mod binary;
pub(crate) mod body;
pub mod bytes;
mod decode;
mod encode;
mod error;
pub(crate) mod probe;
pub(crate) mod raw;
pub(crate) mod scope;
pub(crate) mod text;

pub(crate) use binary::Target;
pub(crate) use decode::ValueReader;
pub(crate) use encode::{EncodeFailure, ValueWriter};
pub(crate) use error::{DecodeError, EncodeError};

/// Types of MessagePack's extensions that are mux's own: a value of a user's may not have them.
mod ext {
    /// `Some` around what travels as nil. The data is one byte: how many there are, one around the other.
    pub(crate) const SOME: i8 = 125;
    /// A signed integer of 128 bits, big endian.
    pub(crate) const I128: i8 = 126;
    /// An unsigned one.
    pub(crate) const U128: i8 = 127;

    pub(crate) const OWN: std::ops::RangeInclusive<i8> = SOME..=U128;
}

/// How many `Some` may stand around nil. A type that contains itself in an `Option` could have any number of them, and
/// each is a level of recursion.
const MAX_SOMES: u8 = 127;

#[cfg(test)]
mod tests;
