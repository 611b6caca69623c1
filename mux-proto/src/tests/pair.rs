//! Two ends of one connection and the bytes between them, which move when a test says so.

use crate::Millis;
use crate::session::Session;
use crate::session::calls::outgoing::Ticket;
use crate::session::channels::Items;
use crate::session::channels::receiving::Ended;
use crate::session::channels::receiving::Taken;
use crate::session::channels::sending::NotSent;
use crate::session::effects::Effects;
use crate::session::inbound::Action;
use crate::session::message::Answer;
use crate::session::message::Message;
use crate::session::message::MethodName;
use crate::session::message::Request;
use crate::session::message::Terminal;
use crate::session::message::Value;
use crate::session::outbox::Batch;
use crate::session::outbox::Outbox;
use crate::session::protocol_error::ProtocolError;
use crate::session::reassembly::Chunked;
use crate::session::reassembly::Intake;
use crate::thin_list::ThinList;
use crate::wire::fault::Fault;
use crate::wire::fault::FaultCode;
use crate::wire::fault::GoawayCode;
use crate::wire::frame::ChunkHead;
use crate::wire::frame::Frame;
use crate::wire::frame::MAX_HELLO;
use crate::wire::frame::MAX_LEN;
use crate::wire::handles::Half;
use crate::wire::handles::IncomingHandle;
use crate::wire::handles::OutgoingHandle;
use crate::wire::meta::MetaPairs;
use crate::wire::prefix;
use crate::wire::prefix::PREFIX;
use crate::wire::settings::Hello;
use crate::wire::settings::Settings;
use crate::wire::settings::VERSION;
use crate::wire::xid::Side;
use crate::wire::xid::Xid;
use bytes::Bytes;
use std::collections::{HashMap, HashSet, VecDeque};

/// Frames longer than this arrive in a buffer of their own, as in the reader.
const OWNED: usize = 32 << 10;

/// What a call asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    method: &'static str,
    len: usize,
    within: Option<Millis>,
    nested: bool,
    meta: usize,
}

/// A small call.
pub(crate) const ADD: Ask = Ask { method: "calc.add", len: 3, within: None, nested: false, meta: 0 };
/// Another one.
pub(crate) const MUL: Ask = Ask { method: "calc.multiply", len: 5, ..ADD };

impl Ask {
    /// With arguments of so many bytes.
    pub(crate) const fn of(self, len: usize) -> Ask {
        Ask { len, ..self }
    }

    pub(crate) const fn within(self, timeout: Millis) -> Ask {
        Ask { within: Some(timeout), ..self }
    }

    /// From within a handler.
    pub(crate) const fn nested(self) -> Ask {
        Ask { nested: true, ..self }
    }

    /// With a key of its own whose value has so many bytes.
    pub(crate) const fn with_meta(self, meta: usize) -> Ask {
        Ask { meta, ..self }
    }

    /// Distinct at each place, so that a shifted or shared buffer shows.
    pub(crate) fn body(self) -> Vec<u8> {
        (0..self.len).map(|at| (at * 7 + self.method.len()) as u8).collect()
    }

