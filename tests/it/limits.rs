//! Limits and times at their extremes, and what a peer can have this end hold of what nobody takes or reads.

use crate::hostile_channels::opens;
use crate::script::*;
use crate::victim::*;
use mux::{Bytes, Connection, Limits, Receiver, Stream, Timeouts};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::timeout;

const MIB: usize = 1 << 20;

macro_rules! post {
    ($($options:tt)*) => {
        use mux::{Bytes, Receiver, Stream};

        #[mux::service($($options)*)]
        pub(crate) trait Post {
            async fn echo(&self, blob: Bytes) -> Bytes;
            async fn total(&self, blobs: Receiver<Bytes>) -> u64;
            async fn blobs(&self, sizes: Vec<usize>) -> impl Stream<Item = Bytes>;
            #[mux(notify)]
            async fn note(&self, blob: Bytes);
        }
    };
}

mod named {
    post!();
}

mod compact {
    post!(name = "compact.post", encoding = "compact");
}

use named::{PostClient, PostServer};

struct Office;

async fn total(mut blobs: Receiver<Bytes>) -> u64 {
    let mut total = 0;
    while let Ok(Some(blob)) = blobs.recv().await {
        total += blob.len() as u64;
    }
    total
}

macro_rules! office {
    ($($post:path),+) => { $(
        impl $post for Office {
            async fn echo(&self, blob: Bytes) -> Bytes {
                blob
            }
            async fn total(&self, blobs: Receiver<Bytes>) -> u64 {
                total(blobs).await
            }
            async fn blobs(&self, sizes: Vec<usize>) -> impl Stream<Item = Bytes> {
                tokio_stream::iter(sizes.into_iter().map(|size| vec![7; size].into()))
            }
            async fn note(&self, _: Bytes) {}
        }
    )+ };
}

office!(named::Post, compact::Post);

/// Sizes of messages and items: some in one frame, some in chunks, some of more than a default window.
const SIZES: [usize; 5] = [0, 1, 20_000, 70_000, 300_000];

/// Makes calls of every kind. What does not arrive is told by an error that says why.
macro_rules! exchange {
    ($client:expr) => {{
        let client = $client;
        let mut refused = Vec::new();
        for size in SIZES {
            match client.echo(vec![7; size].into()).await {
                Ok(blob) => assert_eq!(blob.len(), size),
                Err(error) => refused.push(error.to_string()),
            }
            if let Err(error) = client.note(vec![7; size].into()).await {
                refused.push(error.to_string());
            }
        }
        let (mut sender, receiver) = mux::channel();
        let totalling = client.total(receiver).start();
        let mut sent = 0;
        for size in SIZES {
            match sender.send(vec![7; size].into()).await {
                Ok(()) => sent += size as u64,
                Err(error) => refused.push(error.to_string()),
            }
        }
        sender.finish();
        match totalling.await {
            Ok(total) if refused.is_empty() => assert_eq!(total, sent),
            Ok(_) => {}
            Err(error) => refused.push(error.to_string()),
        }
        match client.blobs(SIZES.to_vec()).await {
            Ok(mut blobs) => loop {
                match blobs.recv().await {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(error) => break refused.push(error.to_string()),
                }
            },
            Err(error) => refused.push(error.to_string()),
        }
        refused
    }};
}

/// What of an exchange was refused, in both encodings.
async fn refused(here: &mux::ConnectionBuilder, there: &mux::ConnectionBuilder) -> Vec<String> {
    let (near, far) = mux::pair();
    let there = there.clone().service(PostServer::new(Office)).service(compact::PostServer::new(Office));
    let _serving = there.accept(far);
    let connection = here.open(near);
    let all = async {
        let named: Vec<String> = exchange!(connection.client::<PostClient>());
        let compact: Vec<String> = exchange!(connection.client::<compact::PostClient>());
        [named, compact].concat()
    };
    timeout(Duration::from_secs(10), all).await.expect("every call ends")
}

