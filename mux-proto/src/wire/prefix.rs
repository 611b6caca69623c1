//! Length prefix <-> frame. A length is checked before anything is allocated for it.

use crate::wire::frame::{BadFrame, Frame};
use alloc::format;
use alloc::vec::Vec;

/// Bytes of the big-endian length before each frame.
pub const PREFIX: usize = 4;

/// Appends the whole frame.
pub fn put(frame: &Frame<'_>, out: &mut Vec<u8>) {
    frame.put_head(Framing::Prefixed { body_len: frame.body().len() }, out);
    out.extend_from_slice(frame.body());
}

/// What stands before a frame's head.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Framing {
    /// The length of the frame, whose body has so many bytes.
    Prefixed { body_len: usize },
    /// Nothing: the frame travels in chunks.
    Bare,
}

impl Framing {
    /// Appends a head of a length that is known afterwards.
    pub(crate) fn put(self, out: &mut Vec<u8>, put_head: impl FnOnce(&mut Vec<u8>)) {
        let Framing::Prefixed { body_len } = self else { return put_head(out) };
        let start = out.len();
        out.extend_from_slice(&[0; PREFIX]);
        put_head(out);
        let len = out.len() - start - PREFIX + body_len;
        out[start..start + PREFIX].copy_from_slice(&prefix(len));
    }
}

fn prefix(len: usize) -> [u8; PREFIX] {
    (len as u32).to_be_bytes()
}

/// The first bytes of a head, put together before they are appended at once.
pub(crate) struct Start {
    bytes: [u8; Start::LONGEST],
    len: usize,
}

impl Start {
    /// A prefix, an array, a kind, an xid, and the length of a string.
    const LONGEST: usize = PREFIX + 1 + 1 + 9 + 5;

    #[inline]
    pub(crate) fn new(fields: u8, kind: u8, xid: u64) -> Start {
        let mut bytes = [0; Start::LONGEST];
        bytes[PREFIX] = 0x90 | fields;
        bytes[PREFIX + 1] = kind;
        let mut start = Start { bytes, len: PREFIX + 2 };
        match xid {
            0..=0x7f => start.put([xid as u8]),
            0x80..=0xff => start.put([0xcc, xid as u8]),
            0x100..=0xffff => start.put_marked(0xcd, (xid as u16).to_be_bytes()),
            0x1_0000..=0xffff_ffff => start.put_marked(0xce, (xid as u32).to_be_bytes()),
            _ => start.put_marked(0xcf, xid.to_be_bytes()),
        }
        start
    }

    #[inline]
    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        self.bytes[self.len..self.len + N].copy_from_slice(&bytes);
        self.len += N;
    }

    #[inline]
    fn put_marked<const N: usize>(&mut self, marker: u8, bytes: [u8; N]) {
        self.put([marker]);
        self.put(bytes);
    }

    #[inline]
    pub(crate) fn put_str_len(&mut self, len: usize) {
        match len {
            0..=0x1f => self.put([0xa0 | len as u8]),
            0x20..=0xff => self.put([0xd9, len as u8]),
            0x100..=0xffff => self.put_marked(0xda, (len as u16).to_be_bytes()),
            _ => self.put_marked(0xdb, (len as u32).to_be_bytes()),
        }
    }

    /// Appends it. Of the head, so many bytes follow.
    #[inline]
    pub(crate) fn append(mut self, following: usize, framing: Framing, out: &mut Vec<u8>) {
        let (from, body_len) = match framing {
            Framing::Prefixed { body_len } => (0, body_len),
            Framing::Bare => (PREFIX, 0),
        };
        let len = self.len + following + body_len;
        self.bytes[..PREFIX].copy_from_slice(&prefix(len - PREFIX));
        out.reserve(len + Start::LONGEST);
        let end = out.len() + self.len - from;
        // A length that is known is appended without a call; what is too much comes off again.
        out.extend_from_slice(&self.bytes[from..]);
        out.truncate(end);
    }
}

/// The length that a prefix claims, refused where it exceeds `limit`.
pub fn frame_len(prefix: [u8; PREFIX], limit: usize) -> Result<usize, BadFrame> {
    let len = u32::from_be_bytes(prefix) as usize;
    if len > limit {
        return Err(BadFrame(format!("frame of {len} bytes exceeds the limit of {limit}")));
    }
    Ok(len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::cursor::Output;

    #[test]
    fn the_prefix_counts_head_and_body() {
        let mut out = Vec::new();
        let frame = Frame::Reply { xid: 7, meta: None, value: &[1, 2, 3] };
        put(&frame, &mut out);
        let len = frame_len([out[0], out[1], out[2], out[3]], 100).unwrap();
        assert_eq!(len, out.len() - PREFIX);
        assert_eq!(Frame::decode(&out[PREFIX..]), Ok(frame));
    }

    #[test]
    fn the_start_of_a_head_is_written_as_the_rest_of_it_is() {
        let widths = [0, 5, 7, 8, 15, 16, 31, 32, 63];
        for xid in
            widths.map(|shift| 1_u64 << shift).into_iter().flat_map(|xid| [xid - 1, xid, u64::MAX - xid])
        {
            for len in [0, 31, 32, 255, 256, 65_535, 65_536] {
                let (mut start, mut written) = (Start::new(5, 1, xid), Vec::new());
                start.put_str_len(len);
                start.append(0, Framing::Bare, &mut written);
                let mut expected = Vec::new();
                Output { out: &mut expected }.head(5, 1).uint(xid).str(&"m".repeat(len));
                expected.truncate(expected.len() - len);
                assert_eq!(written, expected, "xid {xid}, a method of {len} bytes");
            }
        }
    }

    #[test]
    fn a_claim_over_the_limit_is_refused() {
        assert_eq!(
            frame_len([0, 0, 1, 0], 255),
            Err(BadFrame("frame of 256 bytes exceeds the limit of 255".into()))
        );
    }
}
