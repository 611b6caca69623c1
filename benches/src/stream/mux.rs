//! mux as a user writes it, in both of its encodings.

use std::future;

use futures::stream;
use mux::{Connection, Receiver, Server, Stream};

use super::tick::{Tally, Tick, first};
use crate::Result;
use crate::address::{self, Address};
use crate::peer::Peer;

#[mux::service]
pub trait Feed {
    async fn watch(&self, items: u64) -> impl Stream<Item = Tick>;
    async fn load(&self, ticks: Receiver<Tick>) -> u64;
}

#[mux::service(encoding = "compact")]
pub trait CompactFeed {
    async fn watch(&self, items: u64) -> impl Stream<Item = Tick>;
    async fn load(&self, ticks: Receiver<Tick>) -> u64;
}

struct Feeding;

impl Feed for Feeding {
    async fn watch(&self, items: u64) -> impl Stream<Item = Tick> {
        stream::iter(first(items))
    }

    async fn load(&self, ticks: Receiver<Tick>) -> u64 {
        // A stream that broke has another tally.
        tally(ticks).await.unwrap_or_default()
    }
}

impl CompactFeed for Feeding {
    async fn watch(&self, items: u64) -> impl Stream<Item = Tick> {
        stream::iter(first(items))
    }

    async fn load(&self, ticks: Receiver<Tick>) -> u64 {
        tally(ticks).await.unwrap_or_default()
    }
}

async fn tally(mut ticks: Receiver<Tick>) -> Result<u64> {
    let mut tally = Tally::default();
    while let Some(tick) = ticks.recv().await? {
        tally.add(tick);
    }
    Ok(tally.sum())
}

/// The default encoding: structs travel with their field names.
pub struct Named;

/// Structs travel as arrays.
pub struct Compact;

/// Connects and listens with mux's own transports, as its users do; a stream made elsewhere is for `count` only.
macro_rules! peer {
    ($peer:ident, $client:ident, $server:ident) => {
        impl Peer for $peer {
            type Client = $client;

            async fn open<S: address::Stream>(stream: S) -> Result<$client> {
                Ok(Connection::builder().open(stream).client())
            }

            async fn answer<S: address::Stream>(stream: S) -> Result<()> {
                Connection::builder().service($server::new(Feeding)).accept(stream).closed().await;
                Ok(())
            }

            async fn connect(address: Address) -> Result<$client> {
                Ok($client::connect(address.to_string().as_str()).await?)
            }

            async fn listen(address: Address) -> Result<()> {
                let server = Server::new().service($server::new(Feeding));
                server.listen(address.to_string().as_str()).await?.run_until(future::pending::<()>()).await;
                Ok(())
            }
        }

        impl super::Feed for $client {
            async fn watch(&self, items: u64) -> Result<u64> {
                // The generated method, not this one.
                tally($client::watch(self, items).await?).await
            }

            async fn load(&self, items: u64) -> Result<u64> {
                let (mut ticks, receiver) = mux::channel();
                let call = $client::load(self, receiver).start();
                ticks.send_all(stream::iter(first(items))).await?;
                ticks.finish();
                Ok(call.await?)
            }
        }
    };
}

peer!(Named, FeedClient, FeedServer);
peer!(Compact, CompactFeedClient, CompactFeedServer);
