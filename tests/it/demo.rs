//! The service that most tests call, and ways to reach it.

use mux::{Connection, Context, Limits};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shortage {
    pub(crate) left: u32,
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "only {} left", self.left)
    }
}

impl std::error::Error for Shortage {}

/// What a handler saw of its call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) xid: Option<u64>,
    pub(crate) method: String,
    pub(crate) tenant: Option<String>,
    pub(crate) time_left: Option<Duration>,
    pub(crate) address: Option<String>,
    pub(crate) uid: Option<u32>,
}

/// A value whose `Serialize` refuses.
#[derive(Debug, Deserialize)]
pub(crate) struct Unencodable;

impl Serialize for Unencodable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("not today"))
    }
}

#[mux::service]
pub(crate) trait Demo {
    async fn echo(&self, text: &str) -> String;
    async fn take(&self, units: u32) -> Result<u32, Shortage>;
    async fn import(&self, path: String) -> mux::Result<u64>;
    async fn panics(&self, why: &str) -> u32;
    fn panics_on_worker(&self, why: &str) -> u32;
    #[mux(inline)]
    fn panics_inline(&self, why: &str) -> u32;
    /// Blocks a worker thread.
    fn block(&self, ms: u64) -> u64;
    async fn sleep(&self, ms: u64) -> u64;
    #[mux(detached)]
    async fn finish(&self, ms: u64) -> u64;
    /// Blocks a worker thread until nobody wants the answer.
    fn until_unwanted(&self, #[mux(context)] cx: &Context) -> ();
    #[mux(notify)]
    async fn note(&self, line: String);
    async fn notes(&self) -> Vec<String>;
    #[mux(inline)]
    fn running(&self) -> u32;
    async fn blob(&self, size: u32) -> Vec<u8>;
    async fn size(&self, blob: &[u8]) -> u64;
    async fn seen(&self, #[mux(context)] cx: &Context) -> Seen;
    async fn unencodable(&self) -> Unencodable;
    async fn unencodable_argument(&self, value: &Unencodable2) -> ();
}

/// As [`Unencodable`], and a local client can own it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Unencodable2;

impl Serialize for Unencodable2 {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("not this either"))
    }
}

#[derive(Clone, Default)]
pub(crate) struct Desk {
    pub(crate) facts: Arc<Facts>,
}

#[derive(Default)]
pub(crate) struct Facts {
    /// Handlers of `sleep`, `finish`, `block` and `until_unwanted` that run now, and ran at most.
    pub(crate) running: AtomicU32,
    pub(crate) most: AtomicU32,
    pub(crate) finished: AtomicU32,
    notes: Mutex<Vec<String>>,
}

/// Counts a handler for as long as it lives.
pub(crate) struct Running(Arc<Facts>);

impl Facts {
    pub(crate) fn enter(self: &Arc<Facts>) -> Running {
        let now = self.running.fetch_add(1, SeqCst) + 1;
        self.most.fetch_max(now, SeqCst);
        Running(Arc::clone(self))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, SeqCst);
    }
}

impl Demo for Desk {
    async fn echo(&self, text: &str) -> String {
        text.to_owned()
    }

    async fn take(&self, units: u32) -> Result<u32, Shortage> {
        tokio::task::yield_now().await;
        if units > 3 { Err(Shortage { left: 3 }) } else { Ok(3 - units) }
    }

    async fn import(&self, path: String) -> mux::Result<u64> {
        let file = std::fs::metadata(&path).map_err(|source| Import { path, source })?;
        Ok(file.len())
    }

    async fn panics(&self, why: &str) -> u32 {
        panic!("{why}")
    }

    fn panics_on_worker(&self, why: &str) -> u32 {
        panic!("{why}")
    }

    fn panics_inline(&self, why: &str) -> u32 {
        panic!("{why}")
    }

    fn block(&self, ms: u64) -> u64 {
        let _running = self.facts.enter();
        std::thread::sleep(Duration::from_millis(ms));
        ms
    }

    async fn sleep(&self, ms: u64) -> u64 {
        let _running = self.facts.enter();
        tokio::time::sleep(Duration::from_millis(ms)).await;
        self.facts.finished.fetch_add(1, SeqCst);
        ms
    }

    async fn finish(&self, ms: u64) -> u64 {
        self.sleep(ms).await
    }

    fn until_unwanted(&self, cx: &Context) {
        let _running = self.facts.enter();
        while !cx.is_cancelled() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    async fn note(&self, line: String) {
        self.facts.notes.lock().unwrap().push(line);
    }

    async fn notes(&self) -> Vec<String> {
        self.facts.notes.lock().unwrap().clone()
    }

    fn running(&self) -> u32 {
        self.facts.running.load(SeqCst)
    }

    async fn blob(&self, size: u32) -> Vec<u8> {
        vec![7; size as usize]
    }

    async fn size(&self, blob: &[u8]) -> u64 {
        blob.len() as u64
    }

    async fn seen(&self, cx: &Context) -> Seen {
        let peer = cx.peer();
        Seen {
            xid: cx.xid(),
            method: cx.method().to_owned(),
            tenant: cx.meta("tenant"),
            time_left: cx.time_left(),
            address: peer.and_then(|peer| peer.address.clone()),
            uid: peer.and_then(|peer| Some(peer.credentials?.uid)),
        }
    }

    async fn unencodable(&self) -> Unencodable {
        Unencodable
    }

    async fn unencodable_argument(&self, _: &Unencodable2) {}
}

#[derive(Debug)]
struct Import {
    path: String,
    source: std::io::Error,
}

impl fmt::Display for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot import {}", self.path)
    }
}

impl std::error::Error for Import {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// A desk, reached over memory.
pub(crate) struct Reached {
    pub(crate) client: DemoClient,
    pub(crate) asking: Connection,
    pub(crate) answering: Connection,
    pub(crate) facts: Arc<Facts>,
}

pub(crate) fn reach() -> Reached {
    reach_with(Limits::default())
}

pub(crate) fn reach_with(limits: Limits) -> Reached {
    let desk = Desk::default();
    let facts = Arc::clone(&desk.facts);
    let (here, there) = mux::pair();
    let answering = Connection::builder().limits(limits).service(DemoServer::new(desk)).accept(there);
    let asking = Connection::builder().open(here);
    Reached { client: DemoClient::new(&asking), asking, answering, facts }
}

/// Waits until `so`, which other tasks bring about.
pub(crate) async fn until(so: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it did not come about");
}
