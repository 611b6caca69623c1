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

#[derive(Debug, Default)]
struct State {
    stage: Stage,
    waker: Option<Waker>,
    /// Keeps the connection open.
    connection: Option<Mux>,
}

#[derive(Debug, Default)]
enum Stage {
    #[default]
    Waiting,
    Attached(Arc<Shared>, Xid),
    /// The sending half never left.
    Closed,
    /// The receiver is gone before the sending half has left.
    Dropped,
}

/// Where items come in.
pub(crate) type Place = (Mux, Xid);

impl PendingReceiver {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn keep_open(&self, mux: Mux) {
        let before = self.lock().connection.replace(mux);
        drop(before);
    }

    pub(crate) fn attach(&self, shared: &Arc<Shared>, id: Xid) {
        let mut state = self.lock();
        if matches!(state.stage, Stage::Dropped) {
            drop(state);
            return shared.stop_channel(id);
        }
        state.stage = Stage::Attached(Arc::clone(shared), id);
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn close(&self) {
        let mut state = self.lock();
        if matches!(state.stage, Stage::Waiting) {
            state.stage = Stage::Closed;
        }
        let (waker, connection) = (state.waker.take(), state.connection.take());
        drop(state);
        waker.into_iter().for_each(Waker::wake);
        drop(connection);
    }

    /// The place, once it is known; `None` where there will be none.
    pub(crate) fn poll_place(&self, cx: &mut Context<'_>) -> Poll<Option<Place>> {
        // Cloning and dropping a waker may run anyone's code.
        let waker = cx.waker().clone();
        let mut state = self.lock();
        let place = match &state.stage {
            Stage::Waiting | Stage::Dropped => {
                let before = state.waker.replace(waker);
                drop(state);
                drop(before);
                return Poll::Pending;
            }
            Stage::Closed => None,
            Stage::Attached(shared, id) => Some((Arc::clone(shared), *id)),
        };
        let connection = state.connection.take();
        drop(state);
        Poll::Ready(place.map(|(shared, id)| (connection.unwrap_or_else(|| Mux::nested(shared)), id)))
    }

    /// The receiver is gone.
    pub(crate) fn drop_receiver(&self) {
        let mut state = self.lock();
        let stage = std::mem::replace(&mut state.stage, Stage::Dropped);
        let (waker, connection) = (state.waker.take(), state.connection.take());
        drop(state);
        if let Stage::Attached(shared, id) = stage {
            shared.stop_channel(id);
        }
        drop((waker, connection));
    }
}
