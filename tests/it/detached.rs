//! Handlers that outlive their connection: no more at once than the server was told, however many connections come and go.

use crate::demo::until;
use mux::{Bytes, CallError, Connection, Error, Receiver, Refusal};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;

/// What the builder is told.
const MOST: usize = 8;

#[mux::service]
trait Tower {
    /// Stays until it is let go.
    #[mux(notify)]
    async fn enter(&self, n: u32);
    #[mux(notify)]
    async fn carry(&self, n: u32, load: Bytes);
    /// Stays until it is let go, and then takes what there is.
    #[mux(notify)]
    async fn gather(&self, n: u32, loads: Receiver<Bytes>);
    /// Blocks its thread until it is let go.
    #[mux(notify)]
    fn block(&self, n: u32);
    #[mux(detached)]
    async fn stay(&self, n: u32) -> u32;
    async fn ready(&self) -> ();
}

struct Doors {
    begun: Mutex<Vec<u32>>,
    taken: Mutex<Vec<(u32, usize)>>,
    inside: AtomicUsize,
    most_inside: AtomicUsize,
    /// One permit lets one handler go.
    exits: Semaphore,
}

impl Doors {
    fn begun(&self) -> Vec<u32> {
        self.begun.lock().unwrap().clone()
    }

    fn inside(&self) -> usize {
        self.inside.load(SeqCst)
    }

    fn open(&self) {
        self.exits.add_permits(10_000);
    }
}

#[derive(Clone)]
struct Keeper(Arc<Doors>);

impl Keeper {
    async fn hold(&self, n: u32) {
        let doors = &*self.0;
        doors.begun.lock().unwrap().push(n);
        doors.most_inside.fetch_max(doors.inside.fetch_add(1, SeqCst) + 1, SeqCst);
        doors.exits.acquire().await.unwrap().forget();
        doors.inside.fetch_sub(1, SeqCst);
    }
}

impl Tower for Keeper {
    async fn enter(&self, n: u32) {
        self.hold(n).await;
    }
    async fn carry(&self, n: u32, load: Bytes) {
        self.hold(n).await;
        drop(load);
    }
    async fn gather(&self, n: u32, mut loads: Receiver<Bytes>) {
        self.hold(n).await;
        let mut taken = 0;
        while let Ok(Some(_)) = loads.recv().await {
            taken += 1;
        }
        self.0.taken.lock().unwrap().push((n, taken));
    }
    fn block(&self, n: u32) {
        tokio::runtime::Handle::current().block_on(self.hold(n));
    }
    async fn stay(&self, n: u32) -> u32 {
        self.hold(n).await;
        n
    }
    async fn ready(&self) {}
}

/// A server's connections, of which one after the other is made.
fn tower() -> (Arc<Doors>, impl Fn() -> (TowerClient, Connection)) {
    let doors = Arc::new(Doors {
        begun: Mutex::default(),
        taken: Mutex::default(),
        inside: AtomicUsize::new(0),
        most_inside: AtomicUsize::new(0),
        exits: Semaphore::new(0),
    });
    let builder =
        Connection::builder().max_detached(MOST).service(TowerServer::new(Keeper(Arc::clone(&doors))));
    let connect = move || {
        let (here, there) = mux::pair();
        let answering = builder.accept(there);
        (Connection::builder().open(here).client(), answering)
    };
    (doors, connect)
}

/// What was sent has arrived, and what can begin has begun.
async fn settle(client: &TowerClient) {
    for _ in 0..3 {
        client.ready().await.unwrap();
    }
}

#[tokio::test]
async fn reconnects_leave_no_more_handlers_than_the_server_was_told() {
    let (doors, connect) = tower();
    for _ in 0..20 {
        let (client, answering) = connect();
        for n in 0..5 {
            client.enter(n).await.unwrap();
        }
        settle(&client).await;
        drop(client);
        answering.closed().await;
    }
    assert_eq!((doors.inside(), doors.most_inside.load(SeqCst)), (MOST, MOST));
    doors.open();
    until(|| doors.inside() == 0).await;
    let (client, _answering) = connect();
    client.enter(77).await.unwrap();
    until(|| doors.begun().last() == Some(&77)).await;
}

#[tokio::test]
async fn notifies_beyond_the_bound_wait_and_begin_in_order() {
    let (doors, connect) = tower();
    let (client, _answering) = connect();
    for n in 0..100 {
        client.enter(n).await.unwrap();
    }
    settle(&client).await;
    assert_eq!(doors.begun(), Vec::from_iter(0..8));
    doors.exits.add_permits(1);
    until(|| doors.begun().len() == 9).await;
    doors.open();
    until(|| doors.begun().len() == 100).await;
    assert!(doors.begun().is_sorted());
    assert_eq!(doors.most_inside.load(SeqCst), MOST);
}

