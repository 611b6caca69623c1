//! The command line.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::address::Transport;
use crate::known::Known;
use crate::{Error, Result};

pub const HELP: &str = "\
mux-bench [COMPARISON] [options]      all comparisons, or one of:
    calls                    small calls at several levels
    openloop                 small calls that come at a rate: processor time and latency
    threads                  small calls of plain threads that share a connection
    busy                     small calls beside handlers that burn time
    local                    small calls that stay in the process
    stream                   small structs from the server, and from the client
    blob                     blobs, one and several at once
    hol                      pings beside large blobs on one connection
    memory                   what connections and waiting calls hold of the heap
    growth                   what a call of mux costs when there is more of something
Options of all:
    --quick                  a look: one short round of everything
    --rounds N               how often each cell is measured
    --seconds S              how long a cell is measured
    --warm-up S              how long it runs before that
    --peers a,b              only these peers
    --unix, --tcp            only over a Unix socket, or TCP on the loopback device
    --spread-out             keep nothing on one processor, not even few calls in flight
    --out DIR                where report, charts and samples go (target/mux-bench)
Options of one that is named:
    --in-flight 1,64         calls, blob, hol: how many calls or blobs at once
    --blob-mib N             blob, hol: how large a blob is
    --items N                stream: how long a stream is
    --rates 100,10000        openloop: calls a second
    --threads 1,64           threads: how many
    --connections N          memory: how many are opened
    --parked N               memory: how many calls wait
    --levels a:1,b:2         growth: in-flight:N, connections:N, methods:N, body:BYTES, workers:1x64
mux-bench build [--rounds N] [--peers mux,tarpc] [--profiles check,debug,release] [--services N] [--methods N]
                [--json FILE] [--directory DIR]
    what crates of services cost to build; DIR is where they are generated and kept (mux-bench-build, in the
    temporary directory)
mux-bench [COMPARISON] count PEER N [LEVEL]
    make exactly N turns of `calls` or another in this one process, for callgrind. A turn is a call, a blob, a
    blob and a ping, or a stream. Levels are 64 (calls in flight), 8x1 (blobs in flight and their MiB), or
    watch:1000 and load:1000 (from and to the server, and the items)
";

pub enum Command {
    Help,
    Run {
        /// None for all.
        named: Option<&'static Known>,
        options: Options,
    },
    /// A process of a cell, or `count`.
    Part {
        of: &'static Known,
        words: Vec<String>,
    },
}

/// What is to be other than planned.
#[derive(Debug, PartialEq)]
pub struct Options {
    pub quick: bool,
    pub rounds: Option<usize>,
    pub measured: Option<Duration>,
    pub warm_up: Option<Duration>,
    pub peers: Option<Vec<String>>,
    pub transports: Option<Vec<Transport>>,
    pub spread_out: bool,
    /// Options of levels, with their values.
    pub levels: Vec<(String, String)>,
    pub out: PathBuf,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            quick: false,
            rounds: None,
            measured: None,
            warm_up: None,
            peers: None,
            transports: None,
            spread_out: false,
            levels: Vec::new(),
            out: "target/mux-bench".into(),
        }
    }
}

impl Command {
    pub fn from_arguments(arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut arguments = arguments.peekable();
        let named = arguments.peek().and_then(|first| Known::named(first));
        if named.is_some() {
            arguments.next();
        }
        match arguments.peek() {
            Some(word) if !word.starts_with('-') => {
                let of = named.or_else(|| Known::named("calls")).ok_or("no comparison is known")?;
                Ok(Self::Part { of, words: arguments.collect() })
            }
            _ => compare(named, arguments),
        }
    }
}

fn compare(named: Option<&'static Known>, mut arguments: impl Iterator<Item = String>) -> Result<Command> {
    let mut options = Options::default();
    while let Some(option) = arguments.next() {
        let mut text = || value::<String>(&mut arguments, &option);
        match option.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "--quick" => options.quick = true,
            "--rounds" => options.rounds = Some(parse(&text()?, &option)?),
            "--seconds" => options.measured = Some(seconds(&text()?, &option)?),
            "--warm-up" => options.warm_up = Some(seconds(&text()?, &option)?),
            "--peers" => options.peers = Some(list(&text()?, &option)?),
            "--tcp" => options.transports = Some(vec![Transport::Tcp]),
            "--unix" => options.transports = Some(vec![Transport::Unix]),
            "--spread-out" => options.spread_out = true,
            "--out" => options.out = text()?.into(),
            _ => options.levels.push((option.clone(), text()?)),
        }
    }
    Ok(Command::Run { named, options })
}

pub fn value<T: FromStr<Err: Into<Error>>>(
    arguments: &mut impl Iterator<Item = String>,
    what: &str,
) -> Result<T> {
    let text = arguments.next().ok_or_else(|| format!("{what}: a value is missing"))?;
    parse(&text, what)
}

pub fn list<T: FromStr<Err: Into<Error>>>(text: &str, what: &str) -> Result<Vec<T>> {
    text.split(',').map(|part| parse(part, what)).collect()
}

pub fn seconds(text: &str, what: &str) -> Result<Duration> {
    Duration::try_from_secs_f64(parse(text, what)?).map_err(|error| format!("{what}: {error}").into())
}

pub fn parse<T: FromStr<Err: Into<Error>>>(text: &str, what: &str) -> Result<T> {
    text.parse().map_err(|error: T::Err| format!("{what} `{text}`: {}", error.into()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(line: &str) -> Result<Command> {
        Command::from_arguments(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_are_kept_for_the_plans() {
        let Ok(Command::Run { named: Some(calls), options }) = command(
            "calls --quick --rounds 3 --peers by-hand,handmade --in-flight 1,4 --tcp --spread-out --out here",
        ) else {
            panic!("no run of one")
        };
        let expected = Options {
            quick: true,
            rounds: Some(3),
            peers: Some(vec!["by-hand".to_owned(), "handmade".to_owned()]),
            levels: vec![("--in-flight".to_owned(), "1,4".to_owned())],
            transports: Some(vec![Transport::Tcp]),
            spread_out: true,
            out: "here".into(),
            ..Options::default()
        };
        assert_eq!((calls.name, options), ("calls", expected));
    }

    #[test]
    fn without_a_name_all_are_run_and_calls_are_counted() {
        assert!(matches!(command("--quick"), Ok(Command::Run { named: None, .. })));
        assert!(matches!(command("count by-hand 1"), Ok(Command::Part { of, .. }) if of.name == "calls"));
    }

    #[test]
    fn nonsense_is_refused() {
        for line in ["--rounds", "--rounds x", "--slow", "--seconds -1", "--out"] {
            assert!(command(line).is_err(), "`{line}` was taken");
        }
        for line in ["dance", "count by-hand", "serve nobody"] {
            let Ok(Command::Part { of, words }) = command(line) else { panic!("`{line}` is no part") };
            assert!((of.part)(words).is_err(), "`{line}` was taken");
        }
    }
}
