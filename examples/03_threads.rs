//! Seven hundred threads share one channel.
//!
//! `cargo run --example 03_threads -- [FACTOR]`
//!
//! Each thread makes three calls that sleep and a fourth that fails, one after another, by a plain
//! blocking `wait()`. The sleeps take 30, 20 and 10 ms times FACTOR. Every thread must get its own
//! answers and its own failure. Then the connection is closed under threads that still wait: each
//! is told at once.
//!
//! All of that with a pool of a hundred worker threads and with a thread for each call, over a pair
//! of pipes and over a Unix socket.

#![allow(clippy::print_stdout)] // an example talks to its reader

use mux::{CallError, Connection, Context, Error, RemoteError, Workers};
use std::env;
use std::fmt;
use std::num::TryFromIntError;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const THREADS: usize = 700;
const POOL: usize = 100;

/// Threads that wait when the connection is closed: more than a pool has workers.
const WAITERS: usize = 150;

#[mux::service]
trait Dormitory {
    /// Sleeps on a worker thread, then gives back `after`.
    fn sleep(
        &self,
        before: &str,
        millis: i64,
        after: &str,
        #[mux(context)] cx: &Context,
    ) -> mux::Result<String>;
}

#[derive(Default)]
struct Beds {
    taken: AtomicUsize,
    most_taken: AtomicUsize,
}

#[derive(Debug)]
struct Sleepless {
    millis: i64,
    source: TryFromIntError,
}

impl fmt::Display for Sleepless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot sleep for {} ms", self.millis)
    }
}

impl std::error::Error for Sleepless {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl Dormitory for Beds {
    fn sleep(&self, _before: &str, millis: i64, after: &str, cx: &Context) -> mux::Result<String> {
        let length = u64::try_from(millis).map_err(|source| Sleepless { millis, source })?;
        let _bed = self.take_one();
        doze(Duration::from_millis(length), cx);
        Ok(after.to_owned())
    }
}

/// Nothing can stop a thread from outside, so a long job asks now and then whether it is wanted.
fn doze(length: Duration, cx: &Context) {
    let until = Instant::now() + length;
    while let Some(left) = until.checked_duration_since(Instant::now())
        && !cx.is_cancelled()
    {
        thread::sleep(left.min(Duration::from_millis(10)));
    }
}

struct Bed<'a>(&'a Beds);

impl Beds {
    fn take_one(&self) -> Bed<'_> {
        let taken = self.taken.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_taken.fetch_max(taken, Ordering::SeqCst);
        Bed(self)
    }

    fn wait_for(&self, taken: usize) -> Outcome {
        let begun = Instant::now();
        while self.taken.load(Ordering::SeqCst) != taken {
            if begun.elapsed() > Duration::from_secs(10) {
                return Err(format!("{:?} beds are taken and not {taken}", self.taken).into());
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

impl Drop for Bed<'_> {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::SeqCst);
    }
}

fn main() -> Outcome {
    let factor = env::args().nth(1).map_or(Ok(1), |factor| factor.parse())?;
    let runtime = tokio::runtime::Runtime::new()?;
    // Connections are driven by the runtime's threads; those that call know nothing of it.
    let _entered = runtime.enter();

    for workers in [Workers::Pool(POOL), Workers::OnDemand] {
        let (here, there) = mux::pipe_pair()?;
        act("pipes", workers, factor, here, there)?;
        let (here, there) = UnixStream::pair()?;
        let failure = act("a socket", workers, factor, here, there)?;
        if workers == Workers::OnDemand {
            show(&failure);
        }
    }
    println!("bye");
    Ok(())
}

/// The whole of it over one channel. Gives back one of the failures.
fn act<S>(channel: &str, workers: Workers, factor: i64, here: S, there: S) -> Outcome<RemoteError>
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let beds = Arc::new(Beds::default());
    let service = DormitoryServer::from_arc(Arc::clone(&beds));
    let server = Connection::builder().service(service).workers(workers).accept(there);
    let connection = Connection::builder().open(here);
    let dormitory = DormitoryClient::new(&connection);

    println!("{workers:?} over {channel}");
    let failure = submit_all(&dormitory, factor)?;
    println!("  at most {:?} threads slept at once", beds.most_taken);
    stop_under_waiters(&connection, &dormitory, &beds, workers)?;
    assert!(!matches!(workers, Workers::Pool(most) if beds.most_taken.load(Ordering::SeqCst) > most));
    drop(server);
    Ok(failure)
}

