//! A server for clients in other languages: see `tests/interop`.
//!
//! `cargo run --example interop_server -- PATH` serves on the Unix socket PATH until its standard
//! input closes.

use mux::Server;
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Debug, Serialize, Deserialize)]
struct Shortage {
    left: u32,
}

#[mux::service]
trait Demo {
    async fn add(&self, a: u32, b: u32) -> u32;
    /// Takes units of a stock of three.
    async fn take(&self, units: u32) -> Result<u32, Shortage>;
    async fn sleep(&self, ms: u64);
    async fn greet(&self, name: &str) -> String;
}

struct Shop;

impl Demo for Shop {
    async fn add(&self, a: u32, b: u32) -> u32 {
        a.wrapping_add(b)
    }

    async fn take(&self, units: u32) -> Result<u32, Shortage> {
        3_u32.checked_sub(units).ok_or(Shortage { left: 3 })
    }

    async fn sleep(&self, ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    async fn greet(&self, name: &str) -> String {
        format!("hello, {name}")
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: interop_server PATH")?;
    let server = Server::new().service(DemoServer::new(Shop)).listen(format!("unix:{path}").as_str()).await?;
    let (mut stdin, mut nowhere) = (tokio::io::stdin(), tokio::io::sink());
    server.run_until(tokio::io::copy(&mut stdin, &mut nowhere)).await?;
    Ok(())
}
