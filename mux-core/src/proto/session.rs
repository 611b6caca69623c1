//! The state machine of one connection, and the only door to its tables. Every method may append
//! frames to the outbox; none of them waits, wakes, or runs code of a user.

use super::Millis;
use super::after::After;
use super::calls::{Calls, Exit, Message, Request, Terminal, Ticket, Value};
use super::carried::{self, Arrived, Leaving};
use super::channels::{Channels, Items, NotSent, Taken, item_cost};
use super::chunks::{self, Chunked, Chunks, Class, Intake};
use super::credit::{self, Granter, Purse};
use super::fault::{Fault, FaultCode, GoawayCode};
use super::frame::{BadFrame, ChunkHead, ENVELOPE, Frame, MethodPath};
use super::hello::{Hello, SMALL, Settings, VERSION};
use super::meta::MetaFacts;
use super::payload::Payload;
use super::rare::Rare;
use super::serving::{Misuse, Serving, Stopped};
use super::xid::{Counter, Side, Xid};
use crate::outbox::{Departed, Outbox};
use bytes::Bytes;
use std::collections::VecDeque;

/// The longest time a peer's timeout is taken for: a year. A longer one means the same.
const MAX_TIMEOUT: Millis = 365 * 24 * 60 * 60 * 1000;

/// What a fault's message may take of the envelope, in bytes; the rest is cut off.
const MAX_FAULT_MESSAGE: usize = 8 << 10;

/// Channels opened to a peer at once, where it takes so many and this end takes no more itself.
pub(crate) const MOST_OPEN: u64 = 1024;

/// What a carried channel takes of the envelope: an array, an id, a half. In bytes.
const CARRIED_LEN: usize = 1 + 9 + 1;

/// Channels that one message may carry, so that its envelope holds their list.
const MOST_CARRIED: u64 = (ENVELOPE / 2 / CARRIED_LEN) as u64;

/// `W` wakes a caller or a receiver, `H` stops a handler and by default stops nothing, `P` is the port of a
/// channel's half that is here.
#[derive(Debug)]
pub(crate) struct Session<W, H, P> {
    side: Side,
    ours: Settings,
    /// The floors, until the peer's HELLO has come.
    peer: Settings,
    greeted: bool,
    phase: Phase,
    /// The peer takes no more requests: what a new call is refused with.
    peer_refuses: Option<Fault>,
    /// No answer opens a channel any more: the peer could not end it, or a drain has ended them all.
    channels_over: bool,
    ids: Counter,
    calls: Calls<W, P>,
    serving: Serving<H>,
    channels: Channels<W, P>,
    chunks: Chunks,
    /// Answers that carry more channels than the peer takes now.
    crowded: VecDeque<(Xid, Answer, Rare<Leaving<P>>)>,
    purse: Purse,
    granter: Granter,
    /// To be done once the lock is free.
    pub(crate) after: After<W, P>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    Draining,
    Closed,
}

/// What the driver has to do for a frame.
#[derive(Debug)]
pub(crate) enum Action<'a, W, H> {
    None,
    /// A call has its answer.
    Answered(W),
    /// A half of a channel has something new.
    Wake(W),
    WakeAll(Vec<W>),
    Serve {
        xid: Xid,
        deadline: Option<Millis>,
        inquiry: Inquiry<'a>,
        carried: Rare<Arrived>,
    },
    ServeNotify {
        cost: u64,
        inquiry: Inquiry<'a>,
        carried: Rare<Arrived>,
    },
    Stop(H),
    /// The peer has closed: nothing more comes or is read. The callers it never ran are to be woken.
    Close {
        message: String,
        refused: Vec<W>,
    },
}

/// Whether a message came by itself, or in chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Arrival {
    /// What it counts as a large one; zero for a frame of its own.
    charge: u64,
    /// Length of its body, of which not all may be there.
    len: u64,
}

/// What a handler is found by and works on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inquiry<'a> {
    pub(crate) method: MethodPath<'a>,
    pub(crate) meta: Option<&'a [u8]>,
    pub(crate) args: &'a [u8],
}

/// The peer broke the protocol; the connection ends with a GOAWAY that says so.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Breach {
    pub(crate) code: GoawayCode,
    pub(crate) message: String,
}

/// What a handler came to.
#[derive(Debug)]
pub(crate) enum Answer {
    Value(Payload),
    Fault(Box<Fault>),
}

impl Answer {
    pub(crate) fn fault(fault: Fault) -> Answer {
        Answer::Fault(Box::new(fault))
    }

    fn len(&self) -> usize {
        match self {
            Answer::Value(value) => value.len(),
            Answer::Fault(fault) => fault.detail.len(),
        }
    }

    fn take(&mut self) -> Answer {
        std::mem::replace(self, Answer::Value(Payload::default()))
    }
}

impl<W, H: Default, P: Clone> Session<W, H, P> {
    /// Queues our HELLO; requests may follow it at once, within the floors.
    pub(crate) fn new(side: Side, ours: Settings, out: &mut Outbox) -> Session<W, H, P> {
        // Before whatever else is queued, a ping included. Nothing is owed yet that could be too much.
        let _ = out.control(&Frame::Hello(Hello { version: VERSION, side, settings: ours.clone() }));
        Session {
            side,
            peer: Settings::FLOOR,
            greeted: false,
            phase: Phase::Open,
            peer_refuses: None,
            channels_over: false,
            ids: Counter::new(side),
            calls: Calls::new(),
            serving: Serving::new(),
            channels: Channels::new(side),
            chunks: Chunks::default(),
            crowded: VecDeque::new(),
            purse: Purse::new(Settings::FLOOR.window),
            granter: Granter::new(ours.window),
            after: After::default(),
            ours,
        }
    }

