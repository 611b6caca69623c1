//! The transactions we made. A row waits for room, then for its answer; what its caller no longer
//! wants stays behind as a tombstone until the peer has answered, and holds its place so long.

use super::Millis;
use super::credit::{self, Purse};
use super::fault::{Fault, FaultCode};
use super::frame::Frame;
use super::hello::{SMALL, Settings};
use super::meta::MetaPairs;
use super::xid::{Side, Xid, XidMap};
use crate::outbox::Outbox;
use bytes::Bytes;
use slab::Slab;
use std::collections::VecDeque;

/// A caller's hold on its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    index: u32,
    generation: u32,
}

impl Ticket {
    /// Generations count up, and wrap round.
    fn is_older(self, other: Ticket) -> bool {
        (self.generation.wrapping_sub(other.generation) as i32) < 0
    }
}

/// A transaction to be made.
#[derive(Debug)]
pub(crate) struct Request<'w, W> {
    /// `service.method`.
    pub(crate) method: &'static str,
    pub(crate) meta: MetaPairs,
    /// The encoded arguments.
    pub(crate) body: Vec<u8>,
    pub(crate) deadline: Option<Millis>,
    /// Whom to wake at its end. Taken only where the request is: a waker is not dropped in here.
    pub(crate) waker: &'w mut Option<W>,
    /// Made from within a handler of this connection: never waits for room.
    pub(crate) nested: bool,
}

/// How a transaction ended for its caller.
#[derive(Debug, PartialEq)]
pub(crate) enum Terminal {
    Reply(Value),
    Fault(Fault),
    TimedOut {
        sent: bool,
    },
    Closed {
        sent: bool,
    },
    /// A notify has left.
    Sent,
}

/// An encoded value.
#[derive(Debug, PartialEq)]
pub(crate) enum Value {
    Copied(Vec<u8>),
    /// Where it was read.
    Shared(Bytes),
}

#[derive(Debug)]
struct Row<W> {
    generation: u32,
    deadline: Option<Millis>,
    waker: Option<W>,
    state: State,
}

#[derive(Debug)]
enum State {
    Queued(Message),
    /// A notify that waits for credit. It lies in its queue, and goes even if its caller does.
    Posted,
    /// The buffer held the arguments and will hold the value.
    Waiting {
        xid: Xid,
        buffer: Vec<u8>,
    },
    Done(Terminal),
}

/// What waits for room. Notifies wait for credit, requests for a slot.
#[derive(Debug)]
struct Message {
    method: &'static str,
    meta: MetaPairs,
    body: Vec<u8>,
}

/// A request the peer has not answered. Without a row it is a tombstone.
#[derive(Debug)]
struct Unanswered {
    row: Option<u32>,
    large: u64,
}

#[derive(Debug)]
pub(crate) struct Calls<W> {
    rows: Slab<Row<W>>,
    unanswered: XidMap<Unanswered>,
    /// Requests waiting for a slot, and large ones that wait for room in the peer's buffers too, so
    /// that they hold back no small one.
    small_queue: VecDeque<Ticket>,
    large_queue: VecDeque<Ticket>,
    /// Notifies waiting for credit.
    notify_queue: VecDeque<(Ticket, Message)>,
    next_xid: Xid,
    next_generation: u32,
    /// Sum of the large bodies the peer has not answered.
    buffered: u64,
    /// Rows above this never left the outbox.
    last_sent: Xid,
    /// Replies that came late or were never asked for.
    pub(crate) stray_replies: u64,
}

impl<W> Calls<W> {
    pub(crate) fn new(side: Side) -> Calls<W> {
        Calls {
            rows: Slab::new(),
            unanswered: XidMap::default(),
            small_queue: VecDeque::new(),
            large_queue: VecDeque::new(),
            notify_queue: VecDeque::new(),
            next_xid: side.first_xid(),
            next_generation: 0,
            buffered: 0,
            last_sent: 0,
            stray_replies: 0,
        }
    }

    /// Sends the request where there is room, or queues it.
    pub(crate) fn open(
        &mut self,
        request: Request<'_, W>,
        peer: &Settings,
        now: Millis,
        out: &mut Outbox,
    ) -> Result<Ticket, Fault> {
        let Request { method, meta, body, deadline, waker, nested } = request;
        let large = body.len() > SMALL;
        let waiting = if large { !self.large_queue.is_empty() } else { !self.small_queue.is_empty() };
        let room = !waiting && self.has_room(body.len(), peer);
        if !room && nested {
            return Err(Fault::new(
                FaultCode::Overloaded,
                "the peer takes no more calls now, and a handler may not wait for it",
            ));
        }
        let message = Message { method, meta, body };
        let ticket =
            self.insert(Row { generation: 0, deadline, waker: waker.take(), state: State::Queued(message) });
        if room {
            self.send(ticket.index, now, out);
        } else if large {
            enqueue(&mut self.large_queue, &self.rows, ticket);
        } else {
            enqueue(&mut self.small_queue, &self.rows, ticket);
        }
        Ok(ticket)
    }

