//! A program under attack: the service it offers, what of it ran, and peers in good faith beside the attacker.

use crate::script::*;
use mux::{Bytes, ChannelError, CloseReason, Connection, Limits, Receiver, Sender, Stream};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::Semaphore;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Overdrawn {
    pub(crate) left: u32,
}

/// A type that nests without end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Doll {
    pub(crate) inside: Option<Box<Doll>>,
}

#[mux::service]
pub(crate) trait Vault {
    async fn echo(&self, text: &str) -> String;
    /// Runs until it is dropped.
    async fn hang(&self);
    async fn sleep(&self, ms: u64) -> u64;
    /// Keeps its thread for so long.
    async fn grind(&self, ms: u64) -> u64;
    async fn open(&self, doll: Doll) -> bool;
    async fn sum(&self, units: Vec<u32>) -> u64;
    /// On a thread of its own.
    fn add(&self, left: u32, right: u32) -> u32;
    async fn weigh(&self, blob: &[u8]) -> u64;
    async fn fetch(&self, size: usize) -> Vec<u8>;
    async fn withdraw(&self, units: u32) -> Result<u32, Overdrawn>;
    async fn audit(&self) -> mux::Result<u32>;
    #[mux(notify)]
    async fn note(&self, text: &str);
    /// Runs until it is let go.
    #[mux(notify)]
    async fn hold(&self);
    /// So many numbers, from 0.
    async fn count(&self, upto: u64) -> impl Stream<Item = u64>;
    /// Blobs of so many bytes, without end.
    async fn pour(&self, size: usize) -> impl Stream<Item = Bytes>;
    /// Streams of one number each, without end.
    async fn branch(&self) -> impl Stream<Item = Receiver<u64>>;
    /// What came, and how it ended.
    async fn listen(&self, numbers: Receiver<u64>) -> Vec<String>;
    async fn listen_to_both(&self, first: Receiver<u64>, second: Receiver<u64>) -> Vec<String>;
    async fn unpack(&self, dolls: Receiver<Doll>) -> Vec<String>;
    /// Listens to each in its turn.
    async fn relay(&self, sources: Receiver<Receiver<u64>>) -> Vec<String>;
    /// Takes nothing until it is let go, and then drops it.
    async fn sit_on(&self, blobs: Receiver<Bytes>);
    /// As many numbers as it can, and at most so many: how many that were.
    async fn recite(&self, upto: u64, to: Sender<u64>) -> u64;
    #[mux(notify)]
    async fn told(&self, to: Sender<u64>);
}

/// What ran, and what runs.
#[derive(Debug)]
pub(crate) struct Ledger {
    begun: AtomicUsize,
    running: AtomicUsize,
    most: AtomicUsize,
    pub(crate) held: Semaphore,
}

/// One handler at work, until it is dropped.
pub(crate) struct Shift<'a>(&'a Ledger);

impl Ledger {
    pub(crate) fn new() -> Ledger {
        let [begun, running, most] = [0; 3].map(AtomicUsize::new);
        Ledger { begun, running, most, held: Semaphore::new(0) }
    }

    pub(crate) fn begin(&self) -> Shift<'_> {
        self.begun.fetch_add(1, SeqCst);
        self.most.fetch_max(self.running.fetch_add(1, SeqCst) + 1, SeqCst);
        Shift(self)
    }

    pub(crate) fn begun(&self) -> usize {
        self.begun.load(SeqCst)
    }

    pub(crate) fn running(&self) -> usize {
        self.running.load(SeqCst)
    }

    pub(crate) fn most(&self) -> usize {
        self.most.load(SeqCst)
    }
}

impl Drop for Shift<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, SeqCst);
    }
}

