//! How fast blobs come back.

use crate::Result;
use crate::asking::{Asks, Stage};
use crate::bulk::{Blobs, Bulk, by_hand, mux, remoc, tarpc, tonic};
use crate::comparison::{Comparison, Contender};
use crate::format::{Bincode, MessagePack};
use crate::grpc::{Defaults, LongFrames};
use crate::rate::Rate;
use crate::round::Plan;
use crate::table::{Tables, time, whole};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Blob;

impl Comparison for Blob {
    const NAME: &'static str = "blob";
    const SUBJECT: &'static str = "Echoes of blobs";
    const NOTE: &'static str = "Bytes are counted one way.";
    const PEERS: &'static [Contender<Self>] = &[
        Contender::of::<mux::Mux>("mux"),
        Contender::of::<tonic::Tonic<Defaults>>("tonic"),
        Contender::of::<tonic::Tonic<LongFrames>>("tonic-tuned"),
        Contender::of::<tarpc::Tarpc<MessagePack>>("tarpc-messagepack"),
        Contender::of::<tarpc::Tarpc<Bincode>>("tarpc-bincode"),
        Contender::of::<remoc::Remoc<remoc::Defaults>>("remoc"),
        Contender::of::<remoc::Remoc<remoc::LargeBuffers>>("remoc-tuned"),
        Contender::of::<by_hand::ByHand>("by-hand"),
    ];
    const YARDSTICK: &'static str = "tonic";
    const COUNTED: Blobs = Blobs { in_flight: 8, mib: 1 };

    type Level = Blobs;
    type Sample = Rate;

    fn plan() -> Plan<Self> {
        Plan::of([1, 8].map(|in_flight| Blobs { in_flight, mib: 1 }).to_vec())
    }

    fn heading(Blobs { in_flight, mib }: Blobs) -> String {
        format!("{mib} MiB, {in_flight} in flight")
    }

    fn told(blobs: Blobs, rate: &Rate) -> String {
        let (speed, p50, p99) = (megabytes_per_second(blobs, rate), rate.p50, rate.p99);
        format!("{speed:7.0} MB/s, p50 {p50:8.1} µs, p99 {p99:8.1} µs")
    }

    fn tables(tables: &Tables<Self>) -> String {
        let latency = |cell| {
            let (p50, p99) = (tables.median(cell, |rate| rate.p50)?, tables.median(cell, |rate| rate.p99)?);
            Some(format!("{} / {}", time(p50), time(p99)))
        };
        tables.spreads("MB/s", megabytes_per_second, whole)
            + &tables.ratios("MB/s", |rate| rate.per_second)
            + &tables.table("Latency: p50 / p99, medians of the rounds", latency)
    }
}

fn megabytes_per_second(blobs: Blobs, rate: &Rate) -> f64 {
    rate.per_second * blobs.bytes() as f64 / 1e6
}

impl<B: Bulk> Asks<Blob> for B {
    async fn turn(&self, blobs: Blobs, number: u64) -> Result<()> {
        blobs.echo(self, number).await
    }

    fn measure(self, stage: &Stage<Blob>) -> Result<Rate> {
        stage.rate(self, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::every_peer_answers;

    #[test]
    fn every_peer_echoes() {
        every_peer_answers::<Blob>(Blob::COUNTED, 24);
    }
}
