//! A child process, called through a trait over its standard input and output.
//!
//! `cargo run --example 06_child`
//!
//! The parent connects to an `exec:` address, which starts the program: here this one again, with an
//! argument. When the parent's last client is dropped the child's input ends, and the child with it.
//! What the child panics with, or fails with, comes back like any other error.

#![allow(clippy::print_stdout)] // an example talks to its reader

use mux::{Address, Connection};
use std::env;
use std::error::Error;
use std::num::ParseIntError;
use std::process;

#[mux::service]
trait Sums {
    async fn process_id(&self) -> u32;
    /// Adds up numbers with blanks between them.
    fn sum(&self, numbers: &str) -> Result<i64, String>;
    fn divide(&self, dividend: i64, divisor: i64) -> i64;
}

struct Abacus;

impl Sums for Abacus {
    async fn process_id(&self) -> u32 {
        process::id()
    }

    fn sum(&self, numbers: &str) -> Result<i64, String> {
        let number =
            |word: &str| word.parse::<i64>().map_err(|error: ParseIntError| format!("{word:?}: {error}"));
        numbers.split_whitespace().map(number).sum()
    }

    fn divide(&self, dividend: i64, divisor: i64) -> i64 {
        dividend / divisor
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    match env::args().nth(1).as_deref() {
        Some("serve") => serve().await,
        _ => ask().await,
    }
}

/// The child. Its standard output belongs to the connection: it must print nothing there.
async fn serve() -> Result<(), Box<dyn Error>> {
    std::panic::set_hook(Box::new(|_| {})); // the caller is told, so standard error need not be
    let parent = Connection::builder().service(SumsServer::new(Abacus)).accept(mux::stdio()?);
    parent.closed().await;
    Ok(())
}

async fn ask() -> Result<(), Box<dyn Error>> {
    let this_program = env::current_exe()?;
    let sums = SumsClient::connect(Address::Exec(vec![this_program.into(), "serve".into()])).await?;

    println!("another process: {}", sums.process_id().await? != process::id());
    println!("1 2 3:           {:?}", sums.sum("1 2 3").await);
    println!("1 two 3:         {:?}", sums.sum("1 two 3").await);
    if let Err(mux::Error::Remote(broken)) = sums.divide(1, 0).await {
        println!("1 / 0:           {broken}, at {}", broken.location().unwrap_or("an unknown place"));
    }
    println!("it still serves: {:?}", sums.divide(84, 2).await);
    Ok(())
}
