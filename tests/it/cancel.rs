//! A call that nobody wants any more.

use crate::demo::{reach, reach_with, until};
use mux::{CloseReason, Connection, Context, Limits};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

#[tokio::test]
async fn dropping_a_call_stops_its_handler() {
    let reached = reach();
    let call = reached.client.sleep(60_000).start();
    until(|| reached.facts.running.load(SeqCst) == 1).await;
    drop(call);
    until(|| reached.facts.running.load(SeqCst) == 0).await;
    assert_eq!(reached.facts.finished.load(SeqCst), 0);
}

#[tokio::test]
async fn a_timeout_stops_the_handler_too() {
    let reached = reach();
    let call = reached.client.sleep(60_000).timeout(Duration::from_millis(20));
    assert!(call.await.is_err());
    until(|| reached.facts.running.load(SeqCst) == 0).await;
    assert_eq!(reached.facts.most.load(SeqCst), 1);
}

#[tokio::test]
async fn a_detached_handler_runs_on() {
    let reached = reach();
    let call = reached.client.finish(30).start();
    until(|| reached.facts.running.load(SeqCst) == 1).await;
    drop(call);
    until(|| reached.facts.finished.load(SeqCst) == 1).await;
}

#[tokio::test]
async fn a_blocking_handler_can_ask_whether_it_is_wanted() {
    let reached = reach();
    let call = reached.client.until_unwanted().start();
    until(|| reached.facts.running.load(SeqCst) == 1).await;
    drop(call);
    until(|| reached.facts.running.load(SeqCst) == 0).await;
}

#[tokio::test]
async fn cancelled_calls_give_their_places_back() {
    let reached = reach_with(Limits { max_in_flight: 16, ..Limits::default() });
    for _ in 0..20 {
        let full: Vec<_> = (0..16).map(|_| reached.client.sleep(60_000).start()).collect();
        drop(full);
    }
    assert_eq!(reached.client.echo("x").await.unwrap(), "x");
    assert!(reached.facts.most.load(SeqCst) <= 16);
}

#[tokio::test]
async fn a_dropped_connection_cancels_what_its_peer_was_asked() {
    let reached = reach();
    let call = reached.client.sleep(60_000).start();
    until(|| reached.facts.running.load(SeqCst) == 1).await;
    drop((call, reached.client, reached.asking));
    until(|| reached.facts.running.load(SeqCst) == 0).await;
    assert_eq!(reached.answering.closed().await, CloseReason::Peer("closed".into()));
}

#[tokio::test]
async fn a_peer_that_vanishes_cancels_what_it_asked() {
    let (here, there) = mux::pair();
    let desk = crate::demo::Desk::default();
    let facts = Arc::clone(&desk.facts);
    let answering = Connection::builder().service(crate::demo::DemoServer::new(desk)).accept(there);
    let (mut reading, mut writing) = tokio::io::split(here);
    let hello = b"\0\0\0\x09\x95\0\xa3mux\x01\0\x80";
    let sleep = b"\0\0\0\x13\x95\x01\x01\xaademo.sleep\xc0\x91\xcd\xff\xff";
    tokio::io::AsyncWriteExt::write_all(&mut writing, hello).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut writing, sleep).await.unwrap();
    let mut some = [0; 16];
    tokio::io::AsyncReadExt::read_exact(&mut reading, &mut some).await.unwrap();
    until(|| facts.running.load(SeqCst) == 1).await;
    drop((reading, writing));
    until(|| facts.running.load(SeqCst) == 0).await;
    answering.closed().await;
}

#[mux::service]
trait Waits {
    #[mux(detached)]
    async fn hears(&self, #[mux(context)] cx: &Context);
    #[mux(detached)]
    async fn keeps(&self, #[mux(context)] cx: &Context);
}

#[derive(Clone, Default)]
struct Ear {
    listening: Arc<AtomicU32>,
    heard: Arc<AtomicU32>,
}

impl Waits for Ear {
    /// Hears of it while it waits, and again when it comes later.
    async fn hears(&self, cx: &Context) {
        assert!(!cx.is_cancelled());
        self.listening.fetch_add(1, SeqCst);
        cx.cancelled().await;
        assert!(cx.is_cancelled());
        cx.cancelled().await;
        self.heard.fetch_add(1, SeqCst);
    }

    /// Leaves someone who listens beyond the answer.
    async fn keeps(&self, cx: &Context) {
        let (ear, cx) = (self.clone(), cx.clone());
        tokio::spawn(async move {
            ear.listening.fetch_add(1, SeqCst);
            cx.cancelled().await;
            ear.heard.fetch_add(1, SeqCst);
        });
    }
}

#[tokio::test]
async fn a_context_tells_of_the_end_of_its_call_and_of_no_answer() {
    let ear = Ear::default();
    let (here, there) = mux::pair();
    let _answering = Connection::builder().service(WaitsServer::new(ear.clone())).accept(there);
    let asking = Connection::builder().open(here);
    for client in [WaitsClient::new(&asking), WaitsClient::local(ear.clone())] {
        let (listening, heard) = (ear.listening.load(SeqCst), ear.heard.load(SeqCst));
        let call = client.hears().start();
        until(|| ear.listening.load(SeqCst) > listening).await;
        drop(call);
        until(|| ear.heard.load(SeqCst) > heard).await;
        client.keeps().await.unwrap();
        until(|| ear.listening.load(SeqCst) == listening + 2).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(ear.heard.load(SeqCst), heard + 1, "an answer is no cancel");
    }
}

#[tokio::test]
async fn a_local_call_whose_time_is_over_is_cancelled() {
    let ear = Ear::default();
    let late = WaitsClient::local(ear.clone()).hears().timeout(Duration::from_millis(5)).await;
    assert!(late.is_err());
    until(|| ear.heard.load(SeqCst) == 1).await;
}
