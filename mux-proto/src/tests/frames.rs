//! Any frame survives the wire, and no bytes are too strange to be refused in good order.

use super::proptest_config;
use crate::session::outbox::payload::Payload;
use crate::session::outbox::{Batch, Outbox};
use crate::wire::fault::FaultCode;
use crate::wire::fault::GoawayCode;
use crate::wire::frame::BadFrame;
use crate::wire::frame::End;
use crate::wire::frame::Frame;
use crate::wire::frame::MAX_LEN;
use crate::wire::meta::MetaFacts;
use crate::wire::meta::MetaPairs;
use crate::wire::meta::lookup;
use crate::wire::prefix;
use crate::wire::prefix::PREFIX;
use crate::wire::settings::Hello;
use crate::wire::settings::Settings;
use crate::wire::xid::Side;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

/// A frame that owns its parts; [`Frame`] borrows them.
#[derive(Clone, Debug)]
enum Owned {
    Hello(Hello),
    Request(u64, String, Meta, Vec<u8>),
    Reply(u64, Meta, Vec<u8>),
    Fault(u64, Meta, u32, String, Vec<u8>),
    Cancel(u64),
    Notify(String, Meta, Vec<u8>),
    Item(u64, Meta, u32, Vec<u8>),
    End(u64, Option<(u32, String, Vec<u8>)>),
    Stop(u64),
    Credit(u64, u64),
    Chunk(u64, Option<u64>, Vec<u8>),
    Ping(u64),
    Pong(u64),
    Goaway(u64, u32, String),
    Skipped(u64),
}

/// An encoded map, or nil.
type Meta = Option<Vec<u8>>;

impl Owned {
    fn frame(&self) -> Frame<'_> {
        match self {
            Owned::Hello(hello) => Frame::Hello(hello.clone()),
            Owned::Request(xid, method, meta, args) => {
                Frame::Request { xid: *xid, method: method.as_str().into(), meta: meta.as_deref(), args }
            }
            Owned::Reply(xid, meta, value) => Frame::Reply { xid: *xid, meta: meta.as_deref(), value },
            Owned::Fault(xid, meta, code, message, detail) => Frame::Fault {
                xid: *xid,
                meta: meta.as_deref(),
                code: FaultCode::from_wire(*code),
                message,
                detail,
            },
            Owned::Cancel(xid) => Frame::Cancel { xid: *xid },
            Owned::Notify(method, meta, args) => {
                Frame::Notify { method: method.as_str().into(), meta: meta.as_deref(), args }
            }
            Owned::Item(channel, carried, count, values) => {
                Frame::Item { channel: *channel, carried: carried.as_deref(), count: *count, values }
            }
            Owned::End(channel, why) => Frame::End { channel: *channel, why: why.as_ref().map(end) },
            Owned::Stop(channel) => Frame::Stop { channel: *channel },
            Owned::Credit(channel, total) => Frame::Credit { channel: *channel, total: *total },
            Owned::Chunk(id, remaining, data) => Frame::Chunk { id: *id, remaining: *remaining, data },
            Owned::Ping(nonce) => Frame::Ping { nonce: *nonce },
            Owned::Pong(nonce) => Frame::Pong { nonce: *nonce },
            Owned::Goaway(last, code, message) => {
                Frame::Goaway { last: *last, code: GoawayCode::from_wire(*code), message }
            }
            Owned::Skipped(kind) => Frame::Skipped { kind: *kind },
        }
    }
}

fn end((code, message, detail): &(u32, String, Vec<u8>)) -> End<'_> {
    End { code: FaultCode::from_wire(*code), message, detail }
}

fn owned() -> impl Strategy<Value = Owned> {
    prop_oneof![
        hello().prop_map(Owned::Hello),
        (number(), text(), meta(), body())
            .prop_map(|(xid, method, meta, args)| Owned::Request(xid, method, meta, args)),
        (number(), meta(), body()).prop_map(|(xid, meta, value)| Owned::Reply(xid, meta, value)),
        (number(), meta(), any::<u32>(), text(), detail())
            .prop_map(|(xid, meta, code, message, detail)| Owned::Fault(xid, meta, code, message, detail)),
        number().prop_map(Owned::Cancel),
        (text(), meta(), body()).prop_map(|(method, meta, args)| Owned::Notify(method, meta, args)),
        (number(), meta(), 1..100_000_u32, body())
            .prop_map(|(channel, carried, count, values)| Owned::Item(channel, carried, count, values)),
        (number(), prop::option::of((any::<u32>(), text(), detail())))
            .prop_map(|(channel, why)| Owned::End(channel, why)),
        number().prop_map(Owned::Stop),
        (number(), number()).prop_map(|(channel, total)| Owned::Credit(channel, total)),
        (number(), prop::option::of(number()), vec(any::<u8>(), 0..300))
            .prop_map(|(id, remaining, data)| Owned::Chunk(id, remaining, data)),
        number().prop_map(Owned::Ping),
        number().prop_map(Owned::Pong),
        (number(), any::<u32>(), text()).prop_map(|(last, code, message)| Owned::Goaway(last, code, message)),
        number().prop_map(|number| Owned::Skipped(number.max(64))),
    ]
}

/// Numbers of every width on the wire alike.
fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..64_u32).prop_map(|(number, shift)| number >> shift)
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![4 => "\\PC{0,40}", 1 => "[a-zü]{200,300}"]
}

/// The session does not look into a body; nil alone reads back as no detail.
fn body() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 1..300)
}

fn detail() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..60).prop_filter("nil is no detail", |detail| detail != &[0xc0])
}

