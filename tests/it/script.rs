//! A peer written out in bytes. It keeps no rule and no count of its own, so that a test can break
//! each of them. What it packs and reads goes by the protocol's text alone, never by the library.

use std::collections::{HashMap, HashSet};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

pub(crate) const CONNECTING: u64 = 0;
pub(crate) const ACCEPTING: u64 = 1;

/// Codes of a GOAWAY.
pub(crate) const DRAINING: u64 = 0;
pub(crate) const CLOSED: u64 = 1;
pub(crate) const PROTOCOL: u64 = 2;
pub(crate) const VERSION: u64 = 3;
pub(crate) const TIMEOUT: u64 = 4;

/// Longer than any time of the protocol, so that what never comes fails a test instead of hanging it.
const PATIENCE: Duration = Duration::from_secs(100);

/// More than any test here sends at once.
pub(crate) const GENEROUS: [(&str, u64); 7] = [
    ("max_frame", 128 << 10),
    ("max_inline", 16 << 10),
    ("max_message", 16 << 20),
    ("max_in_flight", 1024),
    ("max_buffered", 64 << 20),
    ("window", 256 << 10),
    ("max_channels", 256),
];

/// What the data of a chunk may have: both ends allow frames of 128 KiB.
const CHUNK: usize = 100_000;

/// Which half of a channel a message carries: who gets the message gets the items, or sends them.
pub(crate) const RECEIVING: u64 = 0;
pub(crate) const SENDING: u64 = 1;

/// MessagePack, piece by piece.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pack(Vec<u8>);

impl Pack {
    pub(crate) fn new() -> Pack {
        Pack::default()
    }

    fn write<T, E: std::fmt::Debug>(mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<T, E>) -> Pack {
        write(&mut self.0).expect("a `Vec` takes everything");
        self
    }

    pub(crate) fn array(self, len: u32) -> Pack {
        self.write(|out| rmp::encode::write_array_len(out, len))
    }

    pub(crate) fn map(self, len: u32) -> Pack {
        self.write(|out| rmp::encode::write_map_len(out, len))
    }

    pub(crate) fn uint(self, value: u64) -> Pack {
        self.write(|out| rmp::encode::write_uint(out, value))
    }

    pub(crate) fn str(self, value: &str) -> Pack {
        self.write(|out| rmp::encode::write_str(out, value))
    }

    pub(crate) fn bin(self, value: &[u8]) -> Pack {
        self.write(|out| rmp::encode::write_bin(out, value))
    }

