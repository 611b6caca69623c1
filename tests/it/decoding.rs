//! Where values are decoded: what takes long leaves the threads of the runtime. Most runtimes here have one thread, which
//! a `Deserialize` that waits for another call would hold up for good.

use crate::by_itself::is_by_itself;
use crate::demo::until;
use crate::script::*;
use mux::{CallError, CloseReason, Connection, Error, Limits, Receiver, Stream};
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use std::{fmt, thread};

/// Values of a body that takes long.
const LONG: usize = 20_000;

/// So that what nobody lets go fails a test instead of hanging it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where a [`List`] waits while it is decoded. Each test has its own.
static GATES: [Gate; 16] = [const { Gate::new() }; 16];

struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
    /// Who has come here, who waits, and how many at once.
    come: AtomicUsize,
    waiting: AtomicUsize,
    most: AtomicUsize,
    passed: AtomicUsize,
}

impl Gate {
    const fn new() -> Gate {
        let [come, waiting, most, passed] = [const { AtomicUsize::new(0) }; 4];
        Gate { open: Mutex::new(false), opened: Condvar::new(), come, waiting, most, passed }
    }

    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    /// Whether it was opened in time.
    fn pass(&self) -> bool {
        self.come.fetch_add(1, SeqCst);
        self.most.fetch_max(self.waiting.fetch_add(1, SeqCst) + 1, SeqCst);
        let closed = self.open.lock().unwrap();
        let (open, _) = self.opened.wait_timeout_while(closed, PATIENCE, |open| !*open).unwrap();
        self.waiting.fetch_sub(1, SeqCst);
        self.passed.fetch_add(1, SeqCst);
        *open
    }

    async fn until_reached(&self) {
        until(|| self.come.load(SeqCst) > 0).await;
    }
}

/// A list of strings, the first of which tells what happens as it is decoded; the others are empty.
#[derive(Clone, Debug)]
struct List {
    first: String,
    len: usize,
}

/// Waits at the gate as it is decoded.
fn waits(gate: usize) -> List {
    List { first: gate.to_string(), len: LONG }
}

fn says(first: &str, len: usize) -> List {
    List { first: first.to_owned(), len }
}

impl Serialize for List {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.len))?;
        list.serialize_element(&self.first)?;
        (1..self.len).try_for_each(|_| list.serialize_element(""))?;
        list.end()
    }
}

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<List, D::Error> {
        deserializer.deserialize_seq(ListVisitor)
    }
}

struct ListVisitor;

impl<'de> Visitor<'de> for ListVisitor {
    type Value = List;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut strings: A) -> Result<List, A::Error> {
        let first: String = strings.next_element()?.ok_or_else(|| A::Error::custom("it is empty"))?;
        match first.as_str() {
            "panic" => panic!("on purpose"),
            "thread" => return Ok(says(thread::current().name().unwrap_or("none"), 1 + rest(strings)?)),
            _ => {}
        }
        if let Ok(gate) = first.parse::<usize>()
            && !GATES[gate].pass()
        {
            return Err(A::Error::custom("nobody opened the gate"));
        }
        Ok(List { first, len: 1 + rest(strings)? })
    }
}

fn rest<'de, A: SeqAccess<'de>>(mut strings: A) -> Result<usize, A::Error> {
    let mut len = 0;
    while strings.next_element::<&str>()?.is_some() {
        len += 1;
    }
    Ok(len)
}