fn meta() -> impl Strategy<Value = Meta> {
    let pairs = vec(("[a-z]{1,8}", text()), 0..4);
    (pairs, prop::option::of(number())).prop_map(|(pairs, timeout)| {
        let mut meta = MetaPairs::default();
        pairs.iter().for_each(|(key, value)| meta.push(key, value));
        meta.encode(timeout, &[])
    })
}

fn hello() -> impl Strategy<Value = Hello> {
    let services = btree_map(text(), number(), 0..20);
    (any::<u32>(), any::<bool>(), prop::array::uniform8(number()), services).prop_map(
        |(version, connecting, above, services)| {
            let floor = Settings::FLOOR;
            let max_message = floor.max_message.saturating_add(above[2]);
            let settings = Settings {
                max_frame: floor.max_frame.saturating_add(above[0]),
                max_inline: floor.max_inline.saturating_add(above[1]),
                max_message,
                max_in_flight: floor.max_in_flight.saturating_add(above[3]),
                max_buffered: max_message.saturating_add(above[4]),
                window: floor.window.saturating_add(above[5]),
                max_channels: above[6],
                max_unread: floor.max_unread.saturating_add(above[7]),
                services: services.into_iter().collect(),
            };
            let side = if connecting { Side::Connecting } else { Side::Accepting };
            Hello { version, side, settings }
        },
    )
}

fn encode(frame: &Frame<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.put_bare_head(&mut bytes);
    bytes.extend_from_slice(frame.body());
    bytes
}

/// What an outbox writes.
fn written(queue: impl FnOnce(&mut Outbox)) -> Vec<u8> {
    let (mut outbox, mut batch) = (Outbox::default(), Batch::default());
    queue(&mut outbox);
    outbox.take(&mut batch);
    batch.parts().flatten().copied().collect()
}

/// The message that one chunk holds.
fn of_a_chunk(chunk: &[u8]) -> &[u8] {
    match Frame::decode(&chunk[PREFIX..]) {
        Ok(Frame::Chunk { remaining: Some(0), data, .. }) => data,
        other => panic!("{other:?}"),
    }
}

/// Whatever the outcome, what was read lies within the bytes and is written again as it was read.
fn decode_without_panic(bytes: &[u8]) -> Result<(), TestCaseError> {
    let Ok(frame) = Frame::decode(bytes) else { return Ok(()) };
    let again = encode(&frame);
    prop_assert_eq!(Frame::decode(&again), Ok(frame.clone()), "{:02x?} was written as {:02x?}", bytes, again);
    if let Frame::Request { meta, .. } | Frame::Notify { meta, .. } = frame {
        let _: Option<Result<MetaFacts, BadFrame>> = meta.map(MetaFacts::read);
        meta.map(|meta| lookup(meta, "absent"));
    }
    Ok(())
}

proptest! {
    #![proptest_config(proptest_config(1000))]

    #[test]
    fn every_frame_survives_the_wire(owned in owned()) {
        let frame = owned.frame();
        let bytes = encode(&frame);
        prop_assert_eq!(Frame::decode(&bytes), Ok(frame));
    }

    #[test]
    fn a_frame_is_the_same_bytes_whole_with_its_body_apart_and_within_chunks(owned in owned()) {
        let frame = owned.frame();
        let (mut whole, body) = (Vec::new(), || Payload::from(frame.body().to_vec()));
        prefix::put(&frame, &mut whole);
        prop_assert_eq!(prefix::frame_len(whole[..PREFIX].try_into().unwrap(), MAX_LEN), Ok(whole.len() - PREFIX));
        prop_assert_eq!(written(|outbox| outbox.message(&frame)), &whole[..]);
        prop_assert_eq!(written(|outbox| drop(outbox.message_with(&frame, body()))), &whole[..]);
        if let Frame::Reply { xid, meta: None, value } = frame {
            prop_assert_eq!(written(|outbox| outbox.reply(xid, value)), &whole[..]);
        }
        let chunk = written(|outbox| outbox.large(7, &frame, body(), &[]));
        prop_assert_eq!(of_a_chunk(&chunk), &whole[PREFIX..]);
        let data = of_a_chunk(&chunk);
        let mut put = Vec::new();
        prefix::put(&Frame::Chunk { id: 7, remaining: Some(0), data }, &mut put);
        prop_assert_eq!(chunk, put);
    }

    #[test]
    fn a_frame_cut_short_is_refused_or_its_body_is(owned in owned(), cut in any::<prop::sample::Index>()) {
        let frame = owned.frame();
        let bytes = encode(&frame);
        let cut = cut.index(bytes.len());
        let head = bytes.len() - frame.body().len();
        // One is not looked into, the other ends in a body within its last field.
        let open = matches!(frame, Frame::Skipped { .. } | Frame::End { why: Some(_), .. });
        let decoded = Frame::decode(&bytes[..cut]);
        prop_assert!(decoded.is_err() || open || cut > head, "cut at {} of {}: {:?}", cut, bytes.len(), decoded);
    }

    #[test]
    fn mutated_frames_are_read_without_panic(
        owned in owned(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        inserted in any::<bool>(),
    ) {
        let mut bytes = encode(&owned.frame());
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            if inserted { bytes.insert(at, byte) } else { bytes[at] = byte }
        }
        decode_without_panic(&bytes)?;
    }

    #[test]
    fn arbitrary_bytes_are_read_without_panic(bytes in vec(any::<u8>(), 0..200)) {
        decode_without_panic(&bytes)?;
    }

    #[test]
    fn arbitrary_fields_are_read_without_panic(fields in 0..7_u8, kind in 0..70_u8, rest in vec(any::<u8>(), 0..100)) {
        decode_without_panic(&[&[0x90 + fields, kind][..], &rest].concat())?;
    }
}
