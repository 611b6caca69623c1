//! The requests this end made. A row waits for room, then for its answer. A request that its caller gave up stays as a
//! tombstone, and keeps its slot, until the peer has answered.

pub use crate::session::calls::rows::Ticket;

use crate::Millis;
use crate::session::calls::notifies::Notifies;
use crate::session::calls::rows::{Rows, State};
use crate::session::effects::Effects;
use crate::session::message::{Message, Request, Terminal};
use crate::session::outbox::Outbox;
use crate::session::outbox::payload::Payload;
use crate::session::send_context::SendContext;
use crate::thin_list::ThinList;
use crate::wire::fault::{Fault, FaultCode};
use crate::wire::frame::Frame;
use crate::wire::handles::{IncomingHandle, OutgoingHandle};
use crate::wire::xid::{Counter, Xid, XidMap};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::mem;

/// A request the peer has not answered. Without a row it is a tombstone.
#[derive(Debug)]
struct Unanswered {
    row: Option<u32>,
    /// Zero for a small one.
    charge: u64,
}

#[derive(Debug)]
pub(crate) struct Calls<W, P> {
    pub(super) rows: Rows<W, P>,
    unanswered: XidMap<Unanswered>,
    /// Requests that wait for a slot. Those that also need room in the peer's buffers or for channels have a queue of their
    /// own, so that they hold back no small one.
    small_queue: VecDeque<Ticket>,
    demanding_queue: VecDeque<Ticket>,
    pub(super) notifies: Notifies<P>,
    /// Sum of the charges of the large requests that the peer has not answered and of the large notifies being sent.
    pub(super) buffered: u64,
    /// Rows above this never left the outbox.
    last_sent: Xid,
    /// Replies that came late or were never asked for.
    pub(crate) stray_replies: u64,
}

impl<W, P: Clone> Calls<W, P> {
    pub(crate) fn new() -> Calls<W, P> {
        Calls {
            rows: Rows::new(),
            unanswered: XidMap::default(),
            small_queue: VecDeque::new(),
            demanding_queue: VecDeque::new(),
            notifies: Notifies::default(),
            buffered: 0,
            last_sent: 0,
            stray_replies: 0,
        }
    }

    /// Sends the request where there is room, or queues it.
    #[inline]
    pub(crate) fn open(
        &mut self,
        request: Request<'_, W, P>,
        now: Millis,
        context: &mut SendContext<'_, W, P>,
    ) -> Result<Ticket, Fault> {
        let Request { message, deadline, waker, nested } = request;
        let demanding = message.is_demanding();
        let waiting = if demanding { !self.demanding_queue.is_empty() } else { !self.small_queue.is_empty() };
        if !waiting && self.has_room(message, context) {
            let timeout = timeout(deadline, now);
            let index = self.rows.next_index();
            let state = self.send(index, message, timeout, context);
            return Ok(self.rows.insert(deadline, waker.take(), state));
        }
        self.queue(Request { message, deadline, waker, nested }, demanding)
    }

    #[cold]
    fn queue(&mut self, request: Request<'_, W, P>, demanding: bool) -> Result<Ticket, Fault> {
        let Request { message, deadline, waker, nested } = request;
        if nested {
            return Err(Fault::new(
                FaultCode::Overloaded,
                "the peer takes no more calls now, and a handler may not wait for it",
            ));
        }
        let ticket = self.rows.insert(deadline, waker.take(), State::Queued(Box::new(message.take())));
        let queue = if demanding { &mut self.demanding_queue } else { &mut self.small_queue };
        enqueue(queue, &self.rows, ticket);
        Ok(ticket)
    }

    #[inline]
    fn has_room(&self, message: &Message<P>, context: &SendContext<'_, W, P>) -> bool {
        let slot = (self.unanswered.len() as u64) < context.peer.max_in_flight;
        slot && self.fits(message, context)
    }

