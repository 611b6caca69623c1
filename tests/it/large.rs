//! Messages over 16 KiB: in chunks, beside everything else, within the room of their receiver.

use crate::demo::{Reached, reach, reach_with, until};
use mux::{Bytes, CallError, Connection, Error, Limits};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

const MIB: usize = 1 << 20;

#[mux::service]
trait Store {
    async fn size(&self, blob: &[u8]) -> u64;
    async fn echo(&self, blob: Bytes) -> Bytes;
    /// Answers when it is let go.
    async fn hold(&self, blob: Bytes) -> u64;
    async fn texts(&self, count: usize) -> Vec<String>;
    async fn ping(&self, n: u64) -> u64;
    #[mux(notify)]
    async fn note(&self, blob: Vec<u8>);
}

#[derive(Clone)]
struct Desk {
    held: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    go: Arc<Semaphore>,
    noted: Arc<AtomicUsize>,
}

impl Desk {
    fn new() -> Desk {
        Desk {
            held: Arc::default(),
            most: Arc::default(),
            go: Arc::new(Semaphore::new(0)),
            noted: Arc::default(),
        }
    }
}

impl Store for Desk {
    async fn size(&self, blob: &[u8]) -> u64 {
        blob.len() as u64
    }

    async fn echo(&self, blob: Bytes) -> Bytes {
        blob
    }

    async fn hold(&self, blob: Bytes) -> u64 {
        let held = self.held.fetch_add(blob.len(), SeqCst) + blob.len();
        self.most.fetch_max(held, SeqCst);
        self.go.acquire().await.expect("it is never closed").forget();
        self.held.fetch_sub(blob.len(), SeqCst);
        blob.len() as u64
    }

    async fn texts(&self, count: usize) -> Vec<String> {
        (0..count).map(|n| n.to_string().repeat(100)).collect()
    }

    async fn ping(&self, n: u64) -> u64 {
        n
    }

    async fn note(&self, blob: Vec<u8>) {
        self.noted.fetch_add(blob.len(), SeqCst);
    }
}

fn store(limits: Limits) -> (StoreClient, Desk, Connection, Connection) {
    let desk = Desk::new();
    let (here, there) = mux::pair();
    let answering =
        Connection::builder().limits(limits.clone()).service(StoreServer::new(desk.clone())).accept(there);
    let asking = Connection::builder().limits(limits).open(here);
    (StoreClient::new(&asking), desk, asking, answering)
}

fn pattern(len: usize) -> Bytes {
    (0..len).map(|at| (at % 251) as u8).collect::<Vec<u8>>().into()
}

#[tokio::test]
async fn bodies_of_every_length_come_back_as_they_went() {
    let (client, _desk, _asking, _answering) = store(Limits::default());
    let around = |len: usize| [len - 1, len, len + 1];
    let lengths = [around(16 << 10), around(128 << 10), around(256 << 10), around(MIB), around(3 * MIB)];
    for len in lengths.into_iter().flatten() {
        let blob = pattern(len);
        assert!(client.echo(blob.clone()).await.unwrap() == blob, "{len}");
        assert_eq!(client.size(&blob).await.unwrap(), len as u64);
    }
    let texts = client.texts(10_000).await.unwrap();
    assert!(texts.len() == 10_000 && texts[9999] == "9999".repeat(100));
}

#[tokio::test]
async fn the_largest_body_passes_and_one_byte_more_fails_alone() {
    let (client, _desk, _asking, _answering) = store(Limits::default());
    // An array, and binary with a length of four bytes.
    let most = Limits::default().max_message - 6;
    assert_eq!(client.size(&vec![0; most]).await.unwrap(), most as u64);
    let beyond = client.size(&vec![0; most + 1]).await;
    assert!(matches!(beyond, Err(Error::Call(call)) if call.did_not_run()));
    let beyond = client.echo(pattern(most + 1)).await;
    assert!(matches!(beyond, Err(Error::Call(call)) if call.did_not_run()));
    assert_eq!(client.ping(1).await.unwrap(), 1);
}

#[tokio::test]
async fn limits_beyond_the_default_let_larger_bodies_pass() {
    let limits = Limits { max_message: 40 << 20, ..Limits::default() };
    let (client, _desk, _asking, _answering) = store(limits);
    let blob = pattern(33 << 20);
    assert!(client.echo(blob.clone()).await.unwrap() == blob);
}

#[tokio::test]
async fn a_reply_too_large_for_its_asker_fails_alone() {
    let Reached { client, asking: _asking, answering: _answering, .. } = reach();
    let error = client.blob(17 << 20).await.unwrap_err();
    assert!(matches!(error, Error::Call(CallError::ReplyTooLarge(_))), "{error:?}");
    assert_eq!(client.blob(100_000).await.unwrap().len(), 100_000);
}

