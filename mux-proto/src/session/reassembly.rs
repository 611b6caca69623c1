//! Large messages on their way in: each is put together from its chunks, in one buffer that grows with
//! what has arrived. What goes out is cut in the outbox.

use crate::wire::frame::ENVELOPE;
use crate::wire::settings::SMALL;
use crate::wire::settings::Settings;
use crate::wire::xid::Xid;
use crate::wire::xid::XidMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;
use core::mem;

/// Which of the two sums a message counts towards. They are apart so that answers never wait behind
/// questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Requests and notifies.
    Question,
    /// Replies, faults and items.
    Answer,
}

/// What a message of `total` bytes counts towards `max_buffered`. The minimum bounds the number of small messages that a
/// peer sends in chunks all the same.
pub(crate) fn charge(total: u64) -> u64 {
    total.max(SMALL as u64)
}

/// What to do with the data of a chunk.
#[derive(Debug, PartialEq, Eq)]
pub enum Intake {
    /// The first of a message of so many bytes: to be written to a new buffer, which `Chunks::end` takes.
    Begin { total: usize },
    /// To be appended to this buffer, which goes back to `Chunks::end`.
    Resume(Vec<u8>),
    /// To be dropped.
    Skip,
    /// There is no data: the message was given up, and with it what had come of it.
    GivenUp(Vec<u8>),
}

/// What is known of a message after one of its chunks.
#[derive(Debug, PartialEq, Eq)]
pub enum Chunked {
    /// More is to come, or the message is dropped.
    Part,
    Whole(Vec<u8>),
    /// The first chunk of a message that exceeds the limit. The rest will be dropped.
    Oversize {
        start: Bytes,
        total: u64,
    },
}

/// A message of which more is to come.
#[derive(Debug)]
struct Assembly {
    class: Class,
    total: u64,
    missing: u64,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Kept(Vec<u8>),
    /// The reader appends to it.
    Lent,
    /// As [`Content::Lent`], and it is the first chunk of a message that exceeds the limit.
    Oversize,
    Refused,
}

#[derive(Debug, Default)]
pub(crate) struct Chunks {
    open: XidMap<Assembly>,
    /// Sum of the charges of the questions.
    questions: u64,
    answers: u64,
    /// Chunks that have come.
    arrived: u64,
}

