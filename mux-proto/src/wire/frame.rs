//! Frame <-> MessagePack, by hand. Borrows from the bytes it is given; allocates nothing while reading.

use crate::wire::cursor::{Input, Output, bad};
use crate::wire::fault::{FaultCode, GoawayCode};
use crate::wire::prefix::{Framing, Start};
use crate::wire::settings::{Hello, Settings};
use crate::wire::xid::{Side, Xid};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use rmp::{Marker, decode as read};

/// One frame of the protocol, without its length prefix. The user's value stands last.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame<'a> {
    Hello(Hello),
    Request {
        xid: Xid,
        method: MethodPath<'a>,
        /// A MessagePack map, or `None` for nil.
        meta: Option<&'a [u8]>,
        args: &'a [u8],
    },
    Reply {
        xid: Xid,
        meta: Option<&'a [u8]>,
        value: &'a [u8],
    },
    Fault {
        xid: Xid,
        meta: Option<&'a [u8]>,
        code: FaultCode,
        message: &'a str,
        /// Empty for nil.
        detail: &'a [u8],
    },
    Cancel {
        xid: Xid,
    },
    Notify {
        method: MethodPath<'a>,
        meta: Option<&'a [u8]>,
        args: &'a [u8],
    },
    Item {
        channel: u64,
        carried: Option<&'a [u8]>,
        count: u32,
        values: &'a [u8],
    },
    End {
        channel: u64,
        why: Option<End<'a>>,
    },
    Stop {
        channel: u64,
    },
    Credit {
        channel: u64,
        total: u64,
    },
    Chunk {
        id: u64,
        /// Bytes still to come after this chunk; `None` abandons the message.
        remaining: Option<u64>,
        data: &'a [u8],
    },
    Ping {
        nonce: u64,
    },
    Pong {
        nonce: u64,
    },
    Goaway {
        last: Xid,
        code: GoawayCode,
        message: &'a str,
    },
    /// A kind from 64 up, of a later version: skipped.
    Skipped {
        kind: u64,
    },
}

/// `service.method`. It is looked up as bytes: making a `str` of them costs more than the look-up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MethodPath<'a> {
    utf8: &'a [u8],
}

impl<'a> MethodPath<'a> {
    #[inline]
    fn new(bytes: &'a [u8]) -> Result<MethodPath<'a>, BadFrame> {
        if is_ascii(bytes) || core::str::from_utf8(bytes).is_ok() {
            return Ok(MethodPath { utf8: bytes });
        }
        Err(bad("method", "valid UTF-8"))
    }

    #[inline]
    pub fn as_bytes(self) -> &'a [u8] {
        self.utf8
    }
}

impl<'a> From<&'a str> for MethodPath<'a> {
    fn from(path: &'a str) -> MethodPath<'a> {
        MethodPath { utf8: path.as_bytes() }
    }
}

impl fmt::Display for MethodPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.utf8))
    }
}

impl fmt::Debug for MethodPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(self.utf8), f)
    }
}

/// Eight bytes at a time, the last of which may have been looked at before.
#[inline]
fn is_ascii(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last_chunk() else { return bytes.is_ascii() };
    let (words, _) = bytes.as_chunks();
    let all = words.iter().chain([last]).fold(0, |all, word| all | u64::from_ne_bytes(*word));
    all & 0x8080_8080_8080_8080 == 0
}

/// Why a channel ended early.
#[derive(Clone, Debug, PartialEq)]
pub struct End<'a> {
    pub code: FaultCode,
    pub message: &'a str,
    pub detail: &'a [u8],
}

/// What a frame may hold beside its body: kind, ids, method, meta, message. In bytes.
pub const ENVELOPE: usize = 64 << 10;

/// Longest frame, in bytes: lengths stay below 2^24, so that the first byte of a connection is always
/// zero. What [`Settings`] can tell a peer keeps well below it.
#[cfg(any(test, fuzzing))]
pub(crate) const MAX_LEN: usize = (1 << 24) - 1;

/// Longest HELLO, in bytes, and so the longest frame before it has come.
pub const MAX_HELLO: usize = 64 << 10;

/// What stands for a meta or a detail that is not there.
pub(crate) const NIL: &[u8] = &[Marker::Null.to_u8()];

/// Kinds from here up may be skipped by who does not know them.
const FIRST_SKIPPABLE: u64 = 64;

/// An envelope that is no frame. It ends the connection.
#[derive(Debug, PartialEq, Eq)]
pub struct BadFrame(pub String);

