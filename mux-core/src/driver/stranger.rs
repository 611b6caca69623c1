//! What a peer sent instead of a hello, in words. Reads bytes, and knows no connection.

use mux_proto::wire::prefix::PREFIX;
use mux_proto::wire::xid::Side;
use std::fmt::Write;

/// Characters of a line, or bytes, that are told at most.
const MAX_TOLD: usize = 80;
const MAX_BYTES: usize = 16;

/// Whether no hello can begin like this: it is an array, and no longer than the last three bytes of its length tell.
pub(crate) fn is_stranger(start: &[u8]) -> bool {
    let is_array = |first: &u8| matches!(first, 0x90..=0x9f | 0xdc | 0xdd);
    start.first().is_some_and(|first| *first != 0) || !start.get(PREFIX).is_none_or(is_array)
}

/// Tells what came first from a peer that `side` had taken for one of mux.
pub(crate) fn describe(start: &[u8], side: Side) -> String {
    let sought = match side {
        Side::Connecting => "no mux server",
        Side::Accepting => "no mux client",
    };
    format!("the peer sent {}: {sought}", name(start))
}

fn name(start: &[u8]) -> String {
    match *start {
        // RFC 8446, section 5.1: the type of a record, and a version that all of them begin with.
        [0x16, 3, ..] => "a TLS handshake".into(),
        [0x15, 3, ..] => "a TLS alert".into(),
        // RFC 9113, section 4.1: a length, the type SETTINGS, flags, and the stream 0.
        [0, _, _, 4, _, 0, 0, 0, 0, ..] => "an HTTP/2 frame".into(),
        _ => line(start).unwrap_or_else(|| bytes(start)),
    }
}

/// The first line, where the peer sends text.
fn line(start: &[u8]) -> Option<String> {
    let line = start.split(|byte| matches!(byte, b'\r' | b'\n')).next()?;
    let whole = String::from_utf8_lossy(line);
    let is_text = |c: char| !matches!(c, '\0'..='\u{8}' | '\u{e}'..='\u{1a}' | char::REPLACEMENT_CHARACTER);
    let mut told: String = whole.chars().take(MAX_TOLD).collect();
    if !told.chars().all(is_text) {
        return None;
    }
    if told.len() < whole.len() {
        told.push('…');
    }
    Some(format!("\"{told}\""))
}

pub(crate) fn bytes(start: &[u8]) -> String {
    let mut told = String::from("the bytes");
    for byte in start.iter().take(MAX_BYTES) {
        // Writing to a string cannot fail.
        let _ = write!(told, " {byte:02x}");
    }
    if start.len() > MAX_BYTES {
        told.push_str(" …");
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_protocols_are_told_by_their_names_or_their_first_line() {
        let cases: [(&[u8], &str); 8] = [
            (b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n", "\"HTTP/1.1 400 Bad Request\""),
            (b"SSH-2.0-OpenSSH_9.6\r\n", "\"SSH-2.0-OpenSSH_9.6\""),
            (b"hi\n", "\"hi\""),
            ("größe".as_bytes(), "\"größe\""),
            (&[0x16, 3, 1, 2, 0, 1], "a TLS handshake"),
            (&[0x15, 3, 3, 0, 2, 2, 70], "a TLS alert"),
            (&[0, 0, 18, 4, 0, 0, 0, 0, 0, 0, 3], "an HTTP/2 frame"),
            (&[0x1f, 0x8b, 8, 0], "the bytes 1f 8b 08 00"),
        ];
        for (start, told) in cases {
            assert_eq!(describe(start, Side::Connecting), format!("the peer sent {told}: no mux server"));
        }
    }

    #[test]
    fn what_is_told_is_bounded() {
        let long = describe(&[b'x'; 10_000], Side::Accepting);
        assert_eq!(long, format!("the peer sent \"{}…\": no mux client", "x".repeat(80)));
        let long = describe(&[0xff; 10_000], Side::Accepting);
        assert_eq!(long, format!("the peer sent the bytes{} …: no mux client", " ff".repeat(16)));
    }

    #[test]
    fn a_hello_is_no_stranger_however_little_of_it_has_come() {
        let hello = [0, 0, 0, 9, 0x95, 0];
        assert!((0..=hello.len()).all(|len| !is_stranger(&hello[..len])));
        assert!(is_stranger(&[0, 0, 18, 4, 0]));
        assert!(is_stranger(b"H"));
    }
}
