//! Neighbours: how long a call takes beside handlers that burn time of their processor.

use std::fmt::{self, Display};
use std::str::FromStr;
use std::sync::Arc;

use crate::asking::{Asks, Stage};
use crate::calls::message::{BURNS, Message};
use crate::calls::{Echo, call, handmade, mux, tarpc, tonic};
use crate::comparison::{Against, Comparison, Contender, Figure, Level};
use crate::format::MessagePack;
use crate::gauge::{Gauge, Phases};
use crate::rate::Rate;
use crate::round::Plan;
use crate::unit::Unit;
use crate::{Error, Result};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Busy;

impl Comparison for Busy {
    const NAME: &'static str = "busy";
    const HEADLINE: &'static str = "Busy neighbours: how long a call takes beside handlers that burn time";
    const METHOD: &'static str = "Of 64 calls in flight, to a server of two worker threads, every 16th has a handler \
                                  that burns 50 µs before it answers; told are the others, without and with that.";
    const PEERS: &'static [Contender<Self>] = &[
        Contender::of::<mux::Named>("mux"),
        Contender::of::<tarpc::Tarpc<MessagePack>>("tarpc-messagepack"),
        Contender::of::<tonic::Tonic>("tonic"),
        Contender::of::<handmade::Handmade<true>>("handmade"),
    ];
    const AGAINST: Against = Against::First;
    const COUNTED: Neighbours = Neighbours::Busy;
    const FIGURES: &'static [Figure<Self>] = &[
        Figure { name: "p99 of the others", unit: Unit::Microseconds, pick: |_, rate| Some(rate.p99) },
        Figure { name: "p50 of the others", unit: Unit::Microseconds, pick: |_, rate| Some(rate.p50) },
        Figure {
            name: "Calls a second of the others",
            unit: Unit::PerSecond,
            pick: |_, rate| Some(rate.per_second),
        },
    ];

    type Level = Neighbours;
    type Sample = Rate;

    fn plan() -> Plan<Self> {
        Plan::of(vec![Neighbours::Quiet, Neighbours::Busy])
    }

    fn serving_workers(_: Neighbours) -> usize {
        2
    }

    fn heading(neighbours: Neighbours) -> String {
        match neighbours {
            Neighbours::Quiet => "without".to_owned(),
            Neighbours::Busy => "with".to_owned(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Neighbours {
    Quiet,
    Busy,
}

impl Level for Neighbours {
    const OPTIONS: &'static [&'static str] = &[];

    fn set(_: &mut Vec<Self>, option: &str, _: &str) -> Result<()> {
        Err(format!("no option `{option}`").into())
    }

    fn in_flight(self) -> u64 {
        64
    }
}

impl Display for Neighbours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quiet => "quiet",
            Self::Busy => "busy",
        })
    }
}

impl FromStr for Neighbours {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "quiet" => Ok(Self::Quiet),
            "busy" => Ok(Self::Busy),
            _ => Err("neither `quiet` nor `busy`".into()),
        }
    }
}

/// By the task that its number begins with. The same tasks are set apart where nobody burns anything.
fn is_neighbour(task: u64) -> bool {
    task.is_multiple_of(16)
}

impl<E: Echo<Load = Message>> Asks<Busy> for E {
    async fn turn(&self, level: Neighbours, number: u64) -> Result<()> {
        let burns = level == Neighbours::Busy && is_neighbour(number >> 32);
        call(self, if burns { BURNS | number } else { number }).await
    }

    fn measure(self, stage: &Stage<Busy>) -> Result<Rate> {
        let phases = Phases::default();
        let apart = Arc::new(Gauge::new(phases.clone(), 1)?);
        let others = Arc::new(Gauge::new(phases.clone(), 8)?);
        let tasks = 0..stage.level.in_flight();
        let neighbours = tasks.clone().filter(|&task| is_neighbour(task));
        let neighbours = stage.spawn_some::<Busy, E>(self.clone(), &apart, neighbours);
        let asking = stage.spawn_some::<Busy, E>(self, &others, tasks.filter(|&task| !is_neighbour(task)));
        let elapsed = phases.pass(stage.warm_up, stage.measured);
        stage.sum_of(neighbours)?;
        Ok(others.rate(stage.sum_of(asking)?, elapsed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::every_peer_answers;

    #[test]
    fn every_peer_answers_beside_neighbours() {
        every_peer_answers::<Busy>(Neighbours::Busy, 256);
    }

    #[test]
    fn a_level_survives_the_command_line() {
        for level in [Neighbours::Quiet, Neighbours::Busy] {
            assert_eq!(level.to_string().parse::<Neighbours>().unwrap(), level);
        }
    }
}