impl Chunks {
    pub(crate) fn is_open(&self, id: Xid) -> bool {
        self.open.contains_key(&id)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Begins the message `id`, whose first chunk has `len` bytes. `buffered` is what the questions
    /// count that are whole and not answered yet. An `Err` tells how the peer oversteps.
    pub(crate) fn open(
        &mut self,
        id: Xid,
        class: Class,
        (len, remaining): (usize, u64),
        buffered: u64,
        ours: &Settings,
    ) -> Result<Intake, String> {
        let total = remaining
            .checked_add(len as u64)
            .filter(|_| len > 0)
            .ok_or_else(|| format!("a chunk of {len} bytes begins message {id} of {remaining} more"))?;
        let limit = ours.max_message.saturating_add(ENVELOPE as u64);
        let oversize = total > limit;
        // What is over the limit is not kept, and counts as little.
        let counted = if oversize { charge(0) } else { charge(total) };
        let sum = match class {
            Class::Question => self.questions.saturating_add(buffered),
            Class::Answer => self.answers,
        };
        // A peer may claim any total where this end has set no limit of its own.
        if sum > 0 && sum.checked_add(counted).is_none_or(|sum| sum > ours.max_buffered) {
            return Err(format!("more than {} bytes of large messages at once", ours.max_buffered));
        }
        *self.sum_mut(class) += counted;
        let content = if oversize { Content::Oversize } else { Content::Lent };
        self.open.insert(id, Assembly { class, total, missing: remaining, content });
        Ok(Intake::Begin { total: if oversize { len } else { total.try_into().unwrap_or(len) } })
    }

    fn sum_mut(&mut self, class: Class) -> &mut u64 {
        match class {
            Class::Question => &mut self.questions,
            Class::Answer => &mut self.answers,
        }
    }

    /// Goes on with a message that is open.
    pub(crate) fn resume(&mut self, id: Xid, len: usize, remaining: u64) -> Result<Intake, String> {
        let Some(assembly) = self.open.get_mut(&id) else { return Err(format!("no message {id} is open")) };
        if len == 0 || Some(assembly.missing) != remaining.checked_add(len as u64) {
            let missing = assembly.missing;
            return Err(format!(
                "a chunk of {len} bytes before {remaining} more, where message {id} lacks {missing}"
            ));
        }
        assembly.missing = remaining;
        Ok(match mem::replace(&mut assembly.content, Content::Lent) {
            Content::Kept(buffer) => Intake::Resume(buffer),
            content => {
                assembly.content = content;
                Intake::Skip
            }
        })
    }

    pub(crate) fn arrived(&self) -> u64 {
        self.arrived
    }

    /// The data of the chunk has been appended, or dropped.
    pub(crate) fn end(&mut self, id: Xid, buffer: Option<Vec<u8>>) -> Chunked {
        self.arrived = self.arrived.wrapping_add(1);
        let Some(assembly) = self.open.get_mut(&id) else { return Chunked::Part };
        let last = assembly.missing == 0;
        let chunked = match (&assembly.content, buffer) {
            (Content::Oversize, Some(start)) => {
                assembly.content = Content::Refused;
                Chunked::Oversize { start: start.into(), total: assembly.total }
            }
            (Content::Lent, Some(buffer)) if last => Chunked::Whole(buffer),
            (Content::Lent, Some(buffer)) => {
                assembly.content = Content::Kept(buffer);
                Chunked::Part
            }
            _ => Chunked::Part,
        };
        if last {
            self.forget(id);
        }
        chunked
    }

    /// The sender gave the message up. `None` where there is none.
    pub(crate) fn give_up(&mut self, id: Xid) -> Option<Intake> {
        self.forget(id).map(|content| match content {
            Content::Kept(buffer) => Intake::GivenUp(buffer),
            Content::Lent | Content::Oversize | Content::Refused => Intake::Skip,
        })
    }

    fn forget(&mut self, id: Xid) -> Option<Content> {
        let Assembly { class, total, content, .. } = self.open.remove(&id)?;
        let oversize = matches!(content, Content::Oversize | Content::Refused);
        *self.sum_mut(class) -= if oversize { charge(0) } else { charge(total) };
        Some(content)
    }

    pub(crate) fn clear(&mut self) {
        *self = Chunks::default();
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn rows(&self) -> usize {
        self.open.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(max_message: u64, max_buffered: u64) -> Settings {
        Settings { max_message, max_buffered, ..Settings::FLOOR }
    }

    fn put(chunks: &mut Chunks, intake: Intake, id: Xid, data: &[u8]) -> Chunked {
        let buffer = match intake {
            Intake::Begin { .. } => Some(data.to_vec()),
            Intake::Resume(buffer) => Some([&buffer, data].concat()),
            Intake::Skip | Intake::GivenUp(_) => None,
        };
        chunks.end(id, buffer)
    }

    #[test]
    fn a_message_is_what_its_chunks_are_together() {
        let (mut chunks, ours) = (Chunks::default(), limits(1 << 20, 1 << 20));
        let intake = chunks.open(5, Class::Question, (2, 3), 0, &ours).unwrap();
        assert_eq!(put(&mut chunks, intake, 5, b"ab"), Chunked::Part);
        let intake = chunks.resume(5, 3, 0).unwrap();
        assert_eq!(put(&mut chunks, intake, 5, b"cde"), Chunked::Whole(b"abcde".to_vec()));
        assert!(chunks.is_empty());
        assert_eq!((chunks.questions, chunks.answers), (0, 0));
    }

    #[test]
    fn totals_that_lie_are_noticed() {
        let (mut chunks, ours) = (Chunks::default(), limits(1 << 20, 1 << 20));
        assert!(chunks.open(5, Class::Answer, (1, u64::MAX), 0, &ours).is_err());
        assert!(chunks.open(5, Class::Answer, (0, 7), 0, &ours).is_err());
        let intake = chunks.open(5, Class::Answer, (2, 10), 0, &ours).unwrap();
        put(&mut chunks, intake, 5, b"ab");
        for (len, remaining) in [(4, 7), (4, 5), (0, 10), (1, u64::MAX)] {
            assert!(chunks.resume(5, len, remaining).is_err(), "{len} and {remaining}");
        }
        assert!(chunks.resume(6, 1, 9).is_err());
    }

    #[test]
    fn questions_and_answers_are_counted_apart_and_one_may_always_come() {
        let (mut chunks, ours) = (Chunks::default(), limits(1 << 20, 64 << 10));
        chunks.open(1, Class::Question, (1, 100 << 10), 0, &ours).unwrap();
        assert!(chunks.open(3, Class::Question, (1, 1), 0, &ours).is_err());
        chunks.open(2, Class::Answer, (1, 40 << 10), 0, &ours).unwrap();
        chunks.open(4, Class::Answer, (1, 20 << 10), 0, &ours).unwrap();
        assert!(chunks.open(6, Class::Answer, (1, 0), 0, &ours).is_err(), "each counts 16 KiB at least");
        assert_eq!(chunks.give_up(1), Some(Intake::Skip));
        assert!(chunks.open(3, Class::Question, (1, 1), 60 << 10, &ours).is_err());
        assert!(chunks.open(3, Class::Question, (1, 1), 40 << 10, &ours).is_ok());
    }

    #[test]
    fn of_a_message_over_the_limit_the_first_chunk_is_kept_and_no_more() {
        let (mut chunks, ours) = (Chunks::default(), limits(64 << 10, 64 << 10));
        let total = 1 << 30;
        let intake = chunks.open(1, Class::Question, (3, total - 3), 0, &ours).unwrap();
        assert_eq!(intake, Intake::Begin { total: 3 });
        let start = Bytes::from_static(b"abc");
        assert_eq!(put(&mut chunks, intake, 1, b"abc"), Chunked::Oversize { start, total });
        let intake = chunks.resume(1, 5, total - 8).unwrap();
        assert_eq!(intake, Intake::Skip);
        assert_eq!(put(&mut chunks, intake, 1, b"defgh"), Chunked::Part);
        assert_eq!(chunks.give_up(1), Some(Intake::Skip));
        assert_eq!(chunks.questions, 0);
    }
}
