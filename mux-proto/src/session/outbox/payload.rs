//! A message's body to be sent: bytes written to one buffer, and long runs that are not copied into it.

use crate::thin_list::ThinList;
use crate::wire::settings::SMALL;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::Bytes;
use core::ops::Range;

/// A body, encoded. Long runs of bytes are not copied into it.
#[derive(Debug, Default, PartialEq)]
pub struct Payload {
    flat: Vec<u8>,
    /// In order, each with how much of `flat` comes before it.
    spliced: ThinList<(usize, Bytes)>,
}

impl Payload {
    #[inline]
    #[expect(clippy::len_without_is_empty, reason = "a value takes a byte at least")]
    pub fn len(&self) -> usize {
        self.flat.len() + self.spliced_len(0)
    }

    /// The length of what was spliced in, without the first `skipped` runs.
    #[inline]
    fn spliced_len(&self, skipped: usize) -> usize {
        self.spliced[skipped..].iter().map(|(_, bytes)| bytes.len()).sum()
    }

    /// Too long to go as one frame.
    #[inline]
    pub fn is_large(&self) -> bool {
        self.len() > SMALL
    }

    /// Its first byte, which tells what kind of value it is.
    pub fn first(&self) -> Option<u8> {
        match self.spliced.first() {
            Some((0, bytes)) => bytes.first().copied(),
            _ => self.flat.first().copied(),
        }
    }

    /// The buffer to write to.
    #[inline]
    pub fn flat_mut(&mut self) -> &mut Vec<u8> {
        &mut self.flat
    }

    /// The length of what was written, without what was spliced in.
    #[inline]
    pub fn flat_len(&self) -> usize {
        self.flat.len()
    }

    /// The bytes of a body into which nothing was spliced.
    #[inline]
    pub fn flat(&self) -> &[u8] {
        debug_assert!(self.spliced.is_empty());
        &self.flat
    }

    /// Appends bytes: copies a short run, and keeps a long one without copying it.
    pub fn splice(&mut self, bytes: Bytes) {
        if bytes.len() > SMALL {
            self.spliced.push((self.flat.len(), bytes));
        } else {
            self.flat.extend_from_slice(&bytes);
        }
    }

    /// Replaces written bytes, between which nothing was spliced in.
    pub fn replace(&mut self, written: Range<usize>, bytes: &[u8]) {
        let (start, old) = (written.start, written.len());
        self.flat.splice(written, bytes.iter().copied());
        // A splice exactly at the start belongs to what comes before.
        let behind = self.spliced.len() - self.spliced.iter().rev().take_while(|(at, _)| *at > start).count();
        if behind < self.spliced.len() {
            let moved = self.spliced.split_off(behind).into_iter();
            self.spliced.extend(moved.map(|(at, spliced)| (at - old + bytes.len(), spliced)));
        }
    }

    /// The buffer of a small body, into which nothing was spliced.
    pub(crate) fn into_flat(self) -> Vec<u8> {
        debug_assert!(self.spliced.is_empty());
        self.flat
    }

    /// The buffer that was written to, to be used again.
    #[inline]
    pub fn into_buffer(self) -> Vec<u8> {
        self.flat
    }

    /// Empties it. Its buffer is used again.
    #[inline]
    pub fn clear(&mut self) {
        self.flat.clear();
        self.spliced = ThinList::new();
    }

    /// Marks its present end.
    #[inline]
    pub fn mark(&self) -> Mark {
        Mark { flat: self.flat.len(), spliced: self.spliced.len() }
    }

    /// The length of what was written since.
    #[inline]
    pub fn len_since(&self, mark: Mark) -> usize {
        self.flat.len() - mark.flat + self.spliced_len(mark.spliced)
    }

    /// Splits off what was written since.
    pub fn split_off(&mut self, mark: Mark) -> Payload {
        let flat = self.flat.split_off(mark.flat);
        let spliced = self.spliced.split_off(mark.spliced).into_iter();
        Payload { flat, spliced: spliced.map(|(at, bytes)| (at - mark.flat, bytes)).collect() }
    }

    /// The pieces in order, behind `head`.
    pub fn into_segments(self, head: Vec<u8>) -> VecDeque<Bytes> {
        let mut segments = VecDeque::from([Bytes::from(head)]);
        let flat = Bytes::from(self.flat);
        let mut copied = 0;
        for (at, bytes) in self.spliced {
            segments.push_back(flat.slice(copied..at));
            segments.push_back(bytes);
            copied = at;
        }
        segments.push_back(flat.slice(copied..));
        segments.retain(|segment| !segment.is_empty());
        segments
    }

    /// All of it in one piece.
    pub fn into_vec(self) -> Vec<u8> {
        if self.spliced.is_empty() { self.flat } else { self.to_vec() }
    }

    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.len());
        let mut copied = 0;
        for (at, bytes) in self.spliced.iter() {
            out.extend_from_slice(&self.flat[copied..*at]);
            out.extend_from_slice(bytes);
            copied = *at;
        }
        out.extend_from_slice(&self.flat[copied..]);
        out
    }
}

/// An end that a payload once had.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mark {
    flat: usize,
    spliced: usize,
}

impl From<Vec<u8>> for Payload {
    fn from(flat: Vec<u8>) -> Payload {
        Payload { flat, spliced: ThinList::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_since_a_mark_comes_off_whole() {
        let mut payload = Payload::from(b"ab".to_vec());
        let mark = payload.mark();
        payload.flat_mut().extend_from_slice(b"c");
        payload.splice(vec![1; SMALL + 1].into());
        payload.flat_mut().extend_from_slice(b"d");
        assert_eq!(payload.len_since(mark), SMALL + 3);
        let tail = payload.split_off(mark);
        assert_eq!(payload.to_vec(), b"ab");
        assert_eq!(tail.to_vec(), [b"c", &[1; SMALL + 1][..], b"d"].concat());
    }

    #[test]
    fn what_is_replaced_moves_what_is_spliced_in_behind_it() {
        let (long, longer) = (Bytes::from(vec![1; SMALL + 1]), Bytes::from(vec![2; SMALL + 2]));
        let mut payload = Payload::from(b"ab".to_vec());
        payload.splice(long.clone());
        payload.flat_mut().extend_from_slice(b"cd");
        payload.splice(longer.clone());
        payload.replace(3..4, b"xyz");
        assert_eq!(payload.to_vec(), [b"ab", &long[..], b"cxyz", &longer[..]].concat());
        payload.replace(2..2, b"-");
        assert_eq!(payload.to_vec(), [b"ab", &long[..], b"-cxyz", &longer[..]].concat());
        payload.replace(0..2, b"");
        assert_eq!(payload.to_vec(), [&long[..], b"-cxyz", &longer[..]].concat());
    }

    #[test]
    fn long_bytes_stay_where_they_lie_and_in_their_order() {
        let (long, longer) = (Bytes::from(vec![1; SMALL + 1]), Bytes::from(vec![2; 2 * SMALL]));
        let mut payload = Payload::from(b"a".to_vec());
        payload.splice(long.clone());
        payload.splice(Bytes::from_static(b"b"));
        payload.splice(longer.clone());
        let expected = [b"a", &long[..], b"b", &longer[..]].concat();
        assert_eq!((payload.len(), payload.to_vec()), (expected.len(), expected.clone()));
        let segments = payload.into_segments(b"head".to_vec());
        assert_eq!(segments.iter().filter(|segment| segment.as_ptr() == long.as_ptr()).count(), 1);
        let joined: Vec<u8> = segments.iter().flatten().copied().collect();
        assert_eq!(joined, [b"head", &expected[..]].concat());
    }
}
