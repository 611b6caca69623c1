//! The sending end of a channel whose receiving half is at the other end of a connection: items wait
//! here, encoded, until the connection's driver takes them, within their credit and in turn with others.

use crate::api::config::HIGH;
use crate::link::handle::Mux;
use crate::link::port::{ChannelPort, OutgoingHandles};
use crate::link::shared::Shared;
use crate::link::shared::answers::Running;
use mux_proto::session::Session;
use mux_proto::session::channels::item_cost;
use mux_proto::session::channels::sending::NotSent;
use mux_proto::session::outbox::Outbox;
use mux_proto::session::outbox::payload::{Mark, Payload};
use mux_proto::wire::fault::Fault;
use mux_proto::wire::settings::SMALL;
use mux_proto::wire::xid::Xid;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// It goes on when no more than this is left, so that it is woken for a batch of items.
const LOW: usize = HIGH / 4;

/// Items share a frame up to so many bytes.
pub(crate) const FRAME: usize = SMALL;

/// Items of one frame.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) count: u32,
    /// Where the values end that are whole: a user's `Serialize` may have panicked in the midst of one.
    pub(crate) whole: Mark,
    pub(crate) values: Payload,
    pub(crate) handles: OutgoingHandles,
}

impl Batch {
    /// What it counts while it waits.
    fn weight(&self) -> usize {
        item_cost(self.values.len(), self.handles.len()) as usize
    }

    /// Takes off what was added since there were `count` items and the values ended at `mark`. What is
    /// carried goes along: a frame of several items carries nothing.
    pub(crate) fn split_off(&mut self, mark: Mark, count: u32) -> Batch {
        let values = self.values.split_off(mark);
        let batch = Batch {
            count: self.count - count,
            whole: values.mark(),
            values,
            handles: self.handles.split_off(0),
        };
        (self.count, self.whole) = (count, mark);
        batch
    }

    /// Takes off what is not whole.
    pub(crate) fn trim(&mut self) {
        if self.values.len_since(self.whole) > 0 {
            self.values.split_off(self.whole);
        }
    }

    #[inline]
    pub(crate) fn clear(&mut self) {
        self.count = 0;
        self.whole = Mark::default();
        self.values.clear();
        self.handles.truncate(0);
    }
}

#[derive(Debug, Default)]
pub(crate) struct SendQueue {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    attached: Option<(Arc<Shared>, Xid)>,
    /// Keeps the connection open as long as the sender is there.
    connection: Option<Mux>,
    batches: VecDeque<Batch>,
    /// Small items that carry nothing, behind the batches.
    tail: Batch,
    /// What waits in all of them.
    weight: usize,
    life: Life,
    visit: Visit,
    /// A sender that waits for room.
    sender: Option<Waker>,
    /// Someone who waits until the receiver is gone.
    watcher: Option<Waker>,
}

/// Whether anything more is taken, and whether anything more is sent.
#[derive(Debug, Default)]
enum Life {
    /// The sender may have more to say.
    #[default]
    Open,
    /// The sender has no more to say, and perhaps says why. END goes when all that waits has been sent.
    Ended(Option<Fault>),
    /// END has gone, or the receiver is gone: nothing goes any more.
    Closed,
}

/// Whether the driver comes for what is here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Visit {
    /// It does not know that there is anything.
    #[default]
    Unasked,
    /// It is in the connection's list of send queues, or about to be.
    Listed,
    /// The channel has no credit: the session has it listed when there is some.
    AwaitsCredit,
}

/// What a visit of the driver came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Given {
    /// Bytes that were handed over.
    pub(crate) len: usize,
    /// There is more. Otherwise it is queued again when there is.
    pub(crate) more: bool,
}

/// The receiver is gone, or was never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone;

