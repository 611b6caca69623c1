//! What a peer can do with channels: end one, or its connection. It overdraws no credit, leaves no rows
//! behind, and makes nobody wait but those who wait for it.

use crate::script::*;
use crate::victim::*;
use mux::{CallError, CloseReason, Connection, Error, Limits};
use std::time::Duration;
use tokio::time::Instant;

/// Credit that a channel starts with.
const WINDOW: usize = 256 << 10;

/// What a frame of items costs beside its bytes.
const FRAME_COST: usize = 128;

/// Arguments of one half, by its place in the list.
fn half(place: u64) -> Pack {
    Pack::new().array(1).uint(place)
}

/// A request that carries halves.
pub(crate) fn opens(xid: u64, method: &str, list: &[(u64, u64)], args: &Pack) -> Pack {
    request_with(xid, method, &carrying(list), args)
}

fn number(number: u64) -> Pack {
    Pack::new().uint(number)
}

fn numbers(channel: u64, all: &[u64]) -> Pack {
    let all: Vec<Pack> = all.iter().copied().map(number).collect();
    item(channel, &all)
}

/// A blob whose item costs so much.
fn blob_of(cost: usize) -> Pack {
    let len = cost - FRAME_COST;
    let head = match len {
        ..=257 => 2,
        258..=65_538 => 3,
        _ => 5,
    };
    Pack::new().bin(&vec![7; len - head])
}

/// The words of a reply.
fn words(value: &[u8]) -> Vec<String> {
    let input = &mut &value[..];
    let count = rmp::decode::read_array_len(input).expect("an array");
    let word = |_| {
        let len = rmp::decode::read_str_len(input).expect("a string") as usize;
        let (word, rest) = input.split_at(len);
        *input = rest;
        String::from_utf8(word.to_vec()).expect("UTF-8")
    };
    (0..count).map(word).collect()
}

/// What comes before the answer to `xid`, and the answer.
async fn hear_until_answer(peer: &mut Script, xid: u64) -> (Vec<Seen>, Seen) {
    let mut before = Vec::new();
    loop {
        match peer.heard().await {
            Some(seen @ (Seen::Reply { xid: of, .. } | Seen::Fault { xid: of, .. })) if of == xid => {
                return (before, seen);
            }
            Some(seen @ Seen::Goaway { .. }) | Some(seen @ Seen::Hello { .. }) => panic!("{seen:?}"),
            Some(seen) => before.push(seen),
            None => panic!("an answer to {xid} was due, the end came after {before:?}"),
        }
    }
}

/// What the handler of `xid` heard.
async fn heard_by(peer: &mut Script, xid: u64) -> Vec<String> {
    match hear_until_answer(peer, xid).await {
        (_, Seen::Reply { value, .. }) => words(&value),
        (_, other) => panic!("{other:?}"),
    }
}

/// So many frames, in any order.
async fn hear(peer: &mut Script, count: usize) -> Vec<Seen> {
    let mut all = Vec::new();
    while all.len() < count {
        all.push(peer.heard().await.expect("more to hear"));
    }
    all.sort_by_key(|seen| format!("{seen:?}"));
    all
}

/// All that there is to be said now.
async fn hear_all(peer: &mut Script) -> Vec<Seen> {
    let mut all = Vec::new();
    // A pong goes before all that waits beside it, and the next one behind that.
    for nonce in [77, 78] {
        peer.send_frame(&ping(nonce)).await;
        loop {
            match peer.heard().await {
                Some(Seen::Pong { nonce: of }) if of == nonce => break,
                Some(seen) => all.push(seen),
                None => panic!("a pong was due, the end came after {all:?}"),
            }
        }
    }
    all
}

/// An attacker whose request 1 has a handler that listens on channel 3.
async fn listens(victim: &Victim) -> (Script, Connection) {
    let (mut peer, end) = victim.greets().await;
    peer.send_frame(&opens(1, "vault.listen", &[(3, RECEIVING)], &half(0))).await;
    (peer, end)
}

/// An attacker whose request 1 has a handler that holds channel 3, and takes nothing.
async fn sits(victim: &Victim) -> (Script, Connection) {
    let (mut peer, end) = victim.greets().await;
    peer.send_frame(&opens(1, "vault.sit_on", &[(3, RECEIVING)], &half(0))).await;
    eventually("it holds", || victim.ledger.running() == 1).await;
    (peer, end)
}

// Channels that are not open.

#[tokio::test]
async fn items_and_ends_of_a_channel_that_is_not_open_end_the_connection() {
    for id in [0, 1, 2, 5, 1000, u64::MAX - 1, u64::MAX] {
        for frame in [numbers(id, &[1]), finish(id), fail(id, 35, "", &Pack::new().nil())] {
            let victim = Victim::new();
            let (mut peer, end) = listens(&victim).await;
            peer.send_frame(&frame).await;
            victim.throws_out(peer, end, &format!("channel {id} was never opened, or has ended")).await;
        }
    }
}

#[tokio::test]
async fn credit_and_stop_of_what_never_was_a_channel_end_the_connection() {
    for id in [0, 2, 5, 1000, u64::MAX - 1, u64::MAX] {
        for frame in [stop(id), credit(id, 1000)] {
            if id == 0 && frame.bytes()[1] == 9 {
                continue; // That of notifies.
            }
            let victim = Victim::new();
            let (mut peer, end) = listens(&victim).await;
            peer.send_frame(&frame).await;
            victim.throws_out(peer, end, &format!("channel {id} was never opened")).await;
        }
    }
}

#[tokio::test]
async fn items_before_their_channel_is_known_end_the_connection() {
    let introduces = opens(1, "vault.listen", &[(3, RECEIVING)], &half(0));
    let (first, last) = introduces.bytes().split_at(introduces.bytes().len() - 2);
    for begun in [vec![], vec![chunk(1, 2, first)]] {
        let victim = Victim::new();
        let (mut peer, end) = victim.greets().await;
        peer.send_frames(&begun).await;
        peer.send_frames(&[numbers(3, &[1]), chunk(1, 0, last)]).await;
        victim.throws_out(peer, end, "channel 3 was never opened").await;
        assert_eq!(victim.ledger.begun(), IN_GOOD_FAITH);
    }
}

#[tokio::test]
async fn a_second_end_or_an_item_after_it_ends_the_connection() {
    let blob = Pack::new().bin(&[1]);
    for last in [finish(3), fail(3, 35, "", &Pack::new().nil())] {
        for frame in [finish(3), fail(3, 35, "", &Pack::new().nil()), item(3, std::slice::from_ref(&blob))] {
            // Before the first end was taken, and after.
            let victim = Victim::new();
            let (mut peer, end) = sits(&victim).await;
            peer.send_frames(&[item(3, std::slice::from_ref(&blob)), last.clone(), frame.clone()]).await;
            victim.ledger.held.close();
            victim.throws_out(peer, end, "channel 3 was never opened, or has ended").await;

            let victim = Victim::new();
            let (mut peer, end) = listens(&victim).await;
            peer.send_frame(&last).await;
            assert_eq!(heard_by(&mut peer, 1).await.len(), 1);
            peer.send_frame(&frame).await;
            victim.throws_out(peer, end, "channel 3 was never opened, or has ended").await;
        }
    }
}

#[tokio::test]
async fn credit_and_stop_for_a_channel_that_has_ended_are_nothing() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    peer.send_frame(&opens(1, "vault.recite", &[(3, SENDING)], &Pack::new().array(2).uint(2).uint(0))).await;
    while !matches!(peer.heard().await, Some(Seen::End { channel: 3, why: None })) {}
    peer.send_frames(&[credit(3, 1 << 30), stop(3), stop(3), credit(3, u64::MAX)]).await;
    victim.goes_on_with(peer, end).await;
}

