//! What the driver does with a connection: it takes what is to be written, and sees to times.

use super::answers::Running;
use super::{Shared, State};
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
    fn help(&self, driver: &Waker) -> bool;
}

impl Shared {
    pub(crate) fn set_flusher(&self, driver: Weak<dyn FlushNow>) {
        // There is one driver.
        let _ = self.flusher.set(driver);
    }

    /// Moves what is to be written into a spent batch; `false` where that is nothing.
    pub(crate) fn take_batch(&self, batch: &mut Batch, now: Millis) -> bool {
        let mut guard = self.lock();
        let state = &mut *guard;
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
