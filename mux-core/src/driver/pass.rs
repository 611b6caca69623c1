//! One pass of frames under the session's lock: what each means, and what is to be done once the lock is free.

use crate::api::error::Refused;
use crate::context::Envelope;
use crate::driver::input::{BUFFER, Input, OpenChunk, Whole};
use crate::driver::stranger::{self, is_stranger};
use crate::link::handle::Mux;
use crate::link::obligation::Obligation;
use crate::link::shared::answers::Running;
use crate::link::shared::{Shared, State};
use crate::serve::inbound::{Body, InboundCall};
use crate::serve::route::Route;
use crate::util::buffer;
use crate::util::pool;
use crate::value::scope::IncomingHandles;
use bytes::{Buf, Bytes};
use mux_proto::Millis;
use mux_proto::session::inbound::Action;
use mux_proto::session::message::{Answer, RequestParts};
use mux_proto::session::protocol_error::ProtocolError;
use mux_proto::session::reassembly::Chunked;
use mux_proto::thin_list::ThinList;
use mux_proto::wire::frame::{ChunkHead, Frame, MAX_HELLO};
use mux_proto::wire::handles::IncomingHandle;
use mux_proto::wire::prefix::{self, PREFIX};
use mux_proto::wire::settings::SMALL;
use std::mem;
use std::sync::Arc;
use std::task::Waker;

/// Frames a pass takes at least, but for the answers of [`SEVERAL`] calls, and at most. Small passes let the two ends
/// overlap instead of taking turns; more than 256 wake-ups in one poll overflow the runtime's local queue.
const LEAST: usize = 16;
const MOST: usize = 64;

/// Calls under way from which on a pass of their answers may be smaller: a pass costs as much as eight of them.
const SEVERAL: usize = 24;

/// Frames that are handled under one lock.
pub(crate) struct Pass<'p> {
    pub(crate) state: &'p mut State,
    pub(crate) shared: &'p Arc<Shared>,
    pub(crate) now: Millis,
    /// To be woken once the lock is free.
    pub(crate) wakers: &'p mut Vec<Waker>,
    pub(crate) todo: Todo,
}

/// What is to be done once the lock is free.
#[derive(Default)]
pub(crate) struct Todo {
    /// Run on one task of their own.
    pub(crate) calls: Vec<InboundCall>,
    /// Run elsewhere.
    pub(crate) apart: Vec<InboundCall>,
    pub(crate) stops: Vec<Running>,
    /// The peer has to read some of its answers before further requests begin.
    pub(crate) full: bool,
    /// Requests or answers were among the frames.
    pub(crate) has_calls: bool,
    pub(crate) over: Option<Over>,
}

pub(crate) enum Over {
    ProtocolError(ProtocolError),
    Goodbye(String),
    /// The peer speaks another protocol.
    Stranger(String),
}

