//! Threads that run blocking methods. Knows nothing of transactions: a job is a closure.

use crate::api::config::Workers;
use crate::api::error::{Refusal, Refused};
use crate::threads::turns::{Lane, Ticket, Turns};
use crate::util::per_process::PerProcess;
use crate::util::sync::{Condvar, Mutex, MutexGuard, thread, thread_local};
use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

#[cfg(test)]
#[cfg(mux_loom)]
mod models;

/// An idle thread ends after this.
const IDLE: Duration = Duration::from_secs(5);

/// Threads of the process that run blocking methods at once: as many as wait for files and locks on a large machine, and
/// with a stack each of 2 MiB of address space no burden for a small one.
const RUNNING: usize = 256;

/// Further threads whose methods wait for a call or a channel of mux. They have given up their place among
/// [`RUNNING`], so that what they wait for can run.
const WAITING: usize = 256;

/// Jobs that wait for a thread.
const QUEUED: usize = 4096;

const ALL_WAIT: &str = "every thread for blocking methods waits for a call or a channel";

/// Of threads for blocking methods.
const NAME: &str = "mux-worker";

/// What becomes of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Run,
    /// Every thread waits for something that may wait for this job.
    Refused,
}

pub(crate) type Job = Box<dyn FnOnce(Fate) + Send>;

/// Threads for blocking methods: those of the whole process, or a pool of its own.
pub(crate) struct WorkerThreads {
    /// Nothing where the process's are used. Its threads end when this is dropped and its jobs are done.
    own: Option<Own>,
}

/// A pool, made anew by a process that was forked, as that has none of its threads.
struct Own {
    bounds: Bounds,
    pools: PerProcess<Arc<Pool>>,
}

#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Of its threads.
    name: &'static str,
    running: usize,
    /// Nothing where threads that wait keep their place.
    waiting: Option<usize>,
    queued: usize,
}

struct Pool {
    bounds: Bounds,
    queue: Mutex<Queue>,
    wake: Condvar,
    /// A stack that no system gives, so that threads fail to start.
    #[cfg(test)]
    stack: Option<usize>,
}

#[derive(Default)]
struct Queue {
    jobs: Turns<Entry>,
    /// Jobs that are exempt from the bound of the queue.
    exempt: usize,
    threads: usize,
    /// Threads that were started, and have not come to the queue yet.
    coming: usize,
    idle: usize,
    /// Threads that wait, and have given up their place.
    waiting: usize,
    /// Threads that wait, and keep their place as too many have given theirs up.
    stuck: usize,
    stopped: bool,
}

struct Entry {
    job: Job,
    exempt: bool,
    /// Dropped with its entry: who waits for that learns that the job has left the queue.
    left: Option<oneshot::Sender<Infallible>>,
}

/// No thread takes the job.
pub(crate) struct NoThread {
    pub(crate) error: io::Error,
    /// The caller says when it is dropped, or runs it.
    pub(crate) job: Option<Job>,
}

impl WorkerThreads {
    pub(crate) fn new(policy: Workers) -> WorkerThreads {
        match policy {
            Workers::OnDemand => WorkerThreads { own: None },
            Workers::Pool(threads) => WorkerThreads::with(Bounds {
                name: NAME,
                running: threads.max(1),
                waiting: None,
                queued: QUEUED,
            }),
        }
    }

    /// So many that do not wait for calls, with a queue that its users bound.
    pub(crate) fn apart(name: &'static str, threads: usize) -> WorkerThreads {
        WorkerThreads::with(Bounds { name, running: threads, waiting: None, queued: usize::MAX })
    }

    fn with(bounds: Bounds) -> WorkerThreads {
        WorkerThreads { own: Some(Own { bounds, pools: PerProcess::new() }) }
    }

    fn pool(&self) -> &Arc<Pool> {
        match &self.own {
            Some(Own { bounds, pools }) => pools.get_or_make(|| Arc::new(Pool::new(*bounds))),
            None => Pool::of_the_process(),
        }
    }

    fn pool_that_is_there(&self) -> Option<&Arc<Pool>> {
        self.own.as_ref().map_or(&OF_THE_PROCESS, |own| &own.pools).get()
    }

