//! Every way to another program.

use crate::demo::{DemoClient, DemoServer, Desk};
use mux::{Address, CloseReason, ConnectError, Connection, Server, Timeouts};
use std::io::ErrorKind;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
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

/// A link-local address of this machine with its interface's name, where it has one; see `proc(5)`, `if_inet6`.
#[cfg(target_os = "linux")]
fn link_local() -> Option<String> {
    let addresses = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    let mut words = addresses.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let words = words.find(|words| words[0].starts_with("fe80"))?;
    let address = std::net::Ipv6Addr::from(u128::from_str_radix(words[0], 16).unwrap());
    Some(format!("{address}%{}", words[5]))
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_link_local_address_keeps_its_interface() {
    let Some(host) = link_local() else { return };
    let server = server().listen(format!("tcp://[{host}]:0")).await.unwrap();
    let address = server.addresses().remove(0);
    tokio::spawn(server.run());
    let client = DemoClient::connect(&address).await.unwrap();
    let from = client.seen().await.unwrap().address.unwrap();
    assert!(address.to_string().contains('%') && from.contains('%'), "{address} {from}");
    let Address::Tcp { port, .. } = address else { panic!("{address}") };
    assert_eq!(
        DemoClient::connect(format!("tcp://[{host}]:{port}")).await.unwrap().echo("x").await.unwrap(),
        "x"
    );
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
    let times = Timeouts { handshake: Duration::from_secs(7), ..Timeouts::default() };
    let begun = tokio::time::Instant::now();
    let error = Connection::builder().timeouts(times).connect(&place.address()).await.unwrap_err();
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

fn names_and_modes(place: &Place) -> Vec<(String, u32)> {
    let mut entries: Vec<_> = std::fs::read_dir(&place.0)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            (entry.file_name().into_string().unwrap(), mode)
        })
        .collect();
    entries.sort();
    entries
}

#[tokio::test]
async fn beside_a_socket_is_its_lock_alone_and_both_go_with_the_server() {
    let place = Place::new();
    let server = server().listen(&place.address()).await.unwrap();
    assert_eq!(names_and_modes(&place), [("socket".to_owned(), 0o600), ("socket.lock".to_owned(), 0o600)]);
    drop(server);
    assert_eq!(names_and_modes(&place), []);
}

#[tokio::test]
async fn a_lock_that_a_dead_server_left_keeps_nobody_out() {
    let place = Place::new();
    std::fs::write(place.0.join("socket.lock"), "").unwrap();
    drop(server().listen(&place.address()).await.unwrap());
    assert_eq!(names_and_modes(&place), []);
}

