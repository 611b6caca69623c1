//! What a peer that keeps no rule can do: get its answer, or be thrown out with a reason. It stops
//! nobody's program, takes no memory that its limits do not give it, and troubles no other connection.

use crate::script::*;
use crate::victim::*;
use mux::{CallError, CloseReason, Error, Limits, Refusal, Server, Timeouts};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A whole conversation of which nothing waits for an answer, and where each frame of it ends.
fn conversation() -> Vec<Pack> {
    let deadline = Pack::new().map(2).str("timeout_ms").uint(60_000).str("tenant").str("eu");
    let in_chunks = request(25, "vault.echo", &text("in two chunks"));
    let in_chunks = in_chunks.bytes().split_at(in_chunks.bytes().len() - 12);
    vec![
        hello(1, CONNECTING, &GENEROUS),
        request(1, "vault.echo", &text("hello")),
        request_with(3, "vault.withdraw", &deadline, &Pack::new().array(1).uint(2)),
        notify("vault.note", &text("by the way")),
        request(5, "vault.steal", &no_args()),
        request(7, "vault.sleep", &Pack::new().array(1).uint(1)),
        cancel(7),
        ping(1),
        Pack::new().array(2).uint(70).str("of a later version"),
        credit(0, 1 << 20),
        pong(1),
        request(9, "vault.weigh", &Pack::new().array(1).bin(&[9; 40])),
        reply(2, &Pack::new().nil()),
        request(11, "vault.audit", &no_args()),
        request_with(21, "vault.listen", &carrying(&[(23, RECEIVING)]), &Pack::new().array(1).uint(0)),
        item(23, &[1, 2].map(|number| Pack::new().uint(number))),
        chunk(25, 12, in_chunks.0),
        finish(23),
        chunk(25, 0, in_chunks.1),
        request_with(27, "vault.recite", &carrying(&[(29, SENDING)]), &Pack::new().array(2).uint(2).uint(0)),
        credit(29, 1 << 20),
        chunk(31, 100, &[0x95, 1]),
        given_up(31),
    ]
}

/// Says `bytes` and nothing more, and reads to the end. What came, and why the connection closed.
async fn say_and_leave(victim: &Victim, bytes: &[u8]) -> (Vec<Seen>, CloseReason) {
    let (mut peer, end) = victim.accepts();
    peer.send_raw(bytes).await;
    peer.half_close().await;
    let heard = peer.hear_out().await;
    (heard, end.closed().await)
}

// Bytes that are no frames.

#[tokio::test]
async fn an_oversized_length_is_refused_before_its_body_comes() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    peer.send_raw(&[0x00, 0xff, 0xff, 0xff]).await;
    victim.throws_out(peer, end, "frame of 16777215 bytes exceeds the limit of 196608").await;
}

#[tokio::test]
async fn before_its_hello_a_peer_may_send_no_more_than_a_hello() {
    let victim = Victim::new();
    let (mut peer, end) = victim.accepts();
    peer.expect_hello().await;
    peer.send_raw(&[0x00, 0x10, 0x00, 0x00]).await;
    victim.throws_out(peer, end, "frame of 1048576 bytes exceeds the limit").await;
}

#[cfg(target_os = "linux")]
#[test]
fn a_claimed_length_takes_no_memory() {
    alone("hostile_peer::a_claimed_length_takes_no_memory", async {
        let victim = Victim::new();
        let before = memory();
        let mut claims = Vec::new();
        for turn in 0..2000 {
            let (mut peer, end) = victim.greets().await;
            // A frame, a chunk, or a message as long as may be, of which all but a little never comes.
            match turn % 3 {
                0 => peer.send_raw(&[0x00, 0x03, 0x00, 0x00, 0x95, 0, 0, 0, 0, 0, 0]).await,
                1 => {
                    let mut claim = chunk(1, 16_000_000, &[1; 128 << 10]).framed();
                    claim.truncate(30);
                    peer.send_raw(&claim).await;
                }
                _ => peer.send_frame(&chunk(1, 16 << 20, &[0; 10])).await,
            }
            claims.push((peer, end));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(claims.iter().all(|(_, end)| !end.is_closed()));
        let (size, resident) = memory();
        let grown = (size.saturating_sub(before.0), resident.saturating_sub(before.1));
        assert!(grown.0 < 1 << 30, "{} bytes reserved for 20 GB of claims", grown.0);
        assert!(grown.1 < 100 << 20, "{} bytes used for 20 GB of claims", grown.1);
        drop(claims);
        victim.is_well().await;
    });
}

#[tokio::test]
async fn an_empty_frame_ends_the_connection() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    peer.send_raw(&[0, 0, 0, 0]).await;
    victim.throws_out(peer, end, "frame is not an array").await;
}

#[tokio::test]
async fn another_protocol_is_told_so_and_hung_up_on() {
    let victim = Victim::new();
    let (mut peer, end) = victim.accepts();
    peer.expect_hello().await;
    peer.send_raw(b"GET / HTTP/1.1\r\nHost: vault\r\n\r\n").await;
    let told = r#"the peer sent "GET / HTTP/1.1": no mux client"#;
    peer.expect_goaway(PROTOCOL, told).await;
    peer.expect_eof().await;
    drop(peer);
    assert_eq!(end.closed().await, CloseReason::NotMux(told.to_owned()));
    victim.is_well().await;
}

#[tokio::test]
async fn a_conversation_cut_anywhere_gets_the_answers_to_what_came_whole() {
    let victim = Victim::new();
    let frames: Vec<Vec<u8>> = conversation().iter().map(Pack::framed).collect();
    let ends = frames.iter().scan(0, |end, frame| {
        *end += frame.len();
        // Whole, or with the last chunk of one.
        Some((*end, frame[4..].starts_with(&[0x95, 1]) || frame[4..].starts_with(&[0x94, 10, 25, 0, 0xc4])))
    });
    let ends: Vec<(usize, bool)> = ends.collect();
    let whole = frames.concat();
    for cut in 0..=whole.len() {
        let (heard, reason) = say_and_leave(&victim, &whole[..cut]).await;
        let asked = ends.iter().filter(|(end, is_request)| *is_request && *end <= cut).count();
        let answered =
            heard.iter().filter(|seen| matches!(seen, Seen::Reply { .. } | Seen::Fault { .. })).count();
        assert_eq!((answered, reason), (asked, CloseReason::Eof), "cut at {cut}");
    }
    victim.is_well().await;
}

#[tokio::test]
async fn a_peer_that_vanishes_anywhere_leaves_nothing_behind() {
    let victim = Victim::new();
    let mut frames = conversation();
    // Nothing ends these but the end of their connection.
    frames.insert(1, request(13, "vault.hang", &no_args()));
    frames.push(request(15, "vault.hang", &no_args()));
    let whole: Vec<u8> = frames.iter().flat_map(Pack::framed).collect();
    for cut in 0..=whole.len() {
        let (mut peer, end) = victim.accepts();
        peer.send_raw(&whole[..cut]).await;
        drop(peer);
        let reason = end.closed().await;
        assert!(matches!(reason, CloseReason::Eof | CloseReason::Io(_)), "cut at {cut}: {reason:?}");
    }
    victim.is_well().await;
}

