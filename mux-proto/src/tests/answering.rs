//! Requests, from their arrival to the one answer each of them gets.

use super::pair::Spoken::{Cancel, Fault, Goaway, Reply, Request};
use super::pair::{ADD, End, MUL, Pair, request, roomy};
use crate::session::message::Answer;
use crate::thin_list::ThinList;
use crate::wire::fault;
use crate::wire::fault::FaultCode;
use crate::wire::fault::GoawayCode;
use crate::wire::frame::Frame;
use crate::wire::settings::Settings;

#[test]
fn every_request_gets_one_terminal() {
    let mut pair = Pair::narrow();
    pair.client.call(ADD);
    pair.drive();
    pair.server.said();
    let xid = pair.server.expect_request(ADD);
    pair.server.reply(xid, &[1]);
    pair.server.reply(xid, &[2]);
    pair.server.fault(xid, FaultCode::Failed);
    pair.server.drop_handler(xid);
    assert_eq!(pair.server.said(), [Reply(1)]);
}

#[test]
fn every_request_gets_one_terminal_also_after_cancel() {
    let mut pair = Pair::narrow();
    let calls = pair.client.calls(3, ADD);
    pair.drive();
    let xids = [(); 3].map(|()| pair.server.expect_request(ADD));
    for xid in xids {
        pair.server.attach(xid);
    }
    for call in calls {
        pair.client.abandon(call);
    }
    pair.drive();
    assert_eq!(pair.server.stopped, xids, "each handler is told to stop, once");
    assert_eq!(pair.server.said(), [], "an answer waits until its handler has ended");
    pair.server.reply(xids[0], &[1]);
    pair.server.drop_handler(xids[1]);
    pair.server.fault(xids[2], FaultCode::App);
    pair.drive();
    assert_eq!(pair.server.said(), [Reply(1), Fault(3, FaultCode::Cancelled), Fault(5, FaultCode::App)]);
    pair.expect_no_rows();
}

#[test]
fn a_cancel_after_the_answer_stops_nobody() {
    let mut pair = Pair::narrow();
    let call = pair.client.call(ADD);
    pair.drive();
    let xid = pair.server.expect_request(ADD);
    pair.server.attach(xid);
    pair.server.reply(xid, &[1]);
    pair.client.abandon(call);
    pair.drive();
    assert_eq!(pair.server.heard().last(), Some(&Cancel(1)));
    assert!(pair.server.stopped.is_empty());
    pair.expect_no_rows();
}

#[test]
fn a_handler_that_begins_after_the_cancel_is_not_wanted() {
    let mut pair = Pair::narrow();
    let call = pair.client.call(ADD);
    pair.client.abandon(call);
    pair.drive();
    let xid = pair.server.next_request().xid;
    pair.server.session.park(xid);
    assert!(!pair.server.session.start(xid));
    assert!(pair.server.session.is_stopped(xid));
    pair.server.attach(xid);
    assert_eq!(pair.server.stopped, [xid], "what stops it is given back, to stop it at once");
    pair.server.drop_handler(xid);
    pair.drive();
    pair.expect_no_rows();
}

#[test]
fn a_deadline_stops_the_handler_and_the_asker_is_told() {
    let mut pair = Pair::narrow();
    pair.client.call(ADD.within(50));
    pair.drive();
    let xid = pair.server.expect_request(ADD);
    pair.server.attach(xid);
    pair.server.now = 50;
    assert_eq!(pair.server.expire(), None);
    assert_eq!(pair.server.stopped, [xid]);
    pair.server.drop_handler(xid);
    assert_eq!(pair.server.said().last(), Some(&Fault(1, FaultCode::TimedOut)));
}

#[test]
fn a_deadline_at_both_sides_ends_the_call_once_at_each() {
    let mut pair = Pair::narrow();
    let call = pair.client.call(ADD.within(50));
    pair.drive();
    let xid = pair.server.expect_request(ADD);
    pair.server.attach(xid);
    pair.pass(50);
    pair.drive();
    assert_eq!(pair.server.stopped, [xid], "by its own clock, and not again by the cancel");
    pair.server.drop_handler(xid);
    pair.drive();
    pair.client.expect_end(call);
    assert_eq!(pair.client.heard(), [Fault(1, FaultCode::TimedOut)]);
    pair.expect_no_rows();
}

#[test]
fn the_next_deadline_is_the_earliest_of_calls_and_handlers() {
    let mut pair = Pair::narrow();
    pair.client.call(ADD.within(80));
    pair.server.call(ADD.within(60));
    pair.drive();
    pair.client.now = 10;
    assert_eq!(pair.client.expire(), Some(60));
    pair.client.now = 60;
    assert_eq!(pair.client.expire(), Some(80));
}

#[test]
fn a_timeout_of_all_the_time_there_is_overflows_nothing() {
    let mut end = End::scripted(Settings::FLOOR);
    end.now = 1_000_000;
    let meta = b"\x81\xaatimeout_ms\xcf\xff\xff\xff\xff\xff\xff\xff\xff";
    end.hear(&Frame::Request { xid: 1, method: "calc.add".into(), meta: Some(meta), args: &[0x90] });
    let year = 365 * 24 * 60 * 60 * 1000;
    assert_eq!(end.next_request().deadline, Some(1_000_000 + year));
}

