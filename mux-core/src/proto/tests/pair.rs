//! Two ends of one connection and the bytes between them, which move when a test says so.

use crate::codec::{self, PREFIX};
use crate::outbox::{Batch, Outbox};
use crate::proto::Millis;
use crate::proto::after::After;
use crate::proto::calls::{Message, Request, Terminal, Ticket, Value};
use crate::proto::carried::{Arrived, Half, Leaving};
use crate::proto::channels::{Ended, Items, NotSent, Taken};
use crate::proto::chunks::{Chunked, Intake};
use crate::proto::fault::{Fault, FaultCode, GoawayCode};
use crate::proto::frame::Frame;
use crate::proto::frame::{ChunkHead, MAX_HELLO, MAX_LEN};
use crate::proto::hello::{Hello, Settings, VERSION};
use crate::proto::meta::MetaPairs;
use crate::proto::rare::Rare;
use crate::proto::session::{Action, Answer, Breach, Session};
use crate::proto::xid::{Side, Xid};
use bytes::Bytes;
use std::collections::{HashMap, HashSet, VecDeque};
use std::io::IoSlice;

/// Frames longer than this arrive in a buffer of their own, as in the reader.
const OWNED: usize = 32 << 10;

/// What a call asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    method: &'static str,
    len: usize,
    within: Option<Millis>,
    nested: bool,
    meta: usize,
}

/// A small call.
pub(super) const ADD: Ask = Ask { method: "calc.add", len: 3, within: None, nested: false, meta: 0 };
/// Another one.
pub(super) const MUL: Ask = Ask { method: "calc.multiply", len: 5, ..ADD };

impl Ask {
    /// With arguments of so many bytes.
    pub(super) const fn of(self, len: usize) -> Ask {
        Ask { len, ..self }
    }

    pub(super) const fn within(self, timeout: Millis) -> Ask {
        Ask { within: Some(timeout), ..self }
    }

    /// From within a handler.
    pub(super) const fn nested(self) -> Ask {
        Ask { nested: true, ..self }
    }

    /// With a key of its own whose value has so many bytes.
    pub(super) const fn with_meta(self, meta: usize) -> Ask {
        Ask { meta, ..self }
    }

    /// Distinct at each place, so that a shifted or shared buffer shows.
    pub(super) fn body(self) -> Vec<u8> {
        (0..self.len).map(|at| (at * 7 + self.method.len()) as u8).collect()
    }

    fn message(self, carried: Vec<Leaving<PortId>>) -> Message<PortId> {
        let mut meta = MetaPairs::default();
        if self.meta > 0 {
            meta.push("key", &"v".repeat(self.meta));
        }
        Message { method: self.method, meta, body: self.body().into(), carried: carried.into() }
    }

    fn request<'r>(
        self,
        now: Millis,
        waker: &'r mut Option<CallId>,
        message: &'r mut Message<PortId>,
    ) -> Request<'r, CallId, PortId> {
        let deadline = self.within.map(|timeout| now + timeout);
        Request { message, deadline, waker, nested: self.nested }
    }
}

/// Names a call for its test; its waker too, and that of a receiver.
pub(super) type CallId = u32;

/// Names the half of a channel that is here.
pub(super) type PortId = u32;

/// What became of a half that is here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Port {
    /// Its other half has left under this id.
    pub(super) id: Option<Xid>,
    pub(super) closed: bool,
    /// It may send again.
    pub(super) resumed: bool,
}

/// A frame, as far as dialogues speak of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    Hello,
    Request(Xid),
    Reply(Xid),
    Fault(Xid, FaultCode),
    Cancel(Xid),
    Notify,
    /// A channel, and how many items.
    Item(Xid, u32),
    /// A channel, and why it ended if not well.
    End(Xid, Option<FaultCode>),
    Stop(Xid),
    Grant(Xid, u64),
    /// A large message was given up half-way.
    Abandoned(Xid),
    Credit(u64),
    Ping(u64),
    Pong(u64),
    Goaway(Xid, GoawayCode),
    Other,
}