    /// Apart, so that the tables of calls may send through the others.
    #[inline]
    fn parts<'s>(&'s mut self, out: &'s mut Outbox) -> (&'s mut Calls<W, P>, &'s mut Purse, Exit<'s, W, P>) {
        let Session { ours, peer, greeted, ids, calls, channels, purse, after, .. } = self;
        (calls, purse, Exit { ours, peer, greeted: *greeted, ids, channels, out, after })
    }

    // Asking.

    /// Makes a transaction: sent now, or as soon as there is room.
    #[inline]
    pub(crate) fn open(
        &mut self,
        request: Request<'_, W, P>,
        now: Millis,
        out: &mut Outbox,
    ) -> Result<Ticket, Terminal> {
        self.admit(&request, now)?;
        let (calls, _, mut exit) = self.parts(out);
        calls.open(request, now, &mut exit).map_err(Terminal::fault)
    }

    /// Sends a notify: now (`None`), or as soon as there is credit.
    pub(crate) fn notify(
        &mut self,
        request: Request<'_, W, P>,
        now: Millis,
        out: &mut Outbox,
    ) -> Result<Option<Ticket>, Terminal> {
        self.admit(&request, now)?;
        let (calls, purse, mut exit) = self.parts(out);
        calls.notify(request, purse, &mut exit).map_err(Terminal::fault)
    }

    #[inline]
    fn admit(&self, request: &Request<'_, W, P>, now: Millis) -> Result<(), Terminal> {
        let Request { message, deadline, nested, .. } = request;
        if self.phase == Phase::Closed {
            return Err(Terminal::Closed { sent: false });
        }
        if deadline.is_some_and(|deadline| deadline <= now) {
            return Err(Terminal::TimedOut { sent: false });
        }
        // A handler that still runs may finish with its peer's help.
        if self.phase == Phase::Draining && !nested {
            return Err(Terminal::fault(draining()));
        }
        if let Some(fault) = &self.peer_refuses {
            return Err(refused_by_peer(fault));
        }
        self.misfit(message).map_or(Ok(()), |fault| Err(Terminal::fault(fault)))
    }

    #[inline]
    fn misfit(&self, message: &Message<P>) -> Option<Fault> {
        let beside = message.method.len() + message.meta.len() + CARRIED_LEN * message.carried.len();
        if beside > ENVELOPE / 2 {
            return Some(meta_too_large(beside));
        }
        // Before the HELLO nobody knows the peer's limits: the call waits for them.
        if self.greeted { unfit(&message.body, &message.carried, &self.peer) } else { None }
    }

    /// Calls that the peer has not answered.
    pub(crate) fn unanswered(&self) -> usize {
        self.calls.unanswered()
    }

    #[inline]
    pub(crate) fn take_done(&mut self, ticket: Ticket) -> Option<(Terminal, Rare<Arrived>)> {
        self.calls.take_done(ticket)
    }

    #[inline]
    pub(crate) fn waker(&self, ticket: Ticket) -> Option<&W> {
        self.calls.waker(ticket)
    }

    pub(crate) fn set_waker(&mut self, ticket: Ticket, waker: W) -> Option<W> {
        self.calls.set_waker(ticket, waker)
    }

    /// The caller is gone. Returns its waker and its untaken end, to be dropped outside the lock.
    pub(crate) fn abandon(
        &mut self,
        ticket: Ticket,
        now: Millis,
        out: &mut Outbox,
    ) -> (Option<W>, Option<Terminal>) {
        let (calls, _, mut exit) = self.parts(out);
        let (waker, terminal, untaken) = calls.abandon(ticket, &mut exit);
        self.channels.discard(untaken, out, &mut self.after);
        self.pump(now, out);
        (waker, terminal)
    }

    /// Sends what waits, where an answer, a caller that gave up or a channel that ended made room. Afterwards a queue that
    /// is not empty begins with a live call that has no room.
    #[inline]
    fn pump(&mut self, now: Millis, out: &mut Outbox) {
        if self.calls.waits() || !self.crowded.is_empty() {
            self.pump_all(now, out);
        }
    }

    fn pump_all(&mut self, now: Millis, out: &mut Outbox) {
        if self.calls.has_queued() {
            let (calls, _, mut exit) = self.parts(out);
            calls.pump(now, &mut exit);
        }
        self.pump_notifies(out);
        self.pump_answers(out);
    }

    fn pump_notifies(&mut self, out: &mut Outbox) {
        if self.calls.has_queued_notifies() {
            let (calls, purse, mut exit) = self.parts(out);
            let wakers = calls.pump_notifies(purse, &mut exit);
            self.after.wakers.extend(wakers);
        }
    }

    // Frames.

    /// Decides what a frame means. An `Err` ends the connection. `owner` is given where the frame has
    /// a buffer of its own: a value is kept in there instead of being copied.
    #[inline]
    pub(crate) fn on_frame<'a>(
        &mut self,
        frame: &Frame<'a>,
        owner: Option<&Bytes>,
        now: Millis,
        out: &mut Outbox,
    ) -> Result<Action<'a, W, H>, Breach> {
        if self.phase == Phase::Closed {
            return Ok(Action::None);
        }
        if !self.greeted && !matches!(frame, Frame::Hello(_) | Frame::Goaway { .. }) {
            return Err(breach("the first frame is not a hello"));
        }
        let arrival = Arrival { charge: 0, len: frame.body().len() as u64 };
        match *frame {
            Frame::Request { xid, method, meta, args } => {
                self.on_request(xid, Inquiry { method, meta, args }, arrival, now, out)
            }
            Frame::Reply { xid, meta, value } => {
                self.on_reply(xid, meta, (value, arrival.len), owner, now, out)
            }
            _ => self.decide(frame, arrival, owner, now, out),
        }
    }

    fn decide<'a>(
        &mut self,
        frame: &Frame<'a>,
        arrival: Arrival,
        owner: Option<&Bytes>,
        now: Millis,
        out: &mut Outbox,
    ) -> Result<Action<'a, W, H>, Breach> {
        match *frame {
            Frame::Hello(ref hello) => self.on_hello(hello, now, out),
            Frame::Request { xid, method, meta, args } => {
                self.on_request(xid, Inquiry { method, meta, args }, arrival, now, out)
            }
            Frame::Reply { xid, meta, value } => {
                self.on_reply(xid, meta, (value, arrival.len), owner, now, out)
            }
            Frame::Fault { xid, meta, code, message, detail } => {
                self.on_answer(xid, meta, now, out, |limit, _| {
                    if arrival.len > limit {
                        return Terminal::fault(reply_too_large(arrival.len, limit));
                    }
                    let (message, detail) = (clip(message).to_owned(), detail.to_vec());
                    Terminal::fault(Fault { code, message, detail })
                })
            }
            Frame::Cancel { xid } => {
                let action = self.on_cancel(xid, out);
                // Channels of an answer that does not go leave room for others.
                self.pump(now, out);
                Ok(action)
            }
            Frame::Notify { method, meta, args } => {
                self.on_notify(Inquiry { method, meta, args }, arrival, out)
            }
            Frame::Item { channel, carried, count, values } => {
                let values =
                    || owner.map_or_else(|| Bytes::copy_from_slice(values), |it| it.slice_ref(values));
                self.on_item(channel, carried, count, arrival, values, out)
            }
            Frame::End { channel, ref why } => {
                let why = why.as_ref().map(|end| Fault {
                    code: end.code,
                    message: clip(end.message).to_owned(),
                    detail: end.detail.to_vec(),
                });
                let woken = wake(self.channels.on_end(channel, why, out, &mut self.after))?;
                self.pump(now, out);
                Ok(woken)
            }
            Frame::Stop { channel } => {
                let stopped = self.channels.on_stop(channel, &self.ids, out, &mut self.after);
                stopped.map_err(breach)?;
                self.pump(now, out);
                Ok(Action::None)
            }
            Frame::Credit { channel: credit::NOTIFIES, total } => {
                self.purse.allow(total);
                self.pump_notifies(out);
                Ok(Action::None)
            }
            Frame::Credit { channel, total } => {
                let credited = self.channels.on_credit(channel, total, &self.ids, &mut self.after);
                credited.map(|()| Action::None).map_err(breach)
            }
            Frame::Chunk { .. } => Err(breach("a chunk within a chunk")),
            Frame::Ping { nonce } => self.on_ping(nonce, out),
            Frame::Pong { .. } | Frame::Skipped { .. } => Ok(Action::None),
            Frame::Goaway { last, code, message } => Ok(self.on_goaway(last, code, message, out)),
        }
    }

    fn on_hello(
        &mut self,
        hello: &Hello,
        now: Millis,
        out: &mut Outbox,
    ) -> Result<Action<'static, W, H>, Breach> {
        if self.greeted {
            return Err(breach("a second hello"));
        }
        if hello.version != VERSION {
            let message = format!("version {} is not spoken here, only {VERSION}", hello.version);
            return Err(Breach { code: GoawayCode::Version, message });
        }
        if hello.side == self.side {
            return Err(breach(format!(
                "both ends claim to be the {} one: one has to open, the other to accept",
                side_name(self.side)
            )));
        }
        self.greeted = true;
        self.peer = hello.settings.clone();
        // A stream runs on after its reply, and so beyond what its call may take: whatever the peer allows,
        // no more of them are begun for it.
        self.peer.max_channels = self.peer.max_channels.min(self.ours.max_channels.max(MOST_OPEN));
        out.greet(&self.peer);
        self.purse.allow(self.peer.window);
        let peer = &self.peer;
        self.calls.refuse_unfit(|body, carried| unfit(body, carried, peer), &mut self.after);
        self.pump(now, out);
        Ok(Action::None)
    }

    #[inline]
    fn on_request<'a>(
        &mut self,
        xid: Xid,
        inquiry: Inquiry<'a>,
        arrival: Arrival,
        now: Millis,
        out: &mut Outbox,
    ) -> Result<Action<'a, W, H>, Breach> {
        if !self.side.other().owns(xid) || self.channels.contains(xid) {
            return Err(breach(format!(
                "xid {xid} is not one that the {} side gives out",
                side_name(self.side.other())
            )));
        }
        let facts = inquiry.facts()?;
        let deadline = facts.timeout_ms.map(|timeout| now + timeout.min(MAX_TIMEOUT));
        self.serving
            .accept(xid, deadline, arrival.charge, &self.ours)
            .map_err(|misuse| self.misuse(xid, &misuse))?;
        self.arrive(&facts.carried, out)?;
        if let Some(fault) = self.refusal(arrival) {
            self.channels.discard(facts.carried, out, &mut self.after);
            self.finish(xid, Answer::fault(fault), Rare::new(), out);
            return Ok(Action::None);
        }
        Ok(Action::Serve { xid, deadline, inquiry, carried: facts.carried })
    }

    /// Opens the channels that a message carries.
    #[inline]
    fn arrive(&mut self, carried: &[Arrived], out: &Outbox) -> Result<(), Breach> {
        if carried.is_empty() {
            return Ok(());
        }
        let Session { serving, channels, ours, peer, .. } = self;
        let is_taken = |id| serving.is_live(id) || out.holds(id);
        channels.arrive(carried, (ours, peer), is_taken).map_err(breach)
    }

    fn misuse(&self, xid: Xid, misuse: &Misuse) -> Breach {
        match misuse {
            Misuse::Duplicate => breach(format!("a second live request with xid {xid}")),
            Misuse::TooMany => breach(format!("more than {} requests in flight", self.ours.max_in_flight)),
        }
    }

    /// Why a well-formed request is not run.
    #[inline]
    fn refusal(&self, arrival: Arrival) -> Option<Fault> {
        if self.phase == Phase::Draining {
            return Some(draining());
        }
        let Arrival { charge, len } = arrival;
        if charge == 0 && len > self.ours.max_inline {
            return Some(frame_too_large(len, self.ours.max_inline));
        }
        too_large(len, self.ours.max_message)
    }

    #[inline]
    fn on_reply(
        &mut self,
        xid: Xid,
        meta: Option<&[u8]>,
        (value, len): (&[u8], u64),
        owner: Option<&Bytes>,
        now: Millis,
        out: &mut Outbox,
    ) -> Result<Action<'static, W, H>, Breach> {
        self.on_answer(xid, meta, now, out, |limit, mut buffer| {
            if len > limit {
                return Terminal::fault(reply_too_large(len, limit));
            }
            Terminal::Reply(match owner {
                Some(owner) => Value::Shared(owner.slice_ref(value)),
                None => {
                    buffer.extend_from_slice(value);
                    Value::Copied(buffer)
                }
            })
        })
    }

    #[inline]
    fn on_answer(
        &mut self,
        xid: Xid,
        meta: Option<&[u8]>,
        now: Millis,
        out: &mut Outbox,
        fill: impl FnOnce(u64, Vec<u8>) -> Terminal,
    ) -> Result<Action<'static, W, H>, Breach> {
        let carried = match meta {
            None => Rare::new(),
            Some(meta) => MetaFacts::read(meta)?.carried,
        };
        self.arrive(&carried, out)?;
        let limit = self.ours.max_message;
        let (calls, _, mut exit) = self.parts(out);
        let answered = calls.answered(xid, carried, &mut exit, |buffer| fill(limit, buffer));
        let waker = match answered {
            Ok(waker) => waker,
            Err(untaken) => {
                self.channels.discard(untaken, out, &mut self.after);
                None
            }
        };
        self.pump(now, out);
        Ok(waker.map_or(Action::None, Action::Answered))
    }

    fn on_cancel(&mut self, xid: Xid, out: &mut Outbox) -> Action<'static, W, H> {
        if let Some(large) = out.abandon_terminal(xid) {
            self.after.segments.extend(large.segments);
            large.introduces.iter().for_each(|&id| self.channels.recall(id, &mut self.after));
            let fault = Fault::new(FaultCode::Cancelled, "the call was cancelled");
            self.send_answer(xid, Answer::fault(fault), Rare::new(), out);
            return Action::None;
        }
        if self.serving.is_live(xid)
            && let Some(at) = self.crowded.iter().position(|(crowded, ..)| *crowded == xid)
            && let Some((_, answer, carried)) = self.crowded.remove(at)
        {
            self.discard_answer(answer, carried);
            let fault = Fault::new(FaultCode::Cancelled, "the call was cancelled");
            self.finish(xid, Answer::fault(fault), Rare::new(), out);
            return Action::None;
        }
        self.serving.cancel(xid).map_or(Action::None, Action::Stop)
    }

    fn on_notify<'a>(
        &mut self,
        inquiry: Inquiry<'a>,
        arrival: Arrival,
        out: &mut Outbox,
    ) -> Result<Action<'a, W, H>, Breach> {
        // No more is kept of one that is too long, whatever length it claims.
        let len = arrival.len.min(self.ours.max_message);
        let cost = credit::notify_cost(inquiry.meta, len as usize);
        if !self.granter.arrive(cost) {
            return Err(breach("a notify without credit"));
        }
        let facts = inquiry.facts()?;
        self.arrive(&facts.carried, out)?;
        if self.refusal(arrival).is_none() {
            return Ok(Action::ServeNotify { cost, inquiry, carried: facts.carried });
        }
        self.channels.discard(facts.carried, out, &mut self.after);
        if self.finish_notify(cost, out) { Ok(Action::None) } else { Err(Breach::unread_credit()) }
    }

    fn on_item(
        &mut self,
        channel: Xid,
        carried: Option<&[u8]>,
        count: u32,
        arrival: Arrival,
        values: impl FnOnce() -> Bytes,
        out: &mut Outbox,
    ) -> Result<Action<'static, W, H>, Breach> {
        // Small values decode to a multiple of their length, all of a frame at once.
        if count > 1 && arrival.len > SMALL as u64 {
            return Err(breach(format!("{count} items of {} bytes in one message", arrival.len)));
        }
        let carried = carried::read(carried)?;
        self.arrive(&carried, out)?;
        if let Some(fault) = item_too_large(arrival.len, self.ours.max_message) {
            self.channels.refuse_items(channel, fault).map_err(breach)?;
            self.channels.discard(carried, out, &mut self.after);
            return Ok(Action::None);
        }
        let items = Items { values: values(), count, carried };
        wake(self.channels.on_items(channel, items, &self.ours, out, &mut self.after))
    }

    // Chunks.

    /// A chunk begins, or gives its message up. What is to become of its data?
    pub(crate) fn chunk_begins(&mut self, head: &ChunkHead) -> Result<Intake, Breach> {
        if self.phase == Phase::Closed {
            return Ok(Intake::Skip);
        }
        let ChunkHead { id, remaining, len } = *head;
        if !self.greeted {
            return Err(breach("the first frame is not a hello"));
        }
        match remaining {
            None if self.chunks.forget(id) => Ok(Intake::Skip),
            None => Err(breach(format!("message {id} is given up, and was never begun"))),
            Some(remaining) if self.chunks.is_open(id) => {
                self.chunks.resume(id, len, remaining).map_err(breach)
            }
            Some(remaining) => {
                let class = self.class(id)?;
                let buffered = self.serving.buffered();
                self.chunks.open(id, class, (len, remaining), buffered, &self.ours).map_err(breach)
            }
        }
    }

    /// What a message that begins under this id can only be.
    fn class(&self, id: Xid) -> Result<Class, Breach> {
        if self.channels.is_receiving(id) || self.calls.is_unanswered(id) {
            Ok(Class::Answer)
        } else if self.side.other().owns(id) {
            Ok(Class::Question)
        } else {
            Err(breach(format!("a chunk of message {id}, which nobody asked for")))
        }
    }

    /// The data of a chunk is there, or was dropped.
    pub(crate) fn chunk_ends(&mut self, id: Xid, buffer: Option<Vec<u8>>) -> Chunked {
        self.chunks.end(id, buffer)
    }

    /// Some messages are not whole.
    pub(crate) fn expects_chunks(&self) -> bool {
        !self.chunks.is_empty()
    }

    /// Decides what a message means that came in chunks. `owner` is its buffer.
    pub(crate) fn on_whole<'a>(
        &mut self,
        id: Xid,
        frame: &Frame<'a>,
        owner: &Bytes,
        now: Millis,
        out: &mut Outbox,
    ) -> Result<Action<'a, W, H>, Breach> {
        let arrival = Arrival { charge: chunks::charge(owner.len() as u64), len: frame.body().len() as u64 };
        self.on_chunked(id, frame, arrival, owner, now, out)
    }

    /// Refuses a message of `total` bytes that exceeds the limit. `start` is what has come of it.
    pub(crate) fn on_oversize(
        &mut self,
        id: Xid,
        (start, total): (&Bytes, u64),
        now: Millis,
        out: &mut Outbox,
    ) -> Result<Action<'static, W, H>, Breach> {
        let frame = Frame::decode(start).map_err(|bad| {
            breach(format!("a message of {total} bytes whose first chunk has no head: {bad}"))
        })?;
        let head = start.len() - frame.body().len();
        let arrival = Arrival { charge: chunks::charge(0), len: total - head as u64 };
        match self.on_chunked(id, &frame, arrival, start, now, out)? {
            Action::Answered(waker) => Ok(Action::Answered(waker)),
            Action::Wake(waker) => Ok(Action::Wake(waker)),
            _ => Ok(Action::None),
        }
    }

    fn on_chunked<'a>(
        &mut self,
        id: Xid,
        frame: &Frame<'a>,
        arrival: Arrival,
        owner: &Bytes,
        now: Millis,
        out: &mut Outbox,
    ) -> Result<Action<'a, W, H>, Breach> {
        if self.phase == Phase::Closed {
            return Ok(Action::None);
        }
        let is_its_own = match *frame {
            Frame::Request { xid, .. } | Frame::Reply { xid, .. } | Frame::Fault { xid, .. } => xid == id,
            Frame::Item { channel, .. } => channel == id,
            Frame::Notify { .. } => self.side.other().owns(id),
            _ => false,
        };
        if !is_its_own {
            return Err(breach(format!("the chunks of {id} are not a message of that id")));
        }
        self.decide(frame, arrival, Some(owner), now, out)
    }

    fn on_ping(&mut self, nonce: u64, out: &mut Outbox) -> Result<Action<'static, W, H>, Breach> {
        if out.control(&Frame::Pong { nonce }) {
            Ok(Action::None)
        } else {
            Err(breach("pings whose answers are not read"))
        }
    }

    fn on_goaway(
        &mut self,
        last: Xid,
        code: GoawayCode,
        message: &str,
        out: &mut Outbox,
    ) -> Action<'static, W, H> {
        let message = clip(message);
        let (calls, _, mut exit) = self.parts(out);
        if code != GoawayCode::Draining {
            let why = format!("the other end closed the connection before the call ran: {message}");
            let refused = calls.refuse_above(last, &Fault::new(FaultCode::Draining, why), &mut exit);
            return Action::Close { message: message.to_owned(), refused };
        }
        let fault = Fault::new(FaultCode::Draining, "the peer drains the connection");
        let wakers = calls.refuse_above(last, &fault, &mut exit);
        calls.refuse_queued(&fault, exit.after);
        self.peer_refuses = Some(fault);
        Action::WakeAll(wakers)
    }

    // Answering.

    /// A request's handler waits for a thread: until [`start`](Session::start) it certainly has not run.
    pub(crate) fn park(&mut self, xid: Xid) {
        self.serving.park(xid);
    }

    /// A parked handler begins; `false` when it is not wanted any more.
    pub(crate) fn start(&mut self, xid: Xid) -> bool {
        self.serving.start(xid)
    }

    /// Keeps what stops a handler, or gives it back when the handler must stop at once. `merge` is
    /// given what was kept before.
    pub(crate) fn attach(&mut self, xid: Xid, merge: impl FnOnce(H) -> H) -> Option<H> {
        if self.phase == Phase::Closed { Some(merge(H::default())) } else { self.serving.attach(xid, merge) }
    }

    pub(crate) fn is_serving(&self, xid: Xid) -> bool {
        self.serving.is_live(xid)
    }

    /// The request's asker, its time or the connection gave it up before it was answered.
    pub(crate) fn is_stopped(&self, xid: Xid) -> bool {
        self.phase == Phase::Closed || self.serving.stopped(xid).is_some()
    }

    /// The request's one answer: what goes, or waits, is taken out of it. The rest is to be dropped outside
    /// the lock.
    #[inline]
    pub(crate) fn answer(
        &mut self,
        xid: Xid,
        answer: &mut Answer,
        carried: Rare<Leaving<P>>,
        out: &mut Outbox,
    ) {
        match answer {
            Answer::Value(value) if carried.is_empty() && !value.is_large() => {
                if self.serving.finish(xid) {
                    out.reply(xid, value.flat());
                }
            }
            _ => self.finish(xid, answer.take(), carried, out),
        }
    }

    /// As [`answer`](Session::answer), of any size and with any channels.
    pub(crate) fn finish(&mut self, xid: Xid, answer: Answer, carried: Rare<Leaving<P>>, out: &mut Outbox) {
        if !self.serving.is_live(xid) {
            return self.discard_answer(answer, carried);
        }
        let (answer, carried) = self.sendable(answer, carried);
        if !self.has_room_for(&carried) {
            self.crowded.push_back((xid, answer, carried));
            return self.drop_unwanted_answers(out);
        }
        self.serving.finish(xid);
        self.send_answer(xid, answer, carried, out);
    }

    fn has_room_for(&self, carried: &[Leaving<P>]) -> bool {
        carried.is_empty() || self.crowded.is_empty() && self.channels.has_room(carried.len(), &self.peer)
    }

    fn send_answer(&mut self, xid: Xid, answer: Answer, mut carried: Rare<Leaving<P>>, out: &mut Outbox) {
        let (_, _, mut exit) = self.parts(out);
        let carried = exit.open(&mut carried);
        let meta =
            if carried.is_empty() { None } else { super::meta::MetaPairs::default().encode(None, &carried) };
        let meta = meta.as_deref();
        let spent = match answer {
            Answer::Value(value) => exit.send(xid, &Frame::Reply { xid, meta, value: &[] }, value, &carried),
            Answer::Fault(fault) => {
                let Fault { code, message, detail } = *fault;
                let detail = if detail.is_empty() { vec![0xc0] } else { detail };
                let frame = Frame::Fault { xid, meta, code, message: clip(&message), detail: &[] };
                exit.send(xid, &frame, detail.into(), &carried)
            }
        };
        drop(spent);
    }

    /// Bytes of answers that are ready and not written.
    #[inline]
    pub(crate) fn unsent(&self, out: &Outbox) -> u64 {
        if self.crowded.is_empty() { out.unsent() } else { out.unsent() + self.crowded_len() }
    }

    #[cold]
    fn crowded_len(&self) -> u64 {
        self.crowded.iter().map(|(_, answer, _)| answer.len() as u64).sum()
    }

    /// Sends the answers that waited until the peer would take the channels they carry.
    fn pump_answers(&mut self, out: &mut Outbox) {
        while let Some((_, _, carried)) = self.crowded.front()
            && self.channels.has_room(carried.len(), &self.peer)
            && let Some((xid, answer, carried)) = self.crowded.pop_front()
        {
            if self.serving.finish(xid) {
                self.send_answer(xid, answer, carried, out);
            } else {
                self.discard_answer(answer, carried);
            }
        }
    }

    /// Of the answers that wait, those are dropped whose askers have gone.
    fn drop_unwanted_answers(&mut self, out: &mut Outbox) {
        for (xid, answer, carried) in std::mem::take(&mut self.crowded) {
            if self.serving.stopped(xid).is_some() {
                self.discard_answer(answer, carried);
                self.finish_unanswered(xid, out);
            } else {
                self.crowded.push_back((xid, answer, carried));
            }
        }
    }

    fn discard_answer(&mut self, answer: Answer, carried: Rare<Leaving<P>>) {
        let body = match answer {
            Answer::Value(value) => value,
            Answer::Fault(_) => Payload::default(),
        };
        self.after.discard(body, carried);
    }

    /// The handler was dropped before it had an answer.
    pub(crate) fn finish_unanswered(&mut self, xid: Xid, out: &mut Outbox) {
        let fault = match self.serving.stopped(xid) {
            Some(Stopped::Cancelled) => Fault::new(FaultCode::Cancelled, "the call was cancelled"),
            Some(Stopped::TimedOut) => Fault::new(FaultCode::TimedOut, "the call ran out of time"),
            None if self.serving.is_parked(xid) => Fault::new(
                FaultCode::Overloaded,
                "the call left its queue before it ran, as no thread would come to it",
            ),
            None => Fault::new(FaultCode::Cancelled, "the handler was dropped before it had an answer"),
        };
        self.finish(xid, Answer::fault(fault), Rare::new(), out);
    }

    /// The answer itself, or the fault that says it exceeds the peer's limits.
    fn sendable(&mut self, answer: Answer, carried: Rare<Leaving<P>>) -> (Answer, Rare<Leaving<P>>) {
        let len = answer.len() as u64;
        let (limit, channels) = (self.peer.max_message, self.peer.max_channels);
        let fault = if len > limit {
            reply_too_large(len, limit)
        } else if self.channels_over && !carried.is_empty() {
            Fault::new(FaultCode::Cancelled, "the connection ends, and takes no more channels")
        } else if carried.len() as u64 > channels.min(MOST_CARRIED) {
            let count = carried.len();
            let message = format!("reply with {count} channels exceeds the asker's limit of {channels}");
            Fault::new(FaultCode::ReplyTooLarge, message)
        } else {
            return (answer, carried);
        };
        self.discard_answer(answer, carried);
        (Answer::fault(fault), Rare::new())
    }

    /// A notify's handler ended: its credit goes back. `false` when the peer reads nothing.
    #[must_use]
    pub(crate) fn finish_notify(&mut self, cost: u64, out: &mut Outbox) -> bool {
        match self.granter.consume(cost) {
            Some(total) if self.phase != Phase::Closed => {
                out.control(&Frame::Credit { channel: credit::NOTIFIES, total })
            }
            _ => true,
        }
    }

    // Time, room and ends.

    /// Times out calls and handlers. Returns what stops the handlers, and the next deadline.
    pub(crate) fn expire(&mut self, now: Millis, out: &mut Outbox) -> (Vec<H>, Option<Millis>) {
        let (calls, _, mut exit) = self.parts(out);
        let call = calls.expire(now, &mut exit);
        self.pump(now, out);
        let (handles, handler) = self.serving.expire(now);
        self.drop_unwanted_answers(out);
        (handles, call.into_iter().chain(handler).min())
    }

    /// The writer took what was queued.
    pub(crate) fn left_outbox(&mut self, departed: Departed, now: Millis, out: &mut Outbox) {
        let Departed { terminals, whole } = departed;
        self.serving.left_outbox(terminals);
        self.calls.left_outbox(&self.ids);
        self.channels.left_outbox();
        if whole.is_empty() {
            return;
        }
        for message in whole {
            match message.class {
                Class::Question => self.calls.notify_left(message.id),
                Class::Answer => self.channels.release(message.id, out, &mut self.after),
            }
            for id in message.introduces {
                self.channels.release(id, out, &mut self.after);
            }
        }
        self.pump(now, out);
    }

    // Channels.

    /// Queues the credit and the stops that are due. Before the writer takes what is queued.
    pub(crate) fn flush_channels(&mut self, out: &mut Outbox) {
        self.channels.flush(out);
    }

    pub(crate) fn has_due(&self) -> bool {
        self.channels.has_due()
    }

    /// The half that came with a message has got its port; `false` where its receiver has gone already.
    pub(crate) fn bind(&mut self, id: Xid, port: P) -> bool {
        self.channels.bind(id, port)
    }

    /// Whether items of so many bytes, which carry so many channels, may be sent now. Where they have to wait, the port
    /// is resumed later.
    pub(crate) fn may_send_items(&mut self, id: Xid, len: usize, carried: usize) -> Result<(), NotSent> {
        self.channels.may_send(id, (len, carried), &self.peer, &mut self.after)
    }

    /// Sends items that may be sent.
    pub(crate) fn send_items(
        &mut self,
        id: Xid,
        (count, values): (u32, Payload),
        mut carried: Rare<Leaving<P>>,
        out: &mut Outbox,
    ) {
        let (cost, large) = (item_cost(values.len(), carried.len()), values.is_large());
        let (_, _, mut exit) = self.parts(out);
        let carried = exit.open(&mut carried);
        let mut list = Vec::new();
        let list = (!carried.is_empty()).then(|| {
            carried::encode(&carried, &mut list);
            &list[..]
        });
        let frame = Frame::Item { channel: id, carried: list, count, values: &[] };
        exit.send(id, &frame, values, &carried);
        self.channels.spend(id, cost, large, &mut self.after);
    }

    /// Why the peer would not take an item at all.
    pub(crate) fn misfit_item(&self, len: usize, carried: usize) -> Option<Fault> {
        let known = self.greeted.then_some(&self.peer);
        known
            .and_then(|peer| item_too_large(len as u64, peer.max_message))
            .or_else(|| too_many_channels(carried, known.map(|peer| peer.max_channels)))
    }

    /// The sender has no more to say, or says why.
    pub(crate) fn end_channel(&mut self, id: Xid, why: Option<Fault>, now: Millis, out: &mut Outbox) {
        self.channels.end(id, why, out, &mut self.after);
        self.pump(now, out);
    }

    /// What has come for a receiver.
    pub(crate) fn take_items(&mut self, id: Xid, now: impl FnOnce() -> Millis, out: &mut Outbox) -> Taken {
        let taken = self.channels.take(id, out, &mut self.after);
        self.use_room(now, out);
        taken
    }

    pub(crate) fn receiver_waker(&self, id: Xid) -> Option<&W> {
        self.channels.waker(id)
    }

    /// Returns the one before.
    pub(crate) fn set_receiver_waker(&mut self, id: Xid, waker: W) -> Option<W> {
        self.channels.set_waker(id, waker)
    }

    /// A receiver took items that cost so much.
    pub(crate) fn consume(&mut self, id: Xid, cost: u64) {
        self.channels.consume(id, cost);
    }

    /// A receiver is gone.
    pub(crate) fn stop_channel(&mut self, id: Xid, now: impl FnOnce() -> Millis, out: &mut Outbox) {
        self.channels.stop(id, out, &mut self.after);
        self.use_room(now, out);
    }

    /// Sends what waits for channels, where a receiver has closed one.
    fn use_room(&mut self, now: impl FnOnce() -> Millis, out: &mut Outbox) {
        if self.channels.take_room_made() && (self.calls.waits() || !self.crowded.is_empty()) {
            self.pump_all(now(), out);
        }
    }

    /// Halves that came with a message and were not taken out of it.
    pub(crate) fn discard(&mut self, carried: Rare<Arrived>, out: &mut Outbox) {
        self.channels.discard(carried, out, &mut self.after);
    }

    // Ends.

    /// The time that a drain gives open channels is over.
    pub(crate) fn end_channels(&mut self, now: Millis, out: &mut Outbox) {
        self.end_crowded(out);
        self.channels.end_all(out, &mut self.after);
        self.pump(now, out);
    }

    pub(crate) fn has_channels(&self) -> bool {
        !self.channels.is_empty()
    }

    /// The connection is closed: keeps the items that have come and are not taken, and returns how much they are, in bytes.
    pub(crate) fn keep_untaken(&mut self) -> u64 {
        self.channels.keep_untaken()
    }

    /// Whether a receiver is there that holds some of them, or can take them.
    pub(crate) fn keeps_untaken(&self) -> bool {
        self.channels.keeps_untaken()
    }

    /// Drops them.
    pub(crate) fn drop_untaken(&mut self) {
        self.channels.drop_untaken();
    }

    /// Gives back what the tables do not need now.
    pub(crate) fn trim(&mut self) {
        self.calls.trim();
        self.serving.trim();
        self.channels.trim();
        self.crowded.shrink_to_fit();
    }

    #[must_use]
    pub(crate) fn ping(&mut self, out: &mut Outbox) -> bool {
        out.control(&Frame::Ping { nonce: 0 })
    }

    /// Refuses new work from now on. What runs, and what waits for the peer, goes on.
    pub(crate) fn drain(&mut self, out: &mut Outbox) {
        if self.phase != Phase::Open {
            return;
        }
        self.phase = Phase::Draining;
        let last = self.serving.highest();
        out.message(&Frame::Goaway { last, code: GoawayCode::Draining, message: "draining" });
        let fault = Fault::new(FaultCode::Draining, "this end drains the connection");
        self.calls.refuse_queued(&fault, &mut self.after);
    }

    /// Draining, and nothing is left to wait for.
    pub(crate) fn is_drained(&self) -> bool {
        self.phase == Phase::Draining
            && self.is_settled()
            && self.channels.is_empty()
            && self.chunks.is_empty()
    }

    /// No call or notify of either end is under way or waits, and nobody here holds a half of a channel. Of a message
    /// that has not come whole, each chunk counts as [`activity`](Session::activity).
    pub(crate) fn is_idle(&self) -> bool {
        self.is_settled() && !self.calls.waits() && self.channels.are_unused()
    }

    fn is_settled(&self) -> bool {
        self.serving.is_empty() && self.granter.is_settled() && self.calls.unanswered() == 0
    }

    /// Another number whenever either end has called, notified or opened a channel, or a chunk has come.
    pub(crate) fn activity(&self) -> u64 {
        let counts = [
            self.ids.last(),
            self.serving.highest(),
            self.granter.arrived(),
            self.purse.spent(),
            self.chunks.arrived(),
        ];
        counts.into_iter().fold(0, u64::wrapping_add)
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.phase == Phase::Draining
    }

    pub(crate) fn side(&self) -> Side {
        self.side
    }

    pub(crate) fn is_greeted(&self) -> bool {
        self.greeted
    }

    /// No handler runs, and no answer waits to be written.
    pub(crate) fn owes_nothing(&self) -> bool {
        self.serving.is_empty()
    }

    /// Ends every row. Requests that have not begun are told so; the peer is told why. Large messages
    /// are given up.
    pub(crate) fn close(&mut self, code: GoawayCode, message: &str, out: &mut Outbox) -> Vec<H> {
        if self.phase == Phase::Closed {
            return Vec::new();
        }
        let mut handles = Vec::new();
        for xid in self.serving.parked() {
            handles.extend(self.serving.cancel(xid));
            let fault = Fault::new(FaultCode::Draining, "the connection was closed before the call ran");
            self.finish(xid, Answer::fault(fault), Rare::new(), out);
        }
        let last = self.serving.highest();
        out.message(&Frame::Goaway { last, code, message: clip(message) });
        // What is queued is still written, and may be run.
        self.calls.left_outbox(&self.ids);
        handles.append(&mut self.end(out));
        handles
    }

    /// Ends every row, and forgets what is queued: nobody will read it.
    pub(crate) fn abort(&mut self, out: &mut Outbox) -> Vec<H> {
        let handles = self.end(out);
        self.after.segments.extend(out.clear());
        handles
    }

    fn end(&mut self, out: &mut Outbox) -> Vec<H> {
        self.phase = Phase::Closed;
        // Handlers that outlive the connection hold what is left of it.
        self.peer.services = Vec::new();
        self.calls.close(out, &mut self.after);
        self.channels.close(&mut self.after);
        self.after.segments.extend(out.clear_large());
        self.chunks.clear();
        for (_, answer, carried) in std::mem::take(&mut self.crowded) {
            self.discard_answer(answer, carried);
        }
        let handles = self.serving.close();
        self.trim();
        handles
    }

    /// The peer can send nothing more, so it can answer nothing more and grant no credit: all that wait
    /// are told, and channels end. What it asked for goes on, as it may still read.
    pub(crate) fn close_calls(&mut self, out: &mut Outbox) {
        self.peer_refuses = Some(Fault::new(FaultCode::Draining, "the peer has closed its sending half"));
        // What is queued is still written, and may be run.
        self.calls.left_outbox(&self.ids);
        self.calls.close(out, &mut self.after);
        self.channels.close(&mut self.after);
        self.chunks.clear();
        self.end_crowded(out);
    }

    /// Answers that wait for channels get none.
    fn end_crowded(&mut self, out: &mut Outbox) {
        self.channels_over = true;
        for (xid, answer, carried) in std::mem::take(&mut self.crowded) {
            self.finish(xid, answer, carried, out);
        }
    }

    /// Replies that came late or were never asked for.
    pub(crate) fn stray_replies(&self) -> u64 {
        self.calls.stray_replies
    }

    /// Services the peer said it answers for, with their fingerprints.
    pub(crate) fn peer_services(&self) -> &[(String, u64)] {
        &self.peer.services
    }

    #[cfg(test)]
    pub(crate) fn rows(&self) -> (usize, usize) {
        (self.calls.rows() + self.calls.unanswered(), self.serving.rows())
    }

    /// Channels and messages that are not whole.
    #[cfg(test)]
    pub(crate) fn open_rows(&self) -> (usize, usize) {
        (self.channels.rows(), self.chunks.rows())
    }
}