impl Vault for Ledger {
    async fn echo(&self, text: &str) -> String {
        let _shift = self.begin();
        text.to_owned()
    }
    async fn hang(&self) {
        let _shift = self.begin();
        future::pending().await
    }
    async fn sleep(&self, ms: u64) -> u64 {
        let _shift = self.begin();
        tokio::time::sleep(Duration::from_millis(ms)).await;
        ms
    }
    async fn grind(&self, ms: u64) -> u64 {
        let _shift = self.begin();
        std::thread::sleep(Duration::from_millis(ms));
        ms
    }
    async fn open(&self, doll: Doll) -> bool {
        let _shift = self.begin();
        doll.inside.is_some()
    }
    async fn sum(&self, units: Vec<u32>) -> u64 {
        let _shift = self.begin();
        units.into_iter().map(u64::from).sum()
    }
    fn add(&self, left: u32, right: u32) -> u32 {
        let _shift = self.begin();
        left.saturating_add(right)
    }
    async fn weigh(&self, blob: &[u8]) -> u64 {
        let _shift = self.begin();
        blob.len() as u64
    }
    async fn fetch(&self, size: usize) -> Vec<u8> {
        let _shift = self.begin();
        vec![7; size.min(1 << 26)]
    }
    async fn withdraw(&self, units: u32) -> Result<u32, Overdrawn> {
        let _shift = self.begin();
        3_u32.checked_sub(units).ok_or(Overdrawn { left: 3 })
    }
    async fn audit(&self) -> mux::Result<u32> {
        let _shift = self.begin();
        Err(mux::Failure::msg("the books are burnt"))
    }
    async fn note(&self, _text: &str) {
        let _shift = self.begin();
    }
    async fn hold(&self) {
        let _shift = self.begin();
        let _ = self.held.acquire().await;
    }
    async fn count(&self, upto: u64) -> impl Stream<Item = u64> {
        let mut numbers = 0..upto;
        Tap { _shift: self.begin(), next: move || numbers.next() }
    }
    async fn pour(&self, size: usize) -> impl Stream<Item = Bytes> {
        Tap { _shift: self.begin(), next: move || Some(vec![7; size.min(1 << 20)].into()) }
    }
    async fn branch(&self) -> impl Stream<Item = Receiver<u64>> {
        Tap { _shift: self.begin(), next: || Some(mux::channel().1) }
    }
    async fn listen(&self, numbers: Receiver<u64>) -> Vec<String> {
        let _shift = self.begin();
        transcript(numbers, u64::to_string).await
    }
    async fn listen_to_both(&self, first: Receiver<u64>, second: Receiver<u64>) -> Vec<String> {
        let _shift = self.begin();
        let first = transcript(first, u64::to_string).await;
        [first, transcript(second, u64::to_string).await].concat()
    }
    async fn unpack(&self, dolls: Receiver<Doll>) -> Vec<String> {
        let _shift = self.begin();
        transcript(dolls, |doll| if doll.inside.is_some() { "full".into() } else { "empty".into() }).await
    }
    async fn relay(&self, mut sources: Receiver<Receiver<u64>>) -> Vec<String> {
        let _shift = self.begin();
        let mut all = Vec::new();
        loop {
            match sources.recv().await {
                Ok(Some(numbers)) => all.extend(transcript(numbers, u64::to_string).await),
                Ok(None) => return all,
                Err(error) => all.push(tell(&error)),
            }
        }
    }
    async fn sit_on(&self, blobs: Receiver<Bytes>) {
        let _shift = self.begin();
        let _ = self.held.acquire().await;
        drop(blobs);
    }
    async fn recite(&self, upto: u64, mut to: Sender<u64>) -> u64 {
        let _shift = self.begin();
        for number in 0..upto {
            if to.send(number).await.is_err() {
                return number;
            }
        }
        to.finish();
        upto
    }
    async fn told(&self, _to: Sender<u64>) {
        let _shift = self.begin();
    }
}

/// A stream that counts as at work until it is dropped.
struct Tap<'a, F> {
    _shift: Shift<'a>,
    next: F,
}

impl<T, F: FnMut() -> Option<T> + Unpin> Stream for Tap<'_, F> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<T>> {
        Poll::Ready((self.next)())
    }
}

/// What came, one word each, and how it ended.
pub(crate) async fn transcript<T: DeserializeOwned + 'static>(
    mut receiver: Receiver<T>,
    show: impl Fn(&T) -> String,
) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        match receiver.recv().await {
            Ok(Some(item)) => all.push(show(&item)),
            Ok(None) => {
                all.push("finished".into());
                return all;
            }
            Err(error) => {
                all.push(tell(&error));
                if !matches!(error, ChannelError::Undecodable(_)) {
                    return all;
                }
            }
        }
    }
}

fn tell(error: &ChannelError) -> String {
    match error {
        ChannelError::App(_) => "app",
        ChannelError::Remote(_) => "remote",
        ChannelError::Dropped(_) => "dropped",
        ChannelError::Drained => "drained",
        ChannelError::TooLarge(_) => "too large",
        ChannelError::Undecodable(_) => "undecodable",
        ChannelError::Closed(_) => "closed",
        other => panic!("{other:?}"),
    }
    .into()
}

