//! Every way to another program.

use crate::demo::{DemoClient, DemoServer, Desk};
use mux::{Address, ConnectError, Connection, Server, Times};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

/// A path for a socket, and the folder that holds it alone.
struct Place(PathBuf);

impl Place {
    fn new() -> Place {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("mux-test-{}-{}", std::process::id(), COUNT.fetch_add(1, SeqCst));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Place(folder)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("socket")
    }

    fn address(&self) -> Address {
        Address::Unix(self.socket())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn server() -> Server {
    Server::new().service(DemoServer::new(Desk::default()))
}

#[tokio::test]
async fn tcp() {
    let server = server().listen("tcp://127.0.0.1:0").await.unwrap();
    let address = server.addresses().remove(0);
    tokio::spawn(server.run());
    let client = DemoClient::connect(&address).await.unwrap();
    assert_eq!(client.echo("x").await.unwrap(), "x");
    let from = client.seen().await.unwrap().address.unwrap();
    assert!(from.starts_with("tcp://127.0.0.1:"), "{from}");
}

#[tokio::test]
async fn a_refused_name_tells_its_addresses() {
    let taken = tokio::net::TcpSocket::new_v4().unwrap();
    taken.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let port = taken.local_addr().unwrap().port();
    let refused = |host: &str| Connection::connect(format!("tcp://{host}:{port}"));
    let refusal = format!("127.0.0.1:{port}: Connection refused (os error 111)");
    let error = refused("127.0.0.1").await.unwrap_err().to_string();
    assert_eq!(error, format!("tcp://{refusal}"));
    let error = refused("localhost").await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("tcp://localhost:{port}: ")) && error.contains(&refusal), "{error}");
}

#[tokio::test]
async fn a_unix_socket_is_for_its_owner_and_tells_who_asks() {
    let place = Place::new();
    let server = server().listen(&place.address()).await.unwrap();
    let mode = std::fs::metadata(place.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let serving = tokio::spawn(server.run());
    let client = DemoClient::connect(&place.address()).await.unwrap();
    let seen = client.seen().await.unwrap();
    assert_eq!(seen.address.unwrap(), place.address().to_string());
    let ours = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(place.socket()).unwrap());
    assert_eq!(seen.uid, Some(ours));
    serving.abort();
    let _ = serving.await;
    assert!(!place.socket().exists(), "the file goes with its server");
}

#[tokio::test]
async fn a_stale_socket_file_is_replaced_and_a_live_one_is_not() {
    let place = Place::new();
    drop(net::UnixListener::bind(place.socket()).unwrap());
    let first = server().listen(&place.address()).await.unwrap();
    let refused = server().listen(&place.address()).await.unwrap_err();
    let ConnectError::Io { source, .. } = refused else { panic!("{refused}") };
    assert_eq!(source.kind(), ErrorKind::AddrInUse);
    drop(first);
    assert!(server().listen(&place.address()).await.is_ok());
}

/// A listener whose queue is full, and who fills it.
async fn full_listener(place: &Place) -> (net::UnixListener, Vec<tokio::net::UnixStream>) {
    let listener = net::UnixListener::bind(place.socket()).unwrap();
    rustix::net::listen(&listener, 1).unwrap();
    let mut queued = Vec::new();
    loop {
        match tokio::net::UnixStream::connect(place.socket()).await {
            Ok(stream) => queued.push(stream),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return (listener, queued),
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn who_finds_a_full_unix_queue_waits_for_room() {
    let place = Place::new();
    let (listener, _queued) = full_listener(&place).await;
    let address = place.address();
    let connecting = tokio::spawn(async move { Connection::connect(&address).await });
    let blocking = Connection::builder();
    let address = place.address();
    let blocking = std::thread::spawn(move || blocking.connect_blocking(&address));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!connecting.is_finished() && !blocking.is_finished());
    let accepting =
        std::thread::spawn(move || (0..4).map(|_| listener.accept().unwrap()).collect::<Vec<_>>());
    let _asking = connecting.await.unwrap().unwrap();
    let _asking = blocking.join().unwrap().unwrap();
    accepting.join().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_unix_queue_that_stays_full_is_given_up_when_the_time_to_connect_is_over() {
    let place = Place::new();
    let _full = full_listener(&place).await;
    let times = Times { handshake: Duration::from_secs(7), ..Times::default() };
    let begun = tokio::time::Instant::now();
    let error = Connection::builder().times(times).connect(&place.address()).await.unwrap_err();
    assert_eq!(begun.elapsed().as_secs(), 7);
    assert!(error.to_string().ends_with("timed out: the listener's queue is full"), "{error}");
}

#[tokio::test]
async fn a_server_whose_queue_is_full_is_alive() {
    let place = Place::new();
    let _full = full_listener(&place).await;
    let ConnectError::Io { source, .. } = server().listen(&place.address()).await.unwrap_err() else {
        panic!()
    };
    assert_eq!(source.kind(), ErrorKind::AddrInUse);
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_left_alone() {
    let place = Place::new();
    std::fs::write(place.socket(), "precious").unwrap();
    assert!(server().listen(&place.address()).await.is_err());
    assert_eq!(std::fs::read_to_string(place.socket()).unwrap(), "precious");
}

#[tokio::test]
async fn os_pipes() {
    let (here, there) = mux::pipe_pair().unwrap();
    let _answering = Connection::builder().service(DemoServer::new(Desk::default())).accept(there);
    let asking = Connection::builder().open(here);
    let client: DemoClient = asking.client();
    assert_eq!(client.blob(1 << 20).await.unwrap().len(), 1 << 20);
}

#[tokio::test]
async fn several_listeners_of_one_server() {
    let place = Place::new();
    let server = server().listen("tcp://127.0.0.1:0").await.unwrap().listen(&place.address()).await.unwrap();
    let addresses = server.addresses();
    tokio::spawn(server.run());
    for address in &addresses {
        assert_eq!(DemoClient::connect(address).await.unwrap().echo("x").await.unwrap(), "x");
    }
    assert_eq!(addresses.len(), 2);
}

#[tokio::test]
async fn connections_over_the_limit_wait_their_turn() {
    let server = server().max_connections(1).listen("tcp://127.0.0.1:0").await.unwrap();
    let address = server.addresses().remove(0);
    tokio::spawn(server.run());
    let first = DemoClient::connect(&address).await.unwrap();
    assert_eq!(first.echo("x").await.unwrap(), "x");
    let second = DemoClient::connect(&address).await.unwrap();
    let call = second.echo("y").send();
    assert_eq!(first.echo("x").await.unwrap(), "x");
    drop(first);
    assert_eq!(call.await.unwrap(), "y");
}

#[tokio::test]
async fn an_address_that_is_none_says_what_is_expected() {
    let error = DemoClient::connect("ftp://x").await.unwrap_err();
    assert!(error.to_string().contains("tcp://host:port"), "{error}");
    let error = DemoClient::connect("unix:/no/such/socket").await.unwrap_err();
    assert_eq!(error.to_string(), "unix:/no/such/socket: No such file or directory (os error 2)");
    let error = server().listen("exec:true").await.unwrap_err();
    assert_eq!(error.to_string(), "exec:true: nothing can listen there");
}

#[tokio::test]
async fn a_program_that_is_no_peer_fails_its_calls() {
    let client = DemoClient::connect("exec:true").await.unwrap();
    assert!(client.echo("x").await.is_err());
    assert!(DemoClient::connect("exec:/no/such/program").await.is_err());
}