    pub(crate) fn nil(self) -> Pack {
        self.write(rmp::encode::write_nil)
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Pack {
        self.0.extend_from_slice(bytes);
        self
    }

    /// So many arrays, one in the other.
    pub(crate) fn nested(self, depth: usize) -> Pack {
        self.raw(&vec![0x91; depth]).nil()
    }

    /// An array32 that claims four billion elements and has none.
    pub(crate) fn boundless(self) -> Pack {
        self.raw(&[0xdd, 0xee, 0x6b, 0x28, 0x00])
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// With its length before it, as it travels.
    pub(crate) fn framed(&self) -> Vec<u8> {
        let len = u32::try_from(self.0.len()).expect("a frame of a test");
        [&len.to_be_bytes(), &self.0[..]].concat()
    }
}

pub(crate) fn hello(version: u64, side: u64, settings: &[(&str, u64)]) -> Pack {
    let head = Pack::new().array(5).uint(0).str("mux").uint(version).uint(side);
    settings.iter().fold(head.map(settings.len() as u32), |pack, (name, value)| pack.str(name).uint(*value))
}

pub(crate) fn request(xid: u64, method: &str, args: &Pack) -> Pack {
    request_with(xid, method, &Pack::new().nil(), args)
}

pub(crate) fn request_with(xid: u64, method: &str, meta: &Pack, args: &Pack) -> Pack {
    Pack::new().array(5).uint(1).uint(xid).str(method).raw(meta.bytes()).raw(args.bytes())
}

pub(crate) fn reply(xid: u64, value: &Pack) -> Pack {
    reply_with(xid, &Pack::new().nil(), value)
}

pub(crate) fn reply_with(xid: u64, meta: &Pack, value: &Pack) -> Pack {
    Pack::new().array(4).uint(2).uint(xid).raw(meta.bytes()).raw(value.bytes())
}

pub(crate) fn fault(xid: u64, code: u64, message: &str, detail: &Pack) -> Pack {
    Pack::new().array(6).uint(3).uint(xid).nil().uint(code).str(message).raw(detail.bytes())
}

pub(crate) fn cancel(xid: u64) -> Pack {
    Pack::new().array(2).uint(4).uint(xid)
}

pub(crate) fn notify(method: &str, args: &Pack) -> Pack {
    notify_with(method, &Pack::new().nil(), args)
}

pub(crate) fn notify_with(method: &str, meta: &Pack, args: &Pack) -> Pack {
    Pack::new().array(4).uint(5).str(method).raw(meta.bytes()).raw(args.bytes())
}

pub(crate) fn credit(channel: u64, total: u64) -> Pack {
    Pack::new().array(3).uint(9).uint(channel).uint(total)
}

/// Items of a channel, which carry nothing.
pub(crate) fn item(channel: u64, values: &[Pack]) -> Pack {
    item_with(channel, &Pack::new().nil(), values)
}

pub(crate) fn item_with(channel: u64, carried: &Pack, values: &[Pack]) -> Pack {
    let head = Pack::new().array(3 + values.len() as u32).uint(6).uint(channel).raw(carried.bytes());
    values.iter().fold(head, |pack, value| pack.raw(value.bytes()))
}

/// A channel ends well.
pub(crate) fn finish(channel: u64) -> Pack {
    Pack::new().array(3).uint(7).uint(channel).nil()
}

/// A channel ends with a reason.
pub(crate) fn fail(channel: u64, code: u64, message: &str, detail: &Pack) -> Pack {
    Pack::new().array(3).uint(7).uint(channel).array(3).uint(code).str(message).raw(detail.bytes())
}

pub(crate) fn stop(channel: u64) -> Pack {
    Pack::new().array(2).uint(8).uint(channel)
}

/// A chunk, and how much of its message follows it.
pub(crate) fn chunk(id: u64, remaining: u64, data: &[u8]) -> Pack {
    Pack::new().array(4).uint(10).uint(id).uint(remaining).bin(data)
}

/// The rest of a message will never come.
pub(crate) fn given_up(id: u64) -> Pack {
    Pack::new().array(4).uint(10).uint(id).nil().bin(&[])
}

/// A message cut into chunks of so many bytes.
pub(crate) fn chunks(id: u64, message: &Pack, size: usize) -> Vec<Pack> {
    let whole = message.bytes();
    let cut = |(at, data): (usize, &[u8])| chunk(id, (whole.len() - at * size - data.len()) as u64, data);
    whole.chunks(size).enumerate().map(cut).collect()
}

/// A list of the halves that a message carries, each an id and which half.
pub(crate) fn halves(list: &[(u64, u64)]) -> Pack {
    let head = Pack::new().array(list.len() as u32);
    list.iter().fold(head, |pack, (id, half)| pack.array(2).uint(*id).uint(*half))
}

/// The meta of a message that carries these.
pub(crate) fn carrying(list: &[(u64, u64)]) -> Pack {
    meta("channels", &halves(list))
}

pub(crate) fn ping(nonce: u64) -> Pack {
    Pack::new().array(2).uint(11).uint(nonce)
}

pub(crate) fn pong(nonce: u64) -> Pack {
    Pack::new().array(2).uint(12).uint(nonce)
}

pub(crate) fn goaway(last: u64, code: u64, message: &str) -> Pack {
    Pack::new().array(4).uint(13).uint(last).uint(code).str(message)
}

/// The arguments of a call that has none, and of one that has a text.
pub(crate) fn no_args() -> Pack {
    Pack::new().array(0)
}

pub(crate) fn text(text: &str) -> Pack {
    Pack::new().array(1).str(text)
}

/// A meta map of one key.
pub(crate) fn meta(key: &str, value: &Pack) -> Pack {
    Pack::new().map(1).str(key).raw(value.bytes())
}

/// A frame that came.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Seen {
    Hello {
        version: u64,
        side: u64,
    },
    Request {
        xid: u64,
        method: String,
        carried: Vec<(u64, u64)>,
        args: Vec<u8>,
    },
    Reply {
        xid: u64,
        carried: Vec<(u64, u64)>,
        value: Vec<u8>,
    },
    Fault {
        xid: u64,
        code: u64,
        message: String,
    },
    Cancel {
        xid: u64,
    },
    Notify {
        method: String,
    },
    Item {
        channel: u64,
        carried: Vec<(u64, u64)>,
        count: u32,
        values: Vec<u8>,
    },
    /// With the code and message of its reason, where it has one.
    End {
        channel: u64,
        why: Option<(u64, String)>,
    },
    Stop {
        channel: u64,
    },
    Credit {
        channel: u64,
        total: u64,
    },
    /// `None` gives the message up.
    Chunk {
        id: u64,
        remaining: Option<u64>,
        data: Vec<u8>,
    },
    Ping {
        nonce: u64,
    },
    Pong {
        nonce: u64,
    },
    Goaway {
        last: u64,
        code: u64,
        message: String,
    },
}

impl Seen {
    pub(crate) fn read(mut frame: &[u8]) -> Seen {
        let input = &mut frame;
        let fields = rmp::decode::read_array_len(input).expect("a frame is an array");
        match (uint(input), fields) {
            (0, 5) => {
                assert_eq!(string(input), "mux");
                Seen::Hello { version: uint(input), side: uint(input) }
            }
            (1, 5) => Seen::Request {
                xid: uint(input),
                method: string(input),
                carried: carried_by_meta(input),
                args: input.to_vec(),
            },
            (2, 4) => {
                let xid = uint(input);
                Seen::Reply { xid, carried: carried_by_meta(input), value: input.to_vec() }
            }
            (3, 6) => {
                let xid = uint(input);
                assert!(take_nil(input), "a fault carries nothing");
                Seen::Fault { xid, code: uint(input), message: string(input) }
            }
            (4, 2) => Seen::Cancel { xid: uint(input) },
            (5, 4) => Seen::Notify { method: string(input) },
            (6, 4..) => {
                let channel = uint(input);
                let carried = if take_nil(input) { Vec::new() } else { carried_halves(input) };
                Seen::Item { channel, carried, count: fields - 3, values: input.to_vec() }
            }
            (7, 3) => Seen::End { channel: uint(input), why: why(input) },
            (8, 2) => Seen::Stop { channel: uint(input) },
            (9, 3) => Seen::Credit { channel: uint(input), total: uint(input) },
            (10, 4) => {
                let id = uint(input);
                let remaining = if take_nil(input) { None } else { Some(uint(input)) };
                let len = rmp::decode::read_bin_len(input).expect("binary") as usize;
                assert_eq!(len, input.len(), "its data is the rest of a chunk");
                Seen::Chunk { id, remaining, data: input.to_vec() }
            }
            (11, 2) => Seen::Ping { nonce: uint(input) },
            (12, 2) => Seen::Pong { nonce: uint(input) },
            (13, 4) => Seen::Goaway { last: uint(input), code: uint(input), message: string(input) },
            (kind, fields) => panic!("a frame of kind {kind} with {fields} fields"),
        }
    }
}

fn uint(input: &mut &[u8]) -> u64 {
    rmp::decode::read_int(input).expect("an unsigned integer")
}

fn string(input: &mut &[u8]) -> String {
    let len = rmp::decode::read_str_len(input).expect("a string") as usize;
    let (text, rest) = input.split_at(len);
    *input = rest;
    String::from_utf8(text.to_vec()).expect("UTF-8")
}

fn take_nil(input: &mut &[u8]) -> bool {
    let nil = input.first() == Some(&0xc0);
    *input = &input[usize::from(nil)..];
    nil
}

/// The halves that a meta lists. The time left is all that may stand beside them.
fn carried_by_meta(input: &mut &[u8]) -> Vec<(u64, u64)> {
    let mut carried = Vec::new();
    if take_nil(input) {
        return carried;
    }
    let mut keys = HashSet::new();
    for _ in 0..rmp::decode::read_map_len(input).expect("a map") {
        let key = string(input);
        assert!(keys.insert(key.clone()), "meta {key} comes twice");
        match key.as_str() {
            "channels" => carried = carried_halves(input),
            "timeout_ms" => drop(uint(input)),
            "args" => {
                let names = rmp::decode::read_array_len(input).expect("an array");
                (0..names).for_each(|_| drop(string(input)));
            }
            other => panic!("meta {other}"),
        }
    }
    carried
}

fn carried_halves(input: &mut &[u8]) -> Vec<(u64, u64)> {
    let len = rmp::decode::read_array_len(input).expect("an array");
    let half = |_| {
        assert_eq!(rmp::decode::read_array_len(input).expect("an array"), 2);
        (uint(input), uint(input))
    };
    (0..len).map(half).collect()
}

fn why(input: &mut &[u8]) -> Option<(u64, String)> {
    if take_nil(input) {
        return None;
    }
    assert_eq!(rmp::decode::read_array_len(input).expect("an array"), 3);
    Some((uint(input), string(input)))
}

/// The peer. It says what it is told to say.
pub(crate) struct Script {
    stream: DuplexStream,
    side: u64,
    /// Messages that have not come whole.
    parts: HashMap<u64, Part>,
}

#[derive(Default)]
struct Part {
    bytes: Vec<u8>,
    remaining: Option<u64>,
}

impl Script {
    pub(crate) fn new(stream: DuplexStream, side: u64) -> Script {
        Script { stream, side, parts: HashMap::new() }
    }

