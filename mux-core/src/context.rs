//! What a handler may know of the call it answers.

use crate::api::descriptor::MethodDescriptor;
use crate::api::peer::Peer;
use crate::link::handle::Client;
use crate::link::handle::Mux;
use crate::link::shared::Shared;
use mux_proto::wire::meta;
use mux_proto::wire::xid::Xid;
use mux_proto::{Millis, NEVER};
use std::num::NonZero;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The call that a handler answers: an argument marked `#[mux(context)]`, given on the server and
/// absent on the client.
///
/// Cheap to clone; a clone may outlive the call.
#[derive(Clone, Debug)]
pub struct Context {
    method: &'static MethodDescriptor,
    origin: Origin,
}

#[derive(Clone, Debug)]
enum Origin {
    Remote {
        shared: Arc<Shared>,
        /// Nobody gives out zero.
        xid: Option<NonZero<Xid>>,
        /// A thin pointer: few calls have any, and each handler that waits holds its context.
        envelope: Option<Arc<Envelope>>,
        /// [`NEVER`] where it has none.
        deadline: Millis,
    },
    Local(Arc<LocalContext>),
}

/// What came with a request beside its arguments.
#[derive(Debug)]
pub(crate) struct Envelope {
    /// Empty where there is none.
    meta: Box<[u8]>,
    /// The method, where this program knows none of that name.
    path: Option<Box<str>>,
}

impl Envelope {
    /// Nothing, where nothing came.
    #[inline]
    pub(crate) fn new(meta: Option<&[u8]>, path: Option<String>) -> Option<Arc<Envelope>> {
        if meta.is_none() && path.is_none() {
            return None;
        }
        Some(Arc::new(Envelope {
            meta: meta.map(Box::from).unwrap_or_default(),
            path: path.map(String::into_boxed_str),
        }))
    }

    fn len(&self) -> usize {
        self.meta.len() + self.path.as_ref().map_or(0, |path| path.len())
    }
}

/// A call of a local client.
#[derive(Debug, Default)]
pub(crate) struct LocalContext(Mutex<LocalFacts>);

#[derive(Debug, Default)]
struct LocalFacts {
    meta: Option<Vec<u8>>,
    deadline: Option<Instant>,
    cancelled: bool,
    /// Made for the first who waits to be cancelled: few do.
    token: Option<CancellationToken>,
}

impl Context {
    pub(crate) fn remote(
        method: &'static MethodDescriptor,
        shared: Arc<Shared>,
        xid: Option<Xid>,
        envelope: Option<Arc<Envelope>>,
        deadline: Option<Millis>,
    ) -> Context {
        let (xid, deadline) = (xid.and_then(NonZero::new), deadline.unwrap_or(NEVER));
        Context { method, origin: Origin::Remote { shared, xid, envelope, deadline } }
    }

    /// The context of a call that a local client makes.
    #[doc(hidden)]
    pub fn local(method: &'static MethodDescriptor) -> Context {
        Context { method, origin: Origin::Local(Arc::default()) }
    }

    /// The connection and the xid of a request, where it is one that wants an answer.
    pub(crate) fn request(&self) -> Option<(&Arc<Shared>, Xid)> {
        match &self.origin {
            Origin::Remote { shared, xid: Some(xid), .. } => Some((shared, xid.get())),
            Origin::Remote { .. } | Origin::Local(_) => None,
        }
    }

    /// What it keeps of its message, in bytes.
    pub(crate) fn envelope_len(&self) -> usize {
        self.envelope().map_or(0, Envelope::len)
    }

    fn envelope(&self) -> Option<&Envelope> {
        match &self.origin {
            Origin::Remote { envelope, .. } => envelope.as_deref(),
            Origin::Local(_) => None,
        }
    }

    /// The meta as it came, if any did.
    pub(crate) fn raw_meta(&self) -> &[u8] {
        self.envelope().map_or(&[], |envelope| &envelope.meta)
    }

    pub(crate) fn as_local(&self) -> Option<&Arc<LocalContext>> {
        match &self.origin {
            Origin::Local(call) => Some(call),
            Origin::Remote { .. } => None,
        }
    }

