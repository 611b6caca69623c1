//! Limits of both ends, and what is said where they are exceeded.

use crate::session::message::Terminal;
use crate::session::outbox::payload::Payload;
use crate::wire::fault::Fault;
use crate::wire::fault::FaultCode;
use crate::wire::frame::ENVELOPE;
use crate::wire::handles::OutgoingHandle;
use crate::wire::settings::Settings;
use alloc::format;

/// What a fault's message may take of the envelope, in bytes; the rest is cut off.
const MAX_FAULT_MESSAGE: usize = 8 << 10;

/// What a carried channel takes of the envelope: an array, an id, a half. In bytes.
pub(crate) const CARRIED_LEN: usize = 1 + 9 + 1;

/// Channels that one message may carry, so that its envelope holds their list.
pub(crate) const MOST_CARRIED: u64 = (ENVELOPE / 2 / CARRIED_LEN) as u64;

/// The fault of a message that the peer will not take, whenever it comes.
#[inline]
pub(crate) fn exceeds_limits<P>(
    body: &Payload,
    carried: &[OutgoingHandle<P>],
    peer: &Settings,
) -> Option<Fault> {
    too_large(body.len() as u64, peer.max_message)
        .or_else(|| too_many_channels(carried.len(), Some(peer.max_channels)))
}

#[inline]
pub(crate) fn too_large(len: u64, limit: u64) -> Option<Fault> {
    (len > limit).then(|| request_too_large(len, limit))
}

#[cold]
pub(crate) fn draining() -> Fault {
    Fault::new(FaultCode::Draining, "this end drains the connection")
}

#[cold]
pub(crate) fn refused_by_peer(fault: &Fault) -> Terminal {
    Terminal::fault(fault.clone())
}

#[cold]
pub(crate) fn meta_too_large(len: usize) -> Fault {
    let limit = ENVELOPE / 2;
    Fault::new(FaultCode::TooLarge, format!("meta of {len} bytes exceeds the limit of {limit}"))
}

#[cold]
pub(crate) fn frame_too_large(len: u64, limit: u64) -> Fault {
    let message = format!("request of {len} bytes in one frame exceeds the limit of {limit}");
    Fault::new(FaultCode::TooLarge, message)
}

#[cold]
fn request_too_large(len: u64, limit: u64) -> Fault {
    let message = format!("request of {len} bytes exceeds the peer's limit of {limit}");
    Fault::new(FaultCode::TooLarge, message)
}

pub(crate) fn item_too_large(len: u64, limit: u64) -> Option<Fault> {
    let exceeds = len > limit;
    exceeds.then(|| {
        let message = format!("item of {len} bytes exceeds the receiver's limit of {limit}");
        Fault::new(FaultCode::TooLarge, message)
    })
}

pub(crate) fn reply_too_large(len: u64, limit: u64) -> Fault {
    let message = format!("reply of {len} bytes exceeds the asker's limit of {limit}");
    Fault::new(FaultCode::ReplyTooLarge, message)
}

#[inline]
pub(crate) fn too_many_channels(carried: usize, limit: Option<u64>) -> Option<Fault> {
    let limit = limit.unwrap_or(MOST_CARRIED).min(MOST_CARRIED);
    (carried as u64 > limit).then(|| channels_refused(carried, limit))
}

#[cold]
fn channels_refused(carried: usize, limit: u64) -> Fault {
    if limit == 0 {
        return Fault::new(FaultCode::Unsupported, "the peer takes no channels");
    }
    let message = format!("message with {carried} channels exceeds the peer's limit of {limit}");
    Fault::new(FaultCode::TooLarge, message)
}

/// Cuts at a character's border.
pub(crate) fn truncate(message: &str) -> &str {
    &message[..message.floor_char_boundary(MAX_FAULT_MESSAGE)]
}
