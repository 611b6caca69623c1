//! Both ends ask and both answer, on one connection.

use mux::{Call, CallError, Connection, Context, Error, Limits, Refusal};
use std::time::Duration;

#[mux::service]
trait Ping {
    /// Calls the other end, which calls back, so many times.
    async fn down(&self, depth: u32, #[mux(context)] cx: &Context) -> mux::Result<u32>;
    /// As `down`, each step on a worker thread.
    fn down_blocking(&self, depth: u32, #[mux(context)] cx: &Context) -> mux::Result<u32>;
    /// Makes so many calls at once at the other end, and tells how many of them it refused.
    async fn crowd(&self, calls: u32, #[mux(context)] cx: &Context) -> u32;
    async fn park(&self) -> ();
    /// Parks at the other end.
    #[mux(detached)]
    async fn forward(&self, #[mux(context)] cx: &Context) -> ();
}

struct Either;

impl Ping for Either {
    async fn down(&self, depth: u32, cx: &Context) -> mux::Result<u32> {
        if depth == 0 {
            return Ok(0);
        }
        let below: Call<u32> = cx.client::<PingClient>().down(depth - 1);
        Ok(below.await? + 1)
    }

    fn down_blocking(&self, depth: u32, cx: &Context) -> mux::Result<u32> {
        if depth == 0 {
            return Ok(0);
        }
        Ok(cx.client::<PingClient>().down_blocking(depth - 1).wait()? + 1)
    }

    async fn crowd(&self, calls: u32, cx: &Context) -> u32 {
        let peer: PingClient = cx.client();
        let mut refused = 0;
        let mut waiting = Vec::new();
        for _ in 0..calls {
            let mut call = Box::pin(peer.park());
            let poll = std::future::poll_fn(|cx| std::task::Poll::Ready(call.as_mut().poll(cx))).await;
            match poll {
                std::task::Poll::Ready(Err(Error::Call(CallError::Refused(why)))) => {
                    assert_eq!(why.reason(), Refusal::Overloaded);
                    refused += 1;
                }
                std::task::Poll::Ready(other) => panic!("{other:?}"),
                std::task::Poll::Pending => waiting.push(call),
            }
        }
        refused
    }

    async fn park(&self) {
        std::future::pending().await
    }

    async fn forward(&self, cx: &Context) {
        let parked = cx.client::<PingClient>().park().await;
        assert!(parked.is_err());
    }
}

fn both() -> (Connection, Connection) {
    let limits = Limits { max_in_flight: 64, ..Limits::default() };
    let builder = Connection::builder().limits(limits).service(PingServer::new(Either));
    let (here, there) = tokio::io::duplex(256);
    (builder.open(here), builder.accept(there))
}

#[tokio::test]
async fn handlers_call_back_fifty_deep_without_deadlock() {
    let (asking, answering) = both();
    let (there, back) = (asking.client::<PingClient>(), answering.client::<PingClient>());
    let (one, other) = tokio::join!(there.down(50), back.down(50));
    assert_eq!((one.unwrap(), other.unwrap()), (50, 50));
}

#[tokio::test]
async fn blocking_handlers_call_back_fifty_deep_without_deadlock() {
    let (asking, _answering) = both();
    assert_eq!(asking.client::<PingClient>().down_blocking(50).await.unwrap(), 50);
}

#[tokio::test]
async fn a_full_peer_refuses_a_handler_instead_of_having_it_wait() {
    let (asking, _answering) = both();
    let call = asking.client::<PingClient>().crowd(100);
    let refused = tokio::time::timeout(Duration::from_secs(10), call).await.unwrap().unwrap();
    // 64 fit.
    assert_eq!(refused, 36);
}

#[tokio::test]
async fn both_ends_ask_at_once_over_a_narrow_channel() {
    let (asking, answering) = both();
    let clients = [asking.client::<PingClient>(), answering.client::<PingClient>()];
    let calls = (0..1000).map(|n| {
        let client = clients[n % 2].clone();
        tokio::spawn(async move { client.down(3).await })
    });
    for call in calls.collect::<Vec<_>>() {
        let answer = call.await.unwrap();
        // Nested calls may find the peer full; they never hang.
        assert!(answer.is_ok() || matches!(answer, Err(Error::Remote(_))), "{answer:?}");
    }
}

#[tokio::test]
async fn a_handler_that_waits_for_its_peer_keeps_no_connection_open() {
    let (asking, answering) = both();
    // The other end's handler waits for a call back to this one that never ends.
    let call = asking.client::<PingClient>().forward().start();
    assert_eq!(asking.client::<PingClient>().down(0).await.unwrap(), 0);
    drop((asking, answering.clone()));
    drop(call);
    let closed = tokio::time::timeout(Duration::from_secs(5), answering.closed()).await;
    assert_eq!(closed.unwrap(), mux::CloseReason::Peer("closed".into()));
}
