//! Close, drain, and the last handle dropped.

use crate::demo::{DemoClient, DemoServer, Desk, reach, until};
use crate::script::{ACCEPTING, Script};
use mux::{CallError, CloseReason, Connection, Error, Refusal, Server, Workers};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

#[tokio::test]
async fn close_tells_both_ends_why() {
    let reached = reach();
    assert_eq!(reached.client.echo("x").await.unwrap(), "x");
    reached.asking.close();
    assert_eq!(reached.asking.closed().await, CloseReason::Local);
    assert_eq!(reached.answering.closed().await, CloseReason::Peer("closed".into()));
}

#[tokio::test]
async fn a_call_in_the_hand_keeps_its_connection() {
    let reached = reach();
    let call = reached.client.sleep(20).start();
    drop((reached.client, reached.asking));
    assert_eq!(call.await.unwrap(), 20);
    assert_eq!(reached.answering.closed().await, CloseReason::Peer("closed".into()));
}

#[tokio::test]
async fn a_notify_is_written_before_the_last_handle_closes() {
    let (here, there) = mux::pair();
    let desk = Desk::default();
    let answering = Connection::builder().service(DemoServer::new(desk.clone())).accept(there);
    let asking = Connection::builder().open(here);
    asking.client::<DemoClient>().note("last words".into()).await.unwrap();
    drop(asking);
    answering.closed().await;
    let local = DemoClient::local(desk);
    for _ in 0..1000 {
        if local.notes().await.unwrap() == ["last words"] {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("the notify was lost");
}

#[tokio::test]
async fn jobs_that_wait_for_a_thread_are_refused_at_close() {
    let (here, there) = mux::pair();
    let desk = Desk::default();
    let builder = Connection::builder().workers(Workers::Pool(1)).service(DemoServer::new(desk.clone()));
    let answering = builder.accept(there);
    let asking = Connection::builder().open(here);
    let client: DemoClient = asking.client();
    let running = client.block(100).start();
    until(|| desk.facts.running.load(SeqCst) == 1).await;
    let waiting: Vec<_> = (0..5).map(|_| client.block(100).start()).collect();
    // An answer shows that the requests before it have arrived.
    client.echo("x").await.unwrap();
    answering.close();
    for call in waiting {
        let Err(Error::Call(CallError::Refused(refused))) = call.await else { panic!("not refused") };
        assert_eq!(refused.reason(), Refusal::Draining);
    }
    assert!(matches!(running.await, Err(Error::Call(CallError::Closed(_)))));
    until(|| desk.facts.running.load(SeqCst) == 0).await;
    assert_eq!(desk.facts.most.load(SeqCst), 1);
}

#[tokio::test]
async fn drain_finishes_what_runs_from_either_end() {
    for drain_asking in [false, true] {
        let reached = reach();
        let running: Vec<_> = (0..10).map(|_| reached.client.sleep(30).start()).collect();
        until(|| reached.facts.running.load(SeqCst) == 10).await;
        let draining = if drain_asking { reached.asking.clone() } else { reached.answering.clone() };
        let drained = tokio::spawn(async move { draining.drain().await });
        for call in running {
            assert_eq!(call.await.unwrap(), 30);
        }
        assert_eq!(drained.await.unwrap(), CloseReason::Drained);
    }
}

#[tokio::test]
async fn a_server_drains_its_connections_and_hurries_the_slow() {
    let desk = Desk::default();
    let server =
        Server::new().service(DemoServer::new(desk.clone())).drain_timeout(Duration::from_millis(200));
    let server = server.listen("tcp://127.0.0.1:0").await.unwrap();
    let address = server.addresses().remove(0);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.run_until(stopped));
    let client = DemoClient::connect(&address).await.unwrap();
    let (quick, slow) = (client.sleep(50).start(), client.sleep(60_000).start());
    until(|| desk.facts.running.load(SeqCst) == 2).await;
    stop.send(()).unwrap();
    assert_eq!(quick.await.unwrap(), 50);
    assert!(matches!(slow.await, Err(Error::Call(CallError::Closed(_)))));
    serving.await.unwrap().unwrap();
    assert!(DemoClient::connect(&address).await.is_err());
}

#[tokio::test]
async fn who_waits_to_be_accepted_is_told_that_the_server_drains() {
    let folder = tempfile::tempdir().unwrap();
    for address in ["tcp://127.0.0.1:0".to_owned(), format!("unix:{}/queue", folder.path().display())] {
        let server = Server::new().service(DemoServer::new(Desk::default())).max_connections(1);
        let server = server.listen(&address).await.unwrap();
        let address = server.addresses().remove(0);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = tokio::spawn(server.run_until(stopped));
        let accepted = DemoClient::connect(&address).await.unwrap();
        assert_eq!(accepted.echo("x").await.unwrap(), "x");
        let mut queued = Vec::new();
        for _ in 0..50 {
            let client = DemoClient::connect(&address).await.unwrap();
            queued.push((client.echo("y").start(), client));
        }
        stop.send(()).unwrap();
        for (call, _client) in queued {
            let Err(Error::Call(error)) = call.await else { panic!("it ran") };
            assert!(error.did_not_run(), "{error}");
            let CallError::Refused(refused) = error else { panic!("{error}") };
            assert_eq!(refused.reason(), Refusal::Draining);
        }
        serving.await.unwrap().unwrap();
    }
}

#[test]
fn a_runtime_that_ends_tells_waiting_threads() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let reached = runtime.block_on(async { reach() });
    let waiting = std::thread::spawn({
        let client = reached.client.clone();
        move || client.sleep(60_000).wait()
    });
    while reached.facts.running.load(SeqCst) == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    runtime.shutdown_background();
    assert!(matches!(waiting.join().unwrap(), Err(Error::Call(CallError::Closed(_)))));
}

/// Counts how often it is read.
struct Counted(DuplexStream, Arc<AtomicUsize>);

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        self.1.fetch_add(1, SeqCst);
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_peer_to_hang_up_takes_no_turns() {
    let (here, _silent) = tokio::io::duplex(65536);
    let reads = Arc::new(AtomicUsize::new(0));
    let asking = Connection::builder().open(Counted(here, Arc::clone(&reads)));
    // Its deadline comes while the closed connection lingers.
    let call = asking.client::<DemoClient>().echo("x").timeout(Duration::from_millis(100)).start();
    asking.close();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(call.await.is_err());
    assert!(reads.load(SeqCst) < 20, "{reads:?}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_hangs_up_is_left_and_not_watched_in_a_loop() {
    let (here, there) = mux::pair();
    let connection = Connection::builder().open(here);
    let mut peer = Script::new(there, ACCEPTING);
    peer.send_hello().await;
    // A loop would hold up this clock.
    tokio::time::sleep(Duration::from_millis(600)).await;
    connection.close();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(peer.try_send_raw(&[0]).await.is_err());
}
