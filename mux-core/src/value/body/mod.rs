//! Arguments, results, errors and items <-> bytes. How a value itself is encoded is in `value/`.

mod args_decoder;
mod args_encoder;
mod bin;
pub(crate) mod evidence;
mod fallible;
mod fault;
mod outcome;
pub(crate) mod proof;
mod whole;

pub use args_decoder::{Args, ArgsDecoder, FromBin};
pub use args_encoder::{Argument, AsBytes};
pub use fallible::{Fallible, Returned};
pub use outcome::{Outcome, local_result};

pub(crate) use args_encoder::ArgsEncoder;
pub(crate) use fallible::FaultParts;
pub(crate) use fault::{decode_end, encode_end, fault_of_remote, no_app, redact, remote_error};
pub(crate) use whole::{Decoded, decode, decode_items, decode_shared, encode_item};

#[cfg(test)]
mod tests;
