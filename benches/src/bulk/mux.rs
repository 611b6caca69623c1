//! mux as a user writes it, with its limits raised.

use std::future;

use mux::{Bytes, Connection, Limits, Server};

use super::{Bulk, LARGEST};
use crate::Result;
use crate::address::{Address, Stream};
use crate::peer::Peer;

#[mux::service]
pub trait Blobs {
    async fn blob(&self, blob: Bytes) -> Bytes;
    async fn ping(&self, number: u64) -> u64;
}

struct Echoing;

impl Blobs for Echoing {
    async fn blob(&self, blob: Bytes) -> Bytes {
        blob
    }

    async fn ping(&self, number: u64) -> u64 {
        number
    }
}

pub struct Mux;

/// Connects and listens with mux's own transports, as its users do; a stream made elsewhere is for `count` only.
impl Peer for Mux {
    type Client = BlobsClient;

    async fn open<S: Stream>(stream: S) -> Result<BlobsClient> {
        Ok(Connection::builder().limits(limits()).open(stream).client())
    }

    async fn answer<S: Stream>(stream: S) -> Result<()> {
        let builder = Connection::builder().limits(limits()).service(BlobsServer::new(Echoing));
        builder.accept(stream).closed().await;
        Ok(())
    }

    async fn connect(address: Address) -> Result<BlobsClient> {
        let builder = Connection::builder().limits(limits());
        Ok(builder.connect(address.to_string().as_str()).await?.client())
    }

    async fn listen(address: Address) -> Result<()> {
        let server = Server::new().service(BlobsServer::new(Echoing)).limits(limits());
        server.listen(address.to_string().as_str()).await?.run_until(future::pending::<()>()).await;
        Ok(())
    }
}

/// Room for eight of the largest, so that no budget is measured.
fn limits() -> Limits {
    Limits { max_message: LARGEST, max_buffered: 8 * LARGEST, ..Limits::default() }
}

impl Bulk for BlobsClient {
    async fn blob(&self, blob: Bytes) -> Result<Bytes> {
        // The generated method, not this one.
        Ok(BlobsClient::blob(self, blob).await?)
    }

    async fn ping(&self, number: u64) -> Result<u64> {
        Ok(BlobsClient::ping(self, number).await?)
    }
}
