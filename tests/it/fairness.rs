//! Work that is always ready lets other tasks of its thread run: it spends tokio's cooperative budget.

use crate::demo::{DemoClient, Desk, reach};
use mux::{Connection, Receiver, Sender, Stream};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Poll};

/// A task beside the one under test, which sets its flag as soon as it runs.
#[derive(Clone, Default)]
struct Neighbour(Arc<AtomicBool>);

impl Neighbour {
    fn spawn() -> Neighbour {
        let neighbour = Neighbour::default();
        tokio::spawn({
            let neighbour = neighbour.clone();
            async move { neighbour.0.store(true, SeqCst) }
        });
        neighbour
    }

    fn has_run(&self) -> bool {
        self.0.load(SeqCst)
    }
}

/// Fails where `step` is done so often in a row without letting another task of this thread run.
async fn lets_others_run(most: usize, mut step: impl AsyncFnMut()) {
    let neighbour = Neighbour::spawn();
    for _ in 0..most {
        step().await;
        if neighbour.has_run() {
            return;
        }
    }
    panic!("{most} times in a row");
}

/// Numbers that are always at hand.
#[derive(Default)]
struct AtHand {
    count: usize,
    /// It begins to wait for its turn with the first item.
    neighbour: Option<Neighbour>,
}

/// More than a turn of the runtime is worth, and less than fills a frame.
const MOST: usize = 5_000;

impl Stream for AtHand {
    type Item = u8;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<u8>> {
        self.count += 1;
        let has_run = self.neighbour.get_or_insert_with(Neighbour::spawn).has_run();
        assert!(has_run || self.count < MOST, "{} items in a row", self.count);
        Poll::Ready((self.count < 10 * MOST).then_some(1))
    }
}

#[mux::service]
trait Numbers {
    async fn ones(&self) -> impl Stream<Item = u8>;
    async fn take(&self, numbers: Receiver<u8>) -> ();
    async fn hold(&self, sender: Sender<u8>) -> ();
}

struct Ones;

impl Numbers for Ones {
    async fn ones(&self) -> impl Stream<Item = u8> {
        AtHand::default()
    }

    async fn take(&self, mut numbers: Receiver<u8>) {
        while let Ok(Some(_)) = numbers.recv().await {}
    }

    async fn hold(&self, mut sender: Sender<u8>) {
        sender.closed().await;
    }
}

fn numbers() -> (NumbersClient, Connection, Connection) {
    let (here, there) = mux::pair();
    let answering = Connection::builder().service(NumbersServer::new(Ones)).accept(there);
    let asking = Connection::builder().open(here);
    (asking.client(), asking, answering)
}

#[tokio::test]
async fn calls_of_a_local_client() {
    let local = DemoClient::local(Desk::default());
    lets_others_run(1000, async || drop(local.echo("x").await)).await;
    lets_others_run(1000, async || drop(local.note("x".into()).await)).await;
}

#[tokio::test]
async fn calls_that_are_answered_or_refused_when_they_are_awaited() {
    let reached = reach();
    let mut calls: Vec<_> = (0..1000).map(|_| reached.client.echo("x").start()).collect();
    calls.push(reached.client.echo("last").start());
    let last = calls.pop().unwrap();
    // Answers come in order.
    assert_eq!(last.await.unwrap(), "last");
    lets_others_run(900, async || drop(calls.pop().unwrap().await)).await;
    lets_others_run(900, async || drop(reached.client.note("x".into()).await)).await;
    lets_others_run(900, async || drop(reached.client.echo("x").meta("channels", "").await)).await;
    reached.asking.close();
    lets_others_run(900, async || drop(reached.client.echo("x").await)).await;
}

#[tokio::test]
async fn items_that_have_come() {
    let (client, _asking, _answering) = numbers();
    let mut ones = client.ones().await.unwrap();
    // With it came a frame of thousands.
    ones.recv().await.unwrap();
    lets_others_run(2000, async || _ = ones.recv().await.unwrap()).await;
}

#[tokio::test]
async fn a_receiver_that_has_ended() {
    let (sender, mut receiver) = mux::channel::<u8>();
    sender.finish();
    lets_others_run(1000, async || _ = receiver.recv().await.unwrap()).await;
}

#[tokio::test]
async fn items_that_are_sent() {
    let (client, _asking, _answering) = numbers();
    let (mut sender, receiver) = mux::channel::<u8>();
    let _taking = client.take(receiver).start();
    lets_others_run(2000, async || sender.send(1).await.unwrap()).await;
    sender.send_all(AtHand::default()).await.unwrap();
    sender.flush().await.unwrap();
    lets_others_run(2000, async || sender.flush().await.unwrap()).await;
    let mut sink = pin!(sender);
    let ready = async || std::future::poll_fn(|cx| mux::Sink::poll_ready(sink.as_mut(), cx)).await.unwrap();
    lets_others_run(2000, ready).await;
}

#[tokio::test]
async fn items_that_are_sent_within_the_process() {
    let (mut sender, _receiver) = mux::channel::<u8>();
    // It would wait for its receiver after 256.
    lets_others_run(200, async || sender.send(1).await.unwrap()).await;
}

#[tokio::test]
async fn items_of_a_streaming_method() {
    let (client, _asking, _answering) = numbers();
    let mut ones = client.ones().await.unwrap();
    let mut count = 0;
    while ones.recv().await.unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 10 * MOST - 1);
}

#[tokio::test]
async fn a_channel_that_nobody_receives_from() {
    let (client, _asking, _answering) = numbers();
    let (mut sender, receiver) = mux::channel::<u8>();
    drop(client.take(receiver).start());
    sender.closed().await;
    lets_others_run(1000, async || drop(sender.send(1).await)).await;
    lets_others_run(1000, async || sender.closed().await).await;
}