#[tokio::test]
async fn credit_and_stop_from_the_end_that_sends_end_the_connection() {
    for (frame, text) in [(credit(3, 1 << 30), "credit for channel 3"), (stop(3), "stop of channel 3")] {
        let victim = Victim::new();
        let (mut peer, end) = listens(&victim).await;
        peer.send_frame(&frame).await;
        victim.throws_out(peer, end, &format!("{text} from the end that sends on it")).await;
    }
}

#[tokio::test]
async fn items_and_ends_from_the_end_that_receives_end_the_connection() {
    for frame in [numbers(3, &[1]), finish(3)] {
        let victim = Victim::new();
        let (mut peer, end) = victim.greets().await;
        let args = Pack::new().array(2).uint(1_000_000).uint(0);
        peer.send_frame(&opens(1, "vault.recite", &[(3, SENDING)], &args)).await;
        eventually("it recites", || victim.ledger.running() == 1).await;
        peer.send_frame(&frame).await;
        while !matches!(peer.heard().await, Some(Seen::Goaway { code: PROTOCOL, .. })) {}
        assert_protocol(&end.closed().await, "channel 3 was never opened");
        drop(peer);
        victim.is_well().await;
    }
}

// Lists of halves.

#[tokio::test]
async fn a_list_of_halves_that_is_none_ends_the_connection_wherever_it_stands() {
    let lists = [
        Pack::new().uint(3),
        Pack::new().str("3"),
        Pack::new().map(1).uint(3).uint(0),
        Pack::new().array(1).uint(3),
        Pack::new().array(1).array(1).uint(3),
        Pack::new().array(1).array(3).uint(3).uint(0).uint(0),
        Pack::new().array(1).array(2).uint(3).uint(2),
        Pack::new().array(1).array(2).uint(3).nil(),
        Pack::new().array(1).array(2).raw(&[0xcb, 0x40, 0x08, 0, 0, 0, 0, 0, 0]).uint(0),
        Pack::new().array(1).array(2).raw(&[0xfd]).uint(0),
        Pack::new().array(2).array(2).uint(3).uint(0).nested(5000),
    ];
    for list in lists {
        let meta = meta("channels", &list);
        let nil = Pack::new().nil();
        let frames = [
            request_with(5, "vault.echo", &meta, &text("hi")),
            notify_with("vault.note", &meta, &text("hi")),
            reply_with(2, &meta, &nil),
            Pack::new().array(6).uint(3).uint(2).raw(meta.bytes()).uint(34).str("").nil(),
            item_with(3, &list, &[number(1)]),
        ];
        for frame in frames {
            let victim = Victim::new();
            let (mut peer, end) = listens(&victim).await;
            peer.send_frame(&frame).await;
            let said = peer.hear_out().await;
            assert!(matches!(said.last(), Some(Seen::Goaway { code: PROTOCOL, .. })), "{list:?}: {said:?}");
            drop(peer);
            assert_protocol(&end.closed().await, "");
            victim.is_well().await;
            assert_eq!(victim.ledger.begun(), 1 + IN_GOOD_FAITH);
        }
    }
}

#[tokio::test]
async fn a_list_that_claims_more_than_there_is_takes_nothing_and_ends_the_connection() {
    let victim = Victim::new();
    let (mut peer, end) = listens(&victim).await;
    peer.send_frame(&request_with(5, "vault.echo", &meta("channels", &Pack::new().boundless()), &no_args()))
        .await;
    victim.throws_out(peer, end, "is not a whole value").await;
}

#[tokio::test]
async fn an_id_that_the_peer_may_not_give_ends_the_connection() {
    // Of the other parity, none at all, of a live call, the message's own, of a live channel, and twice.
    let lists: [&[(u64, u64)]; 7] =
        [&[(2, 0)], &[(0, 0)], &[(1, 0)], &[(7, 1)], &[(3, 0)], &[(9, 0), (9, 1)], &[(u64::MAX - 1, 0)]];
    for list in lists {
        for by_item in [false, true] {
            let victim = Victim::new();
            let (mut peer, end) = listens(&victim).await;
            let by_request = opens(7, "vault.listen_to_both", list, &Pack::new().array(2).uint(0).uint(1));
            if by_item && list[0].0 == 7 {
                continue;
            }
            peer.send_frame(&if by_item { item_with(3, &halves(list), &[number(1)]) } else { by_request })
                .await;
            let id = list[0].0;
            victim.throws_out(peer, end, &format!("channel {id} is not one that the peer may open")).await;
            assert_eq!(victim.ledger.begun(), 1 + IN_GOOD_FAITH);
        }
    }
}

#[tokio::test]
async fn an_xid_that_is_a_channel_ends_the_connection() {
    let victim = Victim::new();
    let (mut peer, end) = listens(&victim).await;
    peer.send_frame(&request(3, "vault.echo", &text("hi"))).await;
    victim.throws_out(peer, end, "xid 3 is not one").await;
}

#[tokio::test]
async fn as_many_channels_as_are_allowed_may_be_open_and_not_one_more() {
    let all: Vec<(u64, u64)> = (0..256).map(|turn| (1001 + 2 * turn, turn % 2)).collect();
    let one_more = opens(3, "vault.echo", &[(9001, RECEIVING)], &text("hi"));
    for across in [1, 16, 256] {
        let victim = Victim::new();
        let (mut peer, end) = victim.greets().await;
        for (turn, list) in all.chunks(256 / across).enumerate() {
            let xid = 101 + 2 * turn as u64;
            peer.send_frame(&opens(xid, "vault.echo", list, &text("hi"))).await;
        }
        // Nobody takes them: those that are to send end, those that are to receive are stopped.
        let said = hear(&mut peer, 256 + across).await;
        let ended = said.iter().filter(|seen| matches!(seen, Seen::End { why: Some((35, _)), .. })).count();
        let stopped = said.iter().filter(|seen| matches!(seen, Seen::Stop { .. })).count();
        assert_eq!((ended, stopped), (128, 128));
        for (id, _) in all.iter().filter(|(_, half)| *half == SENDING) {
            peer.send_frame(&stop(*id)).await;
        }
        // Those that the peer has to end count until it does.
        let again: Vec<(u64, u64)> = (0..128).map(|turn| (3001 + 2 * turn, RECEIVING)).collect();
        peer.send_frame(&opens(5001, "vault.echo", &again, &text("hi"))).await;
        assert_eq!(hear(&mut peer, 129).await.len(), 129);
        peer.send_frame(&one_more).await;
        victim.throws_out(peer, end, "more than 256 channels open").await;
    }
}

#[tokio::test]
async fn channels_that_have_ended_make_room_for_others() {
    let victim = Victim::with(Limits { max_channels: 2, ..Limits::default() });
    let (mut peer, end) = victim.greets().await;
    for turn in 0..1000 {
        let (xid, first, second) = (6 * turn + 1, 6 * turn + 3, 6 * turn + 5);
        let args = Pack::new().array(2).uint(0).uint(1);
        peer.send_frame(&opens(
            xid,
            "vault.listen_to_both",
            &[(first, RECEIVING), (second, RECEIVING)],
            &args,
        ))
        .await;
        peer.send_frames(&[numbers(second, &[1]), finish(first), finish(second)]).await;
        assert_eq!(heard_by(&mut peer, xid).await, ["finished", "1", "finished"]);
    }
    victim.goes_on_with(peer, end).await;
}

