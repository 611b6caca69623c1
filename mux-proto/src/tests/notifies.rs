//! Notifies and the credit they spend.

use super::pair::Spoken::{Credit, Hello, Notify};
use super::pair::{ADD, End, MUL, Pair, hello, roomy};
use crate::session::message::Terminal;
use crate::wire::fault::FaultCode;
use crate::wire::frame::Frame;
use crate::wire::settings::Settings;
use crate::wire::xid::Side;

/// Spends the floor of a window, 16 KiB, by one.
const WINDOW: usize = 16 << 10;

#[test]
fn a_notify_goes_and_nothing_comes_back() {
    let mut pair = Pair::narrow();
    let note = pair.client.notify(ADD);
    assert_eq!(pair.client.expect_end(note), Terminal::Sent);
    pair.drive();
    assert_eq!(pair.server.notes[0].method, "calc.add");
    assert_eq!(pair.server.finish_note().cost, 256 + 3);
    assert_eq!(pair.server.said(), []);
    pair.expect_no_rows();
}

#[test]
fn notifies_within_the_floor_go_before_the_hello_comes() {
    let mut client = End::new(Side::Connecting, Settings::FLOOR);
    client.notify(ADD);
    assert_eq!(client.said(), [Hello, Notify]);
}

#[test]
fn a_window_that_is_spent_stops_the_sender_and_a_grant_resumes_it() {
    let mut pair = Pair::narrow();
    let notes: Vec<_> = (0..100).map(|_| pair.client.notify(ADD)).collect();
    pair.drive();
    let went = WINDOW.div_ceil(256 + 3);
    assert_eq!(pair.client.said().len(), went);
    pair.client.expect_waiting(notes[went]);
    let credits = (0..went).map(|_| pair.server.finish_note().cost).sum::<u64>();
    pair.drive();
    assert!(credits >= WINDOW as u64);
    let granted = pair.client.heard();
    assert!(matches!(granted[..], [Credit(_), Credit(_)]), "in halves: {granted:?}");
    assert_eq!(pair.client.expect_end(notes[99]), Terminal::Sent);
    assert_eq!(pair.client.said().len(), 100 - went);
}

