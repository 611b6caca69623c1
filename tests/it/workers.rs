//! Threads for blocking methods: so many for the process, then a queue, then a refusal. Each test has a process of its
//! own, as the bound is one for the process.

use crate::by_itself::is_by_itself;
use mux::{Call, CallError, Connection, Context, Error, Limits, Refusal, Server, Stream};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use tokio::runtime::Runtime;

/// What [`mux::Workers::OnDemand`] promises.
const RUNNING: usize = 256;
const QUEUED: usize = 4096;

#[mux::service]
trait Gate {
    /// Waits until the gate is opened.
    fn pass(&self) -> ();
    async fn ready(&self) -> ();
    /// Waits, and then yields nothing.
    fn crowd(&self) -> impl Stream<Item = u32>;
    /// Calls the other end, which calls back, so many times.
    fn down(&self, depth: u32, #[mux(context)] cx: &Context) -> mux::Result<u32>;
}

#[derive(Default)]
struct Gated {
    open: Mutex<bool>,
    opened: Condvar,
    begun: AtomicUsize,
}

impl Gated {
    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn begun(&self) -> usize {
        self.begun.load(SeqCst)
    }

    async fn until_begun(&self, calls: usize) {
        crate::demo::until(|| self.begun() == calls).await;
    }
}

#[derive(Clone)]
struct Keeper(Arc<Gated>);

impl Gate for Keeper {
    fn pass(&self) {
        self.0.begun.fetch_add(1, SeqCst);
        let closed = self.0.open.lock().unwrap();
        drop(self.0.opened.wait_while(closed, |open| !*open).unwrap());
    }

    async fn ready(&self) {}

    fn crowd(&self) -> impl Stream<Item = u32> {
        self.pass();
        tokio_stream::empty()
    }

    fn down(&self, depth: u32, cx: &Context) -> mux::Result<u32> {
        match depth {
            0 => Ok(0),
            _ => Ok(cx.client::<GateClient>().down(depth - 1).wait()? + 1),
        }
    }
}

/// A server, and what makes clients with a connection each.
async fn serving(gate: &Arc<Gated>) -> impl AsyncFn() -> GateClient {
    let server = Server::new().service(GateServer::new(Keeper(Arc::clone(gate))));
    let server = server.listen("tcp://127.0.0.1:0").await.unwrap();
    let address = server.addresses().remove(0);
    tokio::spawn(server.run());
    async move || {
        let limits = Limits { max_in_flight: 8192, ..Limits::default() };
        Connection::builder().limits(limits).connect(&address).await.unwrap().client()
    }
}

fn alone(test: &str, body: impl AsyncFnOnce(Arc<Gated>)) {
    if is_by_itself(&format!("workers::{test}")) {
        Runtime::new().unwrap().block_on(body(Arc::default()));
    }
}

fn passing(client: &GateClient, calls: usize) -> Vec<tokio::task::JoinHandle<Result<(), Error>>> {
    let call = |_| {
        let call: Call<()> = client.pass();
        tokio::spawn(call.into_future())
    };
    (0..calls).map(call).collect()
}

fn is_overloaded(error: &Error) -> bool {
    matches!(error, Error::Call(CallError::Refused(why)) if why.reason() == Refusal::Overloaded)
        && error.did_not_run()
}

#[cfg(target_os = "linux")]
pub(crate) fn threads(named: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    // One that ends meanwhile has no name any more.
    tasks
        .filter(|task| std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim_end() == named))
        .count()
}

