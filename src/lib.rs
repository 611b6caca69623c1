//! Calls between programs, as if they were one.
//!
//! Annotate a trait with [`#[service]`](service), and you have a typed client and a server for it. Every call is a
//! transaction with an id, multiplexed with all others over one duplex channel of MessagePack frames: many callers,
//! one channel, each gets its own answer, failures included.
//!
//! ```
//! use mux::{Connection, Error, Stream};
//! use tokio_stream::StreamExt;
//!
//! #[mux::service]
//! pub trait Inventory {
//!     /// Units on hand.
//!     async fn stock(&self, sku: &str) -> u32;
//!     /// Fails for want of a file: any error passes by `?`.
//!     async fn import(&self, path: String) -> mux::Result<u64>;
//!     /// All there is, one after another.
//!     async fn list(&self, prefix: String) -> impl Stream<Item = String>;
//! }
//!
//! struct Shop;
//!
//! impl Inventory for Shop {
//!     async fn stock(&self, sku: &str) -> u32 {
//!         sku.len() as u32
//!     }
//!
//!     async fn import(&self, path: String) -> mux::Result<u64> {
//!         Ok(std::fs::metadata(path)?.len())
//!     }
//!
//!     async fn list(&self, prefix: String) -> impl Stream<Item = String> {
//!         tokio_stream::iter(["apple", "pear"]).map(move |fruit| format!("{prefix}{fruit}"))
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (here, there) = mux::pair();
//! let _server = Connection::builder().service(InventoryServer::new(Shop)).accept(there);
//! let shop = InventoryClient::new(&Connection::builder().open(here));
//!
//! assert_eq!(shop.stock("apple").await?, 5);
//!
//! let Err(Error::Remote(failure)) = shop.import("/no/such/file".into()).await else { panic!() };
//! assert_eq!(failure.message(), "No such file or directory (os error 2)");
//! println!("{failure:#}"); // with its sources, and the place of the `?` that made it
//!
//! let mut list = shop.list("green ".into()).await?;
//! while let Some(fruit) = list.recv().await? {
//!     println!("{fruit}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Where to go from here
//!
//! | to | see |
//! | --- | --- |
//! | describe a service | [`service`] |
//! | serve it | [`Server`], for listeners; [`ConnectionBuilder`], for one stream |
//! | reach it | the generated client's `connect`, `connect_blocking`, `local`; [`Connection`]; [`Address`] |
//! | call it | [`Call`]: await, `timeout`, `meta`, `start`, `wait` |
//! | send or take many values, as they come | [`Receiver`], [`Sender`], [`channel`] |
//! | call and answer methods by their names, without their trait | [`Mux::transaction`], [`Demux`], [`Encoded`] |
//! | send long bytes inside of values | [`mod@bytes`] |
//! | know what went wrong | [`Error`], [`RemoteError`], [`CallError`], [`ChannelError`]; in a method, [`Failure`] |
//! | know who asks, and whether they still wait | [`Context`] |
//! | reach it over a transport of your own | [`transport`], [`Server::serve_on`], [`ConnectionBuilder::connect_with`] |
//! | bound what a peer may do | [`Limits`], [`Timeouts`], [`Workers`] |
//!
//! # Feature flags
//!
//! - `process` (default): child processes as transports, by addresses of the form `exec:program arguments`.
//! - `serde`: [`Limits`], [`Timeouts`] and [`Workers`] from files and into them.
//! - `tracing`: an event for each connection that opens and closes.

