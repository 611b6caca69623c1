//! Drain and close: what is finished, what is refused, and what those who wait are told.

use super::pair::Spoken::{Fault, Goaway, Reply, Request};
use super::pair::{ADD, End, MUL, Pair, request};
use crate::session::message::Terminal;
use crate::wire::fault::FaultCode;
use crate::wire::fault::GoawayCode;
use crate::wire::frame::Frame;
use crate::wire::settings::Settings;

#[test]
fn a_drain_lets_what_runs_finish_and_refuses_what_is_new() {
    let mut pair = Pair::narrow();
    let running = pair.client.call(ADD);
    pair.drive();
    let xid = pair.server.expect_request(ADD);
    pair.server.drain();
    assert_eq!(pair.server.said(), [Goaway(1, GoawayCode::Draining)]);
    pair.drive();
    let new = pair.client.call(ADD);
    pair.client.expect_fault(new, FaultCode::Draining);
    let note = pair.client.notify(ADD);
    pair.client.expect_fault(note, FaultCode::Draining);
    assert!(!pair.server.session.is_drained());
    pair.server.reply(xid, &[1]);
    pair.drive();
    pair.client.expect_value(running, &[1]);
    assert!(pair.server.session.is_drained());
    pair.expect_no_rows();
}

#[test]
fn the_draining_end_makes_no_new_calls_and_still_gets_its_answers() {
    let mut pair = Pair::narrow();
    let running = pair.server.call(ADD);
    pair.drive();
    pair.server.drain();
    let new = pair.server.call(ADD);
    pair.server.expect_fault(new, FaultCode::Draining);
    let note = pair.server.notify(ADD);
    pair.server.expect_fault(note, FaultCode::Draining);
    assert!(!pair.server.session.is_drained(), "it waits for its own answers too");
    pair.client.reply(2, &[1]);
    pair.drive();
    pair.server.expect_value(running, &[1]);
    assert!(pair.server.session.is_drained());
}

#[test]
fn calls_above_the_goaways_xid_are_refused_and_were_not_run() {
    let mut pair = Pair::narrow();
    let before = pair.client.call(ADD);
    pair.drive();
    pair.server.drain();
    let meanwhile = pair.client.calls(2, ADD);
    pair.client.flush();
    pair.drive();
    for call in meanwhile {
        assert!(pair.client.expect_fault(call, FaultCode::Draining).code.did_not_run());
    }
    assert_eq!(pair.server.requests.len(), 1);
    assert_eq!(
        pair.server.said(),
        [Goaway(1, GoawayCode::Draining), Fault(3, FaultCode::Draining), Fault(5, FaultCode::Draining)]
    );
    pair.server.reply(1, &[1]);
    pair.drive();
    pair.client.expect_value(before, &[1]);
    pair.expect_no_rows();
}

#[test]
fn a_drain_refuses_what_waits_for_room_at_both_ends() {
    let mut pair = Pair::narrow();
    let calls = pair.client.calls(17, ADD);
    let back = pair.server.calls(17, MUL);
    let note = pair.server.notify(ADD.of(16 << 10));
    let queued = pair.server.notify(ADD);
    pair.server.expect_end(note);
    pair.server.expect_waiting(queued);
    pair.server.drain();
    pair.server.expect_fault(back[16], FaultCode::Draining);
    pair.server.expect_fault(queued, FaultCode::Draining);
    pair.drive();
    pair.client.expect_fault(calls[16], FaultCode::Draining);
    assert!(!pair.client.said().contains(&Request(33)));
}

#[test]
fn handlers_of_a_draining_end_may_ask_its_peer() {
    let mut pair = Pair::narrow();
    let outer = pair.client.call(ADD);
    pair.drive();
    let xid = pair.server.expect_request(ADD);
    pair.server.drain();
    pair.drive();
    let inner = pair.server.call(MUL.nested());
    pair.server.notify(MUL.nested());
    pair.drive();
    assert_eq!(pair.client.notes.len(), 1);
    let back = pair.client.expect_request(MUL);
    pair.client.reply(back, &[6]);
    pair.drive();
    pair.server.expect_value(inner, &[6]);
    pair.server.reply(xid, &[7]);
    pair.drive();
    pair.client.expect_value(outer, &[7]);
    assert!(pair.server.session.is_drained());
}

