//! What the halves of channels do with a connection: they take items, give credit, and end.

use super::{Shared, State};
use crate::link::port::ChannelPort;
use crate::link::send_queue::SendQueue;
use mux_proto::session::channels::receiving::Taken;
use mux_proto::thin_list::ThinList;
use mux_proto::wire::fault::Fault;
use mux_proto::wire::handles::IncomingHandle;
use mux_proto::wire::xid::Xid;
use std::sync::Arc;
use std::task::{Context, Poll};

impl Shared {
    /// What has come for a receiver, which has taken so much since it last asked; or a promise to wake.
    pub(crate) fn poll_items(&self, id: Xid, taken: u64, cx: &mut Context<'_>) -> Poll<Taken> {
        let take = |state: &mut State| match state.session.take_items(id, || self.now(), &mut state.outbox) {
            Taken::Nothing => None,
            taken => Some(taken),
        };
        let mut waits = false;
        let taken = self.act(|state| {
            if taken > 0 {
                state.session.consume(id, taken);
            }
            let found = take(state);
            waits = state.session.receiver_waker(id).is_some_and(|waker| waker.will_wake(cx.waker()));
            found
        });
        match taken {
            Some(taken) => return Poll::Ready(taken),
            None if waits => return Poll::Pending,
            None => {}
        }
        // Cloning and dropping a waker may run anyone's code.
        let waker = cx.waker().clone();
        let (taken, before) = self.act(|state| match take(state) {
            Some(taken) => (Some(taken), Some(waker)),
            None => (None, state.session.set_receiver_waker(id, waker)),
        });
        drop(before);
        taken.map_or(Poll::Pending, Poll::Ready)
    }

    /// A receiver has taken so much.
    pub(crate) fn consume(&self, id: Xid, taken: u64) {
        self.act(|state| state.session.consume(id, taken));
    }

    /// A receiver is gone.
    pub(crate) fn stop_channel(&self, id: Xid) {
        self.act(|state| state.session.stop_channel(id, || self.now(), &mut state.outbox));
    }

    /// Halves that came with a message and were not taken out of it.
    pub(crate) fn discard_halves(&self, carried: ThinList<IncomingHandle>) {
        self.act(|state| state.session.discard(carried, &mut state.outbox));
    }

    /// A half that came with a message has got its port; `false` where its receiver has gone already.
    pub(crate) fn bind(&self, id: Xid, port: ChannelPort) -> bool {
        self.lock().session.bind(id, port)
    }

    /// An send queue has something to send.
    pub(crate) fn enlist(&self, send_queue: Arc<SendQueue>) {
        self.act(|state| {
            // Nobody would come for it any more.
            if state.closed.is_none() {
                state.send_queues.push_back(send_queue);
            }
        });
    }

    /// Why the peer would not take an item at all.
    pub(crate) fn item_exceeds_limits(&self, len: usize, carried: usize) -> Option<Fault> {
        self.lock().session.item_exceeds_limits(len, carried)
    }
}