pub use mux_core::{
    Address, AddressError, Bytes, Call, CallError, ChannelError, Client, CloseReason, Closed, ConnectError,
    Connection, ConnectionBuilder, Context, Credentials, Demux, Encoded, EncodedError, Encoding, Error,
    Failure, Iter, Limits, Mux, Never, Outcome, Peer, Receiver, Refusal, Refused, RemoteError, Request,
    Result, SendError, Sender, Server, Service, Sink, Stream, Timeouts, TrySendError, Workers, bytes,
    channel, channel_with_error, pair,
};
#[cfg(unix)]
pub use mux_core::{PipeStream, StdioStream, pipe_pair, stdio};
/// # Example
///
/// ```
/// use mux::{ChannelError, Connection, Context, Error, Receiver, Stream};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// pub struct Shortage {
///     left: u32,
/// }
///
/// #[mux::service(name = "inventory.v1")]
/// pub trait Inventory {
///     /// Units on hand.
///     async fn stock(&self, sku: &str) -> u32;
///     /// Fails with an error of its own.
///     async fn take(&self, sku: &str, units: u32, #[mux(default)] reserve: bool) -> Result<u32, Shortage>;
///     /// Blocks a worker thread.
///     fn checksum(&self, blob: &[u8]) -> u64;
///     #[mux(notify)]
///     async fn log(&self, line: String);
///     async fn who(&self, #[mux(context)] cx: &Context) -> Option<String>;
///     /// Items go to the client, until one fails.
///     async fn pick(&self, sku: String) -> impl Stream<Item = Result<u32, Shortage>>;
///     /// Items come from the client.
///     async fn load(&self, rows: Receiver<u32>) -> mux::Result<u32>;
/// }
///
/// struct Shop;
///
/// impl Inventory for Shop {
///     async fn stock(&self, _sku: &str) -> u32 {
///         3
///     }
///
///     async fn take(&self, _sku: &str, units: u32, _reserve: bool) -> Result<u32, Shortage> {
///         if units > 3 { Err(Shortage { left: 3 }) } else { Ok(3 - units) }
///     }
///
///     fn checksum(&self, blob: &[u8]) -> u64 {
///         blob.iter().map(|&byte| u64::from(byte)).sum()
///     }
///
///     async fn log(&self, _line: String) {}
///
///     async fn who(&self, cx: &Context) -> Option<String> {
///         cx.meta("user")
///     }
///
///     async fn pick(&self, _sku: String) -> impl Stream<Item = Result<u32, Shortage>> {
///         tokio_stream::iter([Ok(1), Ok(2), Err(Shortage { left: 0 })])
///     }
///
///     async fn load(&self, mut rows: Receiver<u32>) -> mux::Result<u32> {
///         let mut units = 0;
///         while let Some(row) = rows.recv().await? {
///             units += row;
///         }
///         Ok(units)
///     }
/// }
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (here, there) = mux::pair();
/// let _answering = Connection::builder().service(InventoryServer::new(Shop)).accept(there);
/// let shop = InventoryClient::new(&Connection::builder().open(here));
///
/// assert_eq!(shop.take("apple", 9, false).await, Err(Error::App(Shortage { left: 3 })));
/// assert_eq!(shop.checksum(&[1, 2, 3]).await?, 6);
/// assert_eq!(shop.who().meta("user", "ann").await?.as_deref(), Some("ann"));
/// shop.log("one way".into()).await?;
///
/// let mut picked = shop.pick("apple".into()).await?;
/// assert_eq!(picked.recv().await, Ok(Some(1)));
/// assert_eq!(picked.recv().await, Ok(Some(2)));
/// assert_eq!(picked.recv().await, Err(ChannelError::App(Shortage { left: 0 })));
///
/// let (mut sender, rows) = mux::channel();
/// let loading = shop.load(rows).start();
/// sender.send(3).await?;
/// sender.send(4).await?;
/// sender.finish();
/// assert_eq!(loading.await?, 7);
/// # Ok(())
/// # }
/// ```
pub use mux_macros::service;

/// What a transport of your own implements: [`Listener`](transport::Listener) for a server,
/// [`Connector`](transport::Connector) for a client. `examples/11_own_transport.rs` has both.
pub mod transport {
    pub use mux_core::transport::{Connector, Incoming, Listener};
}

/// What a service is, as data: for programs that look at services instead of calling them.
pub mod descriptor {
    pub use mux_core::{ArgDescriptor, Encoding, MethodDescriptor, Placement, ServiceDescriptor};
}

#[doc(hidden)]
pub use mux_core::private as __private;
