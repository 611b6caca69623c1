//! A proxy that knows no trait: it passes on calls, streams, cancels and deadlines of whatever service is behind it.
//!
//! `cargo run --example 12_proxy`

#![allow(clippy::print_stdout)] // an example talks to its reader

use mux::{Connection, Demux, Encoded, Error, Mux, Receiver, Request, Stream};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::task::{Context, Poll};
use std::time::Duration;

/// Passes every request on, and counts those that it has.
struct Proxy {
    to: Mux,
    passed: Arc<AtomicU32>,
}

impl Demux for Proxy {
    async fn process_transaction(&self, request: Request) -> Result<Encoded, Error<Encoded>> {
        self.passed.fetch_add(1, SeqCst);
        request.forward(&self.to).await
    }
}

#[mux::service]
trait Weather {
    async fn temperature(&self, city: &str) -> Result<i32, String>;
    async fn forecast(&self, city: String, hours: u32) -> impl Stream<Item = i32>;
    /// Takes for ever.
    async fn climate(&self) -> i32;
}

/// Counts those who wait for the climate.
#[derive(Clone, Default)]
struct Station(Arc<AtomicU32>);

struct Waiting(Arc<AtomicU32>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl Weather for Station {
    async fn temperature(&self, city: &str) -> Result<i32, String> {
        if city == "Ankara" { Ok(21) } else { Err(format!("no station in {city}")) }
    }

    async fn forecast(&self, _city: String, hours: u32) -> impl Stream<Item = i32> {
        Hours(0..hours as i32)
    }

    async fn climate(&self) -> i32 {
        self.0.fetch_add(1, SeqCst);
        let _waiting = Waiting(Arc::clone(&self.0));
        std::future::pending().await
    }
}

struct Hours(std::ops::Range<i32>);

impl Stream for Hours {
    type Item = i32;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<i32>> {
        Poll::Ready(self.0.next().map(|hour| 21 - hour))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let station = Station::default();
    let (to_station, at_station) = mux::pair();
    let _station = Connection::builder().service(WeatherServer::new(station.clone())).accept(at_station);
    let upstream = Connection::builder().open(to_station);

    let passed = Arc::new(AtomicU32::new(0));
    let proxy = Proxy { to: upstream.mux(), passed: Arc::clone(&passed) };
    let (to_proxy, at_proxy) = mux::pair();
    let _proxy = Connection::builder().demux(proxy).accept(at_proxy);
    let weather: WeatherClient = Connection::builder().open(to_proxy).client();

    for city in ["Ankara", "Ulm"] {
        match weather.temperature(city).await {
            Ok(degrees) => println!("{city}: {degrees} degrees"),
            Err(Error::App(why)) => println!("{city}: {why}"),
            Err(Error::Remote(remote)) => return Err(remote.into()),
            Err(Error::Call(call)) => return Err(call.into()),
        }
    }
    let hours = hours_of(weather.forecast("Ankara".into(), 1000).await?).await?;
    println!("forecast: {hours} hours, one by one");

    let late = weather.climate().timeout(Duration::from_millis(50)).await;
    println!("climate: {}", late.expect_err("nobody answers"));
    while station.0.load(SeqCst) > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    println!("the station has stopped with it; the proxy passed on {} calls", passed.load(SeqCst));
    Ok(())
}

async fn hours_of(mut forecast: Receiver<i32>) -> Result<u32, Box<dyn std::error::Error>> {
    let mut hours = 0;
    while let Some(_degrees) = forecast.recv().await? {
        hours += 1;
    }
    Ok(hours)
}
