//! Arguments on their way out.

use super::bin::{AsBin, encode_bin};
use super::whole::encode;
use crate::api::descriptor::Encoding;
use crate::link::port::OutgoingHandles;
use crate::util::buffer;
use crate::value::EncodeError;
use crate::value::scope;
use mux_proto::session::outbox::payload::Payload;
use serde::Serialize;

/// Encodes the arguments of one call, in order.
#[derive(Debug)]
pub struct ArgsEncoder {
    out: Payload,
    handles: OutgoingHandles,
    encoding: Encoding,
}

impl ArgsEncoder {
    pub(crate) fn new(encoding: Encoding) -> ArgsEncoder {
        ArgsEncoder { out: buffer::take().into(), handles: OutgoingHandles::default(), encoding }
    }

    /// Appends all arguments, and how many they are.
    pub(crate) fn all(&mut self, args: &[&dyn Argument]) -> Result<(), EncodeError> {
        // Writing to a `Vec` cannot fail.
        let _ = rmp::encode::write_array_len(self.out.flat_mut(), args.len() as u32);
        args.iter().try_for_each(|arg| arg.encode(self))
    }

    pub(crate) fn finish(self) -> (Payload, OutgoingHandles) {
        (self.out, self.handles)
    }
}

/// An argument on its way out. Behind a pointer, so that it is compiled once for its type, and not for each
/// method that takes one.
pub trait Argument {
    #[doc(hidden)]
    fn encode(&self, args: &mut ArgsEncoder) -> Result<(), EncodeError>;
}

impl<T: Serialize> Argument for T {
    fn encode(&self, args: &mut ArgsEncoder) -> Result<(), EncodeError> {
        let ArgsEncoder { out, handles, encoding } = args;
        scope::encode(handles, *encoding, || encode(out, self, *encoding))
    }
}

/// An argument that travels as MessagePack bin.
#[derive(Debug)]
pub struct AsBytes<'a, B: ?Sized>(pub &'a B);

impl<B: AsBin + ?Sized> Argument for AsBytes<'_, B> {
    fn encode(&self, args: &mut ArgsEncoder) -> Result<(), EncodeError> {
        encode_bin(&self.0.as_bin(), &mut args.out)
    }
}
