//! Calls, from their arguments to their one end.

use super::pair::Spoken::{Cancel, Fault, Goaway, Reply, Request};
use super::pair::{ADD, End, MUL, Pair, hello, roomy, wide};
use crate::session::message::Terminal;
use crate::wire::fault::FaultCode;
use crate::wire::fault::GoawayCode;
use crate::wire::frame::Frame;
use crate::wire::settings::Settings;
use crate::wire::xid::Side;

const LARGE: usize = 20 << 10;

#[test]
fn a_call_goes_there_and_its_value_comes_back() {
    let mut pair = Pair::narrow();
    let call = pair.client.call(ADD);
    pair.drive();
    pair.client.expect_waiting(call);
    let xid = pair.server.expect_request(ADD);
    pair.server.reply(xid, &[42]);
    pair.drive();
    pair.client.expect_value(call, &[42]);
    pair.expect_no_rows();
}

#[test]
fn replies_in_any_order_go_each_to_its_own_row() {
    let mut pair = Pair::narrow();
    let calls = pair.client.calls(4, ADD);
    pair.drive();
    let xids = [(); 4].map(|()| pair.server.expect_request(ADD));
    for at in [2, 0, 3, 1] {
        pair.server.reply(xids[at], &[at as u8]);
        pair.drive();
        pair.client.expect_value(calls[at], &[at as u8]);
    }
    pair.expect_no_rows();
}

#[test]
fn a_large_call_and_its_large_value_arrive_unchanged() {
    let mut pair = Pair::greeted(roomy(64 << 10, 64 << 10), roomy(64 << 10, 64 << 10));
    let ask = ADD.of(60_000);
    let call = pair.client.call(ask);
    pair.drive();
    let xid = pair.server.expect_request(ask);
    let value = MUL.of(50_000).body();
    pair.server.reply(xid, &value);
    pair.drive();
    pair.client.expect_value(call, &value);
}

#[test]
fn xids_count_up_and_keep_their_parity() {
    let mut pair = Pair::narrow();
    pair.client.calls(3, ADD);
    pair.server.calls(3, MUL);
    pair.drive();
    assert_eq!(pair.client.said(), [Request(1), Request(3), Request(5)]);
    assert_eq!(pair.server.said(), [Request(2), Request(4), Request(6)]);
    for _ in 0..3 {
        let xid = pair.server.expect_request(ADD);
        pair.server.reply(xid, &[0]);
    }
    pair.drive();
    pair.client.call(ADD);
    assert_eq!(pair.client.said(), [Request(7)], "an xid that is free again is not used again");
}

#[test]
fn an_xid_is_taken_when_the_call_goes_and_not_while_it_waits() {
    let mut pair = Pair::new(Settings::FLOOR, wide(17));
    let calls = pair.client.calls(18, ADD);
    pair.client.abandon(calls[16]);
    pair.drive();
    assert_eq!(pair.client.said().last(), Some(&Request(33)));
}

#[test]
fn cancel_never_overtakes_its_request() {
    for len in [3, LARGE] {
        let mut pair = Pair::greeted(Settings::FLOOR, roomy(64 << 10, 64 << 10));
        let call = pair.client.call(ADD.of(len));
        if len == LARGE {
            // Queued only, it would not go at all.
            pair.client.flush();
        }
        pair.client.abandon(call);
        pair.client.call(MUL);
        assert_eq!(pair.client.said(), [Request(1), Cancel(1), Request(3)]);
    }
}

#[test]
fn dropping_a_queued_call_sends_nothing() {
    let mut pair = Pair::narrow();
    let calls = pair.client.calls(17, ADD);
    pair.drive();
    pair.client.said();
    pair.client.abandon(calls[16]);
    assert_eq!(pair.client.said(), []);
    for xid in (1..=31).step_by(2) {
        pair.server.reply(xid, &[0]);
    }
    pair.drive();
    assert_eq!(pair.client.said(), []);
}

#[test]
fn dropping_an_answered_call_sends_nothing() {
    let mut pair = Pair::narrow();
    let call = pair.client.call(ADD);
    pair.drive();
    let xid = pair.server.expect_request(ADD);
    pair.server.reply(xid, &[0]);
    pair.drive();
    pair.client.said();
    pair.client.abandon(call);
    assert_eq!(pair.client.said(), []);
    pair.expect_no_rows();
}

