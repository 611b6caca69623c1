//! How a channel ends other than well.

use crate::api::error::{CloseReason, RemoteError};
use crate::util::escaped::Escaped;
use serde::{Deserialize, Serialize};
use std::error::Error as StdError;
use std::fmt;

/// The error of channels whose sender has none of its own: it cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Never {}

impl fmt::Display for Never {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl StdError for Never {}

/// Why a receiver gets no further item, or not this one.
///
/// After [`Undecodable`](ChannelError::Undecodable) the next items follow; all others are the end.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ChannelError<E = Never> {
    /// The sender ended it by [`Sender::fail`](crate::Sender::fail), or a stream by an `Err`: the user's own error.
    App(E),
    /// The stream on the other side panicked, or failed without a type of its own.
    Remote(RemoteError),
    /// The sender was dropped before it had finished, or never got to where it was sent. The text says why.
    Dropped(String),
    /// An end of the connection drained it, and its time for open channels was over.
    Drained,
    /// An item exceeds what this end takes. The text tells both sizes.
    TooLarge(String),
    /// An item is no `T`: the two ends disagree on its type. The text says how.
    Undecodable(String),
    /// The connection closed first.
    Closed(CloseReason),
}

impl<E: fmt::Display> fmt::Display for ChannelError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChannelError::App(error) => error.fmt(f),
            ChannelError::Remote(remote) => remote.fmt(f),
            ChannelError::Dropped(why) => {
                write!(f, "the channel ended before it was finished: {}", Escaped(why))
            }
            ChannelError::Drained => f.write_str("the channel ended as its connection drains"),
            ChannelError::TooLarge(why) => Escaped(why).fmt(f),
            ChannelError::Undecodable(why) => write!(f, "an item could not be decoded: {}", Escaped(why)),
            ChannelError::Closed(reason) => write!(f, "connection closed: {reason}"),
        }
    }
}

impl<E: StdError + 'static> StdError for ChannelError<E> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            ChannelError::App(error) => error.source(),
            ChannelError::Remote(remote) => remote.source(),
            _ => None,
        }
    }
}

/// Why an item was not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// Nobody receives: the other half was dropped, or never got to where it was sent.
    Dropped,
    /// The connection closed.
    Closed(CloseReason),
    /// The item's `Serialize` refuses. The text says why. The channel goes on.
    Unencodable(String),
    /// The item exceeds what the other end takes. The text tells both sizes. The channel goes on.
    TooLarge(String),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::Dropped => f.write_str("the receiver was dropped"),
            SendError::Closed(reason) => write!(f, "connection closed: {reason}"),
            SendError::Unencodable(why) => write!(f, "the item could not be encoded: {}", Escaped(why)),
            SendError::TooLarge(why) => Escaped(why).fmt(f),
        }
    }
}

impl StdError for SendError {}

/// Why an item was not sent at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrySendError<T> {
    /// The other side has to take items first. Here is this one back.
    Full(T),
    /// It never will be.
    Failed(SendError),
}

impl<T> fmt::Display for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TrySendError::Full(_) => f.write_str("the channel is full"),
            TrySendError::Failed(error) => error.fmt(f),
        }
    }
}

impl<T: fmt::Debug> StdError for TrySendError<T> {}
