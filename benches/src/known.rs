//! All comparisons, by name; what is behind a name has forgotten its types.

use std::time::Duration;

use crate::Result;
use crate::arguments::Options;
use crate::blob::Blob;
use crate::busy::Busy;
use crate::calls::Calls;
use crate::comparison::Comparison;
use crate::findings::Findings;
use crate::growth::Growth;
use crate::hol::Hol;
use crate::local::Local;
use crate::memory::Memory;
use crate::openloop::OpenLoop;
use crate::part;
use crate::progress::Progress;
use crate::round::{Plan, measure_all};
use crate::stream::Streams;
use crate::threads::Threads;

pub struct Known {
    pub name: &'static str,
    pub peers: fn() -> Vec<&'static str>,
    pub plan: fn(&Options) -> Result<Box<dyn Planned>>,
    /// What a process of a cell does, by the words behind the name.
    pub part: fn(Vec<String>) -> Result<()>,
}

/// In the order of the report.
pub const ALL: &[Known] = &[
    Known::of::<Calls>(),
    Known::of::<OpenLoop>(),
    Known::of::<Threads>(),
    Known::of::<Busy>(),
    Known::of::<Local>(),
    Known::of::<Streams>(),
    Known::of::<Blob>(),
    Known::of::<Hol>(),
    Known::of::<Memory>(),
    Known::of::<Growth>(),
];

impl Known {
    const fn of<C: Comparison>() -> Self {
        Self {
            name: C::NAME,
            peers: || C::PEERS.iter().map(|peer| peer.name).collect(),
            plan: |options| Ok(Box::new(Plan::<C>::from_options(options)?)),
            part: part::perform::<C>,
        }
    }

    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|known| known.name == name)
    }
}

/// A comparison that is ready to be made.
pub trait Planned {
    fn cells(&self) -> usize;
    fn estimate(&self) -> Duration;
    fn counts_heap(&self) -> bool;
    fn measure(&self, progress: &Progress) -> Findings;
}

impl<C: Comparison> Planned for Plan<C> {
    fn cells(&self) -> usize {
        self.rounds * self.round(0).count()
    }

    fn estimate(&self) -> Duration {
        self.estimate_of_cell() * self.cells() as u32
    }

    fn counts_heap(&self) -> bool {
        self.levels.iter().any(|&level| C::counts_heap(level))
    }

    fn measure(&self, progress: &Progress) -> Findings {
        Findings::of(self, &measure_all(self, progress))
    }
}