impl SendQueue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of a half that came with a message. Its receiver may have gone already.
    pub(crate) fn arrived(mux: Mux, id: Xid) -> Arc<SendQueue> {
        let send_queue = Arc::new(SendQueue::default());
        let mut state = send_queue.lock();
        state.attached = Some((Arc::clone(mux.shared()), id));
        drop(state);
        if !mux.shared().bind(id, ChannelPort::SendQueue(Arc::clone(&send_queue))) {
            send_queue.close();
        }
        send_queue.keep_open(mux);
        send_queue
    }

    pub(crate) fn keep_open(&self, mux: Mux) {
        let before = self.lock().connection.replace(mux);
        drop(before);
    }

    pub(crate) fn attach(this: &Arc<SendQueue>, shared: &Arc<Shared>, id: Xid) {
        let mut state = this.lock();
        state.attached = Some((Arc::clone(shared), id));
        let listed = state.list_if_due();
        drop(state);
        if listed {
            shared.enlist(Arc::clone(this));
        }
    }

    /// There is credit again. Returns whether it is to be listed. Under the session's lock.
    pub(crate) fn resume(&self) -> bool {
        let mut state = self.lock();
        state.visit = Visit::Unasked;
        state.list_if_due()
    }

    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.life = Life::Closed;
        state.weight = 0;
        state.seal();
        let batches = std::mem::take(&mut state.batches);
        let (wakers, connection) = ([state.sender.take(), state.watcher.take()], state.connection.take());
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
        drop((batches, connection));
    }

    // For the sender.

    /// The connection it is attached to.
    pub(crate) fn connection(&self) -> Option<Arc<Shared>> {
        self.lock().attached.as_ref().map(|(shared, _)| Arc::clone(shared))
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().is_over()
    }

    pub(crate) fn has_room(&self) -> Result<bool, Gone> {
        let state = self.lock();
        if state.is_over() { Err(Gone) } else { Ok(state.weight < HIGH) }
    }

    /// Waits until there is room for an item of any size.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        self.poll_until(cx, |state| state.weight < HIGH)
    }

    /// Waits until all has been handed to the connection.
    pub(crate) fn poll_empty(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        self.poll_until(cx, State::is_empty)
    }

    fn poll_until(&self, cx: &mut Context<'_>, ready: impl Fn(&State) -> bool) -> Poll<Result<(), Gone>> {
        let look = |state: &State| match state.is_over() {
            true => Some(Err(Gone)),
            false => ready(state).then_some(Ok(())),
        };
        if let Some(found) = look(&self.lock()) {
            return Poll::Ready(found);
        }
        // Cloning and dropping a waker may run anyone's code.
        let waker = cx.waker().clone();
        let mut state = self.lock();
        if let Some(found) = look(&state) {
            return Poll::Ready(found);
        }
        let before = state.sender.replace(waker);
        drop(state);
        drop(before);
        Poll::Pending
    }

    /// Waits until the receiver is gone.
    pub(crate) fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        let watches = |state: &State| state.watcher.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        let state = self.lock();
        if state.is_over() || watches(&state) {
            return if state.is_over() { Poll::Ready(()) } else { Poll::Pending };
        }
        drop(state);
        let waker = cx.waker().clone();
        let mut state = self.lock();
        if state.is_over() {
            return Poll::Ready(());
        }
        let before = state.watcher.replace(waker);
        drop(state);
        drop(before);
        Poll::Pending
    }

    /// Appends a small item that carries nothing.
    pub(crate) fn push(this: &Arc<SendQueue>, item: &[u8]) -> Result<(), Gone> {
        SendQueue::append(this, this.lock(), item)
    }

    /// The same where there is room; `false` where there is none.
    #[inline]
    pub(crate) fn try_push(this: &Arc<SendQueue>, item: &[u8]) -> Result<bool, Gone> {
        let state = this.lock();
        if state.weight >= HIGH && !state.is_over() {
            return Ok(false);
        }
        SendQueue::append(this, state, item).map(|()| true)
    }

    #[inline]
    fn append(this: &Arc<SendQueue>, mut state: MutexGuard<'_, State>, item: &[u8]) -> Result<(), Gone> {
        if state.is_over() {
            return Err(Gone);
        }
        if state.tail.values.flat().len() + item.len() > FRAME {
            state.seal();
        }
        state.tail.count += 1;
        state.tail.values.flat_mut().extend_from_slice(item);
        state.weight += item.len();
        SendQueue::queue(this, state);
        Ok(())
    }

    /// Appends a frame of items.
    pub(crate) fn push_batch(this: &Arc<SendQueue>, batch: Batch) -> Result<(), Gone> {
        let mut state = this.lock();
        if state.is_over() {
            drop(state);
            return Err(Gone);
        }
        state.seal();
        state.weight += batch.weight();
        state.batches.push_back(batch);
        SendQueue::queue(this, state);
        Ok(())
    }

    /// The sender has no more to say, or says why. What waits is still sent.
    pub(crate) fn end(this: &Arc<SendQueue>, why: Option<Fault>) {
        let mut state = this.lock();
        if matches!(state.life, Life::Open) {
            state.life = Life::Ended(why);
        }
        let wakers = [state.sender.take(), state.watcher.take()];
        let connection = state.connection.take();
        SendQueue::queue(this, state);
        drop((wakers, connection));
    }

    /// Has the driver come, where it has not been told to.
    #[inline]
    fn queue(this: &Arc<SendQueue>, mut state: MutexGuard<'_, State>) {
        if state.visit != Visit::Unasked {
            return;
        }
        let Some((shared, _)) = &state.attached else { return };
        let shared = Arc::clone(shared);
        state.visit = Visit::Listed;
        drop(state);
        shared.enlist(Arc::clone(this));
    }

    // For the driver, under the session's lock.

    /// Hands one frame of items to the session, or the end.
    pub(crate) fn give(
        &self,
        session: &mut Session<Waker, Running, ChannelPort>,
        out: &mut Outbox,
        now: u64,
    ) -> Given {
        let mut state = self.lock();
        state.visit = Visit::Unasked;
        let Some(id) = state.attached.as_ref().map(|(_, id)| *id) else { return Given::default() };
        if matches!(state.life, Life::Closed) {
            return Given::default();
        }
        if state.batches.is_empty() {
            state.seal();
        }
        let Some(batch) = state.batches.front() else {
            if let Some(why) = state.take_end() {
                drop(state);
                session.end_channel(id, why, now, out);
            }
            return Given::default();
        };
        let (len, carried) = (batch.values.len(), batch.handles.len());
        if let Some(exceeds_limits) = session.item_exceeds_limits(len, carried) {
            // Sent before anyone knew what the peer takes. What waits is let go with the port.
            state.life = Life::Closed;
            drop(state);
            session.end_channel(id, Some(exceeds_limits), now, out);
            return Given::default();
        }
        match session.may_send_items(id, len, carried) {
            Ok(()) => {}
            Err(NotSent::Wait) => {
                state.visit = Visit::AwaitsCredit;
                return Given::default();
            }
            Err(NotSent::Stopped) => return Given::default(),
        }
        let Some(batch) = state.batches.pop_front() else { return Given::default() };
        state.weight -= batch.weight();
        let Batch { count, values, mut handles, .. } = batch;
        if state.weight <= LOW {
            session.effects.wakers.extend(state.sender.take());
        }
        let more = state.list_if_due();
        drop(state);
        session.send_items(id, (count, values), handles.take(), out);
        Given { len, more }
    }
}

