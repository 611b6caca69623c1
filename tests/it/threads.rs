//! Plain threads, without a runtime of their own.

use crate::demo::{DemoClient, DemoServer, Desk};
use mux::{CallError, Connection, Context, Error, Server, Workers};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Runtime;

/// The origin's self-test: each transaction is a call to sleep.
#[mux::service]
trait Sleeper {
    fn sleep(&self, before: &str, ms: i64, after: &str) -> mux::Result<String>;
}

struct Sleeping;

impl Sleeper for Sleeping {
    fn sleep(&self, before: &str, ms: i64, after: &str) -> mux::Result<String> {
        std::thread::sleep(Duration::from_millis(u64::try_from(ms)?));
        Ok(format!("{before} {after}"))
    }
}

fn seven_hundred_threads<S>(workers: Workers, streams: impl FnOnce() -> (S, S))
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let runtime = Runtime::new().unwrap();
    let (asking, _answering) = runtime.block_on(async {
        let (here, there) = streams();
        let builder = Connection::builder().workers(workers).service(SleeperServer::new(Sleeping));
        (Connection::builder().open(here), builder.accept(there))
    });
    let client: SleeperClient = asking.client();
    let right = Arc::new(AtomicU32::new(0));
    let submit = |n: u32| {
        let (client, right) = (client.clone(), Arc::clone(&right));
        std::thread::spawn(move || {
            for (round, ms) in [3, 2, 1].into_iter().enumerate() {
                let (before, after) = (format!("before {n} {round}"), format!("after {n} {round}"));
                assert_eq!(client.sleep(&before, ms, &after).wait().unwrap(), format!("{before} {after}"));
                right.fetch_add(1, SeqCst);
            }
            let Err(Error::Remote(remote)) = client.sleep("", -1, "").wait() else { panic!("no failure") };
            assert!(remote.location().unwrap().contains("threads.rs"));
            assert!(remote.message().contains("out of range"));
            right.fetch_add(1, SeqCst);
        })
    };
    let threads: Vec<_> = (0..700).map(submit).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(right.load(SeqCst), 2800);

    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let client = client.clone();
            std::thread::spawn(move || client.sleep("", 2_000, "").wait())
        })
        .collect();
    std::thread::sleep(Duration::from_millis(20));
    asking.close();
    for thread in waiting {
        assert!(matches!(thread.join().unwrap(), Err(Error::Call(CallError::Closed(_)))));
    }
    assert!(matches!(client.sleep("", 1, "").wait(), Err(Error::Call(CallError::Closed(_)))));
}

#[test]
fn seven_hundred_threads_share_a_pool_of_workers_over_pipes() {
    seven_hundred_threads(Workers::Pool(100), || mux::pipe_pair().unwrap());
}

#[test]
fn seven_hundred_threads_get_workers_on_demand_over_pipes() {
    seven_hundred_threads(Workers::OnDemand, || mux::pipe_pair().unwrap());
}

#[test]
fn seven_hundred_threads_share_a_pool_of_workers_over_a_unix_socket() {
    seven_hundred_threads(Workers::Pool(100), || tokio::net::UnixStream::pair().unwrap());
}

#[test]
fn seven_hundred_threads_get_workers_on_demand_over_a_unix_socket() {
    seven_hundred_threads(Workers::OnDemand, || tokio::net::UnixStream::pair().unwrap());
}

#[test]
fn a_program_without_a_runtime_is_a_client() {
    let runtime = Runtime::new().unwrap();
    let server = Server::new().service(DemoServer::new(Desk::default()));
    let server = runtime.block_on(server.listen("tcp://127.0.0.1:0")).unwrap();
    let address = server.addresses().remove(0);
    runtime.spawn(server.run());
    let client = DemoClient::connect_blocking(&address).unwrap();
    assert_eq!(client.echo("x").wait().unwrap(), "x");
    assert_eq!(client.block(1).timeout(Duration::from_secs(5)).wait().unwrap(), 1);
    let error = client.sleep(60_000).timeout(Duration::from_millis(10)).wait().unwrap_err();
    assert_eq!(error.to_string(), "the call timed out");
}

