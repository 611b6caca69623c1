//! What a peer can do with messages in chunks: one that is too large, lies, stalls or goes nowhere fails
//! alone or ends its connection, and takes no more memory than the limits give it.

use crate::script::*;
use crate::victim::*;
use mux::{CallError, CloseReason, Error, Limits};
use std::time::Duration;

/// What a message may have in all: a body of 16 MiB, and 64 KiB beside it.
const LONGEST: u64 = (16 << 20) + (64 << 10);

/// Totals that are too much, by a byte or by all there is.
const TOO_MUCH: [u64; 4] = [LONGEST + 1, 1 << 40, u64::MAX / 2 + 1, u64::MAX];

/// The first chunk of a message of `total` bytes that begins like this.
fn begins(id: u64, total: u64, message: &Pack) -> Pack {
    chunk(id, total - message.bytes().len() as u64, message.bytes())
}

fn weigh(xid: u64, size: usize) -> Pack {
    request(xid, "vault.weigh", &Pack::new().array(1).bin(&vec![1; size]))
}

// Too much.

#[cfg(target_os = "linux")]
#[test]
fn messages_begun_without_end_end_the_connection_and_take_little_memory() {
    alone("hostile_chunks::messages_begun_without_end_end_the_connection_and_take_little_memory", async {
        let victim = Victim::new();
        let (mut peer, end) = victim.greets().await;
        let before = memory();
        let mut begun = 0;
        while peer.try_send_raw(&chunk(2 * begun + 1, 100, &[0x95]).framed()).await.is_ok()
            && !end.is_closed()
        {
            begun += 1;
        }
        // Each counts 16 KiB of the 64 MiB.
        assert!((4096..5000).contains(&begun), "{begun} were begun");
        let grown = grown(before);
        assert!(grown < 16 << 20, "{grown} bytes for {begun} messages of a byte");
        victim.throws_out(peer, end, "more than 67108864 bytes of large messages at once").await;
    });
}

#[cfg(target_os = "linux")]
#[test]
fn messages_that_are_never_whole_take_what_may_be_buffered_and_no_more() {
    alone("hostile_chunks::messages_that_are_never_whole_take_what_may_be_buffered_and_no_more", async {
        let victim = Victim::new();
        let (mut peer, end) = victim.greets().await;
        let before = memory();
        for xid in [1, 3, 5, 7] {
            let mut all = chunks(xid, &weigh(xid, (16 << 20) - 100), 100_000);
            all.pop();
            for chunk in all {
                peer.send_frame(&chunk).await;
            }
        }
        peer.send_frame(&ping(1)).await;
        peer.expect_pong(1).await;
        let grown = grown(before);
        // With what a buffer that grows leaves behind.
        assert!(grown < 128 << 20, "{grown} bytes for 64 MiB");
        peer.send_frame(&chunk(9, 17_000, &[0x95])).await;
        victim.throws_out(peer, end, "more than 67108864 bytes of large messages at once").await;
        assert_eq!(victim.ledger.begun(), IN_GOOD_FAITH);
    });
}

#[tokio::test]
async fn a_request_over_the_limit_is_refused_alone_and_before_the_rest_comes() {
    for total in TOO_MUCH {
        let victim = Victim::new();
        let (mut peer, end) = victim.greets().await;
        let begin = weigh(1, 10);
        peer.send_frame(&begins(1, total, &begin)).await;
        let message = peer.expect_fault(1, 5).await;
        assert!(message.starts_with("request of ") && message.ends_with("limit of 16777216"), "{message}");
        // The rest may follow, or be given up, and others pass it by.
        peer.send_frame(&request(3, "vault.echo", &text("hi"))).await;
        peer.expect_reply(3).await;
        let mut left = total - begin.bytes().len() as u64;
        while left > 0 && total == LONGEST + 1 {
            let size = left.min(100_000);
            left -= size;
            peer.send_frame(&chunk(1, left, &vec![7; size as usize])).await;
        }
        if left > 0 {
            peer.send_frame(&chunk(1, left - 1000, &[7; 1000])).await;
            peer.send_frame(&given_up(1)).await;
        }
        assert_eq!(victim.ledger.begun(), 1, "the small one");
        victim.goes_on_with(peer, end).await;
    }
}

