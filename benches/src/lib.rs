//! Two processes and a socket: mux beside its peers. `README.md` says what is measured, and how.

mod address;
mod arguments;
mod asking;
mod blob;
mod build;
mod bulk;
mod busy;
mod calls;
mod cell;
mod chart;
mod child;
mod comparison;
mod count;
mod findings;
mod format;
mod gauge;
mod growth;
mod grpc;
mod heap;
mod hol;
mod known;
mod local;
mod machine;
mod markdown;
mod memory;
mod openloop;
mod part;
mod peer;
mod probe;
mod processor;
mod program;
mod progress;
mod rate;
mod report;
mod round;
mod run;
mod serving;
mod spread;
mod stream;
mod threads;
mod unit;

use std::process::ExitCode;

use arguments::Command;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T, E = Error> = std::result::Result<T, E>;

/// The program.
pub fn main() -> ExitCode {
    match perform(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mux-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn perform(arguments: impl Iterator<Item = String>) -> Result<()> {
    let mut arguments = arguments.peekable();
    if arguments.next_if(|first| first == build::NAME).is_some() {
        return build::run(arguments);
    }
    match Command::from_arguments(arguments)? {
        Command::Help => print!("{}", arguments::HELP),
        Command::Run { named, options } => run::run(named, &options)?,
        Command::Part { of, words } => (of.part)(words)?,
    }
    Ok(())
}