#[tokio::test]
async fn a_link_in_the_lock_s_place_is_not_followed() {
    let place = Place::new();
    let target = place.0.join("target");
    std::os::unix::fs::symlink(&target, place.0.join("socket.lock")).unwrap();
    for _ in ["to nothing", "to a file"] {
        let error = server().listen(&place.address()).await.unwrap_err();
        assert!(error.to_string().contains("its lock"), "{error}");
        std::fs::write(&target, "precious").unwrap();
    }
    assert_eq!(std::fs::read_to_string(target).unwrap(), "precious");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_path_may_take_all_of_its_107_bytes() {
    let place = Place::new();
    for folder_len in [105, 60] {
        let folder = place.0.join("f".repeat(folder_len - place.0.as_os_str().len() - 1));
        std::fs::create_dir(&folder).unwrap();
        let socket = folder.join("s".repeat(106 - folder_len));
        assert_eq!(socket.as_os_str().len(), 107);
        let serving = tokio::spawn(server().listen(&*socket).await.unwrap().run());
        assert_eq!(DemoClient::connect(&*socket).await.unwrap().echo("x").await.unwrap(), "x");
        serving.abort();
    }
}

/// The path that a started server is to listen at.
const LISTEN_AT: &str = "MUX_TEST_LISTEN_AT";

/// No test of its own: a server that starts when a line comes, says what came of it, and runs until its input ends.
#[tokio::test]
async fn started() {
    let Some(path) = std::env::var_os(LISTEN_AT) else { return };
    let next_line = || std::io::stdin().read_line(&mut String::new()).unwrap();
    next_line();
    let (said, server) = match server().listen(PathBuf::from(path)).await {
        Ok(server) => ("listens".to_owned(), Some(server)),
        Err(error) => (error.to_string(), None),
    };
    writeln!(std::io::stderr(), "{said}").unwrap();
    let serving = server.map(|server| tokio::spawn(server.run()));
    tokio::task::spawn_blocking(next_line).await.unwrap();
    drop(serving);
    std::process::exit(0);
}

struct Starting {
    child: Child,
    said: BufReader<ChildStderr>,
}

impl Starting {
    fn at(path: &Path) -> Starting {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "transports::started", "--nocapture"]).env(LISTEN_AT, path);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = BufReader::new(child.stderr.take().unwrap());
        Starting { child, said }
    }

    fn go(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    }

    fn said(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn of_two_servers_that_start_together_one_listens_and_the_other_is_told() {
    let place = Place::new();
    let told = format!("{}: another server listens there", place.address());
    for round in 0..50 {
        if round % 2 == 0 {
            // What a dead server left.
            drop(net::UnixListener::bind(place.socket()).unwrap());
        }
        let mut both = [Starting::at(&place.socket()), Starting::at(&place.socket())];
        both.iter_mut().for_each(Starting::go);
        let said = both.each_mut().map(Starting::said);
        let listening = said.iter().filter(|said| *said == "listens").count();
        assert!(listening == 1 && said.contains(&told), "round {round}: {said:?}");
        assert_eq!(DemoClient::connect(&place.address()).await.unwrap().echo("x").await.unwrap(), "x");
        drop(both);
        let _ = std::fs::remove_file(place.socket());
    }
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
    let call = second.echo("y").start();
    assert_eq!(first.echo("x").await.unwrap(), "x");
    drop(first);
    assert_eq!(call.await.unwrap(), "y");
}

fn within(runtime: &mut tokio::runtime::Builder, future: impl Future<Output = ()>) {
    runtime.build().unwrap().block_on(future);
}

#[test]
fn a_runtime_without_timers_is_told_to_enable_them() {
    let place = Place::new();
    let why = "this tokio runtime has no timers: build it with `enable_time` or `enable_all`";
    within(tokio::runtime::Builder::new_current_thread().enable_io(), async {
        let error = server().listen(&place.address()).await.unwrap_err();
        assert_eq!(error.to_string(), format!("{}: {why}", place.address()));
        let error = Connection::connect("tcp://127.0.0.1:1").await.unwrap_err();
        assert_eq!(error.to_string(), format!("tcp://127.0.0.1:1: {why}"));
        let connection = Connection::builder().open(mux::pair().0);
        assert_eq!(connection.closed().await, CloseReason::Io(why.to_owned()));
        let Err(mux::Error::Call(error)) = connection.client::<DemoClient>().echo("x").await else {
            panic!()
        };
        assert!(error.did_not_run(), "{error}");
    });
}

#[test]
fn a_runtime_without_io_is_told_to_enable_it() {
    let place = Place::new();
    let why = "this tokio runtime has no I/O: build it with `enable_io` or `enable_all`";
    within(tokio::runtime::Builder::new_current_thread().enable_time(), async {
        let error = server().listen("tcp://127.0.0.1:0").await.unwrap_err();
        assert_eq!(error.to_string(), format!("tcp://127.0.0.1:0: {why}"));
        for address in [place.address(), "tcp://127.0.0.1:1".parse().unwrap(), "exec:true".parse().unwrap()] {
            let error = Connection::connect(&address).await.unwrap_err();
            assert_eq!(error.to_string(), format!("{address}: {why}"));
        }
        assert_eq!(mux::pipe_pair().unwrap_err().to_string(), why);
        assert_eq!(mux::stdio().unwrap_err().to_string(), why);
        // What stays in memory needs none.
        let (here, there) = mux::pair();
        let _answering = Connection::builder().service(DemoServer::new(Desk::default())).accept(there);
        let client: DemoClient = Connection::builder().open(here).client();
        assert_eq!(client.echo("x").await.unwrap(), "x");
    });
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