#[tokio::test]
async fn a_hundred_uploads_end_within_the_room_of_the_server() {
    let (client, desk, _asking, _answering) = store(Limits::default());
    let blob = pattern(Limits::default().max_message - 100);
    let calls: Vec<_> = (0..100).map(|_| tokio::spawn(client.hold(blob.clone()).start())).collect();
    until(|| desk.held.load(SeqCst) > 2 * blob.len()).await;
    for n in 0..200 {
        assert_eq!(client.ping(n).await.unwrap(), n, "small calls go between");
    }
    desk.go.add_permits(100);
    for call in calls {
        assert_eq!(
            timeout(Duration::from_secs(60), call).await.unwrap().unwrap().unwrap(),
            blob.len() as u64
        );
    }
    let most = desk.most.load(SeqCst);
    assert!(most <= Limits::default().max_buffered, "{most} bytes at once");
}

#[tokio::test]
async fn small_calls_are_answered_while_a_large_one_is_on_its_way() {
    let desk = Desk::new();
    let (here, there) = tokio::io::duplex(4 << 10);
    let _answering = Connection::builder().service(StoreServer::new(desk)).accept(there);
    let asking = Connection::builder().open(here);
    let client = StoreClient::new(&asking);
    let mut large = std::pin::pin!(client.echo(pattern(3 << 20)).start());
    let mut pings = 0;
    loop {
        tokio::select! {
            biased;
            echoed = &mut large => break assert_eq!(echoed.unwrap().len(), 3 << 20),
            pong = client.ping(pings) => assert_eq!(pong.unwrap(), pings),
        }
        pings += 1;
    }
    assert!(pings > 20, "{pings}");
}

#[tokio::test]
async fn dropping_an_upload_abandons_the_rest_at_once() {
    let desk = Desk::new();
    // A pipe that takes little, so that the upload is under way for long.
    let (here, there) = tokio::io::duplex(1 << 10);
    let answering = Connection::builder().service(StoreServer::new(desk.clone())).accept(there);
    let asking = Connection::builder().open(here);
    let client = StoreClient::new(&asking);
    assert_eq!(client.ping(0).await.unwrap(), 0);
    for _ in 0..20 {
        let call = client.hold(pattern(3 << 20)).start();
        assert_eq!(client.ping(1).await.unwrap(), 1);
        drop(call);
    }
    assert_eq!(client.ping(2).await.unwrap(), 2);
    assert_eq!(desk.held.load(SeqCst), 0, "none of them ran");
    drop((client, asking));
    timeout(Duration::from_secs(5), answering.closed()).await.unwrap();
}

#[tokio::test]
async fn an_upload_that_times_out_on_its_way_did_not_run() {
    let desk = Desk::new();
    let (here, there) = tokio::io::duplex(64);
    let _answering = Connection::builder().service(StoreServer::new(desk.clone())).accept(there);
    let asking = Connection::builder().open(here);
    let client = StoreClient::new(&asking);
    assert_eq!(client.ping(0).await.unwrap(), 0);
    let late = client.hold(pattern(3 << 20)).timeout(Duration::from_millis(20)).await;
    assert!(matches!(late, Err(Error::Call(call)) if call.did_not_run()));
    assert_eq!(client.ping(1).await.unwrap(), 1);
    assert_eq!(desk.held.load(SeqCst), 0);
}

/// Bytes that tell when they are dropped.
pub(crate) struct Watched(Vec<u8>, Arc<AtomicUsize>);

impl Watched {
    pub(crate) fn bytes(len: usize, alive: &Arc<AtomicUsize>) -> Bytes {
        alive.fetch_add(1, SeqCst);
        Bytes::from_owner(Watched(vec![7; len], Arc::clone(alive)))
    }
}

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.1.fetch_sub(1, SeqCst);
    }
}

#[tokio::test]
async fn bytes_are_written_from_where_they_lie_and_let_go_then() {
    let (client, desk, _asking, _answering) = store(Limits::default());
    let alive = Arc::new(AtomicUsize::new(0));
    let call = client.hold(Watched::bytes(MIB, &alive));
    assert_eq!(alive.load(SeqCst), 1, "the call holds them, no copy of them");
    let call = tokio::spawn(call.start());
    until(|| desk.held.load(SeqCst) == MIB).await;
    assert_eq!(alive.load(SeqCst), 0, "all is written");
    desk.go.add_permits(1);
    call.await.unwrap().unwrap();
    drop(client.hold(Watched::bytes(MIB, &alive)));
    assert_eq!(alive.load(SeqCst), 0);
}

#[tokio::test]
async fn large_notifies_are_taken_in_their_order_with_small_ones() {
    let (client, desk, _asking, _answering) = store(Limits::default());
    for _ in 0..10 {
        client.note(vec![1; MIB]).await.unwrap();
        client.note(vec![1; 10]).await.unwrap();
    }
    until(|| desk.noted.load(SeqCst) == 10 * (MIB + 10)).await;
}

