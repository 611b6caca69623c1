//! What travels as MessagePack bin by itself.

use crate::value::EncodeError;
use bytes::Bytes;
use mux_proto::session::outbox::payload::Payload;
use std::borrow::Cow;

/// What travels as MessagePack bin by itself.
pub trait AsBin {
    /// The bytes; shared ones need no copy.
    #[doc(hidden)]
    fn as_bin(&self) -> BinRef<'_>;
}

/// Opaque to generated code.
#[doc(hidden)]
#[derive(Debug)]
pub enum BinRef<'a> {
    Borrowed(&'a [u8]),
    Shared(&'a Bytes),
}

impl AsBin for [u8] {
    fn as_bin(&self) -> BinRef<'_> {
        BinRef::Borrowed(self)
    }
}

impl AsBin for Vec<u8> {
    fn as_bin(&self) -> BinRef<'_> {
        BinRef::Borrowed(self)
    }
}

impl AsBin for Cow<'_, [u8]> {
    fn as_bin(&self) -> BinRef<'_> {
        BinRef::Borrowed(self)
    }
}

impl AsBin for Bytes {
    fn as_bin(&self) -> BinRef<'_> {
        BinRef::Shared(self)
    }
}

pub(super) fn encode_bin(bin: &BinRef<'_>, out: &mut Payload) -> Result<(), EncodeError> {
    match bin {
        BinRef::Borrowed(bytes) => encode_bytes(out.flat_mut(), bytes),
        // A long run is written from where it lies.
        BinRef::Shared(bytes) => {
            write_bin_len(out.flat_mut(), bytes.len())?;
            out.splice(Bytes::clone(bytes));
            Ok(())
        }
    }
}

fn encode_bytes(out: &mut Vec<u8>, value: &[u8]) -> Result<(), EncodeError> {
    out.reserve(value.len() + 5);
    write_bin_len(out, value.len())?;
    out.extend_from_slice(value);
    Ok(())
}

fn write_bin_len(out: &mut Vec<u8>, len: usize) -> Result<(), EncodeError> {
    let too_long = |_| EncodeError(format!("{len} bytes are too many for MessagePack"));
    let len = u32::try_from(len).map_err(too_long)?;
    // Writing to a `Vec` cannot fail.
    let _ = rmp::encode::write_bin_len(out, len);
    Ok(())
}