impl Inquiry<'_> {
    /// What its meta says, within the size of an envelope. The sender keeps to half of that.
    #[inline]
    fn facts(&self) -> Result<MetaFacts, Breach> {
        let len = self.method.as_bytes().len() + self.meta.map_or(0, <[u8]>::len);
        if len > ENVELOPE {
            return Err(breach(format!("an envelope of {len} bytes exceeds the limit of {ENVELOPE}")));
        }
        match self.meta {
            None => Ok(MetaFacts::default()),
            Some(meta) => Ok(MetaFacts::read(meta)?),
        }
    }
}

impl Breach {
    /// The grants for notifies pile up.
    pub(crate) fn unread_credit() -> Breach {
        breach("credit that is not read")
    }
}

impl From<BadFrame> for Breach {
    fn from(bad: BadFrame) -> Breach {
        breach(bad.0)
    }
}

#[cold]
fn breach(message: impl Into<String>) -> Breach {
    let message: String = message.into();
    Breach { code: GoawayCode::Protocol, message: clip(&message).to_owned() }
}

fn side_name(side: Side) -> &'static str {
    match side {
        Side::Connecting => "connecting",
        Side::Accepting => "accepting",
    }
}

fn wake<W, H>(woken: Result<Option<W>, String>) -> Result<Action<'static, W, H>, Breach> {
    woken.map(|waker| waker.map_or(Action::None, Action::Wake)).map_err(breach)
}

