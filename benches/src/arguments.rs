//! The command line.

use std::str::FromStr;
use std::time::Duration;

use crate::address::{Address, Transport};
use crate::asking::Asking;
use crate::comparison::{Comparison, Contender, Level};
use crate::processor::Processor;
use crate::round::Plan;
use crate::{Error, Result};

pub const HELP: &str = "\
mux-bench [COMPARISON] [options]
    calls                    small calls at several levels (the default)
    hol                      pings beside large blobs on one connection
    stream                   small structs from the server, and from the client
    blob                     blobs, one and several at once
Options of all:
    --rounds N               how often each cell is measured (5)
    --seconds S              how long a cell is measured (0.7; hol: 2)
    --warm-up S              how long it runs before that (0.2; hol: 0.5)
    --quick                  2 rounds of 0.3 s after 0.1 s
    --peers a,b              only these peers
    --unix, --tcp            only over a Unix socket, or TCP on the loopback device (hol: both; others: Unix)
Options of some:
    --in-flight 1,64         how many calls or blobs at once (calls: 1,64,1024; hol: 0,4; blob: 1,8)
    --blob-mib N             how large a blob is (hol: 16; blob: 1)
    --items N                how long a stream is (1000000)
mux-bench [COMPARISON] count PEER N [LEVEL]
    make exactly N turns in this one process, for callgrind. A turn is a call, a blob, a blob and a ping, or a
    stream. Levels are 64 (calls in flight), 8x1 (blobs in flight and their MiB), or watch:1000 and load:1000
    (from and to the server, and the items)
";

pub enum Command<C: Comparison> {
    Help,
    Compare(Plan<C>),
    Count {
        peer: &'static Contender<C>,
        turns: u64,
        level: C::Level,
    },
    /// Run by `Compare` in a process of its own, as is `Ask`.
    Serve {
        peer: &'static Contender<C>,
        address: Address,
        pin: Option<Processor>,
    },
    Ask {
        peer: &'static Contender<C>,
        asking: Asking<C>,
        pin: Option<Processor>,
    },
}

impl<C: Comparison> Command<C> {
    /// From what follows the comparison's name.
    pub fn from_arguments(arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut arguments = arguments.peekable();
        match arguments.next_if(|first| !first.starts_with('-')).as_deref() {
            None => compare(arguments),
            Some("count") => count(arguments),
            Some("serve") => serve(arguments),
            Some("ask") => ask(arguments),
            Some(other) => Err(format!("no command `{other}`; try --help").into()),
        }
    }
}

fn compare<C: Comparison>(mut arguments: impl Iterator<Item = String>) -> Result<Command<C>> {
    let mut plan = C::plan();
    while let Some(option) = arguments.next() {
        let mut text = || value::<String>(&mut arguments, &option);
        match option.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "--rounds" => plan.rounds = parse(&text()?, &option)?,
            "--seconds" => plan.measured = seconds(&text()?, &option)?,
            "--warm-up" => plan.warm_up = seconds(&text()?, &option)?,
            "--quick" => plan.be_quick(),
            "--peers" => plan.peers = peers::<C>(&text()?)?,
            "--tcp" => plan.transports = vec![Transport::Tcp],
            "--unix" => plan.transports = vec![Transport::Unix],
            other if C::Level::OPTIONS.contains(&other) => C::Level::set(&mut plan.levels, other, &text()?)?,
            other => return Err(format!("no option `{other}`; try --help").into()),
        }
    }
    Ok(Command::Compare(plan))
}

fn peers<C: Comparison>(names: &str) -> Result<Vec<&'static str>> {
    names.split(',').map(|name| Ok(Contender::<C>::named(name)?.name)).collect()
}

/// `count PEER N [LEVEL]`
fn count<C: Comparison>(mut arguments: impl Iterator<Item = String>) -> Result<Command<C>> {
    let (peer, turns) = (peer(&mut arguments)?, value(&mut arguments, "N")?);
    let level = arguments.next().map(|level| parse(&level, "LEVEL")).transpose()?;
    Ok(Command::Count { peer, turns, level: level.unwrap_or(C::COUNTED) })
}

/// `serve PEER ADDRESS [PROCESSOR]`
fn serve<C: Comparison>(mut arguments: impl Iterator<Item = String>) -> Result<Command<C>> {
    let (peer, address) = (peer(&mut arguments)?, value(&mut arguments, "ADDRESS")?);
    Ok(Command::Serve { peer, address, pin: pin(arguments)? })
}

/// `ask PEER ADDRESS LEVEL WARM-UP SECONDS [PROCESSOR]`
fn ask<C: Comparison>(mut arguments: impl Iterator<Item = String>) -> Result<Command<C>> {
    let peer = peer(&mut arguments)?;
    let asking = Asking {
        address: value(&mut arguments, "ADDRESS")?,
        level: value(&mut arguments, "LEVEL")?,
        warm_up: seconds(&value::<String>(&mut arguments, "WARM-UP")?, "WARM-UP")?,
        measured: seconds(&value::<String>(&mut arguments, "SECONDS")?, "SECONDS")?,
    };
    Ok(Command::Ask { peer, asking, pin: pin(arguments)? })
}

fn peer<C: Comparison>(arguments: &mut impl Iterator<Item = String>) -> Result<&'static Contender<C>> {
    Contender::named(&value::<String>(arguments, "PEER")?)
}

fn pin(mut arguments: impl Iterator<Item = String>) -> Result<Option<Processor>> {
    arguments.next().map(|id| parse(&id, "PROCESSOR")).transpose()
}

fn value<T: FromStr<Err: Into<Error>>>(
    arguments: &mut impl Iterator<Item = String>,
    what: &str,
) -> Result<T> {
    let text = arguments.next().ok_or_else(|| format!("{what}: a value is missing"))?;
    parse(&text, what)
}

pub fn list<T: FromStr<Err: Into<Error>>>(text: &str, what: &str) -> Result<Vec<T>> {
    text.split(',').map(|part| parse(part, what)).collect()
}

fn seconds(text: &str, what: &str) -> Result<Duration> {
    Duration::try_from_secs_f64(parse(text, what)?).map_err(|error| format!("{what}: {error}").into())
}

pub fn parse<T: FromStr<Err: Into<Error>>>(text: &str, what: &str) -> Result<T> {
    text.parse().map_err(|error: T::Err| format!("{what} `{text}`: {}", error.into()).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::{Calls, InFlight};

    fn command(line: &str) -> Result<Command<Calls>> {
        Command::from_arguments(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_change_the_plan() {
        let Ok(Command::Compare(plan)) =
            command("--quick --rounds 3 --peers by-hand,handmade --in-flight 1,4 --tcp")
        else {
            panic!("not a comparison")
        };
        assert_eq!((plan.rounds, plan.transports), (3, vec![Transport::Tcp]));
        assert_eq!(plan.peers, ["by-hand", "handmade"]);
        assert_eq!(plan.levels, [InFlight(1), InFlight(4)]);
    }

    #[test]
    fn nonsense_is_refused() {
        for line in
            ["--rounds", "--rounds x", "--peers nobody", "--slow", "dance", "count by-hand", "--seconds -1"]
        {
            assert!(command(line).is_err(), "`{line}` was taken");
        }
    }
}
