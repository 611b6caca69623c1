//! Copies a file to another process beside pings: a stream of bytes holds up nobody on its connection.
//!
//! `cargo run --release --example 10_copy -- [MIB]` (1024, unless told otherwise; it takes twice that of the disk)
//!
//! The server is this program again, on a Unix socket. A thread reads a file and sends it by a channel, a worker
//! thread over there writes another, and both sum it up; meanwhile a task pings on the same connection. The files
//! have no names: whatever becomes of the two processes, the files go with them.

#![allow(clippy::print_stdout)] // an example talks to its reader

use mux::{Bytes, Connection, Limits, Receiver, Sender, Server};
use std::env;
use std::error::Error;
use std::fs::File;
use std::hash::{DefaultHasher, Hasher};
use std::io::{Read, Seek, Write};
use std::pin::pin;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader, copy, sink, stdin};
use tokio::process::Command;
use tokio::signal::ctrl_c;
use tokio::time::{interval, sleep};

/// What a step came to.
type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

#[mux::service]
trait Store {
    /// Writes a file, and returns the hash of it.
    fn keep(&self, pieces: Receiver<Bytes>) -> mux::Result<u64>;
    async fn ping(&self);
}

const MIB: u64 = 1 << 20;

/// Large enough that what each costs does not count, and small enough that some fit into the window.
const PIECE: usize = 512 << 10;

/// What may wait for the disk over there.
const WINDOW: usize = 4 << 20;

const PING_EVERY: Duration = Duration::from_millis(1);

#[tokio::main]
async fn main() -> Outcome {
    match env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [role, address] if role == "--serve" => serve(address).await,
        [] => perform(1024).await,
        [mib] => perform(mib.parse()?).await,
        _ => Err("usage: 10_copy [MIB]".into()),
    }
}

/// Until its standard input ends. Says on its standard output that it can be called.
async fn serve(address: &str) -> Outcome {
    let limits = Limits { window: WINDOW, ..Limits::default() };
    let server = Server::new().limits(limits).service(StoreServer::new(Disk)).listen(address).await?;
    println!("ready");
    server.run_until(copy(&mut stdin(), &mut sink())).await?;
    Ok(())
}

struct Disk;

impl Store for Disk {
    fn keep(&self, pieces: Receiver<Bytes>) -> mux::Result<u64> {
        let (mut file, mut hash) = (tempfile::tempfile()?, DefaultHasher::new());
        for piece in pieces {
            let piece = piece?;
            hash.write(&piece);
            file.write_all(&piece)?;
        }
        Ok(hash.finish())
    }

    async fn ping(&self) {}
}

/// Whatever becomes of it, no process and no folder is left: either goes when dropped.
async fn perform(mib: u64) -> Outcome {
    tokio::select! {
        done = measure(mib) => done,
        _ = ctrl_c() => Err("interrupted".into()),
    }
}

async fn measure(mib: u64) -> Outcome {
    let file = make_file(mib)?;
    let folder = tempfile::tempdir()?;
    let address = format!("unix:{}", folder.path().join("socket").display());
    let mut server = Command::new(env::current_exe()?)
        .args(["--serve", &address])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let ready = BufReader::new(server.stdout.take().ok_or("no standard output")?).lines().next_line().await?;
    ready.ok_or("the server ended before it could be called")?;
    let store: StoreClient = Connection::connect(&*address).await?.client();

    let (idle, ()) = ping_while(&store, sleep(Duration::from_millis(500))).await?;
    let (busy, took) = ping_while(&store, tokio::spawn(send(store.clone(), file))).await?;
    let took = took??;
    println!(
        "copied {mib} MiB in {took:.1?}, {:.0} MB/s; both ends sum up the same",
        (mib * MIB) as f64 / 1e6 / took.as_secs_f64()
    );
    println!("pings before: {idle}");
    println!("pings beside: {busy}");

    drop((store, server.stdin.take()));
    let status = server.wait().await?;
    println!("server: {status}");
    if status.success() { Ok(()) } else { Err("the server failed".into()) }
}

/// No two pieces of it are alike.
fn make_file(mib: u64) -> Outcome<File> {
    let disk = rustix::fs::statvfs(env::temp_dir())?;
    let free = disk.f_bavail * disk.f_frsize / MIB;
    if free / 2 <= mib {
        return Err(format!("two files of {mib} MiB are too much for the {free} MiB that are free").into());
    }
    let mut file = tempfile::tempfile()?;
    let mut block: Vec<u8> = (0..MIB).map(|n| ((n * n) >> 8) as u8).collect();
    for number in 0..mib {
        block[..8].copy_from_slice(&number.to_le_bytes());
        file.write_all(&block)?;
    }
    file.rewind()?;
    Ok(file)
}

async fn send(store: StoreClient, file: File) -> Outcome<Duration> {
    let begun = Instant::now();
    let (sender, pieces) = mux::channel();
    let call = store.keep(pieces).start();
    let sending = tokio::task::spawn_blocking(|| read(file, sender));
    // If something is wrong over there, this says what; the sender is only told that nobody receives.
    let written = call.await?;
    if written == sending.await?? { Ok(begun.elapsed()) } else { Err("the copy differs".into()) }
}

fn read(mut file: File, mut pieces: Sender<Bytes>) -> Outcome<u64> {
    let mut hash = DefaultHasher::new();
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        if (&mut file).take(PIECE as u64).read_to_end(&mut piece)? == 0 {
            pieces.finish();
            return Ok(hash.finish());
        }
        hash.write(&piece);
        pieces.blocking_send(piece.into())?;
    }
}

/// Pings now and then until the other is done. Tells how long the pings took.
async fn ping_while<T>(store: &StoreClient, other: impl Future<Output = T>) -> Outcome<(String, T)> {
    let (mut other, mut clock, mut pings) = (pin!(other), interval(PING_EVERY), Vec::new());
    let output = loop {
        tokio::select! {
            output = &mut other => break output,
            _ = clock.tick() => {
                let begun = Instant::now();
                store.ping().await?;
                pings.push(begun.elapsed());
            }
        }
    };
    pings.sort();
    let [p50, p99] = [50, 99].map(|percent| pings[(pings.len() - 1) * percent / 100]);
    Ok((
        format!("p50 {p50:.1?}, p99 {p99:.1?}, most {:.1?}; {} in all", pings[pings.len() - 1], pings.len()),
        output,
    ))
}