impl Pass<'_> {
    /// Handles what is whole: a message that was read where it stays, or some of the frames that are buffered.
    /// With two ends that work at the same time, the calls that are under way count as well.
    pub(crate) fn handle(&mut self, input: &mut Input, overlaps: bool) {
        match input.take_whole() {
            Some(Whole::Chunk(chunk)) => self.end_chunk(chunk),
            Some(Whole::Frame(bytes)) => self.frame(&bytes, Some(&bytes)),
            None => {
                let asked = if overlaps { self.state.session.unanswered() } else { 0 };
                self.frames(input, pass_size(&input.buffer, asked));
            }
        }
        input.bulk = self.state.session.expects_chunks();
        self.todo.full = self.state.is_full();
    }

    fn frames(&mut self, input: &mut Input, mut most: usize) {
        let mut buffer = mem::take(&mut input.buffer);
        while let Some(&prefix) = buffer.first_chunk::<PREFIX>()
            && most > 0
            && self.todo.over.is_none()
        {
            let limit = if self.state.session.is_greeted() { input.limit } else { MAX_HELLO };
            let len = match prefix::frame_len(prefix, limit) {
                Ok(len) => len,
                Err(bad) => {
                    let stranger = stranger(&buffer, self.state).map(Over::Stranger);
                    self.todo.over = stranger.or(Some(Over::ProtocolError(bad.into())));
                    break;
                }
            };
            let there = &buffer[PREFIX..buffer.len().min(PREFIX + len)];
            most -= 1;
            if let Some((head, at)) = ChunkHead::peek(there, len) {
                let used = PREFIX + there.len();
                let chunk = self.chunk(&head, &there[at..]);
                buffer.advance(used);
                if let Some(chunk) = chunk {
                    input.begin_chunk(chunk);
                    break;
                }
                continue;
            }
            if buffer.len() < PREFIX + len {
                self.todo.over = stranger(&buffer, self.state).map(Over::Stranger);
                if len > BUFFER / 2 {
                    buffer.advance(PREFIX);
                    input.begin_frame(buffer.split(), len);
                }
                break;
            }
            self.frame(&buffer[PREFIX..PREFIX + len], None);
            buffer.advance(PREFIX + len);
        }
        input.buffer = buffer;
    }

    /// `owner` is given where the frame has a buffer of its own, which may be kept.
    #[inline]
    fn frame(&mut self, bytes: &[u8], owner: Option<&Bytes>) {
        let frame = match Frame::decode(bytes) {
            Ok(Frame::Chunk { id, remaining, data }) => {
                let head = ChunkHead { id, remaining, len: data.len() };
                // All of its data is there.
                self.chunk(&head, data);
                return;
            }
            Ok(frame) => frame,
            Err(bad) => return self.todo.over = Some(Over::ProtocolError(bad.into())),
        };
        let state = &mut *self.state;
        let action = state.session.on_frame(&frame, owner, self.now, &mut state.outbox);
        self.act(action, owner);
    }

    /// A chunk, of whose data not all may be there: it is given back until it is.
    fn chunk(&mut self, head: &ChunkHead, data: &[u8]) -> Option<OpenChunk> {
        let intake = match self.state.session.chunk_begins(head) {
            Ok(intake) => intake,
            Err(protocol_error) => {
                self.todo.over = Some(Over::ProtocolError(protocol_error));
                return None;
            }
        };
        let chunk = OpenChunk::new(head, intake, data);
        if !chunk.is_whole() {
            return Some(chunk);
        }
        self.end_chunk(chunk);
        None
    }

    fn end_chunk(&mut self, chunk: OpenChunk) {
        let (id, now) = (chunk.id, self.now);
        let state = &mut *self.state;
        match state.session.chunk_ends(id, chunk.buffer) {
            Chunked::Part => {}
            Chunked::Whole(message) => {
                let message = pool::share(message);
                let frame = Frame::decode(&message).map_err(ProtocolError::from);
                let action = frame
                    .and_then(|frame| state.session.on_whole(id, &frame, &message, now, &mut state.outbox));
                self.act(action, Some(&message));
            }
            Chunked::Oversize { start, total } => {
                let action = state.session.on_oversize(id, (&start, total), now, &mut state.outbox);
                self.act(action, None);
            }
        }
    }

    #[inline]
    fn act(&mut self, action: Result<Action<'_, Waker, Running>, ProtocolError>, owner: Option<&Bytes>) {
        let action = match action {
            Ok(action) => action,
            Err(protocol_error) => return self.todo.over = Some(Over::ProtocolError(protocol_error)),
        };
        match action {
            Action::None => {}
            Action::Wake(waker) => self.wakers.push(waker),
            Action::Answered(waker) => {
                self.todo.has_calls = true;
                self.wakers.push(waker);
            }
            Action::WakeAll(wakers) => self.wakers.extend(wakers),
            Action::Stop(running) => self.todo.stops.push(running),
            Action::Serve { xid, deadline, parts, carried } => {
                self.todo.has_calls = true;
                self.state.look_at(deadline);
                self.serve((parts, carried), owner, Obligation::Answer(xid), deadline);
            }
            Action::ServeNotify { cost, parts, carried } => {
                self.serve((parts, carried), owner, Obligation::Credit(cost), None);
            }
            Action::Close { message, refused } => {
                self.wakers.extend(refused);
                self.todo.over = Some(Over::Goodbye(message));
            }
        }
    }

    /// Finds the handler of a request or notify, or answers that there is none.
    #[inline]
    fn serve(
        &mut self,
        (parts, carried): (RequestParts<'_>, ThinList<IncomingHandle>),
        owner: Option<&Bytes>,
        owed: Obligation,
        deadline: Option<Millis>,
    ) {
        let RequestParts { method, meta, args } = parts;
        let Pass { state, shared, todo, .. } = self;
        let route = shared.router().route(method, matches!(owed, Obligation::Credit(_)));
        let checked = |route: Route| match meta {
            Some(meta) => route.method.check_names(meta).map(|()| route),
            None => Ok(route),
        };
        match route.and_then(checked) {
            Ok(route) => {
                let envelope = Envelope::new(meta, route.is_untyped().then(|| method.to_string()));
                let nested = || Mux::nested(Arc::clone(shared));
                let handles = IncomingHandles::new(carried, route.encoding(), nested);
                let call =
                    InboundCall::new(route, (shared, owed), deadline, envelope, keep(args, owner), handles);
                let calls = if call.goes_apart() { &mut todo.apart } else { &mut todo.calls };
                calls.push(call);
            }
            Err(refused) => {
                state.session.discard(carried, &mut state.outbox);
                if !refuse(owed, refused, state) {
                    todo.over = Some(Over::ProtocolError(ProtocolError::unread_credit()));
                }
            }
        }
    }
}