#[tokio::test]
async fn a_conversation_with_any_byte_changed_ends_by_the_peers_doing() {
    let victim = Victim::new();
    let whole: Vec<u8> = conversation().iter().flat_map(Pack::framed).collect();
    for at in 0..whole.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut changed = whole.clone();
            changed[at] ^= change;
            let (mut peer, end) = victim.accepts();
            peer.send_raw(&changed).await;
            drop(peer);
            let reason = end.closed().await;
            assert!(is_the_peers_doing(&reason), "byte {at} changed by {change:#x}: {reason:?}");
        }
    }
    victim.is_well().await;
}

#[tokio::test]
async fn garbage_ends_by_the_peers_doing() {
    let victim = Victim::new();
    let greeting = hello(1, CONNECTING, &GENEROUS).framed();
    for seed in 1..=1000 {
        let mut garbage = Garbage(seed);
        let raw = garbage.bytes(300);
        let framed = Pack::new().raw(&garbage.bytes(300)).framed();
        let kind = garbage.below(16) as u64;
        let fields = Pack::new().array(garbage.below(7) as u32).uint(kind).raw(&garbage.bytes(60)).framed();
        for bytes in [
            raw.clone(),
            [&greeting, &raw[..]].concat(),
            [&greeting[..], &framed, &raw].concat(),
            [&greeting[..], &fields, &raw].concat(),
        ] {
            let (_, reason) = say_and_leave(&victim, &bytes).await;
            assert!(is_the_peers_doing(&reason), "seed {seed}: {reason:?}");
        }
    }
    victim.is_well().await;
}

// Frames of no known kind.

#[tokio::test]
async fn an_unknown_kind_below_64_ends_the_connection() {
    for kind in [14, 63] {
        let victim = Victim::new();
        let (mut peer, end) = victim.greets().await;
        peer.send_frame(&Pack::new().array(1).uint(kind)).await;
        victim.throws_out(peer, end, &format!("unknown frame kind {kind}")).await;
    }
}

#[tokio::test]
async fn unknown_kinds_from_64_up_are_skipped() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    for kind in [64, 65, 1000, u64::MAX] {
        peer.send_frame(&Pack::new().array(2).uint(kind).bin(&[0; 100])).await;
    }
    victim.goes_on_with(peer, end).await;
}

#[tokio::test]
async fn frames_of_channels_that_nobody_opened_end_the_connection() {
    let item = Pack::new().array(4).uint(6).uint(7).nil().uint(1);
    let end_of_it = Pack::new().array(3).uint(7).uint(7).nil();
    let stop = Pack::new().array(2).uint(8).uint(7);
    for frame in [item, end_of_it, stop, credit(7, 100)] {
        let victim = Victim::new();
        let (mut peer, end) = victim.greets().await;
        peer.send_frame(&frame).await;
        victim.throws_out(peer, end, "channel 7 was never opened").await;
    }
}

#[tokio::test]
async fn a_field_too_many_or_too_few_ends_the_connection() {
    for frame in [Pack::new().array(3).uint(4).uint(1).uint(1), Pack::new().array(1).uint(11)] {
        let victim = Victim::new();
        let (mut peer, end) = victim.greets().await;
        peer.send_frame(&frame).await;
        victim.throws_out(peer, end, "fields in a frame of kind").await;
    }
}

// The handshake.

#[tokio::test]
async fn another_version_is_told_which_one_is_spoken() {
    let victim = Victim::new();
    let (mut peer, end) = victim.accepts();
    peer.send_frame(&hello(2, CONNECTING, &GENEROUS)).await;
    peer.expect_hello().await;
    peer.expect_goaway(VERSION, "version 2 is not spoken here, only 1").await;
    peer.expect_eof().await;
    assert_protocol(&end.closed().await, "version 2");
    victim.is_well().await;
}

#[tokio::test]
async fn a_first_frame_that_is_no_hello_ends_the_connection() {
    for first in [request(1, "vault.echo", &text("hi")), ping(1), Pack::new().array(1).uint(64)] {
        let victim = Victim::new();
        let (mut peer, end) = victim.accepts();
        peer.expect_hello().await;
        peer.send_frame(&first).await;
        victim.throws_out(peer, end, "the first frame is not a hello").await;
        assert_eq!(victim.ledger.begun(), IN_GOOD_FAITH);
    }
}

#[tokio::test]
async fn a_second_hello_ends_the_connection() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    peer.send_hello().await;
    victim.throws_out(peer, end, "a second hello").await;
}

#[tokio::test]
async fn a_hello_of_another_protocol_ends_the_connection() {
    let victim = Victim::new();
    let (mut peer, end) = victim.accepts();
    peer.expect_hello().await;
    peer.send_frame(&Pack::new().array(5).uint(0).str("xum").uint(1).uint(0).map(0)).await;
    victim.throws_out(peer, end, "hello of another protocol: \"xum\"").await;
}

#[tokio::test]
async fn both_sides_claiming_to_connect_ends_the_connection() {
    let victim = Victim::new();
    let (mut peer, end) = victim.accepts();
    peer.expect_hello().await;
    peer.send_frame(&hello(1, ACCEPTING, &GENEROUS)).await;
    victim.throws_out(peer, end, "both ends claim to be the accepting one").await;
}

#[tokio::test]
async fn settings_below_their_floor_end_the_connection() {
    for (name, floor) in
        [("max_frame", 16 << 10), ("max_inline", 16 << 10), ("max_in_flight", 16), ("window", 16 << 10)]
    {
        let victim = Victim::new();
        let (mut peer, end) = victim.accepts();
        peer.expect_hello().await;
        peer.send_frame(&hello(1, CONNECTING, &[(name, floor - 1)])).await;
        victim.throws_out(peer, end, &format!("{name} of {} is below the floor of {floor}", floor - 1)).await;
    }
}

#[tokio::test]
async fn settings_of_a_later_version_are_skipped_and_the_largest_taken() {
    let victim = Victim::new();
    let (mut peer, end) = victim.accepts();
    let mut settings = GENEROUS.map(|(name, _)| (name, u64::MAX)).to_vec();
    settings.push(("max_patience", 3));
    peer.send_frame(&hello(1, CONNECTING, &settings)).await;
    peer.expect_hello().await;
    victim.goes_on_with(peer, end).await;
}

