//! Echo calls between two processes: mux beside its peers. `README.md` says what is measured, and how.

mod address;
mod arguments;
mod asking;
mod cell;
mod child;
mod count;
mod message;
mod peers;
mod processor;
mod round;
mod sample;
mod serving;
mod table;

use std::process::ExitCode;

use arguments::Command;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

fn main() -> ExitCode {
    match Command::from_arguments(std::env::args().skip(1)).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mux-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
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
            peer.run(serving::Serving { address })?;
        }
        Command::Ask { peer, asking, pin } => {
            processor::pin(pin)?;
            child::end_with_parent();
            println!("{}", peer.run(asking)?);
        }
        Command::Count { peer, calls } => peer.run(count::Count { calls })?,
    }
    Ok(())
}