    /// Those of local clients.
    pub(crate) fn shared() -> &'static WorkerThreads {
        static SHARED: WorkerThreads = WorkerThreads { own: None };
        &SHARED
    }

    /// Runs the job on a thread that is idle, or new, or, where there are enough, on the next one free: then the job has
    /// a place in the queue, in its lane. One that is `exempt` queues however many do, and also where all threads wait, and
    /// stays when its lane is closed: its owner bounds such jobs, and nobody waits for them.
    pub(crate) fn submit(&self, lane: Lane, job: Job, exempt: bool) -> Result<Option<Ticket>, NoThread> {
        self.pool().submit(lane, job, exempt)
    }

    /// The connection of the lane is closed: what of it is `exempt` waits with that of all other such connections, and
    /// has one turn with it. The rest leaves by itself.
    pub(crate) fn close(&self, lane: Lane) {
        if let Some(pool) = self.pool_that_is_there() {
            pool.lock().jobs.close(lane, |entry| entry.exempt);
        }
    }

    /// Resolves when the job has left the queue.
    pub(crate) fn left(&self, ticket: Ticket) -> oneshot::Receiver<Infallible> {
        let (sender, receiver) = oneshot::channel();
        if let Some(entry) = self.pool().lock().jobs.get_mut(ticket) {
            entry.left = Some(sender);
        }
        receiver
    }

    /// Takes the job out of the queue when it is dropped.
    pub(crate) fn leave_on_drop(&self, ticket: Ticket) -> LeaveOnDrop {
        LeaveOnDrop { pool: Arc::clone(self.pool()), ticket }
    }
}

/// See [`WorkerThreads::leave_on_drop`].
pub(crate) struct LeaveOnDrop {
    pool: Arc<Pool>,
    ticket: Ticket,
}

impl Drop for LeaveOnDrop {
    fn drop(&mut self) {
        let entry = self.pool.lock().remove(self.ticket);
        // Its drop tells its asker.
        drop(entry);
    }
}

static OF_THE_PROCESS: PerProcess<Arc<Pool>> = PerProcess::new();

thread_local! {
    /// The pool of this thread.
    static HERE: RefCell<Option<Arc<Pool>>> = const { RefCell::new(None) };
}

/// A worker thread waits for a call or a channel: until the drop another may run in its place.
pub(crate) struct Waiting {
    pool: Arc<Pool>,
    gave_place: bool,
}

impl Waiting {
    /// Nothing on threads that are no workers, or that keep their place.
    pub(crate) fn begin() -> Option<Waiting> {
        let pool = HERE.with(|here| here.borrow().clone())?;
        let waiting = pool.bounds.waiting?;
        let gave_place = pool.begin_wait(waiting);
        Some(Waiting { pool, gave_place })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut queue = self.pool.lock();
        // It takes its place back without waiting for it. As threads start only where fewer run than may, there are
        // never more than may run and may wait together.
        let count = if self.gave_place { &mut queue.waiting } else { &mut queue.stuck };
        *count -= 1;
    }
}

impl Queue {
    fn running(&self) -> usize {
        self.threads - self.waiting
    }

    /// All threads wait: none will come to the queue unless something ends that may wait for the queue.
    fn is_stuck(&self) -> bool {
        self.stuck >= self.running()
    }

    fn push(&mut self, lane: Lane, job: Job, exempt: bool) -> Ticket {
        self.exempt += usize::from(exempt);
        self.jobs.push(lane, Entry { job, exempt, left: None })
    }

    fn pop(&mut self) -> Option<Entry> {
        let entry = self.jobs.pop()?;
        self.exempt -= usize::from(entry.exempt);
        Some(entry)
    }

    fn remove(&mut self, ticket: Ticket) -> Option<Entry> {
        let entry = self.jobs.remove(ticket)?;
        self.exempt -= usize::from(entry.exempt);
        Some(entry)
    }

    /// Jobs that the queue's bound counts: nobody comes for them yet.
    fn bounded(&self) -> usize {
        self.jobs.len().saturating_sub(self.exempt + self.coming)
    }

    /// Those that a thread which waits may wait for.
    fn take_bounded(&mut self) -> Vec<Entry> {
        self.jobs.extract(|entry| !entry.exempt)
    }
}

