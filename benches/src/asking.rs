//! The asking process: a number of tasks that call one after another, and the count of their calls.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::time::sleep;

use crate::Result;
use crate::address::Address;
use crate::message::Load;
use crate::peers::{Caller, Job, Peer};
use crate::sample::Sample;
use crate::serving::one_worker;

pub struct Asking {
    pub address: Address,
    pub in_flight: u64,
    pub warm_up: Duration,
    pub measured: Duration,
}

impl Job for Asking {
    type Output = Result<Sample>;

    fn run<P: Peer>(self) -> Result<Sample> {
        let runtime = one_worker()?;
        let caller = runtime.block_on(runtime.spawn(connect::<P>(self.address.clone())))??;
        // Nobody else connects; so no socket is left behind, however this run ends.
        self.address.remove();
        let gauge = Arc::new(Gauge::new(self.in_flight)?);
        let tasks =
            (0..self.in_flight).map(|task| keep_calling::<P>(caller.clone(), Arc::clone(&gauge), task));
        let tasks = tasks.map(|task| runtime.spawn(task)).collect::<Vec<_>>();
        thread::sleep(self.warm_up);
        gauge.enter(Phase::Measured);
        let begun = Instant::now();
        thread::sleep(self.measured);
        gauge.enter(Phase::Over);
        let elapsed = begun.elapsed();
        let mut calls = 0;
        for task in tasks {
            calls += runtime.block_on(task)??;
        }
        Ok(gauge.sample(calls, elapsed))
    }
}

/// The server needs a moment to come up.
async fn connect<P: Peer>(address: Address) -> Result<P::Caller> {
    let patience = Instant::now() + Duration::from_secs(5);
    loop {
        match P::connect(address.clone()).await {
            Err(_) if Instant::now() < patience => sleep(Duration::from_millis(10)).await,
            outcome => return outcome,
        }
    }
}

/// Returns how many calls ended while it was measured.
async fn keep_calling<P: Peer>(caller: P::Caller, gauge: Arc<Gauge>, task: u64) -> Result<u64> {
    let mut counted = 0;
    for turn in 0.. {
        let begun = gauge.times(task + turn).then(Instant::now);
        call::<P>(&caller, task << 32 | turn).await?;
        match gauge.phase() {
            Phase::WarmUp => {}
            Phase::Measured => {
                counted += 1;
                if let Some(begun) = begun {
                    gauge.record(begun.elapsed());
                }
            }
            Phase::Over => break,
        }
    }
    Ok(counted)
}

/// One call, whose answer is compared with what was sent.
pub async fn call<P: Peer>(caller: &P::Caller, id: u64) -> Result<()> {
    let answer = caller.echo(P::Load::numbered(id)).await?;
    if answer.is_numbered(id) {
        Ok(())
    } else {
        Err(format!("call {id:#x} got another answer than it sent").into())
    }
}

#[derive(Clone, Copy)]
enum Phase {
    WarmUp,
    Measured,
    Over,
}

struct Gauge {
    phase: AtomicU8,
    /// Every so many-th call of a task is timed.
    stride: u64,
    latencies: Mutex<Histogram<u64>>,
}

impl Gauge {
    /// Two clock reads would cost a tenth of the fastest peers' calls: with many in flight every eighth is timed.
    fn new(in_flight: u64) -> Result<Self> {
        let minute = Duration::from_secs(60).as_nanos() as u64;
        let latencies = Mutex::new(Histogram::new_with_bounds(1, minute, 3)?);
        let stride = if in_flight == 1 { 1 } else { 8 };
        Ok(Self { phase: AtomicU8::new(Phase::WarmUp as u8), stride, latencies })
    }

    fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::WarmUp,
            1 => Phase::Measured,
            _ => Phase::Over,
        }
    }

    fn times(&self, turn: u64) -> bool {
        turn.is_multiple_of(self.stride)
    }

    fn record(&self, latency: Duration) {
        let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.latencies.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(nanoseconds);
    }

    fn sample(&self, calls: u64, elapsed: Duration) -> Sample {
        let latencies = self.latencies.lock().unwrap_or_else(PoisonError::into_inner);
        let microseconds = |quantile| latencies.value_at_quantile(quantile) as f64 / 1e3;
        Sample {
            calls_per_second: calls as f64 / elapsed.as_secs_f64(),
            p50: microseconds(0.5),
            p99: microseconds(0.99),
        }
    }
}
