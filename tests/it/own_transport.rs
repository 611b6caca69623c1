//! Transports that a user writes: a listener of pipes in memory whose peers have to say a token first, and its connector.

use crate::demo::{DemoClient, DemoServer, Desk};
use mux::transport::{Connector, Incoming, Listener};
use mux::{Address, CallError, ConnectError, Connection, Error, Peer, Refusal, Server, Timeouts};
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

/// What a peer says first.
const TOKEN: u8 = b'+';

/// Longer than anything here takes, so that what never comes fails a test instead of hanging it.
const PATIENCE: Duration = Duration::from_secs(120);

struct Pipe {
    stream: DuplexStream,
    peer: Peer,
}

impl Incoming for Pipe {
    type Stream = DuplexStream;

    fn peer(&self) -> &Peer {
        &self.peer
    }

    async fn handshake(mut self) -> io::Result<(DuplexStream, Peer)> {
        match self.stream.read_u8().await? {
            TOKEN => Ok((self.stream, self.peer.with_address("pipe: greeted"))),
            _ => Err(ErrorKind::PermissionDenied.into()),
        }
    }
}

struct Pipes(mpsc::UnboundedReceiver<Pipe>);

impl Listener for Pipes {
    type Incoming = Pipe;

    fn addresses(&self) -> Vec<Address> {
        vec![Address::Unix("pipes".into())]
    }

    async fn accept(&mut self) -> io::Result<Pipe> {
        match self.0.recv().await {
            Some(pipe) => Ok(pipe),
            None => std::future::pending().await,
        }
    }

    fn close(mut self) -> impl Iterator<Item = Pipe> + Send {
        self.0.close();
        std::iter::from_fn(move || self.0.try_recv().ok())
    }
}

/// From where one connects.
#[derive(Clone)]
struct From {
    server: mpsc::UnboundedSender<Pipe>,
    host: u8,
}

impl From {
    fn host(&self, host: u8) -> From {
        From { host, ..self.clone() }
    }

    fn dial(&self) -> DuplexStream {
        let (here, there) = mux::pair();
        let peer = Peer::new().with_address("pipe").with_ip([192, 0, 2, self.host].into());
        self.server.send(Pipe { stream: there, peer }).unwrap_or_else(|_| panic!("nobody listens"));
        here
    }

    async fn client(&self) -> DemoClient {
        Connection::builder().connect_with(self).await.unwrap().client()
    }

    async fn is_answered(&self) -> bool {
        let client = self.client().await;
        timeout(PATIENCE, client.echo("x")).await.expect("in time").is_ok()
    }
}

impl Connector for From {
    type Stream = DuplexStream;

    async fn connect(&self) -> io::Result<(DuplexStream, Peer)> {
        let mut stream = self.dial();
        stream.write_u8(TOKEN).await?;
        Ok((stream, Peer::new().with_address("pipes")))
    }
}

fn pipes() -> (From, Pipes) {
    let (server, pipes) = mpsc::unbounded_channel();
    (From { server, host: 1 }, Pipes(pipes))
}

fn demo(server: Server) -> Server {
    server.service(DemoServer::new(Desk::default()))
}

/// Where one connects to a server of pipes.
fn serve(server: Server) -> From {
    let (from, pipes) = pipes();
    tokio::spawn(demo(server).serve_on(pipes).run());
    from
}

#[test]
fn a_server_in_a_runtime_without_timers_says_so_as_it_begins() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (_from, pipes) = pipes();
    let server = demo(Server::new()).serve_on(pipes).run_until(std::future::ready(()));
    let panic = runtime.block_on(async { tokio::spawn(server).await });
    let said = *panic.unwrap_err().into_panic().downcast::<String>().unwrap();
    assert!(said.contains("`enable_time`"), "{said}");
}

/// What a call comes to over a stream whose token was not said until now.
async fn is_refused_as_draining(mut stream: DuplexStream) {
    stream.write_u8(TOKEN).await.unwrap();
    let client: DemoClient = Connection::builder().open(stream).client();
    is_draining(client.echo("x").await);
}

#[track_caller]
fn is_draining(outcome: Result<String, Error>) {
    let Err(Error::Call(error)) = outcome else { panic!("it ran") };
    assert!(error.did_not_run(), "{error}");
    let CallError::Refused(refused) = error else { panic!("{error}") };
    assert_eq!(refused.reason(), Refusal::Draining);
}