#[test]
fn a_local_client_needs_no_runtime_either() {
    let client = DemoClient::local(Desk::default());
    assert_eq!(client.echo("x").wait().unwrap(), "x");
    assert_eq!(client.block(1).wait().unwrap(), 1);
    assert_eq!(client.echo("sent").start().wait().unwrap(), "sent");
}

#[tokio::test]
async fn waiting_in_an_async_task_panics_and_says_what_to_do() {
    let client = DemoClient::local(Desk::default());
    let panic = tokio::spawn(async move { client.echo("x").wait() }).await.unwrap_err().into_panic();
    let message =
        panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    assert!(message.unwrap().contains("`.await`"), "{message:?}");
}

#[tokio::test]
async fn waiting_works_where_a_runtime_lends_a_thread() {
    let client = DemoClient::local(Desk::default());
    let waited = tokio::task::spawn_blocking(move || client.echo("x").wait()).await.unwrap();
    assert_eq!(waited.unwrap(), "x");
}

#[mux::service]
trait Runs {
    fn on(&self, #[mux(context)] cx: &Context) -> String;
}

struct Where;

impl Runs for Where {
    fn on(&self, _: &Context) -> String {
        // A runtime is at hand there.
        let _ = tokio::runtime::Handle::current();
        std::thread::current().name().unwrap_or_default().to_owned()
    }
}

#[tokio::test]
async fn plain_methods_run_on_threads_of_our_own() {
    let (here, there) = mux::pair();
    let _answering = Connection::builder().service(RunsServer::new(Where)).accept(there);
    let asking = Connection::builder().open(here);
    assert_eq!(asking.client::<RunsClient>().on().await.unwrap(), "mux-worker");
}

#[test]
fn a_wait_ends_in_time_though_its_runtime_stands_still() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (asking, answering) = runtime.block_on(async {
        let reached = crate::demo::reach();
        (reached.asking, reached.answering)
    });
    // Nobody drives the runtime now.
    let call = asking.client::<DemoClient>().echo("x").timeout(Duration::from_millis(20));
    assert!(matches!(call.wait(), Err(Error::Call(CallError::TimedOut { .. }))));
    drop(answering);
}

#[mux::service]
trait Hears {
    #[mux(notify)]
    async fn say(&self, line: String);
    async fn ready(&self) -> bool;
}

struct Ear(mpsc::Sender<String>);

impl Hears for Ear {
    async fn say(&self, line: String) {
        self.0.send(line).unwrap();
    }

    async fn ready(&self) -> bool {
        true
    }
}

#[test]
fn a_thread_that_waits_alone_writes_its_request_itself() {
    let [asking, answering] = [(); 2].map(|()| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).enable_all().build().unwrap()
    });
    let folder = tempfile::tempdir().unwrap();
    let address = format!("unix:{}/ear.sock", folder.path().display());
    let (says, heard) = mpsc::channel();
    let server = answering.block_on(Server::new().service(HearsServer::new(Ear(says))).listen(&*address));
    answering.spawn(server.unwrap().run());
    let client = asking.block_on(HearsClient::connect(&*address)).unwrap();
    assert!(client.ready().wait().unwrap());

    let ((begins, begun), (release, released)) = (mpsc::channel(), mpsc::channel::<()>());
    asking.spawn(async move {
        for _ in 0..100 {
            // The connection comes to rest.
            tokio::task::yield_now().await;
        }
        begins.send(()).unwrap();
        // From now on nobody drives it.
        let _ = released.recv_timeout(Duration::from_secs(60));
    });
    begun.recv().unwrap();
    client.say("it was me".into()).wait().unwrap();
    assert_eq!(heard.recv_timeout(Duration::from_secs(30)).unwrap(), "it was me");
    drop(release);
}
