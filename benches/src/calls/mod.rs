//! Small calls: an echo, whose server answers with what it was given.

mod by_hand;
mod frame;
mod handmade;
mod message;
mod mux;
mod outbox;
mod tarpc;

use std::fmt::{self, Display};
use std::str::FromStr;

use message::Load;

use crate::arguments::{list, parse};
use crate::asking::{Asks, Stage};
use crate::comparison::{Comparison, Contender, Level};
use crate::format::{Bincode, MessagePack};
use crate::rate::Rate;
use crate::round::Plan;
use crate::table::{Tables, count, time};
use crate::{Error, Result};

/// More than any level has, so that no peer's own limits are measured.
const MOST_IN_FLIGHT: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calls;

impl Comparison for Calls {
    const NAME: &'static str = "calls";
    const SUBJECT: &'static str = "Echo calls";
    const NOTE: &'static str = "With 1 in flight both processes are kept on one processor.";
    const PEERS: &'static [Contender<Self>] = &[
        Contender::of::<mux::Named>("mux"),
        Contender::of::<mux::Compact>("mux-compact"),
        Contender::of::<tarpc::Tarpc<MessagePack>>("tarpc-messagepack"),
        Contender::of::<tarpc::Tarpc<Bincode>>("tarpc-bincode"),
        Contender::of::<by_hand::ByHand>("by-hand"),
        Contender::of::<handmade::Handmade<true>>("handmade"),
        Contender::of::<handmade::Handmade<false>>("handmade-plain"),
    ];
    const YARDSTICK: &'static str = "tarpc-messagepack";
    const COUNTED: InFlight = InFlight(64);

    type Level = InFlight;
    type Sample = Rate;

    fn plan() -> Plan<Self> {
        Plan::of([1, 64, 1024].map(InFlight).to_vec())
    }

    /// With one call in flight one of two processes always sleeps: on two processors that measures how fast an idle
    /// processor wakes, which under a hypervisor says nothing about the peer.
    fn is_on_one_processor(InFlight(in_flight): InFlight) -> bool {
        in_flight == 1
    }

    fn heading(InFlight(in_flight): InFlight) -> String {
        format!("{in_flight} in flight")
    }

    fn told(_: InFlight, Rate { per_second, p50, p99 }: &Rate) -> String {
        format!("{per_second:9.0} calls/s, p50 {p50:8.1} µs, p99 {p99:8.1} µs")
    }

    fn tables(tables: &Tables<Self>) -> String {
        let latency = |cell| {
            let (p50, p99) = (tables.median(cell, |rate| rate.p50)?, tables.median(cell, |rate| rate.p99)?);
            Some(format!("{} / {}", time(p50), time(p99)))
        };
        tables.spreads("Calls a second", |_, rate| rate.per_second, count)
            + &tables.ratios("Calls a second", |rate| rate.per_second)
            + &tables.table("Latency: p50 / p99, medians of the rounds", latency)
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

trait Echo: Clone + Send + Sync + 'static {
    type Load: Load;

    fn echo(&self, load: Self::Load) -> impl Future<Output = Result<Self::Load>> + Send;
}

impl<E: Echo> Asks<Calls> for E {
    async fn turn(&self, _: InFlight, number: u64) -> Result<()> {
        if self.echo(E::Load::numbered(number)).await?.is_numbered(number) {
            Ok(())
        } else {
            Err(format!("call {number:#x} got another answer than it sent").into())
        }
    }

    fn measure(self, stage: &Stage<Calls>) -> Result<Rate> {
        stage.rate(self, if stage.level.0 == 1 { 1 } else { 8 })
    }
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