#[tokio::test]
async fn notifies_over_the_limit_are_dropped_alone_whatever_they_claim() {
    for total in TOO_MUCH {
        let victim = Victim::new();
        let (mut peer, end) = victim.greets().await;
        let begin = notify("vault.note", &text("an epic"));
        let mut allowed = 256 << 10;
        for turn in 0..5 {
            peer.send_frames(&[begins(2 * turn + 1, total, &begin), given_up(2 * turn + 1)]).await;
            // It has spent all the credit there was.
            let granted = peer.expect_credit().await;
            assert!(granted > allowed);
            allowed = granted;
        }
        peer.send_frame(&notify("vault.note", &text("a verse"))).await;
        eventually("it runs", || victim.ledger.begun() == 1).await;
        victim.goes_on_with(peer, end).await;
    }
}

#[tokio::test]
async fn a_reply_over_the_limit_fails_its_call_alone() {
    for total in TOO_MUCH {
        let victim = Victim::new();
        let (mut peer, end, client) = victim.calls(16).await;
        let call = client.echo("hi").start();
        let xid = peer.expect_request("vault.echo").await;
        peer.send_frame(&begins(xid, total, &reply(xid, &Pack::new().str("an epic")))).await;
        let failed = call.await;
        assert!(matches!(&failed, Err(Error::Call(CallError::ReplyTooLarge(_)))), "{failed:?}");
        peer.send_frame(&given_up(xid)).await;
        let call = client.echo("hi").start();
        let xid = peer.expect_request("vault.echo").await;
        let epic = fault(xid, 34, "all went wrong", &Pack::new().str("and here is how"));
        peer.send_frame(&begins(xid, total, &epic)).await;
        let failed = call.await;
        assert!(matches!(&failed, Err(Error::Call(CallError::ReplyTooLarge(_)))), "{failed:?}");
        peer.send_frame(&given_up(xid)).await;
        victim.still_calls(peer, end, client).await;
    }
}

#[tokio::test]
async fn a_message_over_the_limit_that_does_not_say_what_it_is_ends_the_connection() {
    for begin in [&[0x95][..], &[0x95, 1, 1, 0xab], &[0xc1], &[0x92, 11, 1]] {
        let victim = Victim::new();
        let (mut peer, end) = victim.greets().await;
        peer.send_frame(&chunk(1, 1 << 40, begin)).await;
        let text =
            if begin[0] == 0x92 { "are not a message of that id" } else { "whose first chunk has no head" };
        victim.throws_out(peer, end, text).await;
    }
}

// Lies.

#[tokio::test]
async fn totals_that_lie_end_the_connection() {
    let whole = weigh(1, 200);
    let (first, second) = whole.bytes().split_at(100);
    let left = second.len() as u64;
    for lie in [0, left - 51, left - 49, left, left + 1, u64::MAX] {
        let victim = Victim::new();
        let (mut peer, end) = victim.greets().await;
        peer.send_frame(&chunk(1, left, first)).await;
        peer.send_frame(&chunk(1, lie, &second[..50])).await;
        victim.throws_out(peer, end, &format!("where message 1 lacks {left}")).await;
        assert_eq!(victim.ledger.begun(), IN_GOOD_FAITH);
    }
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    peer.send_frame(&chunk(1, u64::MAX, first)).await;
    victim.throws_out(peer, end, "begins message 1 of 18446744073709551615 more").await;
}

#[tokio::test]
async fn two_messages_under_one_id_end_the_connection() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    let whole = chunks(1, &weigh(1, 40_000), 30_000);
    peer.send_frames(&[whole[0].clone(), whole[0].clone()]).await;
    victim.throws_out(peer, end, "where message 1 lacks").await;
}