/// The fault of a message that the peer will not take, whenever it comes.
#[inline]
fn unfit<P>(body: &Payload, carried: &[Leaving<P>], peer: &Settings) -> Option<Fault> {
    too_large(body.len() as u64, peer.max_message)
        .or_else(|| too_many_channels(carried.len(), Some(peer.max_channels)))
}

#[inline]
fn too_large(len: u64, limit: u64) -> Option<Fault> {
    (len > limit).then(|| request_too_large(len, limit))
}

// What hardly ever happens is kept out of the functions that every call goes through.

#[cold]
fn draining() -> Fault {
    Fault::new(FaultCode::Draining, "this end drains the connection")
}

#[cold]
fn refused_by_peer(fault: &Fault) -> Terminal {
    Terminal::fault(fault.clone())
}

#[cold]
fn meta_too_large(len: usize) -> Fault {
    let limit = ENVELOPE / 2;
    Fault::new(FaultCode::TooLarge, format!("meta of {len} bytes exceeds the limit of {limit}"))
}

#[cold]
fn frame_too_large(len: u64, limit: u64) -> Fault {
    let message = format!("request of {len} bytes in one frame exceeds the limit of {limit}");
    Fault::new(FaultCode::TooLarge, message)
}

#[cold]
fn request_too_large(len: u64, limit: u64) -> Fault {
    let message = format!("request of {len} bytes exceeds the peer's limit of {limit}");
    Fault::new(FaultCode::TooLarge, message)
}