    pub(crate) fn descriptor(&self) -> &'static MethodDescriptor {
        self.method
    }

    /// The transaction's id, unique in its connection. `None` for a notify and a local call.
    pub fn xid(&self) -> Option<u64> {
        match &self.origin {
            Origin::Remote { xid, .. } => xid.map(NonZero::get),
            Origin::Local(_) => None,
        }
    }

    /// The method as it travels: `service.method`.
    pub fn method(&self) -> &str {
        let given = self.envelope().and_then(|envelope| envelope.path.as_deref());
        given.unwrap_or(self.method.path)
    }

    /// What the caller added by [`Call::meta`](crate::Call::meta) under `key`.
    ///
    /// ```
    /// # use mux_core as mux;
    /// # fn handler(cx: &mux::Context) -> String {
    /// cx.meta("tenant").unwrap_or_default()
    /// # }
    /// ```
    pub fn meta(&self, key: &str) -> Option<String> {
        match &self.origin {
            Origin::Remote { .. } => meta::lookup(self.raw_meta(), key).map(str::to_owned),
            Origin::Local(call) => meta::lookup(call.lock().meta.as_deref()?, key).map(str::to_owned),
        }
    }

    /// How long the caller will still wait; zero when its time is over, `None` when it set no limit.
    pub fn time_left(&self) -> Option<Duration> {
        match &self.origin {
            Origin::Remote { deadline: NEVER, .. } => None,
            Origin::Remote { shared, deadline, .. } => {
                Some(Duration::from_millis(deadline.saturating_sub(shared.now())))
            }
            Origin::Local(call) => {
                let deadline = call.lock().deadline?;
                Some(deadline.saturating_duration_since(Instant::now()))
            }
        }
    }

    /// Resolves when nobody waits for the answer any more: the caller gave up, its time ran out, or
    /// the connection closed. Pends for ever once the call was answered.
    ///
    /// An `async fn` handler is dropped then anyway, unless it is `detached`.
    ///
    /// Cancel safe.
    pub async fn cancelled(&self) {
        match &self.origin {
            Origin::Remote { shared, xid: Some(xid), .. } => match shared.cancellation(xid.get()) {
                Some(token) => token.cancelled().await,
                None => std::future::pending().await,
            },
            Origin::Remote { shared, xid: None, .. } => shared.until_closed().await,
            Origin::Local(call) => call.token().cancelled().await,
        }
    }

    /// Whether nobody waits for the answer any more. For `fn` methods, which nothing can stop from
    /// outside: a long one asks now and then.
    pub fn is_cancelled(&self) -> bool {
        match &self.origin {
            Origin::Remote { shared, xid: Some(xid), .. } => shared.is_unwanted(xid.get()),
            Origin::Remote { shared, xid: None, .. } => shared.is_closed(),
            Origin::Local(call) => call.lock().cancelled,
        }
    }

    /// Who is at the other end. `None` for a local call.
    pub fn peer(&self) -> Option<&Peer> {
        match &self.origin {
            Origin::Remote { shared, .. } => Some(shared.peer()),
            Origin::Local(_) => None,
        }
    }

    /// A client of a service at the other end of this connection.
    ///
    /// Its calls never wait for room: where the peer is full they fail with
    /// [`Refusal::Overloaded`](crate::Refusal::Overloaded), as two ends that wait for each other's
    /// room would wait for ever. It does not keep the connection open. In a local call there is no other end, and each call fails with
    /// [`CallError::Closed`](crate::CallError::Closed).
    pub fn client<C: Client>(&self) -> C {
        C::from_mux(match &self.origin {
            Origin::Remote { shared, .. } => Mux::nested(Arc::clone(shared)),
            Origin::Local(_) => Mux::nowhere(),
        })
    }
}

impl LocalContext {
    fn lock(&self) -> MutexGuard<'_, LocalFacts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the call was given.
    pub(crate) fn set(&self, deadline: Option<Instant>, meta: Option<Vec<u8>>) {
        let mut facts = self.lock();
        (facts.deadline, facts.meta) = (deadline, meta);
    }

    /// Nobody waits for the answer any more.
    pub(crate) fn cancel(&self) {
        let mut facts = self.lock();
        facts.cancelled = true;
        let token = facts.token.clone();
        drop(facts);
        // It wakes tasks, which may be anyone's code.
        token.into_iter().for_each(|token| token.cancel());
    }

    fn token(&self) -> CancellationToken {
        let mut facts = self.lock();
        let (token, cancelled) = (facts.token.get_or_insert_default().clone(), facts.cancelled);
        drop(facts);
        if cancelled {
            token.cancel();
        }
        token
    }
}