#[tokio::test]
async fn a_hundred_thousand_channels_in_one_message_end_the_connection() {
    let all: Vec<(u64, u64)> = (0..100_000).map(|turn| (2 * turn + 5, turn % 2)).collect();
    let victim = Victim::new();
    let (mut peer, end) = listens(&victim).await;
    peer.send_chunked(3, &item_with(3, &halves(&all), &[number(1)])).await;
    victim.throws_out(peer, end, "more than 256 channels open").await;

    let victim = Victim::new();
    let (mut peer, end) = listens(&victim).await;
    let by_request = opens(300_001, "vault.echo", &all, &text("hi"));
    peer.send_chunked(300_001, &by_request).await;
    victim.throws_out(peer, end, "exceeds the limit of 65536").await;

    let victim = Victim::new();
    let (mut peer, end) = listens(&victim).await;
    peer.send_frame(&reply_with(2, &carrying(&all[..20_000]), &number(1))).await;
    victim.throws_out(peer, end, "more than 256 channels open").await;
}

#[cfg(target_os = "linux")]
#[test]
fn channels_opened_and_ended_a_hundred_thousand_times_leave_nothing_behind() {
    alone(
        "hostile_channels::channels_opened_and_ended_a_hundred_thousand_times_leave_nothing_behind",
        async {
            let victim = Victim::new();
            let (mut peer, end) = victim.greets().await;
            let mut before = memory();
            for turn in 0..100_000 {
                let (xid, id) = (4 * turn + 1, 4 * turn + 3);
                // Taken or not, by whom it sends or receives, ended before it was looked at or after.
                let frames = match turn % 5 {
                    0 => vec![opens(xid, "vault.listen", &[(id, RECEIVING)], &half(0)), finish(id)],
                    1 => vec![opens(xid, "vault.echo", &[(id, RECEIVING)], &text("hi")), finish(id)],
                    2 => vec![opens(xid, "vault.echo", &[(id, SENDING)], &text("hi"))],
                    3 => vec![
                        opens(xid, "vault.recite", &[(id, SENDING)], &Pack::new().array(2).uint(9).uint(0)),
                        stop(id),
                    ],
                    _ => vec![
                        opens(xid, "vault.steal", &[(id, RECEIVING)], &half(0)),
                        numbers(id, &[1]),
                        finish(id),
                    ],
                };
                peer.send_frames(&frames).await;
                hear_until_answer(&mut peer, xid).await;
                if turn % 5 == 2 {
                    peer.send_frame(&stop(id)).await;
                }
                if turn == 10_000 {
                    before = memory();
                }
            }
            let grown = grown(before);
            assert!(grown < 2 << 20, "{grown} bytes for nothing");
            hear_all(&mut peer).await;
            // Places are left for as many as ever.
            let all: Vec<(u64, u64)> = (0..256).map(|turn| (900_003 + 2 * turn, RECEIVING)).collect();
            peer.send_frame(&opens(900_001, "vault.echo", &all, &text("hi"))).await;
            hear_all(&mut peer).await;
            victim.goes_on_with(peer, end).await;
        },
    );
}

// Bodies that name halves.

#[tokio::test]
async fn a_body_that_names_its_halves_wrongly_fails_its_call_and_ends_them() {
    let both = [(7, RECEIVING), (9, RECEIVING)];
    let wrong = [(7, RECEIVING), (9, SENDING)];
    let none: [(u64, u64); 0] = [];
    let of = |first: &Pack, second: &Pack| Pack::new().array(2).raw(first.bytes()).raw(second.bytes());
    let place = number;
    let cases: [(&[(u64, u64)], Pack); 12] = [
        (&both, of(&place(0), &place(0))),
        (&both, of(&place(1), &place(2))),
        (&both, of(&place(0), &place(u64::from(u32::MAX)))),
        (&both, of(&place(0), &place(1 << 32))),
        (&both, of(&place(0), &place(u64::MAX))),
        (&wrong, of(&place(0), &place(1))),
        (&both, of(&place(0), &Pack::new().raw(&[0xcb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0]))),
        (&both, of(&place(0), &Pack::new().raw(&[0xca, 0x3f, 0x80, 0, 0]))),
        (&both, of(&place(0), &Pack::new().raw(&[0xff]))),
        (&both, of(&place(0), &Pack::new().str("1"))),
        (&both, of(&place(0), &Pack::new().nil())),
        (&none, of(&place(0), &place(1))),
    ];
    for (list, args) in cases {
        let victim = Victim::new();
        let (mut peer, end) = victim.greets().await;
        let meta = if list.is_empty() { Pack::new().nil() } else { carrying(list) };
        peer.send_frame(&request_with(1, "vault.listen_to_both", &meta, &args)).await;
        let said = hear(&mut peer, 1 + list.len()).await;
        assert!(said.iter().any(|seen| matches!(seen, Seen::Fault { xid: 1, code: 2, .. })), "{said:?}");
        for &(id, half) in list {
            let ended = said.iter().any(|seen| match seen {
                Seen::Stop { channel } => (*channel, RECEIVING) == (id, half),
                Seen::End { channel, why } => (*channel, SENDING) == (id, half) && why.is_some(),
                _ => false,
            });
            assert!(ended, "{args:?}: channel {id} in {said:?}");
        }
        assert_eq!(victim.ledger.begun(), 0, "it did not run");
        for &(id, _) in list.iter().filter(|(_, half)| *half == RECEIVING) {
            peer.send_frame(&finish(id)).await;
        }
        victim.goes_on_with(peer, end).await;
    }
}

#[tokio::test]
async fn halves_that_nobody_takes_are_ended_and_their_message_is_as_good_as_any() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    let list = [(11, RECEIVING), (13, SENDING), (15, RECEIVING)];
    let nobodys = [
        (opens(1, "vault.echo", &list, &text("hi")), true),
        (opens(1, "vault.steal", &list, &text("hi")), true),
        (notify_with("vault.note", &carrying(&list), &text("hi")), false),
        (notify_with("vault.steal", &carrying(&list), &text("hi")), false),
        (reply_with(2, &carrying(&list), &number(1)), false),
        (Pack::new().array(6).uint(3).uint(2).raw(carrying(&list).bytes()).uint(35).str("").nil(), false),
    ];
    for (frame, answered) in nobodys {
        peer.send_frame(&frame).await;
        let mut said = hear(&mut peer, 3 + usize::from(answered)).await;
        said.retain(|seen| !matches!(seen, Seen::Reply { .. } | Seen::Fault { .. }));
        let said: Vec<_> =
            said.iter().filter(|seen| !matches!(seen, Seen::End { channel: 13, .. })).collect();
        assert_eq!(said, [&Seen::Stop { channel: 11 }, &Seen::Stop { channel: 15 }]);
        peer.send_frames(&[finish(11), finish(15), stop(13)]).await;
    }
    victim.goes_on_with(peer, end).await;
}

// Items that are none.

#[tokio::test]
async fn items_that_are_none_are_told_in_their_place_and_those_after_them_come() {
    let victim = Victim::new();
    let bad = [
        Pack::new().str("three"),
        Pack::new().nil(),
        Pack::new().raw(&[0xff]),
        Pack::new().raw(&[0xcb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0]),
        Pack::new().array(1).uint(1),
        Pack::new().map(1).uint(1).uint(1),
        Pack::new().bin(&[1; 300]),
        Pack::new().nested(5000),
        Pack::new().raw(&[0xc7, 1, 1, 1]),
    ];
    for bad in bad {
        let (mut peer, end) = listens(&victim).await;
        peer.send_frame(&item(3, &[number(1), bad.clone(), number(2), bad.clone(), bad.clone()])).await;
        peer.send_frame(&item(3, std::slice::from_ref(&bad))).await;
        peer.send_frames(&[numbers(3, &[3]), finish(3)]).await;
        let no = "undecodable";
        assert_eq!(heard_by(&mut peer, 1).await, ["1", no, "2", no, no, no, "3", "finished"], "{bad:?}");
        victim.goes_on_with(peer, end).await;
    }
}