#[tokio::test]
async fn the_limits_of_both_ends_may_differ() {
    let small = Limits { max_message: 64 << 10, max_buffered: 64 << 10, ..Limits::default() };
    let Reached { client, asking: _asking, answering: _answering, .. } = reach_with(small);
    assert_eq!(client.size(&vec![0; 60 << 10]).await.unwrap(), 60 << 10);
    assert!(matches!(client.size(&vec![0; 70 << 10]).await, Err(Error::Call(call)) if call.did_not_run()));
    assert_eq!(client.blob(MIB as u32).await.unwrap().len(), MIB, "the other way more is allowed");
}

#[tokio::test]
async fn a_large_request_on_a_new_connection_waits_for_the_hello_and_goes() {
    let (client, _desk, _asking, _answering) = store(Limits::default());
    assert_eq!(client.size(&vec![0; 3 * MIB]).await.unwrap(), 3 * MIB as u64);
}

#[tokio::test]
async fn a_drain_finishes_what_is_large_too() {
    let (client, desk, _asking, answering) = store(Limits::default());
    let call = tokio::spawn(client.echo(pattern(3 * MIB)).start());
    let held = tokio::spawn(client.hold(pattern(MIB)).start());
    until(|| desk.held.load(SeqCst) > 0).await;
    desk.go.add_permits(1);
    assert_eq!(answering.drain().await, mux::CloseReason::Drained);
    assert_eq!(held.await.unwrap().unwrap(), MIB as u64);
    match call.await.unwrap() {
        Ok(blob) => assert_eq!(blob.len(), 3 * MIB),
        Err(error) => assert!(matches!(error, Error::Call(call) if call.did_not_run())),
    }
}

/// A stream that has nothing to read for a few looks, once so much was read, and wakes nobody after.
struct Halting {
    stream: DuplexStream,
    from: usize,
    read: usize,
    halts: Arc<AtomicUsize>,
}

impl Halting {
    fn new(stream: DuplexStream, from: usize, halts: usize) -> Halting {
        Halting { stream, from, read: 0, halts: Arc::new(halts.into()) }
    }
}

impl AsyncRead for Halting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read > self.from && self.halts.load(SeqCst) > 0 {
            self.halts.fetch_sub(1, SeqCst);
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.read += buffer.filled().len() - before;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Halting {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn within_a_message_the_stream_is_looked_at_again_before_it_tells() {
    let (here, there) = tokio::io::duplex(64 << 10);
    let there = Halting::new(there, 300 << 10, 8);
    let asking = Connection::builder().open(here);
    let _answering = Connection::builder().service(StoreServer::new(Desk::new())).accept(there);
    let begun = tokio::time::Instant::now();
    assert_eq!(asking.client::<StoreClient>().size(&[7; MIB]).await.unwrap(), MIB as u64);
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

/// A client, what halts its own reading and its server's, and their connections.
fn halting_service() -> (StoreClient, [Arc<AtomicUsize>; 2], [Connection; 2]) {
    let (here, there) = tokio::io::duplex(64 << 10);
    let [here, there] = [here, there].map(|stream| Halting::new(stream, 0, 0));
    let halts = [&here, &there].map(|stream| Arc::clone(&stream.halts));
    let asking = Connection::builder().open(here);
    let answering = Connection::builder().service(StoreServer::new(Desk::new())).accept(there);
    (asking.client(), halts, [asking, answering])
}

/// Whether a call is answered that the stream of one end does not tell of, after that: by the client, and by the server.
async fn is_looked_at_after(before: impl AsyncFn(&StoreClient)) -> [bool; 2] {
    let mut answered = [false; 2];
    for (end, answered) in answered.iter_mut().enumerate() {
        let (client, halts, _connections) = halting_service();
        before(&client).await;
        halts[end].store(8, SeqCst);
        *answered = client.ping(2).await.is_ok();
    }
    answered
}

#[tokio::test(start_paused = true)]
async fn between_calls_the_stream_is_looked_at_again_where_there_are_processors_for_both_ends() {
    let overlap = std::thread::available_parallelism().is_ok_and(|processors| processors.get() > 1);
    let call = async |client: &StoreClient| assert_eq!(client.ping(1).await.unwrap(), 1);
    let beside_another = async |client: &StoreClient| {
        let holding = client.clone();
        tokio::spawn(async move { holding.hold(pattern(1)).await });
        sleep(Duration::from_millis(1)).await;
        call(client).await;
    };
    let note = async |client: &StoreClient| {
        client.note(vec![1]).await.unwrap();
        sleep(Duration::from_millis(1)).await;
    };
    assert_eq!(is_looked_at_after(call).await, [overlap; 2]);
    assert_eq!(is_looked_at_after(beside_another).await, [overlap; 2]);
    assert_eq!(is_looked_at_after(note).await, [false; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_gives_its_buffers_back_is_not_looked_at() {
    let (client, [_, halts], _connections) = halting_service();
    client.ping(1).await.unwrap();
    sleep(Duration::from_millis(500)).await;
    halts.store(1_000, SeqCst);
    sleep(Duration::from_secs(1)).await;
    let looks = 1_000 - halts.load(SeqCst);
    // One when its time has come to give them back.
    assert!((1..4).contains(&looks), "{looks}");
}