#[tokio::test]
async fn a_peer_without_settings_is_taken_at_the_floors() {
    let victim = Victim::new();
    let (mut peer, end) = victim.accepts();
    peer.send_frame(&hello(1, CONNECTING, &[])).await;
    peer.expect_hello().await;
    let fetch = |xid, size| request(xid, "vault.fetch", &Pack::new().array(1).uint(size));
    peer.send_frame(&fetch(1, 70_000)).await;
    let message = peer.expect_fault(1, 38).await;
    assert!(message.contains("exceeds the asker's limit of 65536"), "{message}");
    peer.send_frame(&request(3, "vault.count", &Pack::new().array(1).uint(3))).await;
    let message = peer.expect_fault(3, 38).await;
    assert!(message.contains("exceeds the asker's limit of 0"), "{message}");
    peer.send_frame(&fetch(5, 60_000)).await;
    let mut left = 60_000 + 3 + 4;
    while left > 0 {
        match peer.next().await {
            Some(Seen::Chunk { id: 5, remaining: Some(remaining), data }) => {
                assert!(data.len() <= 16 << 10, "a chunk of {} bytes", data.len());
                left -= data.len();
                assert_eq!(remaining, left as u64);
            }
            other => panic!("a chunk of the reply was due, {} came", brief(&other)),
        }
    }
    victim.goes_on_with(peer, end).await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_says_nothing_is_hung_up_on_after_ten_seconds() {
    let victim = Victim::new();
    let begun = Instant::now();
    let (mut peer, end) = victim.accepts();
    peer.expect_hello().await;
    peer.expect_goaway(TIMEOUT, "no hello in time").await;
    assert_eq!(begun.elapsed().as_secs(), 10);
    peer.expect_eof().await;
    assert_eq!(end.closed().await, CloseReason::HandshakeTimeout);
    victim.is_well().await;
}

#[tokio::test(start_paused = true)]
async fn a_hello_of_a_byte_a_second_is_hung_up_on_after_ten_seconds() {
    let victim = Victim::new();
    let begun = Instant::now();
    let (mut peer, end) = victim.accepts();
    let trickle = async {
        for byte in hello(1, CONNECTING, &GENEROUS).framed() {
            peer.send_raw(&[byte]).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::select! {
        reason = end.closed() => assert_eq!(reason, CloseReason::HandshakeTimeout),
        () = trickle => panic!("a hello may take a minute"),
    }
    assert_eq!(begun.elapsed().as_secs(), 10);
    peer.expect_hello().await;
    peer.expect_goaway(TIMEOUT, "no hello in time").await;
    victim.is_well().await;
}

#[cfg(unix)]
#[tokio::test]
async fn silent_peers_keep_no_place_of_a_server_for_ever() {
    use tokio::io::AsyncReadExt;
    let path = std::env::temp_dir().join(format!("mux-hostile-{}", std::process::id()));
    let address = format!("unix:{}", path.display());
    let ledger = Arc::new(Ledger::new());
    let server = Server::new()
        .service(VaultServer::from_arc(Arc::clone(&ledger)))
        .timeouts(Timeouts { handshake: Duration::from_millis(50), ..Timeouts::default() })
        .max_connections(2)
        .listen(address.as_str())
        .await
        .expect("nothing else listens there");
    let stop = Arc::new(tokio::sync::Notify::new());
    let stopped = Arc::clone(&stop);
    let serving = tokio::spawn(server.run_until(async move { stopped.notified().await }));

    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(tokio::net::UnixStream::connect(&path).await.expect("the server listens"));
    }
    let client = VaultClient::connect(address.as_str()).await.expect("the server listens");
    assert_eq!(client.echo("at last").await.as_deref(), Ok("at last"));
    for mut peer in silent {
        peer.read_to_end(&mut Vec::new()).await.expect("hung up on");
    }
    drop(client);
    stop.notify_one();
    serving.await.expect("the server stops");
}

// Transactions.

#[tokio::test]
async fn a_second_live_request_of_one_xid_ends_the_connection_and_both_handlers() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    peer.send_frame(&request(1, "vault.hang", &no_args())).await;
    eventually("the first one runs", || victim.ledger.running() == 1).await;
    peer.send_frame(&request(1, "vault.hang", &no_args())).await;
    victim.throws_out(peer, end, "a second live request with xid 1").await;
}

#[tokio::test]
async fn an_xid_of_the_wrong_parity_or_zero_ends_the_connection() {
    for xid in [0, 2, u64::MAX - 1] {
        let victim = Victim::new();
        let (mut peer, end) = victim.greets().await;
        peer.send_frame(&request(xid, "vault.echo", &text("hi"))).await;
        victim
            .throws_out(peer, end, &format!("xid {xid} is not one that the connecting side gives out"))
            .await;
        assert_eq!(victim.ledger.begun(), IN_GOOD_FAITH);
    }
}

#[tokio::test]
async fn the_last_xid_of_all_is_as_good_as_any() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    peer.send_frame(&request(u64::MAX, "vault.echo", &text("hi"))).await;
    peer.expect_reply(u64::MAX).await;
    victim.goes_on_with(peer, end).await;
}

#[tokio::test]
async fn more_requests_in_flight_than_allowed_end_the_connection() {
    let victim = Victim::with(Limits { max_in_flight: 16, ..Limits::default() });
    let (mut peer, end) = victim.greets().await;
    for turn in 0..16 {
        peer.send_frame(&request(1 + 2 * turn, "vault.hang", &no_args())).await;
    }
    eventually("as many run as may", || victim.ledger.running() == 16).await;
    assert!(!end.is_closed());
    peer.send_frame(&request(99, "vault.hang", &no_args())).await;
    victim.throws_out(peer, end, "more than 16 requests in flight").await;
    assert_eq!(victim.ledger.most(), 16);
}

#[tokio::test]
async fn cancels_of_what_never_was_are_nothing() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    for xid in [0, 1, 2, 77, u64::MAX] {
        peer.send_frame(&cancel(xid)).await;
    }
    victim.goes_on_with(peer, end).await;
}

