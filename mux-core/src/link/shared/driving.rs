//! What the driver does with a connection: it takes what is to be written, and sees to times.

use super::answers::Running;
use super::flush::FlushDuty;
use super::{Locked, Shared, State};
use mux_proto::Millis;
use mux_proto::session::outbox::Batch;
use std::sync::Weak;
use std::task::Waker;

/// Items that go into one batch, in bytes: what comes meanwhile waits for these.
const ITEMS: usize = 64 << 10;

/// What a plain thread that waits for its call does in place of the driver, whose own thread it would
/// have to wake for it.
pub(crate) trait FlushNow: Send + Sync {
    /// Writes what is queued; `false` where the driver is at it, or has to be.
    fn flush_now(&self, driver: &Waker) -> bool;
}

/// How a connection stands at the end of a driver's turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    /// The driver's next turn writes.
    pub(crate) writes_next: bool,
    /// Deferred requests may begin.
    pub(crate) may_resume: bool,
    pub(crate) is_closed: bool,
    /// Nothing is left to write.
    pub(crate) is_written: bool,
    /// The drain is over.
    pub(crate) is_drained: bool,
    /// The peer sends no more, and is owed nothing.
    pub(crate) is_spent: bool,
    /// The connection drains, and channels are open.
    pub(crate) has_lingering_channels: bool,
    /// When the next deadline of the session is.
    pub(crate) deadline: Option<Millis>,
}

impl Shared {
    pub(crate) fn set_flusher(&self, driver: Weak<dyn FlushNow>) {
        // There is one driver.
        let _ = self.flusher.set(driver);
    }

    /// Whether the driver's turn, which begins, has to write.
    #[inline]
    pub(crate) fn flush_is_due(&self) -> bool {
        self.flush.is_due()
    }

    /// The driver's next turn writes, whatever is queued then.
    pub(crate) fn flush_next_turn(&self) {
        let _state = self.lock();
        self.flush.next_turn();
    }

    /// As [`lock`](Shared::lock), for a pass of frames. Whoever is woken by it need not wake the driver: what they queue is
    /// written by the next turn.
    #[inline]
    pub(crate) fn lock_for_pass(&self) -> Locked<'_> {
        let state = self.lock();
        self.flush.next_turn();
        state
    }

    /// A turn of the driver ends, whose waker this is.
    #[inline]
    pub(crate) fn end_turn(&self, driver: &Waker, blocked: bool) -> Standing {
        let mut guard = self.lock();
        let state = &mut *guard;
        if !state.driver.as_ref().is_some_and(|waker| waker.will_wake(driver)) {
            // The runtime's own waker: no code of a user.
            state.driver = Some(driver.clone());
        }
        let has_output = state.has_output();
        if !blocked {
            state.outbox.batch_is_written();
        }
        let may_resume = state.may_resume();
        let duty = self.flush.end_turn(blocked, has_output);
        let is_written = !has_output && !blocked;
        Standing {
            writes_next: duty == FlushDuty::NextTurn,
            may_resume,
            is_closed: state.closed.is_some(),
            is_written,
            is_drained: is_written && state.session.is_drained(),
            is_spent: is_written && state.half_closed && state.session.owes_nothing(),
            has_lingering_channels: state.session.is_draining() && state.session.has_channels(),
            deadline: state.timer,
        }
    }

    /// The peer sends no more: who waits for an answer is told. Returns whether the peer is still owed something.
    pub(crate) fn half_close(&self) -> bool {
        let mut guard = self.lock();
        let state = &mut *guard;
        state.half_closed = true;
        state.session.close_calls(&mut state.outbox);
        !state.session.owes_nothing()
    }

    /// Sends a ping. It is written once the driver's turn has ended.
    pub(crate) fn ping(&self) {
        let mut guard = self.lock();
        let state = &mut *guard;
        // Where even this is too much, the stalled write shows first.
        let _ = state.session.ping(&mut state.outbox);
    }

    /// Moves what is to be written into a spent batch; `false` where that is nothing.
    pub(crate) fn take_batch(&self, batch: &mut Batch, now: Millis) -> bool {
        let mut guard = self.lock();
        let state = &mut *guard;
        self.flush.take();
        state.outbox.batch_is_written();
        state.gather(now);
        if state.outbox.is_empty() {
            return false;
        }
        let departed = state.outbox.take(batch);
        state.session.left_outbox(departed, now, &mut state.outbox);
        true
    }

    /// Nothing has come for a while: gives back what the tables do not need.
    pub(crate) fn trim(&self) {
        let mut guard = self.lock();
        let state = &mut *guard;
        state.session.trim();
        state.outbox.trim();
        state.send_queues.shrink_to_fit();
    }

    /// Channels are open, whose time is over when a drain's grace is.
    pub(crate) fn end_channels(&self, now: Millis) {
        self.act(|state| state.session.end_channels(now, &mut state.outbox));
    }

    /// Times out the calls and handlers whose deadline has come.
    pub(crate) fn expire(&self, now: Millis) {
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.timer.is_none_or(|timer| timer > now) {
            return;
        }
        let (handles, next) = state.session.expire(now, &mut state.outbox);
        state.timer = next;
        drop(guard);
        handles.into_iter().for_each(Running::stop);
    }
}

impl State {
    /// Queues what channels have to send: first what is due, then a frame of items of each in turn.
    fn gather(&mut self, now: Millis) {
        self.session.flush_channels(&mut self.outbox);
        let mut room = ITEMS;
        while room > 0
            && let Some(send_queue) = self.send_queues.pop_front()
        {
            let given = send_queue.give(&mut self.session, &mut self.outbox, now);
            room = room.saturating_sub(given.len);
            if given.more {
                self.send_queues.push_back(send_queue);
            }
        }
    }
}
