//! Sees requests as values: logs each one by its `Debug`, and decodes one by hand.
//!
//! `cargo run --example 04_request_log`
//!
//! The service option `debug` makes the arguments part of a request's `Debug`; without it only the
//! method is shown, as arguments may be secret. `InventoryServer::inspect` sees each request before
//! it runs. `InventoryRequest::decode` is a pure function from bytes to an enum: enough for a proxy,
//! a recorder or a test, with no connection in sight.

#![allow(clippy::print_stdout)] // an example talks to its reader

use mux::{Bytes, Connection};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

#[mux::service(debug)]
trait Inventory {
    async fn stock(&self, sku: &str) -> u32;
    async fn take(&self, sku: &str, units: u32) -> Result<u32, Shortage>;
    #[mux(notify)]
    async fn note(&self, line: String);
}

#[derive(Debug, Serialize, Deserialize)]
struct Shortage {
    left: u32,
}

/// A shop that sells one kind of thing.
struct Shop {
    units: Mutex<u32>,
    noted: Arc<Notify>,
}

impl Inventory for Shop {
    async fn stock(&self, _sku: &str) -> u32 {
        *self.units.lock().expect("no handler panics")
    }

    async fn take(&self, _sku: &str, units: u32) -> Result<u32, Shortage> {
        let mut left = self.units.lock().expect("no handler panics");
        *left = left.checked_sub(units).ok_or(Shortage { left: *left })?;
        Ok(*left)
    }

    async fn note(&self, _line: String) {
        self.noted.notify_one();
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    log_requests().await?;
    decode_by_hand()
}

async fn log_requests() -> Result<(), Box<dyn Error>> {
    let noted = Arc::new(Notify::new());
    let shop = Shop { units: Mutex::new(7), noted: Arc::clone(&noted) };
    let logged = InventoryServer::new(shop).inspect(|request| println!("server: {request:?}"));
    let (here, there) = mux::pair();
    let _server = Connection::builder().service(logged).accept(there);
    let shop = InventoryClient::new(&Connection::builder().open(here));

    println!("client: {:?}", shop.stock("apple").await);
    println!("client: {:?}", shop.take("apple", 5).await);
    println!("client: {:?}", shop.take("apple", 5).await);
    shop.note("two apples left".into()).await?;
    // A notify and a call have no order: the next line is to come after it.
    noted.notified().await;
    println!("client: {:?}", shop.stock("apple").await);
    Ok(())
}

/// What a client would have sent for `take("apple", 3)`: MessagePack, an array of the arguments.
const TAKE_3_APPLES: &[u8] = b"\x92\xa5apple\x03";

fn decode_by_hand() -> Result<(), Box<dyn Error>> {
    let body = Bytes::from_static(TAKE_3_APPLES);
    match InventoryRequest::decode("take", &body)? {
        InventoryRequest::Take { sku, units } => {
            println!("by hand: {units} of {sku:?}, borrowed from the body")
        }
        other => println!("by hand: not a take but {other:?}"),
    }
    for (method, body) in
        [("steal", &body), ("take", &body.slice(..4)), ("stock", &Bytes::from_static(b"\x91\x07"))]
    {
        if let Err(refused) = InventoryRequest::decode(method, body) {
            println!("by hand: {refused}");
        }
    }
    Ok(())
}
