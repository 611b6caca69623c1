//! Threads that run blocking methods. Knows nothing of transactions: a job is a closure.

use crate::config::Workers;
use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

/// An idle thread ends after this.
const IDLE: Duration = Duration::from_secs(5);

pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// The threads of one server or connection. They end when it is dropped and its jobs are done.
pub(crate) struct WorkerThreads {
    pool: Arc<Pool>,
    most: usize,
    /// A stack that no system gives, so that threads fail to start.
    #[cfg(test)]
    stack: Option<usize>,
}

struct Pool {
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    stopped: bool,
}

/// No thread could be started, and none is there to take the job.
pub(crate) struct NoThread {
    pub(crate) error: std::io::Error,
    /// Kept for its drop: the caller says when.
    _job: Option<Job>,
}

impl WorkerThreads {
    pub(crate) fn new(policy: Workers) -> WorkerThreads {
        let most = match policy {
            Workers::OnDemand => usize::MAX,
            Workers::Pool(threads) => threads.max(1),
        };
        let pool = Pool { queue: Mutex::default(), wake: Condvar::new() };
        WorkerThreads {
            pool: Arc::new(pool),
            most,
            #[cfg(test)]
            stack: None,
        }
    }

    /// Those of local clients, for the whole program.
    pub(crate) fn shared() -> &'static WorkerThreads {
        static SHARED: OnceLock<WorkerThreads> = OnceLock::new();
        SHARED.get_or_init(|| WorkerThreads::new(Workers::OnDemand))
    }

    /// Runs the job on a thread that is idle, or new, or, where there are enough, on the next one
    /// free.
    pub(crate) fn submit(&self, job: Job) -> Result<(), NoThread> {
        let mut queue = self.pool.lock();
        queue.jobs.push_back(job);
        if queue.idle >= queue.jobs.len() {
            self.pool.wake.notify_one();
            return Ok(());
        }
        if queue.threads >= self.most {
            return Ok(());
        }
        self.start_thread(&mut queue)
    }

    /// The queue stays locked, so that its last job is the one that wanted the thread.
    fn start_thread(&self, queue: &mut Queue) -> Result<(), NoThread> {
        let builder = thread::Builder::new().name("mux-worker".into());
        #[cfg(test)]
        let builder = match self.stack {
            Some(stack) => builder.stack_size(stack),
            None => builder,
        };
        let pool = Arc::clone(&self.pool);
        match builder.spawn(move || pool.work()) {
            Ok(_) => queue.threads += 1,
            // A pool's other threads come to it.
            Err(_) if self.most != usize::MAX && queue.threads > 0 => {}
            Err(error) => return Err(NoThread { error, _job: queue.jobs.pop_back() }),
        }
        Ok(())
    }
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        // Jobs catch the panics of what they run; one of their own must not cost the pool a thread.
        while let Some(job) = self.next_job() {
            let _ = panic::catch_unwind(AssertUnwindSafe(job));
        }
    }

    fn next_job(&self) -> Option<Job> {
        let mut queue = self.lock();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            if queue.stopped {
                queue.threads -= 1;
                return None;
            }
            queue.idle += 1;
            let (guard, waited) = self.wake.wait_timeout(queue, IDLE).unwrap_or_else(PoisonError::into_inner);
            queue = guard;
            queue.idle -= 1;
            if waited.timed_out() && queue.jobs.is_empty() {
                queue.threads -= 1;
                return None;
            }
        }
    }
}

impl Drop for WorkerThreads {
    fn drop(&mut self) {
        self.pool.lock().stopped = true;
        self.pool.wake.notify_all();
    }
}

impl std::fmt::Debug for WorkerThreads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkerThreads").field("most", &self.most).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn run(workers: &WorkerThreads, jobs: usize) -> usize {
        let (at_once, done) = (Arc::new((Mutex::new((0, 0)), Condvar::new())), mpsc::channel());
        for _ in 0..jobs {
            let (at_once, done) = (Arc::clone(&at_once), done.0.clone());
            let job = move || {
                let (counts, changed) = &*at_once;
                let mut now = counts.lock().unwrap();
                now.0 += 1;
                now.1 = now.1.max(now.0);
                changed.notify_all();
                let few = |now: &mut (usize, usize)| now.1 < 3;
                now = changed.wait_timeout_while(now, Duration::from_secs(5), few).unwrap().0;
                now.0 -= 1;
                done.send(()).unwrap();
            };
            assert!(workers.submit(Box::new(job)).is_ok());
        }
        for _ in 0..jobs {
            done.1.recv().unwrap();
        }
        at_once.0.lock().unwrap().1
    }

    #[test]
    fn a_pool_runs_no_more_than_its_size_at_once() {
        assert_eq!(run(&WorkerThreads::new(Workers::Pool(3)), 30), 3);
    }

    #[test]
    fn on_demand_runs_jobs_that_wait_for_each_other() {
        assert!(run(&WorkerThreads::new(Workers::OnDemand), 3) == 3);
    }

    #[test]
    fn a_job_that_gets_no_thread_is_given_back() {
        for policy in [Workers::OnDemand, Workers::Pool(2)] {
            let mut workers = WorkerThreads::new(policy);
            workers.stack = Some(usize::MAX / 2);
            assert!(workers.submit(Box::new(|| unreachable!("it was given back"))).is_err());
            assert_eq!(workers.pool.lock().jobs.len(), 0);
        }
    }
}