impl Pool {
    fn new(bounds: Bounds) -> Pool {
        Pool {
            bounds,
            queue: Mutex::default(),
            wake: Condvar::new(),
            #[cfg(test)]
            stack: None,
        }
    }

    fn of_the_process() -> &'static Arc<Pool> {
        OF_THE_PROCESS.get_or_make(|| {
            Arc::new(Pool::new(Bounds {
                name: NAME,
                running: RUNNING,
                waiting: Some(WAITING),
                queued: QUEUED,
            }))
        })
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit(self: &Arc<Pool>, lane: Lane, job: Job, exempt: bool) -> Result<Option<Ticket>, NoThread> {
        let mut queue = self.lock();
        if queue.idle > queue.jobs.len() {
            queue.push(lane, job, exempt);
            self.wake.notify_one();
            return Ok(None);
        }
        if queue.running() < self.bounds.running {
            let ticket = queue.push(lane, job, exempt);
            return match self.start_thread(&mut queue) {
                Ok(()) => Ok(None),
                // Other threads come to it.
                Err(_) if !queue.is_stuck() || exempt && queue.threads > 0 => Ok(Some(ticket)),
                Err(error) => Err(NoThread { error, job: queue.remove(ticket).map(|entry| entry.job) }),
            };
        }
        if exempt {
            return Ok(Some(queue.push(lane, job, exempt)));
        }
        if queue.is_stuck() {
            return Err(NoThread::because(ALL_WAIT, job));
        }
        if queue.bounded() >= self.bounds.queued {
            return Err(NoThread::because("too many calls wait for a thread", job));
        }
        Ok(Some(queue.push(lane, job, exempt)))
    }

    fn start_thread(self: &Arc<Pool>, queue: &mut Queue) -> io::Result<()> {
        let builder = thread::Builder::new().name(self.bounds.name.into());
        #[cfg(test)]
        let builder = match self.stack {
            Some(stack) => builder.stack_size(stack),
            None => builder,
        };
        let pool = Arc::clone(self);
        builder.spawn(move || pool.work())?;
        queue.threads += 1;
        queue.coming += 1;
        Ok(())
    }

    fn work(self: Arc<Pool>) {
        HERE.with(|here| here.replace(Some(Arc::clone(&self))));
        self.lock().coming -= 1;
        while let Some(job) = self.next_job() {
            run(job, Fate::Run);
        }
    }