    // Saying.

    pub(crate) async fn send_raw(&mut self, bytes: &[u8]) {
        self.try_send_raw(bytes).await.expect("the other end still reads");
    }

    /// For who goes on talking after the other end has hung up.
    pub(crate) async fn try_send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    pub(crate) async fn send_frame(&mut self, frame: &Pack) {
        self.send_raw(&frame.framed()).await;
    }

    /// All in one write, so that the other end reads them in one pass.
    pub(crate) async fn send_frames(&mut self, frames: &[Pack]) {
        let bytes: Vec<u8> = frames.iter().flat_map(Pack::framed).collect();
        self.send_raw(&bytes).await;
    }

    /// A message of any length, in chunks.
    pub(crate) async fn send_chunked(&mut self, id: u64, message: &Pack) {
        for chunk in chunks(id, message, CHUNK) {
            self.send_frame(&chunk).await;
        }
    }

    pub(crate) async fn send_hello(&mut self) {
        self.send_frame(&hello(1, self.side, &GENEROUS)).await;
    }

    /// Says that it sends no more, and goes on reading.
    pub(crate) async fn half_close(&mut self) {
        self.stream.shutdown().await.expect("a duplex stream can be half closed");
    }

    // Hearing.

    /// The next frame as it came; `None` when the other end sends no more.
    pub(crate) async fn next(&mut self) -> Option<Seen> {
        let frame = tokio::time::timeout(PATIENCE, self.read_frame()).await;
        Some(Seen::read(&frame.expect("the other end says something or hangs up")?))
    }