impl State {
    /// Nothing more is taken: the receiver is gone, or the sender has ended.
    fn is_over(&self) -> bool {
        !matches!(self.life, Life::Open)
    }

    /// The small items at the end get a frame of their own.
    fn seal(&mut self) {
        if self.tail.count > 0 {
            let batch = std::mem::take(&mut self.tail);
            self.weight += item_cost(0, 0) as usize;
            self.batches.push_back(batch);
        }
    }

    fn is_empty(&self) -> bool {
        self.batches.is_empty() && self.tail.count == 0
    }

    /// Whether the driver has to come and has not been asked to. It counts as listed from then on.
    fn list_if_due(&mut self) -> bool {
        let has_something = match self.life {
            Life::Open => !self.is_empty(),
            Life::Ended(_) => true,
            Life::Closed => false,
        };
        let due = has_something && self.visit == Visit::Unasked;
        if due {
            self.visit = Visit::Listed;
        }
        due
    }

    /// What END says, where it is to go now. Nothing goes after it.
    fn take_end(&mut self) -> Option<Option<Fault>> {
        match std::mem::replace(&mut self.life, Life::Closed) {
            Life::Ended(why) => Some(why),
            before => {
                self.life = before;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_an_item(visit: Visit) -> State {
        let mut state = State { visit, ..State::default() };
        state.tail.count = 1;
        state
    }

    #[test]
    fn what_is_listed_or_awaits_credit_is_not_listed_again() {
        let listed = |visit| with_an_item(visit).list_if_due();
        assert_eq!([Visit::Unasked, Visit::Listed, Visit::AwaitsCredit].map(listed), [true, false, false]);
        let mut state = with_an_item(Visit::Unasked);
        assert_eq!([state.list_if_due(), state.list_if_due()], [true, false]);
    }

    #[test]
    fn an_end_is_something_to_send_and_a_closed_queue_has_nothing() {
        assert!(!State::default().list_if_due());
        assert!(State { life: Life::Ended(None), ..State::default() }.list_if_due());
        let mut closed = with_an_item(Visit::Unasked);
        closed.life = Life::Closed;
        assert!(!closed.list_if_due());
    }

    #[test]
    fn the_end_goes_once() {
        let mut state = State { life: Life::Ended(None), ..State::default() };
        assert!(matches!(state.take_end(), Some(None)));
        assert!(matches!(state.life, Life::Closed));
        assert!(state.take_end().is_none());
        let mut open = State::default();
        assert!(open.take_end().is_none());
        assert!(!open.is_over(), "one that goes on does so");
    }
}
