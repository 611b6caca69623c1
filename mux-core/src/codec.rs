//! Length prefix <-> frame. A length is checked before anything is allocated for it.

use crate::proto::frame::{BadFrame, ChunkHead, Frame};

/// Bytes of the big-endian length before each frame.
pub(crate) const PREFIX: usize = 4;

/// Appends the whole frame.
pub(crate) fn put(frame: &Frame<'_>, out: &mut Vec<u8>) {
    put_head(frame, frame.body().len(), out);
    out.extend_from_slice(frame.body());
}

/// Appends all but the body, whose length the prefix counts in.
pub(crate) fn put_head(frame: &Frame<'_>, body_len: usize, out: &mut Vec<u8>) {
    put_prefixed(body_len, out, |out| frame.encode_head(out));
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
pub(crate) fn frame_len(prefix: [u8; PREFIX], limit: usize) -> Result<usize, BadFrame> {
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
