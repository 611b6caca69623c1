//! The answers this end owes: when their handlers start and stop, and how the answers are sent.

use crate::session::Phase;
use crate::session::Session;
use crate::session::calls::serving::Stopped;
use crate::session::channels::credit;
use crate::session::limits::MOST_CARRIED;
use crate::session::limits::reply_too_large;
use crate::session::limits::truncate;
use crate::session::message::Answer;
use crate::session::outbox::Outbox;
use crate::session::outbox::payload::Payload;
use crate::thin_list::ThinList;
use crate::wire::fault::Fault;
use crate::wire::fault::FaultCode;
use crate::wire::frame::{self, Frame};
use crate::wire::handles::OutgoingHandle;
use crate::wire::xid::Xid;
use alloc::format;

impl<W, H: Default, P: Clone> Session<W, H, P> {
    /// The request's handler waits for a thread: it has not run before [`start`](Session::start) is called.
    pub fn park(&mut self, xid: Xid) {
        self.serving.park(xid);
    }

    /// A parked handler begins; `false` when it is not wanted any more.
    pub fn start(&mut self, xid: Xid) -> bool {
        self.serving.start(xid)
    }

    /// Keeps what stops a handler, or gives it back when the handler must stop at once. `merge` is
    /// given what was kept before.
    pub fn attach(&mut self, xid: Xid, merge: impl FnOnce(H) -> H) -> Option<H> {
        if self.phase == Phase::Closed { Some(merge(H::default())) } else { self.serving.attach(xid, merge) }
    }

    pub fn is_serving(&self, xid: Xid) -> bool {
        self.serving.is_live(xid)
    }

    /// The caller cancelled the request, its time ran out or the connection closed before it was answered.
    pub fn is_stopped(&self, xid: Xid) -> bool {
        self.phase == Phase::Closed || self.serving.stopped(xid).is_some()
    }

    /// Sends the request's one answer, or queues it: then it is taken out of `answer`. The caller drops what is left in
    /// there outside the lock.
    #[inline]
    pub fn answer(
        &mut self,
        xid: Xid,
        answer: &mut Answer,
        carried: ThinList<OutgoingHandle<P>>,
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
    pub fn finish(
        &mut self,
        xid: Xid,
        answer: Answer,
        carried: ThinList<OutgoingHandle<P>>,
        out: &mut Outbox,
    ) {
        if !self.serving.is_live(xid) {
            return self.discard_answer(answer, carried);
        }
        let (answer, carried) = self.sendable(answer, carried);
        if !self.has_room_for(&carried) {
            self.awaiting_channels.push_back((xid, answer, carried));
            return self.drop_unwanted_answers(out);
        }
        self.serving.finish(xid);
        self.send_answer(xid, answer, carried, out);
    }

    fn has_room_for(&self, carried: &[OutgoingHandle<P>]) -> bool {
        carried.is_empty()
            || self.awaiting_channels.is_empty() && self.channels.has_room(carried.len(), &self.peer)
    }

    pub(crate) fn send_answer(
        &mut self,
        xid: Xid,
        answer: Answer,
        mut carried: ThinList<OutgoingHandle<P>>,
        out: &mut Outbox,
    ) {
        let (_, _, mut context) = self.parts(out);
        let carried = context.open(&mut carried);
        let meta = if carried.is_empty() {
            None
        } else {
            crate::wire::meta::MetaPairs::default().encode(None, &carried)
        };
        let meta = meta.as_deref();
        let spent = match answer {
            Answer::Value(value) => {
                context.send(xid, &Frame::Reply { xid, meta, value: &[] }, value, &carried)
            }
            Answer::Fault(fault) => {
                let Fault { code, message, detail } = *fault;
                let detail = if detail.is_empty() { frame::NIL.into() } else { detail };
                let frame = Frame::Fault { xid, meta, code, message: truncate(&message), detail: &[] };
                context.send(xid, &frame, detail.into(), &carried)
            }
        };
        drop(spent);
    }

    /// Bytes of answers that are ready and not written.
    #[inline]
    pub fn unsent(&self, out: &Outbox) -> u64 {
        if self.awaiting_channels.is_empty() {
            out.unsent()
        } else {
            out.unsent() + self.awaiting_channels_len()
        }
    }

    #[cold]
    fn awaiting_channels_len(&self) -> u64 {
        self.awaiting_channels.iter().map(|(_, answer, _)| answer.len() as u64).sum()
    }

    /// Sends the answers that waited for the peer to accept the channels they carry.
    pub(crate) fn pump_answers(&mut self, out: &mut Outbox) {
        while let Some((_, _, carried)) = self.awaiting_channels.front()
            && self.channels.has_room(carried.len(), &self.peer)
            && let Some((xid, answer, carried)) = self.awaiting_channels.pop_front()
        {
            if self.serving.finish(xid) {
                self.send_answer(xid, answer, carried, out);
            } else {
                self.discard_answer(answer, carried);
            }
        }
    }

    /// Drops the answers that wait for channels and that no caller wants any more.
    pub(crate) fn drop_unwanted_answers(&mut self, out: &mut Outbox) {
        for (xid, answer, carried) in core::mem::take(&mut self.awaiting_channels) {
            if self.serving.stopped(xid).is_some() {
                self.discard_answer(answer, carried);
                self.finish_unanswered(xid, out);
            } else {
                self.awaiting_channels.push_back((xid, answer, carried));
            }
        }
    }

    pub(crate) fn discard_answer(&mut self, answer: Answer, carried: ThinList<OutgoingHandle<P>>) {
        let body = match answer {
            Answer::Value(value) => value,
            Answer::Fault(_) => Payload::default(),
        };
        self.effects.discard(body, carried);
    }

    /// The handler was dropped before it had an answer.
    pub fn finish_unanswered(&mut self, xid: Xid, out: &mut Outbox) {
        let fault = match self.serving.stopped(xid) {
            Some(Stopped::Cancelled) => Fault::new(FaultCode::Cancelled, "the call was cancelled"),
            Some(Stopped::TimedOut) => Fault::new(FaultCode::TimedOut, "the call ran out of time"),
            None if self.serving.is_parked(xid) => Fault::new(
                FaultCode::Overloaded,
                "the call left its queue before it ran, as no thread would come to it",
            ),
            None => Fault::new(FaultCode::Cancelled, "the handler was dropped before it had an answer"),
        };
        self.finish(xid, Answer::fault(fault), ThinList::new(), out);
    }

    /// The answer itself, or the fault that says it exceeds the peer's limits.
    fn sendable(
        &mut self,
        answer: Answer,
        carried: ThinList<OutgoingHandle<P>>,
    ) -> (Answer, ThinList<OutgoingHandle<P>>) {
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
        (Answer::fault(fault), ThinList::new())
    }

    /// A notify's handler ended: returns its credit to the peer. `false` if the peer does not read.
    #[must_use]
    pub fn finish_notify(&mut self, cost: u64, out: &mut Outbox) -> bool {
        match self.receive_credit.consume(cost) {
            Some(total) if self.phase != Phase::Closed => {
                out.control(&Frame::Credit { channel: credit::NOTIFIES, total })
            }
            _ => true,
        }
    }
}