impl Spoken {
    fn of(frame: &Frame<'_>) -> Spoken {
        match *frame {
            Frame::Hello(_) => Spoken::Hello,
            Frame::Request { xid, .. } => Spoken::Request(xid),
            Frame::Reply { xid, .. } => Spoken::Reply(xid),
            Frame::Fault { xid, code, .. } => Spoken::Fault(xid, code),
            Frame::Cancel { xid } => Spoken::Cancel(xid),
            Frame::Notify { .. } => Spoken::Notify,
            Frame::Item { channel, count, .. } => Spoken::Item(channel, count),
            Frame::End { channel, ref why } => Spoken::End(channel, why.as_ref().map(|why| why.code)),
            Frame::Stop { channel } => Spoken::Stop(channel),
            Frame::Credit { channel: 0, total } => Spoken::Credit(total),
            Frame::Credit { channel, total } => Spoken::Grant(channel, total),
            Frame::Chunk { id, .. } => Spoken::Abandoned(id),
            Frame::Ping { nonce } => Spoken::Ping(nonce),
            Frame::Pong { nonce } => Spoken::Pong(nonce),
            Frame::Goaway { last, code, .. } => Spoken::Goaway(last, code),
            _ => Spoken::Other,
        }
    }
}

/// A request that came.
#[derive(Debug)]
pub(super) struct Inquiry {
    pub(super) xid: Xid,
    pub(super) method: String,
    pub(super) args: Vec<u8>,
    pub(super) deadline: Option<Millis>,
    pub(super) carried: Rare<Arrived>,
}

/// A notify that came.
#[derive(Debug)]
pub(super) struct Note {
    pub(super) method: String,
    pub(super) len: usize,
    pub(super) cost: u64,
    pub(super) carried: Rare<Arrived>,
}

/// One session and its driver's part, played by hand.
pub(super) struct End {
    pub(super) session: Session<CallId, Option<Xid>, PortId>,
    pub(super) outbox: Outbox,
    batch: Batch,
    /// Longest frame that may come after the hello.
    limit: usize,
    pub(super) now: Millis,
    /// Written, and not arrived.
    pub(super) pipe: VecDeque<u8>,
    /// Arrived, and not a whole frame yet.
    inbound: Vec<u8>,
    said: Vec<Spoken>,
    heard: Vec<Spoken>,
    pub(super) inquiries: VecDeque<Inquiry>,
    pub(super) notes: VecDeque<Note>,
    pub(super) woken: HashSet<CallId>,
    /// Handlers that were told to stop.
    pub(super) stopped: Vec<Xid>,
    tickets: HashMap<CallId, Ticket>,
    /// Calls that ended while they were made.
    early: HashMap<CallId, Terminal>,
    next_call: CallId,
    pub(super) breach: Option<Breach>,
    pub(super) goodbye: Option<String>,
    pub(super) ports: HashMap<PortId, Port>,
    next_port: PortId,
    /// Large messages said so far in parts.
    parts: HashMap<Xid, Vec<u8>>,
    /// How many chunks were said.
    pub(super) chunks: usize,
}

impl End {
    pub(super) fn new(side: Side, ours: Settings) -> End {
        let mut outbox = Outbox::default();
        let limit = ours.longest_frame();
        let session = Session::new(side, ours, &mut outbox);
        End {
            session,
            outbox,
            batch: Batch::default(),
            limit,
            now: 0,
            pipe: VecDeque::new(),
            inbound: Vec::new(),
            said: Vec::new(),
            heard: Vec::new(),
            inquiries: VecDeque::new(),
            notes: VecDeque::new(),
            woken: HashSet::new(),
            stopped: Vec::new(),
            tickets: HashMap::new(),
            early: HashMap::new(),
            next_call: 0,
            breach: None,
            goodbye: None,
            ports: HashMap::new(),
            next_port: 0,
            parts: HashMap::new(),
            chunks: 0,
        }
    }

    /// An accepting end that has said its hello and heard that of a scripted peer.
    pub(super) fn scripted(ours: Settings) -> End {
        let mut end = End::new(Side::Accepting, ours);
        end.hear(&hello(Side::Connecting, Settings::FLOOR));
        assert_eq!(end.said(), [Spoken::Hello]);
        end
    }

    // Asking.

    pub(super) fn call(&mut self, ask: Ask) -> CallId {
        self.call_with(ask, Vec::new())
    }

    /// A call that carries halves of channels.
    pub(super) fn call_with(&mut self, ask: Ask, carried: Vec<Leaving<PortId>>) -> CallId {
        self.next_call += 1;
        let mut waker = Some(self.next_call);
        let mut message = ask.message(carried);
        let request = ask.request(self.now, &mut waker, &mut message);
        let opened = self.session.open(request, self.now, &mut self.outbox).map(Some);
        self.keep(opened, message)
    }

