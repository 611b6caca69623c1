//! Channels as values, and streaming methods: over a connection, and within the process.

use crate::demo::until;
use mux::{
    Call, ChannelError, Connection, Context, Error, Limits, Receiver, SendError, Sender, Stream, TrySendError,
};
use serde::{Deserialize, Serialize};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{self, Poll};
use std::time::Duration;
use tokio::time::timeout;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Rotten {
    at: u64,
}

/// Halves within structs, options, lists and variants.
#[derive(Debug, Serialize, Deserialize)]
struct Job {
    name: String,
    progress: Sender<u32>,
    inputs: Vec<Receiver<u64>>,
    spare: Option<Sender<String, Rotten>>,
    way: Way,
}

#[derive(Debug, Serialize, Deserialize)]
enum Way {
    Plain,
    Through { lines: Receiver<String> },
}

#[mux::service]
trait Feed {
    async fn count(&self, to: u64) -> impl Stream<Item = u64>;
    async fn until_rotten(&self, at: u64) -> Result<impl Stream<Item = Result<u64, Rotten>>, Rotten>;
    async fn fails(&self) -> impl Stream<Item = mux::Result<u64>>;
    async fn panics_at(&self, at: u64) -> impl Stream<Item = u64>;
    /// Yields nothing, and never ends by itself.
    async fn silent(&self) -> impl Stream<Item = u64>;
    fn blocking_count(&self, to: u64) -> impl Stream<Item = u64>;
    async fn sum(&self, numbers: Receiver<u64>) -> Result<u64, Rotten>;
    fn blocking_sum(&self, numbers: Receiver<u64>) -> u64;
    async fn double(&self, numbers: Receiver<u64>) -> impl Stream<Item = u64>;
    async fn report(&self, to: Sender<u32>, upto: u32);
    /// Drops its sender in the middle.
    async fn breaks_off(&self, to: Sender<u32>);
    async fn run(&self, job: Job) -> String;
    async fn pair(&self) -> (Sender<u64>, Receiver<u64>);
    async fn blobs(&self, count: u32, len: usize) -> impl Stream<Item = mux::Bytes>;
    /// Keeps what it gets, and takes nothing.
    async fn keep(&self, numbers: Receiver<mux::Bytes>);
    async fn keep_sender(&self, to: Sender<u64>);
    /// Runs until it is cancelled, holding its argument.
    async fn hold(&self, numbers: Receiver<u64>);
    async fn echo(&self, n: u64) -> u64;
    async fn channels_of(&self, outer: Receiver<Receiver<u64>>) -> Vec<u64>;
    /// Why there are no more lists.
    async fn lists_of(&self, outer: Receiver<Receiver<Vec<Receiver<u64>>>>) -> String;
    async fn keep_channels(&self, outer: Receiver<Receiver<u64>>);
    #[mux(notify)]
    async fn told(&self, to: Sender<u64>);
}

#[derive(Clone, Default)]
struct Desk {
    facts: Arc<Facts>,
}

#[derive(Default)]
struct Facts {
    /// Streams that have not been dropped.
    streams: AtomicUsize,
    yielded: AtomicUsize,
    kept: Mutex<Vec<Receiver<mux::Bytes>>>,
    senders: Mutex<Vec<Sender<u64>>>,
    kept_channels: Mutex<Vec<Receiver<Receiver<u64>>>>,
}

/// Counts itself while it lives.
struct Counting<F> {
    next: F,
    facts: Arc<Facts>,
}

impl<F> Counting<F> {
    fn new(facts: &Arc<Facts>, next: F) -> Counting<F> {
        facts.streams.fetch_add(1, SeqCst);
        Counting { next, facts: Arc::clone(facts) }
    }
}

impl<F> Drop for Counting<F> {
    fn drop(&mut self) {
        self.facts.streams.fetch_sub(1, SeqCst);
    }
}

impl<T, F: FnMut() -> Poll<Option<T>> + Unpin> Stream for Counting<F> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<Option<T>> {
        let item = (self.next)();
        if let Poll::Ready(Some(_)) = item {
            self.facts.yielded.fetch_add(1, SeqCst);
        }
        item
    }
}

fn numbers(to: u64) -> impl FnMut() -> Poll<Option<u64>> + Unpin {
    let mut all = 0..to;
    move || Poll::Ready(all.next())
}

impl Feed for Desk {
    async fn count(&self, to: u64) -> impl Stream<Item = u64> {
        Counting::new(&self.facts, numbers(to))
    }

    async fn until_rotten(&self, at: u64) -> Result<impl Stream<Item = Result<u64, Rotten>>, Rotten> {
        if at == 0 {
            return Err(Rotten { at });
        }
        let mut all = 0..;
        Ok(Counting::new(&self.facts, move || {
            Poll::Ready(all.next().map(|n| if n == at { Err(Rotten { at }) } else { Ok(n) }))
        }))
    }

