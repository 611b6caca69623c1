//! Calls that stay in the process: the same client and the same `Call`, and nothing is serialised.

use crate::api::descriptor::MethodDescriptor;
use crate::api::error::{CallError, Error, Refused};
use crate::context::{Context, LocalContext};
use crate::threads::background;
use crate::threads::blocking;
use crate::threads::panic;
use crate::threads::turns::Lane;
use crate::threads::workers::{self, Fate, LeaveOnDrop, NoThread, WorkerThreads};
use crate::util::budget;
use mux_proto::wire::meta::MetaPairs;
use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, ready};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::{Instant, Sleep};

type Ending<T, E> = Result<T, Error<E>>;

/// A call of a local client.
pub(crate) struct LocalCall<T, E> {
    method: &'static MethodDescriptor,
    /// What the handler may ask about; absent where it asks nothing.
    context: Option<Arc<LocalContext>>,
    meta: MetaPairs,
    deadline: Option<Instant>,
    alarm: Option<Pin<Box<Sleep>>>,
    /// The context knows of meta and deadline.
    briefed: bool,
    job: Job<T, E>,
    /// Moves the job off the caller's task; kept here since only the constructors know `T: Send`.
    start: fn(Job<T, E>, &'static MethodDescriptor) -> Job<T, E>,
}

enum Job<T, E> {
    /// Runs where it is awaited.
    Here(Pin<Box<dyn Future<Output = Ending<T, E>> + Send>>),
    /// To be run on a thread that it may block.
    Blocking(Box<dyn FnOnce() -> Ending<T, E> + Send>),
    Elsewhere {
        outcome: oneshot::Receiver<Ending<T, E>>,
        runner: Runner,
    },
    /// No thread for it could be started.
    Refused(Box<Refused>),
    Ended,
}

enum Runner {
    Task(AbortHandle),
    /// Dropped, it takes the job out of the queue for threads, if it waits there.
    Thread {
        _leave: Option<LeaveOnDrop>,
    },
}

impl<T: Send + 'static, E: Send + 'static> LocalCall<T, E> {
    #[inline]
    pub(crate) fn future(
        method: &'static MethodDescriptor,
        context: Option<Context>,
        job: impl Future<Output = Ending<T, E>> + Send + 'static,
    ) -> LocalCall<T, E> {
        LocalCall::new(method, context, Job::Here(Box::pin(job)))
    }

    pub(crate) fn blocking(
        method: &'static MethodDescriptor,
        context: Option<Context>,
        job: impl FnOnce() -> Ending<T, E> + Send + 'static,
    ) -> LocalCall<T, E> {
        LocalCall::new(method, context, Job::Blocking(Box::new(job)))
    }

    #[inline]
    fn new(method: &'static MethodDescriptor, context: Option<Context>, job: Job<T, E>) -> LocalCall<T, E> {
        panic::install_hook();
        let context = context.and_then(|context| context.as_local().cloned());
        LocalCall {
            method,
            context,
            meta: MetaPairs::default(),
            deadline: None,
            alarm: None,
            briefed: false,
            job,
            start: start::<T, E>,
        }
    }
}

impl<T: 'static, E> LocalCall<T, E> {
    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<Ending<T, E>> {
        // Nearly all are ready at once.
        ready!(budget::poll_spend(cx));
        self.tell_context();
        if self.method.notify {
            return Poll::Ready(self.notify());
        }
        if self.method.detached || matches!(self.job, Job::Blocking(_)) {
            self.start();
        }
        if let Poll::Ready(outcome) = self.job.poll(cx) {
            self.job = Job::Ended;
            return Poll::Ready(outcome);
        }
        ready!(self.poll_alarm(cx));
        self.stop();
        Poll::Ready(Err(CallError::TimedOut { sent: true }.into()))
    }

    /// A notify's handler runs on when its caller goes.
    fn notify(&mut self) -> Ending<T, E> {
        self.start();
        if let Job::Refused(refused) = std::mem::replace(&mut self.job, Job::Ended) {
            return Err(CallError::Refused(*refused).into());
        }
        unit().ok_or_else(|| CallError::ReplyUndecodable("a notify returns nothing".into()).into())
    }
}

impl<T, E> LocalCall<T, E> {
    pub(crate) fn method(&self) -> &'static MethodDescriptor {
        self.method
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(crate) fn deadline_mut(&mut self) -> &mut Option<Instant> {
        &mut self.deadline
    }

    pub(crate) fn meta_mut(&mut self) -> &mut MetaPairs {
        &mut self.meta
    }

    /// Starts the handler without being polled.
    pub(crate) fn send(&mut self) {
        self.tell_context();
        self.start();
    }