#[tokio::test]
async fn an_item_that_nests_without_end_is_followed_so_far_only() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    peer.send_frame(&opens(1, "vault.unpack", &[(3, RECEIVING)], &half(0))).await;
    let doll = |inside: Pack| Pack::new().map(1).str("inside").raw(inside.bytes());
    let matryoshka = (0..10_000).fold(Pack::new(), |pack, _| pack.map(1).str("inside")).nil();
    let all = [doll(doll(Pack::new().nil())), doll(Pack::new().nested(10_000)), doll(Pack::new().nil())];
    peer.send_frame(&item(3, &all)).await;
    peer.send_chunked(3, &item(3, &[matryoshka])).await;
    peer.send_frames(&[item(3, &[Pack::new().nested(10_000)]), item(3, &all[..1]), finish(3)]).await;
    let no = "undecodable";
    assert_eq!(heard_by(&mut peer, 1).await, ["full", no, "empty", no, no, "full", "finished"]);
    victim.goes_on_with(peer, end).await;
}

#[tokio::test]
async fn a_frame_whose_count_of_items_lies_spoils_no_other() {
    let no = "undecodable";
    let three = Pack::new().uint(6).uint(3).nil().uint(1).uint(2).uint(3);
    let cases: [(&[u8], &[&str]); 6] = [
        (&[0x96], &["1", "2", "3"]),
        (&[0x95], &["1", "2", no]),
        (&[0x94], &["1", no]),
        (&[0x97], &["1", "2", "3", no]),
        (&[0xdc, 0xff, 0xff], &["1", "2", "3", no]),
        (&[0xdd, 0xff, 0xff, 0xff, 0xff], &["1", "2", "3", no]),
    ];
    let victim = Victim::new();
    for (head, expected) in cases {
        let (mut peer, end) = listens(&victim).await;
        peer.send_frame(&Pack::new().raw(head).raw(three.bytes())).await;
        peer.send_frames(&[numbers(3, &[4]), finish(3)]).await;
        assert_eq!(heard_by(&mut peer, 1).await, [expected, &["4", "finished"]].concat());
        victim.goes_on_with(peer, end).await;
    }
    for bytes in
        [&[0xc1][..], &[1, 0xc1], &[0xdb, 0xff, 0xff, 0xff, 0xff], &[1, 0xdd, 0xff, 0xff, 0xff, 0xff, 1]]
    {
        let (mut peer, end) = listens(&victim).await;
        peer.send_frame(&Pack::new().array(5).uint(6).uint(3).nil().raw(bytes)).await;
        peer.send_frames(&[numbers(3, &[4]), finish(3)]).await;
        let heard = heard_by(&mut peer, 1).await;
        assert!(heard.ends_with(&[no.into(), "4".into(), "finished".into()]), "{heard:?}");
        victim.goes_on_with(peer, end).await;
    }
}

#[tokio::test]
async fn a_frame_without_items_ends_the_connection() {
    for frame in [Pack::new().array(3).uint(6).uint(3).nil(), Pack::new().array(4).uint(6).uint(3).nil()] {
        let victim = Victim::new();
        let (mut peer, end) = listens(&victim).await;
        peer.send_frame(&frame).await;
        victim.throws_out(peer, end, "").await;
    }
}

#[tokio::test]
async fn an_item_that_is_none_spoils_no_channel_that_its_neighbours_carry() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    peer.send_frame(&opens(1, "vault.relay", &[(3, RECEIVING)], &half(0))).await;
    let list = halves(&[(5, RECEIVING), (7, RECEIVING), (9, RECEIVING)]);
    let values = [number(1), Pack::new().str("none"), number(0), number(0), number(9)];
    peer.send_frame(&item_with(3, &list, &values)).await;
    for id in [5, 7] {
        peer.send_frames(&[numbers(id, &[id]), finish(id)]).await;
    }
    peer.send_frame(&finish(3)).await;
    let no = "undecodable";
    assert_eq!(heard_by(&mut peer, 1).await, ["7", "finished", no, "5", "finished", no, no]);
    peer.expect_stop(9).await;
    peer.send_frame(&finish(9)).await;
    victim.goes_on_with(peer, end).await;
}

#[cfg(target_os = "linux")]
#[test]
fn items_are_not_decoded_by_the_million_at_once() {
    alone("hostile_channels::items_are_not_decoded_by_the_million_at_once", async {
        let victim = Victim::new();
        let (mut peer, end) = listens(&victim).await;
        let before = memory();
        // Each of them is told why it is no number.
        let count: u32 = 15 << 20;
        let head = Pack::new().raw(&[0xdd]).raw(&(count + 3).to_be_bytes()).uint(6).uint(3).nil();
        peer.send_chunked(3, &head.raw(&vec![0xc3; count as usize])).await;
        victim.throws_out(peer, end, "items of 15728640 bytes in one message").await;
        let grown = grown(before);
        assert!(grown < 100 << 20, "{grown} bytes for 15 MiB");
    });
}

// Credit.

/// Items on channel 3 that cost all that.
async fn spend(peer: &mut Script, mut cost: usize) {
    while cost > 0 {
        let next = if cost > 16_000 { 8_000 } else { cost };
        peer.send_frame(&item(3, &[blob_of(next)])).await;
        cost -= next;
    }
}

#[tokio::test]
async fn a_window_overspent_by_one_byte_ends_the_connection() {
    // The last item costs two bytes and 128 for its frame.
    for spare in [0, 1, 130] {
        let victim = Victim::new();
        let (mut peer, end) = sits(&victim).await;
        spend(&mut peer, WINDOW - spare).await;
        assert_eq!(hear_all(&mut peer).await, []);
        peer.send_frame(&item(3, &[Pack::new().bin(&[7])])).await;
        victim.throws_out(peer, end, "an item without credit on channel 3").await;
    }
}

#[tokio::test]
async fn an_item_larger_than_the_window_may_start_and_the_next_one_may_not() {
    let victim = Victim::new();
    let (mut peer, end) = sits(&victim).await;
    peer.send_chunked(3, &item(3, &[Pack::new().bin(&vec![7; 10 * WINDOW])])).await;
    assert_eq!(hear_all(&mut peer).await, []);
    peer.send_frame(&item(3, &[Pack::new().bin(&[7])])).await;
    victim.throws_out(peer, end, "an item without credit on channel 3").await;
}

#[tokio::test]
async fn items_within_their_credit_go_on_for_ever() {
    let victim = Victim::with(Limits { window: 16 << 10, ..Limits::default() });
    let (mut peer, end) = listens(&victim).await;
    let (mut allowed, mut spent, cost) = (16 << 10, 0, (FRAME_COST + 1) as u64);
    for _ in 0..10_000 {
        while spent >= allowed {
            match peer.heard().await {
                Some(Seen::Credit { channel: 3, total }) => allowed = total,
                other => panic!("credit was due, {} came", brief(&other)),
            }
        }
        peer.send_frame(&numbers(3, &[1])).await;
        spent += cost;
    }
    peer.send_frame(&finish(3)).await;
    assert_eq!(heard_by(&mut peer, 1).await.len(), 10_001);
    victim.goes_on_with(peer, end).await;
}