/// Has every thread make its calls. Gives back the failure that one of them got.
fn submit_all(dormitory: &DormitoryClient, factor: i64) -> Outcome<RemoteError> {
    let begun = Instant::now();
    let submitters = (0..THREADS).map(|number| {
        let dormitory = dormitory.clone();
        thread::Builder::new().spawn(move || submit(&dormitory, number, factor))
    });
    let submitters = submitters.collect::<Result<Vec<_>, _>>()?;
    let mut failure = None;
    for submitter in submitters {
        failure = Some(submitter.join().map_err(|_| "a thread panicked")??);
    }
    println!("  {} calls by {THREADS} threads in {:.1?}, all answered rightly", THREADS * 4, begun.elapsed());
    Ok(failure.ok_or("no thread was started")?)
}

/// What came back of an error that happened in another thread, at the other end of the channel.
fn show(failure: &RemoteError) {
    println!("each thread's last call failed, such as: {failure}");
    failure.chain().for_each(|cause| println!("  caused by: {cause}"));
    println!("  at {}", failure.location().unwrap_or("an unknown place"));
    match failure.trace() {
        Some(trace) => println!("  with a backtrace of {} lines", trace.lines().count()),
        None => println!("  with a backtrace where RUST_BACKTRACE=1 is set"),
    }
}

/// One thread's calls. Gives back what was told of the one that fails.
fn submit(dormitory: &DormitoryClient, number: usize, factor: i64) -> Outcome<RemoteError> {
    for millis in [30, 20, 10] {
        let after = format!("thread {number} slept for {millis}");
        let said = dormitory.sleep("good night", millis * factor, &after).wait()?;
        if said != after {
            return Err(format!("{said:?} instead of {after:?}").into());
        }
    }
    let millis = -1 - i64::try_from(number)?;
    match dormitory.sleep("good night", millis, "never").wait() {
        Err(Error::Remote(failure))
            if failure.message() == format!("cannot sleep for {millis} ms")
                && failure.chain().count() == 1
                && failure.location().is_some_and(|place| place.contains("03_threads.rs")) =>
        {
            Ok(failure)
        }
        other => Err(format!("{other:?} for a sleep of {millis} ms").into()),
    }
}

/// Closes the connection while threads wait, most of them for a sleeper, some for a worker.
fn stop_under_waiters(
    connection: &Connection,
    dormitory: &DormitoryClient,
    beds: &Beds,
    workers: Workers,
) -> Outcome {
    let waiters: Vec<_> = (0..WAITERS)
        .map(|_| {
            let call = dormitory.sleep("good night", 60_000, "never").start();
            thread::spawn(move || (call.wait(), Instant::now()))
        })
        .collect();
    beds.wait_for(if workers == Workers::OnDemand { WAITERS } else { POOL })?;

    let closed = Instant::now();
    connection.close();
    let mut last = closed;
    for waiter in waiters {
        let (answer, told) = waiter.join().map_err(|_| "a thread panicked")?;
        expect_closed(answer)?;
        last = last.max(told);
    }
    expect_closed(dormitory.sleep("good night", 1, "never").wait())?;
    println!("  closed under {WAITERS} waiting threads: all were told within {:.1?}", last - closed);
    beds.wait_for(0)
}

fn expect_closed(answer: Result<String, Error>) -> Outcome {
    match answer {
        Err(Error::Call(CallError::Closed(_))) => Ok(()),
        other => Err(format!("{other:?} of a closed connection").into()),
    }
}
