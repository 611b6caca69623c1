//! Messages: requests, answers, and how a call ends for its caller.

use crate::Millis;
use crate::session::outbox::payload::Payload;
use crate::session::protocol_error::ProtocolError;
use crate::session::protocol_error::protocol_error;
use crate::session::reassembly::charge;
use crate::thin_list::ThinList;
use crate::wire::fault::Fault;
use crate::wire::frame::ENVELOPE;
use crate::wire::frame::MethodPath;
use crate::wire::handles::OutgoingHandle;
use crate::wire::meta::MetaFacts;
use crate::wire::meta::MetaPairs;
use crate::wire::settings::SMALL;
use crate::wire::shape::takes_long;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use core::mem;
use core::ops::Deref;

/// A transaction to be made. The session takes the message out when it sends or queues it. A refused message stays, so
/// that the caller drops it outside the lock.
#[derive(Debug)]
pub struct Request<'r, W, P> {
    pub message: &'r mut Message<P>,
    pub deadline: Option<Millis>,
    /// Whom to wake at its end.
    pub waker: &'r mut Option<W>,
    /// Made by a handler of this connection. It is refused where it would have to wait for room.
    pub nested: bool,
}

/// The name of the method to be called, `service.method`.
#[derive(Clone, Debug)]
pub enum MethodName {
    /// Generated from a trait of this program.
    Known(&'static str),
    /// Chosen at run time. A thin pointer, so that it is no larger than the other variant.
    Given(Arc<String>),
}

impl Deref for MethodName {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        match self {
            MethodName::Known(name) => name,
            MethodName::Given(name) => name,
        }
    }
}

/// A request or a notify. Requests wait for a slot, notifies for credit.
#[derive(Debug)]
pub struct Message<P> {
    pub method: MethodName,
    pub meta: MetaPairs,
    /// The encoded arguments.
    pub body: Payload,
    /// The halves of channels among the arguments.
    pub carried: ThinList<OutgoingHandle<P>>,
}

impl<P> Message<P> {
    pub(crate) fn take(&mut self) -> Message<P> {
        let Message { method, meta, body, carried } = self;
        let (meta, body, carried) = (mem::take(meta), mem::take(body), mem::take(carried));
        Message { method: method.clone(), meta, body, carried }
    }

    /// Needs room in the peer's buffers or for channels, beside a slot.
    #[inline]
    pub(crate) fn is_demanding(&self) -> bool {
        self.body.is_large() || !self.carried.is_empty()
    }

    /// What it counts towards the peer's `max_buffered`: at least the length of its frame.
    #[inline]
    pub(crate) fn charge(&self) -> u64 {
        if self.body.is_large() { self.large_charge() } else { 0 }
    }

    fn large_charge(&self) -> u64 {
        // An array, a kind, an xid, a method's length, a map, `timeout_ms`, and `channels` of an array.
        const HEAD: usize = 1 + 1 + 9 + 5 + 5 + 20 + 14;
        // An array of an xid and a half.
        const CARRIED: usize = 1 + 9 + 1;
        let beside = HEAD + self.method.len() + self.meta.len() + CARRIED * self.carried.len();
        charge((beside + self.body.len()) as u64)
    }
}

/// How a transaction ended for its caller.
#[derive(Debug, PartialEq)]
pub enum Terminal {
    Reply(Value),
    Fault(Box<Fault>),
    TimedOut {
        sent: bool,
    },
    Closed {
        sent: bool,
    },
    /// A notify has left.
    Sent,
}

impl Terminal {
    pub(crate) fn fault(fault: Fault) -> Terminal {
        Terminal::Fault(Box::new(fault))
    }

    /// Whether decoding it would hold up a thread of the runtime. `by_element` tells whether its type reads binary element
    /// by element.
    #[inline]
    pub fn takes_long(&self, by_element: impl FnOnce() -> bool) -> bool {
        match self {
            Terminal::Reply(Value::Shared(value)) => takes_long(value, by_element),
            Terminal::Fault(fault) => takes_long(&fault.detail, by_element),
            _ => false,
        }
    }

    /// Whether its body is too large for one frame.
    #[inline]
    pub fn is_large(&self) -> bool {
        match self {
            Terminal::Reply(value) => matches!(value, Value::Shared(_)),
            Terminal::Fault(fault) => fault.detail.len() > SMALL,
            _ => false,
        }
    }
}

/// An encoded value.
#[derive(Debug, PartialEq)]
pub enum Value {
    Copied(Vec<u8>),
    /// A part of the buffer that it was read into.
    Shared(Bytes),
}

/// The outcome of a handler.
#[derive(Debug)]
pub enum Answer {
    Value(Payload),
    Fault(Box<Fault>),
}

impl Answer {
    pub fn fault(fault: Fault) -> Answer {
        Answer::Fault(Box::new(fault))
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Answer::Value(value) => value.len(),
            Answer::Fault(fault) => fault.detail.len(),
        }
    }

    pub(crate) fn take(&mut self) -> Answer {
        mem::replace(self, Answer::Value(Payload::default()))
    }
}

/// The parts of a request that its handler is found by and works on.
#[derive(Clone, Copy, Debug)]
pub struct RequestParts<'a> {
    pub method: MethodPath<'a>,
    pub meta: Option<&'a [u8]>,
    pub args: &'a [u8],
}

impl RequestParts<'_> {
    /// Reads its meta. Method and meta together are refused beyond the size of an envelope; a sender keeps to half of it.
    #[inline]
    pub(crate) fn facts(&self) -> Result<MetaFacts, ProtocolError> {
        let len = self.method.as_bytes().len() + self.meta.map_or(0, <[u8]>::len);
        if len > ENVELOPE {
            return Err(protocol_error(format!(
                "an envelope of {len} bytes exceeds the limit of {ENVELOPE}"
            )));
        }
        match self.meta {
            None => Ok(MetaFacts::default()),
            Some(meta) => Ok(MetaFacts::read(meta)?),
        }
    }
}
