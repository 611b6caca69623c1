//! Calls that come when they come: at a rate, whether or not those before them have been answered.

mod arrivals;
mod processor_time;

use std::fmt::{self, Display};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use self::arrivals::Arrivals;
use self::processor_time::{Cost, Meter};
use crate::address::Address;
use crate::arguments::{list, parse};
use crate::asking::{Asking, Asks, Stage, connect};
use crate::calls::message::Message;
use crate::calls::{Echo, call, handmade, mux, tarpc, tonic};
use crate::comparison::{Against, Comparison, Contender, Figure, Level};
use crate::count;
use crate::format::MessagePack;
use crate::gauge::{Gauge, Phases};
use crate::peer::Peer;
use crate::rate::{Rate, numbers};
use crate::round::Plan;
use crate::serving::{self, workers};
use crate::unit::Unit;
use crate::{Error, Result};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OpenLoop;

impl Comparison for OpenLoop {
    const NAME: &'static str = "openloop";
    const HEADLINE: &'static str = "Open loop: what calls cost that come at a rate, and how long they take";
    const METHOD: &'static str = "Calls come as a Poisson process, independently of the answers; latency is from when a \
                                  call was meant to begin, and processor time is that of both processes, user's and \
                                  system's, with what makes the load, divided by the calls.";
    const PEERS: &'static [Contender<Self>] = &[
        contender::<mux::Named>("mux"),
        contender::<tarpc::Tarpc<MessagePack>>("tarpc-messagepack"),
        contender::<tonic::Tonic>("tonic"),
        contender::<handmade::Handmade<true>>("handmade"),
        Contender {
            name: LOAD,
            serve: serve::<handmade::Handmade<true>>,
            ask: ask_nobody,
            count: |_, _| Ok(()),
        },
    ];
    const AGAINST: Against = Against::Peer("handmade");
    const COUNTED: PerSecond = PerSecond(1);
    const FIGURES: &'static [Figure<Self>] = &[
        Figure {
            name: "Processor time a call",
            unit: Unit::Microseconds,
            pick: |_, sample| Some(sample.cost.asking + sample.cost.answering),
        },
        Figure {
            name: "Processor time a call, of the client",
            unit: Unit::Microseconds,
            pick: |_, sample| Some(sample.cost.asking),
        },
        Figure {
            name: "Processor time a call, of the server",
            unit: Unit::Microseconds,
            pick: |_, sample| Some(sample.cost.answering),
        },
        Figure { name: "p50", unit: Unit::Microseconds, pick: |_, sample| Some(sample.rate.p50) },
        Figure { name: "p99", unit: Unit::Microseconds, pick: |_, sample| Some(sample.rate.p99) },
        Figure {
            name: "Answers a second",
            unit: Unit::PerSecond,
            pick: |_, sample| Some(sample.rate.per_second),
        },
    ];

    type Level = PerSecond;
    type Sample = Sample;

    fn plan() -> Plan<Self> {
        Plan {
            measured: Duration::from_secs(1),
            ..Plan::of([100, 1_000, 10_000, 50_000].map(PerSecond).to_vec())
        }
    }

    fn heading(PerSecond(rate): PerSecond) -> String {
        format!("{rate} a second")
    }
}

/// The load alone: calls that nobody makes.
const LOAD: &str = "load-alone";

const fn contender<P: Peer<Client: Echo>>(name: &'static str) -> Contender<OpenLoop> {
    Contender { name, serve: serve::<P>, ask: ask::<P>, count: count::count::<OpenLoop, P> }
}

/// Calls a second, on average.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PerSecond(u64);

impl Level for PerSecond {
    const OPTIONS: &'static [&'static str] = &["--rates"];

    fn set(levels: &mut Vec<Self>, option: &str, value: &str) -> Result<()> {
        *levels = list(value, option)?;
        Ok(())
    }

    fn in_flight(self) -> u64 {
        1
    }
}

impl Display for PerSecond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for PerSecond {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match parse(text, "a rate")? {
            0 => Err("at a rate of 0 nothing comes".into()),
            rate => Ok(Self(rate)),
        }
    }
}

#[derive(Debug, PartialEq)]
pub struct Sample {
    rate: Rate,
    cost: Cost,
}

impl Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.rate, self.cost.asking, self.cost.answering)
    }
}

impl FromStr for Sample {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self> {
        let [per_second, p50, p99, asking, answering] = numbers(line)?;
        Ok(Self { rate: Rate { per_second, p50, p99 }, cost: Cost { asking, answering } })
    }
}

/// Only `count` takes turns.
impl<E: Echo> Asks<OpenLoop> for E {
    async fn turn(&self, _: PerSecond, number: u64) -> Result<()> {
        call(self, number).await
    }

    fn measure(self, _: &Stage<OpenLoop>) -> Result<Sample> {
        Err("an open loop is measured at both ends".into())
    }
}

fn serve<P: Peer>(address: Address, level: PerSecond) -> Result<()> {
    processor_time::offer(&address)?;
    serving::serve::<OpenLoop, P>(address, level)
}

fn ask<P: Peer<Client: Echo>>(asking: Asking<OpenLoop>) -> Result<Sample> {
    let runtime = workers(1)?;
    let client = runtime.block_on(runtime.spawn(connect::<P>(asking.address.clone())))??;
    measure(&asking, &runtime, &client)
}

fn ask_nobody(asking: Asking<OpenLoop>) -> Result<Sample> {
    measure(&asking, &workers(1)?, &Nobody)
}