    fn next_job(&self) -> Option<Job> {
        let mut queue = self.lock();
        loop {
            if let Some(entry) = queue.pop() {
                return Some(entry.job);
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

    /// A thread of the pool waits. Returns whether it has given up its place.
    fn begin_wait(self: &Arc<Pool>, most: usize) -> bool {
        let mut queue = self.lock();
        let gives_place = queue.waiting < most;
        if gives_place {
            queue.waiting += 1;
        } else {
            queue.stuck += 1;
        }
        if queue.jobs.len() > queue.idle && queue.running() < self.bounds.running {
            // Where none can be started, those that run come to the queue.
            let _ = self.start_thread(&mut queue);
        }
        let stuck = queue.is_stuck();
        let refused = if stuck { queue.take_bounded() } else { Vec::new() };
        drop(queue);
        refused.into_iter().for_each(|entry| run(entry.job, Fate::Refused));
        gives_place
    }
}

/// Jobs catch the panics of what they run; one of their own must not cost the pool a thread.
fn run(job: Job, fate: Fate) {
    let _ = panic::catch_unwind(AssertUnwindSafe(|| job(fate)));
}

/// What a call is told that was refused as all threads wait.
pub(crate) fn all_wait() -> Refused {
    NoThread::refusal(&io::Error::other(ALL_WAIT))
}

impl NoThread {
    /// What a call is told that no thread takes.
    pub(crate) fn refusal(error: &io::Error) -> Refused {
        Refused::new(Refusal::Overloaded, format!("no thread for the call: {error}"))
    }

    fn because(why: &str, job: Job) -> NoThread {
        NoThread { error: io::Error::other(why), job: Some(job) }
    }
}

impl Drop for WorkerThreads {
    fn drop(&mut self) {
        if let Some(pool) = self.own.as_ref().and_then(|own| own.pools.get()) {
            pool.lock().stopped = true;
            pool.wake.notify_all();
        }
    }
}

impl std::fmt::Debug for WorkerThreads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkerThreads")
            .field("bounds", &self.own.as_ref().map(|own| own.bounds))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(not(mux_loom))]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn run(workers: &WorkerThreads, jobs: usize) -> usize {
        let (at_once, done) = (Arc::new((Mutex::new((0, 0)), Condvar::new())), mpsc::channel());
        for _ in 0..jobs {
            let (at_once, done) = (Arc::clone(&at_once), done.0.clone());
            let job = move |_| {
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
            assert!(workers.submit(Lane::LOCAL, Box::new(job), false).is_ok());
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

    fn bounds(running: usize, waiting: usize, queued: usize) -> Bounds {
        Bounds { name: NAME, running, waiting: Some(waiting), queued }
    }

    #[test]
    fn a_job_that_gets_no_thread_is_given_back() {
        let mut pool = Pool::new(bounds(2, 2, 2));
        pool.stack = Some(usize::MAX / 2);
        let workers = WorkerThreads::with(pool.bounds);
        assert!(workers.own.as_ref().unwrap().pools.put(Arc::new(pool)).is_ok());
        assert!(workers.submit(Lane::LOCAL, Box::new(|_| unreachable!("it was given back")), false).is_err());
        assert_eq!(workers.pool().lock().jobs.len(), 0);
    }

    /// A job that runs until it is let go. Tells that it has begun.
    fn held(workers: &WorkerThreads, waits: bool) -> (mpsc::Sender<()>, mpsc::Receiver<Fate>) {
        let ((release, held), (told, begun)) = (mpsc::channel::<()>(), mpsc::channel());
        let job = move |fate| {
            let waiting = waits.then(Waiting::begin).flatten();
            let _ = told.send(fate);
            if fate == Fate::Run {
                // Until its sender is dropped.
                let _ = held.recv();
            }
            drop(waiting);
        };
        assert!(workers.submit(Lane::LOCAL, Box::new(job), false).is_ok());
        (release, begun)
    }

    #[test]
    fn beyond_its_threads_jobs_queue_and_beyond_its_queue_they_are_refused() {
        let workers = WorkerThreads::with(bounds(2, 2, 3));
        let running = [held(&workers, false), held(&workers, false)];
        running.iter().for_each(|(_, begun)| assert_eq!(begun.recv(), Ok(Fate::Run)));
        let queued = [held(&workers, false), held(&workers, false), held(&workers, false)];
        assert!(workers.submit(Lane::LOCAL, Box::new(|_| {}), false).is_err());
        assert!(workers.submit(Lane::LOCAL, Box::new(|_| {}), true).is_ok());
        assert_eq!(workers.pool().lock().threads, 2);
        drop(running);
        for (release, begun) in queued {
            assert_eq!(begun.recv(), Ok(Fate::Run));
            drop(release);
        }
    }

    #[test]
    fn a_thread_that_waits_lets_another_run_and_of_those_there_are_so_many() {
        let workers = WorkerThreads::with(bounds(1, 2, 9));
        let waiting = [held(&workers, true), held(&workers, true)];
        waiting.iter().for_each(|(_, begun)| assert_eq!(begun.recv(), Ok(Fate::Run)));
        let (last, begun) = held(&workers, false);
        assert_eq!(begun.recv(), Ok(Fate::Run));
        let (release, queued) = held(&workers, false);
        assert_eq!(workers.pool().lock().threads, 3);
        drop((last, release));
        assert_eq!(queued.recv(), Ok(Fate::Run));
    }

    #[test]
    fn where_all_threads_wait_what_is_queued_is_refused_and_so_is_what_comes() {
        let workers = WorkerThreads::with(bounds(1, 1, 9));
        let first = held(&workers, true);
        assert_eq!(first.1.recv(), Ok(Fate::Run));
        let ((go, gone), (told, begun)) = (mpsc::channel::<()>(), mpsc::channel());
        let job = move |_| {
            told.send(()).unwrap();
            let _ = gone.recv();
            let _waiting = Waiting::begin();
            told.send(()).unwrap();
            let _ = gone.recv();
        };
        assert!(workers.submit(Lane::LOCAL, Box::new(job), false).is_ok());
        begun.recv().unwrap();
        let (_release, queued) = held(&workers, false);
        go.send(()).unwrap();
        begun.recv().unwrap();
        assert_eq!(queued.recv(), Ok(Fate::Refused));
        assert!(workers.submit(Lane::LOCAL, Box::new(|_| {}), false).is_err());
        // Nobody waits for one that is exempt: it is run when a thread is free again.
        let (told, exempt) = mpsc::channel();
        assert!(workers.submit(Lane::LOCAL, Box::new(move |fate| told.send(fate).unwrap()), true).is_ok());
        drop((go, first));
        assert_eq!(exempt.recv(), Ok(Fate::Run));
    }

    #[test]
    fn what_is_queued_is_refused_also_where_the_last_to_wait_gives_up_its_place() {
        let workers = WorkerThreads::with(bounds(1, 1, 9));
        let ((go, gone), (told, begun)) = (mpsc::channel::<()>(), mpsc::channel());
        let waits_twice = move |_| {
            for _ in 0..2 {
                let waiting = Waiting::begin();
                told.send("waits").unwrap();
                gone.recv().unwrap();
                drop(waiting);
                told.send("runs").unwrap();
                gone.recv().unwrap();
            }
        };
        assert!(workers.submit(Lane::LOCAL, Box::new(waits_twice), false).is_ok());
        assert_eq!(begun.recv(), Ok("waits"));
        let (_release, other) = held(&workers, true);
        assert_eq!(other.recv(), Ok(Fate::Run));
        go.send(()).unwrap();
        assert_eq!(begun.recv(), Ok("runs"));
        let (_release, queued) = held(&workers, false);
        go.send(()).unwrap();
        assert_eq!(begun.recv(), Ok("waits"));
        assert_eq!(queued.recv(), Ok(Fate::Refused));
        drop(go);
    }

    #[test]
    fn where_no_thread_can_be_started_and_all_wait_what_is_queued_is_refused() {
        let mut pool = Pool::new(bounds(2, 2, 9));
        pool.stack = Some(usize::MAX / 2);
        let pool = Arc::new(pool);
        let (told, queued) = mpsc::channel();
        let mut queue = pool.lock();
        // One that was started while the system had some left.
        queue.threads = 1;
        queue.push(Lane::LOCAL, Box::new(move |fate| told.send(fate).unwrap()), false);
        drop(queue);
        assert!(pool.begin_wait(2));
        assert_eq!(queued.recv(), Ok(Fate::Refused));
    }

    #[test]
    fn jobs_of_a_lane_wait_for_each_other_and_one_of_another_for_the_first_of_them() {
        let workers = WorkerThreads::with(bounds(1, 1, 9));
        let (release, begun) = held(&workers, false);
        assert_eq!(begun.recv(), Ok(Fate::Run));
        let (told, order) = mpsc::channel();
        let submit = |lane, name: &'static str, exempt| {
            let told = told.clone();
            let job = move |_| told.send(name).unwrap();
            assert!(workers.submit(lane, Box::new(job), exempt).is_ok());
        };
        let lanes = [(); 4].map(|()| Lane::new());
        for (lane, name, exempt) in [
            (lanes[0], "flood 1", false),
            (lanes[0], "flood 2", false),
            (lanes[1], "closed 1", true),
            (lanes[2], "closed 2", true),
            (lanes[3], "other", false),
        ] {
            submit(lane, name, exempt);
        }
        lanes[1..3].iter().for_each(|lane| workers.close(*lane));
        drop((release, told));
        assert_eq!(Vec::from_iter(order), ["flood 1", "other", "closed 1", "flood 2", "closed 2"]);
    }

    #[test]
    fn a_job_leaves_the_queue_at_once() {
        let workers = WorkerThreads::with(bounds(1, 1, 9));
        let running = held(&workers, false);
        assert_eq!(running.1.recv(), Ok(Fate::Run));
        let (dropped, tells) = mpsc::channel::<()>();
        let job = move |_| drop(dropped);
        let ticket = workers.submit(Lane::LOCAL, Box::new(job), false).ok().flatten().expect("it waits");
        let mut left = workers.left(ticket);
        assert!(left.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Empty));
        drop(workers.leave_on_drop(ticket));
        assert!(tells.recv().is_err());
        assert!(left.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Closed));
    }
}
