//! What happens when nothing does. The clock is paused: nothing here is slept.

use crate::demo::{DemoClient, DemoServer, Desk};
use mux::{CloseReason, Connection};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::Instant;

const HELLO_OF_A_CLIENT: &[u8] = b"\0\0\0\x09\x95\0\xa3mux\x01\0\x80";

fn served() -> (Connection, DuplexStream) {
    let (here, there) = mux::pair();
    (Connection::builder().service(DemoServer::new(Desk::default())).accept(there), here)
}

#[tokio::test(start_paused = true)]
async fn who_says_no_hello_is_closed_after_ten_seconds() {
    let (connection, _silent) = served();
    let begun = Instant::now();
    assert_eq!(connection.closed().await, CloseReason::HandshakeTimeout);
    assert_eq!(begun.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn who_is_silent_is_pinged_and_then_taken_for_dead() {
    let (connection, mut peer) = served();
    peer.write_all(HELLO_OF_A_CLIENT).await.unwrap();
    let begun = Instant::now();
    let closed = tokio::spawn(async move { connection.closed().await });
    let mut heard = Vec::new();
    let mut pinged = None;
    let mut buffer = [0; 256];
    while let Ok(read) = peer.read(&mut buffer).await
        && read > 0
    {
        heard.extend_from_slice(&buffer[..read]);
        if pinged.is_none() && heard.windows(3).any(|frame| frame == [0x92, 11, 0]) {
            pinged = Some(begun.elapsed().as_secs());
        }
    }
    assert_eq!(pinged, Some(15));
    assert_eq!(closed.await.unwrap(), CloseReason::Silent);
    assert_eq!(begun.elapsed().as_secs(), 45);
}

#[tokio::test(start_paused = true)]
async fn an_idle_pair_stays_open() {
    let reached = crate::demo::reach();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(reached.client.echo("x").await.unwrap(), "x");
}

#[tokio::test(start_paused = true)]
async fn a_call_may_take_longer_than_any_silence() {
    let reached = crate::demo::reach();
    assert_eq!(reached.client.sleep(3_600_000).await.unwrap(), 3_600_000);
}

#[tokio::test(start_paused = true)]
async fn who_reads_nothing_is_closed_after_thirty_seconds() {
    let (here, mut there) = tokio::io::duplex(1024);
    let connection = Connection::builder().open(here);
    let call = connection.client::<DemoClient>().size(&[0; 8 << 10]).start();
    there.write_all(b"\0\0\0\x09\x95\0\xa3mux\x01\x01\x80").await.unwrap();
    // It lives, and pongs to pings that it never read.
    let alive = tokio::spawn(async move {
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_secs(5)).await;
            if there.write_all(b"\0\0\0\x03\x92\x0c\x00").await.is_err() {
                break;
            }
        }
        there
    });
    let begun = Instant::now();
    assert_eq!(connection.closed().await, CloseReason::WriteStalled);
    assert_eq!(begun.elapsed().as_secs(), 30);
    assert!(call.await.is_err());
    alive.abort();
}

#[tokio::test(start_paused = true)]
async fn times_can_be_set() {
    let (here, _there) = mux::pair();
    let times = mux::Timeouts { handshake: Duration::from_secs(1), ..Default::default() };
    let connection = Connection::builder().timeouts(times).accept(here);
    let begun = Instant::now();
    assert_eq!(connection.closed().await, CloseReason::HandshakeTimeout);
    assert_eq!(begun.elapsed().as_secs(), 1);
}

mod idle {
    use super::*;
    use mux::{Receiver, Timeouts, channel};
    use std::sync::Mutex;

    const IDLE: Duration = Duration::from_secs(60);

    /// A client, and the end that closes what is idle.
    fn pair() -> (DemoClient, Connection) {
        let (here, there) = mux::pair();
        let times = Timeouts { idle: IDLE, ..Timeouts::default() };
        let builder = Connection::builder().timeouts(times).service(DemoServer::new(Desk::default()));
        (Connection::builder().open(here).client(), builder.accept(there))
    }