    pub(super) fn notify(&mut self, ask: Ask) -> CallId {
        self.notify_with(ask, Vec::new())
    }

    pub(super) fn notify_with(&mut self, ask: Ask, carried: Vec<Leaving<PortId>>) -> CallId {
        self.next_call += 1;
        let mut waker = Some(self.next_call);
        let mut message = ask.message(carried);
        let request = ask.request(self.now, &mut waker, &mut message);
        let opened = self.session.notify(request, self.now, &mut self.outbox);
        self.keep(opened, message)
    }

    pub(super) fn calls(&mut self, count: usize, ask: Ask) -> Vec<CallId> {
        (0..count).map(|_| self.call(ask)).collect()
    }

    /// `message` is what is left of it.
    fn keep(&mut self, opened: Result<Option<Ticket>, Terminal>, message: Message<PortId>) -> CallId {
        // Its caller drops what was refused.
        self.session.after.discard(message.body, message.carried);
        self.settle();
        let call = self.next_call;
        match opened {
            Ok(Some(ticket)) => drop(self.tickets.insert(call, ticket)),
            Ok(None) => drop(self.early.insert(call, Terminal::Sent)),
            Err(terminal) => drop(self.early.insert(call, terminal)),
        }
        call
    }

    /// The call's end, if it has come. Who had to wait for it was woken.
    pub(super) fn end_of(&mut self, call: CallId) -> Option<Terminal> {
        self.whole_end_of(call).map(|(terminal, carried)| {
            assert!(carried.is_empty(), "halves that came with the end of call {call}");
            terminal
        })
    }

    /// As [`end_of`](End::end_of), with the halves of channels that came.
    pub(super) fn whole_end_of(&mut self, call: CallId) -> Option<(Terminal, Rare<Arrived>)> {
        if let Some(terminal) = self.early.remove(&call) {
            return Some((terminal, Rare::new()));
        }
        self.end_with_halves(call)
    }

    fn end_with_halves(&mut self, call: CallId) -> Option<(Terminal, Rare<Arrived>)> {
        let ended = self.session.take_done(*self.tickets.get(&call)?)?;
        assert!(self.woken.contains(&call), "call {call} ended by {ended:?}, and nobody was woken");
        Some(ended)
    }

    #[track_caller]
    pub(super) fn expect_end(&mut self, call: CallId) -> Terminal {
        self.end_of(call).expect("the call should be over")
    }

    #[track_caller]
    pub(super) fn expect_waiting(&mut self, call: CallId) {
        assert_eq!(self.end_of(call), None, "the call should wait");
    }

    #[track_caller]
    pub(super) fn expect_value(&mut self, call: CallId, expected: &[u8]) {
        match self.expect_end(call) {
            Terminal::Reply(Value::Copied(value)) => assert_eq!(value, expected),
            Terminal::Reply(Value::Shared(value)) => assert_eq!(value, expected),
            other => panic!("not a reply: {other:?}"),
        }
    }

    #[track_caller]
    pub(super) fn expect_fault(&mut self, call: CallId, code: FaultCode) -> Fault {
        match self.expect_end(call) {
            Terminal::Fault(fault) if fault.code == code => *fault,
            other => panic!("not a fault of {code:?}: {other:?}"),
        }
    }

    /// The caller is gone.
    pub(super) fn abandon(&mut self, call: CallId) {
        self.early.remove(&call);
        if let Some(ticket) = self.tickets.remove(&call) {
            self.session.abandon(ticket, self.now, &mut self.outbox);
        }
        self.settle();
    }

    // Answering.

    #[track_caller]
    pub(super) fn next_inquiry(&mut self) -> Inquiry {
        self.inquiries.pop_front().expect("a request should have come")
    }

    /// The next request, begun. It is the one that `ask` made.
    #[track_caller]
    pub(super) fn expect_request(&mut self, ask: Ask) -> Xid {
        let inquiry = self.next_inquiry();
        assert_eq!(inquiry.method, ask.method);
        assert_eq!(inquiry.args, ask.body());
        self.session.start(inquiry.xid);
        inquiry.xid
    }

    #[track_caller]
    pub(super) fn expect_no_request(&self) {
        assert!(self.inquiries.is_empty(), "{:?}", self.inquiries);
    }

