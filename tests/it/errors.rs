//! Every error a caller can get, and how it is provoked.

use crate::demo::{DemoClient, DemoServer, Desk, Unencodable2, reach, reach_with};
use mux::{CallError, CloseReason, Connection, Error, Limits};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The variant as a word, and whether it says that the call did not run.
fn kind<E>(error: &Error<E>) -> (String, bool) {
    let word = match error {
        Error::App(_) => "app".to_owned(),
        Error::Remote(remote) if remote.is_panic() => "panicked".to_owned(),
        Error::Remote(_) => "failed".to_owned(),
        Error::Call(CallError::Refused(refused)) => format!("refused {:?}", refused.reason()),
        Error::Call(CallError::TimedOut { sent }) => format!("timed out, sent {sent}"),
        Error::Call(CallError::Closed(_)) => "closed".to_owned(),
        Error::Call(CallError::NotConnected(_)) => "not connected".to_owned(),
        Error::Call(CallError::Cancelled(_)) => "cancelled".to_owned(),
        Error::Call(CallError::ReplyUnencodable(_)) => "reply unencodable".to_owned(),
        Error::Call(CallError::ReplyTooLarge(_)) => "reply too large".to_owned(),
        Error::Call(CallError::ReplyUndecodable(_)) => "reply undecodable".to_owned(),
        Error::Call(CallError::Unknown { code, .. }) => format!("unknown {code}"),
        Error::Call(_) => "new".to_owned(),
    };
    (word, error.did_not_run())
}

fn expect<T: std::fmt::Debug, E: std::fmt::Debug>(
    result: Result<T, Error<E>>,
    word: &str,
    did_not_run: bool,
) {
    assert_eq!(kind(&result.unwrap_err()), (word.to_owned(), did_not_run));
}

#[tokio::test]
async fn what_the_method_says() {
    let reached = reach();
    let client = &reached.client;
    expect(client.take(9).await, "app", false);
    expect(client.import("/no/such".into()).await, "failed", false);
    expect(client.panics("luck").await, "panicked", false);
    expect(client.panics_on_worker("luck").await, "panicked", false);
    expect(client.panics_inline("luck").await, "panicked", false);
    expect(client.unencodable().await, "reply unencodable", false);
    // The connection lives through all of them.
    assert_eq!(client.echo("x").await.unwrap(), "x");
}

#[tokio::test]
async fn what_never_runs() {
    let reached = reach_with(Limits { max_message: 64 << 10, ..Limits::default() });
    expect(reached.asking.client::<AbsentClient>().call().await, "refused UnknownMethod", true);
    expect(reached.asking.client::<OlderClient>().take().await, "refused InvalidArgs", true);
    expect(reached.client.unencodable_argument(&Unencodable2).await, "refused InvalidArgs", true);
    expect(reached.client.size(&[0; 70 << 10]).await, "refused TooLarge", true);
    let wide = reached.client.echo("x").meta("k", &"v".repeat(60 << 10));
    expect(wide.await, "refused TooLarge", true);
    assert_eq!(reached.client.echo("x").await.unwrap(), "x");
}

#[tokio::test]
async fn an_address_where_nobody_answers_fails_the_call_and_it_did_not_run() {
    async fn take(address: &str) -> Result<u32, Error<crate::demo::Shortage>> {
        DemoClient::connect(address).await?.take(1).await
    }
    let folder = tempfile::tempdir().unwrap();
    let nobody = format!("unix:{}", folder.path().join("nobody").display());
    for address in [&nobody, "no address"] {
        let error = take(address).await.unwrap_err();
        let why = DemoClient::connect(address).await.unwrap_err().to_string();
        assert_eq!(error.to_string(), format!("not connected: {why}"));
        expect(Err::<u32, _>(error), "not connected", true);
    }
}

#[tokio::test]
async fn replies_that_do_not_fit() {
    let (here, there) = mux::pair();
    let _answering = Connection::builder().service(DemoServer::new(Desk::default())).accept(there);
    let limits = Limits { max_message: 64 << 10, ..Limits::default() };
    let asking = Connection::builder().limits(limits).open(here);
    let client: DemoClient = asking.client();
    expect(client.blob(70 << 10).await, "reply too large", false);
    expect(asking.client::<NewerClient>().echo("text").await, "reply undecodable", false);
    assert_eq!(client.blob(60 << 10).await.unwrap().len(), 60 << 10);
}