#[test]
fn notifies_that_waited_go_in_their_order() {
    let mut pair = Pair::narrow();
    pair.client.notify(ADD.of(WINDOW));
    for len in 1..=9 {
        pair.client.notify(ADD.of(len));
    }
    pair.drive();
    pair.server.finish_note();
    pair.drive();
    let lens: Vec<usize> = pair.server.notes.iter().map(|note| note.len).collect();
    assert_eq!(lens, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn a_small_notify_does_not_overtake_a_large_one_that_waits_for_the_hello() {
    let mut pair = Pair::new(Settings::FLOOR, Settings { window: 64 << 10, ..roomy(64 << 10, 64 << 10) });
    pair.client.notify(ADD.of(20 << 10));
    pair.client.notify(MUL);
    assert_eq!(pair.client.said(), [Hello]);
    pair.drive();
    let lens: Vec<usize> = pair.server.notes.iter().map(|note| note.len).collect();
    assert_eq!(lens, [20 << 10, 5]);
}

#[test]
fn a_notify_larger_than_the_window_passes_and_the_next_waits() {
    let mut pair = Pair::greeted(Settings::FLOOR, roomy(64 << 10, 64 << 10));
    let large = pair.client.notify(ADD.of(60 << 10));
    let next = pair.client.notify(ADD);
    assert_eq!(pair.client.expect_end(large), Terminal::Sent);
    pair.drive();
    pair.client.expect_waiting(next);
    pair.server.finish_note();
    pair.drive();
    assert_eq!(pair.client.expect_end(next), Terminal::Sent);
    assert_eq!(pair.server.protocol_error, None);
}

#[test]
fn calls_do_not_wait_behind_notifies() {
    let mut pair = Pair::narrow();
    pair.client.notify(ADD.of(WINDOW));
    pair.client.notify(ADD);
    pair.client.call(MUL);
    pair.drive();
    pair.server.expect_request(MUL);
}

#[test]
fn a_window_over_spent_ends_the_connection() {
    let mut end = End::scripted(Settings::FLOOR);
    let args = vec![0xc0; WINDOW];
    let note = Frame::Notify { method: "calc.add".into(), meta: None, args: &args };
    end.hear(&note);
    assert_eq!(end.protocol_error, None);
    end.hear(&note);
    end.expect_protocol_error("a notify without credit");
}

#[test]
fn handlers_count_against_the_window_however_small_their_arguments() {
    let mut end = End::scripted(Settings::FLOOR);
    let sent = (0..1000).take_while(|_| {
        end.hear(&Frame::Notify { method: "calc.add".into(), meta: None, args: &[0x90] });
        end.protocol_error.is_none()
    });
    assert_eq!(sent.count(), WINDOW.div_ceil(256 + 1));
}

#[test]
fn meta_counts_against_the_window() {
    let mut pair = Pair::narrow();
    let first = pair.client.notify(ADD.with_meta(WINDOW));
    assert_eq!(pair.client.expect_end(first), Terminal::Sent);
    let second = pair.client.notify(ADD);
    pair.client.expect_waiting(second);
    pair.drive();
    pair.server.finish_note();
    pair.drive();
    assert_eq!(pair.client.expect_end(second), Terminal::Sent);
}

#[test]
fn a_nested_notify_without_credit_is_overloaded() {
    let mut pair = Pair::narrow();
    pair.client.notify(ADD.of(WINDOW));
    let nested = pair.client.notify(ADD.nested());
    pair.client.expect_fault(nested, FaultCode::Overloaded);
}

#[test]
fn a_queued_notify_goes_though_its_caller_is_gone() {
    let mut pair = Pair::narrow();
    pair.client.notify(ADD.of(WINDOW));
    let dropped = pair.client.notify(ADD);
    let next = pair.client.notify(MUL);
    pair.client.abandon(dropped);
    pair.drive();
    pair.server.finish_note();
    pair.drive();
    assert_eq!(pair.client.expect_end(next), Terminal::Sent);
    let methods: Vec<_> = pair.server.notes.iter().map(|note| note.method.as_str()).collect();
    assert_eq!(methods, ["calc.add", "calc.multiply"]);
    pair.expect_no_rows();
}

#[test]
fn a_queued_notify_that_timed_out_is_not_told_that_it_was_sent() {
    let mut pair = Pair::narrow();
    pair.client.notify(ADD.of(WINDOW));
    let late = pair.client.notify(ADD.within(50));
    pair.drive();
    pair.pass(50);
    // Its caller has not looked yet when the credit comes.
    pair.server.finish_note();
    pair.drive();
    assert!(pair.server.notes.is_empty());
    assert_eq!(pair.client.expect_end(late), Terminal::TimedOut { sent: false });
}

#[test]
fn a_notify_that_the_hello_forbids_is_not_told_that_it_was_sent() {
    let mut pair = Pair::new(Settings::FLOOR, roomy(64 << 10, 64 << 10));
    let note = pair.client.notify(ADD.of((64 << 10) + 1));
    pair.drive();
    assert!(pair.server.notes.is_empty());
    pair.client.expect_fault(note, FaultCode::TooLarge);
}

#[test]
fn a_close_tells_notifies_that_waited() {
    let mut pair = Pair::narrow();
    pair.client.notify(ADD.of(WINDOW));
    let note = pair.client.notify(ADD);
    pair.client.close();
    assert_eq!(pair.client.expect_end(note), Terminal::Closed { sent: false });
}

#[test]
fn a_notify_that_is_not_run_gives_its_credit_back() {
    let mut end = End::scripted(Settings::FLOOR);
    end.hear(&Frame::Notify { method: "calc.add".into(), meta: None, args: &[0xc0; WINDOW + 1] });
    assert!(end.notes.is_empty());
    assert!(matches!(end.said().last(), Some(Credit(_))));
}

#[test]
fn a_drain_drops_notifies_that_were_on_their_way() {
    let mut pair = Pair::narrow();
    pair.client.notify(ADD);
    pair.server.drain();
    pair.drive();
    assert!(pair.server.notes.is_empty());
    assert_eq!(pair.server.protocol_error, None);
}

#[test]
fn credit_without_end_overflows_nothing() {
    let mut client = End::new(Side::Connecting, Settings::FLOOR);
    client.hear(&hello(Side::Accepting, Settings { window: u64::MAX, ..Settings::FLOOR }));
    for _ in 0..2 {
        client.hear(&Frame::Credit { channel: 0, total: u64::MAX });
        let note = client.notify(ADD);
        assert_eq!(client.expect_end(note), Terminal::Sent);
    }
}

#[test]
fn a_grant_below_what_is_allowed_already_takes_nothing_away() {
    let mut client = End::new(Side::Connecting, Settings::FLOOR);
    client.hear(&hello(Side::Accepting, Settings::FLOOR));
    client.notify(ADD);
    client.hear(&Frame::Credit { channel: 0, total: 1 });
    let note = client.notify(ADD);
    assert_eq!(client.expect_end(note), Terminal::Sent);
}

#[test]
fn the_hello_raises_the_window() {
    let mut pair = Pair::new(Settings::FLOOR, Settings { window: 64 << 10, ..Settings::FLOOR });
    for _ in 0..2 {
        pair.client.notify(ADD.of(WINDOW));
    }
    assert_eq!(pair.client.said(), [Hello, Notify]);
    pair.drive();
    assert_eq!(pair.server.notes.len(), 2);
}