#[mux::service]
trait Lists {
    async fn ping(&self);
    async fn put(&self, list: List) -> usize;
    async fn name(&self, list: List) -> String;
    #[mux(inline)]
    fn put_inline(&self, list: List) -> usize;
    #[mux(detached)]
    async fn put_detached(&self, list: List) -> usize;
    /// Its arguments point into the message.
    async fn put_borrowed(&self, list: List, text: &str) -> usize;
    async fn get(&self, first: String) -> List;
    async fn fail(&self, gate: usize) -> Result<(), List>;
    async fn pour(&self, gate: usize) -> impl Stream<Item = List>;
    /// Lists of which the second cannot be decoded, for a panic.
    async fn pour_badly(&self) -> impl Stream<Item = List>;
    /// A list, and numbers that come until nobody takes them.
    async fn give(&self) -> (List, Receiver<u32>);
    async fn gifts(&self) -> impl Stream<Item = (List, Receiver<u32>)>;
    async fn total(&self, list: List, numbers: Receiver<u32>) -> u32;
    async fn take(&self, lists: Receiver<List>) -> Vec<usize>;
    #[mux(notify)]
    async fn note(&self, list: List);
    #[mux(notify)]
    fn note_blocking(&self, list: List);
}

/// The lengths of the lists whose handlers have begun.
#[derive(Clone, Default)]
struct Shelf(Arc<Mutex<Vec<usize>>>);

impl Shelf {
    fn begin(&self, list: &List) -> usize {
        self.0.lock().unwrap().push(list.len);
        list.len
    }

    fn begun(&self) -> Vec<usize> {
        self.0.lock().unwrap().clone()
    }
}

/// Those who send the numbers of [`gift`]s.
static GIVERS: AtomicUsize = AtomicUsize::new(0);

fn gift() -> (List, Receiver<u32>) {
    let (mut numbers, receiver) = mux::channel();
    GIVERS.fetch_add(1, SeqCst);
    tokio::spawn(async move {
        while numbers.send(1).await.is_ok() {}
        GIVERS.fetch_sub(1, SeqCst);
    });
    (says("", LONG), receiver)
}

impl Lists for Shelf {
    async fn ping(&self) {}
    async fn put(&self, list: List) -> usize {
        self.begin(&list)
    }
    async fn name(&self, list: List) -> String {
        list.first
    }
    fn put_inline(&self, list: List) -> usize {
        self.begin(&list)
    }
    async fn put_detached(&self, list: List) -> usize {
        self.begin(&list)
    }
    async fn put_borrowed(&self, list: List, text: &str) -> usize {
        tokio::task::yield_now().await;
        self.begin(&list) + text.len()
    }
    async fn get(&self, first: String) -> List {
        says(&first, LONG)
    }
    async fn fail(&self, gate: usize) -> Result<(), List> {
        Err(waits(gate))
    }
    async fn pour(&self, gate: usize) -> impl Stream<Item = List> {
        tokio_stream::iter([says("", 1), waits(gate), says("", 2)])
    }
    async fn pour_badly(&self) -> impl Stream<Item = List> {
        tokio_stream::iter([says("", 1), says("panic", LONG), says("", 2), says("", LONG)])
    }
    async fn give(&self) -> (List, Receiver<u32>) {
        gift()
    }
    async fn gifts(&self) -> impl Stream<Item = (List, Receiver<u32>)> {
        tokio_stream::iter([gift(), gift()])
    }
    async fn total(&self, list: List, mut numbers: Receiver<u32>) -> u32 {
        let mut total = self.begin(&list) as u32;
        while let Ok(Some(number)) = numbers.recv().await {
            total += number;
        }
        total
    }
    async fn take(&self, mut lists: Receiver<List>) -> Vec<usize> {
        let mut lens = Vec::new();
        while let Ok(Some(list)) = lists.recv().await {
            lens.push(list.len);
        }
        lens
    }
    async fn note(&self, list: List) {
        self.begin(&list);
    }
    fn note_blocking(&self, list: List) {
        self.begin(&list);
    }
}

struct Reached {
    client: ListsClient,
    serving: Connection,
    shelf: Shelf,
}

fn reach() -> Reached {
    let (here, there) = mux::pair();
    let shelf = Shelf::default();
    let serving = Connection::builder().service(ListsServer::new(shelf.clone())).accept(there);
    Reached { client: Connection::builder().open(here).client(), serving, shelf }
}

