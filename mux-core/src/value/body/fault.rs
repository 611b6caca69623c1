//! Errors as they travel: the faults of an answer, and of the end of a channel.

use super::whole::{decode, encode, encode_whole};
use crate::api::descriptor::Encoding;
use crate::api::error::{RemoteCause, RemoteError, RemoteParts};
use mux_proto::session::outbox::payload::Payload;
use mux_proto::wire::fault::{Fault, FaultCode};
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::fmt;

/// What of a backtrace travels, in bytes. What a channel's end tells of an error may have 16 KiB in all.
const MAX_TRACE: usize = 12 << 10;

/// Sources of an error that travel.
const MAX_CHAIN: usize = 32;

/// The fault by which a channel ends with an error of the user's.
pub(crate) fn encode_end<E: Serialize + 'static>(error: &E, encoding: Encoding) -> Fault {
    let mut detail = Payload::default();
    match encode_whole(error, encoding, &mut detail) {
        Ok(()) => Fault { code: FaultCode::App, message: String::new(), detail: detail.into_vec() },
        Err(error) => Fault::new(FaultCode::Unencodable, error.0),
    }
}

pub(crate) fn decode_end<E: DeserializeOwned + 'static>(
    detail: &[u8],
    encoding: Encoding,
) -> Result<E, String> {
    decode(or_nil(detail), encoding)
}

/// An error that encodes to nil, such as `()`, travels as an absent detail.
fn or_nil(detail: &[u8]) -> &[u8] {
    if detail.is_empty() { &[0xc0] } else { detail }
}

/// The decoder of methods that have no error of their own.
pub(crate) fn no_app(_: &[u8], _: Encoding) -> Result<Infallible, String> {
    Err("found an error value, expected none: here the method has no error type of its own".to_owned())
}

/// A failure or a panic as it travels.
pub(crate) fn fault_of_remote(remote: &RemoteError) -> Fault {
    let code = if remote.is_panic() { FaultCode::Panicked } else { FaultCode::Failed };
    let detail = Detail {
        r#type: remote.type_name().map(str::to_owned),
        chain: remote.chain().take(MAX_CHAIN).map(str::to_owned).collect(),
        location: remote.location().map(str::to_owned),
        trace: remote.trace().map(|trace| trace[..trace.floor_char_boundary(MAX_TRACE)].to_owned()),
    };
    let mut text = Payload::default();
    // Text always encodes; without it the message is still told.
    let _ = encode(&mut text, &detail, Encoding::Named);
    Fault { code, message: remote.message().to_owned(), detail: text.into_vec() }
}

pub(crate) fn remote_error(fault: Fault) -> RemoteError {
    let detail: Detail = decode(&fault.detail, Encoding::Named).unwrap_or_default();
    RemoteError::new(RemoteParts {
        panicked: fault.code == FaultCode::Panicked,
        message: fault.message,
        type_name: detail.r#type,
        source: RemoteCause::from_messages(detail.chain),
        location: detail.location,
        trace: detail.trace,
    })
}

/// The fault without what only this side should know.
pub(crate) fn redact(fault: &mut Fault) {
    if matches!(fault.code, FaultCode::Failed | FaultCode::Panicked) {
        fault.detail.clear();
    }
}

/// What travels of a failure or a panic beside its message. A map by names, so that any peer can
/// read it and fields may be added.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Detail {
    r#type: Option<String>,
    #[serde(deserialize_with = "nearest")]
    chain: Vec<String>,
    location: Option<String>,
    trace: Option<String>,
}

/// The first sources of a chain. The peer's own count is not trusted: an error's sources are dropped
/// one within the other, on the stack.
fn nearest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Nearest;

    impl<'de> Visitor<'de> for Nearest {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array of messages")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<String>, A::Error> {
            let mut chain = Vec::new();
            while chain.len() < MAX_CHAIN
                && let Some(message) = items.next_element()?
            {
                chain.push(message);
            }
            while items.next_element::<IgnoredAny>()?.is_some() {}
            Ok(chain)
        }
    }

    deserializer.deserialize_seq(Nearest)
}
