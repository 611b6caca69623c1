//! tonic with prost, whose blobs are `Bytes`. Messages may be larger than they are by default.

use std::marker::PhantomData;

use bytes::Bytes;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use self::wire::bulk_client::BulkClient;
use self::wire::bulk_server::{self, BulkServer};
use super::{Bulk, LARGEST};
use crate::Result;
use crate::address::Stream;
use crate::grpc::{self, Setup};
use crate::peer::Peer;

#[allow(unused_qualifications, reason = "`build.rs` generates it")]
mod wire {
    include!(concat!(env!("OUT_DIR"), "/bench.Bulk.rs"));
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Blob {
    #[prost(bytes = "bytes", tag = "1")]
    bytes: Bytes,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Ping {
    #[prost(uint64, tag = "1")]
    number: u64,
}

struct Echoing;

#[tonic::async_trait]
impl bulk_server::Bulk for Echoing {
    async fn blob(&self, blob: Request<Blob>) -> Result<Response<Blob>, Status> {
        Ok(Response::new(blob.into_inner()))
    }

    async fn ping(&self, ping: Request<Ping>) -> Result<Response<Ping>, Status> {
        Ok(Response::new(ping.into_inner()))
    }
}

pub struct Tonic<H>(PhantomData<H>);

impl<H: Setup> Peer for Tonic<H> {
    type Client = Asker;

    async fn open<S: Stream>(stream: S) -> Result<Asker> {
        let channel = grpc::connect(H::endpoint(), stream).await?;
        Ok(Asker(BulkClient::new(channel).max_decoding_message_size(LARGEST)))
    }

    async fn answer<S: Stream>(stream: S) -> Result<()> {
        let service = BulkServer::new(Echoing).max_decoding_message_size(LARGEST);
        grpc::serve(H::server().add_service(service), stream).await
    }
}

#[derive(Clone)]
pub struct Asker(BulkClient<Channel>);

impl Bulk for Asker {
    async fn blob(&self, bytes: Bytes) -> Result<Bytes> {
        Ok(self.0.clone().blob(Blob { bytes }).await?.into_inner().bytes)
    }

    async fn ping(&self, number: u64) -> Result<u64> {
        Ok(self.0.clone().ping(Ping { number }).await?.into_inner().number)
    }
}
