//! What waits to be written: control frames first, then small messages in order, then a chunk of each large message in
//! turn. Small messages are copied into one buffer; large ones are cut into chunks without copying.

pub mod payload;

use crate::session::outbox::payload::Payload;
use crate::session::reassembly::{Class, charge};
use crate::wire::frame::{ChunkHead, Frame};
use crate::wire::handles::IncomingHandle;
use crate::wire::prefix::{self, Framing};
use crate::wire::settings::Settings;
use crate::wire::xid::Xid;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::Bytes;
use core::mem;

/// The most bytes of control frames that may wait for a peer that does not read. Beyond this the connection is closed.
const MAX_CONTROL: usize = 64 << 10;

/// About how many bytes of large messages go into one batch. Whatever is queued meanwhile waits for these, and for what
/// the kernel holds.
const BULK: usize = 128 << 10;

/// A buffer that grew beyond this is not kept for reuse.
const KEPT: usize = 16 << 10;

#[derive(Debug)]
pub struct Outbox {
    control: Vec<u8>,
    small: Vec<u8>,
    /// Large messages being sent, a chunk of each in turn.
    large: VecDeque<Large>,
    /// Large answers that wait for room at the peer. Requests wait in their rows.
    waiting: VecDeque<Large>,
    /// Sum of the answers among `large`.
    answers: u64,
    /// Replies and faults in the outbox. Each keeps its transaction's slot until it is taken.
    terminals: u32,
    unsent: Unsent,
    max_frame: usize,
    max_buffered: u64,
}

/// Bytes of replies and faults that are not written.
#[derive(Debug, Default)]
struct Unsent {
    small: usize,
    /// What is left of the large ones.
    large: u64,
    /// In the batch that is being written.
    taken: usize,
}

/// A message that goes in chunks.
#[derive(Debug)]
pub(crate) struct Large {
    id: Xid,
    class: Class,
    /// Holds its transaction's place.
    terminal: bool,
    total: u64,
    /// What is left of it.
    left: u64,
    pub(crate) segments: VecDeque<Bytes>,
    /// Channels whose other halves it carries.
    pub(crate) introduces: Vec<Xid>,
}

/// What the writer took, as far as the session counts it.
#[derive(Debug, Default)]
pub struct Flushed {
    /// The number of replies and faults.
    pub terminals: u32,
    /// Large messages whose last chunk was taken.
    pub(crate) whole: Vec<Whole>,
}

#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) id: Xid,
    pub(crate) class: Class,
    pub(crate) introduces: Vec<Xid>,
}

impl Default for Outbox {
    fn default() -> Outbox {
        Outbox {
            control: Vec::new(),
            small: Vec::new(),
            large: VecDeque::new(),
            waiting: VecDeque::new(),
            answers: 0,
            terminals: 0,
            unsent: Unsent::default(),
            max_frame: Settings::FLOOR.max_frame as usize,
            max_buffered: Settings::FLOOR.max_buffered,
        }
    }
}

impl Outbox {
    /// Adopts the limits of the peer's HELLO.
    pub(crate) fn greet(&mut self, peer: &Settings) {
        self.max_frame = peer.max_frame.try_into().unwrap_or(usize::MAX);
        self.max_buffered = peer.max_buffered;
    }

    /// Queues a control frame, ahead of all messages. `false` if the peer leaves too many unread.
    #[must_use]
    pub(crate) fn control(&mut self, frame: &Frame<'_>) -> bool {
        prefix::put(frame, &mut self.control);
        self.control.len() <= MAX_CONTROL
    }

    /// Queues a small message, body and all.
    pub(crate) fn message(&mut self, frame: &Frame<'_>) {
        self.terminals += u32::from(is_terminal(frame));
        prefix::put(frame, &mut self.small);
    }

    /// Queues a small message whose body is given apart. Returns the body's buffer for reuse.
    #[inline]
    pub(crate) fn message_with(&mut self, frame: &Frame<'_>, body: Payload) -> Vec<u8> {
        if is_terminal(frame) {
            self.terminals += 1;
            self.unsent.small += body.len();
        }
        let mut body = body.into_flat();
        frame.put_head(Framing::Prefixed { body_len: body.len() }, &mut self.small);
        self.small.extend_from_slice(&body);
        body.clear();
        body
    }

    /// Queues the small answer to `xid`.
    #[inline]
    pub(crate) fn reply(&mut self, xid: Xid, value: &[u8]) {
        self.terminals += 1;
        self.unsent.small += value.len();
        let frame = Frame::Reply { xid, meta: None, value };
        frame.put_head(Framing::Prefixed { body_len: value.len() }, &mut self.small);
        self.small.extend_from_slice(value);
    }

