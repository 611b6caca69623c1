//! What handlers do with a connection: they begin, learn that they are unwanted, and answer.

use super::{Shared, State};
use crate::api::error::CloseReason;
use crate::link::obligation::Obligation;
use crate::link::port::OutgoingHandles;
use mux_proto::session::message::Answer;
use mux_proto::session::protocol_error::ProtocolError;
use mux_proto::wire::xid::Xid;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

/// What stops a running handler.
#[derive(Debug, Default)]
pub(crate) struct Running {
    /// Absent where a cancel must not stop it.
    pub(crate) abort: Option<AbortHandle>,
    /// Made when the handler asks for it.
    pub(crate) token: Option<CancellationToken>,
}

impl Running {
    pub(crate) fn stop(self) {
        if let Some(token) = self.token {
            token.cancel();
        }
        if let Some(abort) = self.abort {
            abort.abort();
        }
    }
}

/// Whether a parked handler begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Begun,
    Unwanted,
    /// The peer has to read more of its answers before.
    NoRoom,
}

impl Shared {
    pub(crate) fn park(&self, xid: Xid) {
        self.lock().session.park(xid);
    }

    /// A parked handler begins, unless nobody wants it, or the peer has to read more of its answers.
    pub(crate) fn start(&self, xid: Xid) -> Start {
        let mut state = self.lock();
        if state.is_full() && !state.session.is_stopped(xid) {
            return Start::NoRoom;
        }
        if state.session.start(xid) { Start::Begun } else { Start::Unwanted }
    }

    /// Resolves when the peer has read enough of its answers for further requests to begin; fails at the close.
    #[cold]
    pub(crate) fn until_room(&self) -> oneshot::Receiver<()> {
        let (sender, room) = oneshot::channel();
        self.act(|state| {
            if state.closed.is_none() {
                state.wait_for_room.push(sender);
                // The peer may have read meanwhile, with nothing left that wakes the driver.
                state.wake_driver = true;
            }
        });
        room
    }

    pub(crate) fn attach(&self, xid: Xid, merge: impl FnOnce(Running) -> Running) -> Option<Running> {
        self.lock().session.attach(xid, merge)
    }

    /// What fires when nobody wants the answer any more; `None` once it was given.
    pub(crate) fn cancellation(&self, xid: Xid) -> Option<CancellationToken> {
        let mut state = self.lock();
        if state.closed.is_none() && !state.session.is_serving(xid) {
            return None;
        }
        let token = CancellationToken::new();
        let mut kept = token.clone();
        let unwanted = state.session.attach(xid, |known| {
            kept = known.token.clone().unwrap_or(token);
            Running { token: Some(kept.clone()), ..known }
        });
        drop(state);
        unwanted.into_iter().for_each(Running::stop);
        Some(kept)
    }

    pub(crate) fn is_unwanted(&self, xid: Xid) -> bool {
        self.lock().session.is_stopped(xid)
    }

    /// Sends answers, and pays credit back; one lock for all. Returns whether further requests are to be
    /// [deferred](Shared::defer).
    pub(crate) fn answer<'a>(
        &self,
        finished: impl Iterator<Item = (Obligation, &'a mut Answer, &'a mut OutgoingHandles)>,
    ) -> bool {
        let (unread, full) = self.act(|state| {
            let mut unread = false;
            for (owed, answer, handles) in finished {
                match owed {
                    Obligation::Answer(xid) => {
                        let carried = handles.take();
                        state.session.answer(xid, answer, carried, &mut state.outbox);
                    }
                    Obligation::Credit(cost) => unread |= !state.pay_back(cost),
                }
            }
            (unread, state.is_full())
        });
        if unread {
            self.close_unread();
        }
        full
    }

    /// Nobody answers any more: who is owed is told why.
    pub(crate) fn drop_owed(&self, owed: Obligation) {
        match owed {
            Obligation::Answer(xid) => {
                self.act(|state| state.session.finish_unanswered(xid, &mut state.outbox))
            }
            Obligation::Credit(cost) => self.pay_back(cost),
        }
    }

    /// A notify ended without a word.
    fn pay_back(&self, cost: u64) {
        if !self.act(|state| state.pay_back(cost)) {
            self.close_unread();
        }
    }

    fn close_unread(&self) {
        let protocol_error = ProtocolError::unread_credit();
        self.close(CloseReason::Protocol(protocol_error.message), protocol_error.code);
    }
}

impl State {
    /// `false` where the peer reads none of its credit.
    fn pay_back(&mut self, cost: u64) -> bool {
        // There may be nothing to write, and a drain to end.
        self.wake_driver |= self.session.is_draining();
        self.session.finish_notify(cost, &mut self.outbox)
    }
}
