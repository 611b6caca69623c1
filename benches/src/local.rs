//! Calls that stay in the process, beside a call of the same implementation without mux.

use std::fmt::{self, Display};
use std::future;
use std::hint::black_box;
use std::str::FromStr;
use std::time::{Duration, Instant};

use crate::address::{Address, Stream};
use crate::asking::{Asks, Stage};
use crate::calls::message::{Load, Message};
use crate::calls::mux::{Echo as Service, EchoClient, Echoing};
use crate::calls::{Echo, call};
use crate::comparison::{Against, Comparison, Contender, Figure, Level};
use crate::peer::Peer;
use crate::round::Plan;
use crate::unit::Unit;
use crate::{Error, Result, heap};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Local;

impl Comparison for Local {
    const NAME: &'static str = "local";
    const HEADLINE: &'static str = "In the process: what a call costs that goes nowhere";
    const METHOD: &'static str = "One task calls the echo of an implementation in its own process, through mux's local \
                                  client and directly, with one message that goes round; allocations are counted in \
                                  runs of their own.";
    const PEERS: &'static [Contender<Self>] =
        &[Contender::of::<ByMux>("mux"), Contender::of::<Directly>("direct")];
    const AGAINST: Against = Against::Peer("direct");
    const COUNTED: Of = Of::Calls;
    const FIGURES: &'static [Figure<Self>] = &[
        Figure {
            name: "Calls a second",
            unit: Unit::PerSecond,
            pick: |of, &Sample(it)| (of == Of::Calls).then_some(it),
        },
        Figure {
            name: "Allocations a call",
            unit: Unit::Number,
            pick: |of, &Sample(it)| (of == Of::Allocations).then_some(it),
        },
    ];

    const HAS_SOCKET: bool = false;

    type Level = Of;
    type Sample = Sample;

    fn plan() -> Plan<Self> {
        Plan::of(vec![Of::Calls, Of::Allocations])
    }

    fn counts_heap(of: Of) -> bool {
        of == Of::Allocations
    }

    fn heading(_: Of) -> String {
        "1 in flight".to_owned()
    }
}

/// What is measured of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Of {
    Calls,
    Allocations,
}

impl Level for Of {
    const OPTIONS: &'static [&'static str] = &[];

    fn set(_: &mut Vec<Self>, option: &str, _: &str) -> Result<()> {
        Err(format!("no option `{option}`").into())
    }

    fn in_flight(self) -> u64 {
        1
    }
}

impl Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Calls => "calls",
            Self::Allocations => "allocations",
        })
    }
}

impl FromStr for Of {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "calls" => Ok(Self::Calls),
            "allocations" => Ok(Self::Allocations),
            _ => Err("neither `calls` nor `allocations`".into()),
        }
    }
}

/// Calls a second, or allocations a call.
pub struct Sample(f64);

impl Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Sample {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self> {
        Ok(Self(line.trim().parse()?))
    }
}

struct ByMux;
struct Directly;

/// Nobody is asked in another process.
macro_rules! peer {
    ($peer:ident, $client:ty, $made:expr) => {
        impl Peer for $peer {
            type Client = $client;

            async fn open<S: Stream>(_: S) -> Result<$client> {
                Ok($made)
            }

            async fn answer<S: Stream>(_: S) -> Result<()> {
                Ok(())
            }

            async fn connect(_: Address) -> Result<$client> {
                Ok($made)
            }

            async fn listen(_: Address) -> Result<()> {
                future::pending().await
            }
        }
    };
}

peer!(ByMux, EchoClient, EchoClient::local(Echoing));
peer!(Directly, Direct, Direct);

#[derive(Clone)]
struct Direct;

impl Echo for Direct {
    type Load = Message;

    async fn echo(&self, message: Message) -> Result<Message> {
        Ok(black_box(&Echoing).echo(black_box(message)).await)
    }
}

impl<E: Echo> Asks<Local> for E {
    async fn turn(&self, _: Of, number: u64) -> Result<()> {
        call(self, number).await
    }

    fn measure(self, stage: &Stage<Local>) -> Result<Sample> {
        let &Stage { ref runtime, level, warm_up, measured } = stage;
        let measuring = async move {
            match level {
                Of::Calls => {
                    calls_a_second(&self, warm_up).await?;
                    calls_a_second(&self, measured).await
                }
                Of::Allocations => allocations_a_call(&self).await,
            }
        };
        Ok(Sample(runtime.block_on(runtime.spawn(measuring))??))
    }
}

/// How many calls there are between two looks at the clock.
const BATCH: u64 = 1_000;

async fn calls_a_second<E: Echo>(client: &E, time: Duration) -> Result<f64> {
    let (begun, mut calls) = (Instant::now(), 0);
    while begun.elapsed() < time {
        go_round(client, BATCH).await?;
        calls += BATCH;
    }
    Ok(calls as f64 / begun.elapsed().as_secs_f64())
}

async fn allocations_a_call<E: Echo>(client: &E) -> Result<f64> {
    go_round(client, BATCH).await?;
    let before = heap::allocations()?;
    go_round(client, 100 * BATCH).await?;
    // Rounded: a thousand calls share the message that goes round.
    Ok(((heap::allocations()? - before) as f64 / (10 * BATCH) as f64).round() / 10.0)
}

/// One message, so that making it is not measured.
async fn go_round<E: Echo>(client: &E, calls: u64) -> Result<()> {
    let mut load = E::Load::numbered(7);
    for _ in 0..calls {
        load = black_box(client.echo(black_box(load)).await?);
    }
    if load.is_numbered(7) { Ok(()) } else { Err("another message came back than went round".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::every_peer_answers;

    #[test]
    fn every_peer_echoes() {
        every_peer_answers::<Local>(Of::Calls, 100);
    }

    #[test]
    fn no_allocations_are_a_result() {
        let Sample(none) = "0\n".parse::<Sample>().unwrap();
        assert_eq!(none, 0.0);
    }
}
