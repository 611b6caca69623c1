//! A search server and its visitors: five processes, thousands of calls, everything that can break.
//!
//! `cargo run --example 02_search -- [FOLDER]` (the repository, unless told otherwise)
//!
//! A server process reads and indexes every text file below FOLDER, and answers on a Unix socket.
//! Three visitor processes ask it, each from many tasks and many plain threads at once, and compare
//! every answer with a scan of their own. Meanwhile each of them makes every kind of failure happen:
//! a typed one, an untyped one, a panic, a timeout, a cancelled call. The program fails unless each
//! caller got its own right answer.
//!
//! Where to look: `search.rs` is the service, `server.rs` implements it, `visitor.rs` asks,
//! `probes.rs` breaks things, `stage.rs` starts and stops the processes.

#![allow(clippy::print_stdout, clippy::print_stderr)] // an example talks to its reader

mod index;
mod library;
mod probes;
mod report;
mod search;
mod server;
mod stage;
mod visitor;

use std::env;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

/// What a step came to; an error is a text for the reader, with its sources.
type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match *words.as_slice() {
        ["--serve", address, ref folders @ ..] => server::serve(address, folders).await,
        ["--visit"] => visitor::serve().await,
        [] => stage::play(default_folder()).await,
        [folder] => stage::play(folder).await,
        _ => Err("usage: 02_search [FOLDER]".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("02_search: {error}");
            ExitCode::FAILURE
        }
    }
}

fn default_folder() -> &'static str {
    let repository = env!("CARGO_MANIFEST_DIR");
    if Path::new(repository).is_dir() { repository } else { "." }
}