    /// Sends the notify where there is credit (then there is no row), or queues it.
    pub(crate) fn notify(
        &mut self,
        request: Request<'_, W>,
        peer: &Settings,
        purse: &mut Purse,
        out: &mut Outbox,
    ) -> Result<Option<Ticket>, Fault> {
        let Request { method, meta, body, deadline, waker, nested } = request;
        let room = self.notify_queue.is_empty() && may_notify(body.len(), peer, purse);
        if !room && nested {
            return Err(Fault::new(
                FaultCode::Overloaded,
                "the peer takes no more notifies now, and a handler may not wait for it",
            ));
        }
        let message = Message { method, meta, body };
        if room {
            send_notify(message, purse, out);
            return Ok(None);
        }
        let ticket = self.insert(Row { generation: 0, deadline, waker: waker.take(), state: State::Posted });
        self.notify_queue.push_back((ticket, message));
        Ok(Some(ticket))
    }

    fn insert(&mut self, mut row: Row<W>) -> Ticket {
        row.generation = self.next_generation;
        self.next_generation = self.next_generation.wrapping_add(1);
        let generation = row.generation;
        Ticket { index: self.rows.insert(row) as u32, generation }
    }

    fn has_room(&self, len: usize, peer: &Settings) -> bool {
        let slot = (self.unanswered.len() as u64) < peer.max_in_flight;
        let fits = len <= SMALL
            || (len as u64 <= peer.max_inline
                && (self.buffered == 0 || self.buffered + len as u64 <= peer.max_buffered));
        slot && fits
    }

    /// Encodes a queued row's request and takes its xid: now its first byte may go out.
    fn send(&mut self, index: u32, now: Millis, out: &mut Outbox) {
        let row = &mut self.rows[index as usize];
        let State::Queued(message) = std::mem::replace(&mut row.state, State::Done(Terminal::Sent)) else {
            return;
        };
        let xid = self.next_xid;
        self.next_xid += 2;
        let timeout = row.deadline.map(|deadline| deadline.saturating_sub(now).max(1));
        let meta = message.meta.encode(timeout);
        let large = if message.body.len() > SMALL { message.body.len() as u64 } else { 0 };
        let frame = Frame::Request { xid, method: message.method, meta: meta.as_deref(), args: &[] };
        let buffer = out.message_with(&frame, message.body);
        row.state = State::Waiting { xid, buffer };
        self.buffered += large;
        self.unanswered.insert(xid, Unanswered { row: Some(index), large });
    }

    /// Sends what waited, as far as there is room now: of the two queues' fronts the older first, so
    /// that neither starves the other of slots.
    pub(crate) fn pump(&mut self, peer: &Settings, now: Millis, out: &mut Outbox) {
        while let Some(ticket) = self.next_queued(peer) {
            self.send(ticket.index, now, out);
        }
    }

    fn next_queued(&mut self, peer: &Settings) -> Option<Ticket> {
        let small = live_front(&mut self.small_queue, &self.rows);
        let large = live_front(&mut self.large_queue, &self.rows);
        let [small, large] = [small, large].map(|front| front.filter(|&(_, len)| self.has_room(len, peer)));
        let queue = match (small, large) {
            (Some((small, _)), Some((large, _))) if small.is_older(large) => &mut self.small_queue,
            (_, Some(_)) => &mut self.large_queue,
            (Some(_), None) => &mut self.small_queue,
            (None, None) => return None,
        };
        queue.pop_front()
    }

    /// Sends the notifies that waited, as far as there is credit now. Returns whom to wake.
    pub(crate) fn pump_notifies(&mut self, peer: &Settings, purse: &mut Purse, out: &mut Outbox) -> Vec<W> {
        let mut wakers = Vec::new();
        while let Some((ticket, message)) =
            self.notify_queue.pop_front_if(|(_, message)| may_notify(message.body.len(), peer, purse))
        {
            send_notify(message, purse, out);
            // Whoever sent it may have gone: it has nothing to wait for.
            wakers.extend(self.end_posted(ticket, Terminal::Sent));
        }
        wakers
    }

    fn end_posted(&mut self, ticket: Ticket, terminal: Terminal) -> Option<W> {
        let row = self.get_mut(ticket)?;
        row.state = State::Done(terminal);
        row.waker.take()
    }

