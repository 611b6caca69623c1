//! Large messages: cut, put together, taking turns with everything else, and given up without a trace.

use super::pair::{ADD, End, MUL, Pair, Spoken};
use crate::session::message::Terminal;
use crate::thin_list::ThinList;
use crate::wire::fault::FaultCode;
use crate::wire::frame::Frame;
use crate::wire::settings::Settings;
use crate::wire::xid::Side;
use crate::wire::xid::Xid;

const LARGE: usize = 300 << 10;

fn limits(max_message: u64, max_buffered: u64) -> Settings {
    Settings { max_message, max_buffered, ..Settings::FLOOR }
}

fn pair() -> Pair {
    Pair::greeted(limits(1 << 20, 1 << 20), limits(1 << 20, 1 << 20))
}

fn scripted(ours: Settings) -> End {
    End::scripted(ours)
}

/// The whole frame of a request.
fn message(xid: Xid, body: usize) -> Vec<u8> {
    let args = vec![0xc0; body];
    let frame = Frame::Request { xid, method: "calc.add".into(), meta: None, args: &args };
    let mut bytes = Vec::new();
    frame.put_bare_head(&mut bytes);
    bytes.extend_from_slice(&args);
    bytes
}

fn chunk(id: Xid, remaining: u64, data: &[u8]) -> Frame<'_> {
    Frame::Chunk { id, remaining: Some(remaining), data }
}

fn given_up(id: Xid) -> Frame<'static> {
    Frame::Chunk { id, remaining: None, data: &[] }
}

#[test]
fn requests_replies_faults_and_notifies_go_in_chunks_and_come_whole() {
    let mut pair = pair();
    let (value, fault) = (pair.client.call(ADD.of(LARGE)), pair.client.call(MUL.of(LARGE)));
    let note = pair.client.notify(ADD.of(LARGE));
    pair.drive();
    assert_eq!(pair.client.expect_end(note), Terminal::Sent);
    assert!(pair.client.chunks > 3 * LARGE / (16 << 10));
    let xid = pair.server.expect_request(ADD.of(LARGE));
    let reply: Vec<u8> = (0..LARGE).map(|at| (at % 251) as u8).collect();
    pair.server.reply(xid, &reply);
    let xid = pair.server.expect_request(MUL.of(LARGE));
    let detail = crate::wire::fault::Fault {
        detail: vec![0xc1; LARGE],
        ..crate::wire::fault::Fault::new(FaultCode::App, "")
    };
    pair.server.session.finish(
        xid,
        crate::session::message::Answer::fault(detail),
        ThinList::new(),
        &mut pair.server.outbox,
    );
    assert_eq!(pair.server.finish_note().len, LARGE);
    pair.drive();
    pair.client.expect_value(value, &reply);
    assert_eq!(pair.client.expect_fault(fault, FaultCode::App).detail.len(), LARGE);
    pair.expect_no_rows();
}

#[test]
fn a_small_call_passes_a_large_one_by() {
    let mut pair = pair();
    pair.client.call(ADD.of(LARGE));
    pair.client.flush();
    pair.client.call(MUL);
    pair.client.flush();
    assert_eq!(pair.client.wrote(), [Spoken::Request(3)], "before the large one is whole");
    pair.drive();
    assert_eq!(pair.server.next_request().xid, 3);
    assert_eq!(pair.server.next_request().xid, 1);
}

#[test]
fn a_large_call_that_was_not_begun_is_dropped_without_a_word() {
    let mut pair = pair();
    let call = pair.client.call(ADD.of(LARGE));
    pair.client.abandon(call);
    assert_eq!((pair.client.said(), pair.client.chunks), (vec![], 0));
    pair.expect_no_rows();
}

#[test]
fn a_large_call_that_was_begun_gives_up_the_rest_and_gets_no_answer() {
    let mut pair = pair();
    let call = pair.client.call(ADD.of(LARGE));
    pair.client.flush();
    let begun = pair.client.chunks;
    pair.client.abandon(call);
    assert_eq!((pair.client.said(), pair.client.chunks), (vec![Spoken::Abandoned(1)], begun));
    pair.drive();
    pair.server.expect_no_request();
    pair.expect_no_rows();
}