#[tokio::test]
async fn rapid_resets_within_the_limit_never_run_more_handlers_than_it() {
    const AT_ONCE: usize = 64;
    let victim = Victim::with(Limits { max_in_flight: AT_ONCE as u32, ..Limits::default() });
    let (mut peer, end) = victim.greets().await;
    let xids: Vec<u64> = (0..100_000).map(|turn| 1 + 2 * turn).collect();
    for round in xids.chunks(AT_ONCE) {
        let pairs: Vec<Pack> =
            round.iter().flat_map(|&xid| [request(xid, "vault.hang", &no_args()), cancel(xid)]).collect();
        peer.send_frames(&pairs).await;
        for _ in round {
            assert!(matches!(peer.heard().await, Some(Seen::Fault { code: 35, .. })));
        }
    }
    assert!(victim.ledger.most() <= AT_ONCE, "{} at once", victim.ledger.most());
    victim.goes_on_with(peer, end).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn however_cancels_race_with_handlers_each_request_gets_one_answer() {
    const AT_ONCE: usize = 32;
    let victim = Victim::with(Limits { max_in_flight: AT_ONCE as u32, ..Limits::default() });
    let two = Pack::new().array(2).uint(1).uint(1);
    let calls = [
        ("vault.hang", no_args()),
        ("vault.echo", text("hi")),
        ("vault.add", two),
        ("vault.sleep", Pack::new().array(1).uint(0)),
    ];
    let (mut peer, end) = victim.greets().await;
    for round in 0..300 {
        let xids: Vec<u64> =
            (0..AT_ONCE as u64).map(|turn| 1 + 2 * (round * AT_ONCE as u64 + turn)).collect();
        for (&xid, (method, args)) in xids.iter().zip(calls.iter().cycle()) {
            peer.send_frame(&request(xid, method, args)).await;
        }
        for &xid in &xids {
            peer.send_frame(&cancel(xid)).await;
        }
        let mut answered = Vec::new();
        for _ in &xids {
            match peer.heard().await {
                Some(Seen::Reply { xid, .. } | Seen::Fault { xid, code: 35, .. }) => answered.push(xid),
                other => panic!("an answer was due, {other:?} came"),
            }
        }
        answered.sort_unstable();
        assert_eq!(answered, xids);
    }
    assert!(victim.ledger.most() <= AT_ONCE, "{} at once", victim.ledger.most());
    victim.goes_on_with(peer, end).await;
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_resets_with_no_answer_read_is_thrown_out() {
    const AT_ONCE: usize = 64;
    let victim = Victim::with(Limits { max_in_flight: AT_ONCE as u32, ..Limits::default() });
    let (mut peer, end) = victim.greets().await;
    let pairs = (0..100_000).map(|turn| {
        let xid = 1 + 2 * turn;
        [request(xid, "vault.hang", &no_args()).framed(), cancel(xid).framed()].concat()
    });
    flood(&mut peer, &end, pairs).await;
    assert_protocol(&end.closed().await, "more than 64 requests in flight");
    assert!(victim.ledger.most() <= AT_ONCE, "{} at once", victim.ledger.most());
    victim.is_well().await;
}

#[tokio::test(start_paused = true)]
async fn requests_for_ever_with_no_reply_read_are_thrown_out_before_much_has_run() {
    let victim = Victim::with(Limits { max_in_flight: 16, ..Limits::default() });
    let (mut peer, end) = victim.greets().await;
    let args = text(&"x".repeat(1000));
    flood(&mut peer, &end, (0..10_000).map(|turn| request(1 + 2 * turn, "vault.echo", &args).framed())).await;
    assert_protocol(&end.closed().await, "more than 16 requests in flight");
    // What the stream holds, one batch on its way into it, and one that waits.
    let most = 65 + 16 + 16;
    assert!(victim.ledger.begun() <= most, "{} replies of a kilobyte nobody read", victim.ledger.begun());
    victim.is_well().await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_nothing_at_all_is_dead_after_thirty_seconds() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    peer.send_frame(&request(1, "vault.fetch", &Pack::new().array(1).uint(100_000))).await;
    let begun = Instant::now();
    assert_eq!(end.closed().await, CloseReason::WriteStalled);
    assert_eq!(begun.elapsed().as_secs(), 30);
    drop(peer);
    victim.is_well().await;
}

#[tokio::test]
async fn what_is_told_not_to_have_run_did_not_run() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    // In one pass: the request is dispatched when the breach is met.
    let mut breach = request(1, "vault.echo", &text("hi")).framed();
    breach.extend([0, 0, 0, 0]);
    peer.send_raw(&breach).await;
    let heard = peer.hear_out().await;
    assert_protocol(&end.closed().await, "frame is not an array");
    drop(peer);
    victim.is_well().await;
    let refused = heard.iter().any(|seen| matches!(seen, Seen::Fault { code: ..32, .. }));
    let ran = victim.ledger.begun() > IN_GOOD_FAITH;
    assert!(!(refused && ran), "{heard:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_runs_when_the_connection_ends_is_not_told_not_to_have_run() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    peer.send_frame(&request(1, "vault.grind", &Pack::new().array(1).uint(200))).await;
    eventually("it runs", || victim.ledger.running() == 1).await;
    peer.send_raw(&[0, 0, 0, 0]).await;
    let heard = peer.hear_out().await;
    assert_protocol(&end.closed().await, "frame is not an array");
    assert!(!heard.iter().any(|seen| matches!(seen, Seen::Fault { code: ..32, .. })), "{heard:?}");
    drop(peer);
    victim.is_well().await;
}

// What a peer is called for.

#[tokio::test]
async fn answers_to_unknown_xids_are_dropped() {
    let victim = Victim::new();
    let (mut peer, end, client) = victim.calls(16).await;
    for xid in [0, 1, 2, 3, 99, u64::MAX] {
        peer.send_frame(&reply(xid, &Pack::new().uint(1))).await;
        peer.send_frame(&fault(xid, 34, "boo", &Pack::new().nil())).await;
    }
    peer.send_frame(&ping(1)).await;
    peer.expect_pong(1).await;
    victim.still_calls(peer, end, client).await;
}

#[tokio::test]
async fn a_late_reply_after_cancel_is_dropped() {
    let victim = Victim::new();
    let (mut peer, end, client) = victim.calls(16).await;
    let call = client.echo("never mind").start();
    let xid = peer.expect_request("vault.echo").await;
    drop(call);
    peer.expect_cancel(xid).await;
    peer.send_frame(&reply(xid, &text("too late"))).await;
    peer.send_frame(&reply(xid, &text("and twice"))).await;
    victim.still_calls(peer, end, client).await;
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_holds_its_place_until_the_peer_has_answered() {
    let victim = Victim::new();
    let (mut peer, end, client) = victim.calls(16).await;
    // A client asks within the floors until it has heard a hello: these are the floors.
    let abandoned: Vec<_> = (0..16).map(|_| client.hang().start()).collect();
    let mut xids = Vec::new();
    for _ in 0..16 {
        xids.push(peer.expect_request("vault.hang").await);
    }
    drop(abandoned);
    for &xid in &xids {
        peer.expect_cancel(xid).await;
    }
    let waiting = client.echo("my turn").start();
    let quiet = tokio::time::timeout(Duration::from_secs(5), peer.heard()).await;
    assert!(quiet.is_err(), "a place that is not free was taken: {quiet:?}");
    peer.send_frame(&fault(xids[3], 35, "cancelled", &Pack::new().nil())).await;
    let xid = peer.expect_request("vault.echo").await;
    peer.send_frame(&reply(xid, &Pack::new().str("yours"))).await;
    assert_eq!(waiting.await.as_deref(), Ok("yours"));
    for &xid in &xids {
        peer.send_frame(&fault(xid, 35, "cancelled", &Pack::new().nil())).await;
    }
    victim.still_calls(peer, end, client).await;
}

/// What the client makes of one answer.
async fn answered<T>(
    peer: &mut Script,
    method: &str,
    call: impl Future<Output = T>,
    answer: impl FnOnce(u64) -> Pack,
) -> T {
    let ((), outcome) = tokio::join!(
        async {
            let xid = peer.expect_request(method).await;
            peer.send_frame(&answer(xid)).await;
        },
        call
    );
    outcome
}

fn undecodable<T: std::fmt::Debug, E: std::fmt::Debug>(outcome: Result<T, Error<E>>) -> String {
    match outcome {
        Err(Error::Call(CallError::ReplyUndecodable(why))) => why,
        other => panic!("an undecodable reply was due, {other:?} came"),
    }
}

#[tokio::test]
async fn a_reply_that_cannot_be_decoded_fails_its_own_call_only() {
    let bad = [
        Pack::new().str("fine").uint(1),
        Pack::new().str("fine").raw(&[0xc1]),
        Pack::new().uint(5),
        Pack::new().nested(5000),
        Pack::new().boundless(),
        Pack::new().raw(&[0xdb, 0xff, 0xff, 0xff, 0xff]),
        Pack::new().raw(&[0xa2, 0xff, 0xfe]),
        Pack::new().raw(&[0xc1]),
    ];
    let victim = Victim::new();
    let (mut peer, end, client) = victim.calls(16).await;
    for value in bad {
        undecodable(answered(&mut peer, "vault.echo", client.echo("hi"), |xid| reply(xid, &value)).await);
    }
    victim.still_calls(peer, end, client).await;
}

#[tokio::test]
async fn a_nesting_reply_is_followed_so_far_only() {
    let victim = Victim::new();
    let (mut peer, end, client) = victim.calls(16).await;
    let call = client.fetch(1);
    let why = undecodable(
        answered(&mut peer, "vault.fetch", call, |xid| reply(xid, &Pack::new().nested(5000))).await,
    );
    assert!(!why.is_empty());
    victim.still_calls(peer, end, client).await;
}

#[tokio::test]
async fn an_app_fault_with_a_detail_of_no_such_error_is_undecodable() {
    let left = Pack::new().map(1).str("left");
    let bad = [
        Pack::new().nil(),
        Pack::new().str("nothing like it"),
        left.clone().str("many"),
        left.clone().uint(1).uint(1),
        left.boundless(),
        Pack::new().nested(5000),
    ];
    let victim = Victim::new();
    let (mut peer, end, client) = victim.calls(16).await;
    for detail in bad {
        let call = client.withdraw(9);
        undecodable(answered(&mut peer, "vault.withdraw", call, |xid| fault(xid, 32, "", &detail)).await);
    }
    // These have no error of their own.
    let app = |xid| fault(xid, 32, "", &Pack::new().uint(1));
    undecodable(answered(&mut peer, "vault.echo", client.echo("hi"), app).await);
    undecodable(answered(&mut peer, "vault.audit", client.audit(), app).await);
    victim.still_calls(peer, end, client).await;
}

#[tokio::test]
async fn a_fault_code_of_a_later_version_is_read_by_its_range() {
    let victim = Victim::new();
    let (mut peer, end, client) = victim.calls(16).await;
    for code in [0, 8, 31] {
        let refused = answered(&mut peer, "vault.echo", client.echo("hi"), |xid| {
            fault(xid, code, "no", &Pack::new().nil())
        })
        .await;
        let error = refused.expect_err("a fault");
        assert!(error.did_not_run());
        let Error::Call(CallError::Refused(refused)) = error else { panic!("{error:?}") };
        assert_eq!((refused.reason(), refused.message()), (Refusal::Other(code as u32), "no"));
    }
    for code in [39, 1000, u64::from(u32::MAX)] {
        let failed = answered(&mut peer, "vault.echo", client.echo("hi"), |xid| {
            fault(xid, code, "hm", &Pack::new().nil())
        })
        .await;
        let unknown = CallError::Unknown { code: code as u32, message: "hm".into() };
        assert_eq!(failed, Err(Error::Call(unknown)));
    }
    victim.still_calls(peer, end, client).await;
}

#[tokio::test]
async fn an_endless_chain_of_causes_is_cut() {
    let victim = Victim::new();
    let (mut peer, end, client) = victim.calls(16).await;
    // A chain of a million would overflow the stack of whoever drops it.
    let chain = Pack::new().array(1000).raw(&[0xa0; 1000]);
    let detail = Pack::new().map(1).str("chain").raw(chain.bytes());
    let failed =
        answered(&mut peer, "vault.audit", client.audit(), |xid| fault(xid, 33, "broke", &detail)).await;
    let Err(Error::Remote(remote)) = failed else { panic!("{failed:?}") };
    assert_eq!(remote.message(), "broke");
    assert!(remote.chain().count() <= 64, "{} causes", remote.chain().count());
    victim.still_calls(peer, end, client).await;
}

#[tokio::test]
async fn a_fault_with_a_detail_of_garbage_still_tells_its_message() {
    let victim = Victim::new();
    let (mut peer, end, client) = victim.calls(16).await;
    for detail in
        [Pack::new().nested(5000), Pack::new().boundless(), Pack::new().uint(7), Pack::new().nil().nil()]
    {
        let failed =
            answered(&mut peer, "vault.audit", client.audit(), |xid| fault(xid, 34, "broke", &detail)).await;
        let Err(Error::Remote(remote)) = failed else { panic!("{failed:?}") };
        assert_eq!((remote.is_panic(), remote.message()), (true, "broke"));
    }
    victim.still_calls(peer, end, client).await;
}

#[tokio::test]
async fn a_client_answers_its_servers_requests_by_the_same_rules() {
    let victim = Victim::new();
    let (mut peer, end, client) = victim.calls(16).await;
    peer.send_frame(&request(2, "vault.echo", &text("hi"))).await;
    assert_eq!(peer.expect_reply(2).await, Pack::new().str("hi").bytes());
    peer.send_frame(&request(3, "vault.echo", &text("hi"))).await;
    drop(client);
    victim.throws_out(peer, end, "xid 3 is not one that the accepting side gives out").await;
}

// Goodbyes.

#[tokio::test]
async fn after_a_goodbye_calls_above_its_xid_did_not_run_and_others_may_have() {
    let victim = Victim::new();
    let (mut peer, end, client) = victim.calls(16).await;
    let (first, second) = (client.echo("first").start(), client.echo("second").start());
    let accepted = peer.expect_request("vault.echo").await;
    peer.expect_request("vault.echo").await;
    peer.send_frame(&goaway(accepted, CLOSED, "so long")).await;
    let (first, second) = (first.await.expect_err("unanswered"), second.await.expect_err("unanswered"));
    assert!(!first.did_not_run(), "{first:?}");
    assert!(second.did_not_run(), "{second:?}");
    assert!(client.echo("third").await.expect_err("the connection is over").did_not_run());
    assert_eq!(end.closed().await, CloseReason::Peer("so long".into()));
    victim.is_well().await;
}

#[tokio::test]
async fn while_its_peer_drains_calls_above_the_xid_did_not_run_and_others_are_answered() {
    let victim = Victim::new();
    let (mut peer, end, client) = victim.calls(16).await;
    let (first, second) = (client.echo("first").start(), client.echo("second").start());
    let accepted = peer.expect_request("vault.echo").await;
    peer.expect_request("vault.echo").await;
    peer.send_frame(&goaway(accepted, DRAINING, "so long")).await;
    assert!(second.await.expect_err("refused").did_not_run());
    assert!(client.echo("third").await.expect_err("refused").did_not_run());
    peer.send_frame(&reply(accepted, &Pack::new().str("finished"))).await;
    assert_eq!(first.await.as_deref(), Ok("finished"));
    assert!(!end.is_closed());
    end.close();
    victim.is_well().await;
}

#[tokio::test]
async fn a_peer_that_asks_on_while_it_is_drained_is_refused_and_the_drain_ends() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    peer.send_frame(&request(1, "vault.sleep", &Pack::new().array(1).uint(20))).await;
    eventually("it runs", || victim.ledger.running() == 1).await;
    let drained = tokio::spawn(async move { end.drain().await });
    assert_eq!(peer.expect_goaway(DRAINING, "draining").await, 1);
    for xid in [3, 5, 7] {
        peer.send_frame(&request(xid, "vault.echo", &text("once more"))).await;
        peer.expect_fault(xid, 4).await;
    }
    peer.expect_reply(1).await;
    peer.expect_goaway(CLOSED, "drained").await;
    peer.expect_eof().await;
    drop(peer);
    assert_eq!(drained.await.expect("it ends"), CloseReason::Drained);
    assert_eq!(victim.ledger.begun(), 1);
    victim.is_well().await;
}

#[tokio::test]
async fn a_goodbye_as_long_as_a_frame_is_not_kept() {
    let victim = Victim::new();
    let (mut peer, end, client) = victim.calls(1024).await;
    let calls: Vec<_> = (0..100).map(|_| client.echo("hi").start()).collect();
    peer.expect_request("vault.echo").await;
    // Each waiting call is told: a hundred copies of it.
    peer.send_frame(&goaway(99, CLOSED, &"x".repeat(190_000))).await;
    for call in calls {
        let told = call.await.expect_err("the connection is over").to_string();
        assert!(told.len() < 16 << 10, "{} bytes of goodbye", told.len());
    }
    assert!(matches!(end.closed().await, CloseReason::Peer(why) if why.len() < 16 << 10));
    victim.is_well().await;
}

#[tokio::test]
async fn a_goodbye_stops_what_its_peer_asked_for() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    peer.send_frame(&request(1, "vault.hang", &no_args())).await;
    eventually("it runs", || victim.ledger.running() == 1).await;
    peer.send_frame(&goaway(0, 77, "a code of a later version")).await;
    peer.expect_eof().await;
    assert_eq!(end.closed().await, CloseReason::Peer("a code of a later version".into()));
    victim.is_well().await;
}

// Notifies and their credit.

#[tokio::test(start_paused = true)]
async fn notifies_beyond_their_credit_end_the_connection() {
    let victim = Victim::with(Limits { window: 16 << 10, ..Limits::default() });
    let (mut peer, end) = victim.greets().await;
    // 257 of credit each: its one byte of arguments, and 256.
    for _ in 0..64 {
        peer.send_frame(&notify("vault.hold", &no_args())).await;
    }
    eventually("as many run as may", || victim.ledger.running() == 64).await;
    assert!(!end.is_closed());
    peer.send_frame(&notify("vault.hold", &no_args())).await;
    peer.expect_goaway(PROTOCOL, "a notify without credit").await;
    assert_protocol(&end.closed().await, "a notify without credit");
    assert_eq!(victim.ledger.most(), 64);
    victim.ledger.held.close();
    victim.is_well().await;
}

#[tokio::test]
async fn notifies_within_their_credit_go_on_for_ever() {
    let victim = Victim::with(Limits { window: 16 << 10, ..Limits::default() });
    let (mut peer, end) = victim.greets().await;
    let (mut allowed, mut spent, args) = (16 << 10, 0, text("by the way"));
    for _ in 0..10_000 {
        while spent >= allowed {
            allowed = peer.expect_credit().await;
        }
        peer.send_frame(&notify("vault.note", &args)).await;
        spent += args.bytes().len() as u64 + 256;
    }
    eventually("all run", || victim.ledger.begun() == 10_000).await;
    // Grants that were not needed may still be on their way.
    peer.send_frame(&ping(7)).await;
    while peer.heard().await != Some(Seen::Pong { nonce: 7 }) {}
    victim.goes_on_with(peer, end).await;
}

#[tokio::test(start_paused = true)]
async fn a_notify_that_is_refused_gives_its_credit_back() {
    let refused: [fn(u64) -> Pack; 5] = [
        |_| notify("vault.steal", &no_args()),
        |_| notify("vault.echo", &text("it answers")),
        |turn| notify_with("vault.steal", &carrying(&[(2 * turn + 1, SENDING)]), &no_args()),
        |turn| notify_with("vault.told", &carrying(&[(2 * turn + 1, SENDING)]), &text("no half")),
        |_| notify("vault.note", &Pack::new().array(1).uint(7)),
    ];
    for frame in refused {
        let victim = Victim::with(Limits { window: 16 << 10, ..Limits::default() });
        let (mut peer, end) = victim.greets().await;
        for turn in 0..60 {
            peer.send_frame(&frame(turn)).await;
        }
        // Channels that it carries are ended.
        let mut heard = peer.heard().await;
        while let Some(Seen::End { .. }) = heard {
            heard = peer.heard().await;
        }
        assert!(matches!(heard, Some(Seen::Credit { channel: 0, total }) if total > 16 << 10), "{heard:?}");
        peer.send_frame(&ping(7)).await;
        while peer.heard().await != Some(Seen::Pong { nonce: 7 }) {}
        victim.goes_on_with(peer, end).await;
    }
}

#[tokio::test(start_paused = true)]
async fn credit_that_nobody_reads_is_owed_so_long_only() {
    let victim = Victim::with(Limits { window: 16 << 10, ..Limits::default() });
    let (mut peer, end) = victim.greets().await;
    let unknown: Vec<u8> = (0..32).flat_map(|_| notify("vault.steal", &no_args()).framed()).collect();
    flood(&mut peer, &end, std::iter::repeat_n(unknown, 20_000)).await;
    assert_protocol(&end.closed().await, "credit that is not read");
    victim.is_well().await;
}

#[tokio::test]
async fn all_the_credit_there_is_granted_twice_overflows_nothing() {
    let victim = Victim::new();
    let (mut peer, end, client) = victim.calls(16).await;
    peer.send_frame(&credit(0, u64::MAX)).await;
    peer.send_frame(&credit(0, u64::MAX)).await;
    peer.send_frame(&credit(0, 0)).await;
    for _ in 0..2000 {
        client.note("by the way").await.expect("there is credit");
        assert!(matches!(peer.heard().await, Some(Seen::Notify { method }) if method == "vault.note"));
    }
    victim.still_calls(peer, end, client).await;
}

// Pings and silence.

#[tokio::test(start_paused = true)]
async fn pings_whose_answers_are_not_read_end_the_connection() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    let pings: Vec<u8> = (0..100).flat_map(|_| ping(u64::MAX).framed()).collect();
    flood(&mut peer, &end, std::iter::repeat_n(pings, 1000)).await;
    assert_protocol(&end.closed().await, "pings whose answers are not read");
    victim.is_well().await;
}

