//! The command line.

use std::str::FromStr;
use std::time::Duration;

use crate::address::Address;
use crate::asking::Asking;
use crate::peers::PeerName;
use crate::processor::Processor;
use crate::round::Plan;
use crate::{Error, Result};

pub const HELP: &str = "\
mux-bench [options]          compare the peers
    --rounds N               how often each cell is measured (5)
    --seconds S              how long a cell is measured (0.7)
    --warm-up S              how long it runs before that (0.2)
    --quick                  2 rounds of 0.3 s after 0.1 s
    --peers a,b              only these peers
    --in-flight 1,64         only these levels (1,64,1024)
    --tcp                    over TCP on the loopback device instead of a Unix socket
mux-bench count PEER N       make exactly N calls, 64 in flight, in this one process: for callgrind
";

pub enum Command {
    Help,
    Compare(Plan),
    Count {
        peer: PeerName,
        calls: u64,
    },
    /// Run by `Compare` in a process of its own, as is `Ask`.
    Serve {
        peer: PeerName,
        address: Address,
        pin: Option<Processor>,
    },
    Ask {
        peer: PeerName,
        asking: Asking,
        pin: Option<Processor>,
    },
}

impl Command {
    pub fn from_arguments(arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut arguments = arguments.peekable();
        match arguments.next_if(|first| !first.starts_with('-')).as_deref() {
            None => compare(arguments),
            Some("count") => {
                Ok(Self::Count { peer: value(&mut arguments, "PEER")?, calls: value(&mut arguments, "N")? })
            }
            Some("serve") => serve(arguments),
            Some("ask") => ask(arguments),
            Some(other) => Err(format!("no command `{other}`; try --help").into()),
        }
    }
}

fn compare(mut arguments: impl Iterator<Item = String>) -> Result<Command> {
    let mut plan = Plan::default();
    while let Some(option) = arguments.next() {
        let mut text = || value::<String>(&mut arguments, &option);
        match option.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "--rounds" => plan.rounds = parse(&text()?, &option)?,
            "--seconds" => plan.measured = seconds(&text()?, &option)?,
            "--warm-up" => plan.warm_up = seconds(&text()?, &option)?,
            "--quick" => plan.be_quick(),
            "--peers" => plan.peers = list(&text()?, &option)?,
            "--in-flight" => plan.levels = list(&text()?, &option)?,
            "--tcp" => plan.tcp = true,
            other => return Err(format!("no option `{other}`; try --help").into()),
        }
    }
    Ok(Command::Compare(plan))
}

/// `serve PEER ADDRESS [PROCESSOR]`
fn serve(mut arguments: impl Iterator<Item = String>) -> Result<Command> {
    Ok(Command::Serve {
        peer: value(&mut arguments, "PEER")?,
        address: value(&mut arguments, "ADDRESS")?,
        pin: pin(arguments)?,
    })
}

/// `ask PEER ADDRESS IN-FLIGHT WARM-UP SECONDS [PROCESSOR]`
fn ask(mut arguments: impl Iterator<Item = String>) -> Result<Command> {
    let peer = value(&mut arguments, "PEER")?;
    let asking = Asking {
        address: value(&mut arguments, "ADDRESS")?,
        in_flight: value(&mut arguments, "IN-FLIGHT")?,
        warm_up: seconds(&value::<String>(&mut arguments, "WARM-UP")?, "WARM-UP")?,
        measured: seconds(&value::<String>(&mut arguments, "SECONDS")?, "SECONDS")?,
    };
    Ok(Command::Ask { peer, asking, pin: pin(arguments)? })
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

fn list<T: FromStr<Err: Into<Error>>>(text: &str, what: &str) -> Result<Vec<T>> {
    text.split(',').map(|part| parse(part, what)).collect()
}

fn seconds(text: &str, what: &str) -> Result<Duration> {
    Duration::try_from_secs_f64(parse(text, what)?).map_err(|error| format!("{what}: {error}").into())
}

fn parse<T: FromStr<Err: Into<Error>>>(text: &str, what: &str) -> Result<T> {
    text.parse().map_err(|error: T::Err| format!("{what} `{text}`: {}", error.into()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(line: &str) -> Result<Command> {
        Command::from_arguments(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_change_the_plan() {
        let Ok(Command::Compare(plan)) =
            command("--quick --rounds 3 --peers by-hand,handmade --in-flight 1,4 --tcp")
        else {
            panic!("not a comparison")
        };
        assert_eq!((plan.rounds, plan.tcp), (3, true));
        assert_eq!(plan.peers, [PeerName::ByHand, PeerName::Handmade]);
        assert_eq!(plan.levels, [1, 4]);
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
