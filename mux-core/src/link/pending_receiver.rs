//! The receiving end of a channel whose sending half leaves, until it is known under which id.

use crate::link::handle::Mux;
use crate::link::shared::Shared;
use mux_proto::wire::xid::Xid;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

#[derive(Debug, Default)]
pub(crate) struct PendingReceiver {
    state: Mutex<State>,
}

/// The two that wait keep the connection open.
#[derive(Debug)]
enum State {
    /// The sending half has not left.
    Waiting { waker: Option<Waker>, connection: Option<Mux> },
    /// It has, and the receiver has not asked since.
    Attached { shared: Arc<Shared>, id: Xid, connection: Option<Mux> },
    /// The sending half never left.
    Closed,
    /// The receiver is gone.
    Dropped,
}

impl Default for State {
    fn default() -> State {
        State::Waiting { waker: None, connection: None }
    }
}

/// Where items come in.
pub(crate) type Place = (Mux, Xid);

impl PendingReceiver {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn keep_open(&self, mux: Mux) {
        // Dropped once the lock is free: the last one closes the connection.
        let mut unused = Some(mux);
        let mut state = self.lock();
        if let State::Waiting { connection, .. } | State::Attached { connection, .. } = &mut *state {
            std::mem::swap(connection, &mut unused);
        }
        drop(state);
        drop(unused);
    }

    pub(crate) fn attach(&self, shared: &Arc<Shared>, id: Xid) {
        let mut state = self.lock();
        let (waker, connection) = match &mut *state {
            State::Waiting { waker, connection } => (waker.take(), connection.take()),
            // It has left before, or never would: nobody waits.
            State::Attached { .. } | State::Closed => return,
            State::Dropped => {
                drop(state);
                return shared.stop_channel(id);
            }
        };
        *state = State::Attached { shared: Arc::clone(shared), id, connection };
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn close(&self) {
        let mut state = self.lock();
        let (waker, connection) = match &mut *state {
            State::Waiting { waker, connection } => {
                let freed = (waker.take(), connection.take());
                *state = State::Closed;
                freed
            }
            State::Attached { connection, .. } => (None, connection.take()),
            State::Closed | State::Dropped => return,
        };
        drop(state);
        waker.into_iter().for_each(Waker::wake);
        drop(connection);
    }

    /// The place, once it is known; `None` where there will be none.
    pub(crate) fn poll_place(&self, cx: &mut Context<'_>) -> Poll<Option<Place>> {
        // Cloning and dropping a waker may run anyone's code.
        let new = cx.waker().clone();
        let mut state = self.lock();
        match &mut *state {
            State::Waiting { waker, .. } => {
                let before = waker.replace(new);
                drop(state);
                drop(before);
                Poll::Pending
            }
            State::Attached { shared, id, connection } => {
                let (shared, id, connection) = (Arc::clone(shared), *id, connection.take());
                drop(state);
                Poll::Ready(Some((connection.unwrap_or_else(|| Mux::nested(shared)), id)))
            }
            State::Closed | State::Dropped => Poll::Ready(None),
        }
    }

    /// The receiver is gone.
    pub(crate) fn drop_receiver(&self) {
        // What it held is dropped once the lock is free.
        let before = std::mem::replace(&mut *self.lock(), State::Dropped);
        if let State::Attached { shared, id, .. } = &before {
            shared.stop_channel(*id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(pending: &PendingReceiver) -> Poll<Option<Xid>> {
        let place = pending.poll_place(&mut Context::from_waker(Waker::noop()));
        place.map(|place| place.map(|(_, id)| id))
    }

    fn attach(pending: &PendingReceiver) -> Xid {
        let id = 5;
        pending.attach(Mux::nowhere().shared(), id);
        id
    }

    #[test]
    fn a_receiver_waits_until_the_other_half_has_left_or_never_will() {
        let pending = PendingReceiver::default();
        assert_eq!(poll(&pending), Poll::Pending);
        let id = attach(&pending);
        assert_eq!(poll(&pending), Poll::Ready(Some(id)));
        let pending = PendingReceiver::default();
        pending.close();
        assert_eq!(poll(&pending), Poll::Ready(None));
    }

    #[test]
    fn the_end_of_a_channel_does_not_hide_where_its_items_are() {
        let pending = PendingReceiver::default();
        let id = attach(&pending);
        pending.close();
        assert_eq!(poll(&pending), Poll::Ready(Some(id)));
    }

    #[test]
    fn only_one_that_waits_keeps_a_connection_open() {
        let connection = Mux::nowhere();
        let before = Arc::strong_count(connection.shared());
        let held = |pending: &PendingReceiver| {
            let kept = Mux::keeping(Arc::clone(connection.shared()));
            pending.keep_open(kept);
            Arc::strong_count(connection.shared()) - before
        };
        let pending = PendingReceiver::default();
        assert_eq!(held(&pending), 1);
        pending.close();
        assert_eq!(held(&pending), 0);
        let pending = PendingReceiver::default();
        pending.drop_receiver();
        assert_eq!(held(&pending), 0);
    }
}
