//! What stays here of a channel whose other half leaves with a message, and the list of those that leave.

use crate::link::handle::Mux;
use crate::link::pending_receiver::PendingReceiver;
use crate::link::send_queue::SendQueue;
use crate::link::shared::Shared;
use mux_proto::thin_list::ThinList;
use mux_proto::wire::handles::OutgoingHandle;
use mux_proto::wire::xid::Xid;
use std::sync::Arc;

/// The half of a channel that stays here when the other leaves.
#[derive(Clone, Debug)]
pub(crate) enum ChannelPort {
    SendQueue(Arc<SendQueue>),
    PendingReceiver(Arc<PendingReceiver>),
}

impl ChannelPort {
    /// The other half has left with a message, under this id.
    pub(crate) fn attach(&self, shared: &Arc<Shared>, id: Xid) {
        match self {
            ChannelPort::SendQueue(send_queue) => SendQueue::attach(send_queue, shared, id),
            ChannelPort::PendingReceiver(pending) => pending.attach(shared, id),
        }
    }

    /// The other half has gone, or never left.
    pub(crate) fn close(&self) {
        match self {
            ChannelPort::SendQueue(send_queue) => send_queue.close(),
            ChannelPort::PendingReceiver(pending) => pending.close(),
        }
    }

    fn keep_open(&self, mux: &Mux) {
        match self {
            ChannelPort::SendQueue(send_queue) => send_queue.keep_open(mux.clone()),
            ChannelPort::PendingReceiver(pending) => pending.keep_open(mux.clone()),
        }
    }
}

/// Halves that leave with a message. Those that never do are closed.
#[derive(Debug, Default)]
pub(crate) struct OutgoingHandles(ThinList<OutgoingHandle<ChannelPort>>);

impl OutgoingHandles {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Their other halves keep the connection open.
    pub(crate) fn keep_open(&self, mux: &Mux) {
        self.0.iter().for_each(|leaving| leaving.port.keep_open(mux));
    }

    /// Closes all but the first so many.
    #[inline]
    pub(crate) fn truncate(&mut self, len: usize) {
        if len < self.0.len() {
            drop(self.split_off(len));
        }
    }

    pub(crate) fn extend(&mut self, leaving: ThinList<OutgoingHandle<ChannelPort>>) {
        self.0.extend(leaving);
    }

    /// All but the first so many.
    pub(crate) fn split_off(&mut self, len: usize) -> OutgoingHandles {
        OutgoingHandles(self.0.split_off(len))
    }

    /// For the session, which attaches or closes each.
    #[inline]
    pub(crate) fn take(&mut self) -> ThinList<OutgoingHandle<ChannelPort>> {
        self.0.take()
    }
}

impl From<ThinList<OutgoingHandle<ChannelPort>>> for OutgoingHandles {
    fn from(leaving: ThinList<OutgoingHandle<ChannelPort>>) -> OutgoingHandles {
        OutgoingHandles(leaving)
    }
}

impl Drop for OutgoingHandles {
    fn drop(&mut self) {
        self.0.iter().for_each(|leaving| leaving.port.close());
    }
}