    /// Queues a message to be sent in chunks under `id`. Nothing of the channels it introduces may be sent before its last
    /// chunk.
    pub(crate) fn large(&mut self, id: Xid, frame: &Frame<'_>, body: Payload, introduces: &[IncomingHandle]) {
        let mut head = Vec::new();
        frame.put_bare_head(&mut head);
        let total = (head.len() + body.len()) as u64;
        let answers = matches!(frame, Frame::Reply { .. } | Frame::Fault { .. } | Frame::Item { .. });
        let large = Large {
            id,
            class: if answers { Class::Answer } else { Class::Question },
            terminal: is_terminal(frame),
            total,
            left: total,
            segments: body.into_segments(head),
            introduces: introduces.iter().map(|carried| carried.id).collect(),
        };
        if large.terminal {
            self.unsent.large += total;
        }
        if answers {
            self.waiting.push_back(large);
            self.admit();
        } else {
            self.large.push_back(large);
        }
    }

    /// Starts the answers for which the peer has room. If no other is under way, one may always start.
    fn admit(&mut self) {
        while let Some(large) = self.waiting.pop_front_if(|large| {
            self.answers == 0 || self.answers + charge(large.total) <= self.max_buffered
        }) {
            self.answers += charge(large.total);
            self.large.push_back(large);
        }
    }

    /// Gives up what is left of a large message. The peer is told if it was begun.
    pub(crate) fn abandon(&mut self, id: Xid) -> Option<Large> {
        if let Some(at) = self.waiting.iter().position(|large| large.id == id) {
            let large = self.waiting.remove(at)?;
            self.sent(&large, large.left);
            return Some(large);
        }
        let at = self.large.iter().position(|large| large.id == id)?;
        let large = self.large.remove(at)?;
        if large.left < large.total {
            self.message(&Frame::Chunk { id, remaining: None, data: &[] });
        }
        self.sent(&large, large.left);
        self.gone(&large);
        Some(large)
    }

    /// As [`abandon`](Outbox::abandon), of a reply or a fault.
    pub(crate) fn abandon_terminal(&mut self, xid: Xid) -> Option<Large> {
        let is_there = self.large.iter().chain(&self.waiting).any(|it| it.id == xid && it.terminal);
        is_there.then(|| self.abandon(xid)).flatten()
    }

    /// A part of a large message is still to be sent.
    pub(crate) fn holds(&self, id: Xid) -> bool {
        self.large.iter().chain(&self.waiting).any(|large| large.id == id)
    }

    /// Gives up all large messages: a GOAWAY follows, and no more of them is sent.
    pub(crate) fn clear_large(&mut self) -> impl Iterator<Item = Bytes> + use<> {
        self.answers = 0;
        self.unsent.large = 0;
        let large = mem::take(&mut self.large).into_iter().chain(mem::take(&mut self.waiting));
        large.flat_map(|large| large.segments)
    }

    /// `len` bytes of it wait no longer.
    fn sent(&mut self, large: &Large, len: u64) {
        if large.terminal {
            self.unsent.large -= len;
        }
    }

    /// Bytes of replies and faults that are not written.
    #[inline]
    pub(crate) fn unsent(&self) -> u64 {
        let Unsent { small, large, taken } = self.unsent;
        (small + taken) as u64 + large
    }

    /// The batch that was taken last is written.
    #[inline]
    pub fn batch_is_written(&mut self) {
        self.unsent.taken = 0;
    }

    fn gone(&mut self, large: &Large) {
        if large.class == Class::Answer {
            self.answers -= charge(large.total);
            self.admit();
        }
    }

    pub fn is_empty(&self) -> bool {
        self.control.is_empty() && self.small.is_empty() && self.large.is_empty()
    }

    /// Gives back unused capacity.
    pub fn trim(&mut self) {
        self.control.shrink_to_fit();
        self.small.shrink_to_fit();
        self.large.shrink_to_fit();
        self.waiting.shrink_to_fit();
    }

