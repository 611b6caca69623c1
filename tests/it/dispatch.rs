//! The tasks that handlers run on.

use mux::Connection;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;
use tokio::runtime::Handle;

#[mux::service]
trait Tasks {
    async fn nothing(&self);
    /// Keeps its thread, as no handler should, until it is released.
    async fn hold(&self);
    async fn release(&self);
}

#[derive(Default)]
struct Desk {
    held: Mutex<Option<mpsc::Sender<()>>>,
}

impl Tasks for Arc<Desk> {
    async fn nothing(&self) {}

    async fn hold(&self) {
        let (sender, released) = mpsc::channel();
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        released.recv_timeout(Duration::from_secs(30)).expect("it is released");
    }

    async fn release(&self) {
        self.held.lock().unwrap().take().unwrap().send(()).unwrap();
    }
}

/// What has to be dropped is what a future keeps for longer than it needs.
#[derive(Clone, Serialize, Deserialize)]
struct Block {
    numbers: [u64; 32],
    name: String,
}

#[mux::service]
trait Sizes {
    async fn small(&self);
    fn large(&self, one: Block, two: Block, three: Block, four: Block);
}

impl Sizes for () {
    async fn small(&self) {}
    fn large(&self, _: Block, _: Block, _: Block, _: Block) {}
}

fn reach(desk: &Arc<Desk>) -> (TasksClient, Connection) {
    let (here, there) = mux::pair();
    let serving = Connection::builder().service(TasksServer::new(Arc::clone(desk))).accept(there);
    (TasksClient::new(&Connection::builder().open(here)), serving)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_handler_that_keeps_its_thread_holds_up_no_later_pass() {
    let desk = Arc::new(Desk::default());
    let (client, _serving) = reach(&desk);
    for _ in 0..20 {
        client.nothing().await.unwrap();
        let held = client.hold().start();
        while desk.held.lock().unwrap().is_none() {
            tokio::task::yield_now().await;
        }
        client.release().await.unwrap();
        held.await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_that_is_over_leaves_no_task_behind() {
    let desk = Arc::new(Desk::default());
    let (client, serving) = reach(&desk);
    client.nothing().await.unwrap();
    drop(client);
    serving.closed().await;
    drop(serving);
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!((Handle::current().metrics().num_alive_tasks(), Arc::strong_count(&desk)), (0, 1));
}

/// A service whose own code, beside its handlers, breaks.
struct Broken(Arc<TasksServer<Arc<Desk>>>);

impl mux::__private::Service for Broken {
    fn descriptor(&self) -> &'static mux::__private::ServiceDescriptor {
        self.0.descriptor()
    }

    fn serve(self: Arc<Self>, inbound: mux::__private::Inbound, slot: mux::__private::Slot<'_>) {
        assert_ne!(inbound.method().name, "hold");
        Arc::clone(&self.0).serve(inbound, slot);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pass_that_is_cut_short_answers_those_that_have_run_and_those_that_have_not() {
    let (here, there) = mux::pair();
    let _serving =
        Connection::builder().service(Broken(Arc::new(TasksServer::new(Arc::default())))).accept(there);
    let client = TasksClient::new(&Connection::builder().open(here));
    client.nothing().await.unwrap();
    let (before, broken, after) = (client.nothing().start(), client.hold().start(), client.nothing().start());
    let ends = async { (before.await.is_ok(), broken.await.is_ok(), after.await.is_ok()) };
    let ends = tokio::time::timeout(Duration::from_secs(60), ends).await;
    assert_eq!(ends, Ok((true, false, false)));
    client.nothing().await.unwrap();
}

#[test]
fn a_running_request_is_kept_no_more_than_once() {
    let context = mux::Context::local(SizesRequest::Small {}.method());
    let running = SizesRequest::Small {}.run(&(), &context);
    let request = size_of::<SizesRequest<'_>>();
    assert!(request >= 1024);
    assert!(size_of_val(&running) < 2 * request);
}