#[test]
fn a_large_call_that_times_out_while_it_goes_did_not_run() {
    let mut pair = pair();
    let call = pair.client.call(ADD.of(LARGE).within(50));
    pair.client.flush();
    pair.pass(50);
    assert_eq!(pair.client.expect_end(call), Terminal::TimedOut { sent: false });
    pair.drive();
    pair.server.expect_no_request();
    pair.expect_no_rows();
}

#[test]
fn a_large_call_cut_off_by_the_end_of_the_connection_did_not_run() {
    let mut pair = pair();
    let whole = pair.client.call(ADD.of(20 << 10));
    pair.client.flush();
    let cut = pair.client.call(ADD.of(LARGE));
    pair.client.flush();
    pair.client.abort();
    assert_eq!(pair.client.expect_end(whole), Terminal::Closed { sent: true });
    assert_eq!(pair.client.expect_end(cut), Terminal::Closed { sent: false });
}

#[test]
fn a_cancel_gives_up_the_large_reply_under_way() {
    let mut pair = pair();
    let call = pair.client.call(ADD);
    pair.drive();
    let xid = pair.server.expect_request(ADD);
    pair.server.reply(xid, &vec![0; 900 << 10]);
    pair.server.flush();
    pair.carry_all_written();
    pair.client.abandon(call);
    pair.client.flush();
    pair.carry_all_written();
    assert_eq!(pair.server.said(), [Spoken::Abandoned(1), Spoken::Fault(1, FaultCode::Cancelled)]);
    assert!(pair.server.chunks < 20);
    pair.drive();
    pair.expect_no_rows();
    // Its place is free again, at both ends.
    for _ in 0..20 {
        let call = pair.client.call(ADD);
        pair.drive();
        let xid = pair.server.expect_request(ADD);
        pair.server.reply(xid, &[1]);
        pair.drive();
        pair.client.expect_value(call, &[1]);
    }
}

#[test]
fn a_hundred_large_calls_all_end_within_the_peers_room() {
    let mut pair =
        Pair::greeted(limits(1 << 20, 1 << 20), Settings { max_in_flight: 200, ..limits(1 << 20, 1 << 20) });
    let calls = pair.client.calls(100, ADD.of(LARGE));
    let mut answered = 0;
    while answered < 100 {
        pair.drive();
        assert!(pair.server.requests.len() * LARGE <= 1 << 20, "{} at once", pair.server.requests.len());
        let xid = pair.server.expect_request(ADD.of(LARGE));
        pair.server.reply(xid, &[1]);
        answered += 1;
    }
    pair.drive();
    calls.into_iter().for_each(|call| pair.client.expect_value(call, &[1]));
    pair.expect_no_rows();
}

#[test]
fn answers_never_wait_behind_questions() {
    let mut pair = pair();
    // The server's room is full of questions that wait for an answer to one of its own.
    pair.client.calls(4, ADD.of(250 << 10));
    pair.drive();
    let call = pair.server.call(MUL);
    pair.drive();
    let xid = pair.client.expect_request(MUL);
    pair.client.reply(xid, &vec![7; 900 << 10]);
    pair.drive();
    pair.server.expect_value(call, &vec![7; 900 << 10]);
}

#[test]
fn a_handler_may_not_wait_for_room_for_a_large_call() {
    let mut pair = Pair::greeted(limits(1 << 20, 1 << 20), limits(1 << 20, 1 << 20));
    pair.client.call(ADD.of(900 << 10));
    let nested = pair.client.call(ADD.of(900 << 10).nested());
    pair.client.expect_fault(nested, FaultCode::Overloaded);
}