/// A peer that says what it is told to.
async fn play() -> (Script, Connection, Shelf) {
    let (here, there) = mux::pair();
    let shelf = Shelf::default();
    let limits = Limits { max_message: 16 << 20, ..Limits::default() };
    let serving = Connection::builder().limits(limits).service(ListsServer::new(shelf.clone())).accept(there);
    let mut peer = Script::new(here, CONNECTING);
    peer.send_hello().await;
    peer.expect_hello().await;
    (peer, serving, shelf)
}

/// Another call is answered while something waits at the gate that is decoded.
async fn is_answered_meanwhile(client: &ListsClient, gate: usize) {
    GATES[gate].until_reached().await;
    client.ping().await.unwrap();
    GATES[gate].open();
}

#[tokio::test]
async fn while_the_largest_request_is_decoded_other_calls_are_answered() {
    let (mut peer, _serving, _) = play().await;
    let len: u32 = 15 << 20;
    let list = [&[0xdd][..], &len.to_be_bytes(), &[0xa1, b'0'], &vec![0xa0; len as usize - 1]].concat();
    peer.send_chunked(1, &request(1, "lists.put", &Pack::new().array(1).raw(&list))).await;
    GATES[0].until_reached().await;
    peer.send_frame(&request(3, "lists.ping", &no_args())).await;
    peer.expect_reply(3).await;
    GATES[0].open();
    assert_eq!(peer.expect_reply(1).await, Pack::new().uint(len.into()).bytes());
}

#[tokio::test]
async fn while_a_long_request_is_decoded_other_calls_are_answered() {
    let Reached { client, serving: _serving, .. } = reach();
    let calls: [fn(&ListsClient, List) -> mux::Call<usize>; 4] = [
        |client, list| client.put(list),
        |client, list| client.put_inline(list),
        |client, list| client.put_detached(list),
        |client, list| client.put_borrowed(list, ""),
    ];
    for (call, gate) in calls.into_iter().zip(1..) {
        let call = call(&client, waits(gate)).start();
        is_answered_meanwhile(&client, gate).await;
        assert_eq!(call.await.unwrap(), LONG);
    }
}

#[tokio::test]
async fn while_a_long_answer_is_decoded_other_calls_are_answered() {
    let Reached { client, serving: _serving, .. } = reach();
    let value = tokio::spawn(client.get("5".into()).into_future());
    is_answered_meanwhile(&client, 5).await;
    assert_eq!(value.await.unwrap().unwrap().len, LONG);
    let error = tokio::spawn(client.fail(6).into_future());
    is_answered_meanwhile(&client, 6).await;
    assert!(matches!(error.await.unwrap(), Err(Error::App(List { len: LONG, .. }))));
}

#[tokio::test]
async fn while_a_long_item_is_decoded_other_calls_are_answered_and_items_keep_their_order() {
    let Reached { client, serving: _serving, .. } = reach();
    let mut lists = client.pour(7).await.unwrap();
    let lens = tokio::spawn(async move {
        let mut lens = Vec::new();
        while let Some(list) = lists.recv().await.unwrap() {
            lens.push(list.len);
        }
        lens
    });
    is_answered_meanwhile(&client, 7).await;
    assert_eq!(lens.await.unwrap(), [1, LONG, 2]);

    let (mut sender, receiver) = mux::channel();
    let taken = client.take(receiver).start();
    for list in [says("", 1), waits(12), says("", 2)] {
        sender.send(list).await.unwrap();
    }
    sender.finish();
    is_answered_meanwhile(&client, 12).await;
    assert_eq!(taken.await.unwrap(), [1, LONG, 2]);
}

#[tokio::test]
async fn while_a_long_notify_is_decoded_calls_are_answered_and_later_notifies_wait() {
    let Reached { client, serving: _serving, shelf } = reach();
    client.note(waits(8)).await.unwrap();
    client.note(says("", 1)).await.unwrap();
    client.note_blocking(says("", 2)).await.unwrap();
    client.note(says("", LONG)).await.unwrap();
    client.note(says("", 3)).await.unwrap();
    is_answered_meanwhile(&client, 8).await;
    until(|| shelf.begun().len() == 5).await;
    assert_eq!(shelf.begun(), [LONG, 1, 2, LONG, 3]);
}

