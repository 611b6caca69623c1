//! Streaming methods in every form, called over a connection and in the same process.

#![deny(warnings, missing_docs, unused_qualifications)]

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::task::{self, Poll};
use std::time::Duration;

use mux::{ChannelError, Connection, Context, Error, Never, Receiver, Sender, Stream};
use serde::{Deserialize, Serialize};
use tokio_stream::iter;

/// Always the next item, or never one; it counts how often it was dropped.
struct Endless<'a>(&'a AtomicU32, bool);

impl Stream for Endless<'_> {
    type Item = u32;

    fn poll_next(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<Option<u32>> {
        if self.1 { Poll::Ready(Some(1)) } else { Poll::Pending }
    }
}

impl Drop for Endless<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// What it says.
    pub text: String,
}

/// The rest cannot be read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rotten(u32);

/// There is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Missing;

/// Lines of files.
#[mux::service(debug)]
pub trait Files {
    /// Borrows from the service and from its argument.
    async fn watch(&self, prefix: String) -> impl Stream<Item = Line>;
    /// Takes what is lent.
    async fn find(&self, #[mux(default)] word: &str, among: &[Line], #[mux(context)] cx: &Context) -> impl Stream<Item = Line>;
    /// Fails before there is a stream.
    async fn open(&self, name: &str) -> Result<impl Stream<Item = Line>, Missing>;
    /// Fails before there is a stream, and then without a type.
    async fn import(&self, name: &str) -> mux::Result<impl Stream<Item = Line>>;
    /// Fails in the stream.
    async fn tail(&self) -> impl Stream<Item = Result<Line, Rotten>>;
    /// Fails in the stream, without a type.
    async fn log(&self) -> impl Stream<Item = mux::Result<Line>>;
    /// Fails before the stream and in it.
    async fn read(&self, name: &str) -> Result<impl Stream<Item = Result<Line, Rotten>>, Missing>;
    /// Fails before the stream and in it, without types.
    async fn copy(&self, name: &str) -> mux::Result<impl Stream<Item = mux::Result<Line>>>;
    /// Runs on a worker thread.
    fn scan(&self, from: u64) -> impl Stream<Item = u64>;
    /// Runs on a worker thread, where it may fail.
    fn scan_file(&self, name: &str, #[mux(context)] cx: &Context) -> Result<impl Stream<Item = u64>, Missing>;
    /// Is made where the request is read.
    #[mux(inline, idempotent)]
    fn numbers(&self) -> impl Stream<Item = u32>;
    /// Goes on when its caller gives up.
    #[mux(detached, name = "bits")]
    async fn bytes(&self) -> impl Stream<Item = Vec<u8>>;
    /// With more bounds.
    async fn bound(&self) -> impl Unpin + Stream<Item = u8> + Send + use<'_, Self>;
    /// Never ends by itself.
    async fn endless(&self, yields: bool) -> impl Stream<Item = u32>;
    /// Never ends by itself, on a thread.
    fn endless_on_worker(&self, yields: bool) -> impl Stream<Item = u32>;
    /// How many endless ones have ended.
    async fn dropped(&self) -> u32;
    /// Breaks after two items.
    async fn breaks(&self) -> impl Stream<Item = u32>;
    /// Breaks before the first.
    fn breaks_early(&self) -> impl Stream<Item = u32>;
    /// A channel's half comes in.
    async fn load(&self, lines: Receiver<Line>) -> u64;
    /// A channel's half comes in, to be sent on.
    async fn progress(&self, to: Sender<u32>, #[mux(default)] more: Option<Sender<u32>>);
    /// Both.
    async fn echo(&self, numbers: Receiver<u32, Rotten>) -> impl Stream<Item = Result<u32, Rotten>>;
    /// A channel's half goes out.
    async fn half(&self) -> (u8, Receiver<u32>);
    /// Provided.
    async fn provided(&self, mut name: String) -> Result<impl Stream<Item = Line>, Missing> {
        name.push('!');
        let lines = self.watch(name).await;
        let _ = self.open("all").await?;
        Ok(lines)
    }
    /// Provided, and on a thread.
    fn twice(&self, n: u32) -> impl Stream<Item = u32> {
        iter([n, n].into_iter())
    }
}

struct Disk {
    lines: Vec<Line>,
    dropped: AtomicU32,
}

fn line(text: &str) -> Line {
    Line { text: text.to_owned() }
}

impl Disk {
    fn new() -> Self {
        Self { lines: vec![line("apple"), line("apricot"), line("banana")], dropped: AtomicU32::new(0) }
    }

    fn exists(name: &str) -> Result<(), Missing> {
        if name == "none" { Err(Missing) } else { Ok(()) }
    }

    fn failing(&self) -> impl Iterator<Item = Result<Line, Rotten>> {
        let lines = self.lines[..2].iter().cloned().map(Ok);
        lines.chain([Err(Rotten(3)), Ok(line("never sent"))])
    }
}

impl Files for Disk {
    async fn watch(&self, prefix: String) -> impl Stream<Item = Line> {
        iter(self.lines.iter().filter(move |line| line.text.starts_with(&prefix)).cloned())
    }
    async fn find(&self, word: &str, among: &[Line], _: &Context) -> impl Stream<Item = Line> {
        iter(among.iter().filter(move |line| line.text == word).cloned())
    }
    async fn open(&self, name: &str) -> Result<impl Stream<Item = Line>, Missing> {
        Self::exists(name)?;
        Ok(iter(self.lines.iter().cloned()))
    }
    async fn import(&self, name: &str) -> mux::Result<impl Stream<Item = Line>> {
        let bytes = std::fs::read(name)?;
        Ok(iter(std::iter::once(line(std::str::from_utf8(&bytes)?))))
    }
    async fn tail(&self) -> impl Stream<Item = Result<Line, Rotten>> {
        iter(self.failing())
    }
    async fn log(&self) -> impl Stream<Item = mux::Result<Line>> {
        iter(self.failing().map(|item| item.map_err(|rotten| std::io::Error::other(format!("{rotten:?}")).into())))
    }
    async fn read(&self, name: &str) -> Result<impl Stream<Item = Result<Line, Rotten>>, Missing> {
        Self::exists(name)?;
        Ok(iter(self.failing()))
    }
    async fn copy(&self, name: &str) -> mux::Result<impl Stream<Item = mux::Result<Line>>> {
        std::fs::metadata(name)?;
        Ok(self.log().await)
    }
    fn scan(&self, from: u64) -> impl Stream<Item = u64> {
        iter((from..).take(1000).inspect(|_| assert_eq!(std::thread::current().name(), Some("mux-worker"))))
    }
    fn scan_file(&self, name: &str, _: &Context) -> Result<impl Stream<Item = u64>, Missing> {
        Self::exists(name)?;
        Ok(iter(name.bytes().map(u64::from)))
    }
    fn numbers(&self) -> impl Stream<Item = u32> {
        iter(0..3)
    }
    async fn bytes(&self) -> impl Stream<Item = Vec<u8>> {
        iter([vec![1, 2], vec![], vec![3]].into_iter())
    }
    async fn bound(&self) -> impl Unpin + Stream<Item = u8> + Send {
        iter(self.lines[0].text.bytes())
    }
    async fn endless(&self, yields: bool) -> impl Stream<Item = u32> {
        Endless(&self.dropped, yields)
    }
    fn endless_on_worker(&self, yields: bool) -> impl Stream<Item = u32> {
        Endless(&self.dropped, yields)
    }
    async fn dropped(&self) -> u32 {
        self.dropped.load(SeqCst)
    }
    async fn breaks(&self) -> impl Stream<Item = u32> {
        iter([1, 2, 0].into_iter().map(|n| if n == 0 { panic!("no third") } else { n }))
    }
    fn breaks_early(&self) -> impl Stream<Item = u32> {
        if self.lines.len() == 3 {
            panic!("no first");
        }
        iter(0..1)
    }
    async fn load(&self, mut lines: Receiver<Line>) -> u64 {
        let mut length = 0;
        while let Ok(Some(line)) = lines.recv().await {
            length += line.text.len() as u64;
        }
        length
    }
    async fn progress(&self, mut to: Sender<u32>, more: Option<Sender<u32>>) {
        for percent in [0, 50, 100] {
            to.send(percent).await.unwrap();
        }
        to.finish();
        drop(more);
    }
    async fn echo(&self, numbers: Receiver<u32, Rotten>) -> impl Stream<Item = Result<u32, Rotten>> {
        Echo(numbers)
    }
    async fn half(&self) -> (u8, Receiver<u32>) {
        let (mut sender, receiver) = mux::channel();
        sender.send(5).await.unwrap();
        sender.finish();
        (1, receiver)
    }
}

struct Echo(Receiver<u32, Rotten>);

impl Stream for Echo {
    type Item = Result<u32, Rotten>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0).poll_next(cx).map_err(|error| match error {
            ChannelError::App(rotten) => rotten,
            other => panic!("{other:?}"),
        })
    }
}

async fn all<T, E>(mut items: Receiver<T, E>) -> (Vec<T>, Option<ChannelError<E>>) {
    let mut seen = Vec::new();
    loop {
        match items.recv().await {
            Ok(Some(item)) => seen.push(item),
            Ok(None) => return (seen, None),
            Err(error) => return (seen, Some(error)),
        }
    }
}

/// The same of every client.
async fn check(files: &FilesClient) {
    let lines = [line("apple"), line("apricot")];
    let received: Receiver<Line, Never> = files.watch("ap".into()).await.unwrap();
    assert_eq!(all(received).await, (lines.to_vec(), None));
    let found = files.find("apple", &lines).await.unwrap();
    assert_eq!(all(found).await, (vec![line("apple")], None));

    let call: mux::Call<Receiver<Line>, Missing> = files.open("all");
    assert_eq!(all(call.await.unwrap()).await.0.len(), 3);
    assert!(matches!(files.open("none").await, Err(Error::App(Missing))));
    let Err(Error::Remote(failure)) = files.import("/no/such/file").await else { panic!() };
    assert_eq!(failure.message(), "No such file or directory (os error 2)");

    let tail: Receiver<Line, Rotten> = files.tail().await.unwrap();
    assert_eq!(all(tail).await, (lines.to_vec(), Some(ChannelError::App(Rotten(3)))));
    let log: Receiver<Line> = files.log().await.unwrap();
    let (seen, Some(ChannelError::Remote(failure))) = all(log).await else { panic!() };
    assert_eq!((seen, failure.message(), failure.is_panic()), (lines.to_vec(), "Rotten(3)", false));
    let call: mux::Call<Receiver<Line, Rotten>, Missing> = files.read("all");
    assert_eq!(all(call.await.unwrap()).await, (lines.to_vec(), Some(ChannelError::App(Rotten(3)))));
    assert!(matches!(files.read("none").await, Err(Error::App(Missing))));
    let (seen, Some(ChannelError::Remote(_))) = all(files.copy("/").await.unwrap()).await else { panic!() };
    assert_eq!(seen, lines);
    assert!(matches!(files.copy("/no/such/file").await, Err(Error::Remote(_))));

    assert_eq!(all(files.scan(5).await.unwrap()).await, ((5..1005).collect(), None));
    assert_eq!(all(files.scan_file("AB").await.unwrap()).await, (vec![65, 66], None));
    assert!(matches!(files.scan_file("none").await, Err(Error::App(Missing))));
    assert_eq!(all(files.numbers().await.unwrap()).await, (vec![0, 1, 2], None));
    assert_eq!(all(files.bytes().await.unwrap()).await, (vec![vec![1, 2], vec![], vec![3]], None));
    assert_eq!(all(files.bound().await.unwrap()).await, (b"apple".to_vec(), None));
    assert_eq!(all(files.provided("x".into()).await.unwrap()).await, (vec![], None));
    assert_eq!(all(files.twice(7).await.unwrap()).await, (vec![7, 7], None));
}

/// How streams end early.
async fn check_ends(files: &FilesClient) {
    let silent = [files.endless(false).await.unwrap(), files.endless_on_worker(false).await.unwrap()];
    let busy = [files.endless(true).await.unwrap(), files.endless_on_worker(true).await.unwrap()];
    for mut numbers in busy {
        assert_eq!(numbers.recv().await, Ok(Some(1)));
    }
    until_dropped(files, 2).await;
    drop(silent);
    until_dropped(files, 4).await;

    let (seen, Some(ChannelError::Remote(panicked))) = all(files.breaks().await.unwrap()).await else { panic!() };
    assert_eq!((seen, panicked.message(), panicked.is_panic()), (vec![1, 2], "no third", true));
    let Err(Error::Remote(panicked)) = files.breaks_early().await else { panic!() };
    assert_eq!((panicked.message(), panicked.is_panic()), ("no first", true));
}

async fn until_dropped(files: &FilesClient, streams: u32) {
    while files.dropped().await.unwrap() < streams {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(files.dropped().await.unwrap(), streams);
}

/// Halves of channels as arguments.
async fn check_halves(files: &FilesClient) {
    let (mut sender, receiver) = mux::channel();
    let loading = files.load(receiver).start();
    for text in ["a", "bc"] {
        sender.send(line(text)).await.unwrap();
    }
    sender.finish();
    assert_eq!(loading.await.unwrap(), 3);

    let (sender, receiver) = mux::channel();
    let (more, dropped) = mux::channel();
    files.progress(sender, Some(more)).await.unwrap();
    assert_eq!(all(receiver).await, (vec![0, 50, 100], None));
    assert!(matches!(all(dropped).await, (_, Some(ChannelError::Dropped(_)))));

    let (mut sender, receiver) = mux::channel_with_error();
    let echo = files.echo(receiver).await.unwrap();
    sender.send(1).await.unwrap();
    sender.fail(Rotten(9));
    assert_eq!(all(echo).await, (vec![1], Some(ChannelError::App(Rotten(9)))));

    let (n, half) = files.half().await.unwrap();
    assert_eq!((n, all(half).await), (1, (vec![5], None)));
}

#[tokio::main]
async fn main() {
    let disk = Arc::new(Disk::new());
    let (here, there) = mux::pair();
    let server = FilesServer::from_arc(disk).inspect(|request| assert!(!format!("{request:?}").is_empty()));
    let _server = Connection::builder().service(server).accept(there);
    let remote = FilesClient::new(&Connection::builder().open(here));
    for files in [remote, FilesClient::local(Disk::new())] {
        check(&files).await;
        check_ends(&files).await;
        check_halves(&files).await;
    }

    let local = std::thread::spawn(|| {
        let lines = FilesClient::local(Disk::new()).watch("b".into()).wait().unwrap();
        lines.into_iter().collect::<Result<Vec<_>, _>>()
    });
    assert_eq!(local.join().unwrap(), Ok(vec![line("banana")]));
}
