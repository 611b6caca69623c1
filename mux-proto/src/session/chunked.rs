//! Messages that come in chunks.

use crate::Millis;
use crate::session::Phase;
use crate::session::Session;
use crate::session::inbound::Action;
use crate::session::inbound::MessageSize;
use crate::session::outbox::Outbox;
use crate::session::protocol_error::ProtocolError;
use crate::session::protocol_error::protocol_error;
use crate::session::reassembly;
use crate::session::reassembly::Chunked;
use crate::session::reassembly::Class;
use crate::session::reassembly::Intake;
use crate::wire::frame::ChunkHead;
use crate::wire::frame::Frame;
use crate::wire::xid::Xid;
use alloc::format;
use alloc::vec::Vec;
use bytes::Bytes;

impl<W, H: Default, P: Clone> Session<W, H, P> {
    /// A chunk begins, or gives its message up. What is to become of its data?
    pub fn chunk_begins(&mut self, head: &ChunkHead) -> Result<Intake, ProtocolError> {
        if self.phase == Phase::Closed {
            return Ok(Intake::Skip);
        }
        let ChunkHead { id, remaining, len } = *head;
        if !self.greeted {
            return Err(protocol_error("the first frame is not a hello"));
        }
        match remaining {
            None => {
                let given_up = self.chunks.give_up(id);
                given_up
                    .ok_or_else(|| protocol_error(format!("message {id} is given up, and was never begun")))
            }
            Some(remaining) if self.chunks.is_open(id) => {
                self.chunks.resume(id, len, remaining).map_err(protocol_error)
            }
            Some(remaining) => {
                let class = self.class(id)?;
                let buffered = self.serving.buffered();
                self.chunks.open(id, class, (len, remaining), buffered, &self.ours).map_err(protocol_error)
            }
        }
    }

    /// What a message that begins under this id can only be.
    fn class(&self, id: Xid) -> Result<Class, ProtocolError> {
        if self.channels.is_receiving(id) || self.calls.is_unanswered(id) {
            Ok(Class::Answer)
        } else if self.side.other().owns(id) {
            Ok(Class::Question)
        } else {
            Err(protocol_error(format!("a chunk of message {id}, which nobody asked for")))
        }
    }

    /// The data of a chunk is there, or was dropped.
    pub fn chunk_ends(&mut self, id: Xid, buffer: Option<Vec<u8>>) -> Chunked {
        self.chunks.end(id, buffer)
    }

    /// Some messages are not whole.
    pub fn expects_chunks(&self) -> bool {
        !self.chunks.is_empty()
    }

    /// Decides what a message means that came in chunks. `owner` is its buffer.
    pub fn on_whole<'a>(
        &mut self,
        id: Xid,
        frame: &Frame<'a>,
        owner: &Bytes,
        now: Millis,
        out: &mut Outbox,
    ) -> Result<Action<'a, W, H>, ProtocolError> {
        let size =
            MessageSize { charge: reassembly::charge(owner.len() as u64), len: frame.body().len() as u64 };
        self.on_chunked(id, frame, size, owner, now, out)
    }

    /// Refuses a message of `total` bytes that exceeds the limit. `start` is what has come of it.
    pub fn on_oversize(
        &mut self,
        id: Xid,
        (start, total): (&Bytes, u64),
        now: Millis,
        out: &mut Outbox,
    ) -> Result<Action<'static, W, H>, ProtocolError> {
        let frame = Frame::decode(start).map_err(|bad| {
            protocol_error(format!("a message of {total} bytes whose first chunk has no head: {bad}"))
        })?;
        let head = start.len() - frame.body().len();
        let size = MessageSize { charge: reassembly::charge(0), len: total - head as u64 };
        match self.on_chunked(id, &frame, size, start, now, out)? {
            Action::Answered(waker) => Ok(Action::Answered(waker)),
            Action::Wake(waker) => Ok(Action::Wake(waker)),
            _ => Ok(Action::None),
        }
    }

    fn on_chunked<'a>(
        &mut self,
        id: Xid,
        frame: &Frame<'a>,
        size: MessageSize,
        owner: &Bytes,
        now: Millis,
        out: &mut Outbox,
    ) -> Result<Action<'a, W, H>, ProtocolError> {
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
            return Err(protocol_error(format!("the chunks of {id} are not a message of that id")));
        }
        self.decide(frame, size, Some(owner), now, out)
    }
}
