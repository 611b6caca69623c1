//! tonic with prost.

use std::iter::Map;
use std::marker::PhantomData;
use std::ops::Range;

use futures::stream::{self, Iter};
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};

use self::wire::feed_client::FeedClient;
use self::wire::feed_server::{self, FeedServer};
use super::Feed;
use super::tick::{Tally, Tick, first};
use crate::Result;
use crate::address::Stream;
use crate::grpc::{self, Setup};
use crate::peer::Peer;

#[allow(unused_qualifications, reason = "`build.rs` generates it")]
mod wire {
    include!(concat!(env!("OUT_DIR"), "/bench.Feed.rs"));
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Items {
    #[prost(uint64, tag = "1")]
    items: u64,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Sum {
    #[prost(uint64, tag = "1")]
    sum: u64,
}

struct Feeding;

#[tonic::async_trait]
impl feed_server::Feed for Feeding {
    type WatchStream = Iter<Map<Range<u64>, fn(u64) -> Result<Tick, Status>>>;

    async fn watch(&self, items: Request<Items>) -> Result<Response<Self::WatchStream>, Status> {
        let nth: fn(u64) -> Result<Tick, Status> = |nth| Ok(Tick::nth(nth));
        Ok(Response::new(stream::iter((0..items.into_inner().items).map(nth))))
    }

    async fn load(&self, ticks: Request<Streaming<Tick>>) -> Result<Response<Sum>, Status> {
        Ok(Response::new(Sum { sum: tally(ticks.into_inner()).await? }))
    }
}

async fn tally(mut ticks: Streaming<Tick>) -> Result<u64, Status> {
    let mut tally = Tally::default();
    while let Some(tick) = ticks.message().await? {
        tally.add(tick);
    }
    Ok(tally.sum())
}

pub struct Tonic<H>(PhantomData<H>);

impl<H: Setup> Peer for Tonic<H> {
    type Client = Asker;

    async fn open<S: Stream>(stream: S) -> Result<Asker> {
        Ok(Asker(FeedClient::new(grpc::connect(H::endpoint(), stream).await?)))
    }

    async fn answer<S: Stream>(stream: S) -> Result<()> {
        grpc::serve(H::server().add_service(FeedServer::new(Feeding)), stream).await
    }
}

#[derive(Clone)]
pub struct Asker(FeedClient<Channel>);

impl Feed for Asker {
    async fn watch(&self, items: u64) -> Result<u64> {
        Ok(tally(self.0.clone().watch(Items { items }).await?.into_inner()).await?)
    }

    async fn load(&self, items: u64) -> Result<u64> {
        Ok(self.0.clone().load(stream::iter(first(items))).await?.into_inner().sum)
    }
}