/// How long it takes until the other end of a stream closes it.
async fn time_to_end(mut stream: DuplexStream) -> Duration {
    let begun = Instant::now();
    let read = timeout(PATIENCE, stream.read(&mut [0; 64])).await.expect("in time");
    assert_eq!(read.unwrap(), 0);
    begun.elapsed()
}

#[tokio::test]
async fn a_listener_and_a_connector_of_ones_own_carry_calls_and_tell_the_peer() {
    let (from, pipes) = pipes();
    let server = demo(Server::new()).serve_on(pipes).listen("tcp://127.0.0.1:0").await.unwrap();
    let addresses = server.addresses();
    assert_eq!(addresses[0], Address::Unix("pipes".into()));
    tokio::spawn(server.run());
    let connection = Connection::builder().connect_with(from).await.unwrap();
    assert_eq!(connection.peer().address.as_deref(), Some("pipes"));
    let client: DemoClient = connection.client();
    assert_eq!(client.seen().await.unwrap().address.unwrap(), "pipe: greeted");
    assert_eq!(DemoClient::connect(&addresses[1]).await.unwrap().echo("x").await.unwrap(), "x");
}

#[tokio::test]
async fn a_listener_that_was_bound_elsewhere_is_served() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = demo(Server::new()).serve_on(listener);
    let address = server.addresses().remove(0);
    tokio::spawn(server.run());
    let seen = DemoClient::connect(&address).await.unwrap().seen().await.unwrap();
    assert!(seen.address.unwrap().starts_with("tcp://127.0.0.1:"));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_stalls_in_its_handshake_holds_up_no_other_and_is_given_up_in_time() {
    let times = Timeouts { handshake: Duration::from_secs(7), ..Timeouts::default() };
    let from = serve(Server::new().timeouts(times).max_connections_per_peer(1));
    let begun = Instant::now();
    let stalled = from.dial();
    for host in 2..10 {
        assert!(from.host(host).is_answered().await);
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
    // It has its part of the places all the while.
    let error = from.client().await.echo("x").await.unwrap_err();
    assert!(
        error.did_not_run() && error.to_string().contains("too many connections of this peer"),
        "{error}"
    );
    time_to_end(stalled).await;
    assert_eq!(begun.elapsed().as_secs(), 7);
    assert!(from.is_answered().await);
}

#[tokio::test(start_paused = true)]
async fn handshakes_take_places_and_make_room_where_these_are_short() {
    let from = serve(Server::new().max_connections(2));
    let begun = Instant::now();
    let stalled = [from.host(7).dial(), from.host(8).dial()];
    assert!(from.is_answered().await);
    let passed = begun.elapsed().as_millis();
    assert!((1000..3000).contains(&passed), "{passed} ms");
    for stream in stalled {
        time_to_end(stream).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_fails_gives_its_place_back() {
    let from = serve(Server::new().max_connections(1).max_connections_per_peer(1));
    for _ in 0..10 {
        let mut stream = from.dial();
        stream.write_u8(b'-').await.unwrap();
        assert_eq!(time_to_end(stream).await, Duration::ZERO);
    }
    assert!(from.is_answered().await);
}

/// A stream whose peer stalls, of a server that was told to stop since; when it stopped.
async fn stop_in_a_handshake(server: Server) -> (DuplexStream, tokio::task::JoinHandle<Duration>) {
    let (from, pipes) = pipes();
    let (stop, stopped) = oneshot::channel::<()>();
    let begun = Instant::now();
    let server = demo(server).serve_on(pipes).run_until(stopped);
    let serving = tokio::spawn(async move {
        server.await.unwrap();
        begun.elapsed()
    });
    let stream = from.dial();
    assert!(from.is_answered().await);
    stop.send(()).unwrap();
    // Until it is told and has emptied its queue.
    tokio::time::sleep(Duration::from_millis(500)).await;
    (stream, serving)
}

#[tokio::test(start_paused = true)]
async fn who_ends_a_handshake_when_the_server_drains_is_told_so() {
    let (stream, serving) = stop_in_a_handshake(Server::new()).await;
    is_refused_as_draining(stream).await;
    assert!(serving.await.unwrap() < Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_handshake_lasts_no_longer_than_the_drain() {
    let (stream, serving) = stop_in_a_handshake(Server::new().drain_timeout(Duration::from_secs(3))).await;
    time_to_end(stream).await;
    assert_eq!(serving.await.unwrap().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn who_waits_in_the_queue_of_ones_own_listener_is_told_that_the_server_drains() {
    let (from, pipes) = pipes();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(demo(Server::new().max_connections(1)).serve_on(pipes).run_until(stopped));
    let first = from.client().await;
    assert!(first.echo("x").await.is_ok());
    let mut queued = Vec::new();
    for host in 2..202 {
        let client = from.host(host).client().await;
        queued.push((client.echo("y").start(), client));
    }
    stop.send(()).unwrap();
    for (call, _client) in queued {
        is_draining(call.await);
    }
    serving.await.unwrap().unwrap();
}

/// Accepts nobody, so that all who come are there when it closes.
struct Deaf(Pipes);

impl Listener for Deaf {
    type Incoming = Pipe;

    async fn accept(&mut self) -> io::Result<Pipe> {
        std::future::pending().await
    }

    fn close(self) -> impl Iterator<Item = Pipe> + Send {
        self.0.close()
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_listener_gives_as_it_closes_is_told_that_the_server_drains() {
    let (from, pipes) = pipes();
    let streams = [(); 3].map(|()| from.dial());
    let serving = tokio::spawn(demo(Server::new()).serve_on(Deaf(pipes)).run_until(std::future::ready(())));
    for stream in streams {
        is_refused_as_draining(stream).await;
    }
    serving.await.unwrap();
}

/// Fails before it accepts.
struct Failing(VecDeque<ErrorKind>, Pipes);

impl Listener for Failing {
    type Incoming = Pipe;

    async fn accept(&mut self) -> io::Result<Pipe> {
        match self.0.pop_front() {
            Some(failure) => Err(failure.into()),
            None => self.1.accept().await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_accept_that_fails_is_tried_again() {
    use ErrorKind::{ConnectionAborted, Other};
    for (failures, pause) in [(vec![ConnectionAborted; 5], 0), (vec![Other; 5], 500)] {
        let (from, pipes) = pipes();
        tokio::spawn(demo(Server::new()).serve_on(Failing(failures.into(), pipes)).run());
        let begun = Instant::now();
        assert!(from.is_answered().await);
        // A timer may be a millisecond late.
        let late = begun.elapsed().as_millis() - pause;
        assert!(late <= 10, "{late} ms later than {pause}");
    }
}

/// Says of its peer that it is of the same user, or that it is not.
struct OfSameUser(Pipes, bool);

impl Listener for OfSameUser {
    type Incoming = (DuplexStream, Peer);

    async fn accept(&mut self) -> io::Result<(DuplexStream, Peer)> {
        let (stream, peer) = self.0.accept().await?.handshake().await?;
        Ok((stream, peer.with_same_user(self.1)))
    }
}

#[tokio::test]
async fn a_transport_says_to_whom_traces_are_revealed() {
    let tells_its_place = async |server: Server, from: From| {
        tokio::spawn(demo(server).run());
        let error = from.client().await.import("/no/such/file".into()).await.unwrap_err();
        let Error::Remote(failure) = error else { panic!("{error}") };
        failure.location().is_some()
    };
    let (from, its) = pipes();
    assert!(!tells_its_place(Server::new().serve_on(its), from).await, "nothing was said");
    for same in [true, false] {
        let (from, its) = pipes();
        assert_eq!(tells_its_place(Server::new().serve_on(OfSameUser(its, same)), from).await, same);
    }
}

struct Nowhere;

impl Connector for Nowhere {
    type Stream = DuplexStream;

    async fn connect(&self) -> io::Result<(DuplexStream, Peer)> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_connector_that_takes_too_long_is_given_up() {
    let times = Timeouts { handshake: Duration::from_secs(7), ..Timeouts::default() };
    let begun = Instant::now();
    let error = Connection::builder().timeouts(times).connect_with(Nowhere).await.unwrap_err();
    assert_eq!(begun.elapsed().as_secs(), 7);
    let ConnectError::Connector(source) = &error else { panic!("{error}") };
    assert_eq!(source.kind(), ErrorKind::TimedOut);
    assert!(CallError::from(error).did_not_run());
}

struct Refused;

impl Connector for Refused {
    type Stream = DuplexStream;

    async fn connect(&self) -> io::Result<(DuplexStream, Peer)> {
        Err(io::Error::new(ErrorKind::PermissionDenied, "shop: the token is not valid"))
    }
}

#[tokio::test]
async fn a_connector_s_error_is_told_as_it_is() {
    let error = Connection::builder().connect_with(&Refused).await.unwrap_err();
    assert_eq!(error.to_string(), "shop: the token is not valid");
}