#[tokio::test]
async fn pongs_that_nobody_asked_for_are_nothing() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    for nonce in [0, 1, u64::MAX] {
        peer.send_frame(&pong(nonce)).await;
    }
    victim.goes_on_with(peer, end).await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_pinged_after_15_seconds_and_dead_after_30_more() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    let begun = Instant::now();
    assert!(matches!(peer.next().await, Some(Seen::Ping { .. })));
    assert_eq!(begun.elapsed().as_secs(), 15);
    peer.expect_goaway(TIMEOUT, "no sign of life").await;
    assert_eq!(begun.elapsed().as_secs(), 45);
    assert_eq!(end.closed().await, CloseReason::Silent);
    drop(peer);
    victim.is_well().await;
}

#[tokio::test(start_paused = true)]
async fn where_every_patience_is_endless_a_peer_may_stall_for_ever() {
    let max = Duration::MAX;
    let endless = Timeouts {
        handshake: max,
        ping_after: max,
        dead_after: max,
        write_stall: max,
        channel_grace: max,
        idle: max,
    };
    let mut victim = Victim::new();
    victim.builder = victim.builder.clone().timeouts(endless);
    let (mut peer, end) = victim.accepts();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    peer.send_hello().await;
    peer.expect_hello().await;
    peer.send_frame(&request(1, "vault.fetch", &Pack::new().array(1).uint(100_000))).await;
    let closed = tokio::time::timeout(Duration::from_secs(3600), end.closed()).await;
    assert!(closed.is_err(), "{closed:?}");
    assert_eq!(peer.expect_reply(1).await.len(), 100_005);
    victim.goes_on_with(peer, end).await;
}