/// Calls that [`Victim::is_well`] makes.
pub(crate) const IN_GOOD_FAITH: usize = 3;

/// A program under attack, and a peer in good faith beside the attacker.
pub(crate) struct Victim {
    pub(crate) builder: mux::ConnectionBuilder,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) bystander: VaultClient,
    _bystanders_end: Connection,
}

impl Victim {
    /// It takes what attackers are [`GENEROUS`] to take themselves.
    pub(crate) fn new() -> Victim {
        Victim::with(Limits { max_message: 16 << 20, max_buffered: 64 << 20, ..Limits::default() })
    }

    pub(crate) fn with(limits: Limits) -> Victim {
        let ledger = Arc::new(Ledger::new());
        let service = VaultServer::from_arc(Arc::clone(&ledger));
        let builder = Connection::builder().service(service).limits(limits);
        let (bystander, end) = befriend(&builder);
        Victim { builder, ledger, bystander, _bystanders_end: end }
    }

    /// An attacker that connects, and this end of its connection.
    pub(crate) fn accepts(&self) -> (Script, Connection) {
        let (here, there) = mux::pair();
        (Script::new(there, CONNECTING), self.builder.accept(here))
    }

    /// As [`accepts`](Victim::accepts), hellos exchanged.
    pub(crate) async fn greets(&self) -> (Script, Connection) {
        let (mut peer, end) = self.accepts();
        peer.send_hello().await;
        peer.expect_hello().await;
        (peer, end)
    }

    /// An attacker that is called. It allows so many requests in flight.
    pub(crate) async fn calls(&self, in_flight: u64) -> (Script, Connection, VaultClient) {
        let (here, there) = mux::pair();
        let (mut peer, end) = (Script::new(there, ACCEPTING), self.builder.open(here));
        peer.expect_hello().await;
        peer.send_frame(&hello(1, ACCEPTING, &allowing("max_in_flight", in_flight))).await;
        let client = end.client();
        (peer, end, client)
    }

    /// The attacker is told `text`, hung up on, and forgotten.
    pub(crate) async fn throws_out(&self, mut peer: Script, end: Connection, text: &str) {
        peer.expect_goaway(PROTOCOL, text).await;
        peer.expect_eof().await;
        drop(peer);
        assert_protocol(&end.closed().await, text);
        self.is_well().await;
    }

    /// What the attacker did harmed not even its own connection.
    pub(crate) async fn goes_on_with(&self, mut peer: Script, end: Connection) {
        peer.send_frame(&request(1_000_001, "vault.echo", &text("still here?"))).await;
        assert_eq!(peer.expect_reply(1_000_001).await, Pack::new().str("still here?").bytes());
        peer.send_frame(&ping(42)).await;
        peer.expect_pong(42).await;
        assert!(!end.is_closed());
        drop(peer);
        let reason = end.closed().await;
        assert!(matches!(reason, CloseReason::Eof | CloseReason::Io(_)), "{reason:?}");
        self.is_well().await;
    }

    /// As [`goes_on_with`](Victim::goes_on_with), where the victim asks.
    pub(crate) async fn still_calls(&self, mut peer: Script, end: Connection, client: VaultClient) {
        let (left, ()) = tokio::join!(client.withdraw(1), async {
            let xid = peer.expect_request("vault.withdraw").await;
            peer.send_frame(&reply(xid, &Pack::new().uint(2))).await;
        });
        assert_eq!(left, Ok(2));
        end.close();
        assert_eq!(end.closed().await, CloseReason::Local);
        self.is_well().await;
    }

    /// No handler is left running, and peers old and new are answered.
    pub(crate) async fn is_well(&self) {
        eventually("the attacker's handlers end", || self.ledger.running() == 0).await;
        assert_eq!(self.bystander.echo("old").await.as_deref(), Ok("old"));
        let (newcomer, _end) = befriend(&self.builder);
        assert_eq!(newcomer.echo("new").await.as_deref(), Ok("new"));
        let numbers = newcomer.count(3).await.expect("a stream");
        assert_eq!(transcript(numbers, u64::to_string).await, ["0", "1", "2", "finished"]);
    }
}

pub(crate) fn befriend(builder: &mux::ConnectionBuilder) -> (VaultClient, Connection) {
    let (here, there) = mux::pair();
    (VaultClient::new(&Connection::builder().open(there)), builder.accept(here))
}