    async fn fails(&self) -> impl Stream<Item = mux::Result<u64>> {
        let mut all = 0..;
        Counting::new(&self.facts, move || {
            Poll::Ready(all.next().map(|n| if n == 3 { Err(std::fmt::Error.into()) } else { Ok(n) }))
        })
    }

    async fn panics_at(&self, at: u64) -> impl Stream<Item = u64> {
        let mut all = 0..;
        Counting::new(&self.facts, move || {
            let n = all.next();
            assert!(n != Some(at), "no further than {at}");
            Poll::Ready(n)
        })
    }

    async fn silent(&self) -> impl Stream<Item = u64> {
        Counting::new(&self.facts, || Poll::Pending)
    }

    fn blocking_count(&self, to: u64) -> impl Stream<Item = u64> {
        Counting::new(&self.facts, numbers(to))
    }

    async fn sum(&self, mut numbers: Receiver<u64>) -> Result<u64, Rotten> {
        let mut sum = 0;
        loop {
            match numbers.recv().await {
                Ok(Some(n)) => sum += n,
                Ok(None) => return Ok(sum),
                Err(_) => return Err(Rotten { at: sum }),
            }
        }
    }

    fn blocking_sum(&self, numbers: Receiver<u64>) -> u64 {
        numbers.into_iter().map(|n| n.expect("a number")).sum()
    }

    async fn double(&self, numbers: Receiver<u64>) -> impl Stream<Item = u64> {
        Doubling(numbers)
    }

    async fn report(&self, mut to: Sender<u32>, upto: u32) {
        for n in 0..upto {
            to.send(n).await.expect("someone listens");
        }
        to.finish();
    }

    async fn breaks_off(&self, mut to: Sender<u32>) {
        to.send(1).await.expect("someone listens");
    }

    async fn run(&self, job: Job) -> String {
        let Job { name, mut progress, inputs, spare, way } = job;
        let mut sum = 0;
        for mut input in inputs {
            while let Some(n) = input.recv().await.expect("a number") {
                sum += n;
                progress.send(sum as u32).await.expect("someone listens");
            }
        }
        progress.finish();
        if let Some(spare) = spare {
            spare.fail(Rotten { at: sum });
        }
        let mut text = format!("{name}: {sum}");
        if let Way::Through { mut lines } = way {
            while let Some(line) = lines.recv().await.expect("a line") {
                text += &line;
            }
        }
        text
    }

    async fn pair(&self) -> (Sender<u64>, Receiver<u64>) {
        let (mut back, received) = mux::channel();
        let (sender, mut numbers) = mux::channel();
        tokio::spawn(async move {
            while let Ok(Some(n)) = numbers.recv().await {
                back.send(n + 1).await?;
            }
            back.finish();
            Ok::<(), SendError>(())
        });
        (sender, received)
    }

    async fn blobs(&self, count: u32, len: usize) -> impl Stream<Item = mux::Bytes> {
        let mut all = 0..count;
        Counting::new(&self.facts, move || Poll::Ready(all.next().map(|n| vec![n as u8; len].into())))
    }

    async fn keep(&self, numbers: Receiver<mux::Bytes>) {
        self.facts.kept.lock().unwrap().push(numbers);
    }

    async fn keep_sender(&self, to: Sender<u64>) {
        self.facts.senders.lock().unwrap().push(to);
    }

    async fn hold(&self, numbers: Receiver<u64>) {
        std::future::pending::<()>().await;
        drop(numbers);
    }

    async fn echo(&self, n: u64) -> u64 {
        n
    }

    async fn channels_of(&self, mut outer: Receiver<Receiver<u64>>) -> Vec<u64> {
        let mut all = Vec::new();
        while let Some(mut inner) = outer.recv().await.expect("a channel") {
            while let Some(n) = inner.recv().await.expect("a number") {
                all.push(n);
            }
        }
        all
    }

    async fn lists_of(&self, mut outer: Receiver<Receiver<Vec<Receiver<u64>>>>) -> String {
        let mut lists = outer.recv().await.expect("a channel").expect("one at least");
        match lists.recv().await {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        }
    }

    async fn keep_channels(&self, outer: Receiver<Receiver<u64>>) {
        self.facts.kept_channels.lock().unwrap().push(outer);
    }

    async fn told(&self, mut to: Sender<u64>) {
        to.send(42).await.expect("someone listens");
        to.finish();
    }
}

struct Doubling(Receiver<u64>);

impl Stream for Doubling {
    type Item = u64;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<u64>> {
        Pin::new(&mut self.0).poll_next(cx).map(|item| item?.ok().map(|n| 2 * n))
    }
}