#[tokio::test(start_paused = true)]
async fn time_that_ran_out() {
    let reached = reach_with(Limits { max_in_flight: 16, ..Limits::default() });
    let timeout = Duration::from_millis(50);
    expect(reached.client.sleep(1000).timeout(timeout).await, "timed out, sent true", false);
    expect(reached.client.echo("x").timeout(Duration::ZERO).await, "timed out, sent false", true);
    let full: Vec<_> = (0..16).map(|_| reached.client.sleep(1000).start()).collect();
    expect(reached.client.echo("x").timeout(timeout).await, "timed out, sent false", true);
    drop(full);
}

#[tokio::test]
async fn the_end_of_the_connection() {
    let reached = reach_with(Limits { max_in_flight: 16, ..Limits::default() });
    let sent: Vec<_> = (0..16).map(|_| reached.client.sleep(60_000).start()).collect();
    crate::demo::until(|| reached.facts.running.load(std::sync::atomic::Ordering::SeqCst) == 16).await;
    let queued = reached.client.sleep(60_000).start();
    reached.asking.close();
    for call in sent {
        expect(call.await, "closed", false);
    }
    expect(queued.await, "closed", true);
    expect(reached.client.echo("later").await, "closed", true);
}

#[tokio::test]
async fn an_end_that_drains() {
    let reached = reach();
    let running = reached.client.sleep(50).start();
    crate::demo::until(|| reached.facts.running.load(std::sync::atomic::Ordering::SeqCst) == 1).await;
    let draining = tokio::spawn({
        let answering = reached.answering.clone();
        async move { answering.drain().await }
    });
    tokio::time::sleep(Duration::from_millis(10)).await;
    expect(reached.client.echo("x").await, "refused Draining", true);
    assert_eq!(running.await.unwrap(), 50);
    assert_eq!(draining.await.unwrap(), CloseReason::Drained);
    assert_eq!(reached.asking.closed().await, CloseReason::Peer("drained".into()));
}

#[tokio::test]
async fn what_a_fault_of_any_code_means() {
    let codes = [
        (1, "refused UnknownMethod", true),
        (2, "refused InvalidArgs", true),
        (3, "refused Overloaded", true),
        (4, "refused Draining", true),
        (5, "refused TooLarge", true),
        (6, "refused Unsupported", true),
        (7, "refused Unauthenticated", true),
        (31, "refused Other(31)", true),
        (33, "failed", false),
        (34, "panicked", false),
        (35, "cancelled", false),
        (36, "timed out, sent true", false),
        (37, "reply unencodable", false),
        (38, "reply too large", false),
        (99, "unknown 99", false),
        // Its detail, nil, is no error that the method declares.
        (32, "reply undecodable", false),
    ];
    for (code, word, did_not_run) in codes {
        expect(faulted(code).await, word, did_not_run);
    }
}

/// A call whose peer answers it with a fault of that code.
async fn faulted(code: u8) -> Result<u32, Error<crate::demo::Shortage>> {
    let (here, mut there) = mux::pair();
    let asking = Connection::builder().open(here);
    let call = asking.client::<DemoClient>().take(1).start();
    let hello = b"\0\0\0\x09\x95\0\xa3mux\x01\x01\x80";
    let fault = [0, 0, 0, 8, 0x96, 3, 1, 0xc0, code, 0xa1, b'm', 0xc0];
    there.write_all(hello).await.unwrap();
    there.write_all(&fault).await.unwrap();
    let answer = call.await;
    let mut rest = Vec::new();
    drop(asking);
    there.read_to_end(&mut rest).await.unwrap();
    answer
}

#[tokio::test]
async fn a_failure_arrives_with_its_chain_and_its_place() {
    let reached = reach();
    let error = reached.client.import("/no/such".into()).await.unwrap_err();
    let Error::Remote(remote) = error else { panic!("no remote error: {error}") };
    assert_eq!(remote.message(), "cannot import /no/such");
    assert_eq!(remote.chain().collect::<Vec<_>>(), ["No such file or directory (os error 2)"]);
    assert!(remote.type_name().unwrap().ends_with("Import"));
    assert!(remote.location().unwrap().contains("demo.rs:"));
    let printed = format!("{remote:#}");
    assert!(printed.contains("caused by: No such file"), "{printed}");
    assert!(printed.contains("demo.rs:"), "{printed}");
}

#[tokio::test]
async fn a_panic_arrives_with_its_message_and_its_place() {
    let reached = reach();
    let error = reached.client.panics("bad luck").await.unwrap_err();
    let Error::Remote(remote) = error else { panic!("no remote error: {error}") };
    assert_eq!(remote.message(), "bad luck");
    assert!(remote.location().unwrap().contains("demo.rs:"));
    assert!(format!("{remote:#}").starts_with("panicked: bad luck\n"));
}

