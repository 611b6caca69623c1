//! A server process under attack, with default limits: what it takes of memory, threads and descriptors, as the system
//! counts them, stays within what it told its peers. The attackers keep every rule, where it is not said that they break one.

#![allow(clippy::print_stdout, clippy::print_stderr)] // the server tells its address, and a test that it was skipped

use crate::script::*;
use mux::{Bytes, Limits, Receiver, Server, Stream};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// What a body of one frame may have.
const INLINE: usize = 16 * KIB;

/// What an envelope may take.
const ENVELOPE: usize = 64 * KIB;

/// Longer than anything here takes, so that what never comes fails a test instead of hanging it.
const PATIENCE: Duration = Duration::from_secs(60);

#[mux::service]
trait Target {
    /// Takes nothing, and never ends.
    async fn keep(&self, blobs: Receiver<Bytes>);
    async fn hang(&self, blob: Bytes);
    async fn fetch(&self, size: usize) -> Bytes;
    async fn weigh(&self, blob: Bytes) -> u64;
    async fn list(&self, names: Vec<String>);
    /// On a thread of its own, for ever.
    fn block(&self);
    #[mux(notify)]
    async fn note(&self, text: String);
    #[mux(detached)]
    async fn stay(&self, text: String);
    /// Blobs of so many bytes, without end.
    async fn pour(&self, size: usize) -> impl Stream<Item = Bytes>;
}

struct Victim;

impl Target for Victim {
    async fn keep(&self, blobs: Receiver<Bytes>) {
        std::future::pending::<()>().await;
        drop(blobs);
    }
    async fn hang(&self, blob: Bytes) {
        std::future::pending::<()>().await;
        drop(blob);
    }
    async fn fetch(&self, size: usize) -> Bytes {
        vec![7; size].into()
    }
    async fn weigh(&self, blob: Bytes) -> u64 {
        blob.len() as u64
    }
    async fn list(&self, names: Vec<String>) {
        std::future::pending::<()>().await;
        drop(names);
    }
    fn block(&self) {
        loop {
            std::thread::park();
        }
    }
    async fn note(&self, text: String) {
        std::future::pending::<()>().await;
        drop(text);
    }
    async fn stay(&self, text: String) {
        self.note(text).await;
    }
    async fn pour(&self, size: usize) -> impl Stream<Item = Bytes> {
        tokio_stream::iter(std::iter::repeat_with(move || vec![7; size].into()))
    }
}

/// The variable that makes [`serve`] the server's process.
const SERVES: &str = "MUX_TEST_SERVES";

/// What it says before its address.
const LISTENS: &str = "listens at ";

/// No test of its own: the server's process, which ends with its standard input.
#[test]
fn serve() {
    let Some(share) = std::env::var_os(SERVES) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let server = Server::new().service(TargetServer::new(Victim));
    let server = match share.to_str().and_then(|share| share.parse().ok()) {
        Some(share) => server.max_connections_per_peer(share),
        None => server,
    };
    let server = runtime.block_on(server.listen("tcp://127.0.0.1:0")).unwrap();
    println!("{LISTENS}{}", server.addresses()[0]);
    runtime.spawn(server.run());
    let _ = io::copy(&mut io::stdin(), &mut io::sink());
}

/// What the system counts of a process.
#[derive(Clone, Copy, Debug)]
struct Usage {
    /// In bytes, and the most it ever was.
    memory: usize,
    most_memory: usize,
    threads: usize,
    descriptors: usize,
}

/// A server in a process of its own.
struct Process {
    child: Child,
    address: String,
    before: Usage,
    /// Kept open: it may say more.
    _said: BufReader<ChildStdout>,
}

impl Process {
    /// With default limits. Nothing, said aloud, where the system does not tell what a process takes.
    fn start() -> Option<Process> {
        Process::start_with("")
    }