#[tokio::test]
async fn a_long_request_is_decoded_with_what_it_carries_and_where_it_lies() {
    let Reached { client, serving: _serving, .. } = reach();
    let (mut sender, receiver) = mux::channel();
    let total = client.total(says("", LONG), receiver).start();
    sender.send(1).await.unwrap();
    sender.send(2).await.unwrap();
    sender.finish();
    assert_eq!(total.await.unwrap() as usize, LONG + 3);
    assert_eq!(client.put_borrowed(says("", LONG), "four").await.unwrap(), LONG + 4);
}

#[tokio::test]
async fn what_is_short_is_decoded_on_the_thread_of_the_runtime() {
    let Reached { client, serving: _serving, .. } = reach();
    let here = thread::current().name().unwrap().to_owned();
    assert_eq!(client.name(says("thread", 10_000)).await.unwrap(), here);
    assert_eq!(client.name(says("thread", LONG)).await.unwrap(), "mux-decoder");
    // One long string is few values.
    let text = "x".repeat(500_000);
    assert_eq!(client.put_borrowed(says("", 1), &text).await.unwrap(), 1 + text.len());
}

#[tokio::test]
async fn a_plain_thread_that_waits_decodes_by_itself() {
    let Reached { client, serving: _serving, .. } = reach();
    let plain = tokio::task::spawn_blocking(move || {
        let list = client.get("thread".into()).wait().unwrap();
        (list.first, thread::current().name().unwrap_or("none").to_owned())
    });
    let (decoded_on, waited_on) = plain.await.unwrap();
    assert_eq!(decoded_on, waited_on);
}

#[tokio::test]
async fn a_long_request_that_cannot_be_decoded_did_not_run() {
    let (mut peer, _serving, shelf) = play().await;
    let numbers = (0..LONG).fold(Pack::new().array(1).array(LONG as u32), |pack, _| pack.uint(7));
    peer.send_chunked(1, &request(1, "lists.put", &numbers)).await;
    let why = peer.expect_fault(1, 2).await;
    assert!(
        why.contains("argument `list[0]` of `lists.put`: found the number 7, expected a string"),
        "{why}"
    );
    assert_eq!(shelf.begun(), [0; 0]);
}

#[tokio::test]
async fn a_panic_in_a_long_decoding_is_told_as_in_a_short_one() {
    let Reached { client, serving: _serving, .. } = reach();
    for len in [1, LONG] {
        let Err(Error::Remote(panicked)) = client.put(says("panic", len)).await else { panic!("it panics") };
        assert_eq!((panicked.is_panic(), panicked.message()), (true, "on purpose"));
        assert!(panicked.location().unwrap().contains("decoding.rs"));
    }
    let caller = tokio::spawn(client.get("panic".into()).into_future());
    assert!(caller.await.unwrap_err().is_panic());
    client.ping().await.unwrap();
}

#[tokio::test]
async fn a_call_whose_connection_closes_while_it_is_decoded_did_not_run() {
    let Reached { client, serving, shelf } = reach();
    let call = client.put(waits(9)).start();
    GATES[9].until_reached().await;
    serving.close();
    let error = call.await.unwrap_err();
    assert!(error.did_not_run(), "{error:?}");
    GATES[9].open();
    until(|| GATES[9].passed.load(SeqCst) == 1).await;
    assert!(!matches!(serving.closed().await, CloseReason::Protocol(_)));
    assert_eq!(shelf.begun(), [0; 0]);
}

