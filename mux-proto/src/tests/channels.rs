//! Channels: opened by a message, paid for by credit, ended once, and never left behind.

use super::pair::{ADD, End, Pair, PortId, Spoken, hello, request};
use crate::session::channels::receiving::Ended;
use crate::session::channels::receiving::Taken;
use crate::session::channels::sending::NotSent;
use crate::wire::fault::FaultCode;
use crate::wire::frame;
use crate::wire::frame::Frame;
use crate::wire::handles::Half;
use crate::wire::handles::IncomingHandle;
use crate::wire::settings::Settings;
use crate::wire::xid::Side;
use crate::wire::xid::Xid;

/// The floor of the window, in bytes.
const WINDOW: usize = 16 << 10;

fn takes(max_channels: u64) -> Settings {
    Settings { max_channels, max_message: 1 << 20, max_buffered: 1 << 20, ..Settings::FLOOR }
}

fn pair() -> Pair {
    Pair::greeted(takes(8), takes(8))
}

/// A call that carries one half has reached the server. Returns the port that stays, and the channel.
fn opened(pair: &mut Pair, half: Half) -> (PortId, Xid) {
    let (port, leaving) = pair.client.half(half);
    let call = pair.client.call_with(ADD, vec![leaving]);
    pair.drive();
    let parts = pair.server.next_request();
    let id = pair.client.id_of(port);
    assert_eq!(parts.carried[..], [IncomingHandle { id, half }]);
    pair.server.reply(parts.xid, &[0]);
    pair.drive();
    pair.client.expect_value(call, &[0]);
    for end in [&mut pair.client, &mut pair.server] {
        end.heard();
        end.wrote();
    }
    (port, id)
}

/// A scripted peer has sent a receiving half.
fn scripted() -> (End, Xid) {
    let mut end = End::new(Side::Accepting, takes(8));
    end.hear(&hello(Side::Connecting, takes(8)));
    open(&mut end, 3);
    (end, 3)
}

fn open(end: &mut End, id: u8) {
    let meta = [b"\x81\xa8channels\x91\x92".as_slice(), &[id, 0]].concat();
    end.hear(&Frame::Request { xid: 1, method: "calc.add".into(), meta: Some(&meta), args: &[0x90] });
    let xid = end.next_request().xid;
    end.reply(xid, &[0]);
    end.flush();
}

fn item(channel: Xid, values: &[u8]) -> Frame<'_> {
    Frame::Item { channel, carried: None, count: 1, values }
}

#[test]
fn items_go_to_the_receiver_in_their_order_and_end_once() {
    let mut pair = pair();
    let (_, id) = opened(&mut pair, Half::Receiving);
    for value in 1..=3 {
        assert_eq!(pair.client.send(id, &[value]), Ok(()));
    }
    pair.client.end_channel(id, None);
    pair.drive();
    assert_eq!(pair.server.expect_items(id), [1, 2, 3]);
    assert_eq!(pair.server.expect_channel_end(id), None);
    assert_eq!(pair.client.send(id, &[4]), Err(NotSent::Stopped));
    pair.expect_no_rows();
}

#[test]
fn a_sending_half_that_leaves_brings_items_back() {
    let mut pair = pair();
    let (_, id) = opened(&mut pair, Half::Sending);
    let port = pair.server.bind(id);
    assert!(!pair.server.ports[&port].closed);
    pair.server.send(id, &[7]).unwrap();
    pair.server.end_channel(id, Some(FaultCode::App));
    pair.drive();
    assert_eq!(pair.client.expect_items(id), [7]);
    assert_eq!(pair.client.expect_channel_end(id), Some(FaultCode::App));
    pair.expect_no_rows();
}

#[test]
fn a_receiver_that_waits_is_woken_by_an_item_and_by_the_end() {
    let mut pair = pair();
    let (_, id) = opened(&mut pair, Half::Receiving);
    assert_eq!(pair.server.take(id, 77), Taken::Nothing);
    pair.client.send(id, &[1]).unwrap();
    pair.drive();
    assert!(pair.server.woken.remove(&77));
    pair.server.expect_items(id);
    assert_eq!(pair.server.take(id, 78), Taken::Nothing);
    pair.client.end_channel(id, None);
    pair.drive();
    assert!(pair.server.woken.contains(&78));
}

