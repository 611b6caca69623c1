//! Plain threads that share a connection: each makes one call after another, and blocks until it is answered.

mod ping_pong;

use std::fmt::{self, Display};
use std::str::FromStr;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use tokio::runtime::Runtime;

use crate::address::Address;
use crate::arguments::{list, parse};
use crate::asking::{self, Asking, Asks, Stage};
use crate::calls::message::{Load, Message};
use crate::calls::{Echo, call, handmade, mux, remoc, stride, tarpc, tonic};
use crate::comparison::{Against, Comparison, Contender, Figure, Level};
use crate::count;
use crate::format::MessagePack;
use crate::gauge::{Gauge, Phases};
use crate::peer::Peer;
use crate::rate::Rate;
use crate::round::Plan;
use crate::serving::{self, workers};
use crate::unit::Unit;
use crate::{Error, Result};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threads;

impl Comparison for Threads {
    const NAME: &'static str = "threads";
    const HEADLINE: &'static str = "Plain threads: how many calls a second they make on one connection";
    const METHOD: &'static str = "Threads share one client, and each blocks in one echo call after another: in mux's \
                                  own `wait`, or in `block_on` of a runtime whose one worker thread is beside them; \
                                  with one thread both processes are kept on one processor.";
    const PEERS: &'static [Contender<Self>] = &[
        contender::<Waiting, mux::Named>("mux"),
        contender::<OnRuntime<tarpc::Tarpc<MessagePack>>, tarpc::Tarpc<MessagePack>>("tarpc-messagepack"),
        contender::<OnRuntime<tonic::Tonic>, tonic::Tonic>("tonic"),
        contender::<OnRuntime<remoc::Remoc>, remoc::Remoc>("remoc"),
        contender::<OnRuntime<handmade::Handmade<true>>, handmade::Handmade<true>>("handmade"),
        Contender {
            name: PING_PONG,
            serve: |address, _| ping_pong::serve(address),
            ask: ask::<ping_pong::Asker>,
            count: |_, turns| ping_pong::count(turns),
        },
    ];
    const AGAINST: Against = Against::Peer("tarpc-messagepack");
    const COUNTED: Callers = Callers(64);
    const FIGURES: &'static [Figure<Self>] = &[
        Figure { name: "Calls a second", unit: Unit::PerSecond, pick: |_, rate| Some(rate.per_second) },
        Figure { name: "p50", unit: Unit::Microseconds, pick: |_, rate| Some(rate.p50) },
        Figure { name: "p99", unit: Unit::Microseconds, pick: |_, rate| Some(rate.p99) },
    ];

    type Level = Callers;
    type Sample = Rate;

    fn plan() -> Plan<Self> {
        Plan::of([1, 64, 700].map(Callers).to_vec())
    }

    fn is_on_one_processor(Callers(callers): Callers) -> bool {
        callers == 1
    }

    /// Without numbers there is one call at a time.
    fn asks(peer: &str, Callers(callers): Callers) -> bool {
        peer != PING_PONG || callers == 1
    }

    fn heading(Callers(callers): Callers) -> String {
        if callers == 1 { "1 thread".to_owned() } else { format!("{callers} threads") }
    }
}

const PING_PONG: &str = "by-hand-blocking";

const fn contender<B: Blocks, P: Peer<Client: Asks<Threads>>>(name: &'static str) -> Contender<Threads> {
    Contender { name, serve: serving::serve::<Threads, P>, ask: ask::<B>, count: count::count::<Threads, P> }
}

/// A number of threads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Callers(u64);

impl Level for Callers {
    const OPTIONS: &'static [&'static str] = &["--threads"];

    fn set(levels: &mut Vec<Self>, option: &str, value: &str) -> Result<()> {
        *levels = list(value, option)?;
        Ok(())
    }

    fn in_flight(self) -> u64 {
        self.0
    }
}

impl Display for Callers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Callers {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse(text, "a number of threads").map(Self)
    }
}

/// A client for plain threads.
trait Blocks: Clone + Send + Sized + 'static {
    fn connect(address: &Address) -> Result<Self>;

    /// Asks once, and looks at the answer.
    fn turn(&self, number: u64) -> Result<()>;
}

/// mux's own way: no runtime that its user knows of.
#[derive(Clone)]
struct Waiting(mux::EchoClient);

impl Blocks for Waiting {
    fn connect(address: &Address) -> Result<Self> {
        Ok(Self(mux::EchoClient::connect_blocking(address.to_string().as_str())?))
    }

    fn turn(&self, number: u64) -> Result<()> {
        if self.0.echo(Message::numbered(number)).wait()?.is_numbered(number) {
            Ok(())
        } else {
            Err(format!("call {number:#x} got another answer than it sent").into())
        }
    }
}

/// Others' way: each thread waits for a future, whose connection is driven by a runtime.
struct OnRuntime<P: Peer> {
    client: P::Client,
    runtime: Arc<Runtime>,
}

impl<P: Peer> Clone for OnRuntime<P> {
    fn clone(&self) -> Self {
        Self { client: self.client.clone(), runtime: Arc::clone(&self.runtime) }
    }
}

impl<P: Peer<Client: Echo>> Blocks for OnRuntime<P> {
    fn connect(address: &Address) -> Result<Self> {
        let runtime = Arc::new(workers(1)?);
        let client = runtime.block_on(runtime.spawn(P::connect(address.clone())))??;
        Ok(Self { client, runtime })
    }

    fn turn(&self, number: u64) -> Result<()> {
        self.runtime.handle().block_on(call(&self.client, number))
    }
}

/// Only `count` asks tasks.
impl<E: Echo> Asks<Threads> for E {
    async fn turn(&self, _: Callers, number: u64) -> Result<()> {
        call(self, number).await
    }

    fn measure(self, _: &Stage<Threads>) -> Result<Rate> {
        Err("threads are measured by themselves".into())
    }
}

fn ask<B: Blocks>(asking: Asking<Threads>) -> Result<Rate> {
    let Asking { address, level: Callers(callers), warm_up, measured } = asking;
    let client = asking::retry_blocking(|| B::connect(&address))?;
    address.remove();
    let phases = Phases::default();
    let gauge = Arc::new(Gauge::new(phases.clone(), stride(callers))?);
    let threads = (0..callers).map(|caller| {
        let (client, gauge) = (client.clone(), Arc::clone(&gauge));
        Ok(thread::Builder::new().stack_size(STACK).spawn(move || keep_asking(&client, &gauge, caller))?)
    });
    let threads = threads.collect::<Result<Vec<_>>>()?;
    let elapsed = phases.pass(warm_up, measured);
    let turns = threads.into_iter().map(|thread| thread.join().map_err(|_| "a thread panicked")?);
    Ok(gauge.rate(turns.sum::<Result<u64>>()?, elapsed))
}

/// Seven hundred of the usual two megabytes might not be had.
const STACK: usize = 512 << 10;

/// Returns how many turns ended while it was measured.
fn keep_asking(client: &impl Blocks, gauge: &Gauge, caller: u64) -> Result<u64> {
    let mut counted = 0;
    for turn in 0.. {
        let begun = gauge.times(caller + turn).then(Instant::now);
        client.turn(caller << 32 | turn)?;
        match gauge.count(begun) {
            Some(turns) => counted += turns,
            None => break,
        }
    }
    Ok(counted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::every_peer_answers;

    #[test]
    fn every_peer_answers_threads() {
        every_peer_answers::<Threads>(Callers(3), 100);
    }
}