    /// Moves control frames, small messages, and chunks of the large ones whose turn it is into a spent
    /// batch, whose buffers are used again.
    pub fn take(&mut self, batch: &mut Batch) -> Flushed {
        debug_assert!(batch.is_written());
        batch.reset();
        mem::swap(&mut self.control, &mut batch.control);
        mem::swap(&mut self.small, &mut batch.small);
        self.unsent.taken = mem::take(&mut self.unsent.small);
        let mut flushed = Flushed { terminals: mem::take(&mut self.terminals), whole: Vec::new() };
        let mut bulk = 0;
        while bulk < BULK
            && let Some(mut large) = self.large.pop_front()
        {
            let len = large.cut(self.max_frame.min(BULK), &mut batch.bulk);
            self.sent(&large, len as u64);
            bulk += len;
            if large.left > 0 {
                self.large.push_back(large);
                continue;
            }
            self.gone(&large);
            flushed.terminals += u32::from(large.terminal);
            let Large { id, class, introduces, .. } = large;
            flushed.whole.push(Whole { id, class, introduces });
        }
        flushed
    }

    /// Drops what is queued: nobody will read it. Returns what is to be dropped outside the lock.
    pub(crate) fn clear(&mut self) -> impl Iterator<Item = Bytes> + use<> {
        self.control.clear();
        self.small.clear();
        self.terminals = 0;
        self.unsent = Unsent::default();
        self.clear_large()
    }
}

fn is_terminal(frame: &Frame<'_>) -> bool {
    matches!(frame, Frame::Reply { .. } | Frame::Fault { .. })
}

impl Large {
    /// Appends its next chunk, a frame of `max_frame` bytes at most. Returns the length of its data.
    fn cut(&mut self, max_frame: usize, bulk: &mut VecDeque<Bytes>) -> usize {
        let len = self.left.min((max_frame - ChunkHead::LONGEST) as u64) as usize;
        self.left -= len as u64;
        let mut head = Vec::with_capacity(prefix::PREFIX + ChunkHead::LONGEST);
        ChunkHead { id: self.id, remaining: Some(self.left), len }.put(&mut head);
        bulk.push_back(head.into());
        let mut missing = len;
        while missing > 0
            && let Some(mut segment) = self.segments.pop_front()
        {
            let part = segment.split_to(missing.min(segment.len()));
            missing -= part.len();
            bulk.push_back(part);
            if !segment.is_empty() {
                self.segments.push_front(segment);
            }
        }
        len
    }
}

/// What one flush writes, and how much of it is written.
#[derive(Debug, Default)]
pub struct Batch {
    control: Vec<u8>,
    small: Vec<u8>,
    /// Chunks, in parts.
    bulk: VecDeque<Bytes>,
    /// Bytes written of the first part that is not written wholly.
    offset: usize,
}

