//! Calls that were refused before they ran.

use crate::util::escaped::Escaped;
use mux_proto::wire::fault::{Fault, FaultCode};
use std::error::Error as StdError;
use std::fmt;

/// A call that was refused before it ran, here or on the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub(super) reason: Refusal,
    pub(super) message: String,
}

/// Why a call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The other side has no such service or method.
    UnknownMethod,
    /// The arguments could not be encoded here, or not be decoded there.
    InvalidArgs,
    /// No room: all workers fail to start, or a handler's own call found its peer full.
    Overloaded,
    /// One of the ends is draining its connection, or has closed it before the call began.
    Draining,
    /// The request exceeds what the other side takes.
    TooLarge,
    /// The request uses what the other side does not know, or a type whose fields positions do not tell.
    Unsupported,
    /// The other side wants to know who asks.
    Unauthenticated,
    /// A refusal of a later version, by its code.
    Other(u32),
}

impl Refused {
    /// A refusal by a [`Demux`](crate::Demux), in its own words. A call that is told so certainly did not run.
    pub fn new(reason: Refusal, message: impl Into<String>) -> Refused {
        Refused { reason, message: message.into() }
    }

    /// The refusal of a method that does not exist.
    pub fn unknown_method(method: &str) -> Refused {
        Refused::new(Refusal::UnknownMethod, format!("unknown method `{method}`"))
    }

    #[cold]
    pub(crate) fn unencodable(error: &dyn fmt::Display) -> Refused {
        Refused::invalid_args(format!("the arguments could not be encoded: {error}"))
    }

    pub(crate) fn invalid_args(message: impl Into<String>) -> Refused {
        Refused::new(Refusal::InvalidArgs, message)
    }

    /// Why.
    pub fn reason(&self) -> Refusal {
        self.reason
    }

    /// The particulars, as text.
    pub fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn into_fault(self) -> Fault {
        let known = REFUSALS.iter().find(|(reason, _)| *reason == self.reason).map(|(_, code)| *code);
        let code = match (known, self.reason) {
            (Some(code), _) => code,
            (None, Refusal::Other(number)) => FaultCode::Other(number),
            (None, _) => FaultCode::Unsupported,
        };
        Fault::new(code, self.message)
    }
}

/// Refusals as they travel.
pub(super) const REFUSALS: [(Refusal, FaultCode); 7] = [
    (Refusal::UnknownMethod, FaultCode::UnknownMethod),
    (Refusal::InvalidArgs, FaultCode::InvalidArgs),
    (Refusal::Overloaded, FaultCode::Overloaded),
    (Refusal::Draining, FaultCode::Draining),
    (Refusal::TooLarge, FaultCode::TooLarge),
    (Refusal::Unsupported, FaultCode::Unsupported),
    (Refusal::Unauthenticated, FaultCode::Unauthenticated),
];

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused: {}", Escaped(&self.message))
    }
}

impl StdError for Refused {}