#[test]
fn late_reply_after_cancel_is_dropped() {
    let mut pair = Pair::narrow();
    let call = pair.client.call(ADD);
    pair.drive();
    let xid = pair.server.expect_request(ADD);
    pair.server.reply(xid, &[1]);
    pair.client.abandon(call);
    pair.drive();
    assert_eq!(pair.client.heard(), [Reply(1)]);
    assert_eq!(pair.client.end_of(call), None);
    assert!(pair.client.woken.is_empty());
    pair.expect_no_rows();
    let next = pair.client.call(MUL);
    pair.drive();
    let xid = pair.server.expect_request(MUL);
    pair.server.reply(xid, &[2]);
    pair.drive();
    pair.client.expect_value(next, &[2]);
}

#[test]
fn replies_that_come_late_or_were_never_asked_for_are_counted() {
    let mut end = End::scripted(Settings::FLOOR);
    end.hear(&Frame::Reply { xid: 98, meta: None, value: &[1] });
    assert_eq!(end.session.stray_replies(), 1);
    let call = end.call(ADD);
    end.abandon(call);
    end.hear(&Frame::Reply { xid: 2, meta: None, value: &[1] });
    assert_eq!(end.session.stray_replies(), 2);
}

#[test]
fn a_reply_nobody_asked_for_harms_nobody() {
    let mut end = End::scripted(Settings::FLOOR);
    let call = end.call(ADD);
    end.hear(&Frame::Reply { xid: 1, meta: None, value: &[1] });
    end.hear(&Frame::Reply { xid: 4, meta: None, value: &[1] });
    end.expect_waiting(call);
    end.hear(&Frame::Reply { xid: 2, meta: None, value: &[2] });
    end.expect_value(call, &[2]);
    assert_eq!(end.protocol_error, None);
}

#[test]
fn a_tombstone_holds_its_place_until_the_terminal_comes() {
    let mut pair = Pair::narrow();
    let calls = pair.client.calls(17, ADD);
    pair.client.abandon(calls[0]);
    pair.drive();
    assert_eq!(pair.server.requests.len(), 16, "the cancelled call keeps the 17th waiting");
    pair.client.said();
    pair.server.drop_handler(1);
    pair.drive();
    assert_eq!(pair.client.heard(), [Fault(1, FaultCode::Cancelled)]);
    assert_eq!(pair.client.said(), [Request(33)]);
}

#[test]
fn large_calls_wait_for_max_buffered_and_small_ones_pass_them_by() {
    let mut pair = Pair::greeted(Settings::FLOOR, roomy(64 << 10, 64 << 10));
    let calls = pair.client.calls(4, ADD.of(LARGE));
    pair.client.call(MUL);
    assert_eq!(pair.client.said(), [Request(7), Request(1), Request(3), Request(5)]);
    pair.drive();
    assert_eq!(pair.server.next_request().xid, 7);
    let xid = pair.server.expect_request(ADD.of(LARGE));
    pair.server.reply(xid, &[1]);
    pair.drive();
    pair.client.expect_value(calls[0], &[1]);
    assert_eq!(pair.client.said(), [Request(9)], "room was made for the fourth");
}

#[test]
fn large_calls_keep_their_order_even_where_a_later_one_would_fit() {
    let mut pair = Pair::greeted(Settings::FLOOR, roomy(64 << 10, 64 << 10));
    pair.client.call(ADD.of(40 << 10));
    pair.client.call(ADD.of(60 << 10));
    pair.client.call(ADD.of(17 << 10));
    assert_eq!(pair.client.said(), [Request(1)]);
    pair.drive();
    for (xid, next) in [(1, 3), (3, 5)] {
        pair.server.reply(xid, &[0]);
        pair.drive();
        assert_eq!(pair.client.said(), [Request(next)]);
    }
}

#[test]
fn a_large_call_behind_one_that_gave_up_does_not_wait_for_an_answer() {
    let mut pair = Pair::greeted(Settings::FLOOR, roomy(64 << 10, 64 << 10));
    pair.client.call(ADD.of(40 << 10));
    let hindrance = pair.client.call(ADD.of(60 << 10));
    pair.client.call(ADD.of(17 << 10));
    pair.drive();
    pair.client.said();
    pair.client.abandon(hindrance);
    assert_eq!(pair.client.said(), [Request(3)], "it fits");
}

