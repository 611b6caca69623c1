//! What connections and waiting calls hold of the heap, at either end.

mod scales;

use std::fmt::{self, Display};
use std::str::FromStr;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;

use self::scales::Scales;
use crate::address::Address;
use crate::arguments::parse;
use crate::asking::{Asking, Asks, Stage, connect};
use crate::calls::message::{Message, WAITS};
use crate::calls::{Echo, call, handmade, mux, remoc, tarpc, tonic};
use crate::comparison::{Against, Comparison, Contender, Figure, Level};
use crate::count;
use crate::format::MessagePack;
use crate::peer::Peer;
use crate::round::Plan;
use crate::serving::{self, workers};
use crate::unit::Unit;
use crate::{Error, Result};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory;

impl Comparison for Memory {
    const NAME: &'static str = "memory";
    const HEADLINE: &'static str = "Memory: what a connection holds, and what a waiting call";
    const METHOD: &'static str = "Each end counts the live bytes of its heap before and after, divided by how many \
                                  there are: connections that made one small call, calls on one connection whose \
                                  handlers wait, and connections that echoed a message of 1 MiB once, one after \
                                  another, and are idle again.";
    const PEERS: &'static [Contender<Self>] = &[
        contender::<mux::Named>("mux"),
        contender::<tarpc::Tarpc<MessagePack>>("tarpc-messagepack"),
        contender::<tonic::Tonic>("tonic"),
        contender::<remoc::Remoc>("remoc"),
        contender::<handmade::Handmade<true>>("handmade"),
    ];
    const AGAINST: Against = Against::Peer("tarpc-messagepack");
    const COUNTED: Held = Held { what: What::Idle, many: 1 };
    const FIGURES: &'static [Figure<Self>] = &[
        Figure { name: "Bytes at the client", unit: Unit::Bytes, pick: |_, sample| Some(sample.asking) },
        Figure { name: "Bytes at the server", unit: Unit::Bytes, pick: |_, sample| Some(sample.answering) },
    ];
    const BESIDE: Duration = Duration::from_secs(4);

    type Level = Held;
    type Sample = Sample;

    fn plan() -> Plan<Self> {
        Plan {
            // Bytes differ less from round to round than times do; and nothing is timed.
            rounds: 2,
            warm_up: Duration::ZERO,
            measured: Duration::ZERO,
            ..Plan::of(vec![
                Held { what: What::Idle, many: 1_000 },
                Held { what: What::Parked, many: 10_000 },
                Held { what: What::Echoed, many: 1_000 },
            ])
        }
    }

    fn quick() -> Plan<Self> {
        let mut plan = Plan { rounds: 1, ..Self::plan() };
        plan.levels.iter_mut().for_each(|held| held.many /= 5);
        plan
    }

    fn counts_heap(_: Held) -> bool {
        true
    }

    fn heading(Held { what, many }: Held) -> String {
        match what {
            What::Idle => format!("1 of {many} connections"),
            What::Parked => format!("1 of {many} waiting calls"),
            What::Echoed => format!("1 of {many} after 1 MiB"),
        }
    }
}

const fn contender<P: Peer<Client: Echo<Load = Message>>>(name: &'static str) -> Contender<Memory> {
    Contender { name, serve: serve::<P>, ask: ask::<P>, count: count::count::<Memory, P> }
}

/// So many of something.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Held {
    what: What,
    many: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    /// Connections that made one small call.
    Idle,
    /// Calls on one connection, whose handlers wait.
    Parked,
    /// Connections that made one large call.
    Echoed,
}

impl Level for Held {
    const OPTIONS: &'static [&'static str] = &["--connections", "--parked"];

    fn set(levels: &mut Vec<Self>, option: &str, value: &str) -> Result<()> {
        let many = at_least_one(value, option)?;
        let is_meant = |held: &&mut Self| (held.what == What::Parked) == (option == "--parked");
        levels.iter_mut().filter(is_meant).for_each(|held| held.many = many);
        Ok(())
    }

    fn in_flight(self) -> u64 {
        1
    }
}

fn at_least_one(text: &str, what: &str) -> Result<u64> {
    match parse(text, what)? {
        0 => Err(format!("{what}: none is nothing to divide by").into()),
        many => Ok(many),
    }
}

impl Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            What::Idle => "idle",
            What::Parked => "parked",
            What::Echoed => "echoed",
        };
        write!(f, "{what}:{}", self.many)
    }
}

impl FromStr for Held {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (what, many) = match text.split_once(':') {
            Some(("idle", many)) => (What::Idle, many),
            Some(("parked", many)) => (What::Parked, many),
            Some(("echoed", many)) => (What::Echoed, many),
            _ => return Err("none of `idle:N`, `parked:N` and `echoed:N`".into()),
        };
        Ok(Self { what, many: at_least_one(many, "N")? })
    }
}

