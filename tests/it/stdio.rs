//! Standard input and output as the transport of a program that another has started, whatever the two are.

use mux::{Connection, Error};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

#[mux::service]
trait Scribe {
    async fn repeat(&self, text: &str) -> String;
    async fn fail(&self) -> mux::Result<()>;
}

struct Here;

impl Scribe for Here {
    async fn repeat(&self, text: &str) -> String {
        text.to_owned()
    }

    async fn fail(&self) -> mux::Result<()> {
        Err(mux::Failure::msg("no ink"))
    }
}

/// Where a started program writes what became of its connection.
const REPORT: &str = "MUX_TEST_STDIO_REPORT";

/// No test of its own: the started program. Its standard output is what it was given as standard error, as the test
/// harness has printed to its own.
#[tokio::test]
async fn started() {
    let Some(report) = std::env::var_os(REPORT) else { return };
    rustix::stdio::dup2_stdout(std::io::stderr()).unwrap();
    let became = match mux::stdio() {
        Ok(stdio) => {
            Connection::builder().service(ScribeServer::new(Here)).accept(stdio).closed().await.to_string()
        }
        Err(error) => error.to_string(),
    };
    fs::write(report, became).unwrap();
    std::process::exit(0);
}

struct Started {
    child: Child,
    folder: TempDir,
}

impl Started {
    fn with(input: impl Into<Stdio>, output: impl Into<Stdio>) -> Started {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "stdio::started", "--nocapture"]).env(REPORT, folder.path().join("report"));
        let child = command.stdin(input).stdout(Stdio::null()).stderr(output).spawn().unwrap();
        Started { child, folder }
    }

    /// What became of its connection, once it has ended.
    fn report(mut self) -> String {
        assert!(self.child.wait().unwrap().success());
        fs::read_to_string(self.folder.path().join("report")).unwrap()
    }
}

fn socket_pair() -> (UnixStream, OwnedFd) {
    let (here, there) = net::UnixStream::pair().unwrap();
    here.set_nonblocking(true).unwrap();
    (UnixStream::from_std(here).unwrap(), there.into())
}

fn null() -> File {
    File::options().read(true).write(true).open("/dev/null").unwrap()
}

/// The end of a terminal that a program has, and the one that its window has.
fn terminal() -> (File, OwnedFd) {
    let window = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&window).unwrap();
    unlockpt(&window).unwrap();
    let name = ptsname(&window, Vec::new()).unwrap();
    (open(Path::new(OsStr::from_bytes(name.as_bytes()))), window)
}

fn open(path: &Path) -> File {
    File::options().read(true).write(true).create(true).truncate(false).open(path).unwrap()
}

/// Calls the started program, and lets it go.
async fn converse(asking: Connection, started: Started) {
    let client: ScribeClient = asking.client();
    assert_eq!(client.repeat("a word").await.unwrap(), "a word");
    let long = "long ".repeat(100_000);
    assert_eq!(client.repeat(&long).await.unwrap(), long);
    drop((client, asking));
    assert_eq!(started.report(), "the other end said goodbye: closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sockets_as_node_gives_them() {
    let (input, there_in) = socket_pair();
    let (output, there_out) = socket_pair();
    let started = Started::with(there_in, there_out);
    converse(Connection::builder().open(tokio::io::join(output, input)), started).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_socket_for_both_as_socat_gives_it() {
    let (here, there) = socket_pair();
    let started = Started::with(there.try_clone().unwrap(), there);
    converse(Connection::builder().open(here), started).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_and_a_socket() {
    let (input, there_in) = tokio::net::unix::pipe::pipe().unwrap();
    let (output, there_out) = socket_pair();
    let started = Started::with(there_in.into_blocking_fd().unwrap(), there_out);
    converse(Connection::builder().open(tokio::io::join(output, input)), started).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tcp_socket_as_inetd_gives_it() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let there: OwnedFd = listener.accept().await.unwrap().0.into_std().unwrap().into();
    let started = Started::with(there.try_clone().unwrap(), there);
    converse(Connection::builder().open(here), started).await;
}

/// Whether a failure's place is told.
async fn tells_places(asking: &Connection) -> bool {
    let failed = asking.client::<ScribeClient>().fail().await;
    let Err(Error::Remote(remote)) = failed else { panic!("{failed:?}") };
    assert_eq!(remote.message(), "no ink");
    remote.location().is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_go_to_the_same_user_and_not_over_tcp() {
    let (here, there) = socket_pair();
    let started = Started::with(there.try_clone().unwrap(), there);
    let asking = Connection::builder().open(here);
    assert!(tells_places(&asking).await);
    drop(asking);
    started.report();

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let there: OwnedFd = listener.accept().await.unwrap().0.into_std().unwrap().into();
    let started = Started::with(there.try_clone().unwrap(), there);
    let asking = Connection::builder().open(here);
    assert!(!tells_places(&asking).await);
    drop(asking);
    started.report();
}

/// What a client writes that asks once and hears nothing.
async fn question() -> Vec<u8> {
    let (here, mut there) = tokio::io::duplex(64 << 10);
    let asking = Connection::builder().open(here);
    let _call = asking.client::<ScribeClient>().repeat("out of a file").start();
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"out of a file") {
        there.read_buf(&mut bytes).await.unwrap();
    }
    bytes
}

#[tokio::test]
async fn a_question_in_a_file_is_answered_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let [questions, answers] = ["questions", "answers"].map(|name| folder.path().join(name));
    fs::write(&questions, question().await).unwrap();
    let report = Started::with(open(&questions), open(&answers)).report();
    assert_eq!(report, "the stream ended without a goodbye");
    let answers = fs::read(&answers).unwrap();
    assert!(answers.windows(13).any(|part| part == b"out of a file"), "{answers:?}");
}

#[test]
fn a_program_under_a_supervisor_that_gives_nothing_ends_in_good_order() {
    assert_eq!(Started::with(null(), null()).report(), "the stream ended without a goodbye");
}

#[test]
fn a_terminal_is_refused_by_its_descriptor() {
    let help = "mux needs a pipe, a stream socket or a file there: have another program start this one";
    let (program, _window) = terminal();
    let report = Started::with(program, null()).report();
    assert_eq!(report, format!("standard input (descriptor 0) is a terminal; {help}"));
    let (program, _window) = terminal();
    let report = Started::with(null(), program).report();
    assert_eq!(report, format!("standard output (descriptor 1) is a terminal; {help}"));
}

#[test]
fn what_carries_no_stream_is_refused_by_its_descriptor() {
    let report = Started::with(File::open("/").unwrap(), null()).report();
    assert!(report.starts_with("standard input (descriptor 0) is a folder; "), "{report}");
    let (datagrams, _there) = net::UnixDatagram::pair().unwrap();
    let report = Started::with(null(), OwnedFd::from(datagrams)).report();
    assert!(report.starts_with("standard output (descriptor 1) is a socket of messages"), "{report}");
}