#[tokio::test]
async fn a_chunk_without_data_ends_the_connection() {
    let whole = weigh(1, 200);
    for frames in [
        vec![chunk(1, 0, &[])],
        vec![chunk(1, 100, &[])],
        vec![chunk(1, whole.bytes().len() as u64 - 100, &whole.bytes()[..100]), chunk(1, 100, &[])],
    ] {
        let victim = Victim::new();
        let (mut peer, end) = victim.greets().await;
        peer.send_frames(&frames).await;
        victim.throws_out(peer, end, "a chunk of 0 bytes").await;
    }
}

#[tokio::test]
async fn giving_up_what_was_never_begun_ends_the_connection() {
    let whole = chunks(1, &request(1, "vault.echo", &text("hi")), 10);
    for frames in [vec![], whole] {
        let victim = Victim::new();
        let (mut peer, end) = victim.greets().await;
        peer.send_frames(&frames).await;
        peer.send_frame(&given_up(1)).await;
        let heard = peer.hear_out().await;
        assert!(matches!(heard.last(), Some(Seen::Goaway { code: PROTOCOL, .. })), "{heard:?}");
        drop(peer);
        assert_protocol(&end.closed().await, "message 1 is given up, and was never begun");
        victim.is_well().await;
    }
}

#[tokio::test]
async fn what_comes_in_chunks_is_a_message_of_their_id_or_ends_the_connection() {
    let others = [
        request(3, "vault.echo", &text("hi")),
        reply(3, &Pack::new().nil()),
        fault(3, 32, "", &Pack::new().nil()),
        item(3, &[Pack::new().uint(1)]),
        ping(1),
        cancel(1),
        stop(1),
        finish(1),
        credit(1, 1000),
        goaway(1, DRAINING, ""),
        hello(1, CONNECTING, &GENEROUS),
        chunk(1, 0, &[1, 2, 3]),
        Pack::new().array(1).uint(64),
    ];
    for other in others {
        let victim = Victim::new();
        let (mut peer, end) = victim.greets().await;
        for chunk in chunks(1, &other, 3) {
            peer.send_frame(&chunk).await;
        }
        victim.throws_out(peer, end, "the chunks of 1 are not a message of that id").await;
        assert_eq!(victim.ledger.begun(), IN_GOOD_FAITH);
    }
}

#[tokio::test]
async fn chunks_that_are_no_frame_together_end_the_connection() {
    for whole in [
        Pack::new().raw(&[0xc1; 40]),
        Pack::new().array(0),
        Pack::new().array(2).uint(1).uint(1),
        Pack::new().boundless(),
    ] {
        let victim = Victim::new();
        let (mut peer, end) = victim.greets().await;
        peer.send_frames(&chunks(1, &whole, 30)).await;
        let heard = peer.hear_out().await;
        assert!(matches!(heard[..], [Seen::Goaway { code: PROTOCOL, .. }]), "{heard:?}");
        drop(peer);
        assert_protocol(&end.closed().await, "");
        victim.is_well().await;
    }
}

#[tokio::test]
async fn a_large_message_that_nobody_asked_for_ends_the_connection() {
    // Of this parity only answers can be.
    for id in [0, 2, u64::MAX - 1] {
        let victim = Victim::new();
        let (mut peer, end) = victim.greets().await;
        peer.send_frame(&chunk(id, 20_000, &[0x94, 2])).await;
        victim.throws_out(peer, end, &format!("a chunk of message {id}, which nobody asked for")).await;
    }
}

#[tokio::test]
async fn a_chunk_before_the_hello_ends_the_connection() {
    let victim = Victim::new();
    let (mut peer, end) = victim.accepts();
    peer.expect_hello().await;
    peer.send_frame(&chunk(1, 20_000, &[0x95])).await;
    victim.throws_out(peer, end, "the first frame is not a hello").await;
}

