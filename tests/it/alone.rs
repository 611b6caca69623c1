//! A plain thread that waits alone drives the connection. Each test has a process of its own, as there is one
//! background runtime in each.

use crate::by_itself::is_by_itself;
use crate::demo::{DemoClient, DemoServer, Desk};
use mux::{Address, CallError, Connection, Context, Error, Server};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// More than it takes until a thread drives.
const CALLS: u64 = 100;

fn serving(server: Server, address: &str) -> (Runtime, Address) {
    let runtime = Runtime::new().unwrap();
    let server = runtime.block_on(server.listen(address)).unwrap();
    let address = server.addresses().remove(0);
    runtime.spawn(server.run());
    (runtime, address)
}

fn alone() -> (Runtime, Connection, DemoClient) {
    alone_at("tcp://127.0.0.1:0")
}

fn alone_at(address: &str) -> (Runtime, Connection, DemoClient) {
    let (runtime, address) = serving(Server::new().service(DemoServer::new(Desk::default())), address);
    let connection = Connection::builder().connect_blocking(&address).unwrap();
    let client: DemoClient = connection.client();
    for _ in 0..CALLS {
        client.echo("alone").wait().unwrap();
    }
    (runtime, connection, client)
}

/// How often the thread of the background runtime went to sleep; see `proc_pid_status(5)`.
#[cfg(target_os = "linux")]
fn sleeps() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    let is_keeper =
        |task: &std::path::PathBuf| std::fs::read_to_string(task.join("comm")).unwrap().trim() == "mux-io";
    let keeper = tasks.into_iter().find(is_keeper).unwrap();
    let status = std::fs::read_to_string(keeper.join("status")).unwrap();
    status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
        .unwrap()
        .trim()
        .parse()
        .unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn it_reads_its_answers_itself() {
    if !is_by_itself("alone::it_reads_its_answers_itself") {
        return;
    }
    let (_runtime, _connection, client) = alone();
    let (before, begun) = (sleeps(), Instant::now());
    for _ in 0..20 * CALLS {
        client.echo("alone").wait().unwrap();
    }
    // What it is woken for is to see that it is not needed: after a millisecond, or more.
    let looks = u64::try_from(begun.elapsed().as_millis()).unwrap() + 10;
    let sleeps = sleeps() - before;
    // Held up for so long between two calls, it is not taken to be there any more.
    let held_up = 10 * CALLS;
    assert!(sleeps <= looks + held_up, "{sleeps} in {looks} ms");
}

#[cfg(target_os = "linux")]
#[test]
fn the_other_thread_sleeps_through_a_long_call() {
    if !is_by_itself("alone::the_other_thread_sleeps_through_a_long_call") {
        return;
    }
    let (_runtime, _connection, client) = alone();
    let before = sleeps();
    client.sleep(500).wait().unwrap();
    let sleeps = sleeps() - before;
    assert!(sleeps < 100, "{sleeps} in half a second");
}

#[test]
fn the_connection_is_looked_after_when_it_waits_no_more() {
    if !is_by_itself("alone::the_connection_is_looked_after_when_it_waits_no_more") {
        return;
    }
    let (runtime, connection, client) = alone();
    drop(runtime);
    let patience = Instant::now() + Duration::from_secs(60);
    while !connection.is_closed() {
        assert!(Instant::now() < patience, "nobody has seen the end of the connection");
        thread::sleep(Duration::from_millis(1));
    }
    assert!(matches!(client.echo("late").wait(), Err(Error::Call(CallError::Closed(_)))));
}

#[test]
fn others_that_come_meanwhile_are_served() {
    if !is_by_itself("alone::others_that_come_meanwhile_are_served") {
        return;
    }
    let (_runtime, _connection, client) = alone();
    let threads = [5, 1, 20, 10].map(|ms| {
        let client = client.clone();
        thread::spawn(move || (0..50).all(|_| client.sleep(ms).wait().is_ok()))
    });
    assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
    assert_eq!(client.echo("alone again").wait().unwrap(), "alone again");
}

#[test]
fn its_deadline_is_kept() {
    if !is_by_itself("alone::its_deadline_is_kept") {
        return;
    }
    let (_runtime, _connection, client) = alone();
    let late = client.sleep(60_000).timeout(Duration::from_millis(20)).wait();
    assert!(matches!(late, Err(Error::Call(CallError::TimedOut { .. }))));
}

#[mux::service]
trait Names {
    async fn thread(&self) -> String;
}

struct Here;

impl Names for Here {
    async fn thread(&self) -> String {
        thread::current().name().unwrap_or_default().to_owned()
    }
}

#[mux::service]
trait Asks {
    async fn ask(&self, #[mux(context)] cx: &Context) -> String;
}

struct Back;

impl Asks for Back {
    async fn ask(&self, cx: &Context) -> String {
        cx.client::<NamesClient>().thread().await.unwrap()
    }
}

#[test]
fn handlers_of_its_program_run_on_no_thread_of_it() {
    if !is_by_itself("alone::handlers_of_its_program_run_on_no_thread_of_it") {
        return;
    }
    let (_runtime, address) = serving(Server::new().service(AsksServer::new(Back)), "tcp://127.0.0.1:0");
    let builder = Connection::builder().service(NamesServer::new(Here));
    let client: AsksClient = builder.connect_blocking(&address).unwrap().client();
    for _ in 0..CALLS {
        assert_eq!(client.ask().wait().unwrap(), "mux-io");
    }
}

#[test]
fn handlers_that_come_while_it_drives_run_on_no_thread_of_it_either() {
    if !is_by_itself("alone::handlers_that_come_while_it_drives_run_on_no_thread_of_it_either") {
        return;
    }
    let (_runtime, _connection, client) = alone();
    let long = thread::spawn(move || client.sleep(3_000).wait());
    thread::sleep(Duration::from_millis(100));
    let (_answering, address) = serving(Server::new().service(AsksServer::new(Back)), "tcp://127.0.0.1:0");
    let builder = Connection::builder().service(NamesServer::new(Here));
    let asking: AsksClient = builder.connect_blocking(&address).unwrap().client();
    assert_eq!(asking.ask().wait().unwrap(), "mux-io");
    assert!(!long.is_finished());
    assert_eq!(long.join().unwrap().unwrap(), 3_000);
}

#[test]
fn large_notifies_leave_though_it_waits_for_no_answer() {
    if !is_by_itself("alone::large_notifies_leave_though_it_waits_for_no_answer") {
        return;
    }
    let (_runtime, _connection, client) = alone();
    for sent in 1..=8 {
        client.note("x".repeat(400 << 10)).wait().unwrap();
        // A notify and a call have no order.
        while client.notes().wait().unwrap().len() < sent {}
    }
}

#[cfg(unix)]
#[test]
fn a_large_argument_goes_from_a_plain_thread_whoever_drives() {
    if !is_by_itself("alone::a_large_argument_goes_from_a_plain_thread_whoever_drives") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let address = format!("unix:{}/large.sock", folder.path().display());
    let server = Server::new().service(DemoServer::new(Desk::default()));
    let (runtime, _) = serving(server, &address);
    let blob = vec![7; 3 << 20];
    let elsewhere: DemoClient = runtime.block_on(Connection::connect(&*address)).unwrap().client();
    let of_ours: DemoClient = Connection::builder().connect_blocking(&*address).unwrap().client();
    for client in [elsewhere, of_ours] {
        for _ in 0..CALLS {
            assert_eq!(client.size(&blob).wait().unwrap(), 3 << 20);
        }
    }
}
