//! Every kind of method and argument, implemented, called and decoded.

#![deny(warnings, missing_docs, unused_qualifications, unreachable_pub)]
#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use mux::{Bytes, Context};
use serde::{Deserialize, Serialize};

/// Not enough of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Shortage {
    /// What is left.
    pub left: u32,
}

/// What is in stock.
#[mux::service(name = "inventory.v1", encoding = "compact", debug)]
pub trait Inventory {
    /// Units on hand.
    async fn stock(&self, sku: &str) -> u32;
    /// Takes units away.
    async fn take(&self, sku: &str, units: u32) -> Result<u32, Shortage>;
    /// Blocks a worker thread.
    fn checksum(&self, blob: &[u8]) -> u64;
    /// Blocks nothing.
    #[mux(inline)]
    fn version(&self) -> u32;
    /// One way.
    #[mux(notify)]
    async fn log(&self, line: String);
    /// One way, blocking.
    #[mux(notify, name = "note")]
    fn write_note(&self, line: &str);
    /// Who asks.
    async fn who(&self, prefix: &str, #[mux(context)] cx: &Context, suffix: &str) -> String;
    /// Who asks, from a thread.
    fn who_blocks(&self, #[mux(context)] cx: &Context) -> String;
    /// Owned, lent and copied on write.
    async fn owned(&self, list: Vec<u32>, map: BTreeMap<String, u32>, pair: (u8, String));
    /// Lent ones.
    async fn lent(&self, one: &Shortage, many: &[Shortage], path: &Path) -> usize;
    /// Copied on write.
    async fn cows(&self, text: Cow<'_, str>, bytes: Cow<'_, [u8]>, other: Cow<'_, Shortage>, owned: Cow<'static, str>);
    /// Bytes in, bytes out.
    async fn bytes(&self, list: Vec<u8>, shared: Bytes) -> Vec<u8>;
    /// Shared bytes out.
    #[mux(idempotent, detached)]
    async fn shared(&self) -> Bytes;
    /// Some or none.
    #[allow(clippy::too_many_arguments)]
    async fn options(
        &self,
        owned: Option<u32>,
        text: Option<&str>,
        bytes: Option<&[u8]>,
        one: Option<&Shortage>,
        many: Option<&[Shortage]>,
        cow: Option<Cow<'_, str>>,
        path: Option<&Path>,
    ) -> Option<u32>;
    /// New ones may be missing.
    async fn later(&self, old: u32, #[mux(default)] new: u32, #[mux(default)] word: &str);
}

struct Shop;

impl Inventory for Shop {
    async fn stock(&self, sku: &str) -> u32 {
        u32::try_from(sku.len()).unwrap_or(u32::MAX)
    }
    async fn take(&self, _sku: &str, units: u32) -> Result<u32, Shortage> {
        Err(Shortage { left: units })
    }
    fn checksum(&self, blob: &[u8]) -> u64 {
        blob.len() as u64
    }
    fn version(&self) -> u32 {
        1
    }
    async fn log(&self, _line: String) {}
    fn write_note(&self, _line: &str) {}
    async fn who(&self, prefix: &str, _cx: &Context, suffix: &str) -> String {
        format!("{prefix}{suffix}")
    }
    fn who_blocks(&self, _cx: &Context) -> String {
        String::new()
    }
    async fn owned(&self, _list: Vec<u32>, _map: BTreeMap<String, u32>, _pair: (u8, String)) {}
    async fn lent(&self, _one: &Shortage, many: &[Shortage], _path: &Path) -> usize {
        many.len()
    }
    async fn cows(&self, _: Cow<'_, str>, _: Cow<'_, [u8]>, _: Cow<'_, Shortage>, _: Cow<'static, str>) {}
    async fn bytes(&self, list: Vec<u8>, _shared: Bytes) -> Vec<u8> {
        list
    }
    async fn shared(&self) -> Bytes {
        Bytes::new()
    }
    async fn options(
        &self,
        owned: Option<u32>,
        _text: Option<&str>,
        _bytes: Option<&[u8]>,
        _one: Option<&Shortage>,
        _many: Option<&[Shortage]>,
        _cow: Option<Cow<'_, str>>,
        _path: Option<&Path>,
    ) -> Option<u32> {
        owned
    }
    async fn later(&self, _old: u32, _new: u32, _word: &str) {}
}

fn generic<S: Inventory>(service: S) -> (InventoryClient, InventoryServer<S>) {
    let service = Arc::new(service);
    let server = InventoryServer::from_arc(service).inspect(|request| {
        assert!(!format!("{request:?}").is_empty());
    });
    (InventoryClient::local(Shop), server)
}

fn sendable<T: Send + 'static>(value: T) -> T {
    value
}

fn main() {
    let (client, server) = generic(Shop);
    let client = client.clone();
    assert_eq!(format!("{client:?} {server:?}"), "InventoryClient { .. } InventoryServer { .. }");

    let call: mux::Call<u32> = sendable(client.stock("apple"));
    drop(call);
    let call: mux::Call<u32, Shortage> = sendable(client.take("apple", 3));
    drop(call);
    drop(client.who("<", ">"));
    drop(client.who_blocks());
    drop(client.cows("a".into(), Cow::Borrowed(b"b"), Cow::Owned(Shortage { left: 1 }), "c".into()));
    drop(client.options(None, Some("t"), Some(b"b"), None, Some(&[]), None, Some(Path::new("p"))));

    let body = Bytes::new();
    let decoded = InventoryRequest::decode("stock", &body);
    if let Ok(InventoryRequest::Stock { sku }) = &decoded {
        let _: &str = sku;
    }
    if let Ok(request) = decoded {
        let _ = request.method().path;
    }
}
