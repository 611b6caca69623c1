//! The state machine of one connection, and the only door to its tables. Every method may append
//! frames to the outbox; none of them waits, wakes, or runs code of a user.

use super::Millis;
use super::calls::{self, Calls, Request, Terminal, Ticket, Value};
use super::credit::{self, Granter, Purse};
use super::fault::{Fault, FaultCode, GoawayCode};
use super::frame::{BadFrame, ENVELOPE, Frame, MAX_LEN};
use super::hello::{Hello, Settings, VERSION};
use super::meta::MetaFacts;
use super::serving::{Misuse, Serving, Stopped};
use super::xid::{Side, Xid};
use crate::outbox::Outbox;
use bytes::Bytes;

/// The longest time a peer's timeout is taken for: a year. A longer one means the same.
const MAX_TIMEOUT: Millis = 365 * 24 * 60 * 60 * 1000;

/// What a fault's message may take of the envelope, in bytes; the rest is cut off.
const MAX_FAULT_MESSAGE: usize = 8 << 10;

/// `W` wakes a caller, `H` stops a handler.
#[derive(Debug)]
pub(crate) struct Session<W, H> {
    side: Side,
    ours: Settings,
    /// The floors, until the peer's HELLO has come.
    peer: Settings,
    greeted: bool,
    phase: Phase,
    /// The peer takes no more requests: what a new call is refused with.
    peer_refuses: Option<Fault>,
    calls: Calls<W>,
    serving: Serving<H>,
    purse: Purse,
    granter: Granter,
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
    Wake(W),
    WakeAll(Vec<W>),
    Serve {
        xid: Xid,
        deadline: Option<Millis>,
        inquiry: Inquiry<'a>,
    },
    ServeNotify {
        cost: u64,
        inquiry: Inquiry<'a>,
    },
    Stop(H),
    /// The peer has closed: nothing more comes or is read. The callers it never ran are to be woken.
    Close {
        message: String,
        refused: Vec<W>,
    },
}

/// What a handler is found by and works on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inquiry<'a> {
    pub(crate) method: &'a str,
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
    Value(Vec<u8>),
    Fault(Fault),
}

/// Whom to tell that the connection is closed.
#[derive(Debug)]
pub(crate) struct Closing<W, H> {
    pub(crate) wakers: Vec<W>,
    pub(crate) handles: Vec<H>,
}

impl<W, H> Session<W, H> {
    /// Queues our HELLO; requests may follow it at once, within the floors.
    pub(crate) fn new(side: Side, ours: Settings, out: &mut Outbox) -> Session<W, H> {
        // Before whatever else is queued, a ping included. Nothing is owed yet that could be too much.
        let _ = out.control(&Frame::Hello(Hello { version: VERSION, side, settings: ours.clone() }));
        Session {
            side,
            peer: Settings::FLOOR,
            greeted: false,
            phase: Phase::Open,
            peer_refuses: None,
            calls: Calls::new(side),
            serving: Serving::new(),
            purse: Purse::new(Settings::FLOOR.window),
            granter: Granter::new(ours.window),
            ours,
        }
    }

    // Asking.

    /// Makes a transaction: sent now, or as soon as there is room.
    pub(crate) fn open(
        &mut self,
        request: Request<'_, W>,
        now: Millis,
        out: &mut Outbox,
    ) -> Result<Ticket, Terminal> {
        self.admit(&request, now)?;
        self.calls.open(request, &self.peer, now, out).map_err(Terminal::Fault)
    }

    /// Sends a notify: now (`None`), or as soon as there is credit.
    pub(crate) fn notify(
        &mut self,
        request: Request<'_, W>,
        now: Millis,
        out: &mut Outbox,
    ) -> Result<Option<Ticket>, Terminal> {
        self.admit(&request, now)?;
        self.calls.notify(request, &self.peer, &mut self.purse, out).map_err(Terminal::Fault)
    }

    fn admit(&self, request: &Request<'_, W>, now: Millis) -> Result<(), Terminal> {
        if self.phase == Phase::Closed {
            return Err(Terminal::Closed { sent: false });
        }
        if request.deadline.is_some_and(|deadline| deadline <= now) {
            return Err(Terminal::TimedOut { sent: false });
        }
        // A handler that still runs may finish with its peer's help.
        if self.phase == Phase::Draining && !request.nested {
            return Err(Terminal::Fault(Fault::new(FaultCode::Draining, "this end drains the connection")));
        }
        if let Some(fault) = &self.peer_refuses {
            return Err(Terminal::Fault(fault.clone()));
        }
        self.fits(request).map_or(Ok(()), |fault| Err(Terminal::Fault(fault)))
    }