#[test]
fn a_drain_is_announced_once() {
    let mut pair = Pair::narrow();
    pair.server.drain();
    pair.server.drain();
    assert_eq!(pair.server.said(), [Goaway(0, GoawayCode::Draining)]);
}

#[test]
fn both_ends_may_drain_at_once() {
    let mut pair = Pair::narrow();
    let calls = (pair.client.call(ADD), pair.server.call(MUL));
    pair.drive();
    pair.client.drain();
    pair.server.drain();
    pair.drive();
    pair.server.reply(1, &[1]);
    pair.client.reply(2, &[2]);
    pair.drive();
    pair.client.expect_value(calls.0, &[1]);
    pair.server.expect_value(calls.1, &[2]);
    assert!(pair.client.session.is_drained() && pair.server.session.is_drained());
}

#[test]
fn a_drain_before_the_hello_ends_well() {
    let mut pair = Pair::new(Settings::FLOOR, Settings::FLOOR);
    let calls = pair.client.calls(17, ADD);
    pair.server.drain();
    pair.drive();
    for call in calls {
        pair.client.expect_fault(call, FaultCode::Draining);
    }
    assert!(pair.server.session.is_drained());
    pair.expect_no_rows();
}

#[test]
fn a_close_tells_those_who_wait_whether_they_were_sent() {
    let mut pair = Pair::narrow();
    let sent = pair.client.call(ADD);
    let queued = pair.client.calls(16, ADD)[15];
    pair.client.flush();
    pair.client.close();
    assert_eq!(pair.client.expect_end(sent), Terminal::Closed { sent: true });
    assert_eq!(pair.client.expect_end(queued), Terminal::Closed { sent: false });
    let late = pair.client.call(ADD);
    assert_eq!(pair.client.expect_end(late), Terminal::Closed { sent: false });
    let late = pair.client.notify(ADD);
    assert_eq!(pair.client.expect_end(late), Terminal::Closed { sent: false });
}

/// Who is told `sent: false` may try again elsewhere.
#[test]
fn what_a_close_calls_unsent_does_not_go_out_after_it() {
    let mut pair = Pair::narrow();
    let call = pair.client.call(ADD);
    pair.client.close();
    let Terminal::Closed { sent } = pair.client.expect_end(call) else { panic!("not closed") };
    assert_eq!(sent, pair.client.said().contains(&Request(1)));
}

#[test]
fn what_is_called_unsent_when_the_peer_sends_no_more_does_not_go_out_after_it() {
    let mut pair = Pair::narrow();
    let call = pair.client.call(ADD);
    pair.client.half_close();
    let Terminal::Closed { sent } = pair.client.expect_end(call) else { panic!("not closed") };
    assert_eq!(sent, pair.client.said().contains(&Request(1)));
}

#[test]
fn a_connection_that_breaks_tells_what_it_had_not_written_that_it_was_not_sent() {
    let mut pair = Pair::narrow();
    let written = pair.client.call(ADD);
    pair.client.flush();
    let unwritten = pair.client.call(ADD);
    pair.client.abort();
    assert_eq!(pair.client.expect_end(written), Terminal::Closed { sent: true });
    assert_eq!(pair.client.expect_end(unwritten), Terminal::Closed { sent: false });
    assert_eq!(pair.client.said(), [Request(1)]);
}

#[test]
fn a_close_answers_what_waits_for_a_thread_before_its_goaway() {
    let mut pair = Pair::narrow();
    let runs = pair.client.call(ADD);
    let parked = pair.client.call(MUL);
    let begun = pair.client.call(MUL);
    pair.drive();
    let xids = [(); 3].map(|()| pair.server.next_request().xid);
    pair.server.attach(xids[0]);
    pair.server.attach(xids[1]);
    pair.server.session.park(xids[1]);
    pair.server.session.park(xids[2]);
    assert!(pair.server.session.start(xids[2]));
    pair.server.close();
    assert_eq!(pair.server.said(), [Fault(3, FaultCode::Draining), Goaway(5, GoawayCode::Closed)]);
    assert_eq!(pair.server.stopped, [xids[1], xids[0]]);
    pair.drive();
    assert!(pair.client.expect_fault(parked, FaultCode::Draining).code.did_not_run());
    assert_eq!(pair.client.expect_end(runs), Terminal::Closed { sent: true });
    assert_eq!(pair.client.expect_end(begun), Terminal::Closed { sent: true });
    pair.expect_no_rows();
}