    /// Refuses what waits and will never fit; for when the peer's limits become known.
    pub(crate) fn refuse_too_large(&mut self, limit: u64) -> Vec<W> {
        let mut wakers = Vec::new();
        for (_, row) in &mut self.rows {
            if let State::Queued(message) = &row.state
                && let Some(fault) = too_large(message.body.len(), limit)
            {
                row.state = State::Done(Terminal::Fault(fault));
                wakers.extend(row.waker.take());
            }
        }
        for (ticket, message) in std::mem::take(&mut self.notify_queue) {
            match too_large(message.body.len(), limit) {
                Some(fault) => wakers.extend(self.end_posted(ticket, Terminal::Fault(fault))),
                None => self.notify_queue.push_back((ticket, message)),
            }
        }
        wakers
    }

    pub(crate) fn has_queued(&self) -> bool {
        !self.small_queue.is_empty() || !self.large_queue.is_empty()
    }

    /// The answer to `xid` came. `fill` puts a value into the row's own buffer. Returns whom to wake.
    pub(crate) fn answered(&mut self, xid: Xid, fill: impl FnOnce(Vec<u8>) -> Terminal) -> Option<W> {
        let Some(unanswered) = self.unanswered.remove(&xid) else {
            self.stray_replies += 1;
            return None;
        };
        self.buffered -= unanswered.large;
        let Some(index) = unanswered.row else {
            self.stray_replies += 1;
            return None;
        };
        let row = &mut self.rows[index as usize];
        let State::Waiting { buffer, .. } = std::mem::replace(&mut row.state, State::Done(Terminal::Sent))
        else {
            return None;
        };
        row.state = State::Done(fill(buffer));
        row.waker.take()
    }

    /// Ends a row before its answer: the caller is told `terminal`, the peer is told CANCEL.
    fn give_up(
        &mut self,
        index: u32,
        terminal: impl FnOnce(bool) -> Terminal,
        out: &mut Outbox,
    ) -> Option<W> {
        let row = &mut self.rows[index as usize];
        let sent = match row.state {
            State::Waiting { xid, .. } => {
                leave_tombstone(&mut self.unanswered, xid, out);
                true
            }
            State::Queued(_) => false,
            State::Posted => {
                let generation = row.generation;
                self.notify_queue.retain(|(ticket, _)| *ticket != Ticket { index, generation });
                false
            }
            State::Done(_) => return None,
        };
        let row = &mut self.rows[index as usize];
        row.state = State::Done(terminal(sent));
        row.waker.take()
    }

    /// Takes the row's end, if it has come; the row is gone then.
    pub(crate) fn take_done(&mut self, ticket: Ticket) -> Option<Terminal> {
        let row = self.get_mut(ticket)?;
        if !matches!(row.state, State::Done(_)) {
            return None;
        }
        match self.rows.remove(ticket.index as usize).state {
            State::Done(terminal) => Some(terminal),
            _ => None,
        }
    }

    /// Whom to wake when the row ends. Returns the one before.
    pub(crate) fn set_waker(&mut self, ticket: Ticket, waker: W) -> Option<W> {
        self.get_mut(ticket)?.waker.replace(waker)
    }

    pub(crate) fn waker(&self, ticket: Ticket) -> Option<&W> {
        self.rows.get(ticket.index as usize).filter(|row| row.generation == ticket.generation)?.waker.as_ref()
    }

    fn get_mut(&mut self, ticket: Ticket) -> Option<&mut Row<W>> {
        self.rows.get_mut(ticket.index as usize).filter(|row| row.generation == ticket.generation)
    }

    /// The caller is gone. A request that was not sent is never sent; one that was is cancelled; a
    /// notify goes its way. Returns what must be dropped outside the lock.
    pub(crate) fn abandon(&mut self, ticket: Ticket, out: &mut Outbox) -> Option<W> {
        self.get_mut(ticket)?;
        let row = self.rows.remove(ticket.index as usize);
        if let State::Waiting { xid, .. } = row.state {
            leave_tombstone(&mut self.unanswered, xid, out);
        }
        row.waker
    }

    /// Times out what is due. Returns whom to wake, and the next deadline.
    pub(crate) fn expire(&mut self, now: Millis, out: &mut Outbox) -> (Vec<W>, Option<Millis>) {
        let mut next: Option<Millis> = None;
        let mut due = Vec::new();
        for (index, row) in &self.rows {
            match row.deadline {
                Some(_) if matches!(row.state, State::Done(_)) => {}
                Some(deadline) if deadline <= now => due.push(index as u32),
                Some(deadline) => next = Some(next.map_or(deadline, |next| next.min(deadline))),
                None => {}
            }
        }
        let wakers =
            due.into_iter().filter_map(|index| self.give_up(index, |sent| Terminal::TimedOut { sent }, out));
        (wakers.collect(), next)
    }