// Half of a message.

#[cfg(target_os = "linux")]
#[test]
fn uploads_given_up_for_ever_leave_nothing_behind() {
    alone("hostile_chunks::uploads_given_up_for_ever_leave_nothing_behind", async {
        let victim = Victim::new();
        let (mut peer, end) = victim.greets().await;
        let whole = weigh(1, 1000);
        let turns = |turns: std::ops::Range<u64>| -> Vec<u8> {
            let turn =
                |turn| [begins(2 * turn + 1, 16 << 20, &whole).framed(), given_up(2 * turn + 1).framed()];
            turns.flat_map(turn).flatten().collect()
        };
        peer.send_raw(&turns(0..1000)).await;
        let before = memory();
        for from in (1000..100_000).step_by(1000) {
            peer.send_raw(&turns(from..from + 1000)).await;
        }
        peer.send_frame(&ping(1)).await;
        peer.expect_pong(1).await;
        let grown = grown(before);
        assert!(grown < 4 << 20, "{grown} bytes for nothing");
        // All the room there is, is free.
        for xid in [300_001, 300_003, 300_005, 300_007] {
            peer.send_frame(&begins(xid, 16 << 20, &weigh(xid, 10))).await;
        }
        assert_eq!(victim.ledger.begun(), 0);
        victim.goes_on_with(peer, end).await;
    });
}

#[tokio::test]
async fn a_stalled_upload_holds_up_nothing_on_its_own_connection() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    let mut upload = chunks(1, &weigh(1, 300_000), 100_000);
    let last = upload.pop().expect("four chunks");
    peer.send_frames(&upload).await;
    for turn in 0..100 {
        peer.send_frame(&request(2 * turn + 3, "vault.echo", &text("hi"))).await;
        peer.expect_reply(2 * turn + 3).await;
    }
    peer.send_frame(&last).await;
    assert_eq!(peer.expect_reply(1).await, Pack::new().uint(300_000).bytes());
    victim.goes_on_with(peer, end).await;
}

#[tokio::test]
async fn a_reply_that_is_given_up_leaves_its_call_to_the_fault_that_follows() {
    let victim = Victim::new();
    let (mut peer, end, client) = victim.calls(16).await;
    let call = client.fetch(100_000).start();
    let xid = peer.expect_request("vault.fetch").await;
    let value = Pack::new().bin(&[7; 100_000]);
    peer.send_frame(&begins(xid, 100_000, &reply(xid, &Pack::new().bin(&[7; 100])))).await;
    peer.send_frame(&given_up(xid)).await;
    peer.send_frame(&fault(xid, 35, "cancelled", &Pack::new().nil())).await;
    assert!(matches!(call.await, Err(Error::Call(CallError::Cancelled(_)))));
    // One that comes whole after all is nothing to anyone.
    peer.send_frame(&reply(xid, &Pack::new().nil())).await;
    let call = client.fetch(100_000).start();
    let xid = peer.expect_request("vault.fetch").await;
    peer.send_chunked(xid, &reply(xid, &value)).await;
    assert_eq!(call.await.map(|blob| blob.len()), Ok(100_000));
    victim.still_calls(peer, end, client).await;
}

#[tokio::test]
async fn an_answer_that_overtakes_its_own_chunks_is_the_answer() {
    let victim = Victim::new();
    let (mut peer, end, client) = victim.calls(16).await;
    let call = client.echo("hi").start();
    let xid = peer.expect_request("vault.echo").await;
    let mut slow = chunks(xid, &reply(xid, &Pack::new().str(&"x".repeat(200_000))), 100_000);
    let last = slow.pop().expect("three chunks");
    peer.send_frames(&slow).await;
    peer.send_frame(&reply(xid, &Pack::new().str("quick"))).await;
    assert_eq!(call.await.as_deref(), Ok("quick"));
    peer.send_frame(&last).await;
    victim.still_calls(peer, end, client).await;
}

