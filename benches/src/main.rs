//! Two processes and a socket: mux beside its peers. `README.md` says what is measured, and how.

mod address;
mod arguments;
mod asking;
mod blob;
mod bulk;
mod calls;
mod cell;
mod child;
mod comparison;
mod count;
mod format;
mod gauge;
mod grpc;
mod hol;
mod peer;
mod processor;
mod rate;
mod round;
mod serving;
mod stream;
mod table;

use std::process::ExitCode;

use arguments::Command;
use blob::Blob;
use calls::Calls;
use comparison::Comparison;
use hol::Hol;
use stream::Streams;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T, E = Error> = std::result::Result<T, E>;

fn main() -> ExitCode {
    match choose(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mux-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Goes by the first word, if it names a comparison.
fn choose(arguments: impl Iterator<Item = String>) -> Result<()> {
    let mut arguments = arguments.peekable();
    let names = [Calls::NAME, Hol::NAME, Streams::NAME, Blob::NAME];
    match arguments.next_if(|first| names.contains(&first.as_str())).as_deref() {
        Some(Hol::NAME) => run::<Hol>(arguments),
        Some(Streams::NAME) => run::<Streams>(arguments),
        Some(Blob::NAME) => run::<Blob>(arguments),
        _ => run::<Calls>(arguments),
    }
}

fn run<C: Comparison>(arguments: impl Iterator<Item = String>) -> Result<()> {
    match Command::<C>::from_arguments(arguments)? {
        Command::Help => print!("{}", arguments::HELP),
        Command::Compare(plan) => {
            let results = round::run_all(&plan);
            print!("{}", table::render(&plan, &results));
            let failed = results.iter().filter(|result| result.sample.is_none()).count();
            if failed > 0 {
                return Err(format!("{failed} of {} cells failed", results.len()).into());
            }
        }
        Command::Serve { peer, address, pin } => {
            processor::pin(pin)?;
            child::end_with_parent();
            (peer.serve)(address)?;
        }
        Command::Ask { peer, asking, pin } => {
            processor::pin(pin)?;
            child::end_with_parent();
            println!("{}", (peer.ask)(asking)?);
        }
        Command::Count { peer, turns, level } => (peer.count)(level, turns)?,
    }
    Ok(())
}