#[test]
fn a_sender_goes_on_when_its_items_are_taken_not_when_they_come() {
    let mut pair = pair();
    let (port, id) = opened(&mut pair, Half::Receiving);
    pair.client.send(id, &[1; WINDOW]).unwrap();
    assert_eq!(pair.client.send(id, &[2]), Err(NotSent::Wait));
    pair.drive();
    assert_eq!(pair.client.send(id, &[2]), Err(NotSent::Wait), "nobody took them");
    assert!(!pair.client.ports[&port].resumed);
    pair.server.expect_items(id);
    pair.drive();
    assert!(pair.client.ports[&port].resumed);
    assert_eq!(pair.client.send(id, &[2]), Ok(()));
}

#[test]
fn one_channel_without_credit_holds_back_no_other_and_no_call() {
    let mut pair = pair();
    let (_, slow) = opened(&mut pair, Half::Receiving);
    let (_, fast) = opened(&mut pair, Half::Receiving);
    pair.client.send(slow, &[1; WINDOW]).unwrap();
    assert_eq!(pair.client.send(slow, &[1]), Err(NotSent::Wait));
    for _ in 0..100 {
        pair.client.send(fast, &[2; 1000]).unwrap();
        pair.drive();
        pair.server.expect_items(fast);
        pair.drive();
    }
    let call = pair.client.call(ADD);
    pair.drive();
    let xid = pair.server.expect_request(ADD);
    pair.server.reply(xid, &[9]);
    pair.drive();
    pair.client.expect_value(call, &[9]);
}

#[test]
fn an_item_larger_than_the_window_passes() {
    let mut pair = pair();
    let (_, id) = opened(&mut pair, Half::Receiving);
    let item = vec![3; 10 * WINDOW];
    pair.client.send(id, &item).unwrap();
    assert_eq!(pair.client.send(id, &[1]), Err(NotSent::Wait));
    pair.drive();
    assert_eq!(pair.server.expect_items(id), item);
    pair.drive();
    assert_eq!(pair.client.send(id, &[1]), Ok(()));
}

#[test]
fn small_items_and_the_end_never_overtake_a_chunked_item() {
    let wide = Settings { window: 1 << 20, ..takes(8) };
    let mut pair = Pair::greeted(wide.clone(), wide);
    let (port, id) = opened(&mut pair, Half::Receiving);
    let large = vec![5; 500 << 10];
    pair.client.send(id, &large).unwrap();
    assert_eq!(pair.client.send(id, &[6]), Err(NotSent::Wait), "the large one is in front");
    pair.client.flush();
    assert_eq!(pair.client.wrote(), [], "it is not whole yet");
    pair.drive();
    assert!(pair.client.ports[&port].resumed);
    pair.client.send(id, &[6]).unwrap();
    pair.client.send(id, &large).unwrap();
    pair.client.end_channel(id, None);
    pair.drive();
    assert_eq!(pair.server.expect_items(id), [&large[..], &[6], &large].concat());
    assert_eq!(pair.server.expect_channel_end(id), None);
    pair.expect_no_rows();
}

#[test]
fn nothing_overtakes_the_large_message_that_introduces_its_channel() {
    let mut pair = pair();
    let (port, leaving) = pair.client.half(Half::Receiving);
    pair.client.call_with(ADD.of(300 << 10), vec![leaving]);
    let id = pair.client.id_of(port);
    assert_eq!(pair.client.send(id, &[1]), Err(NotSent::Wait));
    pair.client.flush();
    assert_eq!(pair.client.send(id, &[1]), Err(NotSent::Wait), "not all of the message has gone");
    pair.drive();
    assert!(pair.client.ports[&port].resumed);
    pair.client.send(id, &[1]).unwrap();
    pair.client.end_channel(id, None);
    pair.drive();
    assert_eq!(pair.server.protocol_error, None);
    pair.server.next_request();
    assert_eq!(pair.server.expect_items(id), [1]);
}

