//! How fast blobs come back.

use crate::Result;
use crate::asking::{Asks, Stage};
use crate::bulk::{Blobs, Bulk, by_hand, mux, remoc, tarpc, tonic};
use crate::comparison::{Against, Comparison, Contender, Figure};
use crate::format::{Bincode, MessagePack};
use crate::grpc::{Defaults, LongFrames};
use crate::rate::Rate;
use crate::round::Plan;
use crate::unit::Unit;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Blob;

impl Comparison for Blob {
    const NAME: &'static str = "blob";
    const HEADLINE: &'static str = "Large messages: how fast blobs come back";
    const METHOD: &'static str = "Blobs of 1 MiB are echoed on one connection between two processes of one worker \
                                  thread each; bytes are counted one way.";
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
    const AGAINST: Against = Against::Peer("tonic");
    const COUNTED: Blobs = Blobs { in_flight: 8, mib: 1 };
    const FIGURES: &'static [Figure<Self>] = &[
        Figure {
            name: "Bytes a second",
            unit: Unit::MegabytesPerSecond,
            pick: |blobs, rate| Some(megabytes_per_second(blobs, rate)),
        },
        Figure { name: "p50", unit: Unit::Microseconds, pick: |_, rate| Some(rate.p50) },
        Figure { name: "p99", unit: Unit::Microseconds, pick: |_, rate| Some(rate.p99) },
    ];

    type Level = Blobs;
    type Sample = Rate;

    fn plan() -> Plan<Self> {
        Plan::of([1, 8].map(|in_flight| Blobs { in_flight, mib: 1 }).to_vec())
    }

    fn heading(Blobs { in_flight, mib }: Blobs) -> String {
        format!("{mib} MiB, {in_flight} in flight")
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