    pub(super) fn reply(&mut self, xid: Xid, value: &[u8]) {
        self.reply_with(xid, value, Vec::new());
    }

    pub(super) fn reply_with(&mut self, xid: Xid, value: &[u8], carried: Vec<Leaving<PortId>>) {
        let mut answer = Answer::Value(value.to_vec().into());
        self.session.answer(xid, &mut answer, carried.into(), &mut self.outbox);
        self.settle();
    }

    pub(super) fn fault(&mut self, xid: Xid, code: FaultCode) {
        let mut answer = Answer::fault(Fault::new(code, "so it goes"));
        self.session.answer(xid, &mut answer, Rare::new(), &mut self.outbox);
        self.settle();
    }

    /// The handler is dropped without an answer.
    pub(super) fn drop_handler(&mut self, xid: Xid) {
        self.session.finish_unanswered(xid, &mut self.outbox);
        self.settle();
    }

    /// Gives the session what stops the handler; it is kept, or stops it at once.
    pub(super) fn attach(&mut self, xid: Xid) {
        let unwanted = self.session.attach(xid, |_| Some(xid));
        self.stopped.extend(unwanted.flatten());
    }

    /// The oldest notify's handler ends.
    pub(super) fn finish_note(&mut self) -> Note {
        let note = self.notes.pop_front().expect("a notify should have come");
        assert!(self.session.finish_notify(note.cost, &mut self.outbox));
        note
    }

    // Channels.

    /// A half that leaves with the next message, and the port of the one that stays.
    pub(super) fn half(&mut self, half: Half) -> (PortId, Leaving<PortId>) {
        self.next_port += 1;
        self.ports.insert(self.next_port, Port::default());
        (self.next_port, Leaving { half, port: self.next_port })
    }

    /// A port for the sending half that came with a message.
    pub(super) fn bind(&mut self, id: Xid) -> PortId {
        self.next_port += 1;
        let bound = self.session.bind(id, self.next_port);
        self.ports.insert(self.next_port, Port { id: Some(id), closed: !bound, resumed: false });
        self.next_port
    }

    /// The id that a port's channel has got.
    #[track_caller]
    pub(super) fn id_of(&self, port: PortId) -> Xid {
        self.ports[&port].id.expect("the other half should have left")
    }

    /// Sends one item, if it may be sent now.
    pub(super) fn send(&mut self, id: Xid, value: &[u8]) -> Result<(), NotSent> {
        self.send_with(id, value, Vec::new())
    }

    pub(super) fn send_with(
        &mut self,
        id: Xid,
        value: &[u8],
        carried: Vec<Leaving<PortId>>,
    ) -> Result<(), NotSent> {
        self.session.may_send_items(id, value.len(), carried.len())?;
        self.session.send_items(id, (1, value.to_vec().into()), carried.into(), &mut self.outbox);
        self.settle();
        Ok(())
    }

    /// The sender ends its channel.
    pub(super) fn end_channel(&mut self, id: Xid, why: Option<FaultCode>) {
        let why = why.map(|code| Fault::new(code, "so it goes"));
        self.session.end_channel(id, why, self.now, &mut self.outbox);
        self.settle();
    }

    /// The receiver takes what is there, and tells that it did. `waker` is woken when more comes.
    pub(super) fn take(&mut self, id: Xid, waker: CallId) -> Taken {
        let taken = self.session.take_items(id, || self.now, &mut self.outbox);
        match &taken {
            Taken::Items(items) => {
                let cost = items.iter().map(Items::cost).sum();
                self.session.consume(id, cost);
            }
            Taken::Nothing => drop(self.session.set_receiver_waker(id, waker)),
            Taken::Ended(_) => {}
        }
        self.settle();
        taken
    }

    /// All items that are there.
    #[track_caller]
    pub(super) fn expect_items(&mut self, id: Xid) -> Vec<u8> {
        match self.take(id, 0) {
            Taken::Items(items) => items.iter().flat_map(|items| items.values.to_vec()).collect(),
            other => panic!("items should have come on channel {id}, not {other:?}"),
        }
    }

    /// The halves that the items there carry.
    #[track_caller]
    pub(super) fn take_items_carried(&mut self, id: Xid) -> Rare<Arrived> {
        match self.take(id, 0) {
            Taken::Items(items) => items.into_iter().flat_map(|items| items.carried).collect(),
            other => panic!("items should have come on channel {id}, not {other:?}"),
        }
    }