#[test]
fn a_stop_waits_for_the_message_that_introduces_its_channel() {
    let mut pair = pair();
    let (port, leaving) = pair.client.half(Half::Sending);
    pair.client.call_with(ADD.of(300 << 10), vec![leaving]);
    let id = pair.client.id_of(port);
    pair.client.stop(id);
    pair.drive();
    assert_eq!(pair.server.protocol_error, None);
    let parts = pair.server.next_request();
    assert!(pair.server.heard().ends_with(&[Spoken::Stop(id)]));
    let bound = pair.server.bind(id);
    assert!(pair.server.ports[&bound].closed);
    pair.server.reply(parts.xid, &[0]);
    pair.drive();
    pair.client.end_of(1);
    pair.expect_no_rows();
}

#[test]
fn a_dropped_receiver_stops_its_sender_and_skips_what_was_on_its_way() {
    let mut pair = pair();
    let (port, id) = opened(&mut pair, Half::Receiving);
    pair.client.send(id, &[1]).unwrap();
    pair.client.flush();
    pair.server.stop(id);
    pair.drive();
    assert!(pair.client.ports[&port].closed);
    assert_eq!(pair.client.send(id, &[1]), Err(NotSent::Stopped));
    assert_eq!(pair.server.heard(), [Spoken::Item(id, 1), Spoken::End(id, Some(FaultCode::Cancelled))]);
    pair.expect_no_rows();
}

#[test]
fn a_stop_gives_up_the_large_item_under_way() {
    let mut pair = pair();
    let (_, id) = opened(&mut pair, Half::Receiving);
    pair.client.send(id, &vec![1; 900 << 10]).unwrap();
    pair.client.flush();
    pair.carry_all_written();
    pair.server.stop(id);
    pair.server.flush();
    pair.carry_all_written();
    let said = pair.client.said();
    assert_eq!(said, [Spoken::Abandoned(id), Spoken::End(id, Some(FaultCode::Cancelled))]);
    assert!(pair.client.chunks < 20, "the rest stays here");
    pair.drive();
    pair.expect_no_rows();
}

#[test]
fn stop_and_end_may_cross_and_so_may_credit() {
    let mut pair = pair();
    let (_, id) = opened(&mut pair, Half::Receiving);
    pair.client.send(id, &[1; WINDOW / 2]).unwrap();
    pair.drive();
    pair.client.end_channel(id, None);
    pair.client.flush();
    pair.server.expect_items(id);
    pair.server.flush();
    pair.server.stop(id);
    pair.server.flush();
    pair.drive();
    assert_eq!((pair.client.protocol_error.as_ref(), pair.server.protocol_error.as_ref()), (None, None));
    pair.expect_no_rows();
}

#[test]
fn items_that_come_before_a_close_are_still_there_to_be_taken() {
    let mut pair = pair();
    let (_, id) = opened(&mut pair, Half::Receiving);
    pair.client.send(id, &[1]).unwrap();
    pair.drive();
    pair.server.abort();
    assert_eq!(pair.server.expect_items(id), [1]);
    assert_eq!(pair.server.take(id, 0), Taken::Ended(Ended::Closed));
}

#[test]
fn a_close_tells_both_halves() {
    let mut pair = pair();
    let (port, id) = opened(&mut pair, Half::Receiving);
    assert_eq!(pair.server.take(id, 5), Taken::Nothing);
    pair.client.close();
    pair.drive();
    assert!(pair.client.ports[&port].closed);
    assert!(pair.server.woken.contains(&5));
    assert_eq!(pair.server.take(id, 0), Taken::Ended(Ended::Closed));
    pair.expect_no_rows();
}

#[test]
fn halves_of_a_refused_call_are_closed_here_and_nothing_is_said() {
    let mut pair = Pair::greeted(takes(8), Settings::FLOOR);
    let (port, leaving) = pair.client.half(Half::Receiving);
    let call = pair.client.call_with(ADD, vec![leaving]);
    let fault = pair.client.expect_fault(call, FaultCode::Unsupported);
    assert_eq!(fault.message, "the peer takes no channels");
    assert!(pair.client.ports[&port].closed);
    assert_eq!(pair.client.said(), []);
    pair.expect_no_rows();
}

#[test]
fn halves_of_a_call_dropped_while_it_waits_are_closed() {
    let mut pair = Pair::greeted(takes(8), takes(1));
    let (_, first) = pair.client.half(Half::Receiving);
    pair.client.call_with(ADD, vec![first]);
    let (port, second) = pair.client.half(Half::Sending);
    let call = pair.client.call_with(ADD, vec![second]);
    assert_eq!(pair.client.ports[&port].id, None, "the peer takes no more channels now");
    pair.client.abandon(call);
    assert!(pair.client.ports[&port].closed);
}

