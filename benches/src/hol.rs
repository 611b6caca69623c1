//! Head-of-line blocking: how long a ping takes beside blobs on the same connection.

use std::fmt::{self, Display};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::address::Transport;
use crate::asking::{Asks, Stage};
use crate::blob::Blob;
use crate::bulk::{Blobs, Bulk, by_hand, mux, remoc, tarpc, tonic};
use crate::comparison::{Against, Comparison, Contender, Figure};
use crate::format::{Bincode, MessagePack};
use crate::gauge::{Gauge, Phase, Phases};
use crate::grpc::{Defaults, SmallWindows};
use crate::rate::{Rate, numbers};
use crate::round::Plan;
use crate::unit::Unit;
use crate::{Error, Result};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hol;

impl Comparison for Hol {
    const NAME: &'static str = "hol";
    const HEADLINE: &'static str = "Head-of-line blocking: how long a ping takes beside large blobs";
    const METHOD: &'static str = "On one connection one task pings without pause, alone and while four others have \
                                  blobs of 16 MiB echoed, whose bytes are counted one way.";
    const PEERS: &'static [Contender<Self>] = &[
        Contender::of::<mux::Mux>("mux"),
        Contender::of::<tonic::Tonic<Defaults>>("tonic"),
        Contender::of::<tonic::Tonic<SmallWindows>>("tonic-tuned"),
        Contender::of::<tarpc::Tarpc<MessagePack>>("tarpc-messagepack"),
        Contender::of::<tarpc::Tarpc<Bincode>>("tarpc-bincode"),
        Contender::of::<remoc::Remoc<remoc::Defaults>>("remoc"),
        Contender::of::<remoc::Remoc<remoc::PingsApart>>("remoc-tuned"),
        Contender::of::<by_hand::ByHand>("by-hand"),
    ];
    const AGAINST: Against = Against::Peer("tonic");
    const COUNTED: Blobs = Blobs { in_flight: 4, mib: 16 };
    const FIGURES: &'static [Figure<Self>] = &[
        Figure {
            name: "p99 of the ping",
            unit: Unit::Microseconds,
            pick: |_, sample| Some(sample.pings.p99),
        },
        Figure {
            name: "p50 of the ping",
            unit: Unit::Microseconds,
            pick: |_, sample| Some(sample.pings.p50),
        },
        Figure {
            name: "Pings a second",
            unit: Unit::PerSecond,
            pick: |_, sample| Some(sample.pings.per_second),
        },
        Figure {
            name: "Bytes of blobs a second",
            unit: Unit::MegabytesPerSecond,
            pick: megabytes_per_second,
        },
    ];
    /// Blobs that are under way are waited for.
    const BESIDE: Duration = Duration::from_millis(100);

    type Level = Blobs;
    type Sample = Sample;

    fn plan() -> Plan<Self> {
        Plan {
            transports: vec![Transport::Unix, Transport::Tcp],
            // The slowest bring a dozen large blobs back in a second, and let as many pings pass.
            measured: Duration::from_secs(2),
            warm_up: Duration::from_millis(500),
            ..Plan::of([0, 4].map(|in_flight| Blobs { in_flight, mib: 16 }).to_vec())
        }
    }

    fn quick() -> Plan<Self> {
        Plan {
            measured: Duration::from_millis(400),
            warm_up: Duration::from_millis(100),
            ..Self::plan().briefly()
        }
    }

    /// Alone, one of two processes always sleeps; on two processors one would measure how fast they wake.
    fn is_on_one_processor(Blobs { in_flight, .. }: Blobs) -> bool {
        in_flight == 0
    }

    fn heading(Blobs { in_flight, mib }: Blobs) -> String {
        if in_flight == 0 { "alone".to_owned() } else { format!("beside {in_flight} × {mib} MiB") }
    }
}

fn megabytes_per_second(blobs: Blobs, sample: &Sample) -> Option<f64> {
    (blobs.in_flight > 0).then(|| sample.blobs_per_second * blobs.bytes() as f64 / 1e6)
}

pub struct Sample {
    pings: Rate,
    blobs_per_second: f64,
}

impl Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.pings, self.blobs_per_second)
    }
}

impl FromStr for Sample {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self> {
        let [per_second, p50, p99, blobs_per_second] = numbers(line)?;
        Ok(Self { pings: Rate { per_second, p50, p99 }, blobs_per_second })
    }
}

impl<B: Bulk> Asks<Hol> for B {
    /// A blob, and a ping beside it.
    async fn turn(&self, blobs: Blobs, number: u64) -> Result<()> {
        tokio::try_join!(blobs.echo(self, number), ping(self, number))?;
        Ok(())
    }

    fn measure(self, stage: &Stage<Hol>) -> Result<Sample> {
        let phases = Phases::default();
        let blobs = Arc::new(Gauge::new(phases.clone(), 1)?);
        let pings = Arc::new(Gauge::new(phases.clone(), 1)?);
        let echoing = stage.spawn_turns::<Blob, B>(self.clone(), &blobs);
        let pinging = stage.runtime.spawn(keep_pinging(self, Arc::clone(&pings)));
        let elapsed = phases.pass(stage.warm_up, stage.measured);
        let echoed = stage.sum_of(echoing)?;
        if echoed == 0 && stage.level.in_flight > 0 {
            return Err("no blob came back in time".into());
        }
        let blobs_per_second = echoed as f64 / elapsed.as_secs_f64();
        let pings = pings.rate(stage.runtime.block_on(pinging)??, elapsed);
        Ok(Sample { pings, blobs_per_second })
    }
}

/// Counts what began while it was measured: among few pings, one that waits beyond the end must not go unseen.
async fn keep_pinging(client: impl Bulk, gauge: Arc<Gauge>) -> Result<u64> {
    let mut counted = 0;
    for number in 0.. {
        let (phase, begun) = (gauge.phase(), Instant::now());
        if phase == Phase::Over {
            break;
        }
        ping(&client, number).await?;
        if phase == Phase::Measured {
            counted += 1;
            gauge.record(begun.elapsed());
        }
    }
    Ok(counted)
}

async fn ping(client: &impl Bulk, number: u64) -> Result<()> {
    match client.ping(number).await? {
        answer if answer == number => Ok(()),
        answer => Err(format!("ping {number} came back as {answer}").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::every_peer_answers;

    #[test]
    fn every_peer_echoes_and_answers_pings() {
        every_peer_answers::<Hol>(Blobs { in_flight: 4, mib: 7 }, 8);
    }

    #[test]
    fn a_sample_survives_the_pipe() {
        let line = "5000 180 220.5 187.25";
        assert_eq!(line.parse::<Sample>().unwrap().to_string(), line);
        assert!("0 0 0 187.25".parse::<Sample>().is_err());
    }
}
