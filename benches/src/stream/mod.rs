//! Streams of small values, from the server and from the client.

mod codec;
mod mux;
mod remoc;
mod tick;
mod tonic;

use std::fmt::{self, Display};
use std::str::FromStr;
use std::time::{Duration, Instant};

use tick::Tally;

use crate::arguments::parse;
use crate::asking::{Asks, Stage};
use crate::comparison::{Against, Comparison, Contender, Figure, Level};
use crate::grpc::{Defaults, LongFrames};
use crate::rate::numbers;
use crate::round::Plan;
use crate::unit::{Unit, count};
use crate::{Error, Result};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Streams;

impl Comparison for Streams {
    const NAME: &'static str = "stream";
    const HEADLINE: &'static str = "Streams: how many small structs a second";
    const METHOD: &'static str = "A million structs of two u64 are streamed from the server and another from the \
                                  client, stream after stream; `codec` is one thread without a socket.";
    const PEERS: &'static [Contender<Self>] = &[
        Contender::of::<mux::Named>("mux"),
        Contender::of::<mux::Compact>("mux-compact"),
        Contender::of::<tonic::Tonic<Defaults>>("tonic"),
        Contender::of::<tonic::Tonic<LongFrames>>("tonic-tuned"),
        Contender::of::<remoc::Remoc>("remoc"),
        Contender::of::<codec::Codec>("codec"),
    ];
    const AGAINST: Against = Against::Peer("tonic");
    const COUNTED: Flow = Flow { direction: Direction::Watch, items: 1_000 };
    const FIGURES: &'static [Figure<Self>] = &[Figure {
        name: "Items a second",
        unit: Unit::PerSecond,
        pick: |_, sample| Some(sample.items_per_second),
    }];
    /// The slowest takes seconds for a stream, and none is cut.
    const BESIDE: Duration = Duration::from_millis(1_200);

    type Level = Flow;
    type Sample = Sample;

    fn plan() -> Plan<Self> {
        Plan::of(
            [Direction::Watch, Direction::Load].map(|direction| Flow { direction, items: 1_000_000 }).into(),
        )
    }

    fn heading(Flow { direction, items }: Flow) -> String {
        format!("{} {}", count(items as f64), direction.described())
    }
}

pub struct Sample {
    items_per_second: f64,
}

impl Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.items_per_second.fmt(f)
    }
}

impl FromStr for Sample {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self> {
        let [items_per_second] = numbers(line)?;
        Ok(Self { items_per_second })
    }
}

/// Streams of one length in one direction, one after another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flow {
    direction: Direction,
    items: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Direction {
    /// From the server to the client.
    Watch,
    /// From the client to the server.
    Load,
}

impl Direction {
    fn described(self) -> &'static str {
        match self {
            Self::Watch => "to the client",
            Self::Load => "to the server",
        }
    }
}

impl Level for Flow {
    const OPTIONS: &'static [&'static str] = &["--items"];

    fn set(levels: &mut Vec<Self>, option: &str, value: &str) -> Result<()> {
        let items = parse(value, option)?;
        levels.iter_mut().for_each(|level| level.items = items);
        Ok(())
    }

    fn in_flight(self) -> u64 {
        1
    }
}

impl Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = match self.direction {
            Direction::Watch => "watch",
            Direction::Load => "load",
        };
        write!(f, "{direction}:{}", self.items)
    }
}

impl FromStr for Flow {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (direction, items) = match text.split_once(':') {
            Some(("watch", items)) => (Direction::Watch, items),
            Some(("load", items)) => (Direction::Load, items),
            _ => return Err("neither `watch:ITEMS` nor `load:ITEMS`".into()),
        };
        Ok(Self { direction, items: parse(items, "ITEMS")? })
    }
}

/// Streams of the ticks that [`tick::first`] has.
trait Feed: Clone + Send + Sync + 'static {
    /// The tally of so many that the server sent.
    fn watch(&self, items: u64) -> impl Future<Output = Result<u64>> + Send;

    /// The server's tally of so many that the client sent.
    fn load(&self, items: u64) -> impl Future<Output = Result<u64>> + Send;
}

impl<F: Feed> Asks<Streams> for F {
    async fn turn(&self, flow: Flow, _: u64) -> Result<()> {
        stream(self, flow, Tally::expected(flow.items)).await
    }

    fn measure(self, stage: &Stage<Streams>) -> Result<Sample> {
        let &Stage { ref runtime, level, warm_up, measured } = stage;
        let streaming = async move {
            // The slowest take seconds for a whole stream.
            repeat(&self, Flow { items: level.items / 10, ..level }, warm_up).await?;
            repeat(&self, level, measured).await
        };
        let items_per_second = runtime.block_on(runtime.spawn(streaming))??;
        Ok(Sample { items_per_second })
    }
}

/// Items a second of whole streams: none is cut, so it ends when the last that began in time has ended.
async fn repeat(client: &impl Feed, flow: Flow, time: Duration) -> Result<f64> {
    let expected = Tally::expected(flow.items);
    let (begun, mut streams) = (Instant::now(), 0);
    while streams == 0 || begun.elapsed() < time {
        stream(client, flow, expected).await?;
        streams += 1;
    }
    Ok((streams * flow.items) as f64 / begun.elapsed().as_secs_f64())
}

async fn stream(client: &impl Feed, Flow { direction, items }: Flow, expected: u64) -> Result<()> {
    let tally = match direction {
        Direction::Watch => client.watch(items).await?,
        Direction::Load => client.load(items).await?,
    };
    if tally == expected { Ok(()) } else { Err(format!("not all of {items} items came, in order").into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::every_peer_answers;

    #[test]
    fn every_peer_streams_both_ways() {
        for level in ["watch:20000", "load:20000"] {
            every_peer_answers::<Streams>(level.parse().unwrap(), 2);
        }
    }

    #[test]
    fn a_level_survives_the_command_line() {
        for direction in [Direction::Watch, Direction::Load] {
            let level = Flow { direction, items: 1_000_000 };
            assert_eq!(level.to_string().parse::<Flow>().unwrap(), level);
        }
        assert!("dance:7".parse::<Flow>().is_err() && "watch".parse::<Flow>().is_err());
    }
}
