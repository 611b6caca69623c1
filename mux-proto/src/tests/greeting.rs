//! The hello, and what may go before it.

use super::pair::Spoken::{Hello, Request};
use super::pair::{ADD, End, Pair, hello, roomy, wide};
use crate::wire::fault::FaultCode;
use crate::wire::frame::Frame;
use crate::wire::settings::Settings;
use crate::wire::xid::Side;

#[test]
fn requests_within_the_floors_go_before_the_hello_comes() {
    let mut client = End::new(Side::Connecting, Settings::FLOOR);
    client.calls(2, ADD);
    assert_eq!(client.said(), [Hello, Request(1), Request(3)]);
}

#[test]
fn the_17th_call_waits_for_the_hello() {
    let mut pair = Pair::new(Settings::FLOOR, wide(17));
    pair.client.calls(17, ADD);
    assert_eq!(pair.client.said().len(), 1 + 16);
    pair.drive();
    assert_eq!(pair.client.said(), [Request(33)]);
    assert_eq!(pair.server.requests.len(), 17);
}

#[test]
fn the_hello_raises_the_limits() {
    let mut pair = Pair::greeted(Settings::FLOOR, wide(100));
    let calls = pair.client.calls(101, ADD);
    assert_eq!(pair.client.said().len(), 100);
    pair.drive();
    let xid = pair.server.expect_request(ADD);
    pair.server.reply(xid, &[7]);
    pair.drive();
    pair.client.expect_value(calls[0], &[7]);
    assert_eq!(pair.client.said(), [Request(201)]);
}

#[test]
fn each_sides_word_binds_what_the_other_sends() {
    let mut pair = Pair::greeted(wide(20), wide(30));
    pair.client.calls(50, ADD);
    pair.server.calls(50, ADD);
    pair.drive();
    assert_eq!(pair.server.requests.len(), 30);
    assert_eq!(pair.client.requests.len(), 20);
}

#[test]
fn a_large_call_waits_for_the_hello_and_small_ones_pass_it_by() {
    let mut pair = Pair::new(Settings::FLOOR, roomy(64 << 10, 64 << 10));
    let large = ADD.of(20 << 10);
    pair.client.call(large);
    pair.client.call(ADD);
    assert_eq!(pair.client.said(), [Hello, Request(1)]);
    pair.drive();
    assert_eq!(pair.client.said(), [Request(3)]);
    pair.server.expect_request(ADD);
    pair.server.expect_request(large);
}

#[test]
fn a_nested_call_too_large_for_the_floors_does_not_wait_for_the_hello() {
    let mut client = End::new(Side::Connecting, Settings::FLOOR);
    let call = client.call(ADD.of(20 << 10).nested());
    client.expect_fault(call, FaultCode::Overloaded);
}

#[test]
fn a_call_queued_before_the_hello_is_refused_when_the_hello_forbids_its_size() {
    let mut pair = Pair::new(Settings::FLOOR, roomy(64 << 10, 64 << 10));
    let call = pair.client.call(ADD.of((64 << 10) + 1));
    pair.client.expect_waiting(call);
    pair.drive();
    let fault = pair.client.expect_fault(call, FaultCode::TooLarge);
    assert_eq!(fault.message, "request of 65537 bytes exceeds the peer's limit of 65536");
    pair.server.expect_no_request();
    pair.expect_no_rows();
}

#[test]
fn services_are_told() {
    let services = vec![("calc".to_owned(), 0xFEED), ("store".to_owned(), u64::MAX)];
    let pair = Pair::greeted(Settings::FLOOR, Settings { services: services.clone(), ..Settings::FLOOR });
    assert_eq!(pair.client.session.peer_services(), services);
    assert!(pair.server.session.peer_services().is_empty());
}

/// HELLO, from its settings map on.
fn hello_with(settings: &[u8]) -> Result<Settings, String> {
    let bytes = [&[0x95, 0, 0xa3, b'm', b'u', b'x', 1, 1], settings].concat();
    match Frame::decode(&bytes) {
        Ok(Frame::Hello(hello)) => Ok(hello.settings),
        Ok(other) => panic!("{other:?}"),
        Err(bad) => Err(bad.to_string()),
    }
}

#[test]
fn a_missing_setting_means_its_floor_and_an_unknown_one_is_skipped() {
    assert_eq!(hello_with(&[0x80]), Ok(Settings::FLOOR));
    assert_eq!(hello_with(b"\x81\xa3new\x93\x01\xa1x\x80"), Ok(Settings::FLOOR));
}

#[test]
fn max_buffered_is_at_least_max_message_where_it_is_missing() {
    let settings =
        hello_with(b"\x81\xabmax_message\xce\x00\x10\x00\x00").expect("one setting may come alone");
    assert_eq!((settings.max_message, settings.max_buffered), (1 << 20, 1 << 20));
}

#[test]
fn settings_below_their_floors_are_refused() {
    let refused = hello_with(b"\x81\xa6window\x00").unwrap_err();
    assert_eq!(refused, "window of 0 is below the floor of 16384");
    let refused = hello_with(b"\x82\xacmax_buffered\xce\x00\x01\x00\x00\xabmax_message\xce\x00\x10\x00\x00")
        .unwrap_err();
    assert_eq!(refused, "max_buffered of 65536 is below max_message of 1048576");
}

#[test]
fn lengths_stay_below_2_to_the_24_whatever_the_peer_would_take() {
    let mut client = End::new(Side::Connecting, Settings::FLOOR);
    client.hear(&hello(Side::Accepting, Settings { max_frame: u64::MAX, ..roomy(1 << 40, 1 << 40) }));
    let call = client.call(ADD.of(17 << 20));
    client.expect_waiting(call);
    // The harness itself refuses a longer frame.
    while !client.outbox.is_empty() {
        client.flush();
    }
    assert_eq!(client.said().last(), Some(&Request(1)));
    assert!(client.chunks > 100);
}

#[test]
fn a_ping_does_not_overtake_the_hello() {
    let mut pair = Pair::new(Settings::FLOOR, Settings::FLOOR);
    assert!(pair.client.session.ping(&mut pair.client.outbox));
    pair.drive();
    assert_eq!(pair.server.protocol_error, None);
}

#[test]
fn a_hello_is_not_read_beyond_64_kib() {
    let mut bytes = vec![0x95, 0, 0xa3, b'm', b'u', b'x', 1, 0, 0x81, 0xa8];
    bytes.extend_from_slice(b"services");
    let count: u32 = 40_000;
    bytes.push(0xdf);
    bytes.extend_from_slice(&count.to_be_bytes());
    (0..count).for_each(|_| bytes.extend_from_slice(&[0xa0, 0]));
    let refused = Frame::decode(&bytes).unwrap_err();
    assert_eq!(refused.0, "hello of 80023 bytes exceeds the limit of 65536");
}