#[tokio::test]
async fn what_waits_when_its_connection_closes_is_dropped() {
    let (doors, connect) = tower();
    let (first, _answering) = connect();
    for n in 0..8 {
        first.enter(n).await.unwrap();
    }
    until(|| doors.inside() == MOST).await;
    let (second, answering) = connect();
    second.enter(100).await.unwrap();
    second.enter(101).await.unwrap();
    settle(&second).await;
    drop(second);
    answering.closed().await;
    first.enter(8).await.unwrap();
    settle(&first).await;
    doors.open();
    until(|| doors.begun().len() == 9).await;
    settle(&first).await;
    assert_eq!(doors.begun(), Vec::from_iter(0..9));
}

#[tokio::test]
async fn items_that_a_handler_may_still_take_after_the_close_count_too() {
    let (doors, connect) = tower();
    for n in 0..2 {
        let (client, answering) = connect();
        let (mut sender, receiver) = mux::channel();
        client.gather(n, receiver).await.unwrap();
        for _ in 0..6 {
            sender.send(vec![7; 10 << 10].into()).await.unwrap();
        }
        settle(&client).await;
        until(|| doors.inside() == n as usize + 1).await;
        sender.finish();
        drop(client);
        answering.closed().await;
    }
    doors.open();
    until(|| doors.taken.lock().unwrap().len() == 2).await;
    let mut taken = doors.taken.lock().unwrap().clone();
    taken.sort_unstable();
    // Each handler takes a place, and 60 KiB take four: there are eight.
    assert_eq!(taken, [(0, 6), (1, 0)]);
}

#[tokio::test]
async fn items_that_outlive_their_connection_count_until_their_last_receiver_has_taken_them() {
    let (doors, connect) = tower();
    let (closed, answering) = connect();
    for n in 0..2 {
        let (mut sender, receiver) = mux::channel();
        closed.gather(n, receiver).await.unwrap();
        for _ in 0..3 {
            sender.send(vec![7; 10 << 10].into()).await.unwrap();
        }
        settle(&closed).await;
        sender.finish();
    }
    settle(&closed).await;
    drop(closed);
    answering.closed().await;
    let (client, _answering) = connect();
    for n in 2..10 {
        client.enter(n).await.unwrap();
    }
    settle(&client).await;
    // Two handlers take a place each, and 60 KiB take four of the eight.
    assert_eq!(doors.begun(), [0, 1, 2, 3]);
    doors.exits.add_permits(1);
    until(|| doors.begun().len() == 5).await;
    settle(&client).await;
    assert_eq!((doors.taken.lock().unwrap().clone(), doors.begun().len()), (vec![(0, 3)], 5));
    doors.exits.add_permits(1);
    until(|| doors.inside() == MOST).await;
    // Of the connection that is closed there is a handle all this time.
    drop(answering);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_behind_a_blocking_notify_is_kept_after_the_close_as_far_as_there_are_places() {
    let (doors, connect) = tower();
    let (client, answering) = connect();
    for n in 0..30 {
        client.block(n).await.unwrap();
    }
    settle(&client).await;
    until(|| doors.inside() == 1).await;
    drop(client);
    answering.closed().await;
    // Its places are taken when the close is seen.
    let (client, _answering) = connect();
    settle(&client).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    doors.open();
    until(|| doors.begun().len() == MOST).await;
    until(|| doors.inside() == 0).await;
    client.enter(99).await.unwrap();
    until(|| doors.begun().last() == Some(&99)).await;
    assert_eq!(doors.begun(), [0, 1, 2, 3, 4, 5, 6, 7, 99]);
}

#[tokio::test]
async fn a_detached_call_beyond_the_bound_is_refused_and_has_not_run() {
    let (doors, connect) = tower();
    let (client, answering) = connect();
    for n in 0..8 {
        drop(client.stay(n).start());
    }
    until(|| doors.inside() == MOST).await;
    drop(client);
    answering.closed().await;

    let (client, _answering) = connect();
    let error = client.stay(8).timeout(Duration::from_secs(20)).await.unwrap_err();
    let Error::Call(CallError::Refused(refused)) = &error else { panic!("{error:?}") };
    assert_eq!(refused.reason(), Refusal::Overloaded);
    assert!(refused.message().contains("`tower.stay`"), "{}", refused.message());
    assert!(error.did_not_run());
    doors.open();
    until(|| doors.inside() == 0).await;
    assert_eq!(client.stay(9).await.unwrap(), 9);
    assert!(!doors.begun().contains(&8));
}

#[tokio::test]
async fn a_large_message_takes_the_place_of_several() {
    let (doors, connect) = tower();
    let (client, _answering) = connect();
    client.carry(0, vec![7; 100 << 10].into()).await.unwrap();
    for n in 1..8 {
        client.enter(n).await.unwrap();
    }
    settle(&client).await;
    assert_eq!(doors.begun(), [0, 1]);
    doors.open();
    until(|| doors.begun().len() == 8).await;
}
