//! Bytes -> frames -> session -> what is to be done. Never waits for a writer, a handler or a caller.

use crate::api::error::{CloseReason, Refused};
use crate::context::Envelope;
use crate::driver::stranger::{self, is_stranger};
use crate::link::handle::Mux;
use crate::link::obligation::Obligation;
use crate::link::shared::answers::Running;
use crate::link::shared::{Shared, State};
use crate::serve::dispatch::{Dispatch, NotifyLane};
use crate::serve::inbound::{Body, InboundCall};
use crate::serve::router::Route;
use crate::util::buffer;
use crate::util::pool;
use crate::value::scope::IncomingHandles;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use mux_proto::Millis;
use mux_proto::session::inbound::Action;
use mux_proto::session::message::{Answer, RequestParts};
use mux_proto::session::protocol_error::ProtocolError;
use mux_proto::session::reassembly::{Chunked, Intake};
use mux_proto::thin_list::ThinList;
use mux_proto::wire::fault::GoawayCode;
use mux_proto::wire::frame::{ChunkHead, Frame, MAX_HELLO};
use mux_proto::wire::handles::IncomingHandle;
use mux_proto::wire::prefix::{self, PREFIX};
use mux_proto::wire::settings::{SMALL, Settings};
use mux_proto::wire::xid::Xid;
use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker, ready};
use tokio::io::AsyncRead;
use tokio_util::io::poll_read_buf;

/// The connection's own buffer while much comes. A frame that does not fit is read into one of its own.
const BUFFER: usize = 64 << 10;

/// The same while little comes, or nothing: what an idle connection holds.
const LITTLE: usize = 4 << 10;

/// Read behind a chunk with its data: the head of the next one, so that it needs no read of its own.
const AHEAD: usize = PREFIX + ChunkHead::LONGEST;

/// Frames a pass takes at least, but for the answers of [`SEVERAL`] calls, and at most. Small passes let the two ends
/// overlap instead of taking turns; more than 256 wake-ups in one poll overflow the runtime's local queue.
const LEAST: usize = 16;
const MOST: usize = 64;

/// Calls under way from which on a pass of their answers may be smaller: a pass costs as much as eight of them.
const SEVERAL: usize = 24;

pub(crate) struct Reader {
    buffer: BytesMut,
    /// Room for the next read: `LITTLE` or `BUFFER`.
    room: usize,
    large: Option<LargeFrame>,
    chunk: Option<OpenChunk>,
    /// More chunks are to come: the next is read where it stays, so little is read before it.
    bulk: bool,
    /// Two ends on this machine can be at work at the same time.
    overlaps: bool,
    /// Requests or answers were in the last pass.
    calls: bool,
    /// Longest frame the peer may send.
    limit: usize,
    wakers: Vec<Waker>,
    notifies: NotifyLane,
}

/// A frame that is read where it stays. Its memory grows with what has arrived.
struct LargeFrame {
    bytes: BytesMut,
    len: usize,
}

/// A chunk whose data is read into its message's own buffer.
struct OpenChunk {
    id: Xid,
    /// Absent where its data is dropped.
    buffer: Option<Vec<u8>>,
    missing: usize,
    /// Of the whole message, this chunk's included.
    remaining: usize,
}

impl OpenChunk {
    /// Takes what has come already.
    fn take(&mut self, data: &[u8]) {
        if let Some(buffer) = &mut self.buffer {
            let total = whole(buffer.len(), self.remaining);
            pool::grow(buffer, data.len(), total);
            buffer.extend_from_slice(data);
        }
        self.count(data.len());
    }

    fn count(&mut self, len: usize) {
        self.missing -= len;
        self.remaining -= len;
    }
}

/// The room that a message takes of which so much has come and so much is claimed to come.
fn whole(come: usize, remaining: usize) -> usize {
    come.saturating_add(remaining).saturating_add(pool::SLACK)
}

