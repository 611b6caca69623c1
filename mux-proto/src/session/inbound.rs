//! What a frame means. An `Err` ends the connection, with a GOAWAY that says why.

use crate::Millis;
use crate::session::MAX_TIMEOUT;
use crate::session::MOST_OPEN;
use crate::session::Phase;
use crate::session::Session;
use crate::session::calls::serving::Misuse;
use crate::session::channels::Items;
use crate::session::channels::credit;
use crate::session::limits::draining;
use crate::session::limits::exceeds_limits;
use crate::session::limits::frame_too_large;
use crate::session::limits::item_too_large;
use crate::session::limits::reply_too_large;
use crate::session::limits::too_large;
use crate::session::limits::truncate;
use crate::session::message::Answer;
use crate::session::message::RequestParts;
use crate::session::message::Terminal;
use crate::session::message::Value;
use crate::session::outbox::Outbox;
use crate::session::protocol_error::ProtocolError;
use crate::session::protocol_error::protocol_error;
use crate::thin_list::ThinList;
use crate::wire::fault::Fault;
use crate::wire::fault::FaultCode;
use crate::wire::fault::GoawayCode;
use crate::wire::frame::{End, Frame};
use crate::wire::handles;
use crate::wire::handles::IncomingHandle;
use crate::wire::meta::MetaFacts;
use crate::wire::settings::Hello;
use crate::wire::settings::SMALL;
use crate::wire::settings::VERSION;
use crate::wire::xid::Side;
use crate::wire::xid::Xid;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;

/// What the driver has to do for a frame.
#[derive(Debug)]
pub enum Action<'a, W, H> {
    None,
    /// A call has its answer.
    Answered(W),
    /// A half of a channel has items, or has ended.
    Wake(W),
    WakeAll(Vec<W>),
    Serve {
        xid: Xid,
        deadline: Option<Millis>,
        parts: RequestParts<'a>,
        carried: ThinList<IncomingHandle>,
    },
    ServeNotify {
        cost: u64,
        parts: RequestParts<'a>,
        carried: ThinList<IncomingHandle>,
    },
    Stop(H),
    /// The peer has closed, and nothing more is read. The callers whose requests it never ran are to be woken.
    Close {
        message: String,
        refused: Vec<W>,
    },
}

/// Whether a message came by itself, or in chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MessageSize {
    /// What it counts as a large one; zero for a frame of its own.
    pub(crate) charge: u64,
    /// Length of its body, of which not all may be there.
    pub(crate) len: u64,
}