    /// Tells the handler's context, once, what the call was given.
    #[inline]
    fn tell_context(&mut self) {
        if let Some(context) = &self.context
            && !self.briefed
        {
            self.briefed = true;
            context.set(self.deadline, self.meta.encode(None, &[]));
        }
    }

    fn start(&mut self) {
        let job = std::mem::replace(&mut self.job, Job::Ended);
        self.job = (self.start)(job, self.method);
    }

    fn poll_alarm(&mut self, cx: &mut task::Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else { return Poll::Pending };
        if self.alarm.is_none() {
            let Ok(runtime) = runtime() else { return Poll::Pending };
            let _entered = runtime.enter();
            self.alarm = Some(Box::pin(tokio::time::sleep_until(deadline)));
        }
        match &mut self.alarm {
            Some(alarm) => alarm.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }

    /// Nobody waits any more.
    fn stop(&mut self) {
        if let Job::Ended = self.job {
            return;
        }
        if let Some(context) = &self.context {
            context.cancel();
        }
        if let Job::Elsewhere { runner: Runner::Task(abort), .. } = &self.job
            && !self.method.detached
        {
            abort.abort();
        }
        self.job = Job::Ended;
    }
}

impl<T, E> Drop for LocalCall<T, E> {
    fn drop(&mut self) {
        if !self.method.notify {
            self.stop();
        }
    }
}

impl<T, E> Job<T, E> {
    #[inline]
    fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<Ending<T, E>> {
        match self {
            Job::Here(future) => match panic::catch(|| future.as_mut().poll(cx)) {
                Ok(poll) => poll,
                Err(panicked) => Poll::Ready(Err(panicked.into())),
            },
            Job::Elsewhere { outcome, .. } => {
                let outcome = ready!(Pin::new(outcome).poll(cx));
                let dropped =
                    || CallError::Cancelled("the handler was dropped before it had an answer".into());
                Poll::Ready(outcome.unwrap_or_else(|_| Err(dropped().into())))
            }
            // Started before it is polled.
            Job::Blocking(_) => Poll::Pending,
            Job::Refused(_) | Job::Ended => Poll::Ready(Err(self.take_refused().into())),
        }
    }

    #[cold]
    fn take_refused(&mut self) -> CallError {
        match std::mem::replace(self, Job::Ended) {
            Job::Refused(refused) => CallError::Refused(*refused),
            _ => panic!("`Call` polled after it was over"),
        }
    }
}

fn start<T: Send + 'static, E: Send + 'static>(job: Job<T, E>, method: &MethodDescriptor) -> Job<T, E> {
    let notify = method.notify;
    let (sender, outcome) = oneshot::channel();
    match job {
        Job::Here(future) => match runtime() {
            Ok(runtime) => {
                let abort = runtime.spawn(run(Job::Here(future), sender)).abort_handle();
                Job::Elsewhere { outcome, runner: Runner::Task(abort) }
            }
            Err(error) => Job::Refused(Box::new(NoThread::refusal(&error))),
        },
        Job::Blocking(job) => {
            let job = move |fate| {
                if fate == Fate::Refused {
                    // Fails where the caller has gone.
                    let _ = sender.send(Err(CallError::Refused(workers::all_wait()).into()));
                    return;
                }
                // Whoever gave up before a thread was free had it never begin.
                if sender.is_closed() && !notify {
                    return;
                }
                let outcome = panic::catch(|| blocking::while_blocking(job));
                // Fails where the caller has gone.
                let _ = sender.send(outcome.unwrap_or_else(|panicked| Err(panicked.into())));
            };
            match WorkerThreads::shared().submit(Lane::LOCAL, Box::new(job), false) {
                Ok(ticket) => {
                    let ticket = ticket.filter(|_| !notify);
                    let leave = ticket.map(|ticket| WorkerThreads::shared().leave_on_drop(ticket));
                    Job::Elsewhere { outcome, runner: Runner::Thread { _leave: leave } }
                }
                Err(no_thread) => Job::Refused(Box::new(NoThread::refusal(&no_thread.error))),
            }
        }
        started => started,
    }
}

async fn run<T, E>(mut job: Job<T, E>, sender: oneshot::Sender<Ending<T, E>>) {
    let outcome = std::future::poll_fn(|cx| job.poll(cx)).await;
    // Fails where the caller has gone.
    let _ = sender.send(outcome);
}

/// The caller's runtime, or the background one on a plain thread.
fn runtime() -> std::io::Result<Handle> {
    Handle::try_current().or_else(|_| background::runtime_for_users().cloned())
}

/// `()`, where that is what `T` is.
fn unit<T: 'static>() -> Option<T> {
    let mut value: Option<T> = None;
    if let Some(slot) = (&mut value as &mut dyn Any).downcast_mut::<Option<()>>() {
        *slot = Some(());
    }
    value
}