#[test]
fn a_call_waits_until_the_peer_takes_its_channels_and_small_ones_pass_it_by() {
    let mut pair = Pair::greeted(takes(8), takes(1));
    let (_, id) = opened(&mut pair, Half::Receiving);
    let (port, leaving) = pair.client.half(Half::Receiving);
    let waiting = pair.client.call_with(ADD, vec![leaving]);
    pair.client.call(ADD);
    pair.drive();
    let parts = pair.server.next_request();
    assert!(parts.carried.is_empty());
    pair.client.expect_waiting(waiting);
    pair.client.end_channel(id, None);
    pair.drive();
    pair.client.expect_waiting(waiting);
    assert_eq!(pair.server.expect_channel_end(id), None);
    pair.drive();
    assert_eq!(pair.server.next_request().carried.len(), 1);
    assert!(pair.client.ports[&port].id.is_some());
}

#[test]
fn a_reply_waits_until_the_asker_takes_its_channels() {
    let mut pair = Pair::greeted(takes(1), takes(8));
    let calls = pair.client.calls(2, ADD);
    pair.drive();
    let mut ports = Vec::new();
    for _ in 0..2 {
        let xid = pair.server.expect_request(ADD);
        let (port, leaving) = pair.server.half(Half::Receiving);
        pair.server.reply_with(xid, &[0], vec![leaving]);
        ports.push(port);
    }
    pair.drive();
    let (_, carried) = pair.client.whole_end_of(calls[0]).unwrap();
    assert_eq!(pair.client.end_of(calls[1]), None);
    let id = pair.server.id_of(ports[0]);
    assert_eq!(carried[..], [IncomingHandle { id, half: Half::Receiving }]);
    pair.server.end_channel(id, None);
    pair.drive();
    assert_eq!(pair.client.expect_channel_end(id), None);
    pair.drive();
    let (_, carried) = pair.client.whole_end_of(calls[1]).unwrap();
    pair.client.discard(carried);
    pair.drive();
    assert!(pair.server.ports[&ports[1]].closed);
    pair.expect_no_rows();
}

#[test]
fn a_reply_that_waits_for_channels_is_dropped_with_its_call() {
    let mut pair = Pair::greeted(takes(1), takes(8));
    let calls = pair.client.calls(2, ADD);
    pair.drive();
    let mut ports = Vec::new();
    for _ in 0..2 {
        let xid = pair.server.expect_request(ADD);
        let (port, leaving) = pair.server.half(Half::Receiving);
        pair.server.reply_with(xid, &[0], vec![leaving]);
        ports.push(port);
    }
    pair.client.abandon(calls[1]);
    pair.drive();
    assert!(pair.server.ports[&ports[1]].closed);
    let (_, carried) = pair.client.whole_end_of(calls[0]).unwrap();
    pair.client.discard(carried);
    pair.drive();
    pair.expect_no_rows();
}

#[test]
fn a_reply_that_nobody_waits_for_ends_its_channels_on_both_sides() {
    for half in [Half::Receiving, Half::Sending] {
        let mut pair = pair();
        let call = pair.client.call(ADD);
        pair.drive();
        let xid = pair.server.expect_request(ADD);
        pair.client.abandon(call);
        let (port, leaving) = pair.server.half(half);
        pair.server.reply_with(xid, &[0], vec![leaving]);
        pair.drive();
        if half == Half::Receiving {
            assert!(pair.server.ports[&port].closed);
        } else {
            let id = pair.server.id_of(port);
            assert_eq!(pair.server.expect_channel_end(id), Some(FaultCode::Cancelled));
        }
        pair.expect_no_rows();
    }
}

#[test]
fn a_reply_that_came_and_was_never_looked_at_ends_its_channels() {
    let mut pair = pair();
    let call = pair.client.call(ADD);
    pair.drive();
    let xid = pair.server.expect_request(ADD);
    let (port, leaving) = pair.server.half(Half::Receiving);
    pair.server.reply_with(xid, &[0], vec![leaving]);
    pair.drive();
    pair.client.abandon(call);
    pair.drive();
    assert!(pair.server.ports[&port].closed);
    pair.expect_no_rows();
}