impl fmt::Display for BadFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'a> Frame<'a> {
    /// Reads one whole frame.
    #[inline]
    pub fn decode(bytes: &'a [u8]) -> Result<Frame<'a>, BadFrame> {
        // Nearly all frames are of these kinds.
        match *bytes {
            [0x95, 1, ref rest @ ..] => Input { rest }.request(),
            [0x94, 2, ref rest @ ..] => Input { rest }.reply(),
            _ => Frame::decode_any(bytes),
        }
    }

    fn decode_any(bytes: &'a [u8]) -> Result<Frame<'a>, BadFrame> {
        let mut input = Input { rest: bytes };
        let len = input.array_len("frame")?;
        if len == 0 {
            return Err(BadFrame("a frame is an empty array".into()));
        }
        let kind = input.uint("kind")?;
        if kind >= FIRST_SKIPPABLE {
            return Ok(Frame::Skipped { kind });
        }
        // The one frame that is not borrowed: what it names is kept.
        if kind == 0 && bytes.len() > MAX_HELLO {
            return Err(BadFrame(format!("hello of {} bytes exceeds the limit of {MAX_HELLO}", bytes.len())));
        }
        let frame = input.fields(kind, len - 1)?;
        if !input.rest.is_empty() {
            return Err(BadFrame(format!("{} stray bytes after a frame of kind {kind}", input.rest.len())));
        }
        Ok(frame)
    }

    /// Appends all of the frame but its [`body`](Frame::body).
    #[inline]
    pub(crate) fn put_head(&self, framing: Framing, out: &mut Vec<u8>) {
        // Nearly all frames are of these kinds.
        match *self {
            Frame::Request { xid, method, meta, .. } => put_request_head(xid, method, meta, framing, out),
            Frame::Reply { xid, meta, .. } => put_reply_head(xid, meta, framing, out),
            _ => framing.put(out, |out| self.put_bare_head(out)),
        }
    }

    /// The same without a prefix.
    pub(crate) fn put_bare_head(&self, out: &mut Vec<u8>) {
        let mut output = Output { out };
        match *self {
            Frame::Hello(ref hello) => put_hello(hello, out),
            Frame::Request { xid, method, meta, .. } => {
                put_request_head(xid, method, meta, Framing::Bare, out)
            }
            Frame::Reply { xid, meta, .. } => put_reply_head(xid, meta, Framing::Bare, out),
            Frame::Fault { xid, meta, code, message, .. } => {
                output.head(6, 3).uint(xid).raw_or_nil(meta).uint(u64::from(code.to_wire())).str(message);
            }
            Frame::Cancel { xid } => {
                output.head(2, 4).uint(xid);
            }
            Frame::Notify { method, meta, .. } => {
                output.head(4, 5).path(method).raw_or_nil(meta);
            }
            Frame::Item { channel, carried, count, .. } => {
                output.head(3 + count, 6).uint(channel).raw_or_nil(carried);
            }
            Frame::End { channel, ref why } => {
                output.head(3, 7).uint(channel).end(why.as_ref());
            }
            Frame::Stop { channel } => {
                output.head(2, 8).uint(channel);
            }
            Frame::Credit { channel, total } => {
                output.head(3, 9).uint(channel).uint(total);
            }
            Frame::Chunk { id, remaining, data } => {
                ChunkHead { id, remaining, len: data.len() }.put_bare(out)
            }
            Frame::Ping { nonce } => {
                output.head(2, 11).uint(nonce);
            }
            Frame::Pong { nonce } => {
                output.head(2, 12).uint(nonce);
            }
            Frame::Goaway { last, code, message } => {
                output.head(4, 13).uint(last).uint(u64::from(code.to_wire())).str(message);
            }
            Frame::Skipped { kind } => {
                output.head(1, kind);
            }
        }
    }

    /// The frame's last part: the user's value, or nothing.
    #[inline]
    pub(crate) fn body(&self) -> &'a [u8] {
        match self {
            Frame::Request { args, .. } | Frame::Notify { args, .. } => args,
            Frame::Reply { value, .. } => value,
            Frame::Fault { detail, .. } => empty_as_nil(detail),
            Frame::Item { values, .. } => values,
            Frame::Chunk { data, .. } => data,
            _ => &[],
        }
    }
}

fn put_hello(hello: &Hello, out: &mut Vec<u8>) {
    let side = match hello.side {
        Side::Connecting => 0,
        Side::Accepting => 1,
    };
    Output { out }.head(5, 0).str("mux").uint(u64::from(hello.version)).uint(side);
    hello.settings.encode(out);
}

#[inline]
fn put_request_head(
    xid: Xid,
    method: MethodPath<'_>,
    meta: Option<&[u8]>,
    framing: Framing,
    out: &mut Vec<u8>,
) {
    let method = method.as_bytes();
    let mut start = Start::new(5, 1, xid);
    start.put_str_len(method.len());
    start.append(method.len() + meta_len(meta), framing, out);
    out.extend_from_slice(method);
    put_meta(meta, out);
}

#[inline]
fn put_reply_head(xid: Xid, meta: Option<&[u8]>, framing: Framing, out: &mut Vec<u8>) {
    Start::new(4, 2, xid).append(meta_len(meta), framing, out);
    put_meta(meta, out);
}

#[inline]
fn meta_len(meta: Option<&[u8]>) -> usize {
    meta.map_or(NIL.len(), <[u8]>::len)
}

/// A single byte, which most messages have for a meta, is appended without a call.
#[inline]
fn put_meta(meta: Option<&[u8]>, out: &mut Vec<u8>) {
    match meta {
        None => out.extend_from_slice(NIL),
        Some(meta) => out.extend_from_slice(meta),
    }
}

/// What stands before the data of a CHUNK. The data may not be there yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkHead {
    pub id: u64,
    /// Bytes still to come after this chunk; `None` abandons the message.
    pub remaining: Option<u64>,
    /// Length of the data.
    pub len: usize,
}

