//! What waits to be written: control frames first, then messages in the order they came.
//! Small messages are copied together; a large body is queued as it lies.

use crate::codec;
use crate::proto::frame::Frame;
use crate::proto::hello::SMALL;
use std::collections::VecDeque;
use std::io::IoSlice;

/// Control frames owed to a peer that does not read them, in bytes. Beyond it the peer is closed.
const MAX_CONTROL: usize = 64 << 10;

/// A buffer that grew beyond this is not kept for reuse.
const KEPT: usize = 16 << 10;

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    control: Vec<u8>,
    small: Vec<u8>,
    large: VecDeque<Large>,
    /// Replies and faults in here, each of which holds its transaction's place until it leaves.
    terminals: u32,
}

/// A large body and the small messages that came after it.
#[derive(Debug)]
struct Large {
    body: Vec<u8>,
    after: Vec<u8>,
}

impl Outbox {
    /// Queues a frame that goes before all messages. `false` when the peer owes too many reads.
    #[must_use]
    pub(crate) fn control(&mut self, frame: &Frame<'_>) -> bool {
        codec::put(frame, &mut self.control);
        self.control.len() <= MAX_CONTROL
    }

    /// Queues a message, body and all, by copying it.
    pub(crate) fn message(&mut self, frame: &Frame<'_>) {
        self.count(frame);
        codec::put(frame, self.tail());
    }

    /// Queues a message whose body is given apart: a small one is copied behind its head, a longer one
    /// is written from where it lies. Returns the buffer where it was not kept.
    pub(crate) fn message_with(&mut self, frame: &Frame<'_>, mut body: Vec<u8>) -> Vec<u8> {
        self.count(frame);
        codec::put_head(frame, body.len(), self.tail());
        if body.len() > SMALL {
            self.large.push_back(Large { body, after: Vec::new() });
            return Vec::new();
        }
        self.tail().extend_from_slice(&body);
        body.clear();
        body
    }

    fn count(&mut self, frame: &Frame<'_>) {
        self.terminals += u32::from(matches!(frame, Frame::Reply { .. } | Frame::Fault { .. }));
    }

    fn tail(&mut self) -> &mut Vec<u8> {
        match self.large.back_mut() {
            Some(large) => &mut large.after,
            None => &mut self.small,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.control.is_empty() && self.small.is_empty() && self.large.is_empty()
    }

    /// Moves everything into a spent batch, whose buffers are used again. Returns how many
    /// terminals left.
    pub(crate) fn take(&mut self, batch: &mut Batch) -> u32 {
        debug_assert!(batch.is_written());
        batch.reset();
        std::mem::swap(&mut self.control, &mut batch.control);
        std::mem::swap(&mut self.small, &mut batch.small);
        std::mem::swap(&mut self.large, &mut batch.large);
        std::mem::take(&mut self.terminals)
    }

    /// Forgets what is queued: nobody will read it.
    pub(crate) fn clear(&mut self) {
        *self = Outbox::default();
    }
}

/// What one flush writes, and how much of it is written.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    control: Vec<u8>,
    small: Vec<u8>,
    large: VecDeque<Large>,
    /// Bytes written of the first part that is not written wholly.
    offset: usize,
}

impl Batch {
    /// The unwritten parts, in order, up to the size of `slices`.
    pub(crate) fn slices<'b>(&'b self, slices: &mut [IoSlice<'b>]) -> usize {
        let parts = [&self.control, &self.small].into_iter();
        let parts = parts.chain(self.large.iter().flat_map(|large| [&large.body, &large.after]));
        let mut skip = self.offset;
        let mut count = 0;
        for part in parts.filter(|part| !part.is_empty()) {
            if count == slices.len() {
                break;
            }
            slices[count] = IoSlice::new(&part[skip..]);
            skip = 0;
            count += 1;
        }
        count
    }

    /// Counts `written` bytes off.
    pub(crate) fn advance(&mut self, mut written: usize) {
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
        while let Some(large) = self.large.front_mut() {
            for part in [&mut large.body, &mut large.after] {
                if written < part.len() {
                    self.offset = written;
                    return;
                }
                written -= part.len();
                *part = Vec::new();
            }
            self.large.pop_front();
        }
    }

    pub(crate) fn is_written(&self) -> bool {
        self.control.is_empty() && self.small.is_empty() && self.large.is_empty()
    }

    fn reset(&mut self) {
        for buffer in [&mut self.control, &mut self.small] {
            if buffer.capacity() > KEPT {
                *buffer = Vec::new();
            }
        }
        if self.large.capacity() > 64 {
            self.large = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(batch: &mut Batch, step: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while !batch.is_written() {
            let mut slices = [IoSlice::new(&[]); 3];
            let count = batch.slices(&mut slices);
            let mut part: Vec<u8> = slices[..count].iter().flat_map(|s| s.iter().copied()).collect();
            part.truncate(step);
            bytes.extend_from_slice(&part);
            batch.advance(part.len());
        }
        bytes
    }

    fn kinds(mut bytes: &[u8]) -> Vec<u8> {
        let mut kinds = Vec::new();
        while !bytes.is_empty() {
            let len = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
            kinds.push(bytes[5]);
            bytes = &bytes[4 + len..];
        }
        kinds
    }

    #[test]
    fn control_goes_first_and_messages_keep_their_order_however_they_are_cut() {
        for step in [1, 7, 1000, 1 << 20] {
            let mut outbox = Outbox::default();
            outbox.message(&Frame::Cancel { xid: 1 });
            let rest =
                outbox.message_with(&Frame::Reply { xid: 2, meta: None, value: &[] }, vec![0xc0; SMALL + 1]);
            assert_eq!(rest.capacity(), 0, "a large body is moved");
            outbox.message(&Frame::Cancel { xid: 3 });
            assert!(outbox.control(&Frame::Ping { nonce: 1 }));
            let mut batch = Batch::default();
            assert_eq!(outbox.take(&mut batch), 1);
            assert!(outbox.is_empty());
            assert_eq!(kinds(&drain(&mut batch, step)), [11, 4, 2, 4]);
        }
    }

    #[test]
    fn control_frames_nobody_reads_are_bounded() {
        let mut outbox = Outbox::default();
        let owed = (0..100_000).take_while(|&nonce| outbox.control(&Frame::Pong { nonce })).count();
        assert!(owed < 20_000, "{owed}");
    }
}
