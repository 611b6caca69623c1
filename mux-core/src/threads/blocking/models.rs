//! A thread that parks for its answer, and what else may unpark it.

use super::park_until;
use crate::util::sync::atomic::{AtomicBool, Ordering};
use crate::util::sync::{Mutex, model, thread};
use std::future::poll_fn;
use std::sync::{Arc, PoisonError};
use std::task::{Poll, Waker};

/// What a row of the session is to its caller: an answer, or whom to wake when it comes.
#[derive(Default)]
struct Row(Mutex<(Option<u32>, Option<Waker>)>);

impl Row {
    fn answer(&self, answer: u32) {
        let mut row = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        row.0 = Some(answer);
        let waker = row.1.take();
        drop(row);
        waker.into_iter().for_each(Waker::wake);
    }

    /// Waits as a call does. `polled` follows each poll that found nothing.
    fn wait(&self, polled: impl Fn()) -> u32 {
        let answer = poll_fn(|cx| {
            let mut row = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(answer) = row.0.take() {
                return Poll::Ready(answer);
            }
            row.1 = Some(cx.waker().clone());
            drop(row);
            polled();
            Poll::Pending
        });
        park_until(answer, None).expect("no time runs out")
    }
}

#[test]
fn a_thread_that_parks_finds_its_answer_whenever_that_comes() {
    model(|| {
        let row = Arc::new(Row::default());
        let answering = Arc::clone(&row);
        let reader = thread::spawn(move || answering.answer(7));
        assert_eq!(row.wait(|| ()), 7);
        reader.join().unwrap();
    });
}

#[test]
fn a_thread_that_waits_call_after_call_is_not_misled_by_the_wakes_of_those_before() {
    model(|| {
        let rows = [(); 2].map(|()| Arc::new(Row::default()));
        let answering = rows.clone();
        let reader = thread::spawn(move || answering.iter().for_each(|row| row.answer(7)));
        assert_eq!(rows.each_ref().map(|row| row.wait(|| ())), [7, 7]);
        reader.join().unwrap();
    });
}

#[test]
fn a_wake_is_not_lost_when_a_lock_within_the_future_parks_on_the_same_thread() {
    model(|| {
        let row = Arc::new(Row::default());
        let (caller, answering) = (thread::current(), Arc::clone(&row));
        let unlocked = Arc::new(AtomicBool::new(false));
        let unlocks = Arc::clone(&unlocked);
        let reader = thread::spawn(move || answering.answer(7));
        let holder = thread::spawn(move || {
            unlocks.store(true, Ordering::Release);
            caller.unpark();
        });
        let lock = || {
            while !unlocked.load(Ordering::Acquire) {
                thread::park();
            }
        };
        assert_eq!(row.wait(lock), 7);
        reader.join().unwrap();
        holder.join().unwrap();
    });
}

#[test]
fn a_poll_sees_what_was_written_before_its_wake() {
    model(|| {
        let written = Arc::new(AtomicBool::new(false));
        let (handed_over, waker) = (Arc::new(Row::default()), Arc::new(Mutex::new(None::<Waker>)));
        let (writes, wakes, handed) = (Arc::clone(&written), Arc::clone(&waker), Arc::clone(&handed_over));
        let writer = thread::spawn(move || {
            handed.wait(|| ());
            writes.store(true, Ordering::Relaxed);
            wakes.lock().unwrap_or_else(PoisonError::into_inner).take().into_iter().for_each(Waker::wake);
        });
        let wait = poll_fn(|cx| {
            if written.load(Ordering::Relaxed) {
                return Poll::Ready(());
            }
            // Once: no lock of a later poll orders it behind the write.
            *waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
            handed_over.answer(0);
            Poll::Pending
        });
        assert_eq!(park_until(wait, None), Some(()));
        writer.join().unwrap();
    });
}
