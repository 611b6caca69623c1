//! What became of a call that was not answered.

use super::closed::Closed;
use super::refused::{REFUSALS, Refusal, Refused};
use crate::util::escaped::Escaped;
use mux_proto::wire::fault::{Fault, FaultCode};
use std::error::Error as StdError;
use std::fmt;

/// What became of a call that brought neither a value nor an answer of its method.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError {
    /// Refused before it ran.
    Refused(Refused),
    /// Its time ran out.
    TimedOut {
        /// False where the call still waited for room, so that it cannot have run.
        sent: bool,
    },
    /// The other side cancelled it: its handler was dropped. The text says why.
    Cancelled(String),
    /// The connection closed first.
    Closed(Closed),
    /// There was no connection to call by: made from a [`ConnectError`](crate::ConnectError), whose text it has.
    NotConnected(String),
    /// It ran, and its value could not be encoded over there. The text says why.
    ReplyUnencodable(String),
    /// It ran, and its value exceeds what this end takes. The text tells both sizes.
    ReplyTooLarge(String),
    /// It ran, and its value could not be decoded here: the two ends disagree on its type.
    ReplyUndecodable(String),
    /// A fault of a later version, whose code says that it may have run.
    Unknown {
        /// The fault's code, 32 or above.
        code: u32,
        /// The fault's text.
        message: String,
    },
}

impl CallError {
    /// True where the method certainly did not run, so that trying again cannot run it twice.
    pub fn did_not_run(&self) -> bool {
        match self {
            CallError::Refused(_) | CallError::NotConnected(_) => true,
            CallError::TimedOut { sent } => !sent,
            CallError::Closed(closed) => !closed.sent,
            _ => false,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Refused(refused) => refused.fmt(f),
            CallError::TimedOut { sent: true } => f.write_str("the call timed out"),
            CallError::TimedOut { sent: false } => f.write_str("the call timed out before it was sent"),
            CallError::Cancelled(why) => write!(f, "cancelled by the other side: {}", Escaped(why)),
            CallError::Closed(closed) => closed.fmt(f),
            CallError::NotConnected(why) => write!(f, "not connected: {}", Escaped(why)),
            CallError::ReplyUnencodable(why) => {
                write!(f, "the reply could not be encoded: {}", Escaped(why))
            }
            CallError::ReplyTooLarge(why) => Escaped(why).fmt(f),
            CallError::ReplyUndecodable(why) => {
                write!(f, "the reply could not be decoded: {}", Escaped(why))
            }
            CallError::Unknown { code, message } => write!(f, "fault {code}: {}", Escaped(message)),
        }
    }
}

impl StdError for CallError {}

impl CallError {
    /// What the caller of a caller is told of it: whether the method may have run stays what it was.
    pub(crate) fn into_fault(self) -> Fault {
        let message = match &self {
            CallError::Refused(_) | CallError::TimedOut { .. } => String::new(),
            CallError::Cancelled(why) | CallError::ReplyUnencodable(why) | CallError::ReplyTooLarge(why) => {
                why.clone()
            }
            CallError::Unknown { message, .. } => message.clone(),
            CallError::Closed(_) | CallError::NotConnected(_) | CallError::ReplyUndecodable(_) => {
                self.to_string()
            }
        };
        let code = match self {
            CallError::Refused(refused) => return refused.into_fault(),
            CallError::TimedOut { sent: false } => {
                return Fault::new(FaultCode::Overloaded, "its time was over before it could be passed on");
            }
            CallError::TimedOut { sent: true } => FaultCode::TimedOut,
            CallError::Closed(Closed { sent: false, .. }) | CallError::NotConnected(_) => FaultCode::Draining,
            CallError::Closed(Closed { sent: true, .. }) | CallError::Cancelled(_) => FaultCode::Cancelled,
            CallError::ReplyUnencodable(_) | CallError::ReplyUndecodable(_) => FaultCode::Unencodable,
            CallError::ReplyTooLarge(_) => FaultCode::ReplyTooLarge,
            CallError::Unknown { code, .. } => FaultCode::Other(code),
        };
        Fault::new(code, message)
    }
}

impl From<Fault> for CallError {
    fn from(fault: Fault) -> CallError {
        let Fault { code, message, .. } = fault;
        if code.did_not_run() {
            let known = REFUSALS.iter().find(|(_, refusal)| *refusal == code);
            let reason = known.map_or(Refusal::Other(code.to_wire()), |(reason, _)| *reason);
            return CallError::Refused(Refused { reason, message });
        }
        match code {
            FaultCode::Cancelled => CallError::Cancelled(message),
            FaultCode::TimedOut => CallError::TimedOut { sent: true },
            FaultCode::Unencodable => CallError::ReplyUnencodable(message),
            FaultCode::ReplyTooLarge => CallError::ReplyTooLarge(message),
            _ => CallError::Unknown { code: code.to_wire(), message },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::error::CloseReason;

    #[test]
    fn an_error_that_is_passed_on_tells_as_before_whether_the_call_ran() {
        let closed = |sent| CallError::Closed(Closed { reason: CloseReason::Local, sent });
        let all = [
            CallError::Refused(Refused::new(Refusal::Unauthenticated, "who?")),
            CallError::Refused(Refused::new(Refusal::Other(9), "later")),
            CallError::TimedOut { sent: true },
            CallError::TimedOut { sent: false },
            CallError::Cancelled("dropped".into()),
            closed(true),
            closed(false),
            CallError::NotConnected("nowhere".into()),
            CallError::ReplyUnencodable("a map".into()),
            CallError::ReplyTooLarge("5 MiB".into()),
            CallError::ReplyUndecodable("a string".into()),
            CallError::Unknown { code: 99, message: "later".into() },
        ];
        for error in all {
            let told = CallError::from(error.clone().into_fault());
            assert_eq!(told.did_not_run(), error.did_not_run(), "{error:?} became {told:?}");
            assert!(!told.to_string().is_empty());
        }
    }
}
