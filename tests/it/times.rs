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
    let call = connection.client::<DemoClient>().size(&[0; 8 << 10]).send();
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
    let times = mux::Times { handshake: Duration::from_secs(1), ..Default::default() };
    let connection = Connection::builder().times(times).accept(here);
    let begun = Instant::now();
    assert_eq!(connection.closed().await, CloseReason::HandshakeTimeout);
    assert_eq!(begun.elapsed().as_secs(), 1);
}