    async fn read_frame(&mut self) -> Option<Vec<u8>> {
        let mut prefix = [0; 4];
        match self.stream.read(&mut prefix[..1]).await {
            Ok(0) => return None,
            read => read.expect("a duplex stream reads"),
        };
        self.stream.read_exact(&mut prefix[1..]).await.expect("a whole length");
        assert_eq!(prefix[0], 0, "lengths stay below 2^24");
        let mut frame = vec![0; u32::from_be_bytes(prefix) as usize];
        self.stream.read_exact(&mut frame).await.expect("a whole frame");
        Some(frame)
    }

    /// As [`next`](Script::next), without the probes of the other end, and its large messages whole.
    pub(crate) async fn heard(&mut self) -> Option<Seen> {
        loop {
            match self.next().await {
                Some(Seen::Ping { .. }) => {}
                Some(Seen::Chunk { id, remaining, data }) => {
                    if let Some(whole) = self.put_together(id, remaining, &data) {
                        return Some(whole);
                    }
                }
                other => return other,
            }
        }
    }

    /// Adds a chunk to its message, and reads the message once it is whole.
    fn put_together(&mut self, id: u64, remaining: Option<u64>, data: &[u8]) -> Option<Seen> {
        let Some(remaining) = remaining else {
            assert!(self.parts.remove(&id).is_some(), "{id} was never begun and is given up");
            return None;
        };
        let part = self.parts.entry(id).or_default();
        let due = part.remaining.replace(remaining);
        assert!(!data.is_empty() && due.is_none_or(|due| due == remaining + data.len() as u64), "{due:?}");
        part.bytes.extend_from_slice(data);
        if remaining > 0 {
            return None;
        }
        let whole = self.parts.remove(&id)?.bytes;
        assert!(whole.len() > 16 << 10, "{} bytes are no large message", whole.len());
        Some(Seen::read(&whole))
    }

