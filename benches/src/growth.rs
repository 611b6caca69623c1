//! What a call of mux costs when there is more of something.

mod wide;

use std::fmt::{self, Display};
use std::str::FromStr;
use std::time::Duration;

use crate::address::Address;
use crate::arguments::{list, parse};
use crate::asking::{Asking, Asks, Stage, connect};
use crate::bulk::blob::{is_numbered, numbered};
use crate::bulk::{self, Bulk, LARGEST};
use crate::calls::{self, call, stride};
use crate::comparison::{Against, Comparison, Contender, Figure, Level};
use crate::peer::Peer;
use crate::rate::Rate;
use crate::round::Plan;
use crate::serving::workers;
use crate::unit::Unit;
use crate::{Error, Result};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth;

impl Comparison for Growth {
    const NAME: &'static str = "growth";
    const HEADLINE: &'static str = "Growth: what a call of mux costs when there is more of something";
    const METHOD: &'static str = "Wall time divided by the calls that were answered in it, where one thing grows: \
                                  calls in flight; connections with 1 call each; methods of a service, called in \
                                  turn with 64 in flight; bytes of a body, 4 in flight; worker threads of both \
                                  processes. With up to 8 small calls in flight both are kept on one processor.";
    const PEERS: &'static [Contender<Self>] = &[Contender { name: "mux", serve, ask, count }];
    const AGAINST: Against = Against::First;
    const COUNTED: Amount = Amount::InFlight(64);
    const FIGURES: &'static [Figure<Self>] = &[Figure {
        name: "Time a call",
        unit: Unit::Microseconds,
        pick: |_, rate| Some(1e6 / rate.per_second),
    }];

    type Level = Amount;
    type Sample = Rate;

    fn plan() -> Plan<Self> {
        let in_flight = (0..=7).map(|power| Amount::InFlight(4_u64.pow(power)));
        let connections = [1, 10, 100, 1_000].map(Amount::Connections);
        let methods = wide::SIZES.map(Amount::Methods);
        let bodies = [0].into_iter().chain((0..=7).map(|power| 8 << (3 * power))).map(Amount::Body);
        let threads = [64, 1024]
            .into_iter()
            .flat_map(|in_flight| [1, 2].map(|threads| Amount::Workers { threads, in_flight }));
        Plan {
            rounds: 3,
            measured: Duration::from_millis(400),
            ..Plan::of(in_flight.chain(connections).chain(methods).chain(bodies).chain(threads).collect())
        }
    }

    fn is_on_one_processor(amount: Amount) -> bool {
        match amount {
            Amount::InFlight(many) | Amount::Connections(many) => many <= 8,
            _ => false,
        }
    }

    fn heading(amount: Amount) -> String {
        match amount {
            Amount::Body(bytes) => binary(bytes),
            Amount::Workers { threads: 1, in_flight } => format!("1 thread, {in_flight} in flight"),
            Amount::Workers { threads, in_flight } => format!("{threads} threads, {in_flight} in flight"),
            Amount::InFlight(many) | Amount::Connections(many) | Amount::Methods(many) => many.to_string(),
        }
    }

    fn group(amount: Amount) -> &'static str {
        match amount {
            Amount::InFlight(_) => "calls in flight",
            Amount::Connections(_) => "connections",
            Amount::Methods(_) => "methods of a service",
            Amount::Body(_) => "bytes of a body",
            Amount::Workers { .. } => "worker threads",
        }
    }

    fn along(amount: Amount) -> Option<f64> {
        match amount {
            Amount::Workers { .. } => None,
            Amount::InFlight(many)
            | Amount::Connections(many)
            | Amount::Methods(many)
            | Amount::Body(many) => Some(many as f64),
        }
    }
}

fn binary(bytes: u64) -> String {
    match bytes {
        0..=1_023 => format!("{bytes} B"),
        1_024..=1_048_575 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

/// What there is more of, and how many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    InFlight(u64),
    Connections(u64),
    Methods(u64),
    Body(u64),
    Workers { threads: u64, in_flight: u64 },
}

impl Amount {
    fn threads(self) -> usize {
        if let Self::Workers { threads, .. } = self { threads as usize } else { 1 }
    }

    fn connections(self) -> u64 {
        if let Self::Connections(many) = self { many } else { 1 }
    }
}

impl Level for Amount {
    const OPTIONS: &'static [&'static str] = &["--levels"];

    fn set(levels: &mut Vec<Self>, option: &str, value: &str) -> Result<()> {
        *levels = list(value, option)?;
        Ok(())
    }

    fn in_flight(self) -> u64 {
        match self {
            Self::InFlight(many) | Self::Connections(many) => many,
            Self::Methods(_) => 64,
            Self::Body(_) => 4,
            Self::Workers { in_flight, .. } => in_flight,
        }
    }
}

