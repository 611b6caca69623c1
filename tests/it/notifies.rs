//! Messages that nothing comes back from.

use crate::demo::until;
use mux::{CloseReason, Connection, Limits};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[mux::service]
trait Diary {
    #[mux(notify)]
    async fn note(&self, n: u32);
    #[mux(notify)]
    fn write(&self, n: u32);
    #[mux(notify)]
    async fn slow(&self, n: u32);
}

#[derive(Clone, Default)]
struct Book(Arc<Mutex<Vec<u32>>>);

impl Book {
    fn lines(&self) -> Vec<u32> {
        self.0.lock().unwrap().clone()
    }
}

impl Diary for Book {
    async fn note(&self, n: u32) {
        self.0.lock().unwrap().push(n);
    }

    fn write(&self, n: u32) {
        self.0.lock().unwrap().push(n);
    }

    async fn slow(&self, n: u32) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        self.0.lock().unwrap().push(n);
    }
}

fn diary(limits: Limits) -> (DiaryClient, Connection, Book) {
    let (here, there) = mux::pair();
    let book = Book::default();
    let builder = Connection::builder().limits(limits).service(DiaryServer::new(book.clone()));
    let answering = builder.accept(there);
    (Connection::builder().open(here).client(), answering, book)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_begin_in_the_order_they_were_sent() {
    for round in 0..20 {
        let (client, _answering, book) = diary(Limits::default());
        for n in 0..200 {
            if round % 2 == 0 { client.note(n).await.unwrap() } else { client.write(n).await.unwrap() }
        }
        until(|| book.lines().len() == 200).await;
        assert!(book.lines().is_sorted(), "round {round}");
    }
}

#[tokio::test]
async fn last_words_are_heard() {
    for round in 0..50 {
        let (client, answering, book) = diary(Limits::default());
        if round % 2 == 0 {
            client.note(1).await.unwrap()
        } else {
            client.write(1).await.unwrap()
        }
        drop(client);
        assert_eq!(answering.closed().await, CloseReason::Peer("closed".into()));
        until(|| book.lines() == [1]).await;
    }
}

#[tokio::test]
async fn a_drain_waits_for_their_handlers() {
    let (client, answering, book) = diary(Limits::default());
    client.slow(1).await.unwrap();
    client.note(2).await.unwrap();
    until(|| book.lines() == [2]).await;
    assert_eq!(answering.drain().await, CloseReason::Drained);
    assert_eq!(book.lines(), [2, 1]);
}

#[tokio::test]
async fn a_window_may_be_endless() {
    let (client, _answering, book) = diary(Limits { window: usize::MAX, ..Limits::default() });
    for n in 0..100 {
        client.write(n).await.unwrap();
        client.note(n).await.unwrap();
    }
    until(|| book.lines().len() == 200).await;
}

#[tokio::test]
async fn a_narrow_window_holds_the_sender_back_and_loses_nothing() {
    let (client, _answering, book) = diary(Limits { window: 0, ..Limits::default() });
    for n in 0..1000 {
        client.slow(n).await.unwrap();
    }
    // 16 KiB is the floor, and each takes 256 bytes and its arguments.
    assert!(book.lines().len() >= 900, "{}", book.lines().len());
    until(|| book.lines().len() == 1000).await;
}

#[tokio::test]
async fn what_was_sent_arrives_though_nobody_awaits_it() {
    let (client, _answering, book) = diary(Limits { window: 0, ..Limits::default() });
    for n in 0..1000 {
        drop(client.note(n).start());
    }
    until(|| book.lines().len() == 1000).await;
    assert!(book.lines().is_sorted());
}
