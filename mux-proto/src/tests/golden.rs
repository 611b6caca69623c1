//! The wire as written down in `wire/*.hex`, byte by byte and by hand: what other languages read and
//! write. A change here is a new version of the protocol.

use crate::wire::fault::FaultCode;
use crate::wire::fault::GoawayCode;
use crate::wire::frame::End;
use crate::wire::frame::Frame;
use crate::wire::frame::MAX_LEN;
use crate::wire::prefix;
use crate::wire::prefix::PREFIX;
use crate::wire::settings::Hello;
use crate::wire::settings::Settings;
use crate::wire::xid::Side;

/// One file a kind: its name, and the frames in it.
macro_rules! golden {
    ($($name:ident: $file:literal = [$($frame:expr),+ $(,)?];)+) => {$(
        #[test]
        fn $name() {
            compare(include_str!(concat!("wire/", $file, ".hex")), &[$($frame),+]);
        }
    )+};
}

golden! {
    hello_is_as_written: "00_hello" = [Frame::Hello(Hello {
        version: 1,
        side: Side::Connecting,
        settings: Settings {
            max_frame: 128 << 10,
            max_inline: 16 << 10,
            max_message: 16 << 20,
            max_in_flight: 1024,
            max_buffered: 64 << 20,
            window: 256 << 10,
            max_unread: 32 << 20,
            max_channels: 256,
            services: vec![("calc".into(), 0x0123_4567_89ab_cdef)],
        },
    })];
    request_is_as_written: "01_request" = [
        Frame::Request { xid: 1, method: "calc.add".into(), meta: None, args: &[0x92, 2, 40] },
        Frame::Request {
            xid: 301,
            method: "calc.now".into(),
            meta: Some(b"\x82\xaatimeout_ms\xcd\x05\xdc\xa6tenant\xa2eu"),
            args: &[0x90],
        },
        Frame::Request {
            xid: 5,
            method: "calc.work".into(),
            meta: Some(b"\x81\xa8channels\x91\x92\x03\x01"),
            args: &[0x91, 0],
        },
    ];
    reply_is_as_written: "02_reply" = [
        Frame::Reply { xid: 1, meta: None, value: &[42] },
        Frame::Reply { xid: (1 << 32) + 1, meta: Some(&[0x80]), value: &[0xc4, 3, 1, 2, 3] },
        Frame::Reply { xid: 5, meta: Some(b"\x81\xa8channels\x91\x92\x02\x00"), value: &[0] },
    ];
    fault_is_as_written: "03_fault" = [
        Frame::Fault { xid: 1, meta: None, code: FaultCode::App, message: "out of stock", detail: b"\x81\xa4left\x03" },
        Frame::Fault { xid: 3, meta: None, code: FaultCode::UnknownMethod, message: "", detail: &[] },
        Frame::Fault { xid: 5, meta: None, code: FaultCode::Other(200), message: "", detail: &[] },
    ];
    cancel_is_as_written: "04_cancel" = [Frame::Cancel { xid: 1 }];
    notify_is_as_written: "05_notify" = [Frame::Notify { method: "calc.log".into(), meta: None, args: b"\x91\xa2hi" }];
    item_is_as_written: "06_item" = [
        Frame::Item { channel: 7, carried: None, count: 2, values: &[1, 2] },
        Frame::Item { channel: 7, carried: Some(&[0x91, 0x92, 9, 0]), count: 1, values: &[0] },
    ];
    end_is_as_written: "07_end" = [
        Frame::End { channel: 7, why: None },
        Frame::End { channel: 7, why: Some(End { code: FaultCode::Failed, message: "gone", detail: &[] }) },
        Frame::End {
            channel: 9,
            why: Some(End { code: FaultCode::App, message: "", detail: b"\x81\xa4left\x00" }),
        },
    ];
    stop_is_as_written: "08_stop" = [Frame::Stop { channel: 7 }];
    credit_is_as_written: "09_credit" = [
        Frame::Credit { channel: 0, total: 16 << 10 },
        Frame::Credit { channel: 7, total: u64::MAX },
    ];
    chunk_is_as_written: "10_chunk" = [
        Frame::Chunk { id: 5, remaining: Some(4096), data: b"abc" },
        Frame::Chunk { id: 5, remaining: Some(0), data: b"d" },
        Frame::Chunk { id: 5, remaining: None, data: b"" },
    ];
    ping_is_as_written: "11_ping" = [Frame::Ping { nonce: 42 }, Frame::Ping { nonce: u64::from(u32::MAX) }];
    pong_is_as_written: "12_pong" = [Frame::Pong { nonce: 42 }];
    goaway_is_as_written: "13_goaway" = [
        Frame::Goaway { last: 301, code: GoawayCode::Draining, message: "draining" },
    ];
    a_skipped_kind_is_as_written: "64_skipped" = [Frame::Skipped { kind: 64 }];
}

fn compare(text: &str, frames: &[Frame<'_>]) {
    let golden = bytes_of(text);
    let mut encoded = Vec::new();
    frames.iter().for_each(|frame| prefix::put(frame, &mut encoded));
    assert_eq!(hex(&encoded), hex(&golden), "encoded, and golden");
    let mut rest = &golden[..];
    for frame in frames {
        let (prefix, body) = rest.split_first_chunk::<PREFIX>().expect("a length");
        let len = prefix::frame_len(*prefix, MAX_LEN).expect("a length within the limit");
        assert_eq!(Frame::decode(&body[..len]).as_ref(), Ok(frame));
        rest = &body[len..];
    }
    assert!(rest.is_empty());
}

/// Bytes in hexadecimal, apart; `#` begins a comment.
fn bytes_of(text: &str) -> Vec<u8> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let words = lines.flat_map(str::split_whitespace);
    words.map(|word| u8::from_str_radix(word, 16).expect("two hexadecimal digits")).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x} ")).collect()
}

#[test]
fn integers_and_lengths_may_be_wider_than_they_need_be() {
    let wide = b"\xdc\x00\x05\xd1\x00\x01\xcf\x00\x00\x00\x00\x00\x00\x00\x01\xdb\x00\x00\x00\x03a.b\xde\x00\x00\xdc\x00\x00";
    let expected =
        Frame::Request { xid: 1, method: "a.b".into(), meta: Some(&[0xde, 0, 0]), args: &[0xdc, 0, 0] };
    assert_eq!(Frame::decode(wide), Ok(expected));
}

#[test]
fn a_skipped_kind_may_have_any_fields() {
    assert_eq!(Frame::decode(b"\x93\xcc\xc8\xa1x\x07"), Ok(Frame::Skipped { kind: 200 }));
}