    /// The grace of a drain is over.
    pub(super) fn end_channels(&mut self) {
        self.session.end_channels(self.now, &mut self.outbox);
        self.settle();
    }

    #[track_caller]
    pub(super) fn expect_channel_end(&mut self, id: Xid) -> Option<FaultCode> {
        match self.take(id, 0) {
            Taken::Ended(Ended::Said(why)) => why.map(|fault| fault.code),
            other => panic!("channel {id} should have ended, not {other:?}"),
        }
    }

    /// The receiver is dropped.
    pub(super) fn stop(&mut self, id: Xid) {
        self.session.stop_channel(id, || self.now, &mut self.outbox);
        self.settle();
    }

    /// Nobody takes the halves that came with a message.
    pub(super) fn discard(&mut self, carried: Rare<Arrived>) {
        self.session.discard(carried, &mut self.outbox);
        self.settle();
    }

    /// Does what the session has left to be done.
    fn settle(&mut self) {
        let After { wakers, attached, closed, resumed, .. } = std::mem::take(&mut self.session.after);
        self.woken.extend(wakers);
        for (port, id) in attached {
            let known = self.ports.entry(port).or_default();
            assert_eq!(known.id.replace(id), None, "port {port} was attached twice");
        }
        for port in closed {
            self.ports.entry(port).or_default().closed = true;
        }
        for port in resumed {
            self.ports.entry(port).or_default().resumed = true;
        }
    }

    // Time and ends.

    /// Returns the next deadline.
    pub(super) fn expire(&mut self) -> Option<Millis> {
        let (handles, next) = self.session.expire(self.now, &mut self.outbox);
        self.stopped.extend(handles.into_iter().flatten());
        self.settle();
        next
    }

    pub(super) fn drain(&mut self) {
        self.session.drain(&mut self.outbox);
        self.settle();
    }

    pub(super) fn close(&mut self) {
        let handles = self.session.close(GoawayCode::Closed, "bye", &mut self.outbox);
        self.stopped.extend(handles.into_iter().flatten());
        self.settle();
    }

    /// Nothing more can be written.
    pub(super) fn abort(&mut self) {
        let handles = self.session.abort(&mut self.outbox);
        self.stopped.extend(handles.into_iter().flatten());
        self.settle();
    }

    /// The peer sends no more.
    pub(super) fn half_close(&mut self) {
        self.session.close_calls(&mut self.outbox);
        self.settle();
    }

    pub(super) fn is_over(&self) -> bool {
        self.breach.is_some() || self.goodbye.is_some()
    }

    // Bytes.

    /// The writer takes everything queued.
    pub(super) fn flush(&mut self) {
        self.session.flush_channels(&mut self.outbox);
        let departed = self.outbox.take(&mut self.batch);
        self.session.left_outbox(departed, self.now, &mut self.outbox);
        self.settle();
        let mut bytes = Vec::new();
        while !self.batch.is_written() {
            let mut slices = [IoSlice::new(&[]); 4];
            let count = self.batch.slices(&mut slices);
            let part: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect();
            self.batch.advance(part.len());
            bytes.extend(part);
        }
        self.note_said(&bytes);
        self.pipe.extend(bytes);
    }

    fn note_said(&mut self, mut bytes: &[u8]) {
        while let Some((prefix, rest)) = bytes.split_first_chunk::<PREFIX>() {
            let len =
                codec::frame_len(*prefix, MAX_LEN).expect("no frame of ours exceeds the wire's own limit");
            let frame = Frame::decode(&rest[..len]).expect("our own frame");
            bytes = &rest[len..];
            if let Frame::Chunk { id, remaining: Some(remaining), data } = frame {
                self.note_chunk(id, remaining, data);
                continue;
            }
            if let Frame::Chunk { id, .. } = frame {
                self.parts.remove(&id).expect("only what was begun is given up");
            }
            self.said.push(Spoken::of(&frame));
        }
    }

    /// A large message counts as said with its last chunk.
    fn note_chunk(&mut self, id: Xid, remaining: u64, data: &[u8]) {
        self.chunks += 1;
        let whole = self.parts.entry(id).or_default();
        whole.extend_from_slice(data);
        if remaining == 0 {
            let whole = self.parts.remove(&id).unwrap_or_default();
            self.said.push(Spoken::of(&Frame::decode(&whole).expect("our own message")));
        }
    }

