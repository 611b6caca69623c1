//! A peer that broke the protocol.

use crate::session::limits::truncate;
use crate::wire::fault::GoawayCode;
use crate::wire::frame::BadFrame;
use alloc::borrow::ToOwned;
use alloc::string::String;

/// The peer broke the protocol; the connection ends with a GOAWAY that says so.
#[derive(Debug, PartialEq, Eq)]
pub struct ProtocolError {
    pub code: GoawayCode,
    pub message: String,
}

impl ProtocolError {
    /// The grants for notifies pile up.
    pub fn unread_credit() -> ProtocolError {
        protocol_error("credit that is not read")
    }
}

impl From<BadFrame> for ProtocolError {
    fn from(bad: BadFrame) -> ProtocolError {
        protocol_error(bad.0)
    }
}

#[cold]
pub(crate) fn protocol_error(message: impl Into<String>) -> ProtocolError {
    let message: String = message.into();
    ProtocolError { code: GoawayCode::Protocol, message: truncate(&message).to_owned() }
}
