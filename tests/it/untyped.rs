//! Calls by name, services that answer any method, and proxies that know no type.

use crate::demo::until;
use crate::script::*;
use mux::{
    Bytes, CallError, ChannelError, Connection, Context, Demux, Encoded, Error, Limits, Mux, Receiver,
    Refusal, Request, Sender, Stream,
};
use serde::{Deserialize, Serialize};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{self, Poll};
use std::time::Duration;
use tokio::time::timeout;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Shortage {
    left: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    name: String,
    units: u32,
    note: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Job {
    name: String,
    progress: Sender<u32>,
    rows: Receiver<u64, Shortage>,
}

#[mux::service]
trait Depot {
    async fn stock(&self, name: &str, add: u32) -> u32;
    async fn take(&self, units: u32) -> Result<u32, Shortage>;
    async fn fails(&self) -> mux::Result<u32>;
    async fn echo(&self, blob: Bytes) -> Bytes;
    async fn order(&self, order: Order) -> Order;
    async fn who(&self, #[mux(context)] cx: &Context) -> (String, Option<String>, bool);
    async fn hangs(&self);
    async fn count(&self, to: u64) -> impl Stream<Item = u64>;
    async fn until(&self, at: u64) -> impl Stream<Item = Result<u64, Shortage>>;
    async fn run(&self, job: Job) -> u64;
    async fn sums(&self, outer: Receiver<Receiver<u64>>) -> Vec<u64>;
    #[mux(notify)]
    async fn note(&self, line: String);
}

#[mux::service(name = "dense", encoding = "compact")]
trait Dense {
    async fn order(&self, order: Order) -> Order;
    async fn orders(&self, count: u32) -> impl Stream<Item = Order>;
}

#[derive(Clone, Default)]
struct Shed(Arc<Facts>);

#[derive(Default)]
struct Facts {
    hanging: AtomicU64,
    yielded: AtomicU64,
    notes: Mutex<Vec<String>>,
}

struct Hanging<'f>(&'f AtomicU64);

impl Drop for Hanging<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// Numbers from 0, each of which is counted as it is yielded.
struct Numbers {
    next: u64,
    to: u64,
    facts: Arc<Facts>,
}

impl Stream for Numbers {
    type Item = u64;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<Option<u64>> {
        if self.next == self.to {
            return Poll::Ready(None);
        }
        self.next += 1;
        self.facts.yielded.fetch_add(1, SeqCst);
        Poll::Ready(Some(self.next - 1))
    }
}

/// A stream of what is there.
struct All<T>(std::vec::IntoIter<T>);

impl<T: Unpin> Stream for All<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<Option<T>> {
        Poll::Ready(self.0.next())
    }
}

impl Depot for Shed {
    async fn stock(&self, name: &str, add: u32) -> u32 {
        name.len() as u32 + add
    }
    async fn take(&self, units: u32) -> Result<u32, Shortage> {
        if units > 3 { Err(Shortage { left: 3 }) } else { Ok(3 - units) }
    }
    async fn fails(&self) -> mux::Result<u32> {
        Err(mux::Failure::msg("no key"))
    }
    async fn echo(&self, blob: Bytes) -> Bytes {
        blob
    }
    async fn order(&self, order: Order) -> Order {
        order
    }
    async fn who(&self, cx: &Context) -> (String, Option<String>, bool) {
        (cx.method().to_owned(), cx.meta("tenant"), cx.time_left().is_some())
    }
    async fn hangs(&self) {
        self.0.hanging.fetch_add(1, SeqCst);
        let _hanging = Hanging(&self.0.hanging);
        std::future::pending().await
    }
    async fn count(&self, to: u64) -> impl Stream<Item = u64> {
        Numbers { next: 0, to, facts: Arc::clone(&self.0) }
    }
    async fn until(&self, at: u64) -> impl Stream<Item = Result<u64, Shortage>> {
        let items: Vec<_> = (0..at).map(Ok).chain([Err(Shortage { left: 9 })]).collect();
        All(items.into_iter())
    }
    async fn run(&self, mut job: Job) -> u64 {
        let mut sum = 0;
        loop {
            match job.rows.recv().await {
                Ok(Some(row)) => sum += row,
                Ok(None) => break,
                Err(ChannelError::App(shortage)) => return u64::from(shortage.left) + 1_000_000,
                Err(_) => return 0,
            }
            let _ = job.progress.send(sum as u32).await;
        }
        job.progress.finish();
        sum + job.name.len() as u64
    }
    async fn sums(&self, mut outer: Receiver<Receiver<u64>>) -> Vec<u64> {
        let mut sums = Vec::new();
        while let Ok(Some(mut inner)) = outer.recv().await {
            let mut sum = 0;
            while let Ok(Some(n)) = inner.recv().await {
                sum += n;
            }
            sums.push(sum);
        }
        sums
    }
    async fn note(&self, line: String) {
        self.0.notes.lock().unwrap().push(line);
    }
}