fn item_too_large(len: u64, limit: u64) -> Option<Fault> {
    let exceeds = len > limit;
    exceeds.then(|| {
        let message = format!("item of {len} bytes exceeds the receiver's limit of {limit}");
        Fault::new(FaultCode::TooLarge, message)
    })
}

fn reply_too_large(len: u64, limit: u64) -> Fault {
    let message = format!("reply of {len} bytes exceeds the asker's limit of {limit}");
    Fault::new(FaultCode::ReplyTooLarge, message)
}

#[inline]
fn too_many_channels(carried: usize, limit: Option<u64>) -> Option<Fault> {
    let limit = limit.unwrap_or(MOST_CARRIED).min(MOST_CARRIED);
    (carried as u64 > limit).then(|| channels_refused(carried, limit))
}

#[cold]
fn channels_refused(carried: usize, limit: u64) -> Fault {
    if limit == 0 {
        return Fault::new(FaultCode::Unsupported, "the peer takes no channels");
    }
    let message = format!("message with {carried} channels exceeds the peer's limit of {limit}");
    Fault::new(FaultCode::TooLarge, message)
}

/// Cuts at a character's border.
pub(super) fn clip(message: &str) -> &str {
    &message[..message.floor_char_boundary(MAX_FAULT_MESSAGE)]
}