    /// A small message always fits. Until the peer's HELLO has come, no other does.
    #[inline]
    pub(super) fn fits(&self, message: &Message<P>, context: &SendContext<'_, W, P>) -> bool {
        if !message.is_demanding() {
            return true;
        }
        let charge = message.charge();
        context.greeted
            && (charge == 0 || self.buffered == 0 || self.buffered + charge <= context.peer.max_buffered)
            && context.channels.has_room(message.carried.len(), context.peer)
    }

    /// Sends the request: takes an xid for it and queues its frame.
    #[inline]
    fn send(
        &mut self,
        index: u32,
        message: &mut Message<P>,
        timeout: Option<Millis>,
        context: &mut SendContext<'_, W, P>,
    ) -> State<P> {
        let charge = message.charge();
        let xid = context.ids.take();
        let carried = context.open(&mut message.carried);
        let meta = message.meta.encode(timeout, &carried);
        let frame =
            Frame::Request { xid, method: (&*message.method).into(), meta: meta.as_deref(), args: &[] };
        let buffer = context.send(xid, &frame, mem::take(&mut message.body), &carried);
        self.buffered += charge;
        self.unanswered.insert(xid, Unanswered { row: Some(index), charge });
        State::Waiting { xid, buffer }
    }

    /// Sends waiting requests while there is room: of the two queues' fronts the older one first, so that neither queue
    /// starves the other.
    pub(crate) fn pump(&mut self, now: Millis, context: &mut SendContext<'_, W, P>) {
        while let Some(ticket) = self.next_queued(context) {
            self.send_queued(ticket.index, now, context);
        }
    }

    fn send_queued(&mut self, index: u32, now: Millis, context: &mut SendContext<'_, W, P>) {
        let row = &mut self.rows[index];
        let timeout = timeout(row.deadline, now);
        if let State::Queued(mut message) = mem::replace(&mut row.state, State::done(Terminal::Sent)) {
            self.rows[index].state = self.send(index, &mut message, timeout, context);
        }
    }

    fn next_queued(&mut self, context: &SendContext<'_, W, P>) -> Option<Ticket> {
        let small = live_front(&mut self.small_queue, &self.rows);
        let demanding = live_front(&mut self.demanding_queue, &self.rows);
        let [small, demanding] = [small, demanding].map(|front| {
            front.filter(|&ticket| {
                self.rows.queued(ticket).is_some_and(|message| self.has_room(message, context))
            })
        });
        let queue = match (small, demanding) {
            (Some(small), Some(demanding)) if small.is_older(demanding) => &mut self.small_queue,
            (_, Some(_)) => &mut self.demanding_queue,
            (Some(_), None) => &mut self.small_queue,
            (None, None) => return None,
        };
        queue.pop_front()
    }

    /// Refuses the waiting messages that exceed the peer's limits, which have just become known.
    pub(crate) fn refuse_oversized(
        &mut self,
        exceeds_limits: impl Fn(&Payload, &[OutgoingHandle<P>]) -> Option<Fault>,
        effects: &mut Effects<W, P>,
    ) {
        for row in self.rows.iter_mut() {
            if let State::Queued(message) = &row.state
                && let Some(fault) = exceeds_limits(&message.body, &message.carried)
            {
                row.end(Terminal::fault(fault), effects);
            }
        }
        self.refuse_oversized_notifies(exceeds_limits, effects);
    }

    /// Something waits for room.
    #[inline]
    pub(crate) fn waits(&self) -> bool {
        self.has_queued() || self.has_queued_notifies()
    }

    pub(crate) fn has_queued(&self) -> bool {
        !self.small_queue.is_empty() || !self.demanding_queue.is_empty()
    }

    /// The peer owes an answer to `xid`.
    pub(crate) fn is_unanswered(&self, xid: Xid) -> bool {
        self.unanswered.contains_key(&xid)
    }