// Half-closed peers.

#[tokio::test]
async fn a_half_closed_peer_still_gets_its_replies() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    peer.send_frame(&request(1, "vault.sleep", &Pack::new().array(1).uint(30))).await;
    peer.send_frame(&request(3, "vault.echo", &text("hi"))).await;
    peer.half_close().await;
    peer.expect_reply(3).await;
    peer.expect_reply(1).await;
    peer.expect_goaway(CLOSED, "closed").await;
    peer.expect_eof().await;
    assert_eq!(end.closed().await, CloseReason::Eof);
    victim.is_well().await;
}

#[tokio::test(start_paused = true)]
async fn a_half_closed_peer_that_still_reads_is_not_taken_for_dead() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    peer.send_frame(&request(1, "vault.sleep", &Pack::new().array(1).uint(90_000))).await;
    peer.half_close().await;
    // It cannot answer a ping any more; that it takes them shows that it lives.
    peer.expect_reply(1).await;
    peer.expect_goaway(CLOSED, "closed").await;
    assert_eq!(end.closed().await, CloseReason::Eof);
    victim.is_well().await;
}

#[tokio::test]
async fn a_half_closed_peer_that_vanishes_stops_what_it_asked_for() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    peer.send_frame(&request(1, "vault.hang", &no_args())).await;
    eventually("it runs", || victim.ledger.running() == 1).await;
    peer.half_close().await;
    drop(peer);
    assert!(end.closed().await == CloseReason::Eof);
    victim.is_well().await;
}

