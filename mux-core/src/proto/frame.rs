//! Frame <-> MessagePack, by hand. Borrows from the bytes it is given; allocates nothing while reading.

use super::fault::{FaultCode, GoawayCode};
use super::hello::{Hello, SMALL, Settings};
use super::xid::Xid;
use rmp::Marker;
use rmp::decode as read;
use rmp::encode as write;
use std::fmt;

/// One frame of the protocol, without its length prefix. The user's value stands last.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Frame<'a> {
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
pub(crate) struct MethodPath<'a> {
    utf8: &'a [u8],
}

impl<'a> MethodPath<'a> {
    #[inline]
    fn new(bytes: &'a [u8]) -> Result<MethodPath<'a>, BadFrame> {
        if is_ascii(bytes) || std::str::from_utf8(bytes).is_ok() {
            return Ok(MethodPath { utf8: bytes });
        }
        Err(bad("method", "valid UTF-8"))
    }

    #[inline]
    pub(crate) fn as_bytes(self) -> &'a [u8] {
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
pub(crate) struct End<'a> {
    pub(crate) code: FaultCode,
    pub(crate) message: &'a str,
    pub(crate) detail: &'a [u8],
}

/// What a frame may hold beside its body: kind, ids, method, meta, message. In bytes.
pub(crate) const ENVELOPE: usize = 64 << 10;

/// Longest frame, in bytes: lengths stay below 2^24, so that the first byte of a connection is always
/// zero. What [`Settings`] can tell a peer keeps well below it.
#[cfg(test)]
pub(crate) const MAX_LEN: usize = (1 << 24) - 1;

/// Longest HELLO, in bytes, and so the longest frame before it has come.
pub(crate) const MAX_HELLO: usize = 64 << 10;

/// Kinds from here up may be skipped by who does not know them.
const FIRST_SKIPPABLE: u64 = 64;

/// An envelope that is no frame. It ends the connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadFrame(pub(crate) String);

impl fmt::Display for BadFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'a> Frame<'a> {
    /// Reads one whole frame.
    #[inline]
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Frame<'a>, BadFrame> {
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
    pub(crate) fn encode_head(&self, out: &mut Vec<u8>) {
        let mut output = Output { out };
        match *self {
            Frame::Hello(ref hello) => {
                output.head(5, 0).str("mux").uint(u64::from(hello.version)).uint(match hello.side {
                    super::xid::Side::Connecting => 0,
                    super::xid::Side::Accepting => 1,
                });
                hello.settings.encode(output.out);
            }
            Frame::Request { xid, method, meta, .. } => {
                output.head(5, 1).uint(xid).path(method).raw_or_nil(meta);
            }
            Frame::Reply { xid, meta, .. } => {
                output.head(4, 2).uint(xid).raw_or_nil(meta);
            }
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
                ChunkHead { id, remaining, len: data.len() }.encode(output.out);
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
        const NIL: &[u8] = &[0xc0];
        match self {
            Frame::Request { args, .. } | Frame::Notify { args, .. } => args,
            Frame::Reply { value, .. } => value,
            Frame::Fault { detail: [], .. } => NIL,
            Frame::Fault { detail, .. } => detail,
            Frame::Item { values, .. } => values,
            Frame::Chunk { data, .. } => data,
            _ => &[],
        }
    }
}

/// What stands before the data of a CHUNK. The data may not be there yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkHead {
    pub(crate) id: u64,
    /// Bytes still to come after this chunk; `None` abandons the message.
    pub(crate) remaining: Option<u64>,
    /// Length of the data.
    pub(crate) len: usize,
}

impl ChunkHead {
    /// The longest, in bytes: an array, a kind, two numbers, and the length of binary.
    pub(crate) const LONGEST: usize = 1 + 1 + 9 + 9 + 5;

    /// Reads the head from a frame of `frame_len` bytes that may be cut short; the `usize` is where its
    /// data begins. `None` where it is no chunk, or one that is malformed or cut within its head.
    #[inline]
    pub(crate) fn peek(frame: &[u8], frame_len: usize) -> Option<(ChunkHead, usize)> {
        ChunkHead::read(frame, Input { rest: frame.strip_prefix(&[0x94, 10])? }, frame_len)
    }

    fn read(frame: &[u8], mut input: Input<'_>, frame_len: usize) -> Option<(ChunkHead, usize)> {
        let (id, remaining) = (input.uint("").ok()?, input.uint_or_nil("").ok()?);
        let len = read::read_bin_len(&mut input.rest).ok()? as usize;
        let at = frame.len() - input.rest.len();
        (at + len == frame_len).then_some((ChunkHead { id, remaining, len }, at))
    }