#[tokio::test]
async fn a_server_may_keep_its_traces() {
    let (here, there) = mux::pair();
    let builder = Connection::builder().reveal_traces(false);
    let _answering = builder.service(DemoServer::new(Desk::default())).accept(there);
    let asking = Connection::builder().open(here);
    let client: DemoClient = asking.client();
    for error in
        [client.panics("luck").await.unwrap_err(), client.import("/no".into()).await.map(|_| 0).unwrap_err()]
    {
        let Error::Remote(remote) = error else { panic!("no remote error") };
        assert_eq!((remote.location(), remote.trace(), remote.type_name()), (None, None, None));
        assert_eq!(remote.chain().count(), 0);
        assert!(!remote.message().is_empty());
    }
}

/// Whether a panic of a service at the other end of a stream tells its place.
async fn tells_its_place<S>(builder: mux::ConnectionBuilder, (here, there): (S, S)) -> bool
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + 'static,
{
    let _answering = builder.service(DemoServer::new(Desk::default())).accept(there);
    panic_tells_its_place(&Connection::builder().open(here).client()).await
}

async fn panic_tells_its_place(client: &DemoClient) -> bool {
    let error = client.panics("luck").await.unwrap_err();
    let Error::Remote(remote) = error else { panic!("no remote error: {error}") };
    assert_eq!(remote.message(), "luck");
    remote.location().is_some()
}

async fn tcp_pair() -> (tokio::net::TcpStream, tokio::net::TcpStream) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (here, listener.accept().await.unwrap().0)
}

#[tokio::test]
async fn traces_go_to_the_same_user_alone_unless_told_otherwise() {
    let builder = Connection::builder;
    assert!(tells_its_place(builder(), mux::pair()).await);
    assert!(tells_its_place(builder(), mux::pipe_pair().unwrap()).await);
    assert!(tells_its_place(builder(), tokio::net::UnixStream::pair().unwrap()).await);
    assert!(!tells_its_place(builder(), tcp_pair().await).await);
    let (here, there) = mux::pair();
    let of_unknown_type = (tokio::io::BufWriter::new(here), tokio::io::BufWriter::new(there));
    assert!(!tells_its_place(builder(), of_unknown_type).await);
    assert!(tells_its_place(builder().reveal_traces(true), tcp_pair().await).await);
    assert!(!tells_its_place(builder().reveal_traces(false), mux::pair()).await);
}

#[tokio::test]
async fn a_server_tells_traces_over_a_unix_socket_of_the_same_user_and_not_over_tcp() {
    let folder = tempfile::tempdir().unwrap();
    let unix = format!("unix:{}", folder.path().join("socket").display());
    for (address, tells) in [(unix.as_str(), true), ("tcp://127.0.0.1:0", false)] {
        let server = mux::Server::new().service(DemoServer::new(Desk::default()));
        let server = server.listen(address).await.unwrap();
        let address = server.addresses().remove(0);
        let serving = tokio::spawn(server.run());
        assert_eq!(panic_tells_its_place(&DemoClient::connect(&address).await.unwrap()).await, tells);
        serving.abort();
    }
}

#[test]
fn errors_pass_into_boxes() {
    fn fails() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Err(Error::App(crate::demo::Shortage { left: 1 }))?
    }
    assert_eq!(fails().unwrap_err().to_string(), "only 1 left");
}

#[mux::service]
trait Absent {
    async fn call(&self) -> u32;
}

/// `Demo` as an older client knew it.
#[mux::service(name = "demo")]
trait Older {
    async fn take(&self) -> u32;
}

/// `Demo` as a client of another opinion knows it.
#[mux::service(name = "demo")]
trait Newer {
    async fn echo(&self, text: &str) -> u64;
}

#[test]
fn the_programs_own_panic_hook_stays_in_place() {
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
    static SEEN: AtomicU32 = AtomicU32::new(0);
    // Before the first connection of a program; here a process of its own is as good.
    let child = std::env::var_os("MUX_TEST_HOOK").is_some();
    if !child {
        let this = std::env::current_exe().unwrap();
        let name = "errors::the_programs_own_panic_hook_stays_in_place";
        let child =
            std::process::Command::new(this).args([name, "--exact"]).env("MUX_TEST_HOOK", "1").output();
        let child = child.unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
        return;
    }
    std::panic::set_hook(Box::new(|_| {
        SEEN.fetch_add(1, SeqCst);
    }));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let reached = reach();
        let error = reached.client.panics("luck").await.unwrap_err();
        let Error::Remote(remote) = error else { panic!("no remote error: {error}") };
        assert!(remote.location().is_some());
    });
    assert_eq!(SEEN.load(SeqCst), 1);
}