#[test]
fn notifies_keep_their_order_behind_a_large_one() {
    let mut pair =
        Pair::greeted(limits(1 << 20, 1 << 20), Settings { window: 1 << 20, ..limits(1 << 20, 1 << 20) });
    pair.client.notify(ADD.of(LARGE));
    let small = pair.client.notify(MUL);
    pair.client.expect_waiting(small);
    pair.drive();
    assert_eq!(pair.client.expect_end(small), Terminal::Sent);
    let methods: Vec<_> = pair.server.notes.iter().map(|note| note.method.as_str()).collect();
    assert_eq!(methods, ["calc.add", "calc.multiply"]);
}

#[test]
fn a_drain_refuses_the_large_request_that_is_not_whole() {
    let mut pair = pair();
    let call = pair.client.call(ADD.of(LARGE));
    pair.client.flush();
    pair.carry_all_written();
    pair.server.drain();
    pair.drive();
    let fault = pair.client.expect_fault(call, FaultCode::Draining);
    assert!(fault.code.did_not_run());
    pair.server.expect_no_request();
    assert!(pair.server.session.is_drained());
    pair.expect_no_rows();
}

#[test]
fn a_large_request_waits_for_the_hello_and_a_small_one_does_not() {
    let mut pair = Pair::new(limits(1 << 20, 1 << 20), limits(1 << 20, 1 << 20));
    pair.client.call(ADD.of(LARGE));
    pair.client.call(MUL);
    assert_eq!(pair.client.said(), [Spoken::Hello, Spoken::Request(1)]);
    pair.drive();
    assert_eq!(pair.server.requests.len(), 2);
}

// Protocol errors, and what is none.

#[test]
fn a_message_over_the_limit_is_refused_alone_and_early() {
    let mut end = scripted(limits(64 << 10, 64 << 10));
    let whole = message(1, 1 << 20);
    let (first, rest) = whole.split_at(16 << 10);
    end.hear(&chunk(1, rest.len() as u64, first));
    assert_eq!(end.said(), [Spoken::Fault(1, FaultCode::TooLarge)], "the rest has not come");
    let mut left = rest.len();
    for part in rest.chunks(16 << 10) {
        left -= part.len();
        end.hear(&chunk(1, left as u64, part));
    }
    end.expect_no_request();
    end.hear(&super::pair::request(3, &[0x90]));
    assert_eq!(end.next_request().xid, 3);
    assert_eq!((end.session.open_rows(), end.protocol_error), ((0, 0), None));
}

#[test]
fn a_refused_message_may_be_given_up() {
    let mut end = scripted(limits(64 << 10, 64 << 10));
    let whole = message(1, 1 << 20);
    end.hear(&chunk(1, (whole.len() - 100) as u64, &whole[..100]));
    assert_eq!(end.said(), [Spoken::Fault(1, FaultCode::TooLarge)]);
    end.hear(&given_up(1));
    assert_eq!((end.session.open_rows(), end.protocol_error), ((0, 0), None));
}

#[test]
fn a_reply_over_the_limit_fails_its_call_alone() {
    let mut end = scripted(limits(64 << 10, 64 << 10));
    let call = end.call(ADD);
    let mut bytes = Vec::new();
    Frame::Reply { xid: 2, meta: None, value: &[] }.put_bare_head(&mut bytes);
    bytes.resize(1 << 20, 0xc0);
    end.hear(&chunk(2, (bytes.len() - 1000) as u64, &bytes[..1000]));
    end.expect_fault(call, FaultCode::ReplyTooLarge);
    assert_eq!(end.protocol_error, None);
}

#[test]
fn a_message_over_the_limit_without_a_head_in_its_first_chunk_is_a_protocol_error() {
    let mut end = scripted(limits(64 << 10, 64 << 10));
    end.hear(&chunk(1, 1 << 30, &message(1, 8)[..4]));
    end.expect_protocol_error("whose first chunk has no head");
}

#[test]
fn totals_that_lie_are_protocol_errors() {
    let whole = message(1, 100);
    for remaining in [0, 60, 62, u64::MAX] {
        let mut end = scripted(limits(64 << 10, 64 << 10));
        end.hear(&chunk(1, (whole.len() - 10) as u64, &whole[..10]));
        end.hear(&chunk(1, remaining, &whole[10..50]));
        end.expect_protocol_error("a chunk of 40 bytes");
    }
    let mut end = scripted(limits(64 << 10, 64 << 10));
    end.hear(&chunk(1, u64::MAX, &whole[..10]));
    end.expect_protocol_error("begins message 1");
}