impl Batch {
    /// The unwritten parts, in order. None of them is empty.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let parts = [&self.control[..], &self.small[..]].into_iter();
        let parts = parts.chain(self.bulk.iter().map(|part| &part[..]));
        let mut skip = self.offset;
        parts.filter(|part| !part.is_empty()).map(move |part| &part[mem::take(&mut skip)..])
    }

    /// Counts `written` bytes off.
    pub fn advance(&mut self, mut written: usize) {
        written += self.offset;
        self.offset = 0;
        for part in [&mut self.control, &mut self.small] {
            if written < part.len() {
                self.offset = written;
                return;
            }
            written -= part.len();
            part.clear();
        }
        while let Some(part) = self.bulk.front() {
            if written < part.len() {
                self.offset = written;
                return;
            }
            written -= part.len();
            self.bulk.pop_front();
        }
    }

    pub fn is_written(&self) -> bool {
        self.control.is_empty() && self.small.is_empty() && self.bulk.is_empty()
    }

    fn reset(&mut self) {
        for buffer in [&mut self.control, &mut self.small] {
            if buffer.capacity() > KEPT {
                *buffer = Vec::new();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::settings::SMALL;

    fn drain(batch: &mut Batch, step: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while !batch.is_written() {
            let mut part: Vec<u8> = batch.parts().take(3).flatten().copied().collect();
            part.truncate(step);
            bytes.extend_from_slice(&part);
            batch.advance(part.len());
        }
        bytes
    }

    /// Kinds of frames, and the ids of the chunks among them.
    fn kinds(mut bytes: &[u8]) -> Vec<(u8, u64)> {
        let mut kinds = Vec::new();
        while !bytes.is_empty() {
            let len = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
            let id = match Frame::decode(&bytes[4..4 + len]).unwrap() {
                Frame::Chunk { id, .. } => id,
                _ => 0,
            };
            kinds.push((bytes[5], id));
            bytes = &bytes[4 + len..];
        }
        kinds
    }

    fn reply(outbox: &mut Outbox, xid: Xid, len: usize) {
        outbox.large(xid, &Frame::Reply { xid, meta: None, value: &[] }, vec![0xc0; len].into(), &[]);
    }

    #[test]
    fn control_goes_first_then_small_messages_then_chunks_however_they_are_cut() {
        for step in [1, 7, 1000, 1 << 20] {
            let mut outbox = Outbox::default();
            outbox.message(&Frame::Cancel { xid: 1 });
            reply(&mut outbox, 2, SMALL + 1);
            outbox.message(&Frame::Cancel { xid: 3 });
            assert!(outbox.control(&Frame::Ping { nonce: 1 }));
            let mut batch = Batch::default();
            assert_eq!(outbox.take(&mut batch).terminals, 1);
            assert!(outbox.is_empty());
            // The floor of `max_frame` cuts the reply in two.
            assert_eq!(kinds(&drain(&mut batch, step)), [(11, 0), (4, 0), (4, 0), (10, 2), (10, 2)]);
        }
    }

    #[test]
    fn large_messages_take_turns_and_small_ones_go_between() {
        let mut outbox = Outbox::default();
        outbox.greet(&Settings { max_frame: 128 << 10, max_buffered: 8 << 20, ..Settings::FLOOR });
        reply(&mut outbox, 2, 300 << 10);
        reply(&mut outbox, 4, 200 << 10);
        let mut batch = Batch::default();
        let mut seen = Vec::new();
        while !outbox.is_empty() {
            outbox.message(&Frame::Cancel { xid: 1 });
            outbox.take(&mut batch);
            seen.push(kinds(&drain(&mut batch, usize::MAX)));
        }
        let chunks =
            |seen: &[(u8, u64)]| seen.iter().filter(|(kind, _)| *kind == 10).map(|(_, id)| *id).collect();
        let turns: Vec<Vec<u64>> = seen.iter().map(|batch| chunks(batch)).collect();
        assert_eq!(turns.concat(), [2, 4, 2, 4, 2]);
        assert!(seen.iter().all(|batch| batch[0] == (4, 0)), "{seen:?}");
    }

    #[test]
    fn answers_beyond_the_peers_room_wait_their_turn() {
        let mut outbox = Outbox::default();
        reply(&mut outbox, 2, 160 << 10);
        reply(&mut outbox, 4, 40 << 10);
        let mut batch = Batch::default();
        outbox.take(&mut batch);
        let first = kinds(&drain(&mut batch, usize::MAX));
        assert!(first.iter().all(|frame| *frame == (10, 2)), "{first:?}");
        assert_eq!(outbox.take(&mut batch).terminals, 2);
        let turns: Vec<u64> = kinds(&drain(&mut batch, usize::MAX)).iter().map(|(_, id)| *id).collect();
        assert_eq!(turns, [2, 2, 4, 4, 4]);
    }

    #[test]
    fn what_is_given_up_before_its_first_byte_says_nothing_later_it_says_so() {
        let mut outbox = Outbox::default();
        outbox.greet(&Settings { max_buffered: 8 << 20, ..Settings::FLOOR });
        reply(&mut outbox, 2, 1 << 20);
        assert!(outbox.abandon(2).is_some());
        assert!(outbox.is_empty());
        reply(&mut outbox, 4, 1 << 20);
        let mut batch = Batch::default();
        outbox.take(&mut batch);
        drain(&mut batch, usize::MAX);
        assert!(outbox.abandon(4).is_some());
        assert_eq!(outbox.abandon(4).map(|large| large.id), None);
        outbox.take(&mut batch);
        assert_eq!(drain(&mut batch, usize::MAX)[4..], [0x94, 10, 4, 0xc0, 0xc4, 0]);
    }

    #[test]
    fn what_is_given_back_is_only_what_nothing_lies_in() {
        let mut outbox = Outbox::default();
        for xid in 0..1000 {
            outbox.message(&Frame::Cancel { xid });
        }
        outbox.trim();
        let mut batch = Batch::default();
        outbox.take(&mut batch);
        assert_eq!(kinds(&drain(&mut batch, usize::MAX)).len(), 1000);
        outbox.trim();
        assert_eq!(outbox.small.capacity() + outbox.control.capacity(), 0);
    }

    #[test]
    fn control_frames_nobody_reads_are_bounded() {
        let mut outbox = Outbox::default();
        let owed = (0..100_000).take_while(|&nonce| outbox.control(&Frame::Pong { nonce })).count();
        assert!(owed < 20_000, "{owed}");
    }
}
