//! remoc as its documentation has it: a remote trait, whose server handles calls in parallel. Requests and responses may
//! be larger than they are by default.

use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use remoc::rtc::{self, CallError, Client, ServerShared};
use remoc::{Cfg, Connect, ConnectExt, codec};

use super::{Bulk, LARGEST};
use crate::Result;
use crate::address::Stream;
use crate::peer::Peer;

#[rtc::remote]
pub trait Blobs {
    async fn blob(&self, blob: Bytes) -> Result<Bytes, CallError>;
    async fn ping(&self, number: u64) -> Result<u64, CallError>;
}

struct Echoing;

impl Blobs for Echoing {
    async fn blob(&self, blob: Bytes) -> Result<Bytes, CallError> {
        Ok(blob)
    }

    async fn ping(&self, number: u64) -> Result<u64, CallError> {
        Ok(number)
    }
}

/// How remoc is set up.
pub trait Setup: 'static {
    /// Whether pings have a client of their own, and so a channel. The requests of one client follow each other.
    const PINGS_APART: bool = false;

    fn cfg() -> Cfg {
        Cfg::default()
    }
}

pub struct Defaults;

impl Setup for Defaults {}

/// For small answers beside large ones.
pub struct PingsApart;

impl Setup for PingsApart {
    const PINGS_APART: bool = true;
}

/// For large messages alone: encoded where the call is, without a thread and chunks in between.
pub struct LargeBuffers;

impl Setup for LargeBuffers {
    fn cfg() -> Cfg {
        Cfg {
            max_data_size: LARGEST,
            chunk_size: 128 << 10,
            port_receive_buffer: 512 << 10,
            io_buffer_size: 256 << 10,
            ..Cfg::default()
        }
    }
}

pub struct Remoc<H>(PhantomData<H>);

impl<H: Setup> Peer for Remoc<H> {
    type Client = Asker;

    async fn open<S: Stream>(stream: S) -> Result<Asker> {
        let (reading, writing) = stream.halves();
        let (blobs, pings): Clients = Connect::io(H::cfg(), reading, writing).consume().await?;
        Ok(Asker { pings: pings.unwrap_or_else(|| blobs.clone()), blobs })
    }

    async fn answer<S: Stream>(stream: S) -> Result<()> {
        let (server, mut blobs) = BlobsServerShared::<_, codec::Default>::new(Arc::new(Echoing));
        blobs.set_max_request_size(LARGEST);
        blobs.set_max_response_size(LARGEST);
        let clients: Clients = (blobs.clone(), H::PINGS_APART.then_some(blobs));
        let (reading, writing) = stream.halves();
        Connect::io(H::cfg(), reading, writing).provide(clients).await?;
        // Its error is not `Sync`.
        server.serve().await.map_err(|error| error.to_string().into())
    }
}

/// What the server gives its client: two clients that travel become two channels.
type Clients = (BlobsClient, Option<BlobsClient>);

#[derive(Clone)]
pub struct Asker {
    blobs: BlobsClient,
    pings: BlobsClient,
}

impl Bulk for Asker {
    async fn blob(&self, blob: Bytes) -> Result<Bytes> {
        Ok(self.blobs.blob(blob).await?)
    }

    async fn ping(&self, number: u64) -> Result<u64> {
        Ok(self.pings.ping(number).await?)
    }
}