#[test]
fn a_chunk_without_data_is_a_protocol_error() {
    for remaining in [0, 10] {
        let mut end = scripted(limits(64 << 10, 64 << 10));
        end.hear(&chunk(1, remaining, &[]));
        end.expect_protocol_error("a chunk of 0 bytes");
    }
}

#[test]
fn chunks_of_two_messages_under_one_id_are_a_protocol_error() {
    let whole = message(1, 20 << 10);
    let mut end = scripted(limits(64 << 10, 64 << 10));
    end.hear(&chunk(1, (whole.len() - 100) as u64, &whole[..100]));
    end.hear(&chunk(1, (whole.len() - 100) as u64, &whole[..100]));
    end.expect_protocol_error("where message 1 lacks");
}

#[test]
fn chunks_that_are_a_message_of_another_id_are_a_protocol_error() {
    let whole = message(3, 100);
    let mut end = scripted(limits(64 << 10, 64 << 10));
    end.hear(&chunk(1, 0, &whole));
    end.expect_protocol_error("the chunks of 1 are not a message of that id");
}

#[test]
fn chunks_that_are_no_message_are_a_protocol_error() {
    let mut bytes = Vec::new();
    Frame::Ping { nonce: 1 }.put_bare_head(&mut bytes);
    for whole in [&bytes[..], b"\xc1", &message(1, 0)] {
        let mut end = scripted(limits(64 << 10, 64 << 10));
        end.hear(&chunk(1, 0, whole));
        assert!(end.protocol_error.is_some(), "{whole:?}");
    }
}

#[test]
fn a_message_that_nobody_asked_for_is_a_protocol_error_and_so_is_giving_up_none() {
    let mut end = scripted(limits(64 << 10, 64 << 10));
    end.hear(&chunk(2, 100, &[0]));
    end.expect_protocol_error("which nobody asked for");
    let mut end = scripted(limits(64 << 10, 64 << 10));
    end.hear(&given_up(1));
    end.expect_protocol_error("was never begun");
}

#[test]
fn more_than_max_buffered_at_once_is_a_protocol_error() {
    let mut end = scripted(limits(64 << 10, 64 << 10));
    for xid in [1, 3] {
        let whole = message(xid, 40 << 10);
        end.hear(&chunk(xid, (whole.len() - 100) as u64, &whole[..100]));
    }
    end.expect_protocol_error("more than 65536 bytes of large messages at once");
}

#[test]
fn requests_count_until_they_are_answered() {
    let mut end = scripted(limits(64 << 10, 64 << 10));
    for xid in [1, 3, 5] {
        let whole = message(xid, 60 << 10);
        end.hear(&chunk(xid, 0, &whole));
        assert_eq!(end.protocol_error, None);
        let xid = end.next_request().xid;
        end.reply(xid, &[0]);
    }
    end.hear(&chunk(7, 0, &message(7, 60 << 10)));
    end.hear(&chunk(9, 0, &message(9, 60 << 10)));
    end.expect_protocol_error("large messages at once");
}

#[test]
fn uploads_given_up_a_hundred_thousand_times_leave_nothing() {
    let mut end = scripted(limits(1 << 20, 1 << 20));
    let whole = message(1, 100 << 10);
    for turn in 0..100_000 {
        let id = 2 * turn + 1;
        end.hear(&chunk(id, (whole.len() - 10) as u64, &whole[..10]));
        end.hear(&given_up(id));
    }
    assert_eq!((end.session.open_rows(), end.session.rows(), end.protocol_error), ((0, 0), (0, 0), None));
}

#[test]
fn a_chunk_before_the_hello_is_a_protocol_error() {
    let mut end = End::new(Side::Accepting, limits(64 << 10, 64 << 10));
    end.hear(&chunk(1, 0, &message(1, 100)));
    end.expect_protocol_error("the first frame is not a hello");
}