    /// The answer to `xid` came. `fill` puts a value into the row's own buffer. Returns whom to wake, or
    /// the halves that nobody waits for.
    #[inline]
    pub(crate) fn answered(
        &mut self,
        xid: Xid,
        carried: ThinList<IncomingHandle>,
        context: &mut SendContext<'_, W, P>,
        fill: impl FnOnce(Vec<u8>) -> Terminal,
    ) -> Result<Option<W>, ThinList<IncomingHandle>> {
        let Some(unanswered) = self.unanswered.remove(&xid) else {
            self.stray_replies += 1;
            return Err(carried);
        };
        if unanswered.charge > 0 {
            self.buffered -= unanswered.charge;
            // It was refused before all of it had gone.
            context.abandon(xid);
        }
        let Some(index) = unanswered.row else {
            self.stray_replies += 1;
            return Err(carried);
        };
        let row = &mut self.rows[index];
        let State::Waiting { buffer, .. } = mem::replace(&mut row.state, State::done(Terminal::Sent)) else {
            return Err(carried);
        };
        row.state = State::Done(fill(buffer), carried);
        Ok(row.waker.take())
    }

    /// Ends a row before its answer: the caller gets `terminal`, the peer a CANCEL.
    fn give_up(
        &mut self,
        index: u32,
        terminal: impl FnOnce(bool) -> Terminal,
        context: &mut SendContext<'_, W, P>,
    ) {
        let row = &mut self.rows[index];
        let sent = match row.state {
            State::Waiting { xid, .. } => self.call_off(xid, context),
            State::Queued(_) => false,
            State::Posted => {
                self.withdraw_notify(self.rows.ticket(index), context.effects);
                false
            }
            State::Done(..) => return,
        };
        self.rows[index].end(terminal(sent), context.effects);
    }

    /// Tells the peer that nobody waits for the answer. `false` if the request was not sent whole: the rest of it is never
    /// sent, and there will be no answer.
    fn call_off(&mut self, xid: Xid, context: &mut SendContext<'_, W, P>) -> bool {
        let Some(entry) = self.unanswered.get_mut(&xid) else { return true };
        let charge = entry.charge;
        if charge > 0 && context.abandon(xid) {
            self.buffered -= charge;
            self.unanswered.remove(&xid);
            return false;
        }
        entry.row = None;
        context.out.message(&Frame::Cancel { xid });
        true
    }

    /// Takes the row's end, if it has come; the row is gone then.
    #[inline]
    pub(crate) fn take_done(&mut self, ticket: Ticket) -> Option<(Terminal, ThinList<IncomingHandle>)> {
        self.rows.take_done(ticket)
    }

    /// Whom to wake when the row ends. Returns the one before.
    pub(crate) fn set_waker(&mut self, ticket: Ticket, waker: W) -> Option<W> {
        self.rows.get_mut(ticket)?.waker.replace(waker)
    }

    #[inline]
    pub(crate) fn waker(&self, ticket: Ticket) -> Option<&W> {
        self.rows.get(ticket)?.waker.as_ref()
    }

    /// The caller is gone. A request that was not sent is never sent, one that was sent is cancelled, and a notify is still
    /// sent. Returns what must be dropped outside the lock, and the halves that nobody took.
    pub(crate) fn abandon(
        &mut self,
        ticket: Ticket,
        context: &mut SendContext<'_, W, P>,
    ) -> (Option<W>, Option<Terminal>, ThinList<IncomingHandle>) {
        let Some(row) = self.rows.remove(ticket) else { return (None, None, ThinList::new()) };
        let (mut terminal, mut untaken) = (None, ThinList::new());
        match row.state {
            State::Waiting { xid, .. } => drop(self.call_off(xid, context)),
            State::Queued(message) => context.effects.discard(message.body, message.carried),
            State::Posted => {}
            State::Done(ended, carried) => (terminal, untaken) = (Some(ended), carried),
        }
        (row.waker, terminal, untaken)
    }

