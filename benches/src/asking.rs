//! The asking process: it connects, and takes turns for as long as it is told.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::Result;
use crate::address::Address;
use crate::comparison::{Comparison, Level};
use crate::gauge::{Gauge, Phases};
use crate::peer::Peer;
use crate::rate::Rate;
use crate::serving::workers;

/// What an asking process is told.
pub struct Asking<C: Comparison> {
    pub address: Address,
    pub level: C::Level,
    pub warm_up: Duration,
    pub measured: Duration,
}

/// A client that can be measured.
pub trait Asks<C: Comparison>: Clone + Send + Sync + 'static {
    /// Asks once, and looks at the answer. No two turns have the same number.
    fn turn(&self, level: C::Level, number: u64) -> impl Future<Output = Result<()>> + Send;

    fn measure(self, stage: &Stage<C>) -> Result<C::Sample>;
}

/// Where and for how long a client asks.
pub struct Stage<C: Comparison> {
    pub runtime: Runtime,
    pub level: C::Level,
    pub warm_up: Duration,
    pub measured: Duration,
}

pub fn ask<C: Comparison, P: Peer<Client: Asks<C>>>(asking: Asking<C>) -> Result<C::Sample> {
    let Asking { address, level, warm_up, measured } = asking;
    let runtime = workers(1)?;
    let client = runtime.block_on(runtime.spawn(connect::<P>(address.clone())))??;
    // Nobody else connects; so no socket is left behind, however this run ends.
    address.remove();
    client.measure(&Stage { runtime, level, warm_up, measured })
}

pub async fn connect<P: Peer>(address: Address) -> Result<P::Client> {
    retry(|| P::connect(address.clone())).await
}

/// The server needs a moment to come up.
pub async fn retry<T, F: Future<Output = Result<T>>>(connect: impl Fn() -> F) -> Result<T> {
    let patience = Instant::now() + PATIENCE;
    loop {
        match connect().await {
            Err(_) if Instant::now() < patience => sleep(PAUSE).await,
            outcome => return outcome,
        }
    }
}

/// The same for a plain thread.
pub fn retry_blocking<T>(connect: impl Fn() -> Result<T>) -> Result<T> {
    let patience = Instant::now() + PATIENCE;
    loop {
        match connect() {
            Err(_) if Instant::now() < patience => thread::sleep(PAUSE),
            outcome => return outcome,
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(10);

impl<C: Comparison> Stage<C> {
    /// The rate of turns, of which every so many-th is timed.
    pub fn rate<A: Asks<C>>(&self, client: A, stride: u64) -> Result<Rate> {
        let phases = Phases::default();
        let gauge = Arc::new(Gauge::new(phases.clone(), stride)?);
        let tasks = self.spawn_turns(client, &gauge);
        let elapsed = phases.pass(self.warm_up, self.measured);
        Ok(gauge.rate(self.sum_of(tasks)?, elapsed))
    }

    /// As many tasks as the level wants.
    pub fn spawn_turns<D, A>(&self, client: A, gauge: &Arc<Gauge>) -> Vec<JoinHandle<Result<u64>>>
    where
        D: Comparison<Level = C::Level>,
        A: Asks<D>,
    {
        self.spawn_some(client, gauge, 0..self.level.in_flight())
    }

    /// The tasks of these numbers.
    pub fn spawn_some<D, A>(
        &self,
        client: A,
        gauge: &Arc<Gauge>,
        numbers: impl Iterator<Item = u64>,
    ) -> Vec<JoinHandle<Result<u64>>>
    where
        D: Comparison<Level = C::Level>,
        A: Asks<D>,
    {
        let tasks =
            numbers.map(|task| keep_asking::<D, A>(client.clone(), self.level, Arc::clone(gauge), task));
        tasks.map(|task| self.runtime.spawn(task)).collect()
    }

    pub fn sum_of(&self, tasks: Vec<JoinHandle<Result<u64>>>) -> Result<u64> {
        tasks.into_iter().map(|task| self.runtime.block_on(task)?).sum()
    }
}

/// Returns how many turns ended while it was measured.
async fn keep_asking<C: Comparison, A: Asks<C>>(
    client: A,
    level: C::Level,
    gauge: Arc<Gauge>,
    task: u64,
) -> Result<u64> {
    let mut counted = 0;
    for turn in 0.. {
        let begun = gauge.times(task + turn).then(Instant::now);
        client.turn(level, task << 32 | turn).await?;
        match gauge.count(begun) {
            Some(turns) => counted += turns,
            None => break,
        }
    }
    Ok(counted)
}