/// Where the data of a chunk goes, of which so much comes now.
fn buffer_for(intake: Intake, now: usize) -> Option<Vec<u8>> {
    match intake {
        Intake::Begin { total } => Some(pool::take(total.saturating_add(pool::SLACK), now)),
        Intake::Resume(buffer) => Some(buffer),
        Intake::Skip => None,
        Intake::GivenUp(buffer) => {
            pool::give(buffer);
            None
        }
    }
}

/// What a pass met.
pub(crate) enum Pass {
    /// Frames were handled; more may be buffered.
    Some,
    /// Nothing is to be read now.
    None,
    /// The peer sends no more.
    Eof,
    /// The peer has closed, or has to be.
    Over,
}

/// What is to be done once the lock is free.
#[derive(Default)]
struct Todo {
    /// Run on one task of their own.
    calls: Vec<InboundCall>,
    /// Run elsewhere.
    apart: Vec<InboundCall>,
    stops: Vec<Running>,
    /// The peer has to read some of its answers before further requests begin.
    full: bool,
    over: Option<Over>,
}

enum Over {
    ProtocolError(ProtocolError),
    Goodbye(String),
    /// The peer speaks another protocol.
    Stranger(String),
}

impl Reader {
    pub(crate) fn new(ours: &Settings) -> Reader {
        Reader {
            buffer: BytesMut::new(),
            room: LITTLE,
            large: None,
            chunk: None,
            bulk: false,
            overlaps: ends_overlap(),
            calls: false,
            limit: ours.longest_frame(),
            wakers: Vec::new(),
            notifies: NotifyLane::default(),
        }
    }