// Bodies and meta.

#[tokio::test]
async fn arguments_that_cannot_be_decoded_fail_their_own_call_only() {
    let cases = [
        ("vault.echo", Pack::new().nested(5000)),
        ("vault.echo", Pack::new().array(2).str("and more").nested(5000)),
        ("vault.open", Pack::new().array(1).nested(5000)),
        ("vault.echo", Pack::new().boundless()),
        ("vault.sum", Pack::new().array(1).boundless()),
        ("vault.weigh", Pack::new().array(1).boundless()),
        ("vault.weigh", Pack::new().array(1).raw(&[0xc6, 0xff, 0xff, 0xff, 0xff, 1])),
        ("vault.echo", text("trailing").uint(1)),
        ("vault.echo", text("trailing").raw(&[0xc1])),
        ("vault.echo", Pack::new().array(0)),
        ("vault.echo", Pack::new().nil()),
        ("vault.echo", Pack::new().map(1).str("text").str("by name")),
        ("vault.echo", Pack::new().array(1).raw(&[0xa2, 0xff, 0xfe])),
        ("vault.echo", Pack::new().array(1).uint(7)),
        ("vault.withdraw", Pack::new().array(1).uint(u64::MAX)),
        ("vault.echo", Pack::new().raw(&[0xc1])),
    ];
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    for (xid, (method, args)) in (1..).step_by(2).zip(cases) {
        peer.send_frame(&request(xid, method, &args)).await;
        assert!(!peer.expect_fault(xid, 2).await.is_empty(), "{args:?}");
    }
    assert_eq!(victim.ledger.begun(), 0, "none of them ran");
    victim.goes_on_with(peer, end).await;
}

#[tokio::test]
async fn meta_that_nests_without_end_is_stepped_over() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    let deep = meta("tenant", &Pack::new().nested(5000));
    peer.send_frame(&request_with(1, "vault.echo", &deep, &text("hi"))).await;
    peer.expect_reply(1).await;
    victim.goes_on_with(peer, end).await;
}

#[tokio::test]
async fn meta_that_is_none_ends_the_connection() {
    let bad = [
        (meta("tenant", &Pack::new().boundless()), "is not a whole value"),
        (Pack::new().raw(&[0xdf, 0xee, 0x6b, 0x28, 0x00]), "is not a string"),
        (Pack::new().array(1).uint(1), "meta is not a map"),
        (Pack::new().map(1).uint(1).uint(1), "is not a string"),
        (meta("timeout_ms", &Pack::new().str("soon")), "timeout_ms is not an unsigned integer"),
        (meta("timeout_ms", &Pack::new().raw(&[0xff])), "timeout_ms is not an unsigned integer"),
    ];
    for (meta, text) in bad {
        let victim = Victim::new();
        let (mut peer, end) = victim.greets().await;
        peer.send_frame(&request_with(1, "vault.echo", &meta, &no_args())).await;
        victim.throws_out(peer, end, text).await;
    }
}

#[tokio::test]
async fn a_method_that_is_no_utf8_ends_the_connection() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    peer.send_frame(&Pack::new().array(5).uint(1).uint(1).raw(&[0xa2, 0xff, 0xfe]).nil().array(0)).await;
    victim.throws_out(peer, end, "method is not valid UTF-8").await;
}