    fn message(self, carried: Vec<OutgoingHandle<PortId>>) -> Message<PortId> {
        let mut meta = MetaPairs::default();
        if self.meta > 0 {
            meta.push("key", &"v".repeat(self.meta));
        }
        Message {
            method: MethodName::Known(self.method),
            meta,
            body: self.body().into(),
            carried: carried.into(),
        }
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
pub(crate) type CallId = u32;

/// Names the half of a channel that is here.
pub(crate) type PortId = u32;

/// What became of a half that is here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Port {
    /// Its other half has left under this id.
    pub(crate) id: Option<Xid>,
    pub(crate) closed: bool,
    /// It may send again.
    pub(crate) resumed: bool,
}

/// A frame, as far as dialogues speak of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Spoken {
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
pub(crate) struct RequestParts {
    pub(crate) xid: Xid,
    pub(crate) method: String,
    pub(crate) args: Vec<u8>,
    pub(crate) deadline: Option<Millis>,
    pub(crate) carried: ThinList<IncomingHandle>,
}

/// A notify that came.
#[derive(Debug)]
pub(crate) struct Note {
    pub(crate) method: String,
    pub(crate) len: usize,
    pub(crate) cost: u64,
    pub(crate) carried: ThinList<IncomingHandle>,
}

/// One session and its driver's part, played by hand.
pub(crate) struct End {
    pub(crate) session: Session<CallId, Option<Xid>, PortId>,
    pub(crate) outbox: Outbox,
    batch: Batch,
    /// Longest frame that may come after the hello.
    limit: usize,
    pub(crate) now: Millis,
    /// Written, and not arrived.
    pub(crate) pipe: VecDeque<u8>,
    /// Arrived, and not a whole frame yet.
    inbound: Vec<u8>,
    said: Vec<Spoken>,
    heard: Vec<Spoken>,
    pub(crate) requests: VecDeque<RequestParts>,
    pub(crate) notes: VecDeque<Note>,
    pub(crate) woken: HashSet<CallId>,
    /// Handlers that were told to stop.
    pub(crate) stopped: Vec<Xid>,
    tickets: HashMap<CallId, Ticket>,
    /// Calls that ended while they were made.
    early: HashMap<CallId, Terminal>,
    next_call: CallId,
    pub(crate) protocol_error: Option<ProtocolError>,
    pub(crate) goodbye: Option<String>,
    pub(crate) ports: HashMap<PortId, Port>,
    next_port: PortId,
    /// Large messages said so far in parts.
    parts: HashMap<Xid, Vec<u8>>,
    /// How many chunks were said.
    pub(crate) chunks: usize,
}

impl End {
    pub(crate) fn new(side: Side, ours: Settings) -> End {
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
            requests: VecDeque::new(),
            notes: VecDeque::new(),
            woken: HashSet::new(),
            stopped: Vec::new(),
            tickets: HashMap::new(),
            early: HashMap::new(),
            next_call: 0,
            protocol_error: None,
            goodbye: None,
            ports: HashMap::new(),
            next_port: 0,
            parts: HashMap::new(),
            chunks: 0,
        }
    }

    /// An accepting end that has said its hello and heard that of a scripted peer.
    pub(crate) fn scripted(ours: Settings) -> End {
        let mut end = End::new(Side::Accepting, ours);
        end.hear(&hello(Side::Connecting, Settings::FLOOR));
        assert_eq!(end.said(), [Spoken::Hello]);
        end
    }

    // Asking.

    pub(crate) fn call(&mut self, ask: Ask) -> CallId {
        self.call_with(ask, Vec::new())
    }

    /// A call that carries halves of channels.
    pub(crate) fn call_with(&mut self, ask: Ask, carried: Vec<OutgoingHandle<PortId>>) -> CallId {
        self.next_call += 1;
        let mut waker = Some(self.next_call);
        let mut message = ask.message(carried);
        let request = ask.request(self.now, &mut waker, &mut message);
        let opened = self.session.open(request, self.now, &mut self.outbox).map(Some);
        self.keep(opened, message)
    }

    pub(crate) fn notify(&mut self, ask: Ask) -> CallId {
        self.notify_with(ask, Vec::new())
    }

    pub(crate) fn notify_with(&mut self, ask: Ask, carried: Vec<OutgoingHandle<PortId>>) -> CallId {
        self.next_call += 1;
        let mut waker = Some(self.next_call);
        let mut message = ask.message(carried);
        let request = ask.request(self.now, &mut waker, &mut message);
        let opened = self.session.notify(request, self.now, &mut self.outbox);
        self.keep(opened, message)
    }

    pub(crate) fn calls(&mut self, count: usize, ask: Ask) -> Vec<CallId> {
        (0..count).map(|_| self.call(ask)).collect()
    }

