//! How long a child took, by the clock and by the processors.

use std::fmt::{self, Display};
use std::fs;
use std::time::Instant;

use super::services::Framework;
use super::workshop::Profile;
use crate::Result;

/// What Linux counts the times of processes in, whatever the kernel's own clock is.
const TICKS_PER_SECOND: f64 = 100.0;

/// Seconds.
#[derive(Clone, Copy, Debug)]
pub struct Time {
    /// User and system, of cargo and all that it started.
    pub processor: f64,
    pub wall: f64,
}

/// The three builds of one round.
pub struct Times {
    pub framework: Framework,
    pub profile: Profile,
    /// Clean, another body, a method more.
    pub taken: [Time; 3],
}

impl Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:7} {:5}", self.profile, self.framework)?;
        self.taken.iter().try_for_each(|time| write!(f, "  {:6.2} s ({:.2})", time.processor, time.wall))
    }
}

pub struct Stopwatch {
    processor: f64,
    begun: Instant,
}

impl Stopwatch {
    pub fn start() -> Result<Self> {
        Ok(Self { processor: of_children()?, begun: Instant::now() })
    }

    pub fn stop(self) -> Result<Time> {
        Ok(Time { processor: of_children()? - self.processor, wall: self.begun.elapsed().as_secs_f64() })
    }
}

/// The processor time of all children that were waited for: `cutime` and `cstime` of proc(5).
fn of_children() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The program's name, which may have spaces, ends with the last parenthesis; its field is the second.
    let (_, after_name) = stat.rsplit_once(')').ok_or("/proc/self/stat has no name")?;
    let fields = after_name.split_whitespace().skip(13).take(2).map(str::parse::<f64>);
    Ok(fields.sum::<Result<f64, _>>()? / TICKS_PER_SECOND)
}
