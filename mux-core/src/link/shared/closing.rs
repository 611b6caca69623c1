//! The one close path: how a connection drains, closes and is gone, and who is told.

use super::answers::Running;
use super::{Shared, State};
use crate::api::error::CloseReason;
use crate::link::port::ChannelPort;
use crate::threads::decoders;
use mux_proto::session::Session;
use mux_proto::session::outbox::Outbox;
use mux_proto::wire::fault::GoawayCode;
use std::task::Waker;

/// How far a connection is from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Open,
    Closed,
    /// Its last byte is written, its stream dropped.
    Gone,
}

fn advance(stage: &mut Stage, to: Stage) -> bool {
    let changes = *stage < to;
    *stage = to.max(*stage);
    changes
}

impl Shared {
    pub(crate) fn is_greeted(&self) -> bool {
        self.lock().session.is_greeted()
    }

    /// Ends the connection: every waiting call is told at once, every handler stopped, and the
    /// driver writes what is queued and leaves. Only the first reason counts.
    pub(crate) fn close(&self, reason: CloseReason, code: GoawayCode) {
        let message = reason.goodbye();
        self.end(reason, |session, outbox| session.close(code, &message, outbox));
    }

    /// As [`close`](Shared::close), and nothing more can be written.
    pub(crate) fn abort(&self, reason: CloseReason) {
        self.end(reason, Session::abort);
    }

    fn end(
        &self,
        reason: CloseReason,
        end: impl FnOnce(&mut Session<Waker, Running, ChannelPort>, &mut Outbox) -> Vec<Running>,
    ) {
        let mut guard = self.lock();
        let state = &mut *guard;
        state.wake_driver = true;
        let handles = end(&mut state.session, &mut state.outbox);
        self.keep_untaken(state);
        state.closed.get_or_insert(reason);
        let send_queues = std::mem::take(&mut state.send_queues);
        let deferred = (std::mem::take(&mut state.deferred), std::mem::take(&mut state.wait_for_room));
        // Told below, when this end counts as closed.
        let effects = std::mem::take(&mut state.session.effects);
        let driver = self.claim_flush(state);
        drop(guard);
        self.wake(driver);
        #[cfg(feature = "tracing")]
        if !self.is_closed() {
            tracing::debug!(peer = ?self.peer, reason = %self.close_reason(), "connection closed");
        }
        // Before anyone is told, who may ask.
        self.stage.send_if_modified(|stage| advance(stage, Stage::Closed));
        self.workers.close(self.lane);
        decoders::close(self.lane);
        self.finish(effects);
        handles.into_iter().for_each(Running::stop);
        drop((send_queues, deferred));
    }

    /// Items that nobody has taken outlive the connection with their receivers: they count with the handlers that do.
    /// Where there is no place for them, they are dropped.
    fn keep_untaken(&self, state: &mut State) {
        if state.untaken.is_some() {
            return;
        }
        let untaken = state.session.keep_untaken();
        if untaken == 0 {
            return;
        }
        state.untaken = self.detached.try_admit(untaken.try_into().unwrap_or(usize::MAX));
        if state.untaken.is_none() {
            state.session.drop_untaken();
        }
    }

    pub(crate) fn drain(&self) {
        self.act(|state| {
            state.wake_driver = true;
            state.session.drain(&mut state.outbox);
        });
    }

    pub(crate) fn is_closed(&self) -> bool {
        *self.stage.borrow() >= Stage::Closed
    }

    pub(crate) fn close_reason(&self) -> CloseReason {
        let state = self.lock();
        let half_closed = if state.half_closed { CloseReason::Eof } else { CloseReason::Local };
        state.closed.clone().unwrap_or(half_closed)
    }

    pub(crate) async fn until_closed(&self) {
        // The sender lives in `self`: waiting cannot fail.
        let _ = self.stage.subscribe().wait_for(|stage| *stage >= Stage::Closed).await;
    }

    pub(crate) async fn until_gone(&self) {
        let _ = self.stage.subscribe().wait_for(|stage| *stage == Stage::Gone).await;
    }

    pub(crate) fn gone(&self) {
        self.stage.send_if_modified(|stage| advance(stage, Stage::Gone));
    }
}