    fn fits(&self, request: &Request<'_, W>) -> Option<Fault> {
        let beside = request.method.len() + request.meta.len();
        if beside > ENVELOPE / 2 {
            return Some(Fault::new(
                FaultCode::TooLarge,
                format!("meta of {beside} bytes exceeds the limit of {}", ENVELOPE / 2),
            ));
        }
        // Before the HELLO nobody knows the peer's limit: the call waits for it.
        if self.greeted { calls::too_large(request.body.len(), self.largest()) } else { None }
    }

    /// The largest body the peer takes. Messages go whole, so it is bounded by what it takes inline.
    fn largest(&self) -> u64 {
        self.peer.max_message.min(self.peer.max_inline).min((MAX_LEN - ENVELOPE) as u64)
    }

    pub(crate) fn take_done(&mut self, ticket: Ticket) -> Option<Terminal> {
        self.calls.take_done(ticket)
    }

    pub(crate) fn waker(&self, ticket: Ticket) -> Option<&W> {
        self.calls.waker(ticket)
    }

    pub(crate) fn set_waker(&mut self, ticket: Ticket, waker: W) -> Option<W> {
        self.calls.set_waker(ticket, waker)
    }

    /// The caller is gone. Returns its waker, to be dropped outside the lock.
    pub(crate) fn abandon(&mut self, ticket: Ticket, now: Millis, out: &mut Outbox) -> Option<W> {
        let waker = self.calls.abandon(ticket, out);
        self.pump(now, out);
        waker
    }

    /// Sends what waits, where an answer or a caller that gave up made room. Afterwards a queue that
    /// is not empty begins with a live call that has no room.
    fn pump(&mut self, now: Millis, out: &mut Outbox) {
        if self.calls.has_queued() {
            self.calls.pump(&self.peer, now, out);
        }
    }

    // Frames.

    /// Decides what a frame means. An `Err` ends the connection. `owner` is given where the frame has
    /// a buffer of its own: a value is kept in there instead of being copied.
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
        match *frame {
            Frame::Hello(ref hello) => self.on_hello(hello, now, out),
            Frame::Request { xid, method, meta, args } => {
                self.on_request(xid, Inquiry { method, meta, args }, now, out)
            }
            Frame::Reply { xid, value, .. } => Ok(self.on_answer(xid, now, out, |mut buffer| {
                Terminal::Reply(match owner {
                    Some(owner) => Value::Shared(owner.slice_ref(value)),
                    None => {
                        buffer.extend_from_slice(value);
                        Value::Copied(buffer)
                    }
                })
            })),
            Frame::Fault { xid, code, message, detail, .. } => Ok(self.on_answer(xid, now, out, |_| {
                Terminal::Fault(Fault { code, message: clip(message).to_owned(), detail: detail.to_vec() })
            })),
            Frame::Cancel { xid } => Ok(self.serving.cancel(xid).map_or(Action::None, Action::Stop)),
            Frame::Notify { method, meta, args } => self.on_notify(Inquiry { method, meta, args }, out),
            Frame::Credit { channel: credit::NOTIFIES, total } => {
                self.purse.allow(total);
                Ok(Action::WakeAll(self.calls.pump_notifies(&self.peer, &mut self.purse, out)))
            }
            Frame::Item { channel, .. }
            | Frame::End { channel, .. }
            | Frame::Stop { channel }
            | Frame::Credit { channel, .. } => Err(breach(format!("channel {channel} was never opened"))),
            Frame::Chunk { .. } => Err(breach("a chunk, where messages were to come whole")),
            Frame::Ping { nonce } => self.on_ping(nonce, out),
            Frame::Pong { .. } | Frame::Skipped { .. } => Ok(Action::None),
            Frame::Goaway { last, code, message } => Ok(self.on_goaway(last, code, message)),
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
        self.purse.allow(self.peer.window);
        let mut wakers = self.calls.refuse_too_large(self.largest());
        self.calls.pump(&self.peer, now, out);
        wakers.extend(self.calls.pump_notifies(&self.peer, &mut self.purse, out));
        Ok(Action::WakeAll(wakers))
    }

