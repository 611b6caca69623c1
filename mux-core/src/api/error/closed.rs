//! Connections that were closed, and why.

use crate::util::escaped::Escaped;
use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

/// The connection was closed before the call was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    pub(crate) reason: CloseReason,
    pub(crate) sent: bool,
}

impl Closed {
    /// Why the connection closed.
    pub fn reason(&self) -> &CloseReason {
        &self.reason
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection closed: {}", self.reason)
    }
}

impl StdError for Closed {}

/// Why a connection closed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// `close` was called here, or the last handle was dropped.
    Local,
    /// This end drained it to the last call.
    Drained,
    /// The other end said goodbye, and why.
    Peer(String),
    /// The other end broke the protocol; the text says how.
    Protocol(String),
    /// The other end is no program of mux: before any hello it sent something else, such as HTTP. The text says what.
    /// A program whose standard output is the connection may have printed it, and have run a call all the same.
    NotMux(String),
    /// The stream ended without a goodbye.
    Eof,
    /// The stream failed; the text is the operating system's.
    Io(String),
    /// The other end did not say hello in time.
    HandshakeTimeout,
    /// The other end was silent for too long, pings included.
    Silent,
    /// The other end read nothing for too long.
    WriteStalled,
    /// Neither end called the other for as long as [`Timeouts::idle`](crate::Timeouts::idle).
    Idle,
    /// The other end holds as many connections of this server as one peer may:
    /// [`Server::max_connections_per_peer`](crate::Server::max_connections_per_peer).
    TooManyConnections,
    /// The runtime that drove the connection was shut down.
    RuntimeGone,
    /// The connection is that of the process which this one was forked from, and stays open there. Connect anew.
    Forked,
}

impl CloseReason {
    /// What the other end is told of it.
    pub(crate) fn goodbye(&self) -> Cow<'static, str> {
        match self {
            CloseReason::Local => "closed".into(),
            CloseReason::Drained => "drained".into(),
            CloseReason::Protocol(text) | CloseReason::NotMux(text) => text.clone().into(),
            CloseReason::HandshakeTimeout => "no hello in time".into(),
            CloseReason::Silent => "no sign of life for too long".into(),
            CloseReason::WriteStalled => "nothing read for too long".into(),
            CloseReason::Idle => "idle for too long".into(),
            CloseReason::TooManyConnections => "too many connections of this peer".into(),
            CloseReason::Peer(_)
            | CloseReason::Eof
            | CloseReason::Io(_)
            | CloseReason::RuntimeGone
            | CloseReason::Forked => "closed".into(),
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CloseReason::Local => f.write_str("closed at this end"),
            CloseReason::Drained => f.write_str("drained at this end"),
            CloseReason::Peer(message) => write!(f, "the other end said goodbye: {}", Escaped(message)),
            CloseReason::Protocol(message) => {
                write!(f, "the other end broke the protocol: {}", Escaped(message))
            }
            CloseReason::NotMux(what) => Escaped(what).fmt(f),
            CloseReason::Eof => f.write_str("the stream ended without a goodbye"),
            CloseReason::Io(message) => write!(f, "the stream failed: {}", Escaped(message)),
            CloseReason::HandshakeTimeout => f.write_str("the other end did not say hello in time"),
            CloseReason::Silent => f.write_str("the other end was silent for too long"),
            CloseReason::WriteStalled => f.write_str("the other end read nothing for too long"),
            CloseReason::Idle => f.write_str("the connection was idle for too long"),
            CloseReason::TooManyConnections => f.write_str("the other end has too many connections"),
            CloseReason::RuntimeGone => f.write_str("the runtime was shut down"),
            CloseReason::Forked => f.write_str("it belongs to the process that this one was forked from"),
        }
    }
}

impl StdError for CloseReason {}