#[tokio::test]
async fn a_call_that_ends_while_it_is_decoded_never_begins() {
    let Reached { client, serving: _serving, shelf } = reach();
    let calls: [fn(&ListsClient) -> mux::Call<usize>; 2] =
        [|client| client.put(waits(10)), |client| client.put_detached(waits(11))];
    for (call, gate) in calls.into_iter().zip(10..) {
        let error = call(&client).timeout(Duration::from_millis(300)).await.unwrap_err();
        assert!(matches!(error, Error::Call(CallError::TimedOut { .. })), "{error:?}");
        GATES[gate].until_reached().await;
        client.ping().await.unwrap();
        GATES[gate].open();
        until(|| GATES[gate].passed.load(SeqCst) == 1).await;
        client.put(says("", LONG)).await.unwrap();
    }
    assert_eq!(shelf.begun(), [LONG, LONG]);
}

fn decoders() -> usize {
    thread::available_parallelism().map_or(2, |processors| processors.get().max(2))
}

#[test]
fn decodings_of_many_connections_are_bounded_for_the_process_and_leave_the_queue_when_unwanted() {
    if !is_by_itself(
        "decoding::decodings_of_many_connections_are_bounded_for_the_process_and_leave_the_queue_when_unwanted",
    ) {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let reached: Vec<_> = (0..4 * decoders()).map(|_| reach()).collect();
        let calls: Vec<_> = reached.iter().map(|reached| reached.client.put(waits(0)).start()).collect();
        let others: Vec<_> = reached.iter().map(|reached| reached.client.put(waits(1)).start()).collect();
        until(|| GATES[0].waiting.load(SeqCst) == decoders()).await;
        for reached in &reached {
            reached.client.ping().await.unwrap();
        }
        #[cfg(target_os = "linux")]
        assert_eq!(crate::workers::threads("mux-decoder"), decoders());
        drop(others);
        for reached in &reached {
            reached.client.ping().await.unwrap();
        }
        GATES[0].open();
        for call in calls {
            assert_eq!(call.await.unwrap(), LONG);
        }
        assert_eq!(GATES[0].most.load(SeqCst), decoders());
        assert_eq!(GATES[1].come.load(SeqCst), 0);
    });
}

#[test]
fn what_leaves_the_queue_before_it_is_decoded_closes_the_channels_that_it_carries() {
    if !is_by_itself(
        "decoding::what_leaves_the_queue_before_it_is_decoded_closes_the_channels_that_it_carries",
    ) {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (busy, reached) = (reach(), reach());
        let held: Vec<_> = (0..decoders()).map(|_| busy.client.put(waits(0)).start()).collect();
        until(|| GATES[0].waiting.load(SeqCst) == decoders()).await;
        let mut calls: Vec<_> = (0..10).map(|_| reached.client.give().start()).collect();
        let mut gifts = reached.client.gifts().await.unwrap();
        until(|| GIVERS.load(SeqCst) == 12).await;
        for _ in 0..10 {
            // The answers are here, and are asked for.
            reached.client.ping().await.unwrap();
            for call in &mut calls {
                assert!(ready_at_once(call).await.is_none());
            }
            assert!(ready_at_once(&mut std::pin::pin!(gifts.recv())).await.is_none());
        }
        drop((calls, gifts));
        until(|| GIVERS.load(SeqCst) == 0).await;
        GATES[0].open();
        for call in held {
            assert_eq!(call.await.unwrap(), LONG);
        }
    });
}

/// Runs the test again in a process of its own, on a runtime of one thread.
fn by_itself(test: &str, run: impl AsyncFnOnce()) {
    if is_by_itself(&format!("decoding::{test}")) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run());
    }
}

/// Keeps every decoder busy until the gate is opened.
async fn occupy(busy: &Reached, gate: usize) -> Vec<mux::Call<usize>> {
    let calls = (0..decoders()).map(|_| busy.client.put(waits(gate)).start()).collect();
    until(|| GATES[gate].waiting.load(SeqCst) == decoders()).await;
    calls
}

async fn settle(client: &ListsClient) {
    for _ in 0..5 {
        client.ping().await.unwrap();
    }
}

