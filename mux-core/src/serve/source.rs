//! Streaming methods: the stream that a method returns, and what sends its items.

use crate::api::descriptor::{Encoding, MethodDescriptor, Placement};
use crate::api::error::{CallError, Error, Refused, RemoteError};
use crate::channel::{Never, Receiver, Sender, channel_with_error};
use crate::client::call::Call;
use crate::context::Context;
use crate::link::obligation::Obligation;
use crate::serve::responder;
use crate::threads::background;
use crate::threads::blocking;
use crate::threads::panic;
use crate::threads::turns::Lane;
use crate::threads::workers::{self, Fate, LeaveOnDrop, NoThread, WorkerThreads};
use crate::util::budget;
use crate::value::body::evidence::{ErrorEvidence, Evidence};
use crate::value::body::proof::Proof;
use crate::value::body::{self, Fallible, FaultParts, Outcome};
use futures_core::Stream;
use mux_proto::wire::fault::Fault;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::task::{self, Poll, ready};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, coop};

/// What a streaming method returns.
pub trait Source: Send {
    /// What its receiver gets.
    type Item: Serialize + DeserializeOwned + Send + 'static;
    /// How it may fail.
    type End: Serialize + DeserializeOwned + Send + 'static;

    #[doc(hidden)]
    fn poll_next(&mut self, cx: &mut task::Context<'_>) -> Poll<Option<Polled<Self::Item, Self::End>>>;
}

/// An item, or why the stream ends early: by an error with a type, or by one without.
type Polled<T, E> = Result<T, Result<E, FaultParts>>;

/// A stream of items.
pub struct Plain<S, T>(Pin<Box<S>>, PhantomData<fn() -> T>);

/// A stream of results, of which the first error is the end.
pub struct Failing<S, T, E>(Pin<Box<S>>, PhantomData<fn() -> (T, E)>);

/// Items as they are.
pub fn plain<S, T>(stream: S, _: T) -> Plain<S, T>
where
    S: Stream<Item = T::Value>,
    T: Evidence,
{
    Plain(Box::pin(stream), PhantomData)
}

/// Items until one fails.
pub fn failing<S, T, E>(stream: S, _: T, _: E) -> Failing<S, T, E>
where
    S: Stream<Item = Result<T::Value, E::Error>>,
    T: Evidence,
    E: ErrorEvidence,
{
    Failing(Box::pin(stream), PhantomData)
}

impl<S, T> Source for Plain<S, T>
where
    S: Stream<Item = T::Value> + Send,
    T: Evidence<Value: Send>,
{
    type Item = T::Value;
    type End = Never;

    fn poll_next(&mut self, cx: &mut task::Context<'_>) -> Poll<Option<Polled<T::Value, Never>>> {
        self.0.as_mut().poll_next(cx).map(|item| item.map(Ok))
    }
}

impl<S, T, E> Source for Failing<S, T, E>
where
    S: Stream<Item = Result<T::Value, E::Error>> + Send,
    T: Evidence<Value: Send>,
    E: ErrorEvidence,
{
    type Item = T::Value;
    type End = E::End;

    fn poll_next(&mut self, cx: &mut task::Context<'_>) -> Poll<Option<Polled<T::Value, E::End>>> {
        self.0.as_mut().poll_next(cx).map(|item| item.map(|item| item.map_err(Fallible::into_end)))
    }
}

impl<S, T> fmt::Debug for Plain<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plain").finish_non_exhaustive()
    }
}

impl<S, T, E> fmt::Debug for Failing<S, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failing").finish_non_exhaustive()
    }
}

/// Sends all that a stream yields, until it ends or nobody receives any more. A panic of the stream is the
/// channel's end.
pub(crate) async fn pump<S: Source>(mut source: S, mut sender: Sender<S::Item, S::End>, reveal: bool) {
    let mut count = 0_usize;
    let ended = poll_fn(|cx| poll_pump(&mut source, &mut sender, &mut count, cx)).await;
    match ended {
        Pumped::Finished => sender.finish(),
        Pumped::Gone => {}
        Pumped::App(error) => sender.fail(error),
        Pumped::Fault(mut fault) => {
            if !reveal {
                body::redact(&mut fault);
            }
            sender.end_by(fault);
        }
    }
}

enum Pumped<E> {
    Finished,
    Gone,
    App(E),
    Fault(Fault),
}

fn poll_pump<S: Source>(
    source: &mut S,
    sender: &mut Sender<S::Item, S::End>,
    count: &mut usize,
    cx: &mut task::Context<'_>,
) -> Poll<Pumped<S::End>> {
    if sender.poll_gone(cx).is_ready() {
        return Poll::Ready(Pumped::Gone);
    }
    loop {
        let budget = ready!(coop::poll_proceed(cx));
        if ready!(sender.poll_room(cx)).is_err() {
            return Poll::Ready(Pumped::Gone);
        }
        budget.made_progress();
        let filled = panic::catch(|| sender.poll_fill(|| next(source, count, cx)));
        let filled = filled
            .unwrap_or_else(|panicked| Poll::Ready(Some(Pumped::Fault(body::fault_of_remote(&panicked)))));
        if let Some(ended) = ready!(filled) {
            return Poll::Ready(ended);
        }
    }
}

/// The next item of a source, or how it ended.
fn next<S: Source>(
    source: &mut S,
    count: &mut usize,
    cx: &mut task::Context<'_>,
) -> Poll<Result<S::Item, Pumped<S::End>>> {
    *count = count.wrapping_add(1);
    ready!(budget::poll_item(*count, cx));
    source.poll_next(cx).map(|next| match next {
        Some(Ok(item)) => Ok(item),
        Some(Err(Ok(error))) => Err(Pumped::App(error)),
        Some(Err(Err(parts))) => Err(Pumped::Fault(parts.into_fault())),
        None => Err(Pumped::Finished),
    })
}

