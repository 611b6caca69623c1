//! A length (`u32`), then as many bytes.

use bytes::{Buf, BufMut, BytesMut};

const PREFIX: usize = size_of::<u32>();

pub fn put(buffer: &mut BytesMut, body: &[u8]) {
    buffer.put_u32(body.len() as u32);
    buffer.put_slice(body);
}

/// Appends a frame of yet unknown length, which `fill` writes.
pub fn put_with<T>(buffer: &mut BytesMut, fill: impl FnOnce(&mut BytesMut) -> T) -> T {
    let start = buffer.len();
    buffer.put_u32(0);
    let outcome = fill(buffer);
    let body = buffer.len() - start - PREFIX;
    buffer[start..start + PREFIX].copy_from_slice(&(body as u32).to_be_bytes());
    outcome
}

/// Cuts the first frame off, if all of it is there.
pub fn take(buffer: &mut BytesMut) -> Option<BytesMut> {
    let length = u32::from_be_bytes(*buffer.first_chunk::<PREFIX>()?) as usize;
    if buffer.len() < PREFIX + length {
        return None;
    }
    buffer.advance(PREFIX);
    Some(buffer.split_to(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_taken_only_whole() {
        let mut wire = BytesMut::new();
        put(&mut wire, b"one");
        put_with(&mut wire, |wire| wire.put_slice(b"three"));
        let mut arrived = BytesMut::from(&wire[..wire.len() - 1]);
        assert_eq!(take(&mut arrived).unwrap(), &b"one"[..]);
        assert!(take(&mut arrived).is_none());
        arrived.put_u8(b'e');
        assert_eq!(take(&mut arrived).unwrap(), &b"three"[..]);
        assert!(take(&mut arrived).is_none());
    }
}