#[test]
fn what_one_connection_has_decoded_holds_up_another_by_one_message() {
    by_itself("what_one_connection_has_decoded_holds_up_another_by_one_message", async || {
        let (flood, other) = (reach(), reach());
        let mut calls = occupy(&flood, 0).await;
        calls.extend((0..3 * decoders()).map(|_| flood.client.put(waits(1)).start()));
        settle(&flood.client).await;
        let call = other.client.put(says("", LONG)).start();
        settle(&other.client).await;
        GATES[0].open();
        assert_eq!(call.await.unwrap(), LONG);
        assert!(GATES[1].come.load(SeqCst) <= decoders());
        GATES[1].open();
        for call in calls {
            assert_eq!(call.await.unwrap(), LONG);
        }
    });
}

#[test]
fn what_a_closed_connection_asked_for_leaves_the_queue() {
    by_itself("what_a_closed_connection_asked_for_leaves_the_queue", async || {
        let (busy, closed) = (reach(), reach());
        let held = occupy(&busy, 0).await;
        let calls: [fn(&ListsClient) -> mux::Call<usize>; 3] = [
            |client| client.put(waits(1)),
            |client| client.put_inline(waits(1)),
            |client| client.put_detached(waits(1)),
        ];
        let calls = calls.map(|call| call(&closed.client).start());
        settle(&closed.client).await;
        closed.serving.close();
        for call in calls {
            assert!(call.await.unwrap_err().did_not_run());
        }
        settle(&busy.client).await;
        GATES[0].open();
        for call in held {
            assert_eq!(call.await.unwrap(), LONG);
        }
        assert_eq!(busy.client.put(says("", LONG)).await.unwrap(), LONG);
        assert_eq!(GATES[1].come.load(SeqCst), 0);
    });
}

#[test]
fn notifies_of_all_closed_connections_together_have_the_turn_of_one() {
    by_itself("notifies_of_all_closed_connections_together_have_the_turn_of_one", async || {
        let (busy, other) = (reach(), reach());
        let held = occupy(&busy, 0).await;
        let mut shelves = Vec::new();
        for _ in 0..3 * decoders() {
            let closed = reach();
            closed.client.note(waits(1)).await.unwrap();
            settle(&closed.client).await;
            closed.serving.close();
            closed.serving.closed().await;
            shelves.push(closed.shelf);
        }
        let call = other.client.put(says("", LONG)).start();
        settle(&other.client).await;
        GATES[0].open();
        assert_eq!(call.await.unwrap(), LONG);
        GATES[1].open();
        for call in held {
            assert_eq!(call.await.unwrap(), LONG);
        }
        until(|| shelves.iter().all(|shelf| shelf.begun() == [LONG])).await;
    });
}

/// What a future is ready with at once.
async fn ready_at_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    tokio::time::timeout(Duration::ZERO, tokio::task::unconstrained(future)).await.ok()
}

#[tokio::test]
async fn behind_a_long_item_that_panics_the_next_ones_come() {
    let reached = reach();
    let mut lists = reached.client.pour_badly().await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(next_or_panic(&mut lists).await);
    }
    assert_eq!(seen, [Some(Some(1)), None, Some(Some(2)), Some(Some(LONG)), Some(None)]);
}

/// The length of the next list, or the end; nothing where its decoding panics.
async fn next_or_panic(lists: &mut Receiver<List>) -> Option<Option<usize>> {
    let next = std::future::poll_fn(|cx| {
        let poll = std::panic::AssertUnwindSafe(|| std::pin::pin!(lists.recv()).poll(cx));
        match std::panic::catch_unwind(poll) {
            Ok(poll) => poll.map(Some),
            Err(_) => std::task::Poll::Ready(None),
        }
    });
    let next = tokio::time::timeout(PATIENCE, next).await.expect("in time");
    next.map(|next| next.unwrap().map(|list| list.len))
}
