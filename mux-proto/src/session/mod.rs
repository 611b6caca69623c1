//! The state machine of one connection, and the only way to its tables. Every method may append frames to the outbox.
//! None of them waits, wakes anyone, or runs code of a user.

mod answers;
pub mod calls;
pub mod channels;
mod chunked;
pub mod effects;
pub mod inbound;
mod limits;
pub mod message;
pub mod outbox;
pub mod protocol_error;
pub mod reassembly;
mod send_context;

use crate::Millis;
use crate::session::calls::outgoing::Calls;
use crate::session::calls::outgoing::Ticket;
use crate::session::calls::serving::Serving;
use crate::session::channels::Channels;
use crate::session::channels::credit::ReceiveCredit;
use crate::session::channels::credit::SendCredit;
use crate::session::channels::item_cost;
use crate::session::channels::receiving::Taken;
use crate::session::channels::sending::NotSent;
use crate::session::effects::Effects;
use crate::session::limits::CARRIED_LEN;
use crate::session::limits::draining;
use crate::session::limits::exceeds_limits;
use crate::session::limits::item_too_large;
use crate::session::limits::meta_too_large;
use crate::session::limits::refused_by_peer;
use crate::session::limits::too_many_channels;
use crate::session::limits::truncate;
use crate::session::message::Answer;
use crate::session::message::Message;
use crate::session::message::Request;
use crate::session::message::Terminal;
use crate::session::outbox::Flushed;
use crate::session::outbox::Outbox;
use crate::session::outbox::payload::Payload;
use crate::session::reassembly::Chunks;
use crate::session::reassembly::Class;
use crate::session::send_context::SendContext;
use crate::thin_list::ThinList;
use crate::wire::fault::Fault;
use crate::wire::fault::FaultCode;
use crate::wire::fault::GoawayCode;
use crate::wire::frame::ENVELOPE;
use crate::wire::frame::Frame;
use crate::wire::handles;
use crate::wire::handles::IncomingHandle;
use crate::wire::handles::OutgoingHandle;
use crate::wire::settings::Hello;
use crate::wire::settings::Settings;
use crate::wire::settings::VERSION;
use crate::wire::xid::Counter;
use crate::wire::xid::Side;
use crate::wire::xid::Xid;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

/// The longest timeout a peer may set: a year. A longer one is cut to this.
const MAX_TIMEOUT: Millis = 365 * 24 * 60 * 60 * 1000;

/// Channels opened to a peer at once, where it takes so many and this end takes no more itself.
pub const MOST_OPEN: u64 = 1024;

/// `W` wakes a caller or a receiver, `H` stops a handler and by default stops nothing, `P` is the port of a
/// channel's half that is here.
#[derive(Debug)]
pub struct Session<W, H, P> {
    side: Side,
    ours: Settings,
    /// The floors, until the peer's HELLO has come.
    peer: Settings,
    greeted: bool,
    phase: Phase,
    /// The peer accepts no more requests: the fault that new calls are refused with.
    peer_refuses: Option<Fault>,
    /// No answer opens a channel any more: the peer could not end it, or a drain has ended them all.
    channels_over: bool,
    ids: Counter,
    calls: Calls<W, P>,
    serving: Serving<H>,
    channels: Channels<W, P>,
    chunks: Chunks,
    /// Answers that carry more channels than the peer accepts now.
    awaiting_channels: VecDeque<(Xid, Answer, ThinList<OutgoingHandle<P>>)>,
    send_credit: SendCredit,
    receive_credit: ReceiveCredit,
    /// What is to be done once the lock is free.
    pub effects: Effects<W, P>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    Draining,
    Closed,
}