struct Reached {
    client: FeedClient,
    asking: Connection,
    answering: Connection,
    facts: Arc<Facts>,
}

fn reach() -> Reached {
    reach_with(Limits::default())
}

fn reach_with(limits: Limits) -> Reached {
    let desk = Desk::default();
    let facts = Arc::clone(&desk.facts);
    let (here, there) = mux::pair();
    let answering = Connection::builder().limits(limits.clone()).service(FeedServer::new(desk)).accept(there);
    let asking = Connection::builder().limits(limits).open(here);
    Reached { client: FeedClient::new(&asking), asking, answering, facts }
}

/// The same calls over a connection and within the process.
fn both() -> [(FeedClient, Arc<Facts>, Option<Reached>); 2] {
    let reached = reach();
    let desk = Desk::default();
    let facts = Arc::clone(&desk.facts);
    [
        (reached.client.clone(), Arc::clone(&reached.facts), Some(reached)),
        (FeedClient::local(desk), facts, None),
    ]
}

async fn collect<T, E>(mut from: Receiver<T, E>) -> (Vec<T>, Option<ChannelError<E>>) {
    let mut all = Vec::new();
    loop {
        match timeout(Duration::from_secs(20), from.recv()).await.expect("the channel goes on") {
            Ok(Some(item)) => all.push(item),
            Ok(None) => return (all, None),
            Err(error) => return (all, Some(error)),
        }
    }
}

#[tokio::test]
async fn a_stream_comes_whole_and_in_its_order() {
    for (client, facts, _keep) in both() {
        for len in [0, 1, 100_000] {
            let (all, error) = collect(client.count(len).await.unwrap()).await;
            assert!(all.into_iter().eq(0..len));
            assert_eq!(error, None);
        }
        let (all, _) = collect(client.blocking_count(1000).await.unwrap()).await;
        assert!(all.into_iter().eq(0..1000));
        until(|| facts.streams.load(SeqCst) == 0).await;
    }
}

#[tokio::test]
async fn a_stream_may_fail_before_it_begins_or_in_the_middle_by_its_own_error() {
    for (client, _, _keep) in both() {
        let call: Call<Receiver<u64, Rotten>, Rotten> = client.until_rotten(0);
        assert!(matches!(call.await, Err(Error::App(Rotten { at: 0 }))));
        let (all, error) = collect(client.until_rotten(5).await.unwrap()).await;
        assert_eq!(all, [0, 1, 2, 3, 4]);
        assert_eq!(error, Some(ChannelError::App(Rotten { at: 5 })));
    }
}

#[tokio::test]
async fn a_failure_and_a_panic_in_a_stream_arrive_as_what_they_are() {
    for (client, facts, _keep) in both() {
        let (all, error) = collect(client.fails().await.unwrap()).await;
        assert_eq!(all, [0, 1, 2]);
        let Some(ChannelError::Remote(remote)) = error else { panic!("{error:?}") };
        assert!(!remote.is_panic() && remote.location().unwrap().contains("channels.rs"), "{remote:#}");

        let (all, error) = collect(client.panics_at(2).await.unwrap()).await;
        assert_eq!(all, [0, 1]);
        let Some(ChannelError::Remote(remote)) = error else { panic!("{error:?}") };
        assert!(remote.is_panic());
        assert_eq!(remote.message(), "no further than 2");
        until(|| facts.streams.load(SeqCst) == 0).await;
    }
}

#[tokio::test]
async fn dropping_the_receiver_ends_the_stream_though_it_yields_nothing() {
    for (client, facts, _keep) in both() {
        let silent = client.silent().await.unwrap();
        let endless = client.count(u64::MAX).await.unwrap();
        until(|| facts.streams.load(SeqCst) == 2).await;
        drop((silent, endless));
        until(|| facts.streams.load(SeqCst) == 0).await;
    }
}

#[tokio::test]
async fn a_call_of_a_stream_that_is_dropped_leaves_nothing() {
    for (client, facts, _keep) in both() {
        for _ in 0..50 {
            drop(client.silent().start());
            drop(client.count(u64::MAX).start());
        }
        assert_eq!(client.echo(1).await.unwrap(), 1);
        until(|| facts.streams.load(SeqCst) == 0).await;
    }
}

#[tokio::test]
async fn a_stream_yields_no_further_than_its_receiver_lets_it() {
    let reached = reach();
    let mut endless = reached.client.count(u64::MAX).await.unwrap();
    let yielded = until_it_stays(|| reached.facts.yielded.load(SeqCst)).await;
    // A number takes nine bytes at most, one at least; the window and what the sender holds are bounded.
    assert!(yielded < (256 + 128) << 10, "{yielded}");
    for n in 0..yielded as u64 {
        assert_eq!(endless.recv().await.unwrap(), Some(n));
    }
    until(|| reached.facts.yielded.load(SeqCst) > yielded).await;
}

