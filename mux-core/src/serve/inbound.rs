//! One request on its way to its handler.

use crate::api::descriptor::{MethodDescriptor, Placement};
use crate::api::error::Refused;
use crate::channel::Encoded;
use crate::client::untyped::is_untyped;
use crate::context::{Context, Envelope};
use crate::link::obligation::Obligation;
use crate::link::shared::Shared;
use crate::serve::route::Route;
use crate::threads::decoders;
use crate::util::buffer;
use crate::value::Target;
use crate::value::body::Args;
use crate::value::scope::{self, IncomingHandles};
use bytes::Bytes;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::oneshot;

/// One request, decoded as far as its envelope.
#[derive(Debug)]
pub struct Inbound {
    context: Context,
    body: Body,
    handles: IncomingHandles,
}

impl Inbound {
    /// Decodes the request. Halves of channels that came with it are taken out of it, or closed.
    #[inline]
    pub fn decode<'a, R>(
        &'a mut self,
        decode: impl FnOnce(&'static str, Args<'a>) -> Result<R, Refused>,
    ) -> Result<(R, &'a Context), Refused> {
        let _learning = self.body.is_large().then(|| self.target().learn());
        let Inbound { context, body, handles } = self;
        let method = context.descriptor();
        let (name, args) = (method.name, body.args().of(method));
        let request = if handles.is_empty() {
            decode(name, args)
        } else {
            scope::decode(&mut handles.take(), || decode(name, args))
        };
        request.map(|request| (request, &*context))
    }

    /// As [`decode`](Inbound::decode), of a request that keeps nothing of its message, whose buffer is given back.
    #[inline]
    pub fn decode_owned<R>(
        &mut self,
        decode: impl for<'a> FnOnce(&'static str, Args<'a>) -> Result<R, Refused>,
    ) -> Result<(R, &Context), Refused> {
        let (request, _) = self.decode(decode)?;
        self.body = Body::default();
        Ok((request, &self.context))
    }

    /// Decoding it would hold up a thread of the runtime.
    #[inline]
    pub(crate) fn takes_long(&self) -> bool {
        self.body.is_large()
            && !is_untyped(self.method())
            && decoders::takes_long(self.body.bytes(), || self.target().may_read_by_element())
    }

    fn target(&self) -> Target {
        Target::arguments(self.method().path)
    }

    /// The request as it came, for who knows no type of it.
    pub(crate) fn into_untyped(mut self) -> (Context, Encoded) {
        let bytes = std::mem::take(&mut self.body).into_bytes();
        (self.context, Encoded::arrived(bytes, self.handles.take()))
    }

    /// The method asked for.
    pub fn method(&self) -> &'static MethodDescriptor {
        self.context.descriptor()
    }
}

/// Encoded arguments. They may be kept for as long as their handler waits.
#[derive(Debug)]
pub(crate) enum Body {
    /// Small ones, copied: a slice would pin the connection's whole buffer.
    Copied(Vec<u8>),
    /// Large ones, where they were read.
    Shared(Box<Bytes>),
}

impl Default for Body {
    fn default() -> Body {
        Body::Copied(Vec::new())
    }
}

impl Body {
    fn bytes(&self) -> &[u8] {
        match self {
            Body::Copied(bytes) => bytes,
            Body::Shared(bytes) => bytes,
        }
    }

    fn into_bytes(mut self) -> Bytes {
        match &mut self {
            Body::Copied(bytes) => std::mem::take(bytes).into(),
            Body::Shared(bytes) => std::mem::take(&mut **bytes),
        }
    }

    fn args(&self) -> Args<'_> {
        match self {
            Body::Copied(bytes) => Args::from(&bytes[..]),
            Body::Shared(bytes) => Args::from(&**bytes),
        }
    }

    fn len(&self) -> usize {
        match self {
            Body::Copied(bytes) => bytes.len(),
            Body::Shared(bytes) => bytes.len(),
        }
    }

    fn is_large(&self) -> bool {
        matches!(self, Body::Shared(_))
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Body::Copied(bytes) = self {
            buffer::give(std::mem::take(bytes));
        }
    }
}

/// A request on its way to its handler.
pub(crate) struct InboundCall {
    pub(crate) route: Route,
    pub(crate) inbound: Inbound,
    pub(crate) owed: Obligation,
    pub(crate) holding: Option<Holding>,
}

/// Never sent on: who waits for a handler learns that it need not as this is dropped.
pub(crate) type Holding = oneshot::Sender<Infallible>;

impl InboundCall {
    pub(crate) fn new(
        route: Route,
        (shared, owed): (&Arc<Shared>, Obligation),
        deadline: Option<u64>,
        envelope: Option<Arc<Envelope>>,
        body: Body,
        handles: IncomingHandles,
    ) -> InboundCall {
        let context = Context::remote(route.method, Arc::clone(shared), owed.xid(), envelope, deadline);
        let inbound = Inbound { context, body, handles };
        InboundCall { route, inbound, owed, holding: None }
    }

    /// Until when no further one may begin, if they are to begin in order: the end of a handler that runs on a worker
    /// thread, or the begin of one whose request is decoded elsewhere.
    pub(crate) fn holds_up(&mut self) -> Option<oneshot::Receiver<Infallible>> {
        let on_worker = self.route.method.placement == Placement::Worker;
        (on_worker || self.inbound.takes_long()).then(|| {
            let (sender, receiver) = oneshot::channel();
            self.holding = Some(sender);
            receiver
        })
    }

    /// What its handler may hold of its message, in bytes.
    pub(crate) fn size(&self) -> usize {
        match self.owed {
            Obligation::Credit(cost) => cost.try_into().unwrap_or(usize::MAX),
            Obligation::Answer(_) => self.inbound.body.len() + self.inbound.context.envelope_len(),
        }
    }

    /// Not with the others of its pass.
    pub(crate) fn goes_apart(&self) -> bool {
        self.is_notify() || self.is_inline() || self.inbound.body.is_large()
    }

    pub(crate) fn is_notify(&self) -> bool {
        self.route.method.notify
    }

    pub(crate) fn is_inline(&self) -> bool {
        self.route.method.placement == Placement::Inline
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::descriptor::Encoding;
    use crate::value::body::ArgsDecoder;

    static METHOD: MethodDescriptor = MethodDescriptor {
        name: "stock",
        path: "inventory.stock",
        docs: "",
        args: &[],
        returns: "",
        encoding: Encoding::Named,
        placement: Placement::Task,
        notify: false,
        detached: false,
        idempotent: false,
        fingerprint: 0,
    };

    fn number(_: &str, args: Args<'_>) -> Result<u32, Refused> {
        ArgsDecoder::new(args)?.value("n")
    }

    #[test]
    fn what_a_handler_keeps_of_its_request_is_small() {
        assert!(size_of::<Inbound>() <= 72);
    }

    #[test]
    fn only_a_request_that_may_borrow_keeps_its_message() {
        let inbound = || Inbound {
            context: Context::local(&METHOD),
            body: Body::Copied(vec![0x91, 7]),
            handles: IncomingHandles::default(),
        };
        let (mut kept, mut given_back) = (inbound(), inbound());
        assert_eq!(kept.decode(number).unwrap().0, 7);
        assert_eq!(given_back.decode_owned(number).unwrap().0, 7);
        let is_empty =
            |inbound: &Inbound| matches!(&inbound.body, Body::Copied(bytes) if bytes.capacity() == 0);
        assert_eq!([&kept, &given_back].map(is_empty), [false, true]);
    }
}