pub(crate) async fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let patient = Duration::from_secs(10);
    let waiting = async {
        while !happened() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(tokio::time::timeout(patient, waiting).await.is_ok(), "{what}");
}

#[track_caller]
pub(crate) fn assert_protocol(reason: &CloseReason, text: &str) {
    assert!(
        matches!(reason, CloseReason::Protocol(how) if how.contains(text)),
        "{text:?} was due: {reason:?}"
    );
}

/// xorshift64: the same garbage on every run.
pub(crate) struct Garbage(pub(crate) u64);

impl Garbage {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) fn bytes(&mut self, most: usize) -> Vec<u8> {
        let len = self.below(most);
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// What a peer allows that is generous in all but one.
pub(crate) fn allowing(setting: &str, to: u64) -> [(&'static str, u64); 7] {
    GENEROUS.map(|(name, value)| (name, if name == setting { to } else { value }))
}

/// Sends all that, reads nothing, and stops where the other end has had enough.
pub(crate) async fn flood(peer: &mut Script, end: &Connection, all: impl IntoIterator<Item = Vec<u8>>) {
    for bytes in all {
        if end.is_closed() || peer.try_send_raw(&bytes).await.is_err() {
            return;
        }
    }
}

/// The ends that are a peer's own doing.
pub(crate) fn is_the_peers_doing(reason: &CloseReason) -> bool {
    use CloseReason::{Eof, Io, NotMux, Peer, Protocol};
    matches!(reason, Protocol(_) | NotMux(_) | Peer(_) | Eof | Io(_))
}

/// Runs a test in a process of its own: what it takes of memory and stack is its own, and where it dies no
/// other dies with it.
pub(crate) fn alone(name: &str, test: impl Future<Output = ()>) {
    const ALONE: &str = "MUX_TEST_ALONE";
    if std::env::var_os(ALONE).is_some_and(|it| it == name) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        return runtime.expect("a runtime").block_on(test);
    }
    let tests = std::env::current_exe().expect("this program");
    let mut command = std::process::Command::new(tests);
    let output = command.args([name, "--exact", "--nocapture"]).env(ALONE, name).output();
    let output = output.expect("this program runs once more");
    let said =
        [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    assert!(output.status.success() && said.contains("1 passed"), "{}: {said:.4000}", output.status);
}

/// What is in memory beyond what was before, in bytes.
#[cfg(target_os = "linux")]
pub(crate) fn grown(before: (usize, usize)) -> usize {
    memory().1.saturating_sub(before.1)
}

/// What this process has reserved, and what of its own it has in memory, in bytes. Pages of files are left out: the
/// system brings in those of the program 64 KiB at a time.
#[cfg(target_os = "linux")]
pub(crate) fn memory() -> (usize, usize) {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux tells it");
    let mut pages = statm.split(' ').map(|pages| 4096 * pages.parse::<usize>().expect("a number of pages"));
    let mut next = || pages.next().expect("a number of pages");
    let (reserved, resident, of_files) = (next(), next(), next());
    (reserved, resident - of_files)
}

/// A server that listens, how to stop it, and a peer that it has greeted.
pub(crate) async fn serve_and_greet(
    drain: Duration,
) -> (tokio::task::JoinHandle<()>, Arc<tokio::sync::Notify>, Script) {
    let service = VaultServer::from_arc(Arc::new(Ledger::new()));
    let times = mux::Timeouts { channel_grace: drain / 2, ..mux::Timeouts::default() };
    let server = mux::Server::new().service(service).timeouts(times).drain_timeout(drain);
    let server = server.listen("tcp://127.0.0.1:0").await.expect("a port is free");
    let address = server.addresses()[0].to_string();
    let stop = Arc::new(tokio::sync::Notify::new());
    let stopped = Arc::clone(&stop);
    let serving =
        tokio::spawn(async move { server.run_until(async move { stopped.notified().await }).await });
    let mut stream =
        tokio::net::TcpStream::connect(address.trim_start_matches("tcp://")).await.expect("it listens");
    let (here, mut there) = tokio::io::duplex(64 << 10);
    tokio::spawn(async move { tokio::io::copy_bidirectional(&mut stream, &mut there).await });
    let mut peer = Script::new(here, CONNECTING);
    peer.send_hello().await;
    peer.expect_hello().await;
    (serving, stop, peer)
}