#[tokio::test]
async fn all_the_credit_there_is_given_twice_overflows_nothing() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    peer.send_frame(&opens(1, "vault.recite", &[(3, SENDING)], &Pack::new().array(2).uint(300_000).uint(0)))
        .await;
    peer.send_frames(&[credit(3, u64::MAX), credit(3, u64::MAX), credit(3, 0), credit(3, 1)]).await;
    let (mut came, mut ended) = (0, false);
    while !ended {
        match peer.heard().await {
            Some(Seen::Item { channel: 3, count, .. }) => came += count,
            Some(Seen::End { channel: 3, why: None }) => ended = true,
            Some(Seen::Reply { .. }) => {}
            other => panic!("items were due, {} came", brief(&other)),
        }
    }
    assert_eq!(came, 300_000);
    hear_all(&mut peer).await;
    victim.goes_on_with(peer, end).await;
}

#[tokio::test]
async fn without_credit_nothing_goes_and_with_it_all_does() {
    let victim = Victim::new();
    let (mut peer, end) = victim.accepts();
    peer.send_frame(&hello(1, CONNECTING, &allowing("window", 16 << 10))).await;
    peer.expect_hello().await;
    peer.send_frame(&request(1, "vault.count", &Pack::new().array(1).uint(100_000))).await;
    let carried = peer.expect_carried(1).await;
    let [(id, RECEIVING)] = carried[..] else { panic!("{carried:?}") };
    let (mut came, mut spent, mut allowed) = (0, 0, 16 << 10);
    loop {
        for seen in hear_all(&mut peer).await {
            match seen {
                Seen::Item { channel, count, values, .. } => {
                    assert!(channel == id && spent < allowed, "{spent} of {allowed}");
                    came += count;
                    spent += FRAME_COST + values.len();
                }
                Seen::End { channel, why: None } => {
                    assert_eq!((channel, came), (id, 100_000));
                    return victim.goes_on_with(peer, end).await;
                }
                other => panic!("{other:?}"),
            }
        }
        allowed += 1000;
        peer.send_frame(&credit(id, allowed as u64)).await;
    }
}

#[cfg(target_os = "linux")]
#[test]
fn items_of_a_byte_each_take_no_more_than_the_window() {
    alone("hostile_channels::items_of_a_byte_each_take_no_more_than_the_window", async {
        let victim = Victim::new();
        let (mut peer, end) = victim.greets().await;
        let before = memory();
        for turn in 0..32 {
            let (xid, id) = (4 * turn + 1, 4 * turn + 3);
            peer.send_frame(&opens(xid, "vault.sit_on", &[(id, RECEIVING)], &half(0))).await;
            let one = numbers(id, &[1]).framed();
            let all = one.repeat(WINDOW / (FRAME_COST + 1));
            peer.send_raw(&all).await;
        }
        assert_eq!(hear_all(&mut peer).await, []);
        let grown = grown(before);
        assert!(grown < 48 * WINDOW, "{grown} bytes in 32 windows");
        victim.ledger.held.close();
        drop(peer);
        end.closed().await;
        victim.is_well().await;
    });
}

// Stops.

#[tokio::test]
async fn items_after_a_stop_are_skipped_as_far_as_credit_goes() {
    for beyond in [false, true] {
        let victim = Victim::new();
        let (mut peer, end) = sits(&victim).await;
        victim.ledger.held.close();
        let said = hear(&mut peer, 2).await;
        assert!(said.contains(&Seen::Stop { channel: 3 }), "{said:?}");
        spend(&mut peer, WINDOW).await;
        assert_eq!(hear_all(&mut peer).await, []);
        if beyond {
            peer.send_frame(&numbers(3, &[1])).await;
            victim.throws_out(peer, end, "an item without credit on channel 3").await;
        } else {
            peer.send_frame(&finish(3)).await;
            victim.goes_on_with(peer, end).await;
        }
    }
}

#[tokio::test]
async fn channels_in_items_that_nobody_takes_any_more_are_ended() {
    let victim = Victim::new();
    let (mut peer, end) = sits(&victim).await;
    peer.send_frame(&item_with(3, &halves(&[(5, RECEIVING), (7, SENDING)]), &[number(0)])).await;
    hear_all(&mut peer).await;
    victim.ledger.held.close();
    let said = hear(&mut peer, 4).await;
    assert!(
        said.contains(&Seen::Stop { channel: 3 }) && said.contains(&Seen::Stop { channel: 5 }),
        "{said:?}"
    );
    // And so are those that come after the stop.
    peer.send_frame(&item_with(3, &halves(&[(9, RECEIVING), (11, SENDING)]), &[number(0)])).await;
    let said = hear(&mut peer, 2).await;
    assert!(said.contains(&Seen::Stop { channel: 9 }), "{said:?}");
    peer.send_frames(&[finish(3), finish(5), finish(9)]).await;
    victim.goes_on_with(peer, end).await;
}

#[tokio::test]
async fn a_stop_ends_the_stream_and_whoever_makes_it() {
    for method in ["vault.pour", "vault.count", "vault.branch"] {
        let victim = Victim::new();
        let (mut peer, end) = victim.greets().await;
        let args = if method == "vault.branch" { no_args() } else { Pack::new().array(1).uint(100_000) };
        peer.send_frame(&request(1, method, &args)).await;
        let carried = peer.expect_carried(1).await;
        eventually("it runs", || victim.ledger.running() == 1).await;
        peer.send_frame(&stop(carried[0].0)).await;
        eventually("it stops", || victim.ledger.running() == 0).await;
        let mut heard = peer.heard().await;
        while !matches!(&heard, Some(Seen::End { channel, why: Some((35, _)) }) if *channel == carried[0].0) {
            heard = peer.heard().await;
        }
        hear_all(&mut peer).await;
        victim.goes_on_with(peer, end).await;
    }
}

#[tokio::test]
async fn a_stop_before_anyone_has_looked_at_the_channel_ends_it() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    let args = Pack::new().array(2).uint(1000).uint(0);
    peer.send_frames(&[opens(1, "vault.recite", &[(3, SENDING)], &args), stop(3)]).await;
    let said = hear(&mut peer, 2).await;
    assert!(matches!(&said[0], Seen::End { channel: 3, why: Some((35, _)) }), "{said:?}");
    assert!(matches!(&said[1], Seen::Reply { xid: 1, value, .. } if value == &[0]), "{said:?}");
    victim.goes_on_with(peer, end).await;
}

#[tokio::test]
async fn an_item_over_the_limit_ends_its_channel_alone() {
    for total in [(16 << 20) + (64 << 10) + 1, 1 << 40, u64::MAX] {
        let victim = Victim::new();
        let (mut peer, end) = listens(&victim).await;
        peer.send_frame(&numbers(3, &[1])).await;
        let begin = numbers(3, &[2]);
        for turn in 0..3 {
            peer.send_frame(&chunk(3, total - begin.bytes().len() as u64, begin.bytes())).await;
            peer.send_frame(&given_up(3)).await;
            let stops = if turn == 0 { vec![Seen::Stop { channel: 3 }] } else { Vec::new() };
            assert_eq!(hear_all(&mut peer).await, stops, "once");
        }
        peer.send_frame(&fail(3, 35, "its receiver was dropped", &Pack::new().nil())).await;
        assert_eq!(heard_by(&mut peer, 1).await, ["1", "too large"]);
        // Where there is no channel it is as bad as any item.
        peer.send_frame(&chunk(3, total - begin.bytes().len() as u64, begin.bytes())).await;
        victim.throws_out(peer, end, "channel 3 was never opened, or has ended").await;
    }
}