#[test]
fn a_refused_request_ends_the_channels_it_carries() {
    let mut pair = pair();
    pair.server.drain();
    let halves = [Half::Receiving, Half::Sending].map(|half| pair.client.half(half));
    let [(sender, first), (receiver, second)] = halves;
    let call = pair.client.call_with(ADD, vec![first, second]);
    pair.drive();
    pair.client.expect_fault(call, FaultCode::Draining);
    assert!(pair.client.ports[&sender].closed);
    if let Some(id) = pair.client.ports[&receiver].id {
        assert_eq!(pair.client.expect_channel_end(id), Some(FaultCode::Cancelled));
    }
    pair.expect_no_rows();
}

#[test]
fn items_may_carry_channels_and_dropping_them_ends_those_too() {
    let mut pair = pair();
    let (_, outer) = opened(&mut pair, Half::Receiving);
    let (port, leaving) = pair.client.half(Half::Receiving);
    pair.client.send_with(outer, &[0], vec![leaving]).unwrap();
    let inner = pair.client.id_of(port);
    pair.client.send(inner, &[5]).unwrap();
    pair.drive();
    assert_eq!(
        pair.server.take_items_carried(outer)[..],
        [IncomingHandle { id: inner, half: Half::Receiving }]
    );
    assert_eq!(pair.server.expect_items(inner), [5]);

    let (untaken, leaving) = pair.client.half(Half::Receiving);
    pair.client.send_with(outer, &[0], vec![leaving]).unwrap();
    pair.drive();
    pair.server.stop(outer);
    pair.drive();
    assert!(pair.client.ports[&untaken].closed);
    pair.client.end_channel(inner, None);
    pair.drive();
    pair.server.expect_channel_end(inner);
    pair.expect_no_rows();
}

#[test]
fn an_item_waits_until_the_peer_takes_the_channels_it_carries() {
    let mut pair = Pair::greeted(takes(8), takes(2));
    let (_, first) = opened(&mut pair, Half::Receiving);
    let (port, second) = opened(&mut pair, Half::Receiving);
    let (_, leaving) = pair.client.half(Half::Receiving);
    assert_eq!(pair.client.send_with(second, &[0], vec![leaving]), Err(NotSent::Wait));
    assert_eq!(pair.client.send(second, &[1]), Ok(()), "what carries nothing goes");
    pair.client.end_channel(first, None);
    pair.drive();
    assert!(!pair.client.ports[&port].resumed, "nobody has taken its end");
    pair.server.expect_channel_end(first);
    pair.drive();
    assert!(pair.client.ports[&port].resumed);
    let (_, leaving) = pair.client.half(Half::Receiving);
    assert_eq!(pair.client.send_with(second, &[0], vec![leaving]), Ok(()));
}

#[test]
fn a_drain_waits_for_channels_and_ends_them_when_told() {
    let mut pair = pair();
    let (port, id) = opened(&mut pair, Half::Receiving);
    let (_, back) = opened(&mut pair, Half::Sending);
    pair.server.bind(back);
    pair.server.drain();
    pair.drive();
    assert!(!pair.server.session.is_drained());
    pair.client.send(id, &[1]).unwrap();
    pair.drive();
    pair.server.end_channels();
    pair.drive();
    assert!(pair.client.ports[&port].closed);
    assert_eq!(pair.client.expect_channel_end(back), Some(FaultCode::Draining));
    assert_eq!(pair.server.expect_items(id), [1], "what had come is still there");
    assert_eq!(pair.server.expect_channel_end(id), Some(FaultCode::Draining));
    assert!(pair.server.session.is_drained());
}

#[test]
fn a_drain_waits_no_longer_for_a_peer_that_does_not_stop() {
    let (mut end, id) = scripted();
    end.drain();
    end.end_channels();
    assert_eq!(end.said().last(), Some(&Spoken::Stop(id)));
    assert!(!end.session.is_drained());
    end.end_channels();
    assert!(end.session.is_drained());
    assert_eq!(end.expect_channel_end(id), Some(FaultCode::Draining));
}