#[cfg(target_os = "linux")]
#[test]
fn of_many_calls_so_many_run_so_many_queue_and_the_others_are_refused() {
    alone("of_many_calls_so_many_run_so_many_queue_and_the_others_are_refused", async |gate| {
        let connect = serving(&gate).await;
        let mut calls = Vec::new();
        for _ in 0..5 {
            calls.extend(passing(&connect().await, 1024));
        }
        let refused = 5 * 1024 - RUNNING - QUEUED;
        crate::demo::until(|| calls.iter().filter(|call| call.is_finished()).count() == refused).await;
        assert_eq!((threads("mux-worker"), gate.begun()), (RUNNING, RUNNING));
        gate.open();
        let (mut passed, mut overloaded) = (0, 0);
        for call in calls {
            match call.await.unwrap() {
                Ok(()) => passed += 1,
                Err(error) if is_overloaded(&error) => overloaded += 1,
                Err(error) => panic!("{error:?}"),
            }
        }
        assert_eq!((passed, overloaded), (RUNNING + QUEUED, refused));
        assert_eq!(gate.begun(), RUNNING + QUEUED);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_reconnect_brings_no_further_threads() {
    alone("a_reconnect_brings_no_further_threads", async |gate| {
        let connect = serving(&gate).await;
        for round in 1..=4 {
            let client = connect().await;
            let calls = passing(&client, 100);
            gate.until_begun(RUNNING.min(100 * round)).await;
            calls.iter().for_each(|call| call.abort());
        }
        assert_eq!(threads("mux-worker"), RUNNING);
        gate.open();
    });
}

#[test]
fn a_call_that_is_cancelled_or_out_of_time_leaves_the_queue() {
    alone("a_call_that_is_cancelled_or_out_of_time_leaves_the_queue", async |gate| {
        let connect = serving(&gate).await;
        let client = connect().await;
        let running = passing(&client, RUNNING);
        gate.until_begun(RUNNING).await;

        let mut queued = Vec::new();
        for _ in 0..5 {
            let client = connect().await;
            queued.push((passing(&client, 1024), client));
        }
        let calls = || queued.iter().flat_map(|(calls, _)| calls);
        crate::demo::until(|| calls().filter(|call| call.is_finished()).count() == 5 * 1024 - QUEUED).await;
        until_a_call_finds(&client, true).await;
        for (calls, client) in queued {
            calls.iter().for_each(|call| call.abort());
            for call in calls {
                // Refused, or cancelled.
                let _ = call.await;
            }
            // Behind all the cancels.
            client.ready().timeout(Duration::from_secs(20)).await.unwrap();
        }
        until_a_call_finds(&client, false).await;
        gate.open();
        for call in running {
            call.await.unwrap().unwrap();
        }
        client.pass().await.unwrap();
        // The last that was out of time may begin before its cancel has come.
        assert!(gate.begun() <= RUNNING + 2, "{}", gate.begun());
    });
}

#[test]
fn local_calls_that_are_given_up_leave_the_queue_too() {
    alone("local_calls_that_are_given_up_leave_the_queue_too", async |gate| {
        let client = GateClient::local(Keeper(Arc::clone(&gate)));
        let running: Vec<_> = (0..RUNNING).map(|_| client.pass().start()).collect();
        gate.until_begun(RUNNING).await;
        let mut queued: Vec<_> = (0..QUEUED / 2).map(|_| client.pass().start()).collect();
        let mut streams: Vec<_> = (0..QUEUED / 2).map(|_| client.crowd()).collect();
        // Each waits for its thread when it is polled.
        for stream in &mut streams {
            assert!(ready_at_once(stream).await.is_none());
        }
        until_a_call_finds(&client, true).await;
        queued.clear();
        until_a_call_finds(&client, false).await;
        streams.clear();
        gate.open();
        for call in running {
            call.await.unwrap();
        }
        client.pass().await.unwrap();
        assert_eq!(gate.begun(), RUNNING + 1);
    });
}

/// What a future is ready with at once.
async fn ready_at_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    tokio::time::timeout(Duration::ZERO, tokio::task::unconstrained(future)).await.ok()
}

/// Calls until the queue is full, or is not: then the call's time ends in it.
async fn until_a_call_finds(client: &GateClient, full: bool) {
    for _ in 0..1000 {
        let error = client.pass().timeout(Duration::from_millis(10)).await.unwrap_err();
        assert!(
            is_overloaded(&error) || matches!(error, Error::Call(CallError::TimedOut { .. })),
            "{error:?}"
        );
        if is_overloaded(&error) == full {
            return;
        }
    }
    panic!("it did not come about");
}

#[test]
fn calls_nested_both_ways_that_fill_all_threads_end() {
    alone("calls_nested_both_ways_that_fill_all_threads_end", async |gate| {
        let builder = || Connection::builder().service(GateServer::new(Keeper(Arc::clone(&gate))));
        let (here, there) = tokio::io::duplex(1 << 16);
        let (asking, _answering) = (builder().open(here), builder().accept(there));
        let client: GateClient = asking.client();
        let calls: Vec<_> = (0..400).map(|_| tokio::spawn(client.down(4).into_future())).collect();
        for call in calls {
            match call.await.unwrap() {
                Ok(depth) => assert_eq!(depth, 4),
                // Refused itself, or its nested one.
                Err(error) => {
                    assert!(is_overloaded(&error) || error.to_string().contains("refused"), "{error:?}")
                }
            }
        }
        // Threads are free again.
        assert_eq!(client.down(4).await.unwrap(), 4);
    });
}
