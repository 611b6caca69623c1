//! A connection's lock, and who waits for what is changed under it: callers for their answers, the driver for something to
//! write.

use super::Shared;
use crate::api::config::Workers;
use crate::api::peer::Peer;
use crate::threads::blocking::park_until;
use crate::threads::workers::WorkerThreads;
use crate::util::sync::{model, thread};
use mux_proto::session::Session;
use mux_proto::session::calls::outgoing::Ticket;
use mux_proto::session::inbound::Action;
use mux_proto::session::message::{Message, MethodName, Request, Terminal, Value};
use mux_proto::session::outbox::payload::Payload;
use mux_proto::session::outbox::{Batch, Outbox};
use mux_proto::thin_list::ThinList;
use mux_proto::wire::frame::Frame;
use mux_proto::wire::meta::MetaPairs;
use mux_proto::wire::settings::{Hello, Settings};
use mux_proto::wire::xid::{Side, Xid};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

fn greeted() -> Arc<Shared> {
    let mut outbox = Outbox::default();
    let mut session = Session::new(Side::Connecting, Settings::FLOOR, &mut outbox);
    let hello = Hello { version: 1, side: Side::Accepting, settings: Settings::FLOOR };
    assert!(session.on_frame(&Frame::Hello(hello), None, 0, &mut outbox).is_ok());
    let threads = Arc::new(WorkerThreads::new(Workers::OnDemand));
    Shared::new((session, outbox), Arc::default(), (threads, Arc::default()), Peer::default(), true, 0)
}

fn call(shared: &Shared) -> Ticket {
    let mut message = Message {
        method: MethodName::Known("calc.add"),
        meta: MetaPairs::default(),
        body: Payload::from(vec![0x90]),
        carried: ThinList::new(),
    };
    let request = Request { message: &mut message, deadline: None, waker: &mut None, nested: false };
    shared.open(request, false).expect("there is room").expect("a call has a row")
}

fn wait(shared: &Shared, ticket: Ticket) -> Terminal {
    let ended = park_until(poll_fn(|cx| shared.poll_call(ticket, cx)), None);
    ended.expect("no time runs out").0
}

/// As the reader does when a REPLY has come.
fn answer(shared: &Shared, xid: Xid) {
    let reply = Frame::Reply { xid, meta: None, value: &[7] };
    let mut guard = shared.lock();
    let state = &mut *guard;
    let action = state.session.on_frame(&reply, None, 0, &mut state.outbox);
    drop(guard);
    if let Ok(Action::Answered(waker)) = action {
        waker.wake();
    }
}

#[test]
fn a_caller_that_parks_finds_its_answer_whenever_that_comes() {
    model(|| {
        let shared = greeted();
        let ticket = call(&shared);
        let reader = thread::spawn({
            let shared = Arc::clone(&shared);
            move || answer(&shared, 1)
        });
        assert_eq!(wait(&shared, ticket), Terminal::Reply(Value::Copied(vec![7])));
        reader.join().unwrap();
    });
}

#[test]
fn each_of_two_callers_gets_its_own_answer() {
    model(|| {
        let shared = greeted();
        let tickets = [call(&shared), call(&shared)];
        let reader = thread::spawn({
            let shared = Arc::clone(&shared);
            move || [3, 1].map(|xid| answer(&shared, xid))
        });
        let other = thread::spawn({
            let shared = Arc::clone(&shared);
            move || wait(&shared, tickets[1])
        });
        let replies = [wait(&shared, tickets[0]), other.join().unwrap()];
        assert_eq!(replies, [(); 2].map(|()| Terminal::Reply(Value::Copied(vec![7]))));
        reader.join().unwrap();
    });
}

#[test]
fn a_caller_is_told_of_a_close_that_comes_while_it_begins_to_wait() {
    model(|| {
        let shared = greeted();
        let ticket = call(&shared);
        let closing = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.abort(crate::api::error::CloseReason::Local)
        });
        assert!(matches!(wait(&shared, ticket), Terminal::Closed { .. }));
        closing.join().unwrap();
    });
}

/// A driver without a stream: each of its turns writes as that of the real one does, and reads nothing.
struct Turns<'s> {
    shared: &'s Shared,
    batch: Batch,
    written: usize,
}

impl Turns<'_> {
    fn turn(&mut self, cx: &Context<'_>) {
        if self.shared.flush_is_due() && self.shared.take_batch(&mut self.batch, 0) {
            let bytes: Vec<u8> = self.batch.parts().flatten().copied().collect();
            self.batch.advance(bytes.len());
            self.written += frames(&bytes);
        }
        if self.shared.end_turn(cx.waker(), false).writes_next {
            cx.waker().wake_by_ref();
        }
    }
}

fn frames(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while let Some((prefix, rest)) = bytes.split_first_chunk() {
        bytes = &rest[u32::from_be_bytes(*prefix) as usize..];
        count += 1;
    }
    count
}

#[test]
fn what_is_queued_while_the_driver_works_or_goes_to_sleep_is_written() {
    model(|| {
        let shared = greeted();
        let callers = [(); 2].map(|()| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || call(&shared))
        });
        let mut driver = Turns { shared: &shared, batch: Batch::default(), written: 0 };
        let written = poll_fn(|cx| {
            driver.turn(cx);
            // Two calls, and the hello.
            if driver.written == 3 { Poll::Ready(()) } else { Poll::Pending }
        });
        park_until(written, None).expect("no time runs out");
        for caller in callers {
            caller.join().unwrap();
        }
    });
}