#[test]
fn a_drain_ends_a_channel_behind_its_large_item_whatever_its_port_has_left() {
    let wide = Settings { window: 1 << 20, ..takes(8) };
    let mut pair = Pair::greeted(wide.clone(), wide);
    let (port, id) = opened(&mut pair, Half::Receiving);
    let large = vec![5; 500 << 10];
    pair.client.send(id, &large).unwrap();
    pair.client.drain();
    pair.client.end_channels();
    assert_eq!(pair.client.send(id, &[6]), Err(NotSent::Wait));
    pair.drive();
    assert!(pair.client.ports[&port].closed);
    assert_eq!(pair.server.expect_items(id), large);
    assert_eq!(pair.server.expect_channel_end(id), Some(FaultCode::Draining));
    pair.expect_no_rows();
}

#[test]
fn a_channel_that_a_drain_ended_is_forgotten_when_its_message_is_not_sent() {
    let mut pair = pair();
    let (port, leaving) = pair.client.half(Half::Sending);
    let call = pair.client.call_with(ADD.of(300 << 10), vec![leaving]);
    let id = pair.client.id_of(port);
    pair.client.drain();
    pair.client.end_channels();
    pair.client.end_channels();
    pair.client.abandon(call);
    assert_eq!(pair.client.expect_channel_end(id), Some(FaultCode::Cancelled));
    pair.drive();
    pair.expect_no_rows();
}

#[test]
fn a_stop_of_a_channel_that_the_peer_cannot_know_yet_is_a_protocol_error() {
    let mut pair = pair();
    let (port, leaving) = pair.client.half(Half::Receiving);
    pair.client.call_with(ADD.of(300 << 10), vec![leaving]);
    let id = pair.client.id_of(port);
    pair.client.flush();
    pair.client.hear(&Frame::Stop { channel: id });
    pair.client.expect_protocol_error("was never opened");
}

#[test]
fn a_half_closed_peer_ends_its_channels() {
    let mut pair = pair();
    let (port, _) = opened(&mut pair, Half::Receiving);
    let (_, back) = opened(&mut pair, Half::Sending);
    pair.client.half_close();
    assert!(pair.client.ports[&port].closed);
    assert_eq!(pair.client.take(back, 0), Taken::Ended(Ended::Closed));
}

#[test]
fn an_end_says_only_what_fits_a_small_frame() {
    let mut pair = pair();
    let (_, id) = opened(&mut pair, Half::Receiving);
    let why = crate::wire::fault::Fault {
        detail: vec![0xc0; (16 << 10) + 1],
        ..crate::wire::fault::Fault::new(FaultCode::App, "")
    };
    pair.client.session.end_channel(id, Some(why), 0, &mut pair.client.outbox);
    pair.drive();
    assert_eq!(pair.server.expect_channel_end(id), Some(FaultCode::ReplyTooLarge));
}

// Protocol errors.

#[test]
fn frames_of_channels_that_were_never_opened_are_protocol_errors() {
    let end = frame::End { code: FaultCode::App, message: "", detail: &[] };
    let frames = [
        item(7, &[1]),
        Frame::End { channel: 7, why: None },
        Frame::End { channel: 7, why: Some(end) },
        Frame::Stop { channel: 7 },
        Frame::Credit { channel: 7, total: 1 },
        Frame::Stop { channel: 0 },
    ];
    for frame in frames {
        let (mut peer, _) = scripted();
        peer.hear(&frame);
        peer.expect_protocol_error("was never opened");
    }
}

#[test]
fn an_item_or_an_end_after_the_end_is_a_protocol_error() {
    for frame in [item(3, &[1]), Frame::End { channel: 3, why: None }] {
        let (mut end, id) = scripted();
        end.hear(&Frame::End { channel: id, why: None });
        assert_eq!(end.protocol_error, None);
        end.hear(&frame);
        end.expect_protocol_error("has ended");
    }
}