/// What a count comes to that grows for a while: it has to stay for a tenth of a second, within ten.
async fn until_it_stays(count: impl Fn() -> usize) -> usize {
    for _ in 0..100 {
        let before = count();
        tokio::time::sleep(Duration::from_millis(100)).await;
        if before > 0 && count() == before {
            return before;
        }
    }
    panic!("it grows and grows: {}", count());
}

#[tokio::test]
async fn a_stream_ends_with_its_connection() {
    let reached = reach();
    let mut silent = reached.client.silent().await.unwrap();
    reached.answering.close();
    assert!(matches!(silent.recv().await, Err(ChannelError::Closed(_))));
    assert_eq!(silent.recv().await.unwrap(), None, "once");
    until(|| reached.facts.streams.load(SeqCst) == 0).await;
}

#[tokio::test]
async fn a_receiver_keeps_its_connection_open() {
    let Reached { client, asking, answering, .. } = reach();
    let numbers = client.count(50_000).await.unwrap();
    drop((client, asking));
    let (all, error) = collect(numbers).await;
    assert_eq!((all.len(), error), (50_000, None));
    timeout(Duration::from_secs(5), answering.closed()).await.expect("with the receiver it goes");
}

#[tokio::test]
async fn a_client_streams_by_an_argument() {
    for (client, _, _keep) in both() {
        let (mut sender, receiver) = mux::channel();
        let call = client.sum(receiver).start();
        for n in 0..10_000 {
            sender.send(n).await.unwrap();
        }
        sender.finish();
        assert_eq!(call.await.unwrap(), 9999 * 10_000 / 2);
    }
}

#[tokio::test]
async fn what_was_sent_before_its_call_comes_first() {
    let reached = reach();
    let (mut sender, receiver) = mux::channel();
    for n in 0..100 {
        sender.send(n).await.unwrap();
    }
    let call = reached.client.sum(receiver);
    for n in 100..200 {
        sender.send(n).await.unwrap();
    }
    sender.finish();
    assert_eq!(call.await.unwrap(), 199 * 200 / 2);
}

#[tokio::test]
async fn a_sender_dropped_midway_is_told_from_one_that_finished() {
    for (client, _, _keep) in both() {
        let (mut sender, receiver) = mux::channel();
        let call = client.sum(receiver).start();
        sender.send(7).await.unwrap();
        drop(sender);
        assert!(matches!(call.await, Err(Error::App(Rotten { at: 7 }))));

        let (sender, receiver) = mux::channel();
        client.breaks_off(sender).await.unwrap();
        let (all, error) = collect(receiver).await;
        assert_eq!(all, [1]);
        assert_eq!(error, Some(ChannelError::Dropped("its sender was dropped".into())));
    }
}

#[tokio::test]
async fn a_client_sends_all_of_a_stream_and_goes_on() {
    for (client, facts, _keep) in both() {
        let (mut sender, receiver) = mux::channel();
        let call = client.sum(receiver).start();
        sender.send(1).await.unwrap();
        sender.send_all(Counting::new(&facts, numbers(100_000))).await.unwrap();
        sender.send(1).await.unwrap();
        // Given up where it has no more to yield.
        let mut few = 0..3_u64;
        let pauses =
            Counting::new(&facts, move || few.next().map_or(Poll::Pending, |n| Poll::Ready(Some(n))));
        assert!(timeout(Duration::from_millis(20), sender.send_all(pauses)).await.is_err());
        sender.finish();
        assert_eq!(call.await.unwrap(), 99_999 * 100_000 / 2 + 2 + 3);
    }
}

#[tokio::test]
async fn a_callback_by_a_sender() {
    for (client, _, _keep) in both() {
        let (sender, receiver) = mux::channel();
        let call = client.report(sender, 1000).start();
        let (all, error) = collect(receiver).await;
        assert!(all.into_iter().eq(0..1000));
        assert_eq!(error, None);
        call.await.unwrap();
    }
}

#[tokio::test]
async fn items_go_both_ways_at_once() {
    for (client, _, _keep) in both() {
        let (mut sender, receiver) = mux::channel();
        let mut doubled = client.double(receiver).await.unwrap();
        for n in 0..1000 {
            sender.send(n).await.unwrap();
            assert_eq!(doubled.recv().await.unwrap(), Some(2 * n));
        }
        sender.finish();
        assert_eq!(doubled.recv().await.unwrap(), None);
    }
}

