//! An upload of CSV with a progress bar: rows go one way by a channel, progress comes back by another.
//!
//! `cargo run --example 08_upload`
//!
//! Both channels are arguments of one call. A sender that fails tells why by a type of its own; so a row that
//! cannot be read ends the upload at both ends, and the server keeps nothing of it. The bar shows on a terminal only.

#![allow(clippy::print_stdout)] // an example talks to its reader

use indicatif::ProgressBar;
use mux::{ChannelError, Connection, Receiver, SendError, Sender};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::fmt::Write;

#[mux::service]
trait Warehouse {
    /// Takes rows, tells how many so far, and returns the units of all.
    async fn load(&self, rows: Receiver<Row, BadRow>, progress: Sender<u32>) -> Result<u64, NotLoaded>;
}

#[derive(Debug, Serialize, Deserialize)]
struct Row {
    sku: String,
    units: u64,
}

#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
#[error("line {line}: {why}")]
struct BadRow {
    line: u64,
    why: String,
}

#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
enum NotLoaded {
    #[error("dropped {rows} rows because of {because}")]
    BadRow { rows: u32, because: BadRow },
    #[error("the upload broke off: {0}")]
    BrokenOff(String),
}

struct Shelves;

impl Warehouse for Shelves {
    async fn load(
        &self,
        mut rows: Receiver<Row, BadRow>,
        mut progress: Sender<u32>,
    ) -> Result<u64, NotLoaded> {
        let (mut taken, mut units) = (0, 0);
        loop {
            match rows.recv().await {
                Ok(Some(row)) => units += row.units,
                Ok(None) => break,
                Err(ChannelError::App(because)) => return Err(NotLoaded::BadRow { rows: taken, because }),
                Err(other) => return Err(NotLoaded::BrokenOff(other.to_string())),
            }
            taken += 1;
            if taken.is_multiple_of(100) {
                // Whoever uploads need not look, and misses some where it looks seldom.
                let _ = progress.try_send(taken);
            }
        }
        let _ = progress.send(taken).await;
        progress.finish();
        Ok(units)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (here, there) = mux::pair();
    let _server = Connection::builder().service(WarehouseServer::new(Shelves)).accept(there);
    let warehouse = WarehouseClient::new(&Connection::builder().open(here));

    let good = sheet(100_000);
    let Uploaded { units, progress } = upload(&warehouse, &good).await?;
    println!("good: {units} units of {progress} rows");
    assert_eq!((units, progress), ((1..=100_000).sum(), 100_000));

    let bad = good.replace("\nsku-50000,50000\n", "\nsku-50000,some\n");
    match upload(&warehouse, &bad).await {
        Err(mux::Error::App(refused @ NotLoaded::BadRow { .. })) => println!("bad:  {refused}"),
        other => return Err(format!("a sheet with a bad row brought {other:?}").into()),
    }
    Ok(())
}

fn sheet(rows: u32) -> String {
    let mut csv = "sku,units\n".to_owned();
    (1..=rows).for_each(|n| writeln!(csv, "sku-{n},{n}").expect("a string has room"));
    csv
}

#[derive(Debug)]
struct Uploaded {
    units: u64,
    progress: u32,
}

async fn upload(warehouse: &WarehouseClient, csv: &str) -> Result<Uploaded, mux::Error<NotLoaded>> {
    let (sender, rows) = mux::channel_with_error();
    let (progress, told) = mux::channel();
    let bar = ProgressBar::new(csv.lines().count() as u64 - 1);
    let call = warehouse.load(rows, progress);
    let (units, _, progress) = tokio::join!(call, send(csv, sender), show(told, &bar));
    bar.finish_and_clear();
    Ok(Uploaded { units: units?, progress })
}

/// An error of it is not looked at: whoever stops to receive says why by the answer to the call.
async fn send(csv: &str, mut rows: Sender<Row, BadRow>) -> Result<(), SendError> {
    for row in csv::Reader::from_reader(csv.as_bytes()).deserialize() {
        match row {
            Ok(row) => rows.send(row).await?,
            Err(error) => {
                rows.fail(bad_row(error));
                return Ok(());
            }
        }
    }
    rows.finish();
    Ok(())
}

fn bad_row(error: csv::Error) -> BadRow {
    let line = error.position().map_or(0, csv::Position::line);
    match error.into_kind() {
        csv::ErrorKind::Deserialize { err, .. } => BadRow { line, why: err.to_string() },
        other => BadRow { line, why: format!("{other:?}") },
    }
}

/// Returns what was told last.
async fn show(mut told: Receiver<u32>, bar: &ProgressBar) -> u32 {
    let mut progress = 0;
    while let Ok(Some(rows)) = told.recv().await {
        bar.set_position(rows.into());
        progress = rows;
    }
    progress
}
