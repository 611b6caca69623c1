//! One call, in each of the ways a user may make it.

use crate::demo::{Demo, DemoClient, DemoRequest, DemoServer, Desk, Seen, reach};
use mux::{Bytes, Connection};
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

#[tokio::test]
async fn many_callers_each_get_their_own_answer() {
    let reached = reach();
    let calls = (0..5000).map(|n| {
        let client = reached.client.clone();
        tokio::spawn(async move { (n, client.echo(&n.to_string()).await) })
    });
    for call in calls.collect::<Vec<_>>() {
        let (n, answer) = call.await.unwrap();
        assert_eq!(answer.unwrap(), n.to_string());
    }
}

#[tokio::test]
async fn async_inline_and_blocking_methods_answer_alike() {
    let reached = reach();
    assert_eq!(reached.client.echo("x").await.unwrap(), "x");
    assert_eq!(reached.client.take(2).await.unwrap(), 1);
    assert_eq!(reached.client.running().await.unwrap(), 0);
    assert_eq!(reached.client.block(1).await.unwrap(), 1);
}

#[tokio::test]
async fn a_lazy_call_sends_nothing_until_it_is_polled_or_sent() {
    let reached = reach();
    drop(reached.client.note("dropped".into()));
    drop(reached.client.sleep(60_000));
    let sent = reached.client.sleep(60_000).start();
    crate::demo::until(|| reached.facts.running.load(SeqCst) == 1).await;
    assert_eq!(reached.client.notes().await.unwrap(), Vec::<String>::new());
    assert_eq!(reached.facts.most.load(SeqCst), 1);
    drop(sent);
}

#[tokio::test]
async fn a_sent_call_may_be_awaited_later() {
    let reached = reach();
    let call = reached.client.echo("early").start();
    assert_eq!(reached.client.echo("late").await.unwrap(), "late");
    assert_eq!(call.await.unwrap(), "early");
}

#[tokio::test]
async fn notifies_arrive_in_order_and_answer_nothing() {
    let reached = reach();
    for n in 0..2000 {
        reached.client.note(n.to_string()).await.unwrap();
    }
    let expected: Vec<_> = (0..2000).map(|n| n.to_string()).collect();
    for _ in 0..1000 {
        if reached.client.notes().await.unwrap().len() == expected.len() {
            break;
        }
    }
    assert!(reached.client.notes().await.unwrap() == expected, "out of order");
}

#[tokio::test]
async fn a_handler_sees_its_call() {
    let reached = reach();
    let call = reached.client.seen().meta("tenant", "eu").timeout(Duration::from_secs(5));
    let seen = call.await.unwrap();
    let left = seen.time_left.unwrap();
    assert!(left <= Duration::from_secs(5) && left > Duration::from_secs(4), "{left:?}");
    let expected = Seen {
        xid: Some(1),
        method: "demo.seen".into(),
        tenant: Some("eu".into()),
        time_left: Some(left),
        address: None,
        uid: None,
    };
    assert_eq!(seen, expected);
    assert_eq!(reached.client.seen().await.unwrap().time_left, None);
}

#[tokio::test]
async fn the_protocols_own_meta_keys_are_refused() {
    let reached = reach();
    let error = reached.client.seen().meta("timeout_ms", "1").await.unwrap_err();
    assert!(error.did_not_run());
    assert_eq!(error.to_string(), "refused: meta key `timeout_ms` is the protocol's own");
}

#[tokio::test]
async fn large_bodies_go_both_ways() {
    let reached = reach();
    let blob = vec![1; 3 << 20];
    assert_eq!(reached.client.size(&blob).await.unwrap(), 3 << 20);
    assert_eq!(reached.client.blob(3 << 20).await.unwrap(), vec![7; 3 << 20]);
}

#[tokio::test]
async fn small_calls_pass_while_many_large_ones_wait_for_room() {
    let limits = mux::Limits { max_message: 1 << 20, max_buffered: 1 << 20, ..Default::default() };
    let reached = crate::demo::reach_with(limits);
    let blob = vec![1; 900 << 10];
    let large: Vec<_> = (0..20).map(|_| reached.client.size(&blob).start()).collect();
    assert_eq!(reached.client.echo("small").await.unwrap(), "small");
    for call in large {
        assert_eq!(call.await.unwrap(), 900 << 10);
    }
}