#[tokio::test]
async fn halves_travel_in_structs_lists_options_and_variants() {
    for (client, _, _keep) in both() {
        let (progress, seen) = mux::channel();
        let (mut inputs, mut receivers) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let (sender, receiver) = mux::channel();
            inputs.push(sender);
            receivers.push(receiver);
        }
        let (spare, spared) = mux::channel_with_error();
        let (mut lines, read) = mux::channel();
        let way = Way::Through { lines: read };
        let job = Job { name: "job".into(), progress, inputs: receivers, spare: Some(spare), way };
        let call = client.run(job).start();
        for (n, input) in inputs.iter_mut().enumerate() {
            input.send(10 * n as u64 + 1).await.unwrap();
        }
        inputs.into_iter().for_each(Sender::finish);
        lines.send(", done".into()).await.unwrap();
        lines.finish();
        assert_eq!(call.await.unwrap(), "job: 33, done");
        assert_eq!(collect(seen).await, (vec![1, 12, 33], None));
        assert_eq!(collect(spared).await, (vec![], Some(ChannelError::App(Rotten { at: 33 }))));

        let (progress, _seen) = mux::channel();
        let job = Job { name: "idle".into(), progress, inputs: vec![], spare: None, way: Way::Plain };
        assert_eq!(client.run(job).await.unwrap(), "idle: 0");
    }
}

#[tokio::test]
async fn halves_come_as_results() {
    for (client, _, _keep) in both() {
        let (mut sender, mut receiver) = client.pair().await.unwrap();
        for n in 0..100 {
            sender.send(n).await.unwrap();
            assert_eq!(receiver.recv().await.unwrap(), Some(n + 1));
        }
        sender.finish();
        assert_eq!(receiver.recv().await.unwrap(), None);
    }
}

#[tokio::test]
async fn channels_travel_in_channels() {
    for (client, _, _keep) in both() {
        let (mut outer, receiver) = mux::channel();
        let call = client.channels_of(receiver).start();
        for base in [0, 10, 20] {
            let (mut inner, receiver) = mux::channel();
            outer.send(receiver).await.unwrap();
            inner.send(base).await.unwrap();
            inner.send(base + 1).await.unwrap();
            inner.finish();
        }
        outer.finish();
        assert_eq!(call.await.unwrap(), [0, 1, 10, 11, 20, 21]);
    }
}

#[tokio::test]
async fn a_notify_may_carry_a_half() {
    for (client, _, _keep) in both() {
        let (sender, receiver) = mux::channel();
        client.told(sender).await.unwrap();
        assert_eq!(collect(receiver).await, (vec![42], None));
    }
}

#[tokio::test]
async fn a_half_that_came_is_relayed_with_its_back_pressure_and_its_end() {
    let (near, far) = (reach(), reach());
    // A stream of one connection, passed on to another.
    let numbers = near.client.count(20_000).await.unwrap();
    assert_eq!(far.client.sum(numbers).await.unwrap(), 19_999 * 20_000 / 2);

    let blobs = near.client.blobs(u32::MAX, 1000).await.unwrap();
    far.client.keep(blobs).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let yielded = near.facts.yielded.load(SeqCst) - 20_000;
    assert!((200..2000).contains(&yielded), "{yielded} of 1000 bytes");
    far.facts.kept.lock().unwrap().clear();
    until(|| near.facts.streams.load(SeqCst) == 0).await;

    // A sender of one connection, passed on to another.
    let (sender, receiver) = mux::channel();
    near.client.keep_sender(sender).await.unwrap();
    let back = near.facts.senders.lock().unwrap().pop().unwrap();
    let (passed, _keep) = (far.client.keep_sender(back), &far);
    passed.await.unwrap();
    let mut sender = far.facts.senders.lock().unwrap().pop().unwrap();
    sender.send(5).await.unwrap();
    sender.finish();
    assert_eq!(collect(receiver).await, (vec![5], None));
}

#[tokio::test]
async fn a_half_in_a_call_that_fails_is_closed_at_both_ends() {
    let reached = reach();
    // Refused: it carries more channels than the peer takes.
    let pairs: Vec<_> = (0..300).map(|_| mux::channel::<u64>()).collect();
    let (mut senders, receivers): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    let (progress, mut seen) = mux::channel();
    let job = Job { name: "wide".into(), progress, inputs: receivers, spare: None, way: Way::Plain };
    assert!(matches!(reached.client.run(job).await, Err(Error::Call(call)) if call.did_not_run()));
    for sender in &mut senders {
        timeout(Duration::from_secs(5), sender.closed()).await.unwrap();
    }
    assert!(matches!(seen.recv().await, Err(ChannelError::Dropped(_))));

    // Never sent.
    let (mut sender, receiver) = mux::channel();
    drop(reached.client.sum(receiver));
    timeout(Duration::from_secs(5), sender.closed()).await.unwrap();
    assert_eq!(sender.send(1).await, Err(SendError::Dropped));

    // Cancelled: the handler that held it is gone.
    let (mut sender, receiver) = mux::channel();
    let call = reached.client.hold(receiver).start();
    assert_eq!(reached.client.echo(1).await.unwrap(), 1);
    drop(call);
    timeout(Duration::from_secs(5), sender.closed()).await.unwrap();

    // The connection closes.
    let (mut sender, receiver) = mux::channel();
    let call = reached.client.hold(receiver).start();
    assert_eq!(reached.client.echo(1).await.unwrap(), 1);
    reached.asking.close();
    timeout(Duration::from_secs(5), sender.closed()).await.unwrap();
    assert!(matches!(sender.send(1).await, Err(SendError::Closed(_))));
    drop(call);
}