    /// Reads once where nothing whole is buffered, then handles one pass of frames. The `usize` is
    /// how many bytes were read.
    pub(crate) fn poll_pass<R: AsyncRead>(
        &mut self,
        stream: Pin<&mut R>,
        shared: &Arc<Shared>,
        now: Millis,
        cx: &mut Context<'_>,
    ) -> io::Result<(Pass, usize)> {
        let mut read = 0;
        if !self.has_frame() {
            match self.poll_fill(stream, cx) {
                Poll::Pending => return Ok((Pass::None, 0)),
                Poll::Ready(Ok(0)) => return Ok((Pass::Eof, 0)),
                Poll::Ready(Ok(bytes)) => read = bytes,
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
        Ok((self.pass(shared, now), read))
    }

    /// More of a large message is to come.
    pub(crate) fn is_within_a_message(&self) -> bool {
        self.bulk || self.chunk.is_some() || self.large.is_some()
    }

    /// The next call or answer is probably made at this moment, on another processor of this machine if the peer is there.
    pub(crate) fn is_between_calls(&self) -> bool {
        self.overlaps && self.calls
    }

    /// What came instead of a hello, where no whole frame has.
    pub(crate) fn stranger(&self, state: &State) -> Option<String> {
        stranger(&self.buffer, state)
    }

    /// Gives back what nothing lies in. A look at the stream would reserve the buffer anew.
    pub(crate) fn trim(&mut self) {
        self.calls = false;
        self.room = LITTLE;
        self.wakers = Vec::new();
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
    }

    fn poll_fill<R: AsyncRead>(
        &mut self,
        stream: Pin<&mut R>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.chunk.is_some() {
            return self.poll_fill_chunk(stream, cx);
        }
        let Some(large) = &mut self.large else { return self.poll_fill_buffer(stream, cx) };
        let missing = large.len - large.bytes.len();
        large.bytes.reserve(missing.min(large.bytes.len().max(BUFFER)));
        let read = ready!(poll_read_buf(stream, cx, &mut (&mut large.bytes).limit(missing)))?;
        Poll::Ready(Ok(read))
    }

    fn poll_fill_chunk<R: AsyncRead>(
        &mut self,
        stream: Pin<&mut R>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let Some(chunk) = &mut self.chunk else { return Poll::Pending };
        let read = match &mut chunk.buffer {
            Some(buffer) => {
                let total = whole(buffer.len(), chunk.remaining);
                pool::grow(buffer, chunk.missing.min(BUFFER), total);
                let read = ready!(poll_read_buf(stream, cx, &mut buffer.limit(chunk.missing + AHEAD)))?;
                let ahead = read.saturating_sub(chunk.missing);
                self.buffer.extend_from_slice(&buffer[buffer.len() - ahead..]);
                buffer.truncate(buffer.len() - ahead);
                chunk.count(read - ahead);
                return Poll::Ready(Ok(read));
            }
            None => {
                self.buffer.reserve(chunk.missing.min(BUFFER));
                let read = ready!(poll_read_buf(stream, cx, &mut (&mut self.buffer).limit(chunk.missing)))?;
                self.buffer.clear();
                read
            }
        };
        chunk.count(read);
        Poll::Ready(Ok(read))
    }

    fn poll_fill_buffer<R: AsyncRead>(
        &mut self,
        stream: Pin<&mut R>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.bulk && self.buffer.len() < LITTLE {
            self.buffer.reserve(LITTLE);
            let room = LITTLE - self.buffer.len();
            return poll_read_buf(stream, cx, &mut (&mut self.buffer).limit(room));
        }
        self.buffer.reserve(self.room);
        let Poll::Ready(read) = poll_read_buf(stream, cx, &mut self.buffer)? else {
            if self.buffer.is_empty() && self.room == LITTLE && self.buffer.capacity() > 2 * LITTLE {
                self.buffer = BytesMut::new();
            }
            return Poll::Pending;
        };
        if self.buffer.len() == self.buffer.capacity() {
            self.room = BUFFER;
        } else if read < LITTLE {
            self.room = LITTLE;
        }
        Poll::Ready(Ok(read))
    }

    fn has_frame(&self) -> bool {
        if let Some(chunk) = &self.chunk {
            return chunk.missing == 0;
        }
        if let Some(large) = &self.large {
            return large.bytes.len() == large.len;
        }
        // A length over the limit counts as whole: the pass refuses it.
        self.next_len().is_some_and(|len| {
            let frame = &self.buffer[PREFIX..];
            len > self.limit || frame.len() >= len || ChunkHead::peek(frame, len).is_some()
        })
    }

    fn next_len(&self) -> Option<usize> {
        let prefix = self.buffer.first_chunk::<PREFIX>()?;
        Some(u32::from_be_bytes(*prefix) as usize)
    }

    /// Handles what is buffered, up to a pass, under one lock; then does what it calls for.
    fn pass(&mut self, shared: &Arc<Shared>, now: Millis) -> Pass {
        if self.chunk.as_ref().is_some_and(|chunk| chunk.missing > 0) {
            return Pass::Some;
        }
        self.calls = false;
        let mut todo = Todo::default();
        let mut guard = shared.lock();
        let state = &mut *guard;
        // Claimed before anyone is woken: what they queue is written by the next turn.
        state.flushing = true;
        if let Some(chunk) = self.chunk.take() {
            self.end_chunk(chunk, state, shared, now, &mut todo);
        } else if let Some(large) = self.large.take_if(|large| large.bytes.len() == large.len) {
            let bytes = large.bytes.freeze();
            self.frame(&bytes, Some(&bytes), state, shared, now, &mut todo);
        } else {
            let whole = mem::take(&mut self.buffer);
            self.buffer = self.frames(whole, state, shared, now, &mut todo);
        }
        self.bulk = state.session.expects_chunks();
        todo.full = state.is_full();
        drop(guard);
        self.wakers.drain(..).for_each(Waker::wake);
        self.perform(todo, shared)
    }

    fn frames(
        &mut self,
        mut buffer: BytesMut,
        state: &mut State,
        shared: &Arc<Shared>,
        now: Millis,
        todo: &mut Todo,
    ) -> BytesMut {
        let asked = if self.overlaps { state.session.unanswered() } else { 0 };
        let mut most = pass_size(&buffer, asked);
        while let Some(&prefix) = buffer.first_chunk::<PREFIX>()
            && most > 0
            && todo.over.is_none()
        {
            let limit = if state.session.is_greeted() { self.limit } else { MAX_HELLO };
            let len = match prefix::frame_len(prefix, limit) {
                Ok(len) => len,
                Err(bad) => {
                    let stranger = stranger(&buffer, state).map(Over::Stranger);
                    todo.over = stranger.or(Some(Over::ProtocolError(bad.into())));
                    break;
                }
            };
            let there = &buffer[PREFIX..buffer.len().min(PREFIX + len)];
            if let Some((head, at)) = ChunkHead::peek(there, len) {
                let used = PREFIX + there.len();
                self.chunk(&head, &there[at..], state, shared, now, todo);
                buffer.advance(used);
                most -= 1;
                if self.chunk.is_some() {
                    break;
                }
                continue;
            }
            if buffer.len() < PREFIX + len {
                todo.over = stranger(&buffer, state).map(Over::Stranger);
                if len > BUFFER / 2 {
                    buffer.advance(PREFIX);
                    self.large = Some(LargeFrame { bytes: buffer.split(), len });
                }
                break;
            }
            self.frame(&buffer[PREFIX..PREFIX + len], None, state, shared, now, todo);
            buffer.advance(PREFIX + len);
            most -= 1;
        }
        buffer
    }

    /// `owner` is given where the frame has a buffer of its own, which may be kept.
    #[inline]
    fn frame(
        &mut self,
        bytes: &[u8],
        owner: Option<&Bytes>,
        state: &mut State,
        shared: &Arc<Shared>,
        now: Millis,
        todo: &mut Todo,
    ) {
        let frame = match Frame::decode(bytes) {
            Ok(Frame::Chunk { id, remaining, data }) => {
                let head = ChunkHead { id, remaining, len: data.len() };
                return self.chunk(&head, data, state, shared, now, todo);
            }
            Ok(frame) => frame,
            Err(bad) => return todo.over = Some(Over::ProtocolError(bad.into())),
        };
        let action = state.session.on_frame(&frame, owner, now, &mut state.outbox);
        self.act(action, owner, state, shared, todo);
    }

    /// A chunk, of whose data not all may be there.
    fn chunk(
        &mut self,
        head: &ChunkHead,
        data: &[u8],
        state: &mut State,
        shared: &Arc<Shared>,
        now: Millis,
        todo: &mut Todo,
    ) {
        let buffer = match state.session.chunk_begins(head) {
            Ok(intake) => buffer_for(intake, head.len),
            Err(protocol_error) => return todo.over = Some(Over::ProtocolError(protocol_error)),
        };
        // What the session has accepted fits the limit, or is dropped.
        let remaining = head.len.saturating_add(head.remaining.unwrap_or(0).try_into().unwrap_or(usize::MAX));
        let mut chunk = OpenChunk { id: head.id, buffer, missing: head.len, remaining };
        chunk.take(data);
        if chunk.missing > 0 {
            self.chunk = Some(chunk);
        } else {
            self.end_chunk(chunk, state, shared, now, todo);
        }
    }

    fn end_chunk(
        &mut self,
        chunk: OpenChunk,
        state: &mut State,
        shared: &Arc<Shared>,
        now: Millis,
        todo: &mut Todo,
    ) {
        let id = chunk.id;
        match state.session.chunk_ends(id, chunk.buffer) {
            Chunked::Part => {}
            Chunked::Whole(message) => {
                let message = pool::share(message);
                let frame = Frame::decode(&message).map_err(ProtocolError::from);
                let action = frame
                    .and_then(|frame| state.session.on_whole(id, &frame, &message, now, &mut state.outbox));
                self.act(action, Some(&message), state, shared, todo);
            }
            Chunked::Oversize { start, total } => {
                let action = state.session.on_oversize(id, (&start, total), now, &mut state.outbox);
                self.act(action, None, state, shared, todo);
            }
        }
    }

    #[inline]
    fn act(
        &mut self,
        action: Result<Action<'_, Waker, Running>, ProtocolError>,
        owner: Option<&Bytes>,
        state: &mut State,
        shared: &Arc<Shared>,
        todo: &mut Todo,
    ) {
        let action = match action {
            Ok(action) => action,
            Err(protocol_error) => return todo.over = Some(Over::ProtocolError(protocol_error)),
        };
        match action {
            Action::None => {}
            Action::Wake(waker) => self.wakers.push(waker),
            Action::Answered(waker) => {
                self.calls = true;
                self.wakers.push(waker);
            }
            Action::WakeAll(wakers) => self.wakers.extend(wakers),
            Action::Stop(running) => todo.stops.push(running),
            Action::Serve { xid, deadline, parts, carried } => {
                self.calls = true;
                state.look_at(deadline);
                serve((parts, carried), owner, Obligation::Answer(xid), deadline, state, shared, todo);
            }
            Action::ServeNotify { cost, parts, carried } => {
                serve((parts, carried), owner, Obligation::Credit(cost), None, state, shared, todo);
            }
            Action::Close { message, refused } => {
                self.wakers.extend(refused);
                todo.over = Some(Over::Goodbye(message));
            }
        }
    }

    fn perform(&mut self, mut todo: Todo, shared: &Arc<Shared>) -> Pass {
        todo.stops.into_iter().for_each(Running::stop);
        if todo.full && todo.calls.len() + todo.apart.len() > 0 {
            let deferred = todo.apart.extract_if(.., |call| !call.is_notify());
            shared.defer(todo.calls.drain(..).chain(deferred));
        }
        if !todo.apart.is_empty() {
            self.dispatch_apart(todo.apart, shared);
        }
        if !todo.calls.is_empty() {
            Dispatch::new(todo.calls, shared).spawn();
        }
        match todo.over {
            None => Pass::Some,
            Some(Over::ProtocolError(protocol_error)) => {
                shared.close(CloseReason::Protocol(protocol_error.message), protocol_error.code);
                Pass::Over
            }
            Some(Over::Stranger(what)) => {
                shared.close(CloseReason::NotMux(what), GoawayCode::Protocol);
                Pass::Over
            }
            Some(Over::Goodbye(message)) => {
                shared.abort(CloseReason::Peer(message));
                Pass::Over
            }
        }
    }

    /// Notifies run in their order, inline methods here and now. Decoding what is large takes long: on a
    /// task that nobody else waits for.
    fn dispatch_apart(&mut self, calls: Vec<InboundCall>, shared: &Arc<Shared>) {
        let mut inline = Vec::new();
        for call in calls {
            if call.is_notify() {
                self.notifies.push(call, shared);
            } else if call.is_inline() {
                inline.push(call);
            } else {
                Dispatch::new(vec![call], shared).spawn();
            }
        }
        Dispatch::new(inline, shared).run_all();
    }
}

/// What the peer is, where these are its first bytes and no hello begins like them.
fn stranger(start: &[u8], state: &State) -> Option<String> {
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

/// Whether two ends on this machine can be at work at the same time.
fn ends_overlap() -> bool {
    static OVERLAP: OnceLock<bool> = OnceLock::new();
    *OVERLAP.get_or_init(|| std::thread::available_parallelism().is_ok_and(|processors| processors.get() > 1))
}

/// Finds the handler of a request or notify, or answers that there is none.
#[inline]
fn serve(
    (parts, carried): (RequestParts<'_>, ThinList<IncomingHandle>),
    owner: Option<&Bytes>,
    owed: Obligation,
    deadline: Option<Millis>,
    state: &mut State,
    shared: &Arc<Shared>,
    todo: &mut Todo,
) {
    let RequestParts { method, meta, args } = parts;
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
pub(crate) fn keep(args: &[u8], owner: Option<&Bytes>) -> Body {
    match owner.filter(|_| args.len() > SMALL) {
        Some(owner) => Body::Shared(Box::new(owner.slice_ref(args))),
        None => Body::Copied(buffer::copy(args)),
    }
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