/// Answers for a handler that there is not. `false` where the peer reads nothing of what it is owed.
fn refuse(owed: Obligation, refused: Refused, state: &mut State) -> bool {
    match owed {
        Obligation::Answer(xid) => {
            let answer = Answer::fault(refused.into_fault());
            state.session.finish(xid, answer, ThinList::new(), &mut state.outbox);
            true
        }
        Obligation::Credit(cost) => state.session.finish_notify(cost, &mut state.outbox),
    }
}

/// Small bodies are copied out, as a slice would pin the connection's whole buffer, or the envelope of their message.
fn keep(args: &[u8], owner: Option<&Bytes>) -> Body {
    match owner.filter(|_| args.len() > SMALL) {
        Some(owner) => Body::Shared(Box::new(owner.slice_ref(args))),
        None => Body::Copied(buffer::copy(args)),
    }
}

/// What the peer is, where these are its first bytes and no hello begins like them.
pub(crate) fn stranger(start: &[u8], state: &State) -> Option<String> {
    let strange = !state.session.is_greeted() && is_stranger(start);
    strange.then(|| stranger::describe(start, state.session.side()))
}

/// How many frames this pass takes: a quarter of those that are buffered or asked for, so that each end has one in
/// work while another is on its way, and the callers of one ask together for the next.
fn pass_size(mut buffer: &[u8], asked: usize) -> usize {
    let mut frames = 0;
    while let Some((prefix, rest)) = buffer.split_first_chunk::<PREFIX>()
        && frames < 4 * MOST
    {
        let len = u32::from_be_bytes(*prefix) as usize;
        let Some(rest) = rest.get(len..) else { break };
        buffer = rest;
        frames += 1;
    }
    let least = if asked < SEVERAL { LEAST } else { LEAST.min(asked / 4) };
    (frames.max(asked) / 4).clamp(least, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_takes_a_quarter_of_what_is_under_way_within_bounds() {
        let buffered = |frames: usize| [0, 0, 0, 1, 0x90].repeat(frames);
        let size = |frames, asked| pass_size(&buffered(frames), asked);
        assert_eq!([0, 10, 100, 1_000].map(|frames| size(frames, 0)), [16, 16, 25, 64]);
        assert_eq!([1, 23, 24, 40, 64, 100, 1_000].map(|asked| size(10, asked)), [16, 16, 6, 10, 16, 25, 64]);
        assert_eq!(size(100, 40), 25);
    }
}