    /// `message` is what is left of it.
    fn keep(&mut self, opened: Result<Option<Ticket>, Terminal>, message: Message<PortId>) -> CallId {
        // Its caller drops what was refused.
        self.session.effects.discard(message.body, message.carried);
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
    pub(crate) fn end_of(&mut self, call: CallId) -> Option<Terminal> {
        self.whole_end_of(call).map(|(terminal, carried)| {
            assert!(carried.is_empty(), "halves that came with the end of call {call}");
            terminal
        })
    }

    /// As [`end_of`](End::end_of), with the halves of channels that came.
    pub(crate) fn whole_end_of(&mut self, call: CallId) -> Option<(Terminal, ThinList<IncomingHandle>)> {
        if let Some(terminal) = self.early.remove(&call) {
            return Some((terminal, ThinList::new()));
        }
        self.end_with_halves(call)
    }

    fn end_with_halves(&mut self, call: CallId) -> Option<(Terminal, ThinList<IncomingHandle>)> {
        let ended = self.session.take_done(*self.tickets.get(&call)?)?;
        assert!(self.woken.contains(&call), "call {call} ended by {ended:?}, and nobody was woken");
        Some(ended)
    }

    #[track_caller]
    pub(crate) fn expect_end(&mut self, call: CallId) -> Terminal {
        self.end_of(call).expect("the call should be over")
    }

    #[track_caller]
    pub(crate) fn expect_waiting(&mut self, call: CallId) {
        assert_eq!(self.end_of(call), None, "the call should wait");
    }

    #[track_caller]
    pub(crate) fn expect_value(&mut self, call: CallId, expected: &[u8]) {
        match self.expect_end(call) {
            Terminal::Reply(Value::Copied(value)) => assert_eq!(value, expected),
            Terminal::Reply(Value::Shared(value)) => assert_eq!(value, expected),
            other => panic!("not a reply: {other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn expect_fault(&mut self, call: CallId, code: FaultCode) -> Fault {
        match self.expect_end(call) {
            Terminal::Fault(fault) if fault.code == code => *fault,
            other => panic!("not a fault of {code:?}: {other:?}"),
        }
    }

    /// The caller is gone.
    pub(crate) fn abandon(&mut self, call: CallId) {
        self.early.remove(&call);
        if let Some(ticket) = self.tickets.remove(&call) {
            self.session.abandon(ticket, self.now, &mut self.outbox);
        }
        self.settle();
    }

    // Answering.

    #[track_caller]
    pub(crate) fn next_request(&mut self) -> RequestParts {
        self.requests.pop_front().expect("a request should have come")
    }

    /// The next request, begun. It is the one that `ask` made.
    #[track_caller]
    pub(crate) fn expect_request(&mut self, ask: Ask) -> Xid {
        let parts = self.next_request();
        assert_eq!(parts.method, ask.method);
        assert_eq!(parts.args, ask.body());
        self.session.start(parts.xid);
        parts.xid
    }

    #[track_caller]
    pub(crate) fn expect_no_request(&self) {
        assert!(self.requests.is_empty(), "{:?}", self.requests);
    }

    pub(crate) fn reply(&mut self, xid: Xid, value: &[u8]) {
        self.reply_with(xid, value, Vec::new());
    }

    pub(crate) fn reply_with(&mut self, xid: Xid, value: &[u8], carried: Vec<OutgoingHandle<PortId>>) {
        let mut answer = Answer::Value(value.to_vec().into());
        self.session.answer(xid, &mut answer, carried.into(), &mut self.outbox);
        self.settle();
    }

    pub(crate) fn fault(&mut self, xid: Xid, code: FaultCode) {
        let mut answer = Answer::fault(Fault::new(code, "so it goes"));
        self.session.answer(xid, &mut answer, ThinList::new(), &mut self.outbox);
        self.settle();
    }

    /// The handler is dropped without an answer.
    pub(crate) fn drop_handler(&mut self, xid: Xid) {
        self.session.finish_unanswered(xid, &mut self.outbox);
        self.settle();
    }

    /// Gives the session what stops the handler; it is kept, or stops it at once.
    pub(crate) fn attach(&mut self, xid: Xid) {
        let unwanted = self.session.attach(xid, |_| Some(xid));
        self.stopped.extend(unwanted.flatten());
    }

    /// The oldest notify's handler ends.
    pub(crate) fn finish_note(&mut self) -> Note {
        let note = self.notes.pop_front().expect("a notify should have come");
        assert!(self.session.finish_notify(note.cost, &mut self.outbox));
        note
    }

    // Channels.

    /// A half that leaves with the next message, and the port of the one that stays.
    pub(crate) fn half(&mut self, half: Half) -> (PortId, OutgoingHandle<PortId>) {
        self.next_port += 1;
        self.ports.insert(self.next_port, Port::default());
        (self.next_port, OutgoingHandle { half, port: self.next_port })
    }

    /// A port for the sending half that came with a message.
    pub(crate) fn bind(&mut self, id: Xid) -> PortId {
        self.next_port += 1;
        let bound = self.session.bind(id, self.next_port);
        self.ports.insert(self.next_port, Port { id: Some(id), closed: !bound, resumed: false });
        self.next_port
    }

    /// The id that a port's channel has got.
    #[track_caller]
    pub(crate) fn id_of(&self, port: PortId) -> Xid {
        self.ports[&port].id.expect("the other half should have left")
    }

    /// Sends one item, if it may be sent now.
    pub(crate) fn send(&mut self, id: Xid, value: &[u8]) -> Result<(), NotSent> {
        self.send_with(id, value, Vec::new())
    }

    pub(crate) fn send_with(
        &mut self,
        id: Xid,
        value: &[u8],
        carried: Vec<OutgoingHandle<PortId>>,
    ) -> Result<(), NotSent> {
        self.session.may_send_items(id, value.len(), carried.len())?;
        self.session.send_items(id, (1, value.to_vec().into()), carried.into(), &mut self.outbox);
        self.settle();
        Ok(())
    }

    /// The sender ends its channel.
    pub(crate) fn end_channel(&mut self, id: Xid, why: Option<FaultCode>) {
        let why = why.map(|code| Fault::new(code, "so it goes"));
        self.session.end_channel(id, why, self.now, &mut self.outbox);
        self.settle();
    }

    /// The receiver takes what is there, and tells that it did. `waker` is woken when more comes.
    pub(crate) fn take(&mut self, id: Xid, waker: CallId) -> Taken {
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
    pub(crate) fn expect_items(&mut self, id: Xid) -> Vec<u8> {
        match self.take(id, 0) {
            Taken::Items(items) => items.iter().flat_map(|items| items.values.to_vec()).collect(),
            other => panic!("items should have come on channel {id}, not {other:?}"),
        }
    }

    /// The halves that the items there carry.
    #[track_caller]
    pub(crate) fn take_items_carried(&mut self, id: Xid) -> ThinList<IncomingHandle> {
        match self.take(id, 0) {
            Taken::Items(items) => items.into_iter().flat_map(|items| items.carried).collect(),
            other => panic!("items should have come on channel {id}, not {other:?}"),
        }
    }

    /// The grace of a drain is over.
    pub(crate) fn end_channels(&mut self) {
        self.session.end_channels(self.now, &mut self.outbox);
        self.settle();
    }

    #[track_caller]
    pub(crate) fn expect_channel_end(&mut self, id: Xid) -> Option<FaultCode> {
        match self.take(id, 0) {
            Taken::Ended(Ended::Said(why)) => why.map(|fault| fault.code),
            other => panic!("channel {id} should have ended, not {other:?}"),
        }
    }

    /// The receiver is dropped.
    pub(crate) fn stop(&mut self, id: Xid) {
        self.session.stop_channel(id, || self.now, &mut self.outbox);
        self.settle();
    }

    /// Nobody takes the halves that came with a message.
    pub(crate) fn discard(&mut self, carried: ThinList<IncomingHandle>) {
        self.session.discard(carried, &mut self.outbox);
        self.settle();
    }

    /// Does what the session has left to be done.
    fn settle(&mut self) {
        let Effects { wakers, attached, closed, resumed, .. } = core::mem::take(&mut self.session.effects);
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
    pub(crate) fn expire(&mut self) -> Option<Millis> {
        let (handles, next) = self.session.expire(self.now, &mut self.outbox);
        self.stopped.extend(handles.into_iter().flatten());
        self.settle();
        next
    }

    pub(crate) fn drain(&mut self) {
        self.session.drain(&mut self.outbox);
        self.settle();
    }

    pub(crate) fn close(&mut self) {
        let handles = self.session.close(GoawayCode::Closed, "bye", &mut self.outbox);
        self.stopped.extend(handles.into_iter().flatten());
        self.settle();
    }

    /// Nothing more can be written.
    pub(crate) fn abort(&mut self) {
        let handles = self.session.abort(&mut self.outbox);
        self.stopped.extend(handles.into_iter().flatten());
        self.settle();
    }

    /// The peer sends no more.
    pub(crate) fn half_close(&mut self) {
        self.session.close_calls(&mut self.outbox);
        self.settle();
    }

    pub(crate) fn is_over(&self) -> bool {
        self.protocol_error.is_some() || self.goodbye.is_some()
    }

    // Bytes.

    /// The writer takes everything queued.
    pub(crate) fn flush(&mut self) {
        self.session.flush_channels(&mut self.outbox);
        let departed = self.outbox.take(&mut self.batch);
        self.session.left_outbox(departed, self.now, &mut self.outbox);
        self.settle();
        let mut bytes = Vec::new();
        while !self.batch.is_written() {
            let part: Vec<u8> = self.batch.parts().take(4).flatten().copied().collect();
            self.batch.advance(part.len());
            bytes.extend(part);
        }
        self.note_said(&bytes);
        self.pipe.extend(bytes);
    }

    fn note_said(&mut self, mut bytes: &[u8]) {
        while let Some((prefix, rest)) = bytes.split_first_chunk::<PREFIX>() {
            let len =
                prefix::frame_len(*prefix, MAX_LEN).expect("no frame of ours exceeds the wire's own limit");
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
    pub(crate) fn said(&mut self) -> Vec<Spoken> {
        self.flush();
        self.wrote()
    }

    /// As [`said`](End::said), and what is queued stays queued.
    pub(crate) fn wrote(&mut self) -> Vec<Spoken> {
        core::mem::take(&mut self.said)
    }

    /// What has arrived since it was last asked for.
    pub(crate) fn heard(&mut self) -> Vec<Spoken> {
        core::mem::take(&mut self.heard)
    }

    /// A frame comes from a scripted peer.
    pub(crate) fn hear(&mut self, frame: &Frame<'_>) {
        let mut bytes = Vec::new();
        prefix::put(frame, &mut bytes);
        self.hear_bytes(&bytes);
    }

    pub(crate) fn hear_bytes(&mut self, bytes: &[u8]) {
        self.inbound.extend_from_slice(bytes);
        while let Some(&prefix) = self.inbound.first_chunk::<PREFIX>()
            && !self.is_over()
        {
            let limit = if self.session.is_greeted() { self.limit } else { MAX_HELLO };
            let whole =
                PREFIX + prefix::frame_len(prefix, limit).expect("a length within the reader's limit");
            if self.inbound.len() < whole {
                return;
            }
            let rest = self.inbound.split_off(whole);
            let frame = Bytes::from(core::mem::replace(&mut self.inbound, rest)).slice(PREFIX..);
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
            Ok(Intake::Begin { .. }) => Some(data.to_vec()),
            Ok(Intake::Resume(buffer)) => Some([&buffer, data].concat()),
            Ok(Intake::Skip | Intake::GivenUp(_)) => None,
            Err(protocol_error) => return self.end_by(protocol_error),
        };
        match self.session.chunk_ends(id, buffer) {
            Chunked::Part => self.settle(),
            Chunked::Whole(message) => {
                let message = Bytes::from(message);
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

    fn on_action(
        &mut self,
        frame: &Frame<'_>,
        action: Result<Action<'_, CallId, Option<Xid>>, ProtocolError>,
    ) {
        match action {
            Ok(action) => self.perform(frame, action),
            Err(protocol_error) => self.end_by(protocol_error),
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
                self.requests.push_back(RequestParts { xid, method, args, deadline, carried });
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

    fn end_by(&mut self, protocol_error: ProtocolError) {
        let handles = self.session.close(protocol_error.code, &protocol_error.message, &mut self.outbox);
        self.stopped.extend(handles.into_iter().flatten());
        self.settle();
        self.protocol_error = Some(protocol_error);
    }

    /// The session has ended because the peer broke the protocol, and says so.
    #[track_caller]
    pub(crate) fn expect_protocol_error(&mut self, message: &str) {
        let protocol_error = self.protocol_error.as_ref().expect("the connection should have ended");
        assert!(protocol_error.message.contains(message), "{protocol_error:?}");
        let code = protocol_error.code;
        assert!(matches!(self.said().last(), Some(Spoken::Goaway(_, said)) if *said == code));
    }

    /// Nothing is queued, and nothing is on its way from here.
    pub(crate) fn is_quiet(&self) -> bool {
        self.outbox.is_empty() && !self.session.has_due() && self.pipe.is_empty()
    }
}

pub(crate) struct Pair {
    pub(crate) client: End,
    pub(crate) server: End,
}

impl Pair {
    /// Two ends that have said nothing yet.
    pub(crate) fn new(client: Settings, server: Settings) -> Pair {
        Pair { client: End::new(Side::Connecting, client), server: End::new(Side::Accepting, server) }
    }

    /// Two ends that have exchanged their hellos.
    pub(crate) fn greeted(client: Settings, server: Settings) -> Pair {
        let mut pair = Pair::new(client, server);
        pair.drive();
        assert_eq!((pair.client.said(), pair.client.heard()), (vec![Spoken::Hello], vec![Spoken::Hello]));
        assert_eq!((pair.server.said(), pair.server.heard()), (vec![Spoken::Hello], vec![Spoken::Hello]));
        pair
    }

    /// Two ends that know each other's hello and allow each other the least.
    pub(crate) fn narrow() -> Pair {
        Pair::greeted(Settings::FLOOR, Settings::FLOOR)
    }

    /// Moves all bytes until nobody says anything more.
    pub(crate) fn drive(&mut self) {
        while !(self.client.is_quiet() && self.server.is_quiet()) {
            self.client.flush();
            self.server.flush();
            self.carry(usize::MAX, usize::MAX);
        }
    }

    /// Moves so many written bytes to the server and to the client, cutting frames where it falls.
    pub(crate) fn carry(&mut self, to_server: usize, to_client: usize) {
        carry(&mut self.client, &mut self.server, to_server);
        carry(&mut self.server, &mut self.client, to_client);
    }

    /// Moves what was written, and has nobody write more.
    pub(crate) fn carry_all_written(&mut self) {
        self.carry(usize::MAX, usize::MAX);
    }

    /// Time goes by at both ends.
    pub(crate) fn pass(&mut self, time: Millis) {
        self.client.now += time;
        self.server.now += time;
        self.client.expire();
        self.server.expire();
    }

    /// Nothing is left of any transaction, channel or large message.
    #[track_caller]
    pub(crate) fn expect_no_rows(&mut self) {
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
pub(crate) fn hello(side: Side, settings: Settings) -> Frame<'static> {
    Frame::Hello(Hello { version: VERSION, side, settings })
}

/// A request as a scripted peer writes it.
pub(crate) fn request(xid: Xid, args: &[u8]) -> Frame<'_> {
    Frame::Request { xid, method: "calc.add".into(), meta: None, args }
}

/// The floors, with more room for large messages.
pub(crate) fn roomy(max_message: u64, max_buffered: u64) -> Settings {
    Settings { max_message, max_buffered, ..Settings::FLOOR }
}

/// The floors, with so many requests in flight.
pub(crate) fn wide(max_in_flight: u64) -> Settings {
    Settings { max_in_flight, ..Settings::FLOOR }
}
