//! A process that forks when it has used mux. Its child has none of its threads.

use crate::by_itself::is_by_itself;
use crate::demo::{DemoClient, DemoServer, Desk};
use fork::Fork;
use mux::{CallError, CloseReason, Connection, Error, Server, Workers};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Longer than anything takes that does not hang.
const HUNG: Duration = Duration::from_secs(20);

/// What `work` comes to in a child of fork.
fn in_a_child(work: impl FnOnce() -> String) -> String {
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    let child = match fork::fork().unwrap() {
        Fork::Parent(child) => child,
        Fork::Child => {
            drop(reader);
            let said = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| "it panicked".to_owned());
            writer.write_all(said.as_bytes()).unwrap();
            // Without what else this process does at its end: that is the parent's to do.
            kill_process(Pid::from_raw(fork::getpid()).unwrap(), Signal::KILL).unwrap();
            unreachable!("it was killed");
        }
    };
    drop(writer);
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut said = String::new();
        reader.read_to_string(&mut said).unwrap();
        tell.send(said)
    });
    let said = told.recv_timeout(HUNG).unwrap_or_else(|_| "it hung".to_owned());
    // It may have gone by itself.
    let _ = kill_process(Pid::from_raw(child).unwrap(), Signal::KILL);
    fork::waitpid(child).unwrap();
    said
}

fn served(runtime: &Runtime) -> mux::Address {
    let server = Server::new().service(DemoServer::new(Desk::default()));
    let server = runtime.block_on(server.listen("tcp://127.0.0.1:0")).unwrap();
    let address = server.addresses().remove(0);
    runtime.spawn(server.run());
    address
}

#[test]
fn a_child_connects_anew_where_its_parent_has_a_client_without_a_runtime() {
    if !is_by_itself("forks::a_child_connects_anew_where_its_parent_has_a_client_without_a_runtime") {
        return;
    }
    let runtime = Runtime::new().unwrap();
    let address = served(&runtime);
    let client = DemoClient::connect_blocking(&address).unwrap();
    // As often as it takes this thread to read its answers itself.
    for _ in 0..40 {
        assert_eq!(client.echo("parent").wait().unwrap(), "parent");
    }
    let child = || {
        let own = DemoClient::connect_blocking(&address).unwrap();
        assert_eq!(own.blob(200 << 10).wait().unwrap().len(), 200 << 10);
        own.echo("child").wait().unwrap()
    };
    assert_eq!(in_a_child(child), "child");
    // So does a child of a child.
    assert_eq!(in_a_child(|| in_a_child(child)), "child");
    assert_eq!(client.echo("parent").wait().unwrap(), "parent");
}

#[test]
fn the_client_of_its_parent_tells_a_child_to_connect_anew_and_stays_the_parents() {
    if !is_by_itself("forks::the_client_of_its_parent_tells_a_child_to_connect_anew_and_stays_the_parents") {
        return;
    }
    let runtime = Runtime::new().unwrap();
    let address = served(&runtime);
    let client = DemoClient::connect_blocking(&address).unwrap();
    assert_eq!(client.echo("parent").wait().unwrap(), "parent");
    let sent = client.echo("sent").start();
    let mut held = Some((client, sent));
    let child = || {
        let (client, sent) = held.take().unwrap();
        let closed = |error, did_not_run| match error {
            Error::<std::convert::Infallible>::Call(CallError::Closed(closed)) => {
                assert_eq!(closed.reason(), &CloseReason::Forked);
                assert_eq!(CallError::Closed(closed).did_not_run(), did_not_run);
            }
            other => panic!("not closed: {other}"),
        };
        closed(client.echo("child").wait().unwrap_err(), true);
        closed(client.echo("child").start().wait().unwrap_err(), true);
        let own = Runtime::new().unwrap();
        closed(own.block_on(client.echo("child").into_future()).unwrap_err(), true);
        closed(sent.wait().unwrap_err(), false);
        drop(client);
        "told".to_owned()
    };
    assert_eq!(in_a_child(child), "told");
    let (client, sent) = held.unwrap();
    assert_eq!(sent.wait().unwrap(), "sent");
    assert_eq!(client.echo("parent").wait().unwrap(), "parent");
}

#[test]
fn a_child_has_threads_of_its_own_for_blocking_methods() {
    if !is_by_itself("forks::a_child_has_threads_of_its_own_for_blocking_methods") {
        return;
    }
    let local = DemoClient::local(Desk::default());
    let builder = Connection::builder().workers(Workers::Pool(1)).service(DemoServer::new(Desk::default()));
    let block = |runtime: Runtime| {
        let _within = runtime.enter();
        let (here, there) = mux::pair();
        let _answering = builder.clone().accept(there);
        let asking = Connection::builder().open(here);
        runtime.block_on(asking.client::<DemoClient>().block(1)).unwrap() + local.block(1).wait().unwrap()
    };
    // Threads that stay, idle, in this process.
    assert_eq!(block(Runtime::new().unwrap()), 2);
    assert_eq!(in_a_child(|| block(Runtime::new().unwrap()).to_string()), "2");
}