type SetLimit = (&'static str, fn(&mut Limits, usize));

const LIMITS: [SetLimit; 7] = [
    ("max_message", |limits, to| limits.max_message = to),
    ("max_in_flight", |limits, to| {
        limits.max_in_flight = to.try_into().unwrap_or(u32::MAX - (to % 2) as u32)
    }),
    ("max_buffered", |limits, to| limits.max_buffered = to),
    ("window", |limits, to| limits.window = to),
    ("max_unread", |limits, to| limits.max_unread = to),
    ("max_channels", |limits, to| limits.max_channels = to.try_into().unwrap_or(u32::MAX - (to % 2) as u32)),
    ("max_unsent", |limits, to| limits.max_unsent = to),
];

fn limited(set: impl FnOnce(&mut Limits)) -> mux::ConnectionBuilder {
    let mut limits = Limits::default();
    set(&mut limits);
    Connection::builder().limits(limits)
}

#[tokio::test]
async fn limits_at_their_extremes_let_every_call_end_and_great_ones_let_all_pass() {
    for (name, set) in LIMITS {
        for to in [0, 1, usize::MAX - 1, usize::MAX] {
            let (ours, plain) = (limited(|limits| set(limits, to)), Connection::builder());
            for (here, there) in [(&ours, &plain), (&plain, &ours), (&ours, &ours)] {
                let refused = refused(here, there).await;
                assert!(to <= 1 || refused.is_empty(), "{name} of {to}: {refused:?}");
                let texts = ["limit", "takes no channels", "the receiver was dropped"];
                let told = refused.iter().all(|why| texts.iter().any(|text| why.contains(text)));
                assert!(told, "{name} of {to}: {refused:?}");
            }
        }
    }
}

#[tokio::test]
async fn all_limits_at_once_at_their_extremes_let_every_call_end() {
    for to in [0, 1, usize::MAX - 1, usize::MAX] {
        let ours = limited(|limits| LIMITS.iter().for_each(|(_, set)| set(limits, to)));
        let refused = refused(&ours, &ours).await;
        assert!(to <= 1 || refused.is_empty(), "all of {to}: {refused:?}");
    }
}

type SetTime = (&'static str, fn(&mut Timeouts, Duration));

const TIMES: [SetTime; 6] = [
    ("handshake", |times, to| times.handshake = to),
    ("ping_after", |times, to| times.ping_after = to),
    ("dead_after", |times, to| times.dead_after = to),
    ("write_stall", |times, to| times.write_stall = to),
    ("channel_grace", |times, to| times.channel_grace = to),
    ("idle", |times, to| times.idle = to),
];

#[tokio::test]
async fn times_at_their_extremes_let_every_call_end_and_great_ones_let_all_pass() {
    let great = [Duration::MAX - Duration::from_nanos(1), Duration::MAX];
    for (name, set) in TIMES {
        for to in [Duration::ZERO, Duration::from_nanos(1)].into_iter().chain(great) {
            let mut times = Timeouts::default();
            set(&mut times, to);
            let ours = Connection::builder().timeouts(times);
            let refused = refused(&ours, &ours).await;
            assert!(!great.contains(&to) || refused.is_empty(), "{name} of {to:?}: {refused:?}");
        }
    }
}

/// A large item, in chunks, on a channel that a handler holds and takes nothing from.
async fn send_large_item(peer: &mut Script, at: u64, len: usize) -> std::io::Result<()> {
    let (xid, channel) = (4 * at + 1, 4 * at + 3);
    let request = opens(xid, "vault.sit_on", &[(channel, RECEIVING)], &Pack::new().array(1).uint(0));
    peer.try_send_raw(&request.framed()).await?;
    for chunk in chunks(channel, &item(channel, &[Pack::new().bin(&vec![7; len])]), 100_000) {
        peer.try_send_raw(&chunk.framed()).await?;
    }
    Ok(())
}

#[test]
fn items_that_nobody_takes_are_bounded_over_all_channels() {
    alone("limits::items_that_nobody_takes_are_bounded_over_all_channels", async {
        let victim = Victim::with(Limits { max_unread: 8 * MIB, ..Limits::default() });
        let (mut peer, end) = victim.greets().await;
        let before = memory();
        for at in 0..64 {
            if send_large_item(&mut peer, at, MIB).await.is_err() {
                break;
            }
        }
        let grown = grown(before);
        assert!(grown < 8 * MIB * 5 / 4 + 32 * MIB, "{grown} bytes");
        victim.throws_out(peer, end, "more than 8388608 bytes of large items unread").await;
    });
}

#[tokio::test]
async fn large_items_on_many_channels_all_pass_to_who_takes_them() {
    let (near, far) = mux::pair();
    let limits = Limits { max_unread: MIB, ..Limits::default() };
    let _serving = Connection::builder().limits(limits).service(PostServer::new(Office)).accept(far);
    let client: PostClient = Connection::builder().open(near).client();
    let mut calls = Vec::new();
    for _ in 0..32 {
        let (mut sender, receiver) = mux::channel();
        let call = client.total(receiver).start();
        calls.push(tokio::spawn(async move {
            for _ in 0..3 {
                sender.send(vec![7; 3 * MIB].into()).await.unwrap();
            }
            sender.finish();
            call.await.unwrap()
        }));
    }
    for call in calls {
        assert_eq!(timeout(Duration::from_secs(60), call).await.unwrap().unwrap(), 9 * MIB as u64);
    }
}

/// Asks for so many replies of a mebibyte each, and reads none.
async fn ask_for_replies(victim: &Victim, count: u64) -> (Script, Connection) {
    let (mut peer, end) = victim.greets().await;
    for at in 0..count {
        let args = Pack::new().array(1).uint(MIB as u64);
        peer.send_frame(&request(2 * at + 1, "vault.fetch", &args)).await;
    }
    // A pong goes before the replies, so all requests have come by then.
    peer.send_frame(&ping(5)).await;
    (peer, end)
}

#[test]
fn replies_that_nobody_reads_are_bounded_in_bytes_and_come_when_they_are_read() {
    alone("limits::replies_that_nobody_reads_are_bounded_in_bytes_and_come_when_they_are_read", async {
        let victim = Victim::with(Limits { max_unsent: 8 * MIB, ..Limits::default() });
        let before = memory();
        let (mut peer, end) = ask_for_replies(&victim, 128).await;
        while !matches!(peer.heard().await, Some(Seen::Pong { .. })) {}
        tokio::task::yield_now().await;
        let grown = grown(before);
        assert!(grown < 8 * MIB * 5 / 4 + 32 * MIB, "{grown} bytes");
        assert!(victim.ledger.begun() < 32, "{} have begun", victim.ledger.begun());
        let mut answered = 0;
        while answered < 128 {
            match peer.heard().await {
                Some(Seen::Reply { .. }) => answered += 1,
                Some(_) => {}
                None => panic!("the end came after {answered} replies"),
            }
        }
        assert_eq!(victim.ledger.begun(), 128);
        victim.goes_on_with(peer, end).await;
    });
}

#[tokio::test]
async fn a_deferred_request_that_is_cancelled_or_whose_connection_closes_never_runs() {
    let victim = Victim::with(Limits { max_unsent: 4 * MIB, ..Limits::default() });
    let (mut peer, end) = ask_for_replies(&victim, 64).await;
    for at in 32..64 {
        peer.send_frame(&cancel(2 * at + 1)).await;
    }
    let mut faults = 0;
    for _ in 0..24 {
        match peer.heard().await {
            Some(Seen::Fault { code: 35, .. }) => faults += 1,
            Some(_) => {}
            None => panic!("more to hear"),
        }
    }
    assert!(faults <= 32);
    end.close();
    let mut refused = 0;
    while let Some(seen) = peer.heard().await {
        match seen {
            Seen::Fault { code: 4, .. } => refused += 1,
            Seen::Goaway { .. } => break,
            _ => {}
        }
    }
    assert!(refused > 0, "those that have not begun are told that they did not run");
    assert!(victim.ledger.begun() + refused <= 64, "{} ran, {refused} did not", victim.ledger.begun());
}

#[mux::service]
trait Ware {
    fn on_a_thread(&self, xid: u64) -> Bytes;
    async fn decoded_elsewhere(&self, xid: u64, units: Vec<u8>) -> Bytes;
}

/// Knows the calls that have begun, by their xids.
#[derive(Clone, Default)]
struct Store(Arc<Mutex<BTreeSet<u64>>>);

impl Store {
    fn fetch(&self, xid: u64) -> Bytes {
        assert!(self.0.lock().unwrap().insert(xid), "{xid} begins twice");
        vec![7; MIB].into()
    }

    fn begun(&self) -> BTreeSet<u64> {
        self.0.lock().unwrap().clone()
    }
}

impl Ware for Store {
    fn on_a_thread(&self, xid: u64) -> Bytes {
        self.fetch(xid)
    }
    async fn decoded_elsewhere(&self, xid: u64, _units: Vec<u8>) -> Bytes {
        self.fetch(xid)
    }
}

/// A peer that asks 64 times for a mebibyte by requests that wait for a thread, and reads nothing.
async fn ask_for_ware(store: &Store, on_a_thread: bool) -> (Script, Connection) {
    let (near, far) = mux::pair();
    let limits = Limits { max_unsent: 4 * MIB, ..Limits::default() };
    let server = WareServer::new(store.clone());
    let end = Connection::builder().limits(limits).workers(mux::Workers::Pool(1)).service(server).accept(far);
    let mut peer = Script::new(near, CONNECTING);
    peer.send_hello().await;
    peer.expect_hello().await;
    for xid in (0..64).map(|at| 2 * at + 1) {
        if on_a_thread {
            peer.send_frame(&request(xid, "ware.on_a_thread", &Pack::new().array(1).uint(xid))).await;
            continue;
        }
        let units = (0..20_000).fold(Pack::new().array(2).uint(xid).array(20_000), |units, _| units.uint(7));
        for chunk in chunks(xid, &request(xid, "ware.decoded_elsewhere", &units), 100_000) {
            peer.send_frame(&chunk).await;
        }
    }
    peer.send_frame(&ping(5)).await;
    (peer, end)
}

#[tokio::test]
async fn what_waits_for_a_thread_begins_no_sooner_than_the_peer_has_read_enough() {
    for on_a_thread in [true, false] {
        let store = Store::default();
        let (mut peer, end) = ask_for_ware(&store, on_a_thread).await;
        crate::demo::until(|| store.begun().len() >= 4).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(store.begun().len() < 16, "{} have begun", store.begun().len());
        let mut answered = 0;
        while answered < 64 {
            match timeout(Duration::from_secs(20), peer.heard()).await.expect("more answers") {
                Some(Seen::Reply { .. }) => answered += 1,
                Some(Seen::Fault { message, .. }) => panic!("{message}"),
                Some(_) => {}
                None => panic!("the end came after {answered} replies"),
            }
        }
        assert_eq!(store.begun().len(), 64);
        assert!(!end.is_closed());
    }
}

#[tokio::test]
async fn what_waits_for_the_peer_to_read_and_is_cancelled_or_closed_never_runs() {
    for on_a_thread in [true, false] {
        let store = Store::default();
        let (mut peer, end) = ask_for_ware(&store, on_a_thread).await;
        crate::demo::until(|| store.begun().len() >= 4).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        for at in 32..64 {
            peer.send_frame(&cancel(2 * at + 1)).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        end.close();
        let (mut refused, mut cancelled) = (BTreeSet::new(), BTreeSet::new());
        while let Some(seen) = peer.heard().await {
            match seen {
                Seen::Fault { xid, code: 4, .. } => drop(refused.insert(xid)),
                Seen::Fault { xid, code: 35, .. } => drop(cancelled.insert(xid)),
                Seen::Goaway { .. } => break,
                _ => {}
            }
        }
        end.closed().await;
        let begun = store.begun();
        // A call may begin and be cancelled before its answer is written. One that is told as refused never begins.
        assert!(begun.is_disjoint(&refused), "{begun:?} began, {refused:?} were refused");
        assert!(begun.len() < 16 && refused.len() + cancelled.len() > 32, "{begun:?} began");
        assert!(cancelled.iter().all(|xid| *xid > 64), "{cancelled:?} were cancelled");
    }
}

#[tokio::test]
async fn a_call_that_is_refused_as_it_is_sent_closes_the_channels_it_carries() {
    let (near, far) = mux::pair();
    let connection = Connection::builder().open(near);
    let client: PostClient = connection.client();
    drop(far);
    connection.closed().await;
    let (mut sender, receiver) = mux::channel::<Bytes>();
    // Nobody looks at the call, and its sender learns of its end all the same.
    let _call = client.total(receiver).start();
    let sent =
        timeout(Duration::from_secs(10), async { while sender.send(vec![7; MIB].into()).await.is_ok() {} });
    sent.await.expect("the sender is told");
}

#[tokio::test]
async fn a_hello_names_1024_services_at_most() {
    for (count, fits) in [(1024, true), (1025, false)] {
        let victim = Victim::new();
        let (mut peer, end) = victim.accepts();
        let head = Pack::new().array(5).uint(0).str("mux").uint(1).uint(CONNECTING).map(1).str("services");
        let hello = (0..count).fold(head.map(count), |pack, at| pack.str(&format!("s{at}")).bin(&[7; 8]));
        peer.send_frame(&hello).await;
        peer.expect_hello().await;
        if fits {
            peer.send_frame(&ping(1)).await;
            peer.expect_pong(1).await;
            assert_eq!(end.peer_services().len(), 1024);
        } else {
            victim.throws_out(peer, end, "1025 services, where 1024 may be named").await;
        }
    }
}

#[test]
fn the_readme_tells_what_one_connection_can_have_an_end_hold() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let told = format!("hold {} MiB at most", Limits::default().most_held().div_ceil(MIB));
    assert!(readme.contains(&told), "the README does not say `{told}`");
}

#[test]
fn what_a_connection_can_have_an_end_hold_grows_with_each_limit_and_never_wraps() {
    let most = |set: fn(&mut Limits, usize), to: usize| {
        let mut limits = Limits::default();
        set(&mut limits, to);
        limits.most_held()
    };
    for (name, set) in LIMITS {
        let [least, twice, endless] = [0, 128 * MIB, usize::MAX].map(|to| most(set, to));
        assert!(least <= Limits::default().most_held() && least < twice && twice <= endless, "{name}");
    }
}