impl ChunkHead {
    /// The longest, in bytes: an array, a kind, two numbers, and the length of binary.
    pub const LONGEST: usize = 1 + 1 + 9 + 9 + 5;

    /// Reads the head from a frame of `frame_len` bytes that may be cut short; the `usize` is where its
    /// data begins. `None` where it is no chunk, or one that is malformed or cut within its head.
    #[inline]
    pub fn peek(frame: &[u8], frame_len: usize) -> Option<(ChunkHead, usize)> {
        ChunkHead::read(frame, Input { rest: frame.strip_prefix(&[0x94, 10])? }, frame_len)
    }

    fn read(frame: &[u8], mut input: Input<'_>, frame_len: usize) -> Option<(ChunkHead, usize)> {
        let (id, remaining) = (input.uint("").ok()?, input.uint_or_nil("").ok()?);
        let len = read::read_bin_len(&mut input.rest).ok()? as usize;
        let at = frame.len() - input.rest.len();
        (at + len == frame_len).then_some((ChunkHead { id, remaining, len }, at))
    }

    /// Appends it, with the prefix of its frame.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        Framing::Prefixed { body_len: self.len }.put(out, |out| self.put_bare(out));
    }

    fn put_bare(&self, out: &mut Vec<u8>) {
        Output { out }.head(4, 10).uint(self.id).uint_or_nil(self.remaining).bin_head(self.len);
    }
}

impl<'a> Input<'a> {
    fn fields(&mut self, kind: u64, len: u32) -> Result<Frame<'a>, BadFrame> {
        Ok(match (kind, len) {
            (0, 4) => Frame::Hello(self.hello()?),
            (1, 4) => self.request()?,
            (2, 3) => self.reply()?,
            (3, 5) => Frame::Fault {
                xid: self.uint("xid")?,
                meta: self.map_or_nil("meta")?,
                code: FaultCode::from_wire(self.u32("fault code")?),
                message: self.str("message")?,
                detail: nil_as_empty(self.remainder("detail")?),
            },
            (4, 1) => Frame::Cancel { xid: self.uint("xid")? },
            (5, 3) => Frame::Notify {
                method: self.method()?,
                meta: self.map_or_nil("meta")?,
                args: self.remainder("args")?,
            },
            (6, 3..) => Frame::Item {
                channel: self.uint("channel")?,
                carried: self.value_or_nil("carried channels")?,
                count: len - 2,
                values: self.remainder("values")?,
            },
            (7, 2) => Frame::End { channel: self.uint("channel")?, why: self.end()? },
            (8, 1) => Frame::Stop { channel: self.uint("channel")? },
            (9, 2) => Frame::Credit { channel: self.uint("channel")?, total: self.uint("credit")? },
            (10, 3) => Frame::Chunk {
                id: self.uint("chunk id")?,
                remaining: self.uint_or_nil("bytes remaining")?,
                data: self.bin("chunk")?,
            },
            (11, 1) => Frame::Ping { nonce: self.uint("nonce")? },
            (12, 1) => Frame::Pong { nonce: self.uint("nonce")? },
            (13, 3) => Frame::Goaway {
                last: self.uint("xid")?,
                code: GoawayCode::from_wire(self.u32("goaway code")?),
                message: self.str("message")?,
            },
            (0..=13, _) => return Err(BadFrame(format!("{len} fields in a frame of kind {kind}"))),
            _ => return Err(BadFrame(format!("unknown frame kind {kind}"))),
        })
    }

    #[inline]
    fn request(&mut self) -> Result<Frame<'a>, BadFrame> {
        let (xid, method) = (self.uint("xid")?, self.method()?);
        let meta = self.map_or_nil("meta")?;
        Ok(Frame::Request { xid, method, meta, args: self.remainder("args")? })
    }

    #[inline]
    fn method(&mut self) -> Result<MethodPath<'a>, BadFrame> {
        self.str_bytes("method").and_then(MethodPath::new)
    }

    #[inline]
    fn reply(&mut self) -> Result<Frame<'a>, BadFrame> {
        let (xid, meta) = (self.uint("xid")?, self.map_or_nil("meta")?);
        Ok(Frame::Reply { xid, meta, value: self.remainder("value")? })
    }

    fn hello(&mut self) -> Result<Hello, BadFrame> {
        let magic = self.str("magic")?;
        if magic != "mux" {
            return Err(BadFrame(format!("hello of another protocol: {magic:?}")));
        }
        let version = self.u32("version")?;
        let side = match self.uint("side")? {
            0 => Side::Connecting,
            1 => Side::Accepting,
            other => return Err(BadFrame(format!("side {other} in a hello"))),
        };
        Ok(Hello { version, side, settings: Settings::decode(self)? })
    }

    fn end(&mut self) -> Result<Option<End<'a>>, BadFrame> {
        if self.take_nil() {
            return Ok(None);
        }
        let len = self.array_len("end")?;
        if len != 3 {
            return Err(BadFrame(format!("{len} fields in the reason of an end")));
        }
        Ok(Some(End {
            code: FaultCode::from_wire(self.u32("fault code")?),
            message: self.str("message")?,
            detail: nil_as_empty(self.remainder("detail")?),
        }))
    }
}