    /// Appends it.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        Output { out }.head(4, 10).uint(self.id).uint_or_nil(self.remaining).bin_head(self.len);
    }
}

/// A cursor over a frame's bytes.
pub(super) struct Input<'a> {
    pub(super) rest: &'a [u8],
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
            0 => super::xid::Side::Connecting,
            1 => super::xid::Side::Accepting,
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

    // What nearly all frames have is read in place; rmp reads the rest.

    #[inline]
    pub(super) fn array_len(&mut self, what: &str) -> Result<u32, BadFrame> {
        if let [marker @ 0x90..=0x9f, rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(u32::from(marker & 0x0f));
        }
        self.long_array_len(what)
    }

    #[cold]
    fn long_array_len(&mut self, what: &str) -> Result<u32, BadFrame> {
        read::read_array_len(&mut self.rest).map_err(|_| bad(what, "an array"))
    }

    pub(super) fn map_len(&mut self, what: &str) -> Result<u32, BadFrame> {
        read::read_map_len(&mut self.rest).map_err(|_| bad(what, "a map"))
    }

    #[inline]
    pub(super) fn uint(&mut self, what: &str) -> Result<u64, BadFrame> {
        let (value, rest) = match *self.rest {
            [value @ 0..=0x7f, ref rest @ ..] => (u64::from(value), rest),
            [0xcd, a, b, ref rest @ ..] => (u64::from(u16::from_be_bytes([a, b])), rest),
            [0xce, a, b, c, d, ref rest @ ..] => (u64::from(u32::from_be_bytes([a, b, c, d])), rest),
            _ => return self.any_uint(what),
        };
        self.rest = rest;
        Ok(value)
    }

    #[cold]
    fn any_uint(&mut self, what: &str) -> Result<u64, BadFrame> {
        read::read_int(&mut self.rest).map_err(|_| bad(what, "an unsigned integer"))
    }

    pub(super) fn u32(&mut self, what: &str) -> Result<u32, BadFrame> {
        read::read_int(&mut self.rest).map_err(|_| bad(what, "an unsigned integer below 2^32"))
    }

    #[inline]
    pub(super) fn str(&mut self, what: &str) -> Result<&'a str, BadFrame> {
        let bytes = self.str_bytes(what)?;
        std::str::from_utf8(bytes).map_err(|_| bad(what, "valid UTF-8"))
    }

    #[inline]
    fn str_bytes(&mut self, what: &str) -> Result<&'a [u8], BadFrame> {
        let len = match self.rest {
            [marker @ 0xa0..=0xbf, rest @ ..] => {
                self.rest = rest;
                usize::from(marker & 0x1f)
            }
            _ => self.long_str_len(what)?,
        };
        self.take(len, what)
    }

    #[cold]
    fn long_str_len(&mut self, what: &str) -> Result<usize, BadFrame> {
        read::read_str_len(&mut self.rest).map(|len| len as usize).map_err(|_| bad(what, "a string"))
    }

    pub(super) fn bin(&mut self, what: &str) -> Result<&'a [u8], BadFrame> {
        let len = read::read_bin_len(&mut self.rest).map_err(|_| bad(what, "binary"))?;
        self.take(len as usize, what)
    }

    fn uint_or_nil(&mut self, what: &str) -> Result<Option<u64>, BadFrame> {
        if self.take_nil() { Ok(None) } else { self.uint(what).map(Some) }
    }

    /// A map with string keys, still encoded.
    #[inline]
    fn map_or_nil(&mut self, what: &str) -> Result<Option<&'a [u8]>, BadFrame> {
        if self.take_nil() { Ok(None) } else { self.map(what).map(Some) }
    }

    fn map(&mut self, what: &str) -> Result<&'a [u8], BadFrame> {
        let start = self.rest;
        let len = self.map_len(what)?;
        for _ in 0..len {
            self.str(what)?;
            self.skip(what)?;
        }
        Ok(&start[..start.len() - self.rest.len()])
    }

    fn value_or_nil(&mut self, what: &str) -> Result<Option<&'a [u8]>, BadFrame> {
        if self.take_nil() {
            return Ok(None);
        }
        let start = self.rest;
        self.skip(what)?;
        Ok(Some(&start[..start.len() - self.rest.len()]))
    }

    /// The frame's last part. Whether it is one well-formed value is for its reader to say: a bad
    /// body ends one call, not the connection.
    #[inline]
    fn remainder(&mut self, what: &str) -> Result<&'a [u8], BadFrame> {
        let rest = std::mem::take(&mut self.rest);
        if rest.is_empty() { Err(bad(what, "a value")) } else { Ok(rest) }
    }

    /// Steps over one value of any shape, without recursion: every element costs a byte at least, so
    /// a claim larger than what is left is refused at once.
    pub(super) fn skip(&mut self, what: &str) -> Result<(), BadFrame> {
        let mut left = 1_u64;
        while left > 0 {
            if left > self.rest.len() as u64 {
                return Err(bad(what, "a whole value"));
            }
            left = left - 1 + self.skip_one(what)?;
        }
        Ok(())
    }

    /// Steps over one marker and its data; returns how many values it announces.
    fn skip_one(&mut self, what: &str) -> Result<u64, BadFrame> {
        let marker = Marker::from_u8(self.take(1, what)?[0]);
        let (data, values) = match marker {
            Marker::FixPos(_) | Marker::FixNeg(_) | Marker::Null | Marker::True | Marker::False => (0, 0),
            Marker::U8 | Marker::I8 => (1, 0),
            Marker::U16 | Marker::I16 | Marker::FixExt1 => (2, 0),
            Marker::U32 | Marker::I32 | Marker::F32 => (4, 0),
            Marker::U64 | Marker::I64 | Marker::F64 => (8, 0),
            Marker::FixExt2 => (3, 0),
            Marker::FixExt4 => (5, 0),
            Marker::FixExt8 => (9, 0),
            Marker::FixExt16 => (17, 0),
            Marker::FixStr(len) => (usize::from(len), 0),
            Marker::Str8 | Marker::Bin8 => (self.len(1, what)?, 0),
            Marker::Str16 | Marker::Bin16 => (self.len(2, what)?, 0),
            Marker::Str32 | Marker::Bin32 => (self.len(4, what)?, 0),
            Marker::Ext8 => (self.len(1, what)? + 1, 0),
            Marker::Ext16 => (self.len(2, what)? + 1, 0),
            Marker::Ext32 => (self.len(4, what)?.saturating_add(1), 0),
            Marker::FixArray(len) => (0, u64::from(len)),
            Marker::FixMap(len) => (0, 2 * u64::from(len)),
            Marker::Array16 => (0, self.len(2, what)? as u64),
            Marker::Array32 => (0, self.len(4, what)? as u64),
            Marker::Map16 => (0, 2 * self.len(2, what)? as u64),
            Marker::Map32 => (0, 2 * self.len(4, what)? as u64),
            Marker::Reserved => return Err(bad(what, "MessagePack")),
        };
        self.take(data, what)?;
        Ok(values)
    }

    fn len(&mut self, width: usize, what: &str) -> Result<usize, BadFrame> {
        let bytes = self.take(width, what)?;
        Ok(bytes.iter().fold(0, |len, &byte| len << 8 | usize::from(byte)))
    }

    #[inline]
    fn take(&mut self, len: usize, what: &str) -> Result<&'a [u8], BadFrame> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or_else(|| bad(what, "a whole value"))?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn take_nil(&mut self) -> bool {
        let nil = self.rest.first() == Some(&Marker::Null.to_u8());
        if nil {
            self.rest = &self.rest[1..];
        }
        nil
    }
}

