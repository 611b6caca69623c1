//! Bytes on their way to frames: the connection's buffer, a frame too large for it, and a chunk read straight into its
//! message.

use crate::util::pool;
use bytes::{BufMut, Bytes, BytesMut};
use mux_proto::session::reassembly::Intake;
use mux_proto::wire::frame::ChunkHead;
use mux_proto::wire::prefix::PREFIX;
use mux_proto::wire::xid::Xid;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncRead;
use tokio_util::io::poll_read_buf;

/// The connection's own buffer while much comes. A frame that does not fit is read into one of its own.
pub(crate) const BUFFER: usize = 64 << 10;

/// The same while little comes, or nothing: what an idle connection holds.
const LITTLE: usize = 4 << 10;

/// Read behind a chunk with its data: the head of the next one, so that it needs no read of its own.
const AHEAD: usize = PREFIX + ChunkHead::LONGEST;

pub(crate) struct Input {
    pub(crate) buffer: BytesMut,
    /// Room for the next read: `LITTLE` or `BUFFER`.
    room: usize,
    open: Option<Open>,
    /// More chunks are to come: the next is read where it stays, so little is read before it.
    pub(crate) bulk: bool,
    /// Longest frame the peer may send.
    pub(crate) limit: usize,
}

/// What is read where it stays, as it does not fit the buffer or has a place already.
enum Open {
    Frame(LargeFrame),
    Chunk(OpenChunk),
}

/// What was read where it stays, and is whole.
pub(crate) enum Whole {
    Frame(Bytes),
    Chunk(OpenChunk),
}

impl Input {
    pub(crate) fn new(limit: usize) -> Input {
        Input { buffer: BytesMut::new(), room: LITTLE, open: None, bulk: false, limit }
    }

    /// More of a large message is to come.
    pub(crate) fn is_within_a_message(&self) -> bool {
        self.bulk || self.open.is_some()
    }

    /// Whether there is something that a pass can handle.
    pub(crate) fn has_frame(&self) -> bool {
        match &self.open {
            Some(Open::Chunk(chunk)) => chunk.is_whole(),
            Some(Open::Frame(frame)) => frame.is_whole(),
            // A length over the limit counts as whole: the pass refuses it.
            None => self.next_len().is_some_and(|len| {
                let frame = &self.buffer[PREFIX..];
                len > self.limit || frame.len() >= len || ChunkHead::peek(frame, len).is_some()
            }),
        }
    }

    fn next_len(&self) -> Option<usize> {
        let prefix = self.buffer.first_chunk::<PREFIX>()?;
        Some(u32::from_be_bytes(*prefix) as usize)
    }

    /// More has to be read before anything else is handled.
    pub(crate) fn is_within_a_chunk(&self) -> bool {
        matches!(&self.open, Some(Open::Chunk(chunk)) if !chunk.is_whole())
    }

    /// What was read where it stays, once it is whole.
    pub(crate) fn take_whole(&mut self) -> Option<Whole> {
        let whole = |open: &mut Open| match open {
            Open::Chunk(chunk) => chunk.is_whole(),
            Open::Frame(frame) => frame.is_whole(),
        };
        Some(match self.open.take_if(whole)? {
            Open::Chunk(chunk) => Whole::Chunk(chunk),
            Open::Frame(frame) => Whole::Frame(frame.bytes.freeze()),
        })
    }

    /// The rest of this frame is read where it stays.
    pub(crate) fn begin_frame(&mut self, begun: BytesMut, len: usize) {
        self.open = Some(Open::Frame(LargeFrame { bytes: begun, len }));
    }

    /// The rest of this chunk is read into its message.
    pub(crate) fn begin_chunk(&mut self, chunk: OpenChunk) {
        self.open = Some(Open::Chunk(chunk));
    }

    /// Gives back what nothing lies in. A read that finds nothing reserves the buffer anew.
    pub(crate) fn trim(&mut self) {
        self.room = LITTLE;
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
    }

    pub(crate) fn poll_fill<R: AsyncRead>(
        &mut self,
        stream: Pin<&mut R>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match &mut self.open {
            None => self.poll_fill_buffer(stream, cx),
            Some(Open::Frame(frame)) => frame.poll_fill(stream, cx),
            Some(Open::Chunk(chunk)) => chunk.poll_fill(&mut self.buffer, stream, cx),
        }
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
}

/// A frame that is read where it stays. Its memory grows with what has arrived.
pub(crate) struct LargeFrame {
    bytes: BytesMut,
    len: usize,
}

impl LargeFrame {
    fn is_whole(&self) -> bool {
        self.bytes.len() == self.len
    }

    fn poll_fill<R: AsyncRead>(
        &mut self,
        stream: Pin<&mut R>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let missing = self.len - self.bytes.len();
        self.bytes.reserve(missing.min(self.bytes.len().max(BUFFER)));
        poll_read_buf(stream, cx, &mut (&mut self.bytes).limit(missing))
    }
}

/// A chunk whose data is read into its message's own buffer.
pub(crate) struct OpenChunk {
    pub(crate) id: Xid,
    /// Absent where its data is dropped.
    pub(crate) buffer: Option<Vec<u8>>,
    missing: usize,
    /// Of the whole message, this chunk's included.
    remaining: usize,
}

impl OpenChunk {
    /// `data` is as much of it as has come already.
    pub(crate) fn new(head: &ChunkHead, intake: Intake, data: &[u8]) -> OpenChunk {
        // What the session has accepted fits the limit, or is dropped.
        let remaining = head.len.saturating_add(head.remaining.unwrap_or(0).try_into().unwrap_or(usize::MAX));
        let buffer = buffer_for(intake, head.len);
        let mut chunk = OpenChunk { id: head.id, buffer, missing: head.len, remaining };
        chunk.take(data);
        chunk
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.missing == 0
    }

    /// Reads more of the data. What comes behind it goes to `behind`, which is empty.
    fn poll_fill<R: AsyncRead>(
        &mut self,
        behind: &mut BytesMut,
        stream: Pin<&mut R>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let Some(buffer) = &mut self.buffer else {
            behind.reserve(self.missing.min(BUFFER));
            let read = ready!(poll_read_buf(stream, cx, &mut behind.limit(self.missing)))?;
            behind.clear();
            self.count(read);
            return Poll::Ready(Ok(read));
        };
        let total = whole(buffer.len(), self.remaining);
        pool::grow(buffer, self.missing.min(BUFFER), total);
        let read = ready!(poll_read_buf(stream, cx, &mut buffer.limit(self.missing + AHEAD)))?;
        let ahead = read.saturating_sub(self.missing);
        behind.extend_from_slice(&buffer[buffer.len() - ahead..]);
        buffer.truncate(buffer.len() - ahead);
        self.count(read - ahead);
        Poll::Ready(Ok(read))
    }

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
