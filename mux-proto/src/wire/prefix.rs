//! Length prefix <-> frame. A length is checked before anything is allocated for it.

use crate::wire::frame::{BadFrame, ChunkHead, Frame};
use alloc::format;
use alloc::vec::Vec;

/// Bytes of the big-endian length before each frame.
pub const PREFIX: usize = 4;

/// Appends the whole frame.
pub fn put(frame: &Frame<'_>, out: &mut Vec<u8>) {
    put_head(frame, frame.body().len(), out);
    out.extend_from_slice(frame.body());
}

/// Appends all but the body, whose length the prefix counts in.
#[inline]
pub(crate) fn put_head(frame: &Frame<'_>, body_len: usize, out: &mut Vec<u8>) {
    match *frame {
        // Nearly all frames are of these kinds.
        Frame::Request { xid, method, meta, .. } => {
            let mut start = Start::new(5, 1, xid);
            start.put_str_len(method.as_bytes().len());
            start.append(method.as_bytes().len() + meta_len(meta) + body_len, out);
            out.extend_from_slice(method.as_bytes());
            put_meta(meta, out);
        }
        Frame::Reply { xid, meta, .. } => {
            Start::new(4, 2, xid).append(meta_len(meta) + body_len, out);
            put_meta(meta, out);
        }
        _ => put_prefixed(body_len, out, |out| frame.encode_head(out)),
    }
}

#[inline]
fn meta_len(meta: Option<&[u8]>) -> usize {
    meta.map_or(1, <[u8]>::len)
}

#[inline]
fn put_meta(meta: Option<&[u8]>, out: &mut Vec<u8>) {
    match meta {
        None => out.push(0xc0),
        Some(meta) => out.extend_from_slice(meta),
    }
}

/// The first bytes of a message, put together before they are appended at once.
struct Start {
    bytes: [u8; Start::LONGEST],
    len: usize,
}

impl Start {
    /// A prefix, an array, a kind, an xid, and the length of a string.
    const LONGEST: usize = PREFIX + 1 + 1 + 9 + 5;

    #[inline]
    fn new(fields: u8, kind: u8, xid: u64) -> Start {
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
    fn put_str_len(&mut self, len: usize) {
        match len {
            0..=0x1f => self.put([0xa0 | len as u8]),
            0x20..=0xff => self.put([0xd9, len as u8]),
            0x100..=0xffff => self.put_marked(0xda, (len as u16).to_be_bytes()),
            _ => self.put_marked(0xdb, (len as u32).to_be_bytes()),
        }
    }

    /// Appends it, with the length of it and of what follows before it.
    #[inline]
    fn append(mut self, following: usize, out: &mut Vec<u8>) {
        let len = self.len + following;
        self.bytes[..PREFIX].copy_from_slice(&((len - PREFIX) as u32).to_be_bytes());
        out.reserve(len + Start::LONGEST);
        let end = out.len() + self.len;
        // A length that is known is appended without a call; what is too much comes off again.
        out.extend_from_slice(&self.bytes);
        out.truncate(end);
    }
}

/// Appends all of a CHUNK but its data.
pub(crate) fn put_chunk_head(head: &ChunkHead, out: &mut Vec<u8>) {
    put_prefixed(head.len, out, |out| head.encode(out));
}

fn put_prefixed(body_len: usize, out: &mut Vec<u8>, put_head: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; PREFIX]);
    put_head(out);
    let len = out.len() - start - PREFIX + body_len;
    out[start..start + PREFIX].copy_from_slice(&(len as u32).to_be_bytes());
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
    fn a_claim_over_the_limit_is_refused() {
        assert_eq!(
            frame_len([0, 0, 1, 0], 255),
            Err(BadFrame("frame of 256 bytes exceeds the limit of 255".into()))
        );
    }
}