fn nil_as_empty(value: &[u8]) -> &[u8] {
    if value == NIL { &[] } else { value }
}

/// A detail as it travels.
pub(crate) fn empty_as_nil(detail: &[u8]) -> &[u8] {
    if detail.is_empty() { NIL } else { detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(frame: &Frame<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        frame.put_bare_head(&mut out);
        out.extend_from_slice(frame.body());
        out
    }

    #[test]
    fn a_frame_cut_anywhere_is_refused_or_shorter_in_its_body_only() {
        let frame = Frame::Request {
            xid: 1 << 40,
            method: "a.b".into(),
            meta: Some(&[0x81, 0xa1, b'k', 1]),
            args: &[0x90],
        };
        let bytes = encode(&frame);
        for cut in 0..bytes.len() {
            assert!(Frame::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn the_head_of_a_chunk_is_read_before_its_data_is_there() {
        for (id, remaining) in [(1, Some(0)), (u64::MAX, Some(u64::MAX)), (7, None)] {
            let bytes = encode(&Frame::Chunk { id, remaining, data: &[9; 300] });
            let data = bytes.len() - 300;
            assert!(data <= ChunkHead::LONGEST);
            for cut in 0..bytes.len() {
                let head = ChunkHead { id, remaining, len: 300 };
                assert_eq!(
                    ChunkHead::peek(&bytes[..cut], bytes.len()),
                    (cut >= data).then_some((head, data))
                );
            }
            assert_eq!(ChunkHead::peek(&bytes, bytes.len() + 1), None, "a length that lies");
        }
    }

    #[test]
    fn kinds_below_64_end_the_connection_and_others_are_skipped() {
        assert!(Frame::decode(&[0x91, 63]).is_err());
        assert_eq!(Frame::decode(&[0x92, 64, 7]), Ok(Frame::Skipped { kind: 64 }));
    }

    #[test]
    fn a_method_is_utf8_wherever_it_is_no_ascii() {
        let with = |method: &[u8]| {
            let mut bytes = vec![0x95, 1, 1, 0xa0 | method.len() as u8];
            bytes.extend_from_slice(method);
            bytes.extend_from_slice(&[0xc0, 0x90]);
            Frame::decode(&bytes).map(|frame| assert!(matches!(frame, Frame::Request { .. })))
        };
        for len in 0..32 {
            assert_eq!(with(&vec![b'm'; len]), Ok(()));
            for at in 0..len {
                let mut method = vec![b'm'; len];
                method[at] = 0xff;
                assert_eq!(with(&method), Err(bad("method", "valid UTF-8")), "{method:x?}");
                if at + 1 < len {
                    method[at..at + 2].copy_from_slice("ß".as_bytes());
                    assert_eq!(with(&method), Ok(()), "{method:x?}");
                }
            }
        }
    }

    #[test]
    fn claimed_lengths_are_checked_against_what_is_there() {
        let array32_of_4e9 = [0x95, 1, 1, 0xa1, b'm', 0x81, 0xa1, b'k', 0xdd, 0xee, 0, 0, 0];
        assert!(Frame::decode(&array32_of_4e9).is_err());
    }
}
