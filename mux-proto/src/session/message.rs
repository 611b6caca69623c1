//! Messages: what is asked, what is answered, and how a call ends for its caller.

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

/// A transaction to be made. What goes, or waits, is taken out of it; what is refused stays, as it must not
/// be dropped in here.
#[derive(Debug)]
pub struct Request<'r, W, P> {
    pub message: &'r mut Message<P>,
    pub deadline: Option<Millis>,
    /// Whom to wake at its end.
    pub waker: &'r mut Option<W>,
    /// Made from within a handler of this connection: never waits for room.
    pub nested: bool,
}

/// `service.method`, as it is asked for.
#[derive(Clone, Debug)]
pub enum MethodName {
    /// Of a trait of this program.
    Known(&'static str),
    /// Known while the program runs. A thin pointer: so it takes no more than the other.
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

/// What is sent, or waits for room. Notifies wait for credit, requests for a slot.
#[derive(Debug)]
pub struct Message<P> {
    pub method: MethodName,
    pub meta: MetaPairs,
    /// The encoded arguments.
    pub body: Payload,
    /// The halves of channels among them.
    pub carried: ThinList<OutgoingHandle<P>>,
}

impl<P> Message<P> {
    pub(crate) fn take(&mut self) -> Message<P> {
        let Message { method, meta, body, carried } = self;
        let (meta, body, carried) = (mem::take(meta), mem::take(body), mem::take(carried));
        Message { method: method.clone(), meta, body, carried }
    }

    /// Needs more room than a slot.
    #[inline]
    pub(crate) fn is_demanding(&self) -> bool {
        self.body.is_large() || !self.carried.is_empty()
    }

    /// What it counts towards the peer's `max_buffered`: no less than its frame will have.
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

    /// Decoding it would hold up a thread of the runtime, also if it reads binary `by_element`, where it does.
    #[inline]
    pub fn takes_long(&self, by_element: impl FnOnce() -> bool) -> bool {
        match self {
            Terminal::Reply(Value::Shared(value)) => takes_long(value, by_element),
            Terminal::Fault(fault) => takes_long(&fault.detail, by_element),
            _ => false,
        }
    }

    /// It is more than a body of one frame.
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
    /// Where it was read.
    Shared(Bytes),
}

/// What a handler came to.
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

/// What a handler is found by and works on.
#[derive(Clone, Copy, Debug)]
pub struct RequestParts<'a> {
    pub method: MethodPath<'a>,
    pub meta: Option<&'a [u8]>,
    pub args: &'a [u8],
}

impl RequestParts<'_> {
    /// What its meta says, within the size of an envelope. The sender keeps to half of that.
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