#[tokio::test]
async fn an_end_in_the_middle_of_a_chunk_runs_nothing_and_leaves_nothing() {
    let begun = chunks(1, &weigh(1, 300_000), 100_000);
    let bytes = [hello(1, CONNECTING, &GENEROUS).framed(), begun[0].framed(), begun[1].framed()].concat();
    for cut in [1, 3, 4, 5, 6, 10, 15, 16, 20, 5000, 40_000, 99_999, 100_000] {
        for vanishes in [false, true] {
            let victim = Victim::new();
            let (mut peer, end) = victim.accepts();
            peer.send_raw(&bytes[..bytes.len() - cut]).await;
            if vanishes {
                drop(peer);
            } else {
                peer.half_close().await;
                let heard = peer.hear_out().await;
                assert!(
                    matches!(heard[..], [Seen::Hello { .. }, Seen::Goaway { code: CLOSED, .. }]),
                    "{heard:?}"
                );
            }
            let reason = end.closed().await;
            assert!(matches!(reason, CloseReason::Eof | CloseReason::Io(_)), "{reason:?}");
            assert_eq!(victim.ledger.begun(), 0);
            victim.is_well().await;
        }
    }
}

#[tokio::test]
async fn a_goodbye_in_the_middle_of_a_message_is_a_goodbye() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    let begun = chunks(1, &weigh(1, 300_000), 100_000);
    peer.send_frames(&[begun[0].clone(), goaway(0, CLOSED, "so long"), begun[1].clone()]).await;
    peer.expect_eof().await;
    assert_eq!(end.closed().await, CloseReason::Peer("so long".into()));
    assert_eq!(victim.ledger.begun(), 0);
    victim.is_well().await;
}

#[tokio::test]
async fn a_peer_that_drains_may_finish_the_message_it_has_begun() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    let upload = chunks(1, &weigh(1, 150_000), 100_000);
    peer.send_frames(&[upload[0].clone(), goaway(0, DRAINING, "so long"), upload[1].clone()]).await;
    assert_eq!(peer.expect_reply(1).await, Pack::new().uint(150_000).bytes());
    victim.goes_on_with(peer, end).await;
}

#[tokio::test]
async fn an_upload_that_never_ends_does_not_hold_up_a_server_that_stops() {
    let (server, stop, mut peer) = serve_and_greet(Duration::from_millis(100)).await;
    peer.send_frame(&begins(1, 100_000, &weigh(1, 10))).await;
    peer.send_frame(&ping(1)).await;
    peer.expect_pong(1).await;
    stop.notify_one();
    peer.expect_goaway(DRAINING, "draining").await;
    peer.expect_goaway(CLOSED, "").await;
    tokio::time::timeout(Duration::from_secs(10), server).await.expect("it stops").expect("it ends well");
}

// Valid, if unusual.

/// The ways to write a number, from short to long.
fn ways_of(number: u64) -> Vec<Vec<u8>> {
    let mut ways = vec![[&[0xcf][..], &number.to_be_bytes()].concat()];
    if number <= u64::from(u32::MAX) {
        ways.push([&[0xce][..], &(number as u32).to_be_bytes()].concat());
    }
    if number <= u64::from(u16::MAX) {
        ways.push([&[0xcd][..], &(number as u16).to_be_bytes()].concat());
    }
    if number <= u64::from(u8::MAX) {
        ways.push(vec![0xcc, number as u8]);
    }
    ways
}

/// A chunk with numbers as long as may be, and its data with a length of 32 bits.
fn unusual(id: u64, remaining: u64, data: &[u8], way: usize) -> Pack {
    let heads = [&[0x94][..], &[0xdc, 0, 4], &[0xdd, 0, 0, 0, 4]];
    let number = |number| {
        let ways = ways_of(number);
        ways[way % ways.len()].clone()
    };
    let len = data.len() as u32;
    let pack = Pack::new().raw(heads[way % 3]).raw(&number(10)).raw(&number(id)).raw(&number(remaining));
    pack.raw(&[0xc6]).raw(&len.to_be_bytes()).raw(data)
}