#[derive(Clone)]
struct Nobody;

impl Echo for Nobody {
    type Load = Message;

    async fn echo(&self, load: Self::Load) -> Result<Self::Load> {
        Ok(load)
    }
}

fn measure<E: Echo>(asking: &Asking<OpenLoop>, runtime: &Runtime, client: &E) -> Result<Sample> {
    let mut meter = Meter::at(&asking.address)?;
    asking.address.remove();
    sleep_precisely()?;
    let load = Offered { runtime, client, per_second: asking.level.0 };
    load.offer(asking.warm_up, WARM_UP)?;
    let before = meter.read()?;
    let begun = Instant::now();
    let gauge = load.offer(asking.measured, MEASURED)?;
    let elapsed = begun.elapsed();
    let after = meter.read()?;
    let calls = gauge.recorded();
    if calls == 0 {
        return Err("no call came in time".into());
    }
    Ok(Sample { rate: gauge.rate(calls, elapsed), cost: after.since(before, calls) })
}

/// Seeds of both schedules.
const WARM_UP: u64 = 1;
const MEASURED: u64 = 2;

/// Linux lets a thread sleep up to 50 µs longer than it asked for, which would make groups of calls.
fn sleep_precisely() -> Result<()> {
    #[cfg(target_os = "linux")]
    rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1))?;
    Ok(())
}

/// What is to be called, how often.
struct Offered<'a, E> {
    runtime: &'a Runtime,
    client: &'a E,
    per_second: u64,
}

impl<E: Echo> Offered<'_, E> {
    /// Begins all calls of so much time, each when it is due or as soon after that as this thread can, and returns when
    /// all are answered. A call that begins late has waited since it was due.
    fn offer(&self, time: Duration, seed: u64) -> Result<Arc<Gauge>> {
        let gauge = Arc::new(Gauge::new(Phases::default(), 1)?);
        let (failed, failures) = mpsc::channel();
        let begun = Instant::now();
        for (number, arrival) in (0..).zip(Arrivals::new(self.per_second, seed).until(time)) {
            let due = begun + arrival;
            sleep_until(due);
            let (client, gauge, failed) = (self.client.clone(), Arc::clone(&gauge), failed.clone());
            self.runtime.spawn(async move {
                match call(&client, number).await {
                    Ok(()) => gauge.record(due.elapsed()),
                    // Where it is not the first that failed, nobody listens.
                    Err(error) => _ = failed.send(error),
                }
            });
        }
        drop(failed);
        match failures.recv_timeout(PATIENCE) {
            Err(RecvTimeoutError::Disconnected) => Ok(gauge),
            Err(RecvTimeoutError::Timeout) => Err("calls were not answered in time".into()),
            Ok(error) => Err(error),
        }
    }
}

/// For the last answers.
const PATIENCE: Duration = Duration::from_secs(5);

fn sleep_until(due: Instant) {
    let left = due.saturating_duration_since(Instant::now());
    if !left.is_zero() {
        thread::sleep(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::every_peer_answers;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn every_peer_answers_at_a_rate() {
        every_peer_answers::<OpenLoop>(OpenLoop::COUNTED, 100);
    }

    #[test]
    fn a_level_and_a_sample_survive_the_way_between_processes() {
        assert_eq!(PerSecond(50_000).to_string().parse::<PerSecond>().unwrap(), PerSecond(50_000));
        assert!("0".parse::<PerSecond>().is_err());
        let sample = Sample {
            rate: Rate { per_second: 9_999.5, p50: 61.0, p99: 200.25 },
            cost: Cost { asking: 20.5, answering: 16.25 },
        };
        assert_eq!(format!("{sample}\n").parse::<Sample>().unwrap(), sample);
    }

    /// A server that answers nobody for a while.
    #[derive(Clone)]
    struct Stalled {
        until: Instant,
        asked: Arc<AtomicU64>,
    }

    impl Echo for Stalled {
        type Load = Message;

        async fn echo(&self, load: Message) -> Result<Message> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep_until(self.until.into()).await;
            Ok(load)
        }
    }

    #[test]
    fn calls_come_on_while_none_is_answered_and_all_of_them_count_from_when_they_were_due() {
        let runtime = workers(1).unwrap();
        let stalled = Duration::from_millis(200);
        let client = Stalled { until: Instant::now() + stalled, asked: Arc::default() };
        let load = Offered { runtime: &runtime, client: &client, per_second: 1_000 };
        let gauge = load.offer(stalled, 7).unwrap();
        let due = Arrivals::new(1_000, 7).until(stalled).count() as u64;
        assert_eq!(gauge.recorded(), due);
        assert_eq!(client.asked.load(Ordering::Relaxed), due);
        // A loop that waits for its answers would have one slow call; here half of all have waited for half of the stall.
        let p50 = gauge.rate(due, stalled).p50;
        assert!(p50 > 80_000.0, "{p50}");
    }

    #[test]
    fn a_call_that_fails_fails_the_cell() {
        #[derive(Clone)]
        struct Failing;
        impl Echo for Failing {
            type Load = Message;
            async fn echo(&self, _: Message) -> Result<Message> {
                Err("no".into())
            }
        }
        let runtime = workers(1).unwrap();
        let load = Offered { runtime: &runtime, client: &Failing, per_second: 1_000 };
        assert!(load.offer(Duration::from_millis(20), 7).is_err());
    }
}
