//! A handle of a connection: what keeps it open, or does not.

use crate::api::config::{Limits, Workers};
use crate::api::error::CloseReason;
use crate::api::peer::Peer;
use crate::link::port::ChannelPort;
use crate::link::shared::Shared;
use crate::link::shared::answers::Running;
use crate::threads::workers::WorkerThreads;
use mux_proto::session::Session;
use mux_proto::session::outbox::Outbox;
use mux_proto::wire::fault::GoawayCode;
use mux_proto::wire::settings::Settings;
use mux_proto::wire::xid::Side;
use std::fmt;
use std::sync::Arc;
use std::task::Waker;

/// The asking half of a connection: what a client holds. Cheap to clone.
#[derive(Clone)]
pub struct Mux(Handle);

#[derive(Clone)]
enum Handle {
    /// Keeps the connection open.
    Strong(Arc<CloseOnDrop>),
    /// Within a handler of the same connection: closes with it, and never waits for room.
    Weak(Arc<Shared>),
}

/// Closes the connection when the last one is dropped.
struct CloseOnDrop(Arc<Shared>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        if !self.0.is_inherited() {
            self.0.close(CloseReason::Local, GoawayCode::Closed);
        }
    }
}

impl fmt::Debug for Mux {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mux").field("peer", self.shared().peer()).finish_non_exhaustive()
    }
}

/// A client that can be made from a connection; implemented by `#[service]`.
pub trait Client: Sized {
    /// Makes the client.
    #[doc(hidden)]
    fn from_mux(mux: Mux) -> Self;
}

impl Mux {
    pub(crate) fn keeping(shared: Arc<Shared>) -> Mux {
        Mux(Handle::Strong(Arc::new(CloseOnDrop(shared))))
    }

    /// For calls from within a handler of the same connection, which do not keep it open.
    pub(crate) fn nested(shared: Arc<Shared>) -> Mux {
        Mux(Handle::Weak(shared))
    }

    /// Each call on it is told that the connection is closed.
    pub(crate) fn nowhere() -> Mux {
        closed(CloseReason::Local)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        match &self.0 {
            Handle::Strong(strong) => &strong.0,
            Handle::Weak(shared) => shared,
        }
    }

    pub(crate) fn is_nested(&self) -> bool {
        matches!(self.0, Handle::Weak(_))
    }
}

pub(crate) fn closed(reason: CloseReason) -> Mux {
    let session = session(Side::Connecting, Limits::default().settings(Vec::new()));
    let threads = Arc::new(WorkerThreads::new(Workers::OnDemand));
    let shared = Shared::new(session, Arc::default(), (threads, Arc::default()), Peer::default(), true, 0);
    shared.abort(reason);
    shared.gone();
    Mux::keeping(shared)
}

pub(crate) fn session(side: Side, settings: Settings) -> (Session<Waker, Running, ChannelPort>, Outbox) {
    let mut outbox = Outbox::default();
    (Session::new(side, settings, &mut outbox), outbox)
}
