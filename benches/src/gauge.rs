//! The phases of a measurement, and what is timed in them.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::Result;
use crate::rate::Rate;

#[derive(Clone, Copy, PartialEq)]
pub enum Phase {
    WarmUp,
    Measured,
    Over,
}

/// The phase in which all tasks of a measurement are.
#[derive(Clone, Default)]
pub struct Phases(Arc<AtomicU8>);

impl Phases {
    /// Goes through all of them, and tells how long it really measured.
    pub fn pass(&self, warm_up: Duration, measured: Duration) -> Duration {
        thread::sleep(warm_up);
        self.enter(Phase::Measured);
        let begun = Instant::now();
        thread::sleep(measured);
        self.enter(Phase::Over);
        begun.elapsed()
    }

    pub fn now(&self) -> Phase {
        match self.0.load(Ordering::Relaxed) {
            0 => Phase::WarmUp,
            1 => Phase::Measured,
            _ => Phase::Over,
        }
    }

    fn enter(&self, phase: Phase) {
        self.0.store(phase as u8, Ordering::Relaxed);
    }
}

pub struct Gauge {
    phases: Phases,
    stride: u64,
    latencies: Mutex<Histogram<u64>>,
}

impl Gauge {
    /// Times every `stride`-th turn of a task: two clock reads would cost a tenth of the fastest peers' calls.
    pub fn new(phases: Phases, stride: u64) -> Result<Self> {
        let minute = Duration::from_secs(60).as_nanos() as u64;
        Ok(Self { phases, stride, latencies: Mutex::new(Histogram::new_with_bounds(1, minute, 3)?) })
    }

    pub fn phase(&self) -> Phase {
        self.phases.now()
    }

    pub fn times(&self, turn: u64) -> bool {
        turn.is_multiple_of(self.stride)
    }

    /// Counts a turn that has ended, one where it was measured; `None` when the time is over.
    pub fn count(&self, begun: Option<Instant>) -> Option<u64> {
        match self.phase() {
            Phase::WarmUp => Some(0),
            Phase::Measured => {
                if let Some(begun) = begun {
                    self.record(begun.elapsed());
                }
                Some(1)
            }
            Phase::Over => None,
        }
    }

    pub fn record(&self, latency: Duration) {
        let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.latencies().saturating_record(nanoseconds);
    }

    /// How many were.
    pub fn recorded(&self) -> u64 {
        self.latencies().len()
    }

    pub fn rate(&self, turns: u64, elapsed: Duration) -> Rate {
        let latencies = self.latencies();
        let microseconds = |quantile| latencies.value_at_quantile(quantile) as f64 / 1e3;
        Rate {
            per_second: turns as f64 / elapsed.as_secs_f64(),
            p50: microseconds(0.5),
            p99: microseconds(0.99),
        }
    }

    fn latencies(&self) -> MutexGuard<'_, Histogram<u64>> {
        self.latencies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