#[test]
fn starting_an_item_without_credit_is_a_protocol_error_by_one_byte() {
    // A frame of items costs 128 beside its bytes.
    const HALF: usize = WINDOW / 2 - 128;
    for last in [HALF, HALF + 1, WINDOW] {
        let (mut end, id) = scripted();
        end.hear(&item(id, &[1; HALF]));
        end.hear(&item(id, &vec![1; last]));
        assert_eq!(end.protocol_error, None, "{last}");
        end.hear(&item(id, &[1]));
        end.expect_protocol_error("an item without credit on channel 3");
    }
    let (mut end, id) = scripted();
    end.hear(&item(id, &[1; HALF + 1]));
    end.hear(&item(id, &[1; HALF]));
    end.expect_protocol_error("an item without credit on channel 3");
}

#[test]
fn credit_and_stop_from_the_wrong_end_are_protocol_errors() {
    for frame in [Frame::Credit { channel: 3, total: 1 }, Frame::Stop { channel: 3 }] {
        let (mut end, _) = scripted();
        end.hear(&frame);
        end.expect_protocol_error("from the end that sends on it");
    }
}

#[test]
fn credit_of_u64_max_twice_overflows_nothing() {
    let mut pair = pair();
    let (_, id) = opened(&mut pair, Half::Receiving);
    for _ in 0..2 {
        pair.client.hear(&Frame::Credit { channel: id, total: u64::MAX });
    }
    assert_eq!(pair.client.protocol_error, None);
    for _ in 0..100 {
        pair.client.send(id, &[1; WINDOW / 4]).unwrap();
    }
}

#[test]
fn more_channels_than_were_allowed_are_a_protocol_error() {
    let mut end = End::new(Side::Accepting, takes(1));
    end.hear(&hello(Side::Connecting, takes(8)));
    open(&mut end, 3);
    let meta = b"\x81\xa8channels\x91\x92\x05\x00";
    end.hear(&Frame::Request { xid: 7, method: "calc.add".into(), meta: Some(meta), args: &[0x90] });
    end.expect_protocol_error("more than 1 channels open");
}

#[test]
fn an_id_that_is_not_the_peers_to_give_or_is_taken_is_a_protocol_error() {
    for id in [2, 3, 7] {
        let (mut end, _) = scripted();
        let meta = [b"\x81\xa8channels\x91\x92".as_slice(), &[id, 0]].concat();
        end.hear(&Frame::Request { xid: 7, method: "calc.add".into(), meta: Some(&meta), args: &[0x90] });
        end.expect_protocol_error(&format!("channel {id} is not one that the peer may open"));
    }
    let (mut end, id) = scripted();
    end.hear(&request(id, &[0x90]));
    end.expect_protocol_error("xid 3 is not one");
}

#[test]
fn a_list_of_channels_that_is_none_is_a_protocol_error() {
    for list in
        [&b"\x01"[..], b"\x91\x03", b"\x91\x93\x03\x00\x00", b"\x91\x92\x03\x02", b"\xdd\xff\xff\xff\xff"]
    {
        let mut end = End::new(Side::Accepting, takes(8));
        end.hear(&hello(Side::Connecting, takes(8)));
        let meta = [b"\x81\xa8channels".as_slice(), list].concat();
        end.hear(&Frame::Request { xid: 1, method: "calc.add".into(), meta: Some(&meta), args: &[0x90] });
        assert!(end.protocol_error.is_some(), "{list:?}");
    }
}

#[test]
fn credit_and_stop_for_a_channel_that_has_ended_mean_nothing() {
    let mut pair = pair();
    let (_, id) = opened(&mut pair, Half::Receiving);
    pair.client.end_channel(id, None);
    pair.client.hear(&Frame::Credit { channel: id, total: u64::MAX });
    pair.client.hear(&Frame::Stop { channel: id });
    assert_eq!(pair.client.protocol_error, None);
}

/// Two channels from the client, whose server holds 64 KiB of large items.
fn two_channels() -> (Pair, [(PortId, Xid); 2]) {
    let mut pair = pair();
    let channels = [opened(&mut pair, Half::Receiving), opened(&mut pair, Half::Receiving)];
    (pair, channels)
}