#[tokio::test]
async fn an_unknown_method_is_told_what_is_served() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    for (xid, method) in [(1, "vault.steal"), (3, "safe.open"), (5, "vault"), (7, ""), (9, "vault.note")] {
        peer.send_frame(&request(xid, method, &no_args())).await;
        let message = peer.expect_fault(xid, 1).await;
        assert!(message.contains(method) && message.contains("served here: vault"), "{message}");
    }
    peer.send_frame(&request(11, &"x".repeat(60_000), &no_args())).await;
    let message = peer.expect_fault(11, 1).await;
    assert!(message.len() < 16 << 10, "{} bytes of it are sent back", message.len());
    victim.goes_on_with(peer, end).await;
}

#[tokio::test(start_paused = true)]
async fn a_timeout_of_aeons_is_one_that_never_comes() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    let aeons = meta("timeout_ms", &Pack::new().uint(u64::MAX));
    peer.send_frame(&request_with(1, "vault.sleep", &aeons, &Pack::new().array(1).uint(5000))).await;
    peer.expect_reply(1).await;
    peer.send_frame(&request_with(3, "vault.hang", &aeons, &no_args())).await;
    victim.goes_on_with(peer, end).await;
}

#[tokio::test]
async fn a_timeout_of_nothing_stops_what_does_not_end_at_once() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    let nothing = meta("timeout_ms", &Pack::new().uint(0));
    peer.send_frame(&request_with(1, "vault.hang", &nothing, &no_args())).await;
    peer.expect_fault(1, 36).await;
    assert_eq!(victim.ledger.running(), 0);
    victim.goes_on_with(peer, end).await;
}

#[tokio::test]
async fn a_request_that_carries_channels_ends_the_connection_where_none_are_taken() {
    let victim = Victim::with(Limits { max_channels: 0, ..Limits::default() });
    let (mut peer, end) = victim.greets().await;
    peer.send_frame(&request_with(1, "vault.echo", &carrying(&[(3, RECEIVING)]), &text("hi"))).await;
    victim.throws_out(peer, end, "more than 0 channels open").await;
    assert_eq!(victim.ledger.begun(), IN_GOOD_FAITH);
}

// Sizes.

/// The least that may be set.
fn narrow() -> Limits {
    Limits { max_message: 64 << 10, max_buffered: 64 << 10, ..Limits::default() }
}

fn blob(size: usize) -> Pack {
    Pack::new().array(1).bin(&vec![1; size])
}

#[tokio::test]
async fn a_request_over_16_kib_in_one_frame_fails_and_a_frame_far_too_large_ends_the_connection() {
    let victim = Victim::new();
    let (mut peer, end) = victim.greets().await;
    peer.send_frame(&request(1, "vault.weigh", &blob(16_384 - 4))).await;
    assert_eq!(peer.expect_reply(1).await, Pack::new().uint(16_380).bytes());
    for (xid, size) in [(3, 16_385), (5, 190_000)] {
        peer.send_frame(&request(xid, "vault.weigh", &blob(size - if size > 65_535 { 6 } else { 4 }))).await;
        let message = peer.expect_fault(xid, 5).await;
        assert!(message.contains(&format!("request of {size} bytes in one frame exceeds")), "{message}");
    }
    assert_eq!(victim.ledger.begun(), 1);
    peer.send_frame(&request(7, "vault.weigh", &blob(250_000))).await;
    victim.throws_out(peer, end, "exceeds the limit of 196608").await;
}

#[tokio::test]
async fn a_request_too_large_fails_alone() {
    let victim = Victim::with(narrow());
    let (mut peer, end) = victim.greets().await;
    peer.send_chunked(1, &request(1, "vault.weigh", &blob(65_536 - 4))).await;
    assert_eq!(peer.expect_reply(1).await, Pack::new().uint(65_532).bytes());
    peer.send_chunked(3, &request(3, "vault.weigh", &blob(65_537 - 4))).await;
    let message = peer.expect_fault(3, 5).await;
    assert!(message.contains("request of 65537 bytes exceeds"), "{message}");
    assert_eq!(victim.ledger.begun(), 1);
    victim.goes_on_with(peer, end).await;
}

#[tokio::test(start_paused = true)]
async fn large_requests_beyond_what_is_buffered_end_the_connection() {
    let victim = Victim::with(narrow());
    let (mut peer, end) = victim.greets().await;
    // More arguments than the method knows are skipped, and kept while it runs.
    let large = blob(40 << 10);
    peer.send_chunked(1, &request(1, "vault.hang", &large)).await;
    eventually("one runs", || victim.ledger.running() == 1).await;
    peer.send_chunked(3, &request(3, "vault.hang", &large)).await;
    victim.throws_out(peer, end, "more than 65536 bytes of large messages at once").await;
    assert_eq!(victim.ledger.most(), 1);
}

#[tokio::test]
async fn an_envelope_larger_than_one_may_be_ends_the_connection() {
    let endless = meta("tenant", &Pack::new().bin(&[1; 100 << 10]));
    let beside = [
        request_with(1, "vault.hang", &endless, &no_args()),
        request(1, &"x".repeat(100 << 10), &no_args()),
        notify_with("vault.hold", &endless, &no_args()),
    ];
    for frame in beside {
        let victim = Victim::new();
        let (mut peer, end) = victim.greets().await;
        peer.send_frame(&frame).await;
        victim.throws_out(peer, end, "exceeds the limit of 65536").await;
        assert_eq!(victim.ledger.begun(), IN_GOOD_FAITH);
    }
}

/// Whatever a peer allows, lengths stay below 2^24.
const LIMITLESS: [(&str, u64); 7] = [
    ("max_frame", u64::MAX),
    ("max_inline", u64::MAX),
    ("max_message", u64::MAX),
    ("max_in_flight", u64::MAX),
    ("max_buffered", u64::MAX),
    ("window", u64::MAX),
    ("max_channels", u64::MAX),
];

#[tokio::test]
async fn no_frame_is_longer_than_a_length_can_tell_whatever_the_peer_allows() {
    let victim = Victim::new();
    let (here, there) = mux::pair();
    let (mut peer, end) = (Script::new(there, ACCEPTING), victim.builder.open(here));
    peer.expect_hello().await;
    peer.send_frame(&hello(1, ACCEPTING, &LIMITLESS)).await;
    let client: VaultClient = end.client();
    let blob = vec![1; 17 << 20];
    let call = client.weigh(&blob).start();
    let Some(Seen::Request { xid, args, .. }) = peer.heard().await else { panic!("a request was due") };
    assert_eq!(args.len(), blob.len() + 6);
    peer.send_frame(&reply(xid, &Pack::new().uint(7))).await;
    assert_eq!(call.await, Ok(7));
    peer.send_frame(&request(2, "vault.fetch", &Pack::new().array(1).uint(17 << 20))).await;
    assert_eq!(peer.expect_reply(2).await.len(), blob.len() + 5);
    victim.still_calls(peer, end, client).await;
}