    /// With so many connections of one address.
    fn start_with(share: &str) -> Option<Process> {
        if !std::path::Path::new("/proc/self/status").exists() {
            eprintln!("SKIPPED: there is no /proc/PID/status here, which tells what a process takes");
            return None;
        }
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["resources::serve", "--exact", "--nocapture"])
            .env(SERVES, share)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let listens = |line: io::Result<String>| line.unwrap().split(LISTENS).nth(1).map(str::to_owned);
        let address = said.by_ref().lines().find_map(listens).expect("it listens");
        let address = address.trim_start_matches("tcp://").to_owned();
        let before = usage(child.id());
        let mut process = Process { child, address, before, _said: said };
        // What the first connection costs once is no attacker's doing.
        process.greet().is_answered();
        process.before = process.usage();
        Some(process)
    }

    fn usage(&self) -> Usage {
        usage(self.child.id())
    }

    fn connect(&self) -> Attacker {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Attacker(stream)
    }

    fn greet(&self) -> Attacker {
        let mut attacker = self.connect();
        attacker.send(&hello(1, CONNECTING, &GENEROUS));
        attacker
    }

    /// Of memory it took no more than it told, as it never had to, by a quarter and 32 MiB.
    #[track_caller]
    fn took_no_more_than(&self, told: usize) {
        self.took_no_more_than_with(told, 0);
    }

    /// The same, beside so many threads that are kept busy.
    #[track_caller]
    fn took_no_more_than_with(&self, told: usize, busy: usize) {
        let taken = self.usage().most_memory - self.before.memory;
        println!("{} MiB taken, {} told", taken / MIB, told / MIB);
        assert!(taken <= told * 5 / 4 + 32 * MIB, "{taken} bytes taken, where {told} were told");
        self.is_well(busy);
    }

    #[track_caller]
    fn until(&self, what: &str, so: impl Fn(Usage) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !so(self.usage()) {
            assert!(Instant::now() < until, "{what}: {:?}, before {:?}", self.usage(), self.before);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// It gives back all but so much, some time after what took it is gone.
    #[track_caller]
    fn gives_back(&self, what: &str, all_but: usize, of: impl Fn(Usage) -> usize) {
        self.until(what, |usage| of(usage) <= of(self.before) + all_but);
    }

    /// Beside its own threads it has these at most, and those that decode; and peers in good faith are answered.
    #[track_caller]
    fn is_well(&self, busy: usize) {
        let decoders = std::thread::available_parallelism().map_or(2, |processors| processors.get().max(2));
        let threads = self.usage().threads;
        assert!(threads <= self.before.threads + decoders + busy, "{threads} threads");
        let mut peer = self.greet();
        peer.send(&request(1, "target.weigh", &Pack::new().array(1).bin(&[7; 300])));
        loop {
            match peer.hear() {
                Some(Seen::Reply { value, .. }) => break assert_eq!(value, Pack::new().uint(300).bytes()),
                Some(_) => {}
                None => panic!("a peer in good faith is not answered"),
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// See `proc_pid_status(5)`.
fn usage(pid: u32) -> Usage {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let number = |name: &str| -> usize {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    Usage {
        memory: number("VmRSS") * KIB,
        most_memory: number("VmHWM") * KIB,
        threads: number("Threads"),
        descriptors: std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count(),
    }
}

/// A connection that says what it is told to say.
struct Attacker(TcpStream);

impl Attacker {
    /// Whether the server still listens.
    fn send(&mut self, frame: &Pack) -> bool {
        self.0.write_all(&frame.framed()).is_ok()
    }

    fn send_chunked(&mut self, id: u64, message: &Pack) -> bool {
        chunks(id, message, 100_000).iter().all(|chunk| self.send(chunk))
    }

    /// The next frame; `None` where the server has hung up.
    fn hear(&mut self) -> Option<Seen> {
        let mut prefix = [0; 4];
        self.0.read_exact(&mut prefix).ok()?;
        let mut frame = vec![0; u32::from_be_bytes(prefix) as usize];
        self.0.read_exact(&mut frame).ok()?;
        Some(Seen::read(&frame))
    }

    /// All that it sent before has been taken.
    #[track_caller]
    fn is_answered(&mut self) {
        assert!(self.send(&ping(42)));
        while self.hear().expect("the connection lives") != (Seen::Pong { nonce: 42 }) {}
    }

    /// The server hangs up, long before it could take the peer for dead.
    #[track_caller]
    fn is_hung_up_on(&mut self) {
        self.0.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let end = self.0.read_to_end(&mut Vec::new());
        let hung_up =
            end.as_ref().map_or_else(|error| error.kind() == io::ErrorKind::ConnectionReset, |_| true);
        assert!(hung_up, "{end:?}");
    }

    #[track_caller]
    fn is_thrown_out(&mut self, why: &str) {
        while let Some(seen) = self.hear() {
            if let Seen::Goaway { message, .. } = seen {
                return assert!(message.contains(why), "{message}");
            }
        }
        panic!("no goodbye");
    }
}

/// A blob that takes so much as an argument with all that is around it, or as an item.
fn blob(len: usize) -> Pack {
    Pack::new().bin(&vec![7; len])
}

/// Opens a channel to a handler that takes nothing from it.
fn keep(attacker: &mut Attacker, xid: u64, channel: u64) -> bool {
    let args = Pack::new().array(1).uint(0);
    attacker.send(&request_with(xid, "target.keep", &carrying(&[(channel, RECEIVING)]), &args))
}

/// The ids of a request and its channel.
fn ids(at: u64) -> (u64, u64) {
    (4 * at + 1, 4 * at + 3)
}

#[test]
fn a_large_item_on_each_channel() {
    let Some(server) = Process::start() else { return };
    let mut attacker = server.greet();
    let limits = Limits::default();
    for at in 0..u64::from(limits.max_channels) {
        let (xid, channel) = ids(at);
        let large = item(channel, &[blob(limits.max_message - 5)]);
        if !keep(&mut attacker, xid, channel) || !attacker.send_chunked(channel, &large) {
            break;
        }
    }
    attacker.is_thrown_out("bytes of large items unread");
    server.took_no_more_than(limits.max_unread);
}

#[test]
fn as_many_items_as_a_peer_may_send() {
    let Some(server) = Process::start() else { return };
    let mut attacker = server.greet();
    let limits = Limits::default();
    let large = (limits.max_unread / limits.max_message) as u64;
    for at in 0..u64::from(limits.max_channels) {
        let (xid, channel) = ids(at);
        keep(&mut attacker, xid, channel);
        if at < large {
            attacker.send_chunked(channel, &item(channel, &[blob(limits.max_message - 200)]));
            continue;
        }
        for _ in 0..limits.window / INLINE - 1 {
            attacker.send(&item(channel, &[blob(INLINE - 3)]));
        }
    }
    attacker.is_answered();
    server.took_no_more_than(limits.max_unread + limits.max_channels as usize * limits.window);
}

#[test]
fn small_items_by_the_million() {
    let Some(server) = Process::start() else { return };
    let mut attacker = server.greet();
    let limits = Limits::default();
    for at in 0..u64::from(limits.max_channels) {
        let (xid, channel) = ids(at);
        keep(&mut attacker, xid, channel);
        let (few, cost) = (item(channel, &[blob(0)]).framed(), 128 + 2);
        attacker.0.write_all(&few.repeat(limits.window / cost)).unwrap();
    }
    attacker.is_answered();
    server.took_no_more_than(limits.max_channels as usize * limits.window);
}

/// Requests that stay unanswered, as many as may be under way in chunks.
fn send_large_requests(attacker: &mut Attacker) {
    let limits = Limits::default();
    for at in 0..(limits.max_buffered / limits.max_message) as u64 {
        let args = Pack::new().array(1).raw(blob(limits.max_message - 200).bytes());
        attacker.send_chunked(2 * at + 1, &request(2 * at + 1, "target.hang", &args));
    }
    attacker.is_answered();
}

#[test]
fn as_many_large_requests_as_a_peer_may_make() {
    let Some(server) = Process::start() else { return };
    let mut attacker = server.greet();
    send_large_requests(&mut attacker);
    server.took_no_more_than(Limits::default().max_buffered);
}

#[test]
fn as_many_small_requests_as_a_peer_may_make_in_the_largest_envelopes() {
    let Some(server) = Process::start() else { return };
    let mut attacker = server.greet();
    let requests = Limits::default().max_in_flight as usize;
    let meta = meta("note", &Pack::new().str(&"x".repeat(ENVELOPE - 100)));
    for at in 0..requests as u64 {
        let args = Pack::new().array(1).raw(blob(INLINE - 10).bytes());
        attacker.send(&request_with(2 * at + 1, "target.hang", &meta, &args));
    }
    attacker.is_answered();
    server.took_no_more_than(requests * (INLINE + ENVELOPE));
}

#[test]
fn replies_that_are_not_read() {
    let Some(server) = Process::start() else { return };
    let mut attacker = server.greet();
    let limits = Limits::default();
    let args = Pack::new().array(1).uint(limits.max_message as u64 / 4);
    let fetch = |at| request(2 * at + 1, "target.fetch", &args).framed();
    attacker.0.write_all(&(0..u64::from(limits.max_in_flight)).flat_map(fetch).collect::<Vec<_>>()).unwrap();
    attacker.is_answered();
    server.took_no_more_than(limits.max_unsent);
}

#[test]
fn streams_that_are_not_read() {
    let Some(server) = Process::start() else { return };
    let mut attacker = server.connect();
    attacker.send(&hello(1, CONNECTING, &GENEROUS.map(|(name, _)| (name, u64::MAX))));
    let limits = Limits::default();
    for at in 0..u64::from(limits.max_in_flight) {
        attacker.send(&request(2 * at + 1, "target.pour", &Pack::new().array(1).uint(1000)));
    }
    attacker.is_answered();
    // 64 KiB wait before each, and those that nobody reads are bounded with the replies.
    server.took_no_more_than(limits.max_in_flight as usize * 64 * KIB);
}

#[test]
fn hellos_that_name_services() {
    let Some(server) = Process::start() else { return };
    let connections = 100;
    let head = Pack::new().array(5).uint(0).str("mux").uint(1).uint(CONNECTING).map(1).str("services");
    let name = |at: u32| format!("{at:04}{}", "x".repeat(45));
    let services = (0..1024).fold(head.map(1024), |pack, at| pack.str(&name(at)).bin(&[7; 8]));
    let attackers: Vec<_> = (0..connections)
        .map(|_| {
            let mut attacker = server.connect();
            attacker.send(&services);
            attacker.is_answered();
            attacker
        })
        .collect();
    server.took_no_more_than(connections * 64 * KIB);
    assert!(server.usage().descriptors <= server.before.descriptors + connections + 1);
    drop(attackers);
    server.gives_back("descriptors", 0, |usage| usage.descriptors);
}

#[test]
fn memory_is_given_back_after_a_burst() {
    let Some(server) = Process::start() else { return };
    let mut attackers: Vec<_> = (0..4).map(|_| server.greet()).collect();
    attackers.iter_mut().for_each(send_large_requests);
    let burst = attackers.len() * Limits::default().max_buffered;
    assert!(server.usage().memory > burst, "the burst has come");
    server.took_no_more_than(burst);
    drop(attackers);
    server.gives_back("memory", 32 * MIB, |usage| usage.memory);
    server.gives_back("descriptors", 0, |usage| usage.descriptors);
}

/// A request whose one argument is a list of so many values of one byte.
fn list_of(xid: u64, method: &str, value: u8, len: usize) -> Pack {
    let head = Pack::new().array(1).array(len as u32);
    request(xid, method, &head.raw(&vec![value; len]))
}

/// What a `Vec<String>` takes for each byte of its body, as `Limits::max_message` says.
const STRING: usize = size_of::<String>();

#[test]
fn empty_strings_that_are_decoded() {
    let Some(server) = Process::start() else { return };
    let mut attacker = server.greet();
    let Limits { max_message, max_buffered, .. } = Limits::default();
    let strings = max_message - 200;
    for at in 0..(max_buffered / max_message) as u64 {
        attacker.send_chunked(2 * at + 1, &list_of(2 * at + 1, "target.list", 0xa0, strings));
    }
    server.until("they are decoded", |usage| usage.memory > max_buffered * STRING * 9 / 10);
    attacker.send_chunked(99, &list_of(99, "target.list", 0xa0, strings));
    attacker.is_thrown_out("bytes of large messages at once");
    server.took_no_more_than(max_buffered * STRING);
    drop(attacker);
    server.gives_back("memory", 32 * MIB, |usage| usage.memory);
}

#[test]
fn empty_strings_in_as_many_small_requests_as_a_peer_may_make() {
    let Some(server) = Process::start() else { return };
    let mut attacker = server.greet();
    let requests = Limits::default().max_in_flight as usize;
    for at in 0..requests as u64 {
        attacker.send(&list_of(2 * at + 1, "target.list", 0xa0, INLINE - 10));
    }
    server.until("they are decoded", |usage| usage.memory > requests * INLINE * STRING * 9 / 10);
    attacker.send(&request(2 * requests as u64 + 1, "target.hang", &text("x")));
    attacker.is_thrown_out("requests in flight");
    server.took_no_more_than(requests * INLINE * STRING);
}

#[test]
fn blocking_calls_and_reconnects() {
    const THREADS: usize = 256;
    const QUEUED: usize = 4096;
    let Some(server) = Process::start() else { return };
    for _ in 0..2 {
        let attackers: Vec<_> = (0..10)
            .map(|_| {
                let mut attacker = server.greet();
                let block = |at| request(2 * at + 1, "target.block", &no_args()).framed();
                let calls = (0..u64::from(Limits::default().max_in_flight)).flat_map(block);
                attacker.0.write_all(&calls.collect::<Vec<_>>()).unwrap();
                attacker.is_answered();
                attacker
            })
            .collect();
        let usage = server.usage();
        assert!(usage.threads <= server.before.threads + THREADS, "{usage:?}");
        drop(attackers);
        server.gives_back("descriptors", 0, |usage| usage.descriptors);
    }
    // A stack each, of which little is used, and what a call keeps that waits.
    server.took_no_more_than_with(THREADS * 64 * KIB + QUEUED * 2 * KIB, THREADS);
}

/// Leaves as many handlers behind as there may be, and many more, by what each connection says.
fn leave_handlers_behind(said: &[u8]) {
    /// Handlers that may outlive their connections, and what one keeps.
    const HANDLERS: usize = 8192;
    const HANDLER: usize = 2 * KIB;
    let Some(server) = Process::start() else { return };
    for _ in 0..300 {
        let mut attacker = server.greet();
        attacker.0.write_all(said).unwrap();
        attacker.is_answered();
    }
    server.gives_back("descriptors", 0, |usage| usage.descriptors);
    server.took_no_more_than(HANDLERS * HANDLER);
}

#[test]
fn notifies_and_reconnects() {
    let note = notify("target.note", &text("x")).framed();
    leave_handlers_behind(&note.repeat(Limits::default().window / (256 + 4)));
}

#[test]
fn detached_calls_and_reconnects() {
    let stay = |at| request(2 * at + 1, "target.stay", &text("x")).framed();
    let calls = (0..u64::from(Limits::default().max_in_flight)).flat_map(stay);
    leave_handlers_behind(&calls.collect::<Vec<_>>());
}

#[test]
fn silent_connections() {
    /// What a server takes at once, and what one connection holds that has said nothing.
    const CONNECTIONS: usize = 1024;
    const SILENT: usize = 16 * KIB;
    let Some(server) = Process::start() else { return };
    // As many as this process may have itself, where that is less.
    let mut silent: Vec<_> =
        (0..CONNECTIONS + 200).map_while(|_| TcpStream::connect(&server.address).ok()).collect();
    silent.truncate(silent.len().saturating_sub(8));
    server.took_no_more_than(CONNECTIONS * SILENT);
    assert!(server.usage().descriptors <= server.before.descriptors + CONNECTIONS + 8);
    drop(silent);
    server.gives_back("descriptors", 0, |usage| usage.descriptors);
}

#[cfg(target_os = "linux")] // where all of 127/8 is this machine
#[test]
fn connections_of_one_address() {
    /// What the server is told to take of each, and what one of them holds.
    const SHARE: usize = 100;
    const GREETED: usize = 64 * KIB;
    let Some(server) = Process::start_with(&SHARE.to_string()) else { return };
    let address = server.address.parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let connect = || {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let stream = runtime.block_on(socket.connect(address)).unwrap().into_std().unwrap();
        stream.set_nonblocking(false).unwrap();
        let mut attacker = Attacker(stream);
        attacker.send(&hello(1, CONNECTING, &GENEROUS));
        attacker
    };
    let mut attackers: Vec<_> = (0..10 * SHARE).map(|_| connect()).collect();
    attackers[SHARE..].iter_mut().for_each(Attacker::is_hung_up_on);
    server.until("those too many are gone", |usage| usage.descriptors <= server.before.descriptors + SHARE);
    server.took_no_more_than(SHARE * GREETED);
    drop(attackers);
    server.gives_back("descriptors", 0, |usage| usage.descriptors);
}