/// A call of a streaming method in this process: the method runs on, as its stream may borrow from it.
pub fn local_stream<T, D, E, F>(
    method: &'static MethodDescriptor,
    context: Option<Context>,
    job: impl FnOnce(Opening<T, D, E>) -> F + Send + 'static,
) -> Call<Receiver<T, D>, E>
where
    T: Send + 'static,
    D: Send + 'static,
    E: Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    Call::local(method, context, async move {
        let (opening, opened) = oneshot::channel();
        let (ended, end) = oneshot::channel();
        let mut running = run(method, job(Opening(opening)), ended)?;
        match opened.await {
            Ok(result) => {
                running.abort = None;
                result
            }
            Err(_) => Err(match end.await {
                Ok(Err(Unanswered::Panicked(panicked))) => panicked.into(),
                Ok(Err(Unanswered::Refused(refused))) => CallError::Refused(refused).into(),
                _ => CallError::Cancelled("the handler was dropped before it had an answer".into()).into(),
            }),
        }
    })
}

/// Why a job opened no stream.
enum Unanswered {
    Panicked(RemoteError),
    Refused(Refused),
}

/// Runs a method's job where the method wants to run, and tells how it ended.
fn run(
    method: &MethodDescriptor,
    job: impl Future<Output = ()> + Send + 'static,
    ended: oneshot::Sender<Result<(), Unanswered>>,
) -> Result<Running, CallError> {
    let refused = |error: std::io::Error| CallError::Refused(NoThread::refusal(&error));
    if method.placement != Placement::Worker {
        let runtime =
            Handle::try_current().or_else(|_| background::runtime_for_users().cloned()).map_err(refused)?;
        let task = runtime.spawn(async move {
            // Fails where nobody waits to be told.
            let _ = ended.send(caught(job).await);
        });
        return Ok(Running { abort: Some(task.abort_handle()), _leave: None });
    }
    let job = move |fate| {
        let end = match fate {
            Fate::Run => blocking::while_blocking(|| blocking::block_on(caught(job))),
            Fate::Refused => Err(Unanswered::Refused(workers::all_wait())),
        };
        let _ = ended.send(end);
    };
    let ticket = WorkerThreads::shared()
        .submit(Lane::LOCAL, Box::new(job), false)
        .map_err(|none| refused(none.error))?;
    let leave = ticket.map(|ticket| WorkerThreads::shared().leave_on_drop(ticket));
    Ok(Running { abort: None, _leave: leave })
}

/// Stops the method where nobody waits for its stream any more.
struct Running {
    abort: Option<AbortHandle>,
    /// While it waits for a thread.
    _leave: Option<LeaveOnDrop>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(abort) = &self.abort {
            abort.abort();
        }
    }
}

async fn caught(job: impl Future<Output = ()>) -> Result<(), Unanswered> {
    let mut job = pin!(job);
    poll_fn(|cx| match panic::catch(|| job.as_mut().poll(cx)) {
        Ok(poll) => poll.map(Ok),
        Err(panicked) => Poll::Ready(Err(Unanswered::Panicked(panicked))),
    })
    .await
}

/// The answer that a streaming method of a local client owes.
pub struct Opening<T, D, E>(oneshot::Sender<Result<Receiver<T, D>, Error<E>>>);

impl<T, D, E> fmt::Debug for Opening<T, D, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening").finish_non_exhaustive()
    }
}

impl<T, D, E> Opening<T, D, E> {
    /// Answers with a receiver, then sends it what the stream yields.
    pub async fn stream<S: Source<Item = T, End = D>>(self, source: S) {
        let (sender, receiver) = channel_with_error();
        if self.0.send(Ok(receiver)).is_ok() {
            pump(source, sender, true).await;
        }
    }

    /// The same, where there is a stream.
    pub async fn stream_result<S, X>(self, result: Result<S, X::Error>, _: X)
    where
        S: Source<Item = T, End = D>,
        X: ErrorEvidence<App = E>,
    {
        match result {
            Ok(source) => self.stream(source).await,
            // Fails where nobody waits.
            Err(error) => drop(self.0.send(Err(error.into_error()))),
        }
    }
}

impl Context {
    /// Answers with the receiver of a channel, then sends it what the stream yields: the outcome of a
    /// streaming method.
    #[doc(hidden)]
    pub async fn stream<S: Source>(&self, source: S, encoding: Encoding) -> Outcome {
        let Some((shared, xid)) = self.request() else { return Outcome::none() };
        let (sender, receiver) = channel_with_error::<S::Item, S::End>();
        let answer = Outcome::value(&receiver, encoding, Proof::HERE);
        responder::answer(&mut [(Obligation::Answer(xid), answer)], shared);
        // Its items are made on a task of their own.
        tokio::task::yield_now().await;
        pump(source, sender, shared.reveals_traces()).await;
        Outcome::none()
    }

    /// The same, where there is a stream.
    #[doc(hidden)]
    pub async fn stream_result<S: Source, E: ErrorEvidence>(
        &self,
        result: Result<S, E::Error>,
        encoding: Encoding,
        _: E,
    ) -> Outcome {
        match result {
            Ok(source) => self.stream(source, encoding).await,
            Err(error) => Outcome::failed(error, encoding),
        }
    }
}
