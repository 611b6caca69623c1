//! remoc as its documentation has it: a remote trait that gives away and takes the receiving half of a channel.

use std::sync::Arc;

use remoc::rch::mpsc::{self, Receiver, Sender};
use remoc::rtc::{self, CallError, ServerShared};
use remoc::{Cfg, Connect, ConnectExt, codec};

use super::tick::{Tally, Tick, first};
use crate::Result;
use crate::address::Stream;
use crate::peer::Peer;

#[rtc::remote]
pub trait Feed {
    async fn watch(&self, items: u64) -> Result<Receiver<Tick>, CallError>;
    async fn load(&self, ticks: Receiver<Tick>) -> Result<u64, CallError>;
}

struct Feeding;

impl Feed for Feeding {
    async fn watch(&self, items: u64) -> Result<Receiver<Tick>, CallError> {
        let (sender, receiver) = mpsc::channel();
        tokio::spawn(send(sender, items));
        Ok(receiver)
    }

    async fn load(&self, ticks: Receiver<Tick>) -> Result<u64, CallError> {
        // A stream that broke has another tally.
        Ok(tally(ticks).await.unwrap_or_default())
    }
}

async fn send(sender: Sender<Tick>, items: u64) -> Result<()> {
    for tick in first(items) {
        sender.send(tick).await?;
    }
    Ok(())
}

async fn tally(mut ticks: Receiver<Tick>) -> Result<u64> {
    let mut tally = Tally::default();
    while let Some(tick) = ticks.recv().await? {
        tally.add(tick);
    }
    Ok(tally.sum())
}

pub struct Remoc;

impl Peer for Remoc {
    type Client = FeedClient;

    async fn open<S: Stream>(stream: S) -> Result<FeedClient> {
        let (reading, writing) = stream.halves();
        Ok(Connect::io(Cfg::default(), reading, writing).consume().await?)
    }

    async fn answer<S: Stream>(stream: S) -> Result<()> {
        let (server, client) = FeedServerShared::<_, codec::Default>::new(Arc::new(Feeding));
        let (reading, writing) = stream.halves();
        Connect::io(Cfg::default(), reading, writing).provide(client).await?;
        // Its error is not `Sync`.
        server.serve().await.map_err(|error| error.to_string().into())
    }
}

impl super::Feed for FeedClient {
    async fn watch(&self, items: u64) -> Result<u64> {
        tally(Feed::watch(self, items).await?).await
    }

    async fn load(&self, items: u64) -> Result<u64> {
        let (sender, receiver) = mpsc::channel();
        tokio::spawn(send(sender, items));
        Ok(Feed::load(self, receiver).await?)
    }
}