#[test]
fn a_reply_too_large_for_its_asker_becomes_a_fault() {
    let mut pair = Pair::narrow();
    let call = pair.client.call(ADD);
    pair.drive();
    pair.server.reply(1, &vec![0xc0; (64 << 10) + 1]);
    pair.drive();
    let fault = pair.client.expect_fault(call, FaultCode::ReplyTooLarge);
    assert_eq!(fault.message, "reply of 65537 bytes exceeds the asker's limit of 65536");
    pair.client.call(ADD);
    pair.drive();
    pair.server.reply(3, &vec![0xc0; 64 << 10]);
    assert_eq!(pair.server.said().last(), Some(&Reply(3)));
}

#[test]
fn a_fault_whose_detail_is_too_large_says_so_instead() {
    let mut pair = Pair::narrow();
    let call = pair.client.call(ADD);
    pair.drive();
    let fault = fault::Fault { detail: vec![0xc0; (64 << 10) + 1], ..fault::Fault::new(FaultCode::App, "") };
    pair.server.session.finish(1, Answer::fault(fault), ThinList::new(), &mut pair.server.outbox);
    pair.drive();
    pair.client.expect_fault(call, FaultCode::ReplyTooLarge);
}

#[test]
fn a_long_message_is_cut_between_characters() {
    let mut pair = Pair::narrow();
    let call = pair.client.call(ADD);
    pair.drive();
    let message = format!("x{}", "ü".repeat(100_000));
    let fault = fault::Fault::new(FaultCode::Failed, message.clone());
    pair.server.session.finish(1, Answer::fault(fault), ThinList::new(), &mut pair.server.outbox);
    pair.drive();
    let fault = pair.client.expect_fault(call, FaultCode::Failed);
    assert_eq!(fault.message.len(), (8 << 10) - 1);
    assert!(message.starts_with(&fault.message));
}

#[test]
fn a_faults_detail_travels_and_nil_is_none() {
    for detail in [&b""[..], b"\x92\x01\x02"] {
        let mut pair = Pair::narrow();
        let call = pair.client.call(ADD);
        pair.drive();
        let fault = fault::Fault { detail: detail.to_vec(), ..fault::Fault::new(FaultCode::App, "no") };
        pair.server.session.finish(1, Answer::fault(fault), ThinList::new(), &mut pair.server.outbox);
        pair.drive();
        assert_eq!(pair.client.expect_fault(call, FaultCode::App).detail, detail);
    }
}

#[test]
fn a_slot_is_free_when_its_terminal_has_left_the_outbox() {
    let mut end = End::scripted(Settings::FLOOR);
    for xid in (1..=31).step_by(2) {
        end.hear(&request(xid, &[0x90]));
    }
    end.reply(1, &[0]);
    end.flush();
    end.hear(&request(33, &[0x90]));
    assert_eq!(end.protocol_error, None, "its place was free");
    end.reply(3, &[0]);
    end.hear(&request(35, &[0x90]));
    end.expect_protocol_error("more than 16 requests in flight");
}

#[test]
fn a_request_that_ought_to_have_come_in_chunks_fails_alone() {
    let mut end = End::scripted(roomy(1 << 20, 1 << 20));
    end.hear(&request(1, &vec![0xc0; (16 << 10) + 1]));
    end.hear(&request(3, &[0x90]));
    assert_eq!(end.said().last(), Some(&Fault(1, FaultCode::TooLarge)));
    assert_eq!(end.next_request().xid, 3);
}

#[test]
fn a_second_request_with_a_live_xid_leaves_the_first_handler_stoppable() {
    let mut end = End::scripted(Settings::FLOOR);
    end.hear(&request(1, &[0x90]));
    let xid = end.next_request().xid;
    end.attach(xid);
    end.hear(&request(1, &[0x90]));
    end.expect_protocol_error("a second live request with xid 1");
    assert_eq!(end.stopped, [1]);
}

#[test]
fn both_sides_ask_and_answer_at_once() {
    let mut pair = Pair::narrow();
    let asked = pair.client.call(ADD);
    let asked_back = pair.server.call(MUL);
    pair.drive();
    assert_eq!(pair.server.heard(), [Request(1)]);
    assert_eq!(pair.client.heard(), [Request(2)]);
    pair.server.reply(1, &[1]);
    pair.client.reply(2, &[2]);
    pair.drive();
    pair.client.expect_value(asked, &[1]);
    pair.server.expect_value(asked_back, &[2]);
    pair.expect_no_rows();
}

#[test]
fn a_goaway_names_the_highest_request_that_came() {
    let mut pair = Pair::narrow();
    pair.client.calls(2, ADD);
    pair.drive();
    pair.server.close();
    assert_eq!(pair.server.said().last(), Some(&Goaway(3, GoawayCode::Closed)));
}