#[tokio::test]
async fn chunks_may_be_written_in_any_way_that_messagepack_knows() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    let mut xid = 1;
    for way in 0..12 {
        for (size, first) in [(0, 3), (30, 20), (60_000, 20_000), (150_000, 60_000), (150_000, 120_000)] {
            let whole = weigh(xid, size);
            let (first, second) = whole.bytes().split_at(first);
            peer.send_frame(&unusual(xid, second.len() as u64, first, way)).await;
            // The usual one goes on with it.
            if way % 2 == 0 {
                peer.send_frame(&unusual(xid, 0, second, way + 1)).await;
            } else {
                peer.send_frame(&chunk(xid, 0, second)).await;
            }
            assert_eq!(peer.expect_reply(xid).await, Pack::new().uint(size as u64).bytes());
            xid += 2;
        }
        let begun = unusual(xid, 5000, &[0x95], way);
        peer.send_frame(&begun).await;
        let given_up = Pack::new().array(4).raw(&[0xcc, 10]).raw(&[0xcf]).raw(&xid.to_be_bytes()).nil();
        peer.send_frame(&given_up.raw(&[0xc6, 0, 0, 0, 0])).await;
        xid += 2;
    }
    victim.goes_on_with(peer, end).await;
}

#[tokio::test]
async fn what_is_given_up_may_bring_data_that_nobody_looks_at() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    for (xid, size) in [(1, 5), (3, 5000), (5, 100_000)] {
        peer.send_frame(&chunk(xid, 1 << 20, &[0x95])).await;
        peer.send_frame(&Pack::new().array(4).uint(10).uint(xid).nil().bin(&vec![1; size])).await;
    }
    assert_eq!(victim.ledger.begun(), 0);
    victim.goes_on_with(peer, end).await;
}

#[tokio::test]
async fn chunks_may_come_byte_by_byte() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    for (xid, size, way) in [(1, 100, None), (3, 40_000, None), (5, 40_000, Some(0)), (7, 36_000, Some(1))] {
        let whole = weigh(xid, size);
        let cut = whole.bytes().len() - 50;
        let parts = [(cut, &whole.bytes()[..cut], 50), (50, &whole.bytes()[cut..], 0)];
        for (_, data, remaining) in parts {
            let frame =
                way.map_or_else(|| chunk(xid, remaining, data), |way| unusual(xid, remaining, data, way));
            for byte in frame.framed() {
                peer.send_raw(&[byte]).await;
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(peer.expect_reply(xid).await, Pack::new().uint(size as u64).bytes());
    }
    victim.goes_on_with(peer, end).await;
}

#[tokio::test]
async fn a_message_in_chunks_of_a_byte_is_a_message() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    peer.send_frames(&chunks(1, &weigh(1, 20_000), 1)).await;
    assert_eq!(peer.expect_reply(1).await, Pack::new().uint(20_000).bytes());
    victim.goes_on_with(peer, end).await;
}

#[tokio::test]
async fn small_messages_in_chunks_count_as_large_ones_until_they_are_answered() {
    let limits = Limits { max_message: 64 << 10, max_buffered: 64 << 10, ..Limits::default() };
    let victim = Victim::with(limits);
    let (mut peer, end) = victim.greets().await;
    for xid in [1, 3, 5, 7] {
        peer.send_frames(&chunks(xid, &request(xid, "vault.hang", &no_args()), 5)).await;
    }
    eventually("four run", || victim.ledger.running() == 4).await;
    assert!(!end.is_closed());
    peer.send_frame(&chunk(9, 100, &[0x95])).await;
    victim.throws_out(peer, end, "more than 65536 bytes of large messages at once").await;
    assert_eq!(victim.ledger.most(), 4);
}