#[test]
fn answers_that_were_queued_leave_before_the_goaway() {
    let mut pair = Pair::narrow();
    let call = pair.client.call(ADD);
    pair.drive();
    pair.server.reply(1, &[1]);
    pair.server.close();
    assert_eq!(pair.server.said(), [Reply(1), Goaway(1, GoawayCode::Closed)]);
    pair.drive();
    pair.client.expect_value(call, &[1]);
}

#[test]
fn a_peer_that_closed_never_ran_what_is_above_its_goaway() {
    let mut pair = Pair::narrow();
    let call = pair.client.call(ADD);
    pair.drive();
    pair.server.attach(1);
    pair.server.close();
    let meanwhile = pair.client.call(ADD);
    pair.drive();
    assert_eq!(pair.client.goodbye.as_deref(), Some("bye"));
    pair.client.expect_fault(meanwhile, FaultCode::Draining);
    assert_eq!(pair.client.expect_end(call), Terminal::Closed { sent: true });
    pair.expect_no_rows();
}

#[test]
fn a_close_is_announced_once_and_nothing_follows_it() {
    let mut pair = Pair::narrow();
    pair.client.call(ADD);
    pair.drive();
    let xid = pair.server.expect_request(ADD);
    pair.server.close();
    pair.server.close();
    pair.server.reply(xid, &[1]);
    pair.server.drop_handler(xid);
    pair.server.drain();
    assert!(pair.server.session.finish_notify(1 << 20, &mut pair.server.outbox));
    pair.server.hear(&request(3, &[0x90]));
    pair.server.hear(&Frame::Ping { nonce: 1 });
    assert_eq!(pair.server.said(), [Goaway(1, GoawayCode::Closed)]);
    assert_eq!(pair.server.requests.len(), 0);
}

#[test]
fn a_handler_of_a_closed_connection_is_stopped_when_it_attaches() {
    let mut pair = Pair::narrow();
    pair.client.call(ADD);
    pair.drive();
    let xid = pair.server.expect_request(ADD);
    pair.server.close();
    assert!(pair.server.session.is_stopped(xid));
    pair.server.attach(xid);
    assert_eq!(pair.server.stopped, [xid]);
}

#[test]
fn a_peer_that_sends_no_more_is_still_answered() {
    let mut pair = Pair::narrow();
    let running = pair.client.call(ADD);
    let waiting = pair.server.call(MUL);
    pair.drive();
    pair.server.said();
    let xid = pair.server.expect_request(ADD);
    pair.server.half_close();
    assert_eq!(pair.server.expect_end(waiting), Terminal::Closed { sent: true });
    let late = pair.server.call(MUL.nested());
    pair.server.expect_fault(late, FaultCode::Draining);
    assert!(!pair.server.session.owes_nothing());
    pair.server.reply(xid, &[1]);
    assert_eq!(pair.server.said(), [Reply(1)]);
    assert!(pair.server.session.owes_nothing());
    pair.drive();
    pair.client.expect_value(running, &[1]);
}

#[test]
fn a_goaway_of_an_unknown_code_is_a_close() {
    let mut end = End::scripted(Settings::FLOOR);
    let call = end.call(ADD);
    assert_eq!(end.said().last(), Some(&Request(2)));
    end.hear(&Frame::Goaway { last: 2, code: GoawayCode::Other(77), message: "tired" });
    assert_eq!(end.goodbye.as_deref(), Some("tired"));
    assert_eq!(end.expect_end(call), Terminal::Closed { sent: true });
}

#[test]
fn a_goaway_may_come_instead_of_a_hello() {
    let mut end = End::new(crate::wire::xid::Side::Connecting, Settings::FLOOR);
    end.hear(&Frame::Goaway { last: 0, code: GoawayCode::Version, message: "version 1 is not spoken here" });
    assert_eq!(end.protocol_error, None);
    assert_eq!(end.goodbye.as_deref(), Some("version 1 is not spoken here"));
}
