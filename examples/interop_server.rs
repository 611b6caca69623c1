//! A server for clients in other languages: see `tests/interop`.
//!
//! `cargo run --example interop_server -- PATH` serves on the Unix socket PATH until its standard
//! input closes.

use mux::{Bytes, Receiver, Sender, Server, Stream};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio_stream::StreamExt;

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
    /// From 1 on.
    async fn count(&self, to: u64) -> impl Stream<Item = u64>;
    /// One unit after the other, of a stock of three.
    async fn pick(&self, units: u32) -> impl Stream<Item = Result<u32, Shortage>>;
    async fn sum(&self, numbers: Receiver<u64>) -> mux::Result<u64>;
    /// Tells each step before it answers.
    async fn work(&self, steps: u32, progress: Sender<u32>) -> mux::Result<u32>;
    async fn echo(&self, blob: Bytes) -> Bytes;
    async fn fetch(&self, len: usize) -> Bytes;
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

    async fn count(&self, to: u64) -> impl Stream<Item = u64> {
        tokio_stream::iter(1..=to)
    }

    async fn pick(&self, units: u32) -> impl Stream<Item = Result<u32, Shortage>> {
        tokio_stream::iter(1..=units).map(|unit| if unit > 3 { Err(Shortage { left: 0 }) } else { Ok(unit) })
    }

    async fn sum(&self, mut numbers: Receiver<u64>) -> mux::Result<u64> {
        let mut sum = 0;
        while let Some(number) = numbers.recv().await? {
            sum += number;
        }
        Ok(sum)
    }

    async fn work(&self, steps: u32, mut progress: Sender<u32>) -> mux::Result<u32> {
        for step in 1..=steps {
            progress.send(step).await?;
        }
        progress.finish();
        Ok(steps)
    }

    async fn echo(&self, blob: Bytes) -> Bytes {
        blob
    }

    async fn fetch(&self, len: usize) -> Bytes {
        vec![7; len].into()
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