/// Serializes by something that is not mux.
struct Shown<T>(T);

impl<T: Serialize> std::fmt::Display for Shown<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.serialize(f)
    }
}

#[test]
fn a_half_leaves_by_a_call_only() {
    use std::fmt::Write;
    let (mut sender, receiver) = mux::channel::<u64>();
    assert!(write!(String::new(), "{}", Shown(&receiver)).is_err());
    assert!(write!(String::new(), "{}", Shown(&sender)).is_err());
    assert!(sender.try_send(1).is_ok(), "it is still here");
}

#[tokio::test]
async fn a_slow_receiver_holds_back_nobody_else() {
    let reached = reach();
    let mut stalled = Vec::new();
    for _ in 0..20 {
        stalled.push(reached.client.blobs(u32::MAX, 10_000).await.unwrap());
    }
    let (_sender, kept) = {
        let (mut sender, receiver) = mux::channel();
        reached.client.keep(receiver).await.unwrap();
        while sender.try_send(mux::Bytes::from_static(&[7; 1000])).is_ok() {
            tokio::task::yield_now().await;
        }
        (sender, ())
    };
    let mut streams = Vec::new();
    for _ in 0..100 {
        streams.push(tokio::spawn(collect(reached.client.count(2000).await.unwrap())));
    }
    for n in 0..1000 {
        assert_eq!(reached.client.echo(n).await.unwrap(), n);
    }
    for stream in streams {
        assert_eq!(stream.await.unwrap().0.len(), 2000);
    }
    let yielded = reached.facts.yielded.load(SeqCst) - 200_000;
    assert!(yielded * 10_000 < 20 * ((256 + 128) << 10), "{yielded} blobs of 20 stalled channels");
    drop((stalled, kept));
}

#[tokio::test]
async fn items_larger_than_the_window_pass() {
    let reached = reach();
    let (all, error) = collect(reached.client.blobs(5, 3 << 20).await.unwrap()).await;
    assert_eq!(error, None);
    assert_eq!(all.len(), 5);
    for (n, blob) in all.iter().enumerate() {
        assert!(blob.len() == 3 << 20 && blob.iter().all(|byte| usize::from(*byte) == n));
    }
}

#[tokio::test]
async fn an_item_that_the_other_end_does_not_take_fails_alone() {
    let limits = Limits { max_message: 64 << 10, ..Limits::default() };
    let reached = reach_with(limits);
    let (mut sender, receiver) = mux::channel();
    reached.client.keep(receiver).await.unwrap();
    let large = mux::Bytes::from(vec![0; 100 << 10]);
    assert!(matches!(sender.send(large).await, Err(SendError::TooLarge(_))));
    sender.send(mux::Bytes::from_static(b"small")).await.unwrap();
    let mut kept = reached.facts.kept.lock().unwrap().pop().unwrap();
    assert_eq!(kept.recv().await.unwrap().as_deref(), Some(&b"small"[..]));
}

#[tokio::test]
async fn trying_to_send_gives_the_item_back_where_there_is_no_room() {
    let (mut sender, mut receiver) = mux::channel::<u32>();
    let mut sent = 0;
    let refused = loop {
        match sender.try_send(sent) {
            Ok(()) => sent += 1,
            Err(refused) => break refused,
        }
    };
    assert_eq!((refused, sent), (TrySendError::Full(256), 256));
    assert_eq!(receiver.recv().await.unwrap(), Some(0));
    sender.try_send(256).unwrap();
    drop(receiver);
    assert_eq!(sender.try_send(0), Err(TrySendError::Failed(SendError::Dropped)));
}

#[test]
fn halves_work_on_plain_threads_too() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let reached = runtime.block_on(async { reach() });
    let client = reached.client.clone();
    let (mut sender, receiver) = mux::channel();
    let call = client.blocking_sum(receiver).start();
    let thread = std::thread::spawn(move || {
        for n in 0..50_000 {
            sender.blocking_send(n).unwrap();
        }
        sender.finish();
    });
    assert_eq!(call.wait().unwrap(), 49_999 * 50_000 / 2);
    thread.join().unwrap();
    let numbers = client.count(50_000).wait().unwrap();
    assert!(numbers.into_iter().map(|n| n.unwrap()).eq(0..50_000));
}

