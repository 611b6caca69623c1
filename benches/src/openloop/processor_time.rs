//! The processor time of both processes, user's and system's, of all their threads.

use rustix::time::{ClockId, clock_gettime};

use crate::Result;
use crate::address::Address;
use crate::probe::{self, Probe};

pub struct Meter(Probe);

/// In nanoseconds, since each process began.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    pub asking: i64,
    pub answering: i64,
}

impl Meter {
    pub fn at(address: &Address) -> Result<Self> {
        Probe::at(address).map(Self)
    }

    pub fn read(&mut self) -> Result<Reading> {
        let answering = self.0.read()?;
        Ok(Reading { asking: spent()?, answering })
    }
}

/// Microseconds a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    pub asking: f64,
    pub answering: f64,
}

impl Reading {
    pub fn since(self, before: Self, calls: u64) -> Cost {
        let each = |after: i64, before: i64| (after - before) as f64 / 1e3 / calls as f64;
        Cost { asking: each(self.asking, before.asking), answering: each(self.answering, before.answering) }
    }
}

pub fn offer(address: &Address) -> Result<()> {
    probe::offer(address, spent)
}

fn spent() -> Result<i64> {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Ok(time.tv_sec * 1_000_000_000 + time.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{hint, thread};

    #[test]
    fn a_cost_is_each_process_own_time_divided_by_the_calls() {
        let before = Reading { asking: 1_000_000, answering: 5_000_000 };
        let after = Reading { asking: 3_000_000, answering: 5_500_000 };
        assert_eq!(after.since(before, 100), Cost { asking: 20.0, answering: 5.0 });
    }

    #[test]
    fn the_work_of_any_thread_counts_also_when_it_has_ended() {
        const WORK: i64 = 30_000_000;
        let before = spent().unwrap();
        let work = || {
            let begun = spent().unwrap();
            while spent().unwrap() < begun + WORK {
                hint::spin_loop();
            }
        };
        thread::spawn(work).join().unwrap();
        assert!(spent().unwrap() - before >= WORK);
    }
}