impl Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InFlight(many) => write!(f, "in-flight:{many}"),
            Self::Connections(many) => write!(f, "connections:{many}"),
            Self::Methods(many) => write!(f, "methods:{many}"),
            Self::Body(bytes) => write!(f, "body:{bytes}"),
            Self::Workers { threads, in_flight } => write!(f, "workers:{threads}x{in_flight}"),
        }
    }
}

impl FromStr for Amount {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (what, many) = text.split_once(':').ok_or("not of the form WHAT:MANY")?;
        match what {
            "in-flight" => Ok(Self::InFlight(within(many, 1, calls::MOST_IN_FLIGHT as u64)?)),
            "connections" => Ok(Self::Connections(within(many, 1, 10_000)?)),
            "methods" => Ok(Self::Methods(wide::size(parse(many, "methods")?)?)),
            "body" => Ok(Self::Body(body(within(many, 0, LARGEST as u64 / 2)?)?)),
            "workers" => {
                let (threads, in_flight) = many.split_once('x').ok_or("not of the form THREADSxIN-FLIGHT")?;
                let in_flight = within(in_flight, 1, calls::MOST_IN_FLIGHT as u64)?;
                Ok(Self::Workers { threads: within(threads, 1, 64)?, in_flight })
            }
            _ => Err(format!("nothing grows by the name of `{what}`").into()),
        }
    }
}

fn within(text: &str, least: u64, most: u64) -> Result<u64> {
    match parse(text, "an amount")? {
        many if (least..=most).contains(&many) => Ok(many),
        many => Err(format!("{many} is not within {least} and {most}").into()),
    }
}

fn body(bytes: u64) -> Result<u64> {
    if bytes.is_multiple_of(8) { Ok(bytes) } else { Err("bodies are made of words of 8 bytes".into()) }
}

fn serve(address: Address, amount: Amount) -> Result<()> {
    let runtime = workers(amount.threads())?;
    runtime.block_on(async {
        match amount {
            Amount::Methods(methods) => tokio::spawn(wide::listen(address, methods)),
            Amount::Body(_) => tokio::spawn(bulk::mux::Mux::listen(address)),
            _ => tokio::spawn(calls::mux::Named::listen(address)),
        }
        .await?
    })
}

fn ask(asking: Asking<Growth>) -> Result<Rate> {
    let Asking { address, level, warm_up, measured } = asking;
    let runtime = workers(level.threads())?;
    let asker = runtime.block_on(runtime.spawn(Asker::connect(address.clone(), level)))??;
    address.remove();
    asker.measure(&Stage { runtime, level, warm_up, measured })
}

fn count(_: Amount, _: u64) -> Result<()> {
    Err("nothing grows by itself here; count `calls`".into())
}

#[derive(Clone)]
enum Asker {
    Small(Vec<calls::mux::EchoClient>),
    Wide(wide::Asker),
    Blobs(bulk::mux::BlobsClient),
}

impl Asker {
    async fn connect(address: Address, amount: Amount) -> Result<Self> {
        match amount {
            Amount::Methods(methods) => Ok(Self::Wide(wide::Asker::connect(&address, methods).await?)),
            Amount::Body(_) => Ok(Self::Blobs(connect::<bulk::mux::Mux>(address).await?)),
            _ => {
                let mut clients = Vec::new();
                for _ in 0..amount.connections() {
                    clients.push(connect::<calls::mux::Named>(address.clone()).await?);
                }
                Ok(Self::Small(clients))
            }
        }
    }
}

impl Asks<Growth> for Asker {
    async fn turn(&self, amount: Amount, number: u64) -> Result<()> {
        match (self, amount) {
            (Self::Small(clients), _) => {
                call(&clients[(number >> 32) as usize % clients.len()], number).await
            }
            (Self::Wide(asker), _) => asker.call(number).await,
            (Self::Blobs(client), Amount::Body(bytes)) => echo(client, bytes as usize, number).await,
            (Self::Blobs(_), _) => Err("blobs are for bodies".into()),
        }
    }

    fn measure(self, stage: &Stage<Growth>) -> Result<Rate> {
        stage.rate(self, stride(stage.level.in_flight()))
    }
}

async fn echo(client: &impl Bulk, length: usize, number: u64) -> Result<()> {
    let answer = client.blob(numbered(length, number)).await?;
    if is_numbered(&answer, length, number) {
        Ok(())
    } else {
        Err(format!("body {number:#x} came back as another").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_planned_amount_survives_the_command_line() {
        for amount in Growth::plan().levels {
            assert_eq!(amount.to_string().parse::<Amount>().unwrap(), amount);
        }
        for nonsense in ["body:7", "in-flight:0", "methods:3", "dance:1", "workers:2"] {
            assert!(nonsense.parse::<Amount>().is_err(), "`{nonsense}` was taken");
        }
    }

    #[test]
    fn amounts_of_one_kind_follow_each_other() {
        let mut groups = Growth::plan().levels.into_iter().map(Growth::group).collect::<Vec<_>>();
        groups.dedup();
        assert_eq!(groups.len(), 5);
    }
}