#[tokio::test]
async fn an_end_with_an_error_of_another_type_is_no_good_end() {
    let victim = Victim::new();
    let (mut peer, end) = listens(&victim).await;
    peer.send_frames(&[numbers(3, &[1]), fail(3, 32, "app", &Pack::new().str("none of its"))]).await;
    assert_eq!(heard_by(&mut peer, 1).await, ["1", "dropped"]);
    for (turn, (code, expected)) in [
        (33, "remote"),
        (34, "remote"),
        (35, "dropped"),
        (4, "drained"),
        (38, "too large"),
        (5, "too large"),
        (99, "dropped"),
    ]
    .into_iter()
    .enumerate()
    {
        let (xid, id) = (4 * turn as u64 + 5, 4 * turn as u64 + 7);
        peer.send_frame(&opens(xid, "vault.listen", &[(id, RECEIVING)], &half(0))).await;
        peer.send_frame(&fail(id, code, "over", &Pack::new().nested(5000))).await;
        assert_eq!(heard_by(&mut peer, xid).await, [expected], "{code}");
    }
    victim.goes_on_with(peer, end).await;
}

// Peers that go, and peers that drain.

#[tokio::test]
async fn a_peer_that_vanishes_ends_all_its_channels() {
    for half_closes in [false, true] {
        let victim = Victim::new();
        let (mut peer, end) = listens(&victim).await;
        peer.send_frame(&request(5, "vault.pour", &Pack::new().array(1).uint(1000))).await;
        let args = Pack::new().array(2).uint(1_000_000).uint(0);
        peer.send_frame(&opens(7, "vault.recite", &[(9, SENDING)], &args)).await;
        eventually("all run", || victim.ledger.running() == 3).await;
        if half_closes {
            peer.half_close().await;
            let said = peer.hear_out().await;
            let listened = said.iter().find_map(|seen| match seen {
                Seen::Reply { xid: 1, value, .. } => Some(words(value)),
                _ => None,
            });
            assert_eq!(listened.as_deref(), Some(&["closed".to_owned()][..]));
        }
        drop(peer);
        end.closed().await;
        eventually("none runs", || victim.ledger.running() == 0).await;
        victim.is_well().await;
    }
}

#[tokio::test]
async fn a_peer_that_does_not_end_its_channels_does_not_hold_up_a_server_that_stops() {
    let (server, stop_server, mut peer) = serve_and_greet(Duration::from_millis(200)).await;
    peer.send_frame(&opens(1, "vault.sit_on", &[(3, RECEIVING)], &half(0))).await;
    peer.send_frame(&request(5, "vault.count", &Pack::new().array(1).uint(1_000_000))).await;
    let stream = peer.expect_carried(5).await[0].0;
    stop_server.notify_one();
    let said = peer.hear_out().await;
    let stopped = said.contains(&Seen::Stop { channel: 3 });
    let ended =
        said.iter().any(|it| matches!(it, Seen::End { channel, why: Some((4, _)) } if *channel == stream));
    assert!(stopped && ended, "{:?}", said.last());
    assert!(matches!(said.last(), Some(Seen::Goaway { code: CLOSED, .. })));
    tokio::time::timeout(Duration::from_secs(10), server).await.expect("it stops").expect("it ends well");
}

#[tokio::test(start_paused = true)]
async fn an_end_that_comes_late_in_a_drain_breaks_no_rule() {
    for carries in [false, true] {
        let victim = Victim::new();
        let (mut peer, end) = listens(&victim).await;
        peer.send_frame(&request(5, "vault.sleep", &Pack::new().array(1).uint(20_000))).await;
        eventually("both run", || victim.ledger.running() == 2).await;
        let drained = tokio::spawn(async move { end.drain().await });
        peer.expect_goaway(DRAINING, "draining").await;
        peer.expect_stop(3).await;
        // It is waited for no longer, and says what it has to say all the same.
        assert_eq!(heard_by(&mut peer, 1).await, ["drained"]);
        tokio::time::sleep(Duration::from_secs(1)).await;
        if carries {
            peer.send_frame(&item_with(3, &halves(&[(7, RECEIVING)]), &[number(1)])).await;
            peer.expect_stop(7).await;
            peer.send_frame(&finish(7)).await;
        }
        peer.send_frames(&[numbers(3, &[1, 2]), finish(3)]).await;
        peer.expect_reply(5).await;
        peer.expect_goaway(CLOSED, "drained").await;
        assert_eq!(drained.await.expect("it ends"), CloseReason::Drained);
        victim.is_well().await;
    }
}

// What nobody reads.

/// The bystander gets its items, and quickly.
async fn is_served_at_full_speed(victim: &Victim) {
    let all = async {
        for _ in 0..10 {
            let numbers = victim.bystander.count(20_000).await.expect("a stream");
            assert_eq!(transcript(numbers, u64::to_string).await.len(), 20_001);
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), all).await.is_ok(), "the bystander waits");
}

#[cfg(target_os = "linux")]
#[test]
fn streams_that_nobody_reads_take_a_bounded_memory_and_slow_down_nobody() {
    alone("hostile_channels::streams_that_nobody_reads_take_a_bounded_memory_and_slow_down_nobody", async {
        let victim = Victim::new();
        let (mut peer, end) = victim.accepts();
        let limitless = GENEROUS.map(|(name, _)| (name, u64::MAX));
        peer.send_frame(&hello(1, CONNECTING, &limitless)).await;
        peer.expect_hello().await;
        let before = memory();
        let all = (0..100_000)
            .map(|turn| request(2 * turn + 1, "vault.pour", &Pack::new().array(1).uint(1000)).framed());
        flood(&mut peer, &end, all).await;
        assert_protocol(&end.closed().await, "more than 1024 requests in flight");
        let grown = grown(before);
        assert!(grown < 200 << 20, "{grown} bytes for {} streams", victim.ledger.most());
        is_served_at_full_speed(&victim).await;
        victim.is_well().await;
    });
}

#[cfg(target_os = "linux")]
#[test]
fn streams_that_get_no_credit_are_not_begun_without_end() {
    alone("hostile_channels::streams_that_get_no_credit_are_not_begun_without_end", async {
        let victim = Victim::new();
        let (mut peer, end) = victim.accepts();
        let limitless = GENEROUS.map(|(name, _)| (name, if name == "window" { 16 << 10 } else { u64::MAX }));
        peer.send_frame(&hello(1, CONNECTING, &limitless)).await;
        peer.expect_hello().await;
        let before = memory();
        // It reads all that it is sent, so that its calls are answered, and grants nothing.
        let mut answered = 0;
        for turn in 0..1024 + 100 {
            peer.send_frame(&request(2 * turn + 1, "vault.pour", &Pack::new().array(1).uint(8000))).await;
            let said = hear_all(&mut peer).await;
            answered += said.iter().filter(|seen| matches!(seen, Seen::Reply { .. })).count();
        }
        assert!(answered <= 1024, "{answered} streams run");
        let grown = grown(before);
        assert!(grown < 200 << 20, "{grown} bytes for {answered} streams");
        is_served_at_full_speed(&victim).await;
        drop(peer);
        end.closed().await;
        victim.is_well().await;
    });
}

#[tokio::test]
async fn a_stream_that_nobody_reads_holds_up_no_call_of_its_own_connection() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    for turn in 0..20 {
        peer.send_frame(&request(2 * turn + 1, "vault.pour", &Pack::new().array(1).uint(100_000))).await;
    }
    for _ in 0..20 {
        while !matches!(peer.heard().await, Some(Seen::Reply { .. })) {}
    }
    for turn in 0..100 {
        peer.send_frame(&request(2 * turn + 1001, "vault.echo", &text("hi"))).await;
        assert!(matches!(hear_until_answer(&mut peer, 2 * turn + 1001).await.1, Seen::Reply { .. }));
    }
    drop(peer);
    end.closed().await;
    victim.is_well().await;
}

