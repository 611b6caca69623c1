//! Small calls: an echo, whose server answers with what it was given.

mod by_hand;
mod frame;
pub mod handmade;
pub mod message;
pub mod mux;
mod outbox;
pub mod remoc;
pub mod tarpc;
pub mod tonic;

use std::fmt::{self, Display};
use std::str::FromStr;
use std::time::Duration;

use message::Load;

use crate::address::Transport;
use crate::arguments::{list, parse};
use crate::asking::{Asks, Stage};
use crate::comparison::{Against, Comparison, Contender, Figure, Level};
use crate::format::{Bincode, MessagePack};
use crate::rate::Rate;
use crate::round::Plan;
use crate::unit::Unit;
use crate::{Error, Result};

/// More than any level has, so that no peer's own limits are measured.
pub const MOST_IN_FLIGHT: usize = 32 << 10;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calls;

impl Comparison for Calls {
    const NAME: &'static str = "calls";
    const HEADLINE: &'static str = "Small calls: how many a second, and how long each takes";
    const METHOD: &'static str = "Tasks on one client each make one echo call after another, between two processes \
                                  of one worker thread each; with up to 8 in flight both are kept on one processor.";
    const PEERS: &'static [Contender<Self>] = &[
        Contender::of::<mux::Named>("mux"),
        Contender::of::<mux::Compact>("mux-compact"),
        Contender::of::<tarpc::Tarpc<MessagePack>>("tarpc-messagepack"),
        Contender::of::<tarpc::Tarpc<Bincode>>("tarpc-bincode"),
        Contender::of::<tonic::Tonic>("tonic"),
        Contender::of::<remoc::Remoc>("remoc"),
        Contender::of::<by_hand::ByHand>("by-hand"),
        Contender::of::<handmade::Handmade<true>>("handmade"),
        Contender::of::<handmade::Handmade<false>>("handmade-plain"),
    ];
    const AGAINST: Against = Against::Peer("tarpc-messagepack");
    const COUNTED: InFlight = InFlight(64);
    const FIGURES: &'static [Figure<Self>] = &[
        Figure { name: "Calls a second", unit: Unit::PerSecond, pick: |_, rate| Some(rate.per_second) },
        Figure { name: "p50", unit: Unit::Microseconds, pick: |_, rate| Some(rate.p50) },
        Figure { name: "p99", unit: Unit::Microseconds, pick: |_, rate| Some(rate.p99) },
    ];

    type Level = InFlight;
    type Sample = Rate;

    fn plan() -> Plan<Self> {
        Plan {
            rounds: 7,
            transports: vec![Transport::Unix, Transport::Tcp],
            measured: Duration::from_millis(500),
            ..Plan::of([1, 2, 4, 8, 64, 1024].map(InFlight).to_vec())
        }
    }

    /// With few calls in flight one of two processes often sleeps: on two processors that measures how fast an idle
    /// processor wakes, which under a hypervisor says nothing about the peer.
    fn is_on_one_processor(InFlight(in_flight): InFlight) -> bool {
        in_flight <= 8
    }

    fn heading(InFlight(in_flight): InFlight) -> String {
        format!("{in_flight} in flight")
    }
}

/// A number of tasks on one client, each making one call after another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InFlight(pub u64);

impl Level for InFlight {
    const OPTIONS: &'static [&'static str] = &["--in-flight"];

    fn set(levels: &mut Vec<Self>, option: &str, value: &str) -> Result<()> {
        *levels = list(value, option)?;
        Ok(())
    }

    fn in_flight(self) -> u64 {
        self.0
    }
}

impl Display for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for InFlight {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse(text, "a number of calls").map(Self)
    }
}

pub trait Echo: Clone + Send + Sync + 'static {
    type Load: Load;

    /// Brings the load back.
    fn echo(&self, load: Self::Load) -> impl Future<Output = Result<Self::Load>> + Send;
}

impl<E: Echo> Asks<Calls> for E {
    async fn turn(&self, _: InFlight, number: u64) -> Result<()> {
        call(self, number).await
    }

    fn measure(self, stage: &Stage<Calls>) -> Result<Rate> {
        stage.rate(self, stride(stage.level.0))
    }
}

/// Sends what no other number has, and looks whether it came back.
pub async fn call<E: Echo>(client: &E, number: u64) -> Result<()> {
    if client.echo(E::Load::numbered(number)).await?.is_numbered(number) {
        Ok(())
    } else {
        Err(format!("call {number:#x} got another answer than it sent").into())
    }
}

/// How many turns there are to one that is timed.
pub fn stride(in_flight: u64) -> u64 {
    if in_flight == 1 { 1 } else { 8 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::every_peer_answers;

    #[test]
    fn every_peer_echoes() {
        every_peer_answers::<Calls>(Calls::COUNTED, 1_000);
    }
}