    /// So many idle times, when it closes.
    async fn closes(connection: &Connection, since: Instant) -> f64 {
        assert_eq!(connection.closed().await, CloseReason::Idle);
        since.elapsed().div_duration_f64(IDLE)
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_calls_is_closed_in_good_order_and_calls_after_it_did_not_run() {
        let (client, connection) = pair();
        let begun = Instant::now();
        assert!((1.0..=1.3).contains(&closes(&connection, begun).await));
        assert!(client.echo("late").await.unwrap_err().did_not_run());
    }

    #[tokio::test(start_paused = true)]
    async fn its_time_begins_anew_with_each_call_and_notify() {
        let (client, connection) = pair();
        for n in 0..10 {
            tokio::time::sleep(IDLE * 9 / 10).await;
            if n % 2 == 0 {
                client.echo("x").await.unwrap();
            } else {
                client.note("x".into()).await.unwrap();
            }
        }
        let last = Instant::now();
        assert!((1.0..=1.3).contains(&closes(&connection, last).await));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_under_way_keeps_it_open() {
        let (client, connection) = pair();
        assert_eq!(client.sleep(3_600_000).await.unwrap(), 3_600_000);
        let last = Instant::now();
        assert!((1.0..=1.3).contains(&closes(&connection, last).await));
    }

    #[mux::service]
    trait Shelf {
        async fn put(&self, items: Receiver<u32>);
    }

    #[derive(Default)]
    struct Kept(Mutex<Option<Receiver<u32>>>);

    impl Shelf for Kept {
        async fn put(&self, items: Receiver<u32>) {
            *self.0.lock().unwrap() = Some(items);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_channel_keeps_it_open() {
        let (here, there) = mux::pair();
        let times = Timeouts { idle: IDLE, ..Timeouts::default() };
        let connection =
            Connection::builder().timeouts(times).service(ShelfServer::new(Kept::default())).accept(there);
        let client: ShelfClient = Connection::builder().open(here).client();
        let (sender, receiver) = channel();
        client.put(receiver).await.unwrap();
        tokio::time::sleep(IDLE * 10).await;
        assert!(!connection.is_closed());
        drop((sender, client));
        assert!(matches!(connection.closed().await, CloseReason::Peer(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_peer_leaves_unfinished_does_not_keep_its_place() {
        use crate::script::*;
        let unknown = request_with(1, "demo.nope", &carrying(&[(3, RECEIVING)]), &Pack::new().array(0));
        let taken = request_with(1, "demo.running", &carrying(&[(3, RECEIVING)]), &Pack::new().array(0));
        for left in [chunk(1, 100_000, b"x"), unknown, taken] {
            let (here, there) = mux::pair();
            let times = Timeouts { idle: IDLE, ..Timeouts::default() };
            let builder = Connection::builder().timeouts(times).service(DemoServer::new(Desk::default()));
            let connection = builder.accept(there);
            let mut peer = Script::new(here, CONNECTING);
            peer.send_hello().await;
            peer.send_frame(&left).await;
            let begun = Instant::now();
            let alive = tokio::spawn(async move {
                while peer.try_send_raw(&pong(0).framed()).await.is_ok() {
                    tokio::time::sleep(Duration::from_secs(5)).await;
                }
            });
            let closes = tokio::time::timeout(IDLE * 100, closes(&connection, begun)).await;
            assert!((1.0..=1.6).contains(&closes.expect("in time")), "{left:?}");
            alive.abort();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_only_answers_pings_does_not_keep_its_place() {
        let (here, mut there) = mux::pair();
        let times = Timeouts { idle: IDLE, ..Timeouts::default() };
        let connection = Connection::builder().timeouts(times).accept(here);
        there.write_all(HELLO_OF_A_CLIENT).await.unwrap();
        let begun = Instant::now();
        let alive = tokio::spawn(async move {
            while there.write_all(b"\0\0\0\x03\x92\x0c\x00").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
        });
        assert!((1.0..=1.3).contains(&closes(&connection, begun).await));
        alive.abort();
    }
}