#[test]
fn borrowed_arguments_point_into_the_received_frame() {
    let body = Bytes::from_static(b"\x91\xa5apple");
    let DemoRequest::Echo { text } = DemoRequest::decode("echo", &body).unwrap() else {
        panic!("another method")
    };
    assert_eq!(text.as_ptr(), body[2..].as_ptr());

    let body = Bytes::from_static(b"\x91\xc4\x03abc");
    let DemoRequest::Size { blob } = DemoRequest::decode("size", &body).unwrap() else {
        panic!("another method")
    };
    assert_eq!(blob.as_ptr(), body[3..].as_ptr());
}

#[tokio::test]
async fn a_local_client_is_the_same_client() {
    let desk = Desk::default();
    let local = DemoClient::local(desk.clone());
    assert_eq!(local.echo("x").await.unwrap(), "x");
    assert_eq!(local.block(1).await.unwrap(), 1);
    assert_eq!(local.running().await.unwrap(), 0);
    local.note("n".into()).await.unwrap();
    crate::demo::until(|| futures_ready(desk.notes()).len() == 1).await;
    let seen = local.seen().meta("tenant", "eu").timeout(Duration::from_secs(5)).await.unwrap();
    assert_eq!((seen.xid, seen.tenant.as_deref()), (None, Some("eu")));
    assert!(seen.time_left.is_some());
}

#[tokio::test]
async fn errors_of_a_local_client_are_those_of_a_remote_one() {
    let local = DemoClient::local(Desk::default());
    let mux::Error::App(shortage) = local.take(9).await.unwrap_err() else { panic!("no app error") };
    assert_eq!(shortage.left, 3);
    let mux::Error::Remote(remote) = local.panics("local luck").await.unwrap_err() else {
        panic!("no panic")
    };
    assert_eq!(remote.message(), "local luck");
    assert!(remote.location().unwrap().contains("demo.rs"));
    let mux::Error::Remote(remote) = local.import("/no/such".into()).await.unwrap_err() else {
        panic!("no failure")
    };
    assert_eq!(remote.message(), "cannot import /no/such");
    let error = local.sleep(60_000).timeout(Duration::from_millis(5)).await.unwrap_err();
    assert_eq!(error.to_string(), "the call timed out");
}

#[tokio::test]
async fn a_local_call_that_was_sent_runs_and_stops_with_its_call() {
    let desk = Desk::default();
    let local = DemoClient::local(desk.clone());
    let call = local.sleep(60_000).start();
    crate::demo::until(|| desk.running() == 1).await;
    drop(call);
    crate::demo::until(|| desk.running() == 0).await;
}

#[tokio::test]
async fn several_services_share_a_connection() {
    let (here, there) = mux::pair();
    let builder = Connection::builder().service(DemoServer::new(Desk::default()));
    let _answering = builder.service(OtherServer::new(Second)).accept(there);
    let asking = Connection::builder().open(here);
    assert_eq!(asking.client::<OtherClient>().twice(21).await.unwrap(), 42);
    assert_eq!(asking.client::<DemoClient>().echo("x").await.unwrap(), "x");
    let mut services = asking.peer_services();
    services.sort();
    assert_eq!(services, ["demo", "other.v2"]);
}

#[test]
#[should_panic = "there is a service named `demo` already"]
fn two_services_of_one_name_are_refused_where_the_second_is_added() {
    let desk = || DemoServer::new(Desk::default());
    let _ = mux::Server::new().service(desk()).service(desk());
}

#[mux::service(name = "other.v2", encoding = "compact")]
trait Other {
    async fn twice(&self, n: u32) -> u32;
}

struct Second;

impl Other for Second {
    async fn twice(&self, n: u32) -> u32 {
        2 * n
    }
}

/// The output of a future that never waits.
fn futures_ready<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(output) => output,
        std::task::Poll::Pending => panic!("it waits"),
    }
}
