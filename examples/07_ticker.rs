//! A live ticker: four clients follow one market on one connection, each at its own pace.
//!
//! `cargo run --example 07_ticker`
//!
//! The market waits for nobody. Who is quick gets every change; who is slow misses some, and holds back
//! only itself. Who drops its receiver ends its stream over there, and a stream may end by an error of its own.

#![allow(clippy::print_stdout)] // an example talks to its reader

use mux::{ChannelError, Connection, Receiver, Stream};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::time::sleep;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::BroadcastStream;

#[mux::service]
trait Ticker {
    /// The changes from now on, of the goods that begin so.
    async fn watch(&self, prefix: String) -> impl Stream<Item = Change>;
    /// The same while the price is no lower than this.
    async fn hold(&self, good: String, least: u32) -> impl Stream<Item = Result<Change, Fell>>;
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Change {
    /// Counts the market's changes: who misses some sees a gap.
    number: u32,
    good: String,
    cents: u32,
}

#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
#[error("the price fell to {cents}")]
struct Fell {
    cents: u32,
}

const GOODS: [&str; 3] = ["apple", "apricot", "pear"];
const ROUNDS: u32 = 100;

/// Changes, after which the quick one takes all and the slow one takes one.
const ROUND: u32 = 1000;

struct Market {
    changes: broadcast::Sender<Change>,
}

impl Market {
    /// Remembers some rounds for those who are late.
    fn new() -> Market {
        Market { changes: broadcast::Sender::new(4096) }
    }

    fn change(&self, number: u32) {
        let good = GOODS[number as usize % GOODS.len()].to_owned();
        // Nobody may be watching.
        let _ = self.changes.send(Change { number, good, cents: 1000 - number / 100 });
    }

    fn watchers(&self) -> usize {
        self.changes.receiver_count()
    }

    fn changes_of(&self, good: impl Fn(&str) -> bool) -> impl Stream<Item = Change> {
        // An error is a gap here: the watcher was late.
        let changes = BroadcastStream::new(self.changes.subscribe()).filter_map(Result::ok);
        changes.filter(move |change| good(&change.good))
    }
}

impl Ticker for Market {
    async fn watch(&self, prefix: String) -> impl Stream<Item = Change> {
        self.changes_of(move |good| good.starts_with(&prefix))
    }

    async fn hold(&self, good: String, least: u32) -> impl Stream<Item = Result<Change, Fell>> {
        self.changes_of(move |other| other == good).map(move |change| {
            if change.cents < least { Err(Fell { cents: change.cents }) } else { Ok(change) }
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let market = Arc::new(Market::new());
    let (here, there) = mux::pair();
    let _server = Connection::builder().service(TickerServer::from_arc(Arc::clone(&market))).accept(there);
    let ticker = TickerClient::new(&Connection::builder().open(here));

    let mut quick = ticker.watch("".into()).await?;
    let mut slow = ticker.watch("".into()).await?;
    let mut fickle = ticker.watch("ap".into()).await?;
    let holder = tokio::spawn(hold(ticker.hold("pear".into(), 975).await?));

    market.change(1);
    println!("fickle: leaves after one {}", next(&mut fickle).await?.good);
    println!("market: {} watchers", market.watchers());
    drop(fickle);
    while market.watchers() > 3 {
        sleep(Duration::from_millis(1)).await;
    }
    println!("market: {} watchers", market.watchers());

    let (mut last, mut seen) = (1, 0);
    for _ in 0..ROUNDS {
        (last + 1..=last + ROUND).for_each(|number| market.change(number));
        last += ROUND;
        while seen < last {
            seen += 1;
            assert_eq!(next(&mut quick).await?.number, seen, "the quick one misses nothing");
        }
        next(&mut slow).await?;
    }
    println!("quick:  saw every one of {last} changes");
    println!("holder: {}", holder.await??);
    println!("slow:   {}", catch_up(slow, last).await?);
    Ok(())
}

async fn next(changes: &mut Receiver<Change>) -> Result<Change, Box<dyn Error>> {
    Ok(changes.recv().await?.ok_or("the market closed")?)
}

async fn hold(mut prices: Receiver<Change, Fell>) -> Result<String, ChannelError<Fell>> {
    loop {
        match prices.recv().await {
            Ok(Some(change)) => assert!(change.cents >= 975),
            Ok(None) => return Ok("the market closed".into()),
            Err(ChannelError::App(fell)) => return Ok(format!("sells: {fell}")),
            Err(other) => return Err(other),
        }
    }
}

async fn catch_up(mut changes: Receiver<Change>, last: u32) -> Result<String, Box<dyn Error>> {
    let (mut seen, mut gaps) = (0, 0);
    while seen < last {
        let number = next(&mut changes).await?.number;
        assert!(number > seen, "in order");
        gaps += u32::from(number != seen + 1);
        seen = number;
    }
    Ok(format!("missed some changes, saw the last: {}", gaps > 0))
}