impl<W, H: Default, P: Clone> Session<W, H, P> {
    /// Queues our HELLO; requests may follow it at once, within the floors.
    pub fn new(side: Side, ours: Settings, out: &mut Outbox) -> Session<W, H, P> {
        // Before anything else is queued, pings included. The outbox is empty, so it has room.
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
            awaiting_channels: VecDeque::new(),
            send_credit: SendCredit::new(Settings::FLOOR.window),
            receive_credit: ReceiveCredit::new(ours.window),
            effects: Effects::default(),
            ours,
        }
    }

    /// Borrows the tables apart, so that the table of calls can send through the others.
    #[inline]
    fn parts<'s>(
        &'s mut self,
        out: &'s mut Outbox,
    ) -> (&'s mut Calls<W, P>, &'s mut SendCredit, SendContext<'s, W, P>) {
        let Session { ours, peer, greeted, ids, calls, channels, send_credit, effects, .. } = self;
        (calls, send_credit, SendContext { ours, peer, greeted: *greeted, ids, channels, out, effects })
    }

    /// Makes a transaction: sent now, or as soon as there is room.
    #[inline]
    pub fn open(
        &mut self,
        request: Request<'_, W, P>,
        now: Millis,
        out: &mut Outbox,
    ) -> Result<Ticket, Terminal> {
        self.admit(&request, now)?;
        let (calls, _, mut context) = self.parts(out);
        calls.open(request, now, &mut context).map_err(Terminal::fault)
    }

    /// Sends a notify: now (`None`), or as soon as there is credit.
    pub fn notify(
        &mut self,
        request: Request<'_, W, P>,
        now: Millis,
        out: &mut Outbox,
    ) -> Result<Option<Ticket>, Terminal> {
        self.admit(&request, now)?;
        let (calls, send_credit, mut context) = self.parts(out);
        calls.notify(request, send_credit, &mut context).map_err(Terminal::fault)
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
        self.exceeds_limits(message).map_or(Ok(()), |fault| Err(Terminal::fault(fault)))
    }

    #[inline]
    fn exceeds_limits(&self, message: &Message<P>) -> Option<Fault> {
        let beside = message.method.len() + message.meta.len() + CARRIED_LEN * message.carried.len();
        if beside > ENVELOPE / 2 {
            return Some(meta_too_large(beside));
        }
        // Before the HELLO nobody knows the peer's limits: the call waits for them.
        if self.greeted { exceeds_limits(&message.body, &message.carried, &self.peer) } else { None }
    }

    /// Calls that the peer has not answered.
    pub fn unanswered(&self) -> usize {
        self.calls.unanswered()
    }

    #[inline]
    pub fn take_done(&mut self, ticket: Ticket) -> Option<(Terminal, ThinList<IncomingHandle>)> {
        self.calls.take_done(ticket)
    }

    #[inline]
    pub fn waker(&self, ticket: Ticket) -> Option<&W> {
        self.calls.waker(ticket)
    }

    pub fn set_waker(&mut self, ticket: Ticket, waker: W) -> Option<W> {
        self.calls.set_waker(ticket, waker)
    }

    /// The caller is gone. Returns its waker and its untaken end, to be dropped outside the lock.
    pub fn abandon(
        &mut self,
        ticket: Ticket,
        now: Millis,
        out: &mut Outbox,
    ) -> (Option<W>, Option<Terminal>) {
        let (calls, _, mut context) = self.parts(out);
        let (waker, terminal, untaken) = calls.abandon(ticket, &mut context);
        self.channels.discard(untaken, out, &mut self.effects);
        self.pump(now, out);
        (waker, terminal)
    }

    /// Sends what waits, after an answer, a caller that gave up or a channel that ended made room. Afterwards a queue that
    /// is not empty begins with a live call for which there is no room.
    #[inline]
    fn pump(&mut self, now: Millis, out: &mut Outbox) {
        if self.calls.waits() || !self.awaiting_channels.is_empty() {
            self.pump_all(now, out);
        }
    }

    fn pump_all(&mut self, now: Millis, out: &mut Outbox) {
        if self.calls.has_queued() {
            let (calls, _, mut context) = self.parts(out);
            calls.pump(now, &mut context);
        }
        self.pump_notifies(out);
        self.pump_answers(out);
    }

    fn pump_notifies(&mut self, out: &mut Outbox) {
        if self.calls.has_queued_notifies() {
            let (calls, send_credit, mut context) = self.parts(out);
            let wakers = calls.pump_notifies(send_credit, &mut context);
            self.effects.wakers.extend(wakers);
        }
    }

    // Times and room.

    /// Times out calls and handlers. Returns what stops the handlers, and the next deadline.
    pub fn expire(&mut self, now: Millis, out: &mut Outbox) -> (Vec<H>, Option<Millis>) {
        let (calls, _, mut context) = self.parts(out);
        let call = calls.expire(now, &mut context);
        self.pump(now, out);
        let (handles, handler) = self.serving.expire(now);
        self.drop_unwanted_answers(out);
        (handles, call.into_iter().chain(handler).min())
    }

    /// The writer took what was queued.
    pub fn left_outbox(&mut self, flushed: Flushed, now: Millis, out: &mut Outbox) {
        let Flushed { terminals, whole } = flushed;
        self.serving.left_outbox(terminals);
        self.calls.left_outbox(&self.ids);
        self.channels.left_outbox();
        if whole.is_empty() {
            return;
        }
        for message in whole {
            match message.class {
                Class::Question => self.calls.notify_left(message.id),
                Class::Answer => self.channels.release(message.id, out, &mut self.effects),
            }
            for id in message.introduces {
                self.channels.release(id, out, &mut self.effects);
            }
        }
        self.pump(now, out);
    }

    // Channels.

    /// Queues the credit and the stops that are due. Before the writer takes what is queued.
    pub fn flush_channels(&mut self, out: &mut Outbox) {
        self.channels.flush(out);
    }

    pub fn has_due(&self) -> bool {
        self.channels.has_due()
    }

    /// Binds the half that came with a message to its port. `false` if the channel's receiver is already gone.
    pub fn bind(&mut self, id: Xid, port: P) -> bool {
        self.channels.bind(id, port)
    }

    /// Whether items of so many bytes, which carry so many channels, may be sent now. Where they have to wait, the port
    /// is resumed later.
    pub fn may_send_items(&mut self, id: Xid, len: usize, carried: usize) -> Result<(), NotSent> {
        self.channels.may_send(id, (len, carried), &self.peer, &mut self.effects)
    }

    /// Sends items that may be sent.
    pub fn send_items(
        &mut self,
        id: Xid,
        (count, values): (u32, Payload),
        mut carried: ThinList<OutgoingHandle<P>>,
        out: &mut Outbox,
    ) {
        let (cost, large) = (item_cost(values.len(), carried.len()), values.is_large());
        let (_, _, mut context) = self.parts(out);
        let carried = context.open(&mut carried);
        let mut list = Vec::new();
        let list = (!carried.is_empty()).then(|| {
            handles::encode(&carried, &mut list);
            &list[..]
        });
        let frame = Frame::Item { channel: id, carried: list, count, values: &[] };
        context.send(id, &frame, values, &carried);
        self.channels.spend(id, cost, large, &mut self.effects);
    }

    /// Why the peer would not take an item at all.
    pub fn item_exceeds_limits(&self, len: usize, carried: usize) -> Option<Fault> {
        let known = self.greeted.then_some(&self.peer);
        known
            .and_then(|peer| item_too_large(len as u64, peer.max_message))
            .or_else(|| too_many_channels(carried, known.map(|peer| peer.max_channels)))
    }

    /// The sender has no more to say, or says why.
    pub fn end_channel(&mut self, id: Xid, why: Option<Fault>, now: Millis, out: &mut Outbox) {
        self.channels.end(id, why, out, &mut self.effects);
        self.pump(now, out);
    }

    /// What has come for a receiver.
    pub fn take_items(&mut self, id: Xid, now: impl FnOnce() -> Millis, out: &mut Outbox) -> Taken {
        let taken = self.channels.take(id, out, &mut self.effects);
        self.use_room(now, out);
        taken
    }

    pub fn receiver_waker(&self, id: Xid) -> Option<&W> {
        self.channels.waker(id)
    }

    /// Sets whom to wake when items come or the channel ends. Returns the waker before.
    pub fn set_receiver_waker(&mut self, id: Xid, waker: W) -> Option<W> {
        self.channels.set_waker(id, waker)
    }

    /// A receiver took items that cost so much.
    pub fn consume(&mut self, id: Xid, cost: u64) {
        self.channels.consume(id, cost);
    }

    /// A receiver is gone.
    pub fn stop_channel(&mut self, id: Xid, now: impl FnOnce() -> Millis, out: &mut Outbox) {
        self.channels.stop(id, out, &mut self.effects);
        self.use_room(now, out);
    }

    /// Sends what waits for channels, where a receiver has closed one.
    fn use_room(&mut self, now: impl FnOnce() -> Millis, out: &mut Outbox) {
        if self.channels.take_room_made() && (self.calls.waits() || !self.awaiting_channels.is_empty()) {
            self.pump_all(now(), out);
        }
    }

    /// Halves that came with a message and were not taken out of it.
    pub fn discard(&mut self, carried: ThinList<IncomingHandle>, out: &mut Outbox) {
        self.channels.discard(carried, out, &mut self.effects);
    }

    // Ends.

    /// The time that a drain gives open channels is over.
    pub fn end_channels(&mut self, now: Millis, out: &mut Outbox) {
        self.end_crowded(out);
        self.channels.end_all(out, &mut self.effects);
        self.pump(now, out);
    }

    pub fn has_channels(&self) -> bool {
        !self.channels.is_empty()
    }

    /// The connection is closed: keeps the items that have come and are not taken, and returns how much they are, in bytes.
    pub fn keep_untaken(&mut self) -> u64 {
        self.channels.keep_untaken()
    }

    /// Whether a receiver is there that holds some of them, or can take them.
    pub fn keeps_untaken(&self) -> bool {
        self.channels.keeps_untaken()
    }

    /// Drops the items that were kept: receivers are told that the connection is closed.
    pub fn drop_untaken(&mut self) {
        self.channels.drop_untaken();
    }

    /// Gives back memory that the tables do not need now.
    pub fn trim(&mut self) {
        self.calls.trim();
        self.serving.trim();
        self.channels.trim();
        self.awaiting_channels.shrink_to_fit();
    }

    #[must_use]
    pub fn ping(&mut self, out: &mut Outbox) -> bool {
        out.control(&Frame::Ping { nonce: 0 })
    }

    /// Begins to drain: refuses new work. Handlers that run and calls that wait for the peer go on.
    pub fn drain(&mut self, out: &mut Outbox) {
        if self.phase != Phase::Open {
            return;
        }
        self.phase = Phase::Draining;
        let last = self.serving.highest();
        out.message(&Frame::Goaway { last, code: GoawayCode::Draining, message: "draining" });
        let fault = Fault::new(FaultCode::Draining, "this end drains the connection");
        self.calls.refuse_queued(&fault, &mut self.effects);
    }

    /// The drain is complete: nothing is left to wait for.
    pub fn is_drained(&self) -> bool {
        self.phase == Phase::Draining
            && self.is_settled()
            && self.channels.is_empty()
            && self.chunks.is_empty()
    }

    /// No call or notify of either end is under way or waits, and nobody here holds a half of a channel. Of a message
    /// that has not come whole, each chunk counts as [`activity`](Session::activity).
    pub fn is_idle(&self) -> bool {
        self.is_settled() && !self.calls.waits() && self.channels.are_unused()
    }

    fn is_settled(&self) -> bool {
        self.serving.is_empty() && self.receive_credit.is_settled() && self.calls.unanswered() == 0
    }

    /// A number that changes whenever either end has called, notified or opened a channel, or a chunk has come.
    pub fn activity(&self) -> u64 {
        let counts = [
            self.ids.last(),
            self.serving.highest(),
            self.receive_credit.arrived(),
            self.send_credit.spent(),
            self.chunks.arrived(),
        ];
        counts.into_iter().fold(0, u64::wrapping_add)
    }

    pub fn is_draining(&self) -> bool {
        self.phase == Phase::Draining
    }

    pub fn side(&self) -> Side {
        self.side
    }

    pub fn is_greeted(&self) -> bool {
        self.greeted
    }

    /// No handler runs, and no answer waits to be written.
    pub fn owes_nothing(&self) -> bool {
        self.serving.is_empty()
    }

    /// Closes the connection: ends every row and gives up large messages. Callers whose requests have not begun are told so,
    /// and the peer is told why.
    pub fn close(&mut self, code: GoawayCode, message: &str, out: &mut Outbox) -> Vec<H> {
        if self.phase == Phase::Closed {
            return Vec::new();
        }
        let mut handles = Vec::new();
        for xid in self.serving.parked() {
            handles.extend(self.serving.cancel(xid));
            let fault = Fault::new(FaultCode::Draining, "the connection was closed before the call ran");
            self.finish(xid, Answer::fault(fault), ThinList::new(), out);
        }
        let last = self.serving.highest();
        out.message(&Frame::Goaway { last, code, message: truncate(message) });
        // What is queued is still written, and may be run.
        self.calls.left_outbox(&self.ids);
        handles.append(&mut self.end(out));
        handles
    }

    /// Closes the connection as nobody will read what is queued: ends every row and drops the queue.
    pub fn abort(&mut self, out: &mut Outbox) -> Vec<H> {
        let handles = self.end(out);
        self.effects.segments.extend(out.clear());
        handles
    }

    fn end(&mut self, out: &mut Outbox) -> Vec<H> {
        self.phase = Phase::Closed;
        // Handlers that outlive the connection hold what is left of it.
        self.peer.services = Vec::new();
        self.calls.close(out, &mut self.effects);
        self.channels.close(&mut self.effects);
        self.effects.segments.extend(out.clear_large());
        self.chunks.clear();
        for (_, answer, carried) in core::mem::take(&mut self.awaiting_channels) {
            self.discard_answer(answer, carried);
        }
        let handles = self.serving.close();
        self.trim();
        handles
    }

    /// The peer sends nothing more, so it answers nothing more and grants no credit: callers are told, and channels end.
    /// Its own requests go on, as it may still read.
    pub fn close_calls(&mut self, out: &mut Outbox) {
        self.peer_refuses = Some(Fault::new(FaultCode::Draining, "the peer has closed its sending half"));
        // What is queued is still written, and may be run.
        self.calls.left_outbox(&self.ids);
        self.calls.close(out, &mut self.effects);
        self.channels.close(&mut self.effects);
        self.chunks.clear();
        self.end_crowded(out);
    }

    /// Answers that wait for channels are refused.
    fn end_crowded(&mut self, out: &mut Outbox) {
        self.channels_over = true;
        for (xid, answer, carried) in core::mem::take(&mut self.awaiting_channels) {
            self.finish(xid, answer, carried, out);
        }
    }

    /// Replies that came late or were never asked for.
    pub fn stray_replies(&self) -> u64 {
        self.calls.stray_replies
    }

    /// The services that the peer's HELLO names, with their fingerprints.
    pub fn peer_services(&self) -> &[(String, u64)] {
        &self.peer.services
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn rows(&self) -> (usize, usize) {
        (self.calls.rows() + self.calls.unanswered(), self.serving.rows())
    }

    /// Channels and messages that are not whole.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn open_rows(&self) -> (usize, usize) {
        (self.channels.rows(), self.chunks.rows())
    }
}

// Rare cases are kept out of the functions that every call goes through.