#[tokio::test]
async fn one_receiver_that_takes_nothing_holds_back_its_own_channel_only() {
    let victim = Victim::new();
    let (mut peer, end) = sits(&victim).await;
    peer.send_chunked(3, &item(3, &[Pack::new().bin(&vec![7; 2 * WINDOW])])).await;
    peer.send_frame(&opens(5, "vault.listen", &[(7, RECEIVING)], &half(0))).await;
    for turn in 0..100 {
        peer.send_frame(&numbers(7, &[turn; 1000])).await;
    }
    peer.send_frame(&finish(7)).await;
    assert_eq!(heard_by(&mut peer, 5).await.len(), 100_001);
    victim.ledger.held.close();
    let said = hear(&mut peer, 2).await;
    assert!(said.contains(&Seen::Stop { channel: 3 }), "{said:?}");
    peer.send_frame(&finish(3)).await;
    victim.goes_on_with(peer, end).await;
}

#[cfg(target_os = "linux")]
#[test]
fn ends_that_nobody_reads_are_owed_for_so_many_channels_only() {
    alone("hostile_channels::ends_that_nobody_reads_are_owed_for_so_many_channels_only", async {
        // Each names 250 halves that nobody takes, and costs no slot.
        for by_notify in [false, true] {
            let victim = Victim::new();
            let (mut peer, end) = victim.greets().await;
            let before = memory();
            let frames = (0..20_000).map(|turn| {
                let list: Vec<(u64, u64)> = (0..250).map(|at| (500 * turn + 2 * at + 1, SENDING)).collect();
                let frame = if by_notify {
                    notify_with("vault.steal", &carrying(&list), &no_args())
                } else {
                    reply_with(2, &carrying(&list), &number(1))
                };
                frame.framed()
            });
            flood(&mut peer, &end, frames).await;
            let grown = grown(before);
            assert!(grown < 8 << 20, "{grown} bytes of ends");
            assert_protocol(&end.closed().await, "more than 256 channels open");
            victim.is_well().await;
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn stops_that_nobody_reads_hold_the_places_of_their_channels() {
    alone("hostile_channels::stops_that_nobody_reads_hold_the_places_of_their_channels", async {
        let victim = Victim::new();
        let (mut peer, end) = victim.greets().await;
        // From here on nothing more is read.
        peer.send_frame(&request(1, "vault.fetch", &Pack::new().array(1).uint(1 << 20))).await;
        eventually("it runs", || victim.ledger.begun() == 1).await;
        let before = memory();
        for turn in 0..200_000 {
            let id = 2 * turn + 3;
            let opened = reply_with(2, &carrying(&[(id, RECEIVING)]), &number(1)).framed();
            if peer.try_send_raw(&[opened, finish(id).framed()].concat()).await.is_err() {
                break;
            }
        }
        let reason = end.closed().await.to_string();
        assert!(reason.contains("more than 256 channels open"), "{reason}");
        let grown = grown(before);
        assert!(grown < 1 << 20, "{grown} bytes of stops for channels that have ended");
        drop(peer);
        victim.is_well().await;
    });
}

#[cfg(target_os = "linux")]
#[test]
fn credit_for_a_stream_that_waits_for_channels_takes_nothing() {
    alone("hostile_channels::credit_for_a_stream_that_waits_for_channels_takes_nothing", async {
        let victim = Victim::new();
        let (mut peer, end) = victim.accepts();
        peer.send_frame(&hello(1, CONNECTING, &allowing("max_channels", 1))).await;
        peer.expect_hello().await;
        peer.send_frame(&request(1, "vault.branch", &no_args())).await;
        let id = peer.expect_carried(1).await[0].0;
        // Its items carry channels, of which the peer takes no more.
        let mut before = memory();
        for turn in 0..2000 {
            for _ in 0..16 {
                peer.send_raw(&credit(id, 1 << 20).framed().repeat(8)).await;
                tokio::task::yield_now().await;
            }
            if turn == 200 {
                before = memory();
            }
        }
        assert_eq!(hear_all(&mut peer).await, []);
        let grown = grown(before);
        assert!(grown < 128 << 10, "{grown} bytes");
        victim.goes_on_with(peer, end).await;
    });
}

/// A peer that takes one channel, and has asked for so many streams. All answers but one wait.
async fn crowds(victim: &Victim, streams: u64) -> (Script, Connection) {
    let (mut peer, end) = victim.accepts();
    let mut settings = allowing("max_channels", 1);
    settings[5] = ("window", 16 << 10);
    peer.send_frame(&hello(1, CONNECTING, &settings)).await;
    peer.expect_hello().await;
    for turn in 0..streams {
        peer.send_frame(&request(2 * turn + 1, "vault.pour", &Pack::new().array(1).uint(1000))).await;
    }
    let said = hear_all(&mut peer).await;
    assert_eq!(said.iter().filter(|seen| matches!(seen, Seen::Reply { .. })).count(), 1);
    eventually("all run", || victim.ledger.running() == streams as usize).await;
    (peer, end)
}

#[tokio::test]
async fn an_answer_that_waits_for_channels_goes_when_there_is_room_and_ends_when_it_is_cancelled() {
    let victim = Victim::new();
    let (mut peer, end) = crowds(&victim, 4).await;
    peer.send_frame(&cancel(3)).await;
    peer.expect_fault(3, 35).await;
    eventually("its stream is gone", || victim.ledger.running() == 3).await;
    // The streams that run are those of 1, 5 and 7, by turns.
    for (running, (stream, next)) in [(2, 5), (4, 7)].into_iter().enumerate() {
        peer.send_frame(&stop(stream)).await;
        let (before, answer) = hear_until_answer(&mut peer, next).await;
        assert!(before.iter().any(|seen| matches!(seen, Seen::End { channel, .. } if *channel == stream)));
        assert!(matches!(&answer, Seen::Reply { carried, .. } if carried == &[(stream + 2, RECEIVING)]));
        eventually("it is gone", || victim.ledger.running() == 2 - running).await;
    }
    drop(peer);
    end.closed().await;
    victim.is_well().await;
}

#[tokio::test]
async fn a_half_closed_peer_is_refused_what_waits_for_channels() {
    let victim = Victim::new();
    let (mut peer, end) = crowds(&victim, 3).await;
    peer.half_close().await;
    let said = peer.hear_out().await;
    let refused = |said: &&Seen| matches!(said, Seen::Fault { xid: 3 | 5, code: 35, .. });
    assert_eq!(said.iter().filter(refused).count(), 2, "{said:?}");
    assert!(matches!(said.last(), Some(Seen::Goaway { code: CLOSED, .. })));
    assert_eq!(end.closed().await, CloseReason::Eof);
    victim.is_well().await;
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_what_waits_for_channels_with_those_that_are_open() {
    let victim = Victim::new();
    let (mut peer, end) = crowds(&victim, 3).await;
    let begun = Instant::now();
    let drained = tokio::spawn(async move { end.drain().await });
    peer.expect_goaway(DRAINING, "draining").await;
    let said = hear(&mut peer, 3).await;
    assert_eq!(begun.elapsed().as_secs(), 5, "so long is their grace");
    assert!(matches!(said[0], Seen::End { channel: 2, why: Some((4, _)) }), "{said:?}");
    assert!(
        said[1..].iter().all(|seen| matches!(seen, Seen::Fault { xid: 3 | 5, code: 35, .. })),
        "{said:?}"
    );
    peer.expect_goaway(CLOSED, "drained").await;
    assert_eq!(drained.await.expect("it ends"), CloseReason::Drained);
    victim.is_well().await;
}

#[test]
fn cancels_beside_answers_that_wait_for_channels_cost_no_more_than_elsewhere() {
    alone(
        "hostile_channels::cancels_beside_answers_that_wait_for_channels_cost_no_more_than_elsewhere",
        async {
            let victim = Victim::new();
            let (mut peer, end) = crowds(&victim, 1000).await;
            let mut times = Vec::new();
            for frame in [pong(1), cancel(3001)] {
                let begun = std::time::Instant::now();
                for _ in 0..100 {
                    peer.send_raw(&frame.framed().repeat(1000)).await;
                }
                hear_all(&mut peer).await;
                times.push(begun.elapsed());
            }
            assert!(times[1] < 40 * times[0], "{times:?} for 100,000");
            drop(peer);
            end.closed().await;
            victim.is_well().await;
        },
    );
}

// One within the other.

#[test]
fn channels_within_channels_overflow_no_stack_and_count_until_they_are_taken() {
    alone(
        "hostile_channels::channels_within_channels_overflow_no_stack_and_count_until_they_are_taken",
        async {
            let victim = Victim::new();
            let (mut peer, end) = sits(&victim).await;
            for turn in 0..255 {
                let id = 2 * turn + 3;
                let inner = item_with(id, &halves(&[(id + 2, RECEIVING)]), &[number(0)]);
                peer.send_frames(&[inner, finish(id)]).await;
            }
            // All of it is given up at once.
            victim.ledger.held.close();
            hear_until_answer(&mut peer, 1).await;
            hear_all(&mut peer).await;
            drop(peer);
            end.closed().await;
            victim.is_well().await;
        },
    );
}

// Where the attacker is called.

#[tokio::test]
async fn a_reply_with_halves_for_a_call_that_was_dropped_ends_them() {
    let victim = Victim::new();
    let (mut peer, end, client) = victim.calls(16).await;
    let call = client.count(5).start();
    let xid = peer.expect_request("vault.count").await;
    drop(call);
    peer.expect_cancel(xid).await;
    peer.send_frame(&reply_with(xid, &carrying(&[(2, RECEIVING), (4, SENDING)]), &number(0))).await;
    let said = hear(&mut peer, 2).await;
    assert!(matches!(said[..], [Seen::End { channel: 4, .. }, Seen::Stop { channel: 2 }]), "{said:?}");
    peer.send_frames(&[numbers(2, &[1, 2]), finish(2)]).await;
    victim.still_calls(peer, end, client).await;
}

#[tokio::test]
async fn a_reply_that_came_and_is_never_looked_at_ends_its_halves() {
    let victim = Victim::new();
    let (mut peer, end, client) = victim.calls(16).await;
    let call = client.count(5).start();
    let xid = peer.expect_request("vault.count").await;
    peer.send_frame(&reply_with(xid, &carrying(&[(2, RECEIVING)]), &number(0))).await;
    hear_all(&mut peer).await;
    drop(call);
    peer.expect_stop(2).await;
    peer.send_frame(&finish(2)).await;
    victim.still_calls(peer, end, client).await;
}

#[tokio::test]
async fn a_reply_that_names_its_halves_wrongly_fails_its_call_and_ends_them() {
    let cases: [(&[(u64, u64)], Pack); 6] = [
        (&[(2, SENDING)], number(0)),
        (&[(2, RECEIVING)], number(1)),
        (&[(2, RECEIVING)], Pack::new().str("0")),
        (&[(2, RECEIVING)], Pack::new().raw(&[0xcb, 0, 0, 0, 0, 0, 0, 0, 0])),
        (&[(2, RECEIVING)], number(0).uint(0)),
        (&[(2, RECEIVING), (4, RECEIVING), (6, SENDING)], Pack::new().nil()),
    ];
    for (list, value) in cases {
        let victim = Victim::new();
        let (mut peer, end, client) = victim.calls(16).await;
        let call = client.count(5).start();
        let xid = peer.expect_request("vault.count").await;
        peer.send_frame(&reply_with(xid, &carrying(list), &value)).await;
        let failed = call.await.map(drop);
        assert!(matches!(&failed, Err(Error::Call(CallError::ReplyUndecodable(_)))), "{failed:?}");
        let said = hear(&mut peer, list.len()).await;
        assert!(said.iter().all(|seen| matches!(seen, Seen::Stop { .. } | Seen::End { .. })), "{said:?}");
        for (id, _) in list.iter().filter(|(_, half)| *half == RECEIVING) {
            peer.send_frame(&finish(*id)).await;
        }
        victim.still_calls(peer, end, client).await;
    }
}

#[tokio::test]
async fn a_stream_of_a_peer_that_keeps_no_rule_ends_with_its_connection() {
    let endings = [
        (numbers(2, &[9, 9]), "closed"),
        (stop(2), "closed"),
        (credit(2, 7), "closed"),
        (finish(4), "closed"),
        (Pack::new().array(3).uint(7).uint(2).uint(7), "closed"),
    ];
    for (breach, expected) in endings {
        let victim = Victim::new();
        let (mut peer, end, client) = victim.calls(16).await;
        let call = client.count(5).start();
        let xid = peer.expect_request("vault.count").await;
        peer.send_frame(&reply_with(xid, &carrying(&[(2, RECEIVING)]), &number(0))).await;
        peer.send_frame(&item(2, &[number(1), Pack::new().nil(), number(2)])).await;
        let stream = call.await.expect("a stream");
        if breach.bytes()[1] == 6 {
            // Without credit, of which a receiver gives back none that it has not taken.
            peer.send_chunked(2, &item(2, &[Pack::new().bin(&vec![7; 2 * WINDOW])])).await;
        }
        peer.send_frame(&breach).await;
        let reason = end.closed().await;
        assert!(matches!(reason, CloseReason::Protocol(_)), "{reason:?}");
        let heard = transcript(stream, u64::to_string).await;
        // What came before is still there.
        assert!(heard.starts_with(&["1".into(), "undecodable".into(), "2".into()]), "{heard:?}");
        assert_eq!(heard.last().map(String::as_str), Some(expected));
        drop(peer);
        victim.is_well().await;
    }
}

#[tokio::test]
async fn a_channel_that_left_with_a_call_ends_when_its_peer_stops_it_or_goes() {
    for goes in [false, true] {
        let victim = Victim::new();
        let (mut peer, end, client) = victim.calls(16).await;
        let (mut sender, receiver) = mux::channel::<u64>();
        let call = client.listen(receiver).start();
        let Some(Seen::Request { xid, carried, .. }) = peer.heard().await else {
            panic!("a request was due")
        };
        let [(id, RECEIVING)] = carried[..] else { panic!("{carried:?}") };
        sender.send(1).await.expect("someone listens");
        assert_eq!(
            peer.heard().await,
            Some(Seen::Item { channel: id, carried: vec![], count: 1, values: vec![1] })
        );
        if goes {
            drop(peer);
            sender.closed().await;
            assert!(sender.send(2).await.is_err());
            assert!(call.await.is_err());
            end.closed().await;
            victim.is_well().await;
        } else {
            peer.send_frame(&stop(id)).await;
            sender.closed().await;
            assert_eq!(peer.expect_end(id).await, Some(35));
            peer.send_frame(&reply(xid, &no_args())).await;
            assert_eq!(call.await, Ok(vec![]));
            victim.still_calls(peer, end, client).await;
        }
    }
}

#[tokio::test]
async fn a_peer_that_takes_no_channels_is_asked_for_none() {
    let victim = Victim::new();
    let (here, there) = mux::pair();
    let (mut peer, end) = (Script::new(there, ACCEPTING), victim.builder.open(here));
    peer.expect_hello().await;
    peer.send_frame(&hello(1, ACCEPTING, &allowing("max_channels", 0))).await;
    let client: VaultClient = end.client();
    hear_all(&mut peer).await;
    let (mut sender, receiver) = mux::channel::<u64>();
    let failed = client.listen(receiver).await.expect_err("it takes none");
    assert!(failed.did_not_run(), "{failed:?}");
    assert!(sender.send(1).await.is_err());
    victim.still_calls(peer, end, client).await;
}