#[tokio::test]
#[should_panic(expected = "write `recv().await` there")]
async fn blocking_in_a_task_is_refused() {
    let (_sender, mut receiver) = mux::channel::<u32>();
    let _ = receiver.blocking_recv();
}

#[tokio::test]
async fn a_deadline_ends_the_method_and_not_the_stream_it_has_opened() {
    let reached = reach();
    let mut numbers = reached.client.count(u64::MAX).timeout(Duration::from_millis(50)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    for n in 0..200_000 {
        assert_eq!(numbers.recv().await.unwrap(), Some(n));
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_gives_open_channels_its_grace_and_no_more() {
    let reached = reach();
    let mut silent = reached.client.silent().await.unwrap();
    let finished = reached.client.count(10).await.unwrap();
    let begun = tokio::time::Instant::now();
    let reason = reached.answering.drain().await;
    assert_eq!(reason, mux::CloseReason::Drained);
    assert!(begun.elapsed() >= Duration::from_secs(5) && begun.elapsed() < Duration::from_secs(7));
    assert_eq!(silent.recv().await, Err(ChannelError::Drained));
    assert_eq!(collect(finished).await.0.len(), 10, "nothing that came is lost");
}

#[tokio::test]
async fn a_server_calls_back_by_what_its_peer_serves_and_streams_from_there() {
    #[mux::service]
    trait Front {
        async fn ask(&self, #[mux(context)] cx: &Context) -> mux::Result<u64>;
    }
    struct Asking;
    impl Front for Asking {
        async fn ask(&self, cx: &Context) -> mux::Result<u64> {
            let mut numbers = cx.client::<FeedClient>().count(1000).await?;
            let mut sum = 0;
            while let Some(n) = numbers.recv().await? {
                sum += n;
            }
            Ok(sum)
        }
    }
    let (here, there) = mux::pair();
    let _answering = Connection::builder().service(FrontServer::new(Asking)).accept(there);
    let asking = Connection::builder().service(FeedServer::new(Desk::default())).open(here);
    assert_eq!(asking.client::<FrontClient>().ask().await.unwrap(), 999 * 1000 / 2);
}

#[tokio::test]
async fn two_peers_that_stream_at_each_other_over_a_narrow_pipe_both_come_through() {
    let (here, there) = tokio::io::duplex(1 << 10);
    let serve = || Connection::builder().service(FeedServer::new(Desk::default()));
    let (one, other) = (serve().open(here), serve().accept(there));
    let all = |connection: &Connection| {
        let client = connection.client::<FeedClient>();
        async move {
            let mut blobs = client.blobs(64, 1 << 20).await.unwrap();
            let mut bytes = 0;
            while let Some(blob) = blobs.recv().await.unwrap() {
                bytes += blob.len();
            }
            bytes
        }
    };
    let both = async { tokio::join!(all(&one), all(&other)) };
    assert_eq!(timeout(Duration::from_secs(60), both).await.unwrap(), (64 << 20, 64 << 20));
}

/// Refuses to be encoded where it is odd.
#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Even(u64);

impl Serialize for Even {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(2) {
            serializer.serialize_u64(self.0)
        } else {
            Err(serde::ser::Error::custom("odd"))
        }
    }
}

#[mux::service(name = "numbers")]
trait Evens {
    async fn all(&self) -> impl Stream<Item = Even>;
    async fn take(&self, numbers: Receiver<Even>) -> Vec<u64>;
    async fn halves(&self) -> (Receiver<u64>, Sender<u64>);
}

/// What an older peer thinks that service is.
#[mux::service(name = "numbers")]
trait Odds {
    async fn halves(&self) -> String;
    async fn take(&self, numbers: Receiver<String>) -> Vec<u64>;
}

#[derive(Default)]
struct Numbers {
    /// The halves that stayed.
    kept: Mutex<Vec<(Sender<u64>, Receiver<u64>)>>,
}

impl Evens for Arc<Numbers> {
    async fn all(&self) -> impl Stream<Item = Even> {
        let mut all = 0..10;
        let facts = Arc::default();
        Counting::new(&facts, move || Poll::Ready(all.next().map(Even)))
    }

    async fn take(&self, mut numbers: Receiver<Even>) -> Vec<u64> {
        let mut all = Vec::new();
        loop {
            match numbers.recv().await {
                Ok(Some(Even(n))) => all.push(n),
                Ok(None) => return all,
                // As many as could not be decoded.
                Err(ChannelError::Undecodable(_)) => all.push(u64::MAX),
                Err(error) => panic!("{error}"),
            }
        }
    }

    async fn halves(&self) -> (Receiver<u64>, Sender<u64>) {
        let ((here, received), (sender, back)) = (mux::channel(), mux::channel());
        self.kept.lock().unwrap().push((here, back));
        (received, sender)
    }
}

fn numbers_served() -> (Arc<Numbers>, Connection, Connection) {
    let numbers = Arc::new(Numbers::default());
    let (here, there) = mux::pair();
    let answering = Connection::builder().service(EvensServer::new(Arc::clone(&numbers))).accept(there);
    (numbers, Connection::builder().open(here), answering)
}

#[tokio::test]
async fn an_item_that_refuses_to_be_encoded_is_told_to_its_sender_and_harms_no_other() {
    let (_, asking, _answering) = numbers_served();
    let client: EvensClient = asking.client();
    let (mut sender, receiver) = mux::channel();
    let call = client.take(receiver).start();
    timeout(Duration::from_secs(5), async {
        sender.send(Even(2)).await.unwrap();
        sender.flush().await.unwrap();
        assert_eq!(sender.send(Even(3)).await, Err(SendError::Unencodable("odd".into())));
        sender.send(Even(4)).await.unwrap();
        sender.finish();
    })
    .await
    .unwrap();
    assert_eq!(call.await.unwrap(), [2, 4]);
    let (all, error) = collect(client.all().await.unwrap()).await;
    assert_eq!(all, [Even(0)]);
    assert_eq!(error, Some(ChannelError::Dropped("an item could not be encoded: odd".into())));

    let local = EvensClient::local(Arc::new(Numbers::default()));
    let (all, error) = collect(local.all().await.unwrap()).await;
    assert_eq!((all.len(), error), (10, None), "nothing is encoded there");
}

#[tokio::test]
async fn an_item_that_cannot_be_decoded_is_told_in_its_place_and_the_next_ones_follow() {
    let (_, asking, _answering) = numbers_served();
    let client: OddsClient = asking.client();
    let (mut sender, receiver) = mux::channel();
    let call = client.take(receiver).start();
    for n in 0..3 {
        sender.send(n.to_string()).await.unwrap();
    }
    sender.finish();
    assert_eq!(call.await.unwrap(), [u64::MAX; 3]);
}

#[tokio::test]
async fn a_reply_that_cannot_be_decoded_ends_the_channels_it_carries_on_both_sides() {
    let (numbers, asking, _answering) = numbers_served();
    let client: OddsClient = asking.client();
    assert!(matches!(client.halves().await, Err(Error::Call(mux::CallError::ReplyUndecodable(_)))));
    let (mut here, back) = numbers.kept.lock().unwrap().pop().unwrap();
    timeout(Duration::from_secs(5), here.closed()).await.unwrap();
    assert!(matches!(collect(back).await.1, Some(ChannelError::Dropped(_))));
}

#[tokio::test]
async fn an_item_that_waits_for_its_call_and_carries_too_much_ends_its_channel_and_stalls_nothing() {
    let reached = reach();
    let (mut outer, receiver) = mux::channel();
    let (mut inner, inside) = mux::channel::<Vec<Receiver<u64>>>();
    outer.send(inside).await.unwrap();
    inner.send((0..300).map(|_| mux::channel().1).collect()).await.unwrap();
    let lists = reached.client.lists_of(receiver);
    outer.finish();
    let error = timeout(Duration::from_secs(5), lists).await.unwrap().unwrap();
    assert!(error.contains("300 channels exceeds"), "{error}");
}

#[tokio::test]
async fn a_send_that_is_given_up_lets_go_of_what_its_item_carries() {
    let reached = reach();
    let (mut outer, receiver) = mux::channel::<Receiver<u64>>();
    reached.client.keep_channels(receiver).await.unwrap();
    let mut kept = Vec::new();
    let (mut sender, given_up) = loop {
        let (sender, receiver) = mux::channel();
        match timeout(Duration::from_millis(50), outer.send(receiver)).await {
            Ok(sent) => sent.unwrap(),
            Err(_) => break (sender, ()),
        }
        kept.push(sender);
    };
    timeout(Duration::from_secs(5), sender.closed()).await.expect("nobody will ever receive");
    drop((given_up, kept));
}

#[tokio::test]
async fn a_receiver_that_leaves_while_its_sender_sends_loses_nothing() {
    let reached = reach();
    for _ in 0..300 {
        let (mut sender, receiver) = mux::channel();
        let client = reached.client.clone();
        let sending = std::thread::spawn(move || {
            for n in 0..50 {
                sender.blocking_send(n).unwrap();
            }
            sender.finish();
        });
        let sum = timeout(Duration::from_secs(10), client.sum(receiver)).await.expect("it comes to an end");
        assert_eq!(sum.unwrap(), 49 * 50 / 2);
        sending.join().unwrap();
    }
}