/// Whether a body nests no deeper than [`MAX_DEPTH`]. What is malformed is for its decoder to refuse.
///
/// The decoder has a limit of its own, which does not count the variants of an enum.
#[inline]
pub(crate) fn nests_acceptably(body: &[u8]) -> bool {
    // A level takes a byte at least.
    body.len() <= MAX_DEPTH || follows_acceptably(body)
}

fn follows_acceptably(body: &[u8]) -> bool {
    let mut input = Input { rest: body };
    // Values still to come in each container that is open.
    let mut open = [0_u64; MAX_DEPTH];
    let mut depth = 0;
    while let Some(&marker) = input.rest.first() {
        let values = match SCALARS[usize::from(marker)] {
            0 if marker & 0xf0 == 0x90 => {
                input.rest = &input.rest[1..];
                u64::from(marker & 0x0f)
            }
            0 => match input.skip_one("body") {
                Ok(values) => values,
                Err(_) => return true,
            },
            len => match input.rest.get(usize::from(len)..) {
                Some(rest) => {
                    input.rest = rest;
                    0
                }
                None => return true,
            },
        };
        if values > 0 {
            let Some(container) = open.get_mut(depth) else { return false };
            *container = values;
            depth += 1;
            continue;
        }
        // A value counts off its container, and a container that is full off the one around it.
        while depth > 0 {
            open[depth - 1] -= 1;
            if open[depth - 1] > 0 {
                break;
            }
            depth -= 1;
        }
    }
    true
}