    /// Times out what is due. Returns the next deadline.
    pub(crate) fn expire(&mut self, now: Millis, context: &mut SendContext<'_, W, P>) -> Option<Millis> {
        let mut next: Option<Millis> = None;
        let mut due = Vec::new();
        for (index, row) in self.rows.iter() {
            match row.deadline {
                Some(_) if matches!(row.state, State::Done(..)) => {}
                Some(deadline) if deadline <= now => due.push(index),
                Some(deadline) => next = Some(next.map_or(deadline, |next| next.min(deadline))),
                None => {}
            }
        }
        for index in due {
            self.give_up(index, |sent| Terminal::TimedOut { sent }, context);
        }
        next
    }

    /// The peer will not run anything above `last`.
    pub(crate) fn refuse_above(
        &mut self,
        last: Xid,
        fault: &Fault,
        context: &mut SendContext<'_, W, P>,
    ) -> Vec<W> {
        let above: Vec<Xid> = self.unanswered.keys().copied().filter(|&xid| xid > last).collect();
        let mut refuse =
            |xid| self.answered(xid, ThinList::new(), context, |_| Terminal::fault(fault.clone()));
        above.into_iter().filter_map(|xid| refuse(xid).ok().flatten()).collect()
    }

    /// Refuses everything that still waits for room.
    pub(crate) fn refuse_queued(&mut self, fault: &Fault, effects: &mut Effects<W, P>) {
        self.refuse_notifies(fault, effects);
        let queues = [&mut self.small_queue, &mut self.demanding_queue];
        let queued: Vec<Ticket> = queues.into_iter().flat_map(|queue| queue.drain(..)).collect();
        for ticket in queued {
            if let Some(row) = self.rows.get_mut(ticket)
                && matches!(row.state, State::Queued(_))
            {
                row.end(Terminal::fault(fault.clone()), effects);
            }
        }
    }

    /// The writer took all that was queued so far.
    pub(crate) fn left_outbox(&mut self, ids: &Counter) {
        self.last_sent = ids.last();
    }

    /// Ends every row and removes what the peer has not answered.
    pub(crate) fn close(&mut self, out: &Outbox, effects: &mut Effects<W, P>) {
        let unanswered = mem::take(&mut self.unanswered);
        let went_whole = |xid: &Xid| {
            *xid <= self.last_sent
                && unanswered.get(xid).is_none_or(|entry| entry.charge == 0 || !out.holds(*xid))
        };
        for row in self.rows.iter_mut() {
            let sent = match &row.state {
                State::Waiting { xid, .. } => went_whole(xid),
                State::Queued(_) | State::Posted => false,
                State::Done(..) => continue,
            };
            row.end(Terminal::Closed { sent }, effects);
        }
        self.small_queue.clear();
        self.demanding_queue.clear();
        self.buffered = 0;
        self.close_notifies(effects);
    }

    pub(crate) fn trim(&mut self) {
        self.rows.trim();
        self.unanswered.shrink_to_fit();
        self.small_queue.shrink_to_fit();
        self.demanding_queue.shrink_to_fit();
        self.notifies.trim();
    }

    /// Requests the peer has not answered, tombstones among them.
    pub(crate) fn unanswered(&self) -> usize {
        self.unanswered.len()
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn rows(&self) -> usize {
        self.rows.len()
    }
}

fn timeout(deadline: Option<Millis>, now: Millis) -> Option<Millis> {
    deadline.map(|deadline| deadline.saturating_sub(now).max(1))
}

/// The first of a queue that still waits.
fn live_front<W, P>(queue: &mut VecDeque<Ticket>, rows: &Rows<W, P>) -> Option<Ticket> {
    while let Some(&ticket) = queue.front() {
        if rows.queued(ticket).is_some() {
            return Some(ticket);
        }
        queue.pop_front();
    }
    None
}

/// Queues a ticket. Tickets of callers that gave up stay in the queue, and are removed once they outnumber the others.
fn enqueue<W, P>(queue: &mut VecDeque<Ticket>, rows: &Rows<W, P>, ticket: Ticket) {
    if queue.len() > 64 && queue.len() > 2 * rows.len() {
        queue.retain(|&ticket| rows.queued(ticket).is_some());
    }
    queue.push_back(ticket);
}
