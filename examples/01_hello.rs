//! The shortest complete program: a trait, an implementation, and a call.
//!
//! `cargo run --example 01_hello`
//!
//! Server and client are in one process here, joined by a stream in memory. Any other stream does
//! as well: see `06_child` for a process, `02_search` for a socket.

#![allow(clippy::print_stdout)] // an example talks to its reader

use mux::Connection;
use std::error::Error;

#[mux::service]
trait Greeter {
    async fn greet(&self, name: &str) -> String;
}

struct English;

impl Greeter for English {
    async fn greet(&self, name: &str) -> String {
        format!("hello, {name}")
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (here, there) = mux::pair();
    let _server = Connection::builder().service(GreeterServer::new(English)).accept(there);
    let greeter = GreeterClient::new(&Connection::builder().open(here));

    println!("{}", greeter.greet("world").await?);
    Ok(())
}