/// Bytes for each of what is held, at either end.
#[derive(Debug, PartialEq)]
pub struct Sample {
    asking: f64,
    answering: f64,
}

impl Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.asking, self.answering)
    }
}

impl FromStr for Sample {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self> {
        let (asking, answering) = line.trim().split_once(' ').ok_or("not two numbers of bytes")?;
        Ok(Self { asking: asking.parse()?, answering: answering.parse()? })
    }
}

/// Only `count` takes turns.
impl<E: Echo<Load = Message>> Asks<Memory> for E {
    async fn turn(&self, _: Held, number: u64) -> Result<()> {
        call(self, number).await
    }

    fn measure(self, _: &Stage<Memory>) -> Result<Sample> {
        Err("memory is weighed at both ends".into())
    }
}

fn serve<P: Peer>(address: Address, level: Held) -> Result<()> {
    scales::offer(&address)?;
    serving::serve::<Memory, P>(address, level)
}

fn ask<P: Peer<Client: Echo<Load = Message>>>(asking: Asking<Memory>) -> Result<Sample> {
    let Asking { address, level: Held { what, many }, .. } = asking;
    let runtime = workers(1)?;
    runtime.block_on(runtime.spawn(async move {
        // What there is once, in a process or for its first connection, is no part of what is weighed.
        let first = connect::<P>(address.clone()).await?;
        call(&first, 0).await?;
        let mut scales = Scales::at(&address)?;
        match what {
            What::Idle => connections::<P>(&address, many, false, &mut scales).await,
            What::Parked => parked(&first, many, &mut scales).await,
            What::Echoed => connections::<P>(&address, many, true, &mut scales).await,
        }
    }))?
}

async fn connections<P: Peer<Client: Echo<Load = Message>>>(
    address: &Address,
    many: u64,
    large: bool,
    scales: &mut Scales,
) -> Result<Sample> {
    let mut clients = Vec::with_capacity(many as usize);
    settle().await;
    let before = scales.read()?;
    for number in 0..many {
        let client = P::connect(address.clone()).await?;
        call(&client, number).await?;
        if large {
            echo_large(&client, number).await?;
        }
        clients.push(client);
    }
    settle().await;
    Ok(scales.read()?.since(before, many))
}

async fn echo_large(client: &impl Echo<Load = Message>, number: u64) -> Result<()> {
    const LENGTH: usize = 1 << 20;
    match client.echo(Message::long(number, LENGTH)).await? {
        message if message == Message::long(number, LENGTH) => Ok(()),
        _ => Err("a large message came back as another".into()),
    }
}

async fn parked(client: &impl Echo<Load = Message>, many: u64, scales: &mut Scales) -> Result<Sample> {
    let mut calls = Vec::with_capacity(many as usize);
    settle().await;
    let before = scales.read()?;
    calls.extend((0..many).map(|number| park(client.clone(), number)));
    settle().await;
    // It comes behind them.
    call(client, many).await?;
    settle().await;
    let after = scales.read()?;
    match calls.into_iter().find(JoinHandle::is_finished) {
        None => Ok(after.since(before, many)),
        Some(call) => Err(call.await?.err().unwrap_or_else(|| "a call that waits was answered".into())),
    }
}

fn park(client: impl Echo<Load = Message>, number: u64) -> JoinHandle<Result<()>> {
    tokio::spawn(async move { call(&client, WAITS | number).await })
}

/// Time for what is still under way at both ends, and for those that give buffers back when they were idle for a second.
async fn settle() {
    sleep(Duration::from_millis(1_500)).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::every_peer_answers;

    #[test]
    fn every_peer_echoes() {
        every_peer_answers::<Memory>(Memory::COUNTED, 10);
    }

    #[test]
    fn a_level_and_a_sample_survive_the_way_between_processes() {
        for what in [What::Idle, What::Parked, What::Echoed] {
            let held = Held { what, many: 7 };
            assert_eq!(held.to_string().parse::<Held>().unwrap(), held);
        }
        let sample = Sample { asking: -3.5, answering: 12_000.25 };
        assert_eq!(format!("{sample}\n").parse::<Sample>().unwrap(), sample);
        assert!("idle:0".parse::<Held>().is_err());
    }

    #[test]
    fn options_change_what_they_name() {
        let mut levels = Memory::plan().levels;
        Held::set(&mut levels, "--parked", "5").unwrap();
        Held::set(&mut levels, "--connections", "3").unwrap();
        assert_eq!(levels.iter().map(|held| held.many).collect::<Vec<_>>(), [3, 5, 3]);
    }
}