    /// All there is to hear before the other end hangs up.
    pub(crate) async fn hear_out(&mut self) -> Vec<Seen> {
        let mut all = Vec::new();
        while let Some(seen) = self.heard().await {
            all.push(seen);
        }
        all
    }

    pub(crate) async fn expect_hello(&mut self) {
        assert_eq!(self.heard().await, Some(Seen::Hello { version: 1, side: 1 - self.side }));
    }

    /// The value.
    pub(crate) async fn expect_reply(&mut self, xid: u64) -> Vec<u8> {
        match self.heard().await {
            Some(Seen::Reply { xid: of, carried, value }) if of == xid && carried.is_empty() => value,
            other => panic!("a reply to {xid} was due, {} came", brief(&other)),
        }
    }

    /// The message.
    pub(crate) async fn expect_fault(&mut self, xid: u64, code: u64) -> String {
        match self.heard().await {
            Some(Seen::Fault { xid: of, code: is, message }) if (of, is) == (xid, code) => message,
            other => panic!("fault {code} of {xid} was due, {} came", brief(&other)),
        }
    }

    /// The xid.
    pub(crate) async fn expect_request(&mut self, method: &str) -> u64 {
        match self.heard().await {
            Some(Seen::Request { xid, method: of, .. }) if of == method => xid,
            other => panic!("a request of {method} was due, {} came", brief(&other)),
        }
    }

    pub(crate) async fn expect_cancel(&mut self, xid: u64) {
        assert_eq!(self.heard().await, Some(Seen::Cancel { xid }));
    }

    pub(crate) async fn expect_pong(&mut self, nonce: u64) {
        assert_eq!(self.heard().await, Some(Seen::Pong { nonce }));
    }

    /// The total.
    pub(crate) async fn expect_credit(&mut self) -> u64 {
        match self.heard().await {
            Some(Seen::Credit { channel: 0, total }) => total,
            other => panic!("credit for notifies was due, {other:?} came"),
        }
    }

    /// The highest xid that was accepted.
    pub(crate) async fn expect_goaway(&mut self, code: u64, text: &str) -> u64 {
        match self.heard().await {
            Some(Seen::Goaway { last, code: is, message }) if is == code => {
                assert!(message.contains(text), "{text:?} was due, {message:?} came");
                last
            }
            other => panic!("goaway {code} with {text:?} was due, {} came", brief(&other)),
        }
    }

    /// The halves that a reply to `xid` carries.
    pub(crate) async fn expect_carried(&mut self, xid: u64) -> Vec<(u64, u64)> {
        match self.heard().await {
            Some(Seen::Reply { xid: of, carried, .. }) if of == xid => carried,
            other => panic!("a reply to {xid} was due, {} came", brief(&other)),
        }
    }

    pub(crate) async fn expect_stop(&mut self, channel: u64) {
        assert_eq!(self.heard().await, Some(Seen::Stop { channel }));
    }

    /// The code of its reason.
    pub(crate) async fn expect_end(&mut self, channel: u64) -> Option<u64> {
        match self.heard().await {
            Some(Seen::End { channel: of, why }) if of == channel => why.map(|(code, _)| code),
            other => panic!("the end of channel {channel} was due, {} came", brief(&other)),
        }
    }

    pub(crate) async fn expect_eof(&mut self) {
        assert_eq!(self.heard().await, None);
    }
}

/// What came, for the eyes of whoever reads why a test failed.
pub(crate) fn brief(seen: &Option<Seen>) -> String {
    format!("{seen:?}").chars().take(300).collect()
}