    fn on_request<'a>(
        &mut self,
        xid: Xid,
        inquiry: Inquiry<'a>,
        now: Millis,
        out: &mut Outbox,
    ) -> Result<Action<'a, W, H>, Breach> {
        if !self.side.other().owns(xid) {
            return Err(breach(format!(
                "xid {xid} is not one that the {} side gives out",
                side_name(self.side.other())
            )));
        }
        let facts = inquiry.facts()?;
        let deadline = facts.timeout_ms.map(|timeout| now + timeout.min(MAX_TIMEOUT));
        self.serving
            .accept(xid, deadline, inquiry.args.len(), &self.ours)
            .map_err(|misuse| self.misuse(xid, &misuse))?;
        if let Some(fault) = self.refusal(&facts, inquiry.args.len()) {
            self.finish(xid, Answer::Fault(fault), out);
            return Ok(Action::None);
        }
        Ok(Action::Serve { xid, deadline, inquiry })
    }

    fn misuse(&self, xid: Xid, misuse: &Misuse) -> Breach {
        match misuse {
            Misuse::Duplicate => breach(format!("a second live request with xid {xid}")),
            Misuse::TooMuch => {
                breach(format!("more than {} bytes of requests buffered", self.ours.max_buffered))
            }
            Misuse::TooMany => breach(format!("more than {} requests in flight", self.ours.max_in_flight)),
        }
    }

    /// Why a well-formed request is not run.
    fn refusal(&self, facts: &MetaFacts, len: usize) -> Option<Fault> {
        if self.phase == Phase::Draining {
            return Some(Fault::new(FaultCode::Draining, "this end drains the connection"));
        }
        if facts.carries_channels {
            return Some(Fault::new(FaultCode::Unsupported, "this end takes no channels"));
        }
        calls::too_large(len, self.ours.max_message)
    }

    fn on_answer(
        &mut self,
        xid: Xid,
        now: Millis,
        out: &mut Outbox,
        fill: impl FnOnce(Vec<u8>) -> Terminal,
    ) -> Action<'static, W, H> {
        let waker = self.calls.answered(xid, fill);
        self.pump(now, out);
        waker.map_or(Action::None, Action::Wake)
    }

    fn on_notify<'a>(&mut self, inquiry: Inquiry<'a>, out: &mut Outbox) -> Result<Action<'a, W, H>, Breach> {
        let cost = credit::notify_cost(inquiry.meta, inquiry.args.len());
        if !self.granter.arrive(cost) {
            return Err(breach("a notify without credit"));
        }
        let facts = inquiry.facts()?;
        if self.refusal(&facts, inquiry.args.len()).is_none() {
            return Ok(Action::ServeNotify { cost, inquiry });
        }
        if self.finish_notify(cost, out) { Ok(Action::None) } else { Err(Breach::unread_credit()) }
    }

    fn on_ping(&mut self, nonce: u64, out: &mut Outbox) -> Result<Action<'static, W, H>, Breach> {
        if out.control(&Frame::Pong { nonce }) {
            Ok(Action::None)
        } else {
            Err(breach("pings whose answers are not read"))
        }
    }

    fn on_goaway(&mut self, last: Xid, code: GoawayCode, message: &str) -> Action<'static, W, H> {
        let message = clip(message);
        if code != GoawayCode::Draining {
            let why = format!("the other end closed the connection before the call ran: {message}");
            let refused = self.calls.refuse_above(last, &Fault::new(FaultCode::Draining, why));
            return Action::Close { message: message.to_owned(), refused };
        }
        let fault = Fault::new(FaultCode::Draining, "the peer drains the connection");
        let mut wakers = self.calls.refuse_above(last, &fault);
        wakers.extend(self.calls.refuse_queued(&fault));
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
    pub(crate) fn attach(&mut self, xid: Xid, merge: impl FnOnce(Option<H>) -> H) -> Option<H> {
        self.serving.attach(xid, merge)
    }

    pub(crate) fn is_serving(&self, xid: Xid) -> bool {
        self.serving.is_live(xid)
    }

    /// The request's asker, its time or the connection gave it up before it was answered.
    pub(crate) fn is_stopped(&self, xid: Xid) -> bool {
        self.phase == Phase::Closed || self.serving.stopped(xid).is_some()
    }

    /// The request's one answer. Returns the value's buffer where it was not kept.
    pub(crate) fn finish(&mut self, xid: Xid, answer: Answer, out: &mut Outbox) -> Vec<u8> {
        if !self.serving.finish(xid) {
            return Vec::new();
        }
        match self.sendable(answer) {
            Answer::Value(value) => out.message_with(&Frame::Reply { xid, meta: None, value: &[] }, value),
            Answer::Fault(fault) => {
                let Fault { code, ref message, ref detail } = fault;
                out.message(&Frame::Fault { xid, meta: None, code, message: clip(message), detail });
                Vec::new()
            }
        }
    }

    /// The handler was dropped before it had an answer.
    pub(crate) fn finish_unanswered(&mut self, xid: Xid, out: &mut Outbox) {
        let fault = match self.serving.stopped(xid) {
            Some(Stopped::Cancelled) => Fault::new(FaultCode::Cancelled, "the call was cancelled"),
            Some(Stopped::TimedOut) => Fault::new(FaultCode::TimedOut, "the call ran out of time"),
            None => Fault::new(FaultCode::Cancelled, "the handler was dropped before it had an answer"),
        };
        self.finish(xid, Answer::Fault(fault), out);
    }

    /// The answer itself, or the fault that says it exceeds the peer's limit.
    fn sendable(&self, answer: Answer) -> Answer {
        let len = match &answer {
            Answer::Value(value) => value.len(),
            Answer::Fault(fault) => fault.detail.len(),
        };
        let limit = self.largest();
        if len as u64 <= limit {
            return answer;
        }
        let message = format!("reply of {len} bytes exceeds the asker's limit of {limit}");
        Answer::Fault(Fault::new(FaultCode::ReplyTooLarge, message))
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

    /// Times out calls and handlers. Returns whom to tell, and the next deadline.
    pub(crate) fn expire(&mut self, now: Millis, out: &mut Outbox) -> (Closing<W, H>, Option<Millis>) {
        let (wakers, call) = self.calls.expire(now, out);
        self.pump(now, out);
        let (handles, handler) = self.serving.expire(now);
        let next = call.into_iter().chain(handler).min();
        (Closing { wakers, handles }, next)
    }

    /// All of the outbox was taken by the writer, `terminals` answers with it.
    pub(crate) fn left_outbox(&mut self, terminals: u32) {
        self.serving.left_outbox(terminals);
        self.calls.left_outbox();
    }

    #[must_use]
    pub(crate) fn ping(&mut self, out: &mut Outbox) -> bool {
        out.control(&Frame::Ping { nonce: 0 })
    }

    /// Refuses new work from now on. What runs, and what waits for the peer, goes on.
    pub(crate) fn drain(&mut self, out: &mut Outbox) -> Vec<W> {
        if self.phase != Phase::Open {
            return Vec::new();
        }
        self.phase = Phase::Draining;
        let last = self.serving.highest();
        out.message(&Frame::Goaway { last, code: GoawayCode::Draining, message: "draining" });
        self.calls.refuse_queued(&Fault::new(FaultCode::Draining, "this end drains the connection"))
    }

    /// Draining, and nothing is left to wait for.
    pub(crate) fn is_drained(&self) -> bool {
        let idle = self.serving.is_empty() && self.granter.is_settled() && self.calls.unanswered() == 0;
        self.phase == Phase::Draining && idle
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.phase == Phase::Draining
    }

    pub(crate) fn is_greeted(&self) -> bool {
        self.greeted
    }

    /// No handler runs, and no answer waits to be written.
    pub(crate) fn owes_nothing(&self) -> bool {
        self.serving.is_empty()
    }

    /// Ends every row. Requests that have not begun are told so; the peer is told why.
    pub(crate) fn close(&mut self, code: GoawayCode, message: &str, out: &mut Outbox) -> Closing<W, H> {
        if self.phase == Phase::Closed {
            return Closing { wakers: Vec::new(), handles: Vec::new() };
        }
        for xid in self.serving.parked() {
            let fault = Fault::new(FaultCode::Draining, "the connection was closed before the call ran");
            self.finish(xid, Answer::Fault(fault), out);
        }
        let last = self.serving.highest();
        out.message(&Frame::Goaway { last, code, message: clip(message) });
        // What is queued is still written, and may be run.
        self.calls.left_outbox();
        self.end()
    }

    /// Ends every row, and forgets what is queued: nobody will read it.
    pub(crate) fn abort(&mut self, out: &mut Outbox) -> Closing<W, H> {
        out.clear();
        self.end()
    }

    fn end(&mut self) -> Closing<W, H> {
        self.phase = Phase::Closed;
        Closing { wakers: self.calls.close(), handles: self.serving.close() }
    }

    /// The peer can send nothing more, so it can answer nothing more: all that wait are told.
    /// What it asked for goes on, as it may still read.
    pub(crate) fn close_calls(&mut self) -> Vec<W> {
        self.peer_refuses = Some(Fault::new(FaultCode::Draining, "the peer has closed its sending half"));
        // What is queued is still written, and may be run.
        self.calls.left_outbox();
        self.calls.close()
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
}

impl Inquiry<'_> {
    /// What its meta says, within the size of an envelope. The sender keeps to half of that.
    fn facts(&self) -> Result<MetaFacts, Breach> {
        let len = self.method.len() + self.meta.map_or(0, <[u8]>::len);
        if len > ENVELOPE {
            return Err(breach(format!("an envelope of {len} bytes exceeds the limit of {ENVELOPE}")));
        }
        Ok(MetaFacts::read(self.meta)?)
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

/// Cuts at a character's border.
fn clip(message: &str) -> &str {
    &message[..message.floor_char_boundary(MAX_FAULT_MESSAGE)]
}