impl Dense for Shed {
    async fn order(&self, order: Order) -> Order {
        order
    }
    async fn orders(&self, count: u32) -> impl Stream<Item = Order> {
        let order = |units| Order { name: "pear".into(), units, note: None };
        All((0..count).map(order).collect::<Vec<_>>().into_iter())
    }
}

struct Proxy(Mux);

impl Demux for Proxy {
    async fn process_transaction(&self, request: Request) -> Result<Encoded, Error<Encoded>> {
        request.forward(&self.0).await
    }
}

/// A connection to a depot, and its ends.
fn depot(shed: &Shed) -> (Connection, Connection) {
    let (here, there) = mux::pair();
    let builder = Connection::builder();
    let far = builder
        .service(DepotServer::new(shed.clone()))
        .service(DenseServer::new(shed.clone()))
        .reveal_traces(true)
        .accept(there);
    (Connection::builder().open(here), far)
}

/// A connection to a proxy in front of a depot, and the two behind it.
fn behind_a_proxy(shed: &Shed) -> (Connection, [Connection; 3]) {
    let (upstream, backend) = depot(shed);
    let (here, there) = mux::pair();
    let proxy = Connection::builder().demux(Proxy(upstream.mux())).accept(there);
    (Connection::builder().open(here), [proxy, upstream, backend])
}

fn order() -> Order {
    Order { name: "apple".into(), units: 3, note: Some("ripe".into()) }
}