    /// What was written since it was last asked for.
    pub(super) fn said(&mut self) -> Vec<Spoken> {
        self.flush();
        self.wrote()
    }

    /// As [`said`](End::said), and what is queued stays queued.
    pub(super) fn wrote(&mut self) -> Vec<Spoken> {
        std::mem::take(&mut self.said)
    }

    /// What has arrived since it was last asked for.
    pub(super) fn heard(&mut self) -> Vec<Spoken> {
        std::mem::take(&mut self.heard)
    }

    /// A frame comes from a scripted peer.
    pub(super) fn hear(&mut self, frame: &Frame<'_>) {
        let mut bytes = Vec::new();
        codec::put(frame, &mut bytes);
        self.hear_bytes(&bytes);
    }

    pub(super) fn hear_bytes(&mut self, bytes: &[u8]) {
        self.inbound.extend_from_slice(bytes);
        while let Some(&prefix) = self.inbound.first_chunk::<PREFIX>()
            && !self.is_over()
        {
            let limit = if self.session.is_greeted() { self.limit } else { MAX_HELLO };
            let whole = PREFIX + codec::frame_len(prefix, limit).expect("a length within the reader's limit");
            if self.inbound.len() < whole {
                return;
            }
            let rest = self.inbound.split_off(whole);
            let frame = Bytes::from(std::mem::replace(&mut self.inbound, rest)).slice(PREFIX..);
            self.on_frame(&frame);
        }
    }

    fn on_frame(&mut self, bytes: &Bytes) {
        let owner = (bytes.len() > OWNED).then_some(bytes);
        let frame = match Frame::decode(bytes) {
            Ok(Frame::Chunk { id, remaining, data }) => return self.on_chunk(id, remaining, data),
            Ok(frame) => frame,
            Err(bad) => return self.end_by(bad.into()),
        };
        self.heard.push(Spoken::of(&frame));
        let action = self.session.on_frame(&frame, owner, self.now, &mut self.outbox);
        self.on_action(&frame, action);
    }

    fn on_chunk(&mut self, id: Xid, remaining: Option<u64>, data: &[u8]) {
        let head = ChunkHead { id, remaining, len: data.len() };
        let buffer = match self.session.chunk_begins(&head) {
            Ok(Intake::Keep(mut buffer)) => {
                buffer.extend_from_slice(data);
                Some(buffer)
            }
            Ok(Intake::Skip) => None,
            Err(breach) => return self.end_by(breach),
        };
        match self.session.chunk_ends(id, buffer) {
            Chunked::Part => self.settle(),
            Chunked::Whole(message) => {
                let frame = match Frame::decode(&message) {
                    Ok(frame) => frame,
                    Err(bad) => return self.end_by(bad.into()),
                };
                self.heard.push(Spoken::of(&frame));
                let action = self.session.on_whole(id, &frame, &message, self.now, &mut self.outbox);
                self.on_action(&frame, action);
            }
            Chunked::Oversize { start, total } => {
                let action = self.session.on_oversize(id, (&start, total), self.now, &mut self.outbox);
                self.on_action(&Frame::Skipped { kind: 64 }, action);
            }
        }
    }

    fn on_action(&mut self, frame: &Frame<'_>, action: Result<Action<'_, CallId, Option<Xid>>, Breach>) {
        match action {
            Ok(action) => self.perform(frame, action),
            Err(breach) => self.end_by(breach),
        }
        self.settle();
    }

    fn perform(&mut self, frame: &Frame<'_>, action: Action<'_, CallId, Option<Xid>>) {
        match action {
            Action::None => {}
            Action::Answered(call) | Action::Wake(call) => drop(self.woken.insert(call)),
            Action::WakeAll(calls) => self.woken.extend(calls),
            Action::Stop(handler) => self.stopped.extend(handler),
            Action::Serve { xid, deadline, carried, .. } => {
                let Frame::Request { method, args, .. } = *frame else { panic!("{frame:?} is no request") };
                let (method, args) = (method.to_string(), args.into());
                self.inquiries.push_back(Inquiry { xid, method, args, deadline, carried });
            }
            Action::ServeNotify { cost, carried, .. } => {
                let Frame::Notify { method, args, .. } = *frame else { panic!("{frame:?} is no notify") };
                self.notes.push_back(Note { method: method.to_string(), len: args.len(), cost, carried });
            }
            Action::Close { message, refused } => {
                self.woken.extend(refused);
                self.abort();
                self.goodbye = Some(message);
            }
        }
    }

