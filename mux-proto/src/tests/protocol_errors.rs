//! A peer that breaks the rules is closed, with a reason; one of a later version is not.

use super::pair::{ADD, End, hello, request};
use crate::wire::fault::FaultCode;
use crate::wire::fault::GoawayCode;
use crate::wire::frame::Frame;
use crate::wire::settings::Settings;
use crate::wire::xid::Side;

fn greeted() -> End {
    End::scripted(Settings::FLOOR)
}

#[test]
fn a_second_hello_is_a_protocol_error() {
    let mut end = greeted();
    end.hear(&hello(Side::Connecting, Settings::FLOOR));
    end.expect_protocol_error("a second hello");
}

#[test]
fn both_claiming_one_side_is_a_protocol_error() {
    for (side, name) in [(Side::Connecting, "connecting"), (Side::Accepting, "accepting")] {
        let mut end = End::new(side, Settings::FLOOR);
        end.hear(&hello(side, Settings::FLOOR));
        end.expect_protocol_error(&format!("both ends claim to be the {name} one"));
    }
}

#[test]
fn another_version_is_a_protocol_error_with_a_code_of_its_own() {
    for version in [0, 2, u32::MAX] {
        let mut end = End::new(Side::Accepting, Settings::FLOOR);
        let Frame::Hello(mut hello) = hello(Side::Connecting, Settings::FLOOR) else { unreachable!() };
        hello.version = version;
        end.hear(&Frame::Hello(hello));
        assert_eq!(
            end.protocol_error.as_ref().map(|protocol_error| protocol_error.code),
            Some(GoawayCode::Version)
        );
        end.expect_protocol_error("only 1");
    }
}

#[test]
fn anything_before_the_hello_is_a_protocol_error() {
    for frame in
        [request(1, &[0x90]), Frame::Ping { nonce: 1 }, Frame::Cancel { xid: 1 }, Frame::Skipped { kind: 64 }]
    {
        let mut end = End::new(Side::Accepting, Settings::FLOOR);
        end.hear(&frame);
        end.expect_protocol_error("the first frame is not a hello");
    }
}

#[test]
fn a_request_whose_xid_is_not_the_peers_to_give_is_a_protocol_error() {
    for xid in [0, 2, u64::MAX - 1] {
        let mut end = greeted();
        end.hear(&request(xid, &[0x90]));
        end.expect_protocol_error(&format!("xid {xid} is not one that the connecting side gives out"));
    }
    let mut end = greeted();
    end.hear(&request(u64::MAX, &[0x90]));
    assert_eq!(end.protocol_error, None);
}

#[test]
fn a_second_live_request_with_one_xid_is_a_protocol_error() {
    let mut end = greeted();
    end.hear(&request(1, &[0x90]));
    end.hear(&request(1, &[0x90]));
    end.expect_protocol_error("a second live request with xid 1");
}

#[test]
fn more_requests_in_flight_than_allowed_are_a_protocol_error() {
    let mut end = greeted();
    for xid in (1..=31).step_by(2) {
        end.hear(&request(xid, &[0x90]));
        assert_eq!(end.protocol_error, None);
    }
    end.hear(&request(33, &[0x90]));
    end.expect_protocol_error("more than 16 requests in flight");
}

#[test]
fn requests_that_were_cancelled_still_count_as_in_flight() {
    let mut end = greeted();
    for xid in (1..=33).step_by(2) {
        end.hear(&request(xid, &[0x90]));
        end.hear(&Frame::Cancel { xid });
    }
    end.expect_protocol_error("more than 16 requests in flight");
}

#[test]
fn a_meta_that_is_no_map_of_names_is_a_protocol_error() {
    let metas: [&[u8]; 4] = [&[0x90], &[0x81, 1, 1], b"\x81\xaatimeout_ms\xa1x", b"\x81\xaatimeout_ms\xff"];
    for meta in metas {
        let mut end = greeted();
        end.hear(&Frame::Request { xid: 1, method: "calc.add".into(), meta: Some(meta), args: &[0x90] });
        end.expect_protocol_error("is not");
        end.expect_no_request();
    }
}

#[test]
fn pings_whose_answers_are_not_read_are_a_protocol_error() {
    let mut end = greeted();
    let heard = (0..1_000_000).take_while(|&nonce| {
        end.hear(&Frame::Ping { nonce });
        end.protocol_error.is_none()
    });
    assert!(heard.count() < 20_000);
    end.expect_protocol_error("pings whose answers are not read");
}

#[test]
fn pings_are_answered() {
    let mut end = greeted();
    end.hear(&Frame::Ping { nonce: 5 });
    assert_eq!(end.said(), [super::pair::Spoken::Pong(5)]);
}

#[test]
fn what_a_later_version_may_add_is_taken() {
    let mut end = greeted();
    let call = end.call(ADD);
    end.hear(&Frame::Skipped { kind: 64 });
    end.hear(&Frame::Pong { nonce: 9 });
    end.hear(&Frame::Cancel { xid: 99 });
    end.hear(&Frame::Fault {
        xid: 2,
        meta: Some(&[0x80]),
        code: FaultCode::Other(20),
        message: "",
        detail: &[],
    });
    assert_eq!(end.protocol_error, None);
    assert!(end.expect_fault(call, FaultCode::Other(20)).code.did_not_run());
}

#[test]
fn bytes_that_are_no_frame_are_a_protocol_error() {
    for bytes in [&b"\x00\x00\x00\x00"[..], b"\x00\x00\x00\x01\xc1", b"\x00\x00\x00\x02\x91\x3f"] {
        let mut end = greeted();
        end.hear_bytes(bytes);
        assert!(end.protocol_error.is_some(), "{bytes:?}");
    }
}