impl<W, H: Default, P: Clone> Session<W, H, P> {
    /// Decides what a frame means. An `Err` ends the connection. `owner` is given where the frame has
    /// a buffer of its own: a value is kept in there instead of being copied.
    #[inline]
    pub fn on_frame<'a>(
        &mut self,
        frame: &Frame<'a>,
        owner: Option<&Bytes>,
        now: Millis,
        out: &mut Outbox,
    ) -> Result<Action<'a, W, H>, ProtocolError> {
        if self.phase == Phase::Closed {
            return Ok(Action::None);
        }
        if !self.greeted && !matches!(frame, Frame::Hello(_) | Frame::Goaway { .. }) {
            return Err(protocol_error("the first frame is not a hello"));
        }
        let size = MessageSize { charge: 0, len: frame.body().len() as u64 };
        match *frame {
            Frame::Request { xid, method, meta, args } => {
                self.on_request(xid, RequestParts { method, meta, args }, size, now, out)
            }
            Frame::Reply { xid, meta, value } => self.on_reply(xid, meta, (value, size.len), owner, now, out),
            _ => self.decide(frame, size, owner, now, out),
        }
    }

    pub(crate) fn decide<'a>(
        &mut self,
        frame: &Frame<'a>,
        size: MessageSize,
        owner: Option<&Bytes>,
        now: Millis,
        out: &mut Outbox,
    ) -> Result<Action<'a, W, H>, ProtocolError> {
        match *frame {
            Frame::Hello(ref hello) => self.on_hello(hello, now, out),
            Frame::Request { xid, method, meta, args } => {
                self.on_request(xid, RequestParts { method, meta, args }, size, now, out)
            }
            Frame::Reply { xid, meta, value } => self.on_reply(xid, meta, (value, size.len), owner, now, out),
            Frame::Fault { xid, meta, code, message, detail } => {
                self.on_answer(xid, meta, now, out, |limit, _| {
                    if size.len > limit {
                        return Terminal::fault(reply_too_large(size.len, limit));
                    }
                    let (message, detail) = (truncate(message).to_owned(), detail.to_vec());
                    Terminal::fault(Fault { code, message, detail })
                })
            }
            Frame::Cancel { xid } => {
                let action = self.on_cancel(xid, out);
                // An answer that is not sent opens no channels, which leaves room for others.
                self.pump(now, out);
                Ok(action)
            }
            Frame::Notify { method, meta, args } => {
                self.on_notify(RequestParts { method, meta, args }, size, out)
            }
            Frame::Item { channel, carried, count, values } => {
                let values =
                    || owner.map_or_else(|| Bytes::copy_from_slice(values), |it| it.slice_ref(values));
                self.on_item(channel, carried, count, size, values, out)
            }
            Frame::End { channel, ref why } => self.on_end(channel, why.as_ref(), now, out),
            Frame::Stop { channel } => self.on_stop(channel, now, out),
            Frame::Credit { channel, total } => self.on_credit(channel, total, out),
            Frame::Chunk { .. } => Err(protocol_error("a chunk within a chunk")),
            Frame::Ping { nonce } => self.on_ping(nonce, out),
            Frame::Pong { .. } | Frame::Skipped { .. } => Ok(Action::None),
            Frame::Goaway { last, code, message } => Ok(self.on_goaway(last, code, message, out)),
        }
    }

    fn on_end(
        &mut self,
        channel: Xid,
        why: Option<&End<'_>>,
        now: Millis,
        out: &mut Outbox,
    ) -> Result<Action<'static, W, H>, ProtocolError> {
        let why = why.map(|end| Fault {
            code: end.code,
            message: truncate(end.message).to_owned(),
            detail: end.detail.to_vec(),
        });
        let woken = wake(self.channels.on_end(channel, why, out, &mut self.effects))?;
        self.pump(now, out);
        Ok(woken)
    }

    fn on_stop(
        &mut self,
        channel: Xid,
        now: Millis,
        out: &mut Outbox,
    ) -> Result<Action<'static, W, H>, ProtocolError> {
        self.channels.on_stop(channel, &self.ids, out, &mut self.effects).map_err(protocol_error)?;
        self.pump(now, out);
        Ok(Action::None)
    }

    fn on_credit(
        &mut self,
        channel: Xid,
        total: u64,
        out: &mut Outbox,
    ) -> Result<Action<'static, W, H>, ProtocolError> {
        if channel == credit::NOTIFIES {
            self.send_credit.allow(total);
            self.pump_notifies(out);
            return Ok(Action::None);
        }
        let credited = self.channels.on_credit(channel, total, &self.ids, &mut self.effects);
        credited.map(|()| Action::None).map_err(protocol_error)
    }

    fn on_hello(
        &mut self,
        hello: &Hello,
        now: Millis,
        out: &mut Outbox,
    ) -> Result<Action<'static, W, H>, ProtocolError> {
        if self.greeted {
            return Err(protocol_error("a second hello"));
        }
        if hello.version != VERSION {
            let message = format!("version {} is not spoken here, only {VERSION}", hello.version);
            return Err(ProtocolError { code: GoawayCode::Version, message });
        }
        if hello.side == self.side {
            return Err(protocol_error(format!(
                "both ends claim to be the {} one: one has to open, the other to accept",
                side_name(self.side)
            )));
        }
        self.greeted = true;
        self.peer = hello.settings.clone();
        // A stream outlives its reply, so calls do not bound it: beyond this number none is begun.
        self.peer.max_channels = self.peer.max_channels.min(self.ours.max_channels.max(MOST_OPEN));
        out.greet(&self.peer);
        self.send_credit.allow(self.peer.window);
        let peer = &self.peer;
        self.calls.refuse_oversized(|body, carried| exceeds_limits(body, carried, peer), &mut self.effects);
        self.pump(now, out);
        Ok(Action::None)
    }

    #[inline]
    fn on_request<'a>(
        &mut self,
        xid: Xid,
        parts: RequestParts<'a>,
        size: MessageSize,
        now: Millis,
        out: &mut Outbox,
    ) -> Result<Action<'a, W, H>, ProtocolError> {
        if !self.side.other().owns(xid) || self.channels.contains(xid) {
            return Err(protocol_error(format!(
                "xid {xid} is not one that the {} side gives out",
                side_name(self.side.other())
            )));
        }
        let facts = parts.facts()?;
        let deadline = facts.timeout_ms.map(|timeout| now + timeout.min(MAX_TIMEOUT));
        self.serving
            .accept(xid, deadline, size.charge, &self.ours)
            .map_err(|misuse| self.misuse(xid, &misuse))?;
        self.arrive(&facts.carried, out)?;
        if let Some(fault) = self.refusal(size) {
            self.channels.discard(facts.carried, out, &mut self.effects);
            self.finish(xid, Answer::fault(fault), ThinList::new(), out);
            return Ok(Action::None);
        }
        Ok(Action::Serve { xid, deadline, parts, carried: facts.carried })
    }

    /// Opens the channels whose halves a message carries.
    #[inline]
    fn arrive(&mut self, carried: &[IncomingHandle], out: &Outbox) -> Result<(), ProtocolError> {
        if carried.is_empty() {
            return Ok(());
        }
        let Session { serving, channels, ours, peer, .. } = self;
        let is_taken = |id| serving.is_live(id) || out.holds(id);
        channels.arrive(carried, (ours, peer), is_taken).map_err(protocol_error)
    }

    fn misuse(&self, xid: Xid, misuse: &Misuse) -> ProtocolError {
        match misuse {
            Misuse::Duplicate => protocol_error(format!("a second live request with xid {xid}")),
            Misuse::TooMany => {
                protocol_error(format!("more than {} requests in flight", self.ours.max_in_flight))
            }
        }
    }

    /// Why a well-formed request is not run.
    #[inline]
    fn refusal(&self, size: MessageSize) -> Option<Fault> {
        if self.phase == Phase::Draining {
            return Some(draining());
        }
        let MessageSize { charge, len } = size;
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
    ) -> Result<Action<'static, W, H>, ProtocolError> {
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
    ) -> Result<Action<'static, W, H>, ProtocolError> {
        let carried = match meta {
            None => ThinList::new(),
            Some(meta) => MetaFacts::read(meta)?.carried,
        };
        self.arrive(&carried, out)?;
        let limit = self.ours.max_message;
        let (calls, _, mut context) = self.parts(out);
        let answered = calls.answered(xid, carried, &mut context, |buffer| fill(limit, buffer));
        let waker = match answered {
            Ok(waker) => waker,
            Err(untaken) => {
                self.channels.discard(untaken, out, &mut self.effects);
                None
            }
        };
        self.pump(now, out);
        Ok(waker.map_or(Action::None, Action::Answered))
    }

    fn on_cancel(&mut self, xid: Xid, out: &mut Outbox) -> Action<'static, W, H> {
        if let Some(large) = out.abandon_terminal(xid) {
            self.effects.segments.extend(large.segments);
            large.introduces.iter().for_each(|&id| self.channels.recall(id, &mut self.effects));
            let fault = Fault::new(FaultCode::Cancelled, "the call was cancelled");
            self.send_answer(xid, Answer::fault(fault), ThinList::new(), out);
            return Action::None;
        }
        if self.serving.is_live(xid)
            && let Some(at) =
                self.awaiting_channels.iter().position(|(awaiting_channels, ..)| *awaiting_channels == xid)
            && let Some((_, answer, carried)) = self.awaiting_channels.remove(at)
        {
            self.discard_answer(answer, carried);
            let fault = Fault::new(FaultCode::Cancelled, "the call was cancelled");
            self.finish(xid, Answer::fault(fault), ThinList::new(), out);
            return Action::None;
        }
        self.serving.cancel(xid).map_or(Action::None, Action::Stop)
    }

    fn on_notify<'a>(
        &mut self,
        parts: RequestParts<'a>,
        size: MessageSize,
        out: &mut Outbox,
    ) -> Result<Action<'a, W, H>, ProtocolError> {
        // Of a message that is too long no more is kept, whatever length it claims.
        let len = size.len.min(self.ours.max_message);
        let cost = credit::notify_cost(parts.meta, len as usize);
        if !self.receive_credit.arrive(cost) {
            return Err(protocol_error("a notify without credit"));
        }
        let facts = parts.facts()?;
        self.arrive(&facts.carried, out)?;
        if self.refusal(size).is_none() {
            return Ok(Action::ServeNotify { cost, parts, carried: facts.carried });
        }
        self.channels.discard(facts.carried, out, &mut self.effects);
        if self.finish_notify(cost, out) { Ok(Action::None) } else { Err(ProtocolError::unread_credit()) }
    }

    fn on_item(
        &mut self,
        channel: Xid,
        carried: Option<&[u8]>,
        count: u32,
        size: MessageSize,
        values: impl FnOnce() -> Bytes,
        out: &mut Outbox,
    ) -> Result<Action<'static, W, H>, ProtocolError> {
        // Small values decode to a multiple of their length, all of a frame at once.
        if count > 1 && size.len > SMALL as u64 {
            return Err(protocol_error(format!("{count} items of {} bytes in one message", size.len)));
        }
        let carried = handles::read(carried)?;
        self.arrive(&carried, out)?;
        if let Some(fault) = item_too_large(size.len, self.ours.max_message) {
            self.channels.refuse_items(channel, fault).map_err(protocol_error)?;
            self.channels.discard(carried, out, &mut self.effects);
            return Ok(Action::None);
        }
        let items = Items { values: values(), count, carried };
        wake(self.channels.on_items(channel, items, &self.ours, out, &mut self.effects))
    }

    fn on_ping(&mut self, nonce: u64, out: &mut Outbox) -> Result<Action<'static, W, H>, ProtocolError> {
        if out.control(&Frame::Pong { nonce }) {
            Ok(Action::None)
        } else {
            Err(protocol_error("pings whose answers are not read"))
        }
    }

    fn on_goaway(
        &mut self,
        last: Xid,
        code: GoawayCode,
        message: &str,
        out: &mut Outbox,
    ) -> Action<'static, W, H> {
        let message = truncate(message);
        let (calls, _, mut context) = self.parts(out);
        if code != GoawayCode::Draining {
            let why = format!("the other end closed the connection before the call ran: {message}");
            let refused = calls.refuse_above(last, &Fault::new(FaultCode::Draining, why), &mut context);
            return Action::Close { message: message.to_owned(), refused };
        }
        let fault = Fault::new(FaultCode::Draining, "the peer drains the connection");
        let wakers = calls.refuse_above(last, &fault, &mut context);
        calls.refuse_queued(&fault, context.effects);
        self.peer_refuses = Some(fault);
        Action::WakeAll(wakers)
    }
}

fn side_name(side: Side) -> &'static str {
    match side {
        Side::Connecting => "connecting",
        Side::Accepting => "accepting",
    }
}

fn wake<W, H>(woken: Result<Option<W>, String>) -> Result<Action<'static, W, H>, ProtocolError> {
    woken.map(|waker| waker.map_or(Action::None, Action::Wake)).map_err(protocol_error)
}
