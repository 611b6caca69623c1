//! Threads for blocking methods: how many run at once, and what becomes of jobs while they come, wait and end.

use super::{Bounds, Fate, Job, NAME, Waiting, WorkerThreads};
use crate::threads::turns::Lane;
use crate::util::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use crate::util::sync::{Condvar, Mutex, MutexGuard, model, thread};
use std::sync::{Arc, PoisonError};

fn pool(running: usize, waiting: usize) -> WorkerThreads {
    WorkerThreads::with(Bounds { name: NAME, running, waiting: Some(waiting), queued: 4 })
}

fn submit(workers: &WorkerThreads, job: Job) -> Result<(), Job> {
    match workers.submit(Lane::LOCAL, job, false) {
        Ok(_) => Ok(()),
        Err(no_thread) => Err(no_thread.job.expect("it is given back")),
    }
}

/// Counts what has happened, and is waited for.
#[derive(Default)]
struct Count {
    count: Mutex<usize>,
    changed: Condvar,
}

impl Count {
    fn lock(&self) -> MutexGuard<'_, usize> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn up(&self) {
        *self.lock() += 1;
        self.changed.notify_all();
    }

    /// As a method waits for a call.
    fn wait_for(&self, enough: usize) {
        let _waiting = Waiting::begin();
        let mut count = self.lock();
        while *count < enough {
            count = self.changed.wait(count).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[test]
fn each_job_runs_and_no_more_at_once_than_may() {
    for running in [1, 2] {
        model(move || {
            let workers = Arc::new(pool(running, 0));
            let (at_once, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(Count::default()));
            let submits = {
                let (workers, done) = (Arc::clone(&workers), Arc::clone(&done));
                move || {
                    let (at_once, done) = (Arc::clone(&at_once), Arc::clone(&done));
                    let job = move |fate| {
                        assert_eq!(fate, Fate::Run);
                        assert!(at_once.fetch_add(1, SeqCst) < running);
                        at_once.fetch_sub(1, SeqCst);
                        done.up();
                    };
                    assert!(submit(&workers, Box::new(job)).is_ok());
                }
            };
            let other = thread::spawn(submits.clone());
            submits();
            other.join().unwrap();
            done.wait_for(2);
        });
    }
}

#[test]
fn a_pool_that_is_dropped_runs_its_jobs_first_and_ends_its_threads() {
    model(|| {
        let (workers, done) = (pool(1, 0), Arc::new(Count::default()));
        for _ in 0..2 {
            let done = Arc::clone(&done);
            assert!(submit(&workers, Box::new(move |_| done.up())).is_ok());
        }
        drop(workers);
        done.wait_for(2);
    });
}

#[test]
fn a_job_that_waits_lets_the_one_run_that_it_waits_for() {
    model(|| {
        let (workers, [first, second]) = (pool(1, 1), [(); 2].map(|()| Arc::new(Count::default())));
        let (tells, waits) = (Arc::clone(&first), Arc::clone(&second));
        let waiting = move |_| {
            waits.wait_for(1);
            tells.up();
        };
        assert!(submit(&workers, Box::new(waiting)).is_ok());
        let tells = Arc::clone(&second);
        let waited_for = move |fate| {
            assert_eq!(fate, Fate::Run);
            tells.up();
        };
        assert!(submit(&workers, Box::new(waited_for)).is_ok());
        first.wait_for(1);
    });
}

#[test]
fn where_every_thread_waits_and_none_may_be_added_a_job_is_refused_and_none_is_stranded() {
    model(|| {
        let (workers, [first, second]) = (pool(1, 0), [(); 2].map(|()| Arc::new(Count::default())));
        let (tells, waits) = (Arc::clone(&first), Arc::clone(&second));
        let waiting = move |_| {
            waits.wait_for(1);
            tells.up();
        };
        assert!(submit(&workers, Box::new(waiting)).is_ok());
        let tells = Arc::clone(&second);
        if let Err(refused) = submit(&workers, Box::new(move |_| tells.up())) {
            refused(Fate::Refused);
        }
        first.wait_for(1);
    });
}