    /// The peer will not run anything above `last`.
    pub(crate) fn refuse_above(&mut self, last: Xid, fault: &Fault) -> Vec<W> {
        let above: Vec<Xid> = self.unanswered.keys().copied().filter(|&xid| xid > last).collect();
        above.into_iter().filter_map(|xid| self.answered(xid, |_| Terminal::Fault(fault.clone()))).collect()
    }

    /// Refuses everything that still waits for room.
    pub(crate) fn refuse_queued(&mut self, fault: &Fault) -> Vec<W> {
        let queues = [&mut self.small_queue, &mut self.large_queue];
        let queued: Vec<Ticket> = queues.into_iter().flat_map(|queue| queue.drain(..)).collect();
        let mut wakers = Vec::new();
        for (ticket, _) in std::mem::take(&mut self.notify_queue) {
            wakers.extend(self.end_posted(ticket, Terminal::Fault(fault.clone())));
        }
        for ticket in queued {
            if let Some(row) = self.get_mut(ticket)
                && matches!(row.state, State::Queued(_))
            {
                row.state = State::Done(Terminal::Fault(fault.clone()));
                wakers.extend(row.waker.take());
            }
        }
        wakers
    }

    /// All that was taken so far has left the outbox.
    pub(crate) fn left_outbox(&mut self) {
        self.last_sent = self.next_xid.saturating_sub(2);
    }

    /// Ends every row, and forgets what the peer owed.
    pub(crate) fn close(&mut self) -> Vec<W> {
        self.unanswered.clear();
        self.small_queue.clear();
        self.large_queue.clear();
        self.notify_queue.clear();
        self.buffered = 0;
        let mut wakers = Vec::new();
        for (_, row) in &mut self.rows {
            let sent = match row.state {
                State::Waiting { xid, .. } => xid <= self.last_sent,
                State::Queued(_) | State::Posted => false,
                State::Done(_) => continue,
            };
            row.state = State::Done(Terminal::Closed { sent });
            wakers.extend(row.waker.take());
        }
        wakers
    }

    /// Requests the peer has not answered, tombstones among them.
    pub(crate) fn unanswered(&self) -> usize {
        self.unanswered.len()
    }

    #[cfg(test)]
    pub(crate) fn rows(&self) -> usize {
        self.rows.len()
    }
}

/// The fault of a body that the peer will not take.
pub(crate) fn too_large(len: usize, limit: u64) -> Option<Fault> {
    let exceeds = len as u64 > limit;
    exceeds.then(|| {
        Fault::new(FaultCode::TooLarge, format!("request of {len} bytes exceeds the peer's limit of {limit}"))
    })
}

fn may_notify(len: usize, peer: &Settings, purse: &Purse) -> bool {
    purse.may_start() && (len <= SMALL || len as u64 <= peer.max_inline)
}

fn send_notify(message: Message, purse: &mut Purse, out: &mut Outbox) {
    let meta = message.meta.encode(None);
    purse.spend(credit::notify_cost(meta.as_deref(), message.body.len()));
    let frame = Frame::Notify { method: message.method, meta: meta.as_deref(), args: &[] };
    out.message_with(&frame, message.body);
}

fn leave_tombstone(unanswered: &mut XidMap<Unanswered>, xid: Xid, out: &mut Outbox) {
    if let Some(entry) = unanswered.get_mut(&xid) {
        entry.row = None;
        out.message(&Frame::Cancel { xid });
    }
}

/// The first of a queue that still waits, and the length of its body.
fn live_front<W>(queue: &mut VecDeque<Ticket>, rows: &Slab<Row<W>>) -> Option<(Ticket, usize)> {
    while let Some(&ticket) = queue.front() {
        if let Some(len) = queued_len(rows, ticket) {
            return Some((ticket, len));
        }
        queue.pop_front();
    }
    None
}

fn queued_len<W>(rows: &Slab<Row<W>>, ticket: Ticket) -> Option<usize> {
    let row = rows.get(ticket.index as usize).filter(|row| row.generation == ticket.generation)?;
    match &row.state {
        State::Queued(message) => Some(message.body.len()),
        _ => None,
    }
}

/// Callers that gave up leave their tickets behind; they are swept out when they outnumber the rest.
fn enqueue<W>(queue: &mut VecDeque<Ticket>, rows: &Slab<Row<W>>, ticket: Ticket) {
    if queue.len() > 64 && queue.len() > 2 * rows.len() {
        queue.retain(|&ticket| queued_len(rows, ticket).is_some());
    }
    queue.push_back(ticket);
}
