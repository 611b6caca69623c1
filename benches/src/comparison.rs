//! What a comparison says of itself. The rest of the program is the same for all of them.

use std::fmt::{Debug, Display};
use std::str::FromStr;
use std::time::Duration;

use crate::address::Address;
use crate::asking::{self, Asking, Asks};
use crate::count;
use crate::peer::Peer;
use crate::round::Plan;
use crate::serving;
use crate::unit::Unit;
use crate::{Error, Result};

pub trait Comparison: Copy + Debug + PartialEq + Send + 'static {
    /// The subcommand.
    const NAME: &'static str;
    /// What the report says above it.
    const HEADLINE: &'static str;
    /// How it is measured, in a sentence.
    const METHOD: &'static str;
    const PEERS: &'static [Contender<Self>];
    /// What ratios are ratios to.
    const AGAINST: Against;
    /// The level of `count`, unless it is told another.
    const COUNTED: Self::Level;
    /// What a sample tells; the first is what the chart by itself shows.
    const FIGURES: &'static [Figure<Self>];
    /// Whether anything travels.
    const HAS_SOCKET: bool = true;
    /// What a cell takes beyond the time that is measured: to start, to connect, and to end.
    const BESIDE: Duration = Duration::from_millis(20);

    type Level: Level;
    /// What one measurement of one cell finds, and how it comes out of the asking process.
    type Sample: Display + FromStr<Err = Error>;

    /// What is done unless told otherwise.
    fn plan() -> Plan<Self>;

    /// What is done for a look.
    fn quick() -> Plan<Self> {
        Self::plan().briefly()
    }

    fn is_on_one_processor(_: Self::Level) -> bool {
        false
    }

    /// How many worker threads the server has.
    fn serving_workers(_: Self::Level) -> usize {
        1
    }

    /// Whether its processes have to count their heap.
    fn counts_heap(_: Self::Level) -> bool {
        false
    }

    /// Whether that makes sense.
    fn asks(_peer: &str, _: Self::Level) -> bool {
        true
    }

    /// The head of a column.
    fn heading(level: Self::Level) -> String;

    /// Levels of different groups have tables of their own; this is what theirs are about.
    fn group(_: Self::Level) -> &'static str {
        ""
    }

    /// Where a level lies on a curve, if its group makes one.
    fn along(_: Self::Level) -> Option<f64> {
        None
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Against {
    /// Another peer at the same level.
    Peer(&'static str),
    /// The same peer at the first level of the table.
    First,
}

impl Display for Against {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Peer(peer) => f.write_str(peer),
            Self::First => f.write_str("the first column"),
        }
    }
}

/// One number of a sample.
pub struct Figure<C: Comparison> {
    pub name: &'static str,
    pub unit: Unit,
    /// None if that level has none.
    pub pick: fn(C::Level, &C::Sample) -> Option<f64>,
}

/// What varies beside the peer and the transport; as text, an argument.
pub trait Level: Copy + Debug + PartialEq + Display + FromStr<Err = Error> + Send + Sync + 'static {
    /// The options that change a plan's levels.
    const OPTIONS: &'static [&'static str];

    fn set(levels: &mut Vec<Self>, option: &str, value: &str) -> Result<()>;

    /// How many tasks take turns.
    fn in_flight(self) -> u64;
}

/// A peer by name, and what the processes of its cells do.
pub struct Contender<C: Comparison> {
    pub name: &'static str,
    pub serve: fn(Address, C::Level) -> Result<()>,
    pub ask: fn(Asking<C>) -> Result<C::Sample>,
    pub count: fn(C::Level, u64) -> Result<()>,
}

impl<C: Comparison> Contender<C> {
    pub const fn of<P: Peer<Client: Asks<C>>>(name: &'static str) -> Self {
        Self { name, serve: serving::serve::<C, P>, ask: asking::ask::<C, P>, count: count::count::<C, P> }
    }

    pub fn named(name: &str) -> Result<&'static Self> {
        C::PEERS.iter().find(|peer| peer.name == name).ok_or_else(|| {
            let known = C::PEERS.iter().map(|peer| peer.name).collect::<Vec<_>>().join(", ");
            format!("no peer `{name}` here; there are: {known}").into()
        })
    }
}