/// Whether decoding a body takes longer than that of any body of one frame can: it has more than [`MANY`] values. Binary is one,
/// unless it may be read `by_element`, which is asked where it matters.
#[inline]
pub(crate) fn takes_long(body: &[u8], by_element: impl FnOnce() -> bool) -> bool {
    // A value takes a byte at least.
    body.len() > MANY
        && match count_values(body) {
            Count::Few => false,
            Count::FewButBinary => by_element(),
            Count::Many => true,
        }
}

/// As many values as fit into a body of one frame. A value takes some 50 ns to decode, so these take about a millisecond.
const MANY: usize = SMALL;

/// Bytes of text that take as long as a value: they are copied, and looked through for what is not UTF-8.
const TEXT: usize = 64;

/// Bytes of binary that take as long as a value, where they are read one by one.
const BINARY: usize = 16;

enum Count {
    Few,
    /// Many, if the elements of binary are counted.
    FewButBinary,
    Many,
}

#[cold]
fn count_values(body: &[u8]) -> Count {
    let mut input = Input { rest: body };
    let (mut values, mut binary) = (0, 0);
    while let Some(&marker) = input.rest.first() {
        let before = input.rest.len();
        if input.skip_one("body").is_err() {
            // Its decoder gets no further than this.
            break;
        }
        let len = before - input.rest.len();
        values += 1;
        match marker {
            0xd9..=0xdb => values += len / TEXT,
            0xc4..=0xc6 => binary += len,
            _ => {}
        }
        if values > MANY {
            return Count::Many;
        }
    }
    if values + binary / BINARY > MANY { Count::FewButBinary } else { Count::Few }
}

/// By its marker, the bytes that a value of known length takes; zero for all others.
const SCALARS: [u8; 256] = {
    let mut lens = [0; 256];
    let mut marker = 0;
    while marker < 256 {
        lens[marker] = match marker {
            0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => 1,
            0xa0..=0xbf => 1 + (marker as u8 & 0x1f),
            0xcc | 0xd0 => 2,
            0xcd | 0xd1 => 3,
            0xca | 0xce | 0xd2 => 5,
            0xcb | 0xcf | 0xd3 => 9,
            _ => 0,
        };
        marker += 1;
    }
    lens
};

/// Nesting that decoding follows. rmp-serde's own default of 1024 overflows tokio's 2 MiB stacks in
/// debug builds.
pub(crate) const MAX_DEPTH: usize = 128;

/// The length of the first value in a body, where all of it is there.
pub(crate) fn first_value(body: &[u8]) -> Option<usize> {
    let mut input = Input { rest: body };
    input.skip("value").ok()?;
    Some(body.len() - input.rest.len())
}

#[cold]
fn bad(what: &str, expected: &str) -> BadFrame {
    BadFrame(format!("{what} is not {expected}"))
}

fn nil_as_empty(value: &[u8]) -> &[u8] {
    if value == [Marker::Null.to_u8()] { &[] } else { value }
}

/// Appends MessagePack to a buffer. Writing to a `Vec` cannot fail, so results are dropped here, once.
struct Output<'o> {
    out: &'o mut Vec<u8>,
}

impl Output<'_> {
    #[inline]
    fn head(&mut self, fields: u32, kind: u64) -> &mut Self {
        let _ = write::write_array_len(self.out, fields);
        self.uint(kind)
    }

    #[inline]
    fn uint(&mut self, value: u64) -> &mut Self {
        let _ = write::write_uint(self.out, value);
        self
    }

    fn uint_or_nil(&mut self, value: Option<u64>) -> &mut Self {
        match value {
            Some(value) => self.uint(value),
            None => self.raw_or_nil(None),
        }
    }

    fn str(&mut self, value: &str) -> &mut Self {
        let _ = write::write_str(self.out, value);
        self
    }

    #[inline]
    fn path(&mut self, path: MethodPath<'_>) -> &mut Self {
        let _ = write::write_str_len(self.out, path.utf8.len() as u32);
        self.out.extend_from_slice(path.utf8);
        self
    }

    fn bin_head(&mut self, len: usize) -> &mut Self {
        let _ = write::write_bin_len(self.out, len as u32);
        self
    }

    fn raw_or_nil(&mut self, value: Option<&[u8]>) -> &mut Self {
        self.out.extend_from_slice(value.unwrap_or(&[Marker::Null.to_u8()]));
        self
    }

    fn end(&mut self, why: Option<&End<'_>>) -> &mut Self {
        let Some(End { code, message, detail }) = why else { return self.raw_or_nil(None) };
        let _ = write::write_array_len(self.out, 3);
        let detail = (!detail.is_empty()).then_some(*detail);
        self.uint(u64::from(code.to_wire())).str(message).raw_or_nil(detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(frame: &Frame<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        frame.encode_head(&mut out);
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