#[test]
fn a_large_call_behind_nobody_goes_at_once_although_one_gave_up() {
    let mut pair = Pair::greeted(Settings::FLOOR, roomy(64 << 10, 64 << 10));
    pair.client.call(ADD.of(40 << 10));
    let hindrance = pair.client.call(ADD.of(60 << 10));
    pair.client.abandon(hindrance);
    pair.client.said();
    let nested = pair.client.call(ADD.of(17 << 10).nested());
    pair.client.expect_waiting(nested);
    assert_eq!(pair.client.said(), [Request(3)]);
}

#[test]
fn a_large_call_behind_one_that_timed_out_does_not_wait_for_an_answer() {
    let mut pair = Pair::greeted(Settings::FLOOR, roomy(64 << 10, 64 << 10));
    pair.client.call(ADD.of(40 << 10));
    let hindrance = pair.client.call(ADD.of(60 << 10).within(10));
    pair.client.call(ADD.of(17 << 10));
    pair.drive();
    pair.client.said();
    pair.pass(10);
    assert_eq!(pair.client.expect_end(hindrance), Terminal::TimedOut { sent: false });
    assert_eq!(pair.client.said(), [Request(3)], "it fits");
}

#[test]
fn a_cancelled_large_call_holds_its_bytes_until_the_terminal_comes() {
    let mut pair = Pair::greeted(Settings::FLOOR, roomy(64 << 10, 64 << 10));
    let first = pair.client.call(ADD.of(60 << 10));
    pair.client.call(ADD.of(LARGE));
    pair.client.flush();
    pair.client.abandon(first);
    assert_eq!(pair.client.said(), [Request(1), Cancel(1)]);
    pair.drive();
    pair.server.drop_handler(1);
    pair.drive();
    assert_eq!(pair.client.said(), [Request(3)]);
}

#[test]
fn a_too_large_request_is_refused_here_once_the_hello_is_known() {
    let mut pair = Pair::narrow();
    let call = pair.client.call(ADD.of((64 << 10) + 1));
    let fault = pair.client.expect_fault(call, FaultCode::TooLarge);
    assert_eq!(fault.message, "request of 65537 bytes exceeds the peer's limit of 65536");
    assert_eq!(pair.client.said(), []);
    pair.client.call(ADD.of(64 << 10));
    assert_eq!(pair.client.said(), [Request(1)]);
}

#[test]
fn meta_beyond_the_envelope_is_refused_here() {
    let mut pair = Pair::narrow();
    let call = pair.client.call(ADD.with_meta(32 << 10));
    pair.client.expect_fault(call, FaultCode::TooLarge);
    let note = pair.client.notify(ADD.with_meta(32 << 10));
    pair.client.expect_fault(note, FaultCode::TooLarge);
    pair.client.call(ADD.with_meta(31 << 10));
    assert_eq!(pair.client.said(), [Request(1)]);
}

#[test]
fn a_nested_call_on_a_full_peer_is_overloaded() {
    let mut pair = Pair::narrow();
    pair.client.calls(16, ADD);
    let call = pair.client.call(ADD.nested());
    pair.client.expect_fault(call, FaultCode::Overloaded);
    pair.drive();
    pair.server.reply(1, &[0]);
    pair.drive();
    let call = pair.client.call(ADD.nested());
    pair.client.expect_waiting(call);
}

#[test]
fn a_nested_large_call_waits_for_no_bytes_either() {
    let mut pair = Pair::greeted(Settings::FLOOR, roomy(64 << 10, 64 << 10));
    pair.client.call(ADD.of(60 << 10));
    let call = pair.client.call(ADD.of(LARGE).nested());
    pair.client.expect_fault(call, FaultCode::Overloaded);
    let call = pair.client.call(ADD.nested());
    pair.client.expect_waiting(call);
}

#[test]
fn callbacks_of_callbacks_reach_the_other_side_each_time() {
    let mut pair = Pair::narrow();
    let outer = pair.client.call(ADD);
    pair.drive();
    pair.server.expect_request(ADD);
    let inner = pair.server.call(MUL.nested());
    pair.drive();
    let xid = pair.client.expect_request(MUL);
    pair.client.reply(xid, &[6]);
    pair.drive();
    pair.server.expect_value(inner, &[6]);
    pair.server.reply(1, &[7]);
    pair.drive();
    pair.client.expect_value(outer, &[7]);
    pair.expect_no_rows();
}

