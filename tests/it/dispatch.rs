//! The tasks that handlers run on.

use mux::Connection;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;
use tokio::runtime::Handle;

#[mux::service]
trait Tasks {
    /// The task that its handler runs on.
    async fn id(&self) -> String;
    /// Keeps its thread, as no handler should, until it is released.
    async fn hold(&self);
    async fn release(&self);
}

#[derive(Default)]
struct Desk {
    held: Mutex<Option<mpsc::Sender<()>>>,
}

impl Tasks for Arc<Desk> {
    async fn id(&self) -> String {
        tokio::task::id().to_string()
    }

    async fn hold(&self) {
        let (sender, released) = mpsc::channel();
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        released.recv_timeout(Duration::from_secs(30)).expect("it is released");
    }

    async fn release(&self) {
        self.held.lock().unwrap().take().unwrap().send(()).unwrap();
    }
}

fn reach(desk: &Arc<Desk>) -> (TasksClient, Connection) {
    let (here, there) = mux::pair();
    let serving = Connection::builder().service(TasksServer::new(Arc::clone(desk))).accept(there);
    (TasksClient::new(&Connection::builder().open(here)), serving)
}

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

#[tokio::test]
async fn a_task_that_has_run_its_requests_runs_the_next() {
    let (client, _serving) = reach(&Arc::default());
    let first = client.id().await.unwrap();
    for _ in 0..100 {
        assert_eq!(client.id().await.unwrap(), first);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_handler_that_keeps_its_thread_holds_up_no_later_pass() {
    let desk = Arc::new(Desk::default());
    let (client, _serving) = reach(&desk);
    for _ in 0..20 {
        client.id().await.unwrap();
        let held = client.hold().send();
        while desk.held.lock().unwrap().is_none() {
            tokio::task::yield_now().await;
        }
        client.release().await.unwrap();
        held.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_keeps_no_task_for_requests() {
    let (client, _serving) = reach(&Arc::default());
    let before = tasks();
    client.id().await.unwrap();
    assert_eq!(tasks(), before + 1);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(tasks(), before);
    client.id().await.unwrap();
}

#[tokio::test]
async fn a_connection_that_is_over_leaves_no_task_behind() {
    let desk = Arc::new(Desk::default());
    let (client, serving) = reach(&desk);
    client.id().await.unwrap();
    drop(client);
    serving.closed().await;
    drop(serving);
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!((tasks(), Arc::strong_count(&desk)), (0, 1));
}