#[tokio::test]
async fn a_method_is_called_by_its_name() {
    let (connection, _far) = depot(&Shed::default());
    let mux: Mux = connection.client();
    assert_eq!(mux.transaction::<u32>("depot.stock", ("apple", 2)).await.unwrap(), 7);
    let any: Encoded = mux.transaction("depot.order", (order(),)).await.unwrap();
    assert_eq!(any.to_string(), r#"{"name": "apple", "units": 3, "note": "ripe"}"#);
    assert_eq!(any.decode::<Order>().unwrap(), order());
    let blob: Bytes = mux.transaction("depot.echo", (Bytes::from_static(b"abc"),)).await.unwrap();
    assert_eq!(blob, &b"abc"[..]);
    mux.notify("depot.note", ("hello",)).await.unwrap();
    mux.transaction::<u32>("depot.stock", vec![1; 3]).await.unwrap_err();

    let Err(Error::App(shortage)) = mux.transaction::<u32>("depot.take", (9,)).await else {
        panic!("it is short")
    };
    assert_eq!(shortage.to_string(), r#"{"left": 3}"#);
    assert_eq!(shortage.decode::<Shortage>().unwrap(), Shortage { left: 3 });
    let Err(Error::Remote(failed)) = mux.transaction::<u32>("depot.fails", ()).await else {
        panic!("it fails")
    };
    assert_eq!(failed.message(), "no key");
    let Err(Error::Call(CallError::ReplyUndecodable(why))) =
        mux.transaction::<u32>("depot.order", (order(),)).await
    else {
        panic!("it is no number")
    };
    assert_eq!(why, "found a map, expected u32 (in the reply of `depot.order`)");
}

#[tokio::test]
async fn an_untyped_call_that_is_refused_says_why_and_has_not_run() {
    let (connection, _far) = depot(&Shed::default());
    let mux = connection.mux();
    for (call, reason, why) in [
        (
            mux.transaction::<u32>("depot.nothing", ()),
            Refusal::UnknownMethod,
            "unknown method `depot.nothing`",
        ),
        (
            mux.transaction("depot.stock", ("apple",)),
            Refusal::InvalidArgs,
            "argument `add` of `depot.stock` is missing",
        ),
        (
            mux.transaction("depot.stock", "apple"),
            Refusal::InvalidArgs,
            "the arguments are no array; write a tuple",
        ),
        (
            mux.transaction("depot.stock", order()),
            Refusal::InvalidArgs,
            "the arguments are no array; write a tuple",
        ),
    ] {
        let error = call.await.unwrap_err();
        assert!(error.did_not_run());
        let Error::Call(CallError::Refused(refused)) = error else { panic!("{error:?}") };
        assert_eq!(refused.reason(), reason);
        assert!(refused.message().contains(why), "{}", refused.message());
    }
}

#[tokio::test]
async fn streams_and_channels_of_untyped_calls_have_the_types_that_are_asked_for() {
    let (connection, _far) = depot(&Shed::default());
    let mux = connection.mux();
    let mut numbers: Receiver<u64> = mux.transaction("depot.count", (3,)).await.unwrap();
    assert_eq!(numbers.recv().await, Ok(Some(0)));
    let mut any: Receiver<Encoded, Encoded> = mux.transaction("depot.until", (2,)).await.unwrap();
    let mut seen = Vec::new();
    let end = loop {
        match any.recv().await {
            Ok(Some(item)) => seen.push(item.to_string()),
            Ok(None) => panic!("it fails"),
            Err(end) => break end,
        }
    };
    let ChannelError::App(shortage) = end else { panic!("{end:?}") };
    assert_eq!((seen, shortage.to_string()), (vec!["0".into(), "1".into()], r#"{"left": 9}"#.to_string()));

    let answer: Encoded = mux.transaction("depot.count", (2,)).await.unwrap();
    assert_eq!((answer.channels(), answer.to_string()), (1, "0".to_owned()));
    let mut numbers: Receiver<u64> = answer.decode().unwrap();
    let (progress, mut told) = mux::channel();
    let (mut rows, taken) = mux::channel_with_error();
    let job = Job { name: "job".into(), progress, rows: taken };
    let call = mux.transaction::<u64>("depot.run", (job,)).start();
    for n in [4, 5] {
        rows.send(n).await.unwrap();
    }
    rows.finish();
    assert_eq!(call.await.unwrap(), 12);
    assert_eq!(
        [told.recv().await, told.recv().await, told.recv().await],
        [Ok(Some(4)), Ok(Some(9)), Ok(None)]
    );
    assert_eq!([numbers.recv().await, numbers.recv().await], [Ok(Some(0)), Ok(Some(1))]);
}

#[tokio::test]
async fn compact_methods_take_and_give_what_is_encoded_so() {
    let (connection, _far) = depot(&Shed::default());
    let mux = connection.mux();
    let args = Encoded::with_encoding(&(order(),), mux::Encoding::Compact).unwrap();
    let answer: Encoded = mux.transaction("dense.order", args).await.unwrap();
    assert_eq!(answer.decode_with::<Order>(mux::Encoding::Compact).unwrap(), order());
}

/// Answers what it is asked, in words.
struct Oracle(Mutex<Vec<String>>);

impl Demux for Oracle {
    async fn process_transaction(&self, request: Request) -> Result<Encoded, Error<Encoded>> {
        self.0.lock().unwrap().push(format!(
            "{} {} {}",
            request.method(),
            request.args(),
            request.is_notify()
        ));
        match request.method() {
            "oracle.add" => {
                let (a, b): (u32, u32) = request.decode_args()?;
                Ok(Encoded::new(&(a + b)).unwrap())
            }
            "oracle.take" => Err(Error::App(Encoded::new(&Shortage { left: 1 }).unwrap())),
            "oracle.panics" => panic!("not today"),
            other => Err(mux::Refused::unknown_method(other).into()),
        }
    }
}

#[mux::service(name = "oracle")]
trait Ask {
    async fn add(&self, a: u32, b: u32) -> u32;
    async fn take(&self) -> Result<u32, Shortage>;
    async fn panics(&self) -> u32;
    async fn other(&self, text: &str) -> u32;
    #[mux(notify)]
    async fn tell(&self, text: &str);
}

#[tokio::test]
async fn a_demux_answers_any_method() {
    let (here, there) = mux::pair();
    let oracle = Arc::new(Oracle(Mutex::default()));
    struct Shared(Arc<Oracle>);
    impl Demux for Shared {
        async fn process_transaction(&self, request: Request) -> Result<Encoded, Error<Encoded>> {
            self.0.process_transaction(request).await
        }
    }
    let depot = DepotServer::new(Shed::default());
    let _far = Connection::builder().service(depot).demux(Shared(Arc::clone(&oracle))).accept(there);
    let connection = Connection::builder().open(here);
    let client: AskClient = connection.client();
    assert_eq!(client.add(3, 4).await.unwrap(), 7);
    assert_eq!(client.take().await.unwrap_err(), Error::App(Shortage { left: 1 }));
    let Err(Error::Remote(panicked)) = client.panics().await else { panic!("it panics") };
    assert!(panicked.is_panic());
    let error = client.other("x\u{7}").await.unwrap_err();
    assert!(error.did_not_run());
    assert_eq!(error.to_string(), "refused: unknown method `oracle.other`");
    client.tell("all is well").await.unwrap();
    // Of the service beside it no method comes to it, also not one of another kind.
    assert_eq!(connection.client::<DepotClient>().stock("x", 1).await.unwrap(), 2);
    assert!(connection.mux().notify("depot.stock", ("x", 1)).await.is_ok());
    let bad = connection.mux().transaction::<u32>("oracle.add", ("x", 1)).await.unwrap_err();
    assert!(bad.did_not_run() && bad.to_string().contains("the arguments of `oracle.add`: "), "{bad}");
    until(|| oracle.0.lock().unwrap().len() == 6).await;
    let asked = oracle.0.lock().unwrap().clone();
    assert_eq!(asked[0], "oracle.add [3, 4] false");
    assert_eq!(asked[3], r#"oracle.other ["x\u{7}"] false"#);
    assert_eq!(asked[4], r#"oracle.tell ["all is well"] true"#);
}

#[tokio::test]
async fn what_a_proxy_passes_on_is_what_was_sent() {
    let shed = Shed::default();
    let (connection, _behind) = behind_a_proxy(&shed);
    let client: DepotClient = connection.client();
    assert_eq!(client.stock("apple", 2).await.unwrap(), 7);
    assert_eq!(client.order(order()).await.unwrap(), order());
    assert_eq!(connection.client::<DenseClient>().order(order()).await.unwrap(), order());
    for len in [0, 100, 20 << 10, 3 << 20] {
        let blob = Bytes::from(vec![7; len]);
        assert_eq!(client.echo(blob.clone()).await.unwrap(), blob);
    }
    let seen = client.who().meta("tenant", "eu").timeout(Duration::from_secs(60)).await.unwrap();
    assert_eq!(seen, ("depot.who".to_owned(), Some("eu".to_owned()), true));
    assert!(!client.who().await.unwrap().2);
    for n in 0..100 {
        client.note(n.to_string()).await.unwrap();
    }
    until(|| shed.0.notes.lock().unwrap().len() == 100).await;
}

#[tokio::test]
async fn errors_pass_a_proxy_as_what_they_are() {
    let (connection, [_proxy, upstream, _backend]) = behind_a_proxy(&Shed::default());
    let client: DepotClient = connection.client();
    assert_eq!(client.take(9).await.unwrap_err(), Error::App(Shortage { left: 3 }));
    let Err(Error::Remote(failed)) = client.fails().await else { panic!("it fails") };
    assert!(failed.message() == "no key" && failed.location().is_some());
    let unknown = connection.mux().transaction::<u32>("depot.nothing", ()).await.unwrap_err();
    assert!(
        unknown.did_not_run() && unknown.to_string().contains("unknown method `depot.nothing`"),
        "{unknown}"
    );
    upstream.close();
    let closed = client.stock("apple", 2).await.unwrap_err();
    assert!(closed.did_not_run(), "{closed}");
}

#[mux::service(name = "depot")]
trait Swapped {
    async fn stock(&self, add: u32, name: &str) -> u32;
}

#[tokio::test]
async fn a_proxy_tells_the_names_of_arguments_that_it_was_told() {
    let (connection, _behind) = behind_a_proxy(&Shed::default());
    let error = connection.client::<SwappedClient>().stock(1, "apple").await.unwrap_err();
    assert!(error.to_string().contains("takes (name, add), the call has (add, name)"), "{error}");
}

#[tokio::test]
async fn a_proxy_tells_the_time_that_is_left_and_the_channels_once() {
    let ((near, far), (here, there)) = (mux::pair(), mux::pair());
    let upstream = Connection::builder().open(near);
    let mut backend = Script::new(far, ACCEPTING);
    backend.send_hello().await;
    backend.expect_hello().await;
    let _proxy = Connection::builder().demux(Proxy(upstream.mux())).accept(there);
    let connection = Connection::builder().open(here);
    let (progress, _told) = mux::channel();
    let (_rows, taken) = mux::channel_with_error();
    let job = Job { name: "job".into(), progress, rows: taken };
    let _call = connection.client::<DepotClient>().run(job).timeout(Duration::from_secs(60)).start();
    // No key comes twice, or reading it fails.
    let Some(Seen::Request { carried, .. }) = backend.heard().await else { panic!("a request was due") };
    assert_eq!(carried.len(), 2);
}

#[tokio::test]
async fn cancel_and_deadline_reach_what_is_behind_a_proxy() {
    let shed = Shed::default();
    let (connection, _behind) = behind_a_proxy(&shed);
    let client: DepotClient = connection.client();
    let call = client.hangs().start();
    until(|| shed.0.hanging.load(SeqCst) == 1).await;
    drop(call);
    until(|| shed.0.hanging.load(SeqCst) == 0).await;
    let late = client.hangs().timeout(Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(late, Error::Call(CallError::TimedOut { sent: true }));
    until(|| shed.0.hanging.load(SeqCst) == 0).await;
}

#[tokio::test]
async fn channels_pass_a_proxy_both_ways_with_their_ends() {
    let shed = Shed::default();
    let (connection, _behind) = behind_a_proxy(&shed);
    let client: DepotClient = connection.client();
    let mut numbers = client.count(10_000).await.unwrap();
    let mut next = 0;
    while let Some(n) = numbers.recv().await.unwrap() {
        assert_eq!(n, next);
        next += 1;
    }
    assert_eq!(next, 10_000);
    let mut until = client.until(2).await.unwrap();
    assert_eq!([until.recv().await, until.recv().await], [Ok(Some(0)), Ok(Some(1))]);
    assert_eq!(until.recv().await, Err(ChannelError::App(Shortage { left: 9 })));

    let (progress, mut told) = mux::channel();
    let (mut rows, taken) = mux::channel_with_error();
    let call = client.run(Job { name: "job".into(), progress, rows: taken }).start();
    rows.send(4).await.unwrap();
    assert_eq!(told.recv().await, Ok(Some(4)));
    rows.fail(Shortage { left: 5 });
    assert_eq!(call.await.unwrap(), 1_000_005);
    assert!(told.recv().await.is_err());

    let (mut outer, inners) = mux::channel();
    let call = client.sums(inners).start();
    for count in 1..4_u64 {
        let (mut inner, taken) = mux::channel();
        outer.send(taken).await.unwrap();
        for n in 0..count {
            inner.send(n + 1).await.unwrap();
        }
        inner.finish();
    }
    outer.finish();
    assert_eq!(call.await.unwrap(), [1, 3, 6]);

    let dense: DenseClient = connection.client();
    let mut orders = dense.orders(2).await.unwrap();
    assert_eq!(orders.recv().await.unwrap().unwrap().units, 0);
}

#[tokio::test]
async fn a_slow_receiver_holds_back_the_sender_behind_a_proxy() {
    let shed = Shed::default();
    let (connection, _behind) = behind_a_proxy(&shed);
    let mut numbers = connection.client::<DepotClient>().count(u64::MAX).await.unwrap();
    assert_eq!(numbers.recv().await, Ok(Some(0)));
    // What four connection ends hold is some megabytes.
    let mut held = 0;
    while held != shed.0.yielded.load(SeqCst) {
        held = shed.0.yielded.load(SeqCst);
        assert!(held < 2_000_000, "{held} items under way");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    drop(numbers);
    // The source is dropped with its receiver, two connections away.
    until(|| Arc::strong_count(&shed.0) <= 3).await;
}

#[tokio::test]
async fn an_encoded_value_is_sent_once_and_by_mux_only() {
    let (connection, _far) = depot(&Shed::default());
    let mux = connection.mux();
    let answer: Encoded = mux.transaction("depot.count", (2,)).await.unwrap();
    let json = serde_json::to_string(&answer).unwrap_err();
    assert_eq!(json.to_string(), "an encoded value with channels leaves in a message of mux only");
    let json = serde_json::to_string(&Encoded::default()).unwrap_err();
    assert_eq!(json.to_string(), "an encoded value goes straight into a message of mux only");
    assert!(serde_json::from_str::<Encoded>("3").is_err());
    let first = mux.transaction::<u32>("depot.stock", (&answer, &answer)).await.unwrap_err();
    assert!(first.to_string().contains("its channels were sent on before"), "{first}");
    assert!(first.did_not_run());
    let again = answer.decode::<Receiver<u64>>().unwrap_err();
    assert_eq!(again.to_string(), "its channels were sent on");

    #[derive(Debug, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Any(Encoded),
    }
    let plain = Encoded::new(&3).unwrap();
    let args = Encoded::new(&(Either::Any(plain),)).unwrap();
    assert_eq!(args.to_string(), "[3]");
    let error = args.decode::<(Either,)>().unwrap_err();
    assert!(error.to_string().contains("Either"), "{error}");
    let within =
        Encoded::new(&(Some(Encoded::new("x").unwrap()), None::<Encoded>, vec![Encoded::new(&1.5).unwrap()]));
    let (some, none, list): (Option<Encoded>, Option<Encoded>, Vec<Encoded>) =
        within.unwrap().decode().unwrap();
    assert_eq!(
        (some.unwrap().to_string(), none.is_none(), list[0].to_string()),
        ("\"x\"".into(), true, "1.5".into())
    );
}

#[test]
fn bytes_that_are_no_value_are_refused() {
    assert_eq!(Encoded::from_bytes(vec![0x93, 1, 2, 3]).unwrap().decode::<Vec<u8>>().unwrap(), [1, 2, 3]);
    for bytes in [&[][..], &[1, 2], &[0x92, 1], &[0xc1]] {
        let error = Encoded::from_bytes(bytes.to_vec()).unwrap_err();
        assert_eq!(error.to_string(), format!("{} bytes are not one value of MessagePack", bytes.len()));
    }
    let deep = [&[0x91; 200][..], &[0xc0]].concat();
    assert_eq!(Encoded::from_bytes(deep).unwrap_err().to_string(), "it nests deeper than 128 levels");
    assert_eq!(Encoded::default().decode::<()>(), Ok(()));
}

/// Requests of a peer that keeps to the envelope, and to nothing else.
#[tokio::test]
async fn a_proxy_takes_whatever_a_peer_asks() {
    let (upstream, _backend) = depot(&Shed::default());
    let (near, far) = mux::pair();
    let limits = Limits { max_channels: 4, ..Limits::default() };
    let end = Connection::builder().limits(limits).demux(Proxy(upstream.mux())).accept(far);
    let mut peer = Script::new(near, CONNECTING);
    peer.send_hello().await;
    peer.expect_hello().await;
    // No array, too deep, a half that is not there, a name of nothing, and of control characters.
    let deep = (0..2000).fold(Pack::new(), |pack, _| pack.array(1)).uint(1);
    for (at, (method, args)) in [
        ("depot.stock", Pack::new().uint(7)),
        ("depot.stock", deep),
        ("depot.run", Pack::new().array(1).uint(0)),
        ("", Pack::new().array(0)),
        ("\u{1b}[31m", Pack::new().array(0)),
    ]
    .into_iter()
    .enumerate()
    {
        let xid = 2 * at as u64 + 1;
        peer.send_frame(&request(xid, method, &args)).await;
        let seen = timeout(Duration::from_secs(10), peer.heard()).await.expect("an answer");
        let Some(Seen::Fault { xid: of, code, .. }) = seen else { panic!("{seen:?}") };
        assert!(of == xid && code < 32, "{method:?}: {code}");
    }
    assert!(!end.is_closed() && !upstream.is_closed());
}