#[test]
fn a_call_whose_time_is_over_is_not_opened() {
    let mut pair = Pair::narrow();
    let call = pair.client.call(ADD.within(0));
    assert_eq!(pair.client.expect_end(call), Terminal::TimedOut { sent: false });
    assert_eq!(pair.client.said(), []);
}

#[test]
fn a_timed_out_queued_call_was_not_sent() {
    let mut pair = Pair::narrow();
    pair.client.calls(16, ADD);
    let call = pair.client.call(ADD.within(50));
    pair.drive();
    pair.client.said();
    pair.pass(50);
    assert_eq!(pair.client.expect_end(call), Terminal::TimedOut { sent: false });
    pair.server.reply(1, &[0]);
    pair.drive();
    assert_eq!(pair.client.said(), []);
}

#[test]
fn a_timed_out_sent_call_is_cancelled() {
    let mut pair = Pair::narrow();
    let call = pair.client.call(ADD.within(50));
    pair.drive();
    pair.client.now = 49;
    assert_eq!(pair.client.expire(), Some(50), "the next deadline is told");
    pair.client.expect_waiting(call);
    pair.client.now = 50;
    assert_eq!(pair.client.expire(), None);
    assert_eq!(pair.client.expect_end(call), Terminal::TimedOut { sent: true });
    assert_eq!(pair.client.said(), [Request(1), Cancel(1)]);
}

#[test]
fn the_peer_is_told_the_time_that_is_left_when_the_request_goes() {
    let mut pair = Pair::narrow();
    pair.client.calls(16, ADD);
    pair.client.call(MUL.within(100));
    pair.drive();
    pair.pass(30);
    pair.server.reply(1, &[0]);
    pair.drive();
    let parts = pair.server.requests.pop_back().expect("the 17th");
    assert_eq!((parts.method.as_str(), parts.deadline), ("calc.multiply", Some(30 + 70)));
}

#[test]
fn a_spent_ticket_names_no_later_call() {
    let mut pair = Pair::narrow();
    let first = pair.client.call(ADD);
    pair.drive();
    pair.server.reply(1, &[1]);
    pair.drive();
    pair.client.expect_value(first, &[1]);
    let second = pair.client.call(ADD);
    pair.client.abandon(first);
    assert_eq!(pair.client.end_of(first), None);
    pair.drive();
    pair.server.reply(3, &[2]);
    pair.drive();
    pair.client.expect_value(second, &[2]);
}

#[test]
fn callers_that_give_up_again_and_again_leave_nothing_behind() {
    let mut pair = Pair::narrow();
    pair.client.calls(16, ADD);
    for _ in 0..1000 {
        let call = pair.client.call(ADD);
        pair.client.abandon(call);
    }
    assert_eq!(pair.client.session.rows().0, 32, "16 rows that wait for 16 answers");
    pair.drive();
    let call = pair.client.call(MUL);
    pair.server.reply(1, &[0]);
    pair.drive();
    pair.client.expect_waiting(call);
    assert_eq!(pair.client.said().last(), Some(&Request(33)));
}

#[test]
fn a_version_that_is_not_spoken_is_told_to_those_who_wait() {
    let mut client = End::new(Side::Connecting, Settings::FLOOR);
    let call = client.call(ADD);
    client.flush();
    let Frame::Hello(mut hello) = hello(Side::Accepting, Settings::FLOOR) else { unreachable!() };
    hello.version = 2;
    client.hear(&Frame::Hello(hello));
    assert_eq!(client.expect_end(call), Terminal::Closed { sent: true });
    assert_eq!(client.said().last(), Some(&Goaway(0, GoawayCode::Version)));
}

#[test]
fn small_calls_are_not_starved_of_slots_by_large_ones() {
    let mut pair = Pair::greeted(Settings::FLOOR, roomy(64 << 10, 8 << 20));
    pair.client.calls(16, ADD.of(LARGE));
    let before = pair.client.call(ADD.of(LARGE));
    let small = pair.client.call(ADD);
    for _ in 0..2 {
        pair.client.call(ADD.of(LARGE));
        pair.drive();
        let xid = pair.server.expect_request(ADD.of(LARGE));
        pair.server.reply(xid, &[1]);
        pair.drive();
    }
    pair.client.expect_waiting(before);
    pair.client.expect_waiting(small);
    for _ in 0..15 {
        pair.server.expect_request(ADD.of(LARGE));
    }
    // The large one was first, and the small one came before all that followed.
    pair.server.expect_request(ADD);
}