    fn end_by(&mut self, breach: Breach) {
        let handles = self.session.close(breach.code, &breach.message, &mut self.outbox);
        self.stopped.extend(handles.into_iter().flatten());
        self.settle();
        self.breach = Some(breach);
    }

    /// The session has ended because the peer broke the protocol, and says so.
    #[track_caller]
    pub(super) fn expect_breach(&mut self, message: &str) {
        let breach = self.breach.as_ref().expect("the connection should have ended");
        assert!(breach.message.contains(message), "{breach:?}");
        let code = breach.code;
        assert!(matches!(self.said().last(), Some(Spoken::Goaway(_, said)) if *said == code));
    }

    /// Nothing is queued, and nothing is on its way from here.
    pub(super) fn is_quiet(&self) -> bool {
        self.outbox.is_empty() && !self.session.has_due() && self.pipe.is_empty()
    }
}

pub(super) struct Pair {
    pub(super) client: End,
    pub(super) server: End,
}

impl Pair {
    /// Two ends that have said nothing yet.
    pub(super) fn new(client: Settings, server: Settings) -> Pair {
        Pair { client: End::new(Side::Connecting, client), server: End::new(Side::Accepting, server) }
    }

    /// Two ends that have exchanged their hellos.
    pub(super) fn greeted(client: Settings, server: Settings) -> Pair {
        let mut pair = Pair::new(client, server);
        pair.drive();
        assert_eq!((pair.client.said(), pair.client.heard()), (vec![Spoken::Hello], vec![Spoken::Hello]));
        assert_eq!((pair.server.said(), pair.server.heard()), (vec![Spoken::Hello], vec![Spoken::Hello]));
        pair
    }

    /// Two ends that know each other's hello and allow each other the least.
    pub(super) fn narrow() -> Pair {
        Pair::greeted(Settings::FLOOR, Settings::FLOOR)
    }

    /// Moves all bytes until nobody says anything more.
    pub(super) fn drive(&mut self) {
        while !(self.client.is_quiet() && self.server.is_quiet()) {
            self.client.flush();
            self.server.flush();
            self.carry(usize::MAX, usize::MAX);
        }
    }

    /// Moves so many written bytes to the server and to the client, cutting frames where it falls.
    pub(super) fn carry(&mut self, to_server: usize, to_client: usize) {
        carry(&mut self.client, &mut self.server, to_server);
        carry(&mut self.server, &mut self.client, to_client);
    }

    /// Moves what was written, and has nobody write more.
    pub(super) fn carry_all_written(&mut self) {
        self.carry(usize::MAX, usize::MAX);
    }

    /// Time goes by at both ends.
    pub(super) fn pass(&mut self, time: Millis) {
        self.client.now += time;
        self.server.now += time;
        self.client.expire();
        self.server.expire();
    }

    /// Nothing is left of any transaction, channel or large message.
    #[track_caller]
    pub(super) fn expect_no_rows(&mut self) {
        self.drive();
        for end in [&self.client, &self.server] {
            assert_eq!((end.session.rows(), end.session.open_rows()), ((0, 0), (0, 0)));
        }
    }
}

fn carry(from: &mut End, to: &mut End, bytes: usize) {
    let bytes: Vec<u8> = from.pipe.drain(..bytes.min(from.pipe.len())).collect();
    to.hear_bytes(&bytes);
}

/// A hello of the version spoken here.
pub(super) fn hello(side: Side, settings: Settings) -> Frame<'static> {
    Frame::Hello(Hello { version: VERSION, side, settings })
}

/// A request as a scripted peer writes it.
pub(super) fn request(xid: Xid, args: &[u8]) -> Frame<'_> {
    Frame::Request { xid, method: "calc.add".into(), meta: None, args }
}

/// The floors, with more room for large messages.
pub(super) fn roomy(max_message: u64, max_buffered: u64) -> Settings {
    Settings { max_message, max_buffered, ..Settings::FLOOR }
}

/// The floors, with so many requests in flight.
pub(super) fn wide(max_in_flight: u64) -> Settings {
    Settings { max_in_flight, ..Settings::FLOOR }
}
