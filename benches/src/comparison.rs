//! What a comparison says of itself. The rest of the program is the same for all of them.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use crate::address::Address;
use crate::asking::{self, Asking, Asks};
use crate::count;
use crate::peer::Peer;
use crate::round::Plan;
use crate::serving;
use crate::table::Tables;
use crate::{Error, Result};

pub trait Comparison: Copy + Debug + PartialEq + Send + 'static {
    /// The subcommand.
    const NAME: &'static str;
    /// What the tables say they are of.
    const SUBJECT: &'static str;
    /// What the tables' reader has to know beside what is true of all comparisons.
    const NOTE: &'static str;
    const PEERS: &'static [Contender<Self>];
    /// The peer that the others are compared with.
    const YARDSTICK: &'static str;
    /// The level of `count`, unless it is told another.
    const COUNTED: Self::Level;

    type Level: Level;
    /// What one measurement of one cell finds, and how it comes out of the asking process.
    type Sample: Display + FromStr<Err = Error>;

    /// What is done unless told otherwise.
    fn plan() -> Plan<Self>;

    fn is_on_one_processor(_: Self::Level) -> bool {
        false
    }

    /// The head of a column.
    fn heading(level: Self::Level) -> String;

    /// A sample in the line of progress.
    fn told(level: Self::Level, sample: &Self::Sample) -> String;

    fn tables(tables: &Tables<Self>) -> String;
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
    pub serve: fn(Address) -> Result<()>,
    pub ask: fn(Asking<C>) -> Result<C::Sample>,
    pub count: fn(C::Level, u64) -> Result<()>,
}

impl<C: Comparison> Contender<C> {
    pub const fn of<P: Peer<Client: Asks<C>>>(name: &'static str) -> Self {
        Self { name, serve: serving::serve::<P>, ask: asking::ask::<C, P>, count: count::count::<C, P> }
    }

    pub fn named(name: &str) -> Result<&'static Self> {
        C::PEERS.iter().find(|peer| peer.name == name).ok_or_else(|| {
            let known = C::PEERS.iter().map(|peer| peer.name).collect::<Vec<_>>().join(", ");
            format!("no peer `{name}` here; there are: {known}").into()
        })
    }
}