#[test]
fn large_items_that_nobody_takes_hold_back_those_of_other_channels() {
    let (mut pair, [(_, first), (port, second)]) = two_channels();
    pair.client.send(first, &[1; 3 * WINDOW]).unwrap();
    assert_eq!(pair.client.send(second, &[2; 3 * WINDOW]), Err(NotSent::Wait));
    assert_eq!(pair.client.send(second, &[3; 100]), Ok(()), "small ones count for their channel alone");
    pair.drive();
    assert!(!pair.client.ports[&port].resumed);
    pair.server.expect_items(first);
    pair.drive();
    assert!(pair.client.ports[&port].resumed);
    assert_eq!(pair.client.send(second, &[2; 3 * WINDOW]), Ok(()));
    pair.drive();
    assert_eq!(pair.server.protocol_error, None);
}

#[test]
fn a_large_item_counts_until_it_is_taken_also_when_its_channel_has_ended() {
    for dropped in [false, true] {
        let (mut pair, [(_, first), (port, second)]) = two_channels();
        pair.client.send(first, &[1; 3 * WINDOW]).unwrap();
        pair.drive();
        pair.client.end_channel(first, None);
        assert_eq!(pair.client.send(second, &[2; 3 * WINDOW]), Err(NotSent::Wait));
        pair.drive();
        assert!(!pair.client.ports[&port].resumed);
        if dropped {
            pair.server.stop(first);
        } else {
            pair.server.expect_items(first);
        }
        pair.drive();
        assert!(pair.client.ports[&port].resumed, "dropped: {dropped}");
        assert_eq!(pair.client.send(second, &[2; 3 * WINDOW]), Ok(()));
    }
}

#[test]
fn more_large_items_than_were_allowed_are_a_protocol_error() {
    let mut end = End::new(Side::Accepting, takes(8));
    end.hear(&hello(Side::Connecting, takes(8)));
    let meta = b"\x81\xa8channels\x92\x92\x03\x00\x92\x05\x00";
    end.hear(&Frame::Request { xid: 1, method: "calc.add".into(), meta: Some(meta), args: &[0x90] });
    end.hear(&item(3, &vec![1; 2 * WINDOW]));
    assert_eq!(end.protocol_error, None);
    end.hear(&item(5, &vec![1; 2 * WINDOW]));
    end.expect_protocol_error("more than 65536 bytes of large items unread");
}

#[test]
fn a_channel_counts_as_open_until_its_end_is_taken() {
    let mut end = End::new(Side::Accepting, takes(1));
    end.hear(&hello(Side::Connecting, takes(8)));
    open(&mut end, 3);
    end.hear(&item(3, &[1]));
    end.hear(&Frame::End { channel: 3, why: None });
    end.expect_items(3);
    assert_eq!(end.expect_channel_end(3), None);
    end.flush();
    let meta = b"\x81\xa8channels\x91\x92\x05\x00";
    end.hear(&Frame::Request { xid: 7, method: "calc.add".into(), meta: Some(meta), args: &[0x90] });
    assert_eq!(end.protocol_error, None);
    end.hear(&Frame::End { channel: 5, why: None });
    let meta = b"\x81\xa8channels\x91\x92\x09\x00";
    end.hear(&Frame::Request { xid: 11, method: "calc.add".into(), meta: Some(meta), args: &[0x90] });
    end.expect_protocol_error("more than 1 channels open");
}

#[test]
fn a_stop_that_the_peer_does_not_read_holds_its_channels_place() {
    let mut end = End::new(Side::Accepting, takes(1));
    end.hear(&hello(Side::Connecting, takes(8)));
    open(&mut end, 3);
    end.stop(3);
    end.hear(&Frame::End { channel: 3, why: None });
    let meta = b"\x81\xa8channels\x91\x92\x05\x00";
    end.hear(&Frame::Request { xid: 7, method: "calc.add".into(), meta: Some(meta), args: &[0x90] });
    end.expect_protocol_error("more than 1 channels open");
}

#[test]
fn a_receiver_says_stop_once_whether_it_takes_all_or_is_dropped() {
    for take in [true, false] {
        let mut pair = pair();
        let (_, id) = opened(&mut pair, Half::Receiving);
        pair.client.send(id, &[1]).unwrap();
        pair.client.end_channel(id, None);
        pair.drive();
        if take {
            pair.server.expect_items(id);
            pair.server.expect_channel_end(id);
        } else {
            pair.server.stop(id);
        }
        pair.drive();
        let said = pair.server.wrote();
        assert_eq!(said, [Spoken::Stop(id)], "take: {take}");
        pair.expect_no_rows();
    }
}
