//! The asking half: a transaction from its arguments to its value.

use crate::api::descriptor::{Encoding, MethodDescriptor};
use crate::api::error::{CallError, CloseReason, Closed, Error, Refused};
use crate::client::local::LocalCall;
use crate::context::Context;
use crate::link::handle::Mux;
use crate::link::port::{ChannelPort, OutgoingHandles};
use crate::threads::background;
use crate::threads::blocking;
use crate::threads::decoders::{self, Decoding};
use crate::util::budget;
use crate::util::buffer;
use crate::value::body::{self, ArgsEncoder, Fallible};
use crate::value::scope::{self, IncomingHandles};
use crate::value::{EncodeError, Target};
use mux_proto::session::calls::outgoing::Ticket;
use mux_proto::session::message::{Message, MethodName, Request, Terminal, Value};
use mux_proto::session::outbox::payload::Payload;
use mux_proto::thin_list::ThinList;
use mux_proto::wire::fault::{Fault, FaultCode};
use mux_proto::wire::handles::IncomingHandle;
use mux_proto::wire::meta::{MetaPairs, RESERVED};
use serde::de::DeserializeOwned;
use std::convert::Infallible;
use std::fmt;
use std::future::{self, Future};
use std::marker::PhantomData;
use std::mem;
use std::pin::Pin;
use std::task::{self, Poll, ready};
use std::time::Duration;
use tokio::time::Instant;

/// How long a plain thread waits, after its deadline, to be told of it.
const WAIT_GRACE: Duration = Duration::from_millis(100);

impl Mux {
    /// A call of a method that returns a plain value.
    #[doc(hidden)]
    pub fn call_for_value<T: DeserializeOwned + 'static>(
        &self,
        method: &'static MethodDescriptor,
        encode: impl FnOnce(&mut ArgsEncoder) -> Result<(), EncodeError>,
    ) -> Call<T> {
        self.call(method, body::no_app, encode)
    }

    /// A call of a method that returns a `Result`.
    #[doc(hidden)]
    pub fn call_for_result<T, E: Fallible>(
        &self,
        method: &'static MethodDescriptor,
        encode: impl FnOnce(&mut ArgsEncoder) -> Result<(), EncodeError>,
    ) -> Call<T, E::App> {
        self.call(method, E::decode_app, encode)
    }

    /// What tells the other end the names of the arguments, unless it is known to have the same.
    #[inline]
    fn names_of(&self, method: &MethodDescriptor) -> MetaPairs {
        if self.shared().peer_has(method.fingerprint) { MetaPairs::default() } else { tell_names(method) }
    }

    fn call<T, E>(
        &self,
        method: &'static MethodDescriptor,
        decode_app: fn(&[u8], Encoding) -> Result<E, String>,
        encode: impl FnOnce(&mut ArgsEncoder) -> Result<(), EncodeError>,
    ) -> Call<T, E> {
        let mut args = ArgsEncoder::new(method.encoding);
        if let Err(error) = encode(&mut args) {
            return Call::failed(Refused::unencodable(&error));
        }
        let (body, handles) = args.finish();
        let name = MethodName::Known(method.path);
        self.ask(Asked { name, descriptor: method, meta: self.names_of(method), decode_app }, body, handles)
    }

    /// A call with arguments that are encoded.
    #[inline]
    pub(crate) fn ask<T, E>(
        &self,
        asked: Asked<E>,
        body: Payload,
        mut handles: OutgoingHandles,
    ) -> Call<T, E> {
        if !handles.is_empty() {
            handles.keep_open(self);
        }
        let Asked { name, descriptor, meta, decode_app } = asked;
        Call::remote(RemoteCall {
            mux: self.clone(),
            method: descriptor,
            decode_app,
            deadline: None,
            message: Message { method: name, meta, body, carried: handles.take() },
            writes: false,
            waited: false,
            progress: Progress::Unsent,
        })
    }
}

/// What is asked for, beside the arguments.
pub(crate) struct Asked<E> {
    pub(crate) name: MethodName,
    pub(crate) descriptor: &'static MethodDescriptor,
    pub(crate) meta: MetaPairs,
    pub(crate) decode_app: fn(&[u8], Encoding) -> Result<E, String>,
}

#[cold]
fn tell_names(method: &MethodDescriptor) -> MetaPairs {
    let mut meta = MetaPairs::default();
    if !method.args.is_empty() {
        meta.push_arg_names(method.args.iter().map(|arg| arg.name));
    }
    meta
}

/// A call that was made and may not have been sent yet: await it, [`wait`](Call::wait) for it on a
/// plain thread, or [`start`](Call::start) it now and do either later.
///
/// Its arguments are encoded already; it borrows nothing. It is sent when it is first polled. Dropped
/// before that, it sends nothing; dropped later, it cancels the transaction on the other side.
///
/// While it is held it keeps its connection open. Cancel safe in the sense that dropping it loses nothing
/// but its own answer.
///
/// ```
/// # use mux_core as mux;
/// # use std::time::Duration;
/// # async fn calls(call: impl Fn() -> mux::Call<u32>) -> Result<(), mux::Error> {
/// let n = call().await?;
/// let n = call().timeout(Duration::from_millis(200)).meta("tenant", "eu").await?;
/// let sent = call().start(); // on its way
/// let n = sent.await?;
/// # let thread = std::thread::spawn({ let call = call(); move ||
/// call.wait() // on a plain thread
/// # });
/// # drop((n, thread)); Ok(()) }
/// ```
#[must_use = "a call does nothing until it is awaited, sent or waited for"]
pub struct Call<T, E = Infallible> {
    state: State<T, E>,
    value: PhantomData<fn() -> T>,
}

enum State<T, E> {
    Remote(RemoteCall<E>),
    Local(LocalCall<T, E>),
    /// Its answer has come, and is decoded elsewhere.
    Decoding(Box<Decoding<Result<T, Error<E>>>>),
    /// It failed while it was made.
    Failed(Option<CallError>),
}

struct RemoteCall<E> {
    mux: Mux,
    method: &'static MethodDescriptor,
    decode_app: fn(&[u8], Encoding) -> Result<E, String>,
    deadline: Option<Instant>,
    /// Empty, once it is sent.
    message: Message<ChannelPort>,
    /// Waits on a plain thread, which may write it too.
    writes: bool,
    /// It has made its task wait, which let others run.
    waited: bool,
    progress: Progress,
}

enum Progress {
    Unsent,
    Sent(Ticket),
    /// A notify that has left.
    Left,
    /// Refused, or answered, or over.
    Ended(Option<Box<(Terminal, ThinList<IncomingHandle>)>>),
}

impl<T, E> fmt::Debug for Call<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = match &self.state {
            State::Remote(remote) => &*remote.message.method,
            State::Local(local) => local.method().path,
            State::Decoding(_) => "answered",
            State::Failed(_) => "failed",
        };
        f.debug_struct("Call").field("method", &method).finish_non_exhaustive()
    }
}

impl<T, E> Call<T, E> {
    fn remote(remote: RemoteCall<E>) -> Call<T, E> {
        Call { state: State::Remote(remote), value: PhantomData }
    }

    pub(crate) fn failed(refused: Refused) -> Call<T, E> {
        Call { state: State::Failed(Some(CallError::Refused(refused))), value: PhantomData }
    }

    /// A call of an `async fn`, or of an `inline` one, in this process.
    #[doc(hidden)]
    pub fn local(
        method: &'static MethodDescriptor,
        context: Option<Context>,
        job: impl Future<Output = Result<T, Error<E>>> + Send + 'static,
    ) -> Call<T, E>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        Call { state: State::Local(LocalCall::future(method, context, job)), value: PhantomData }
    }

    /// A call of a plain `fn` in this process.
    #[doc(hidden)]
    pub fn local_blocking(
        method: &'static MethodDescriptor,
        context: Option<Context>,
        job: impl FnOnce() -> Result<T, Error<E>> + Send + 'static,
    ) -> Call<T, E>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        Call { state: State::Local(LocalCall::blocking(method, context, job)), value: PhantomData }
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Remote(remote) => remote.deadline,
            State::Local(local) => local.deadline(),
            State::Decoding(_) | State::Failed(_) => None,
        }
    }

    /// Gives the call so much time, from now. The other side is told and stops its handler then;
    /// this side fails with [`CallError::TimedOut`] whatever the other does. Times are kept in
    /// milliseconds.
    ///
    /// It ends when the answer has come; the time that a large answer takes to be decoded is not counted.
    ///
    /// Of several timeouts the shortest counts. Without one a call waits as long as its connection
    /// lives.
    pub fn timeout(mut self, timeout: Duration) -> Call<T, E> {
        // So far ahead that it never comes, where the clock cannot tell it.
        let Some(at) = Instant::now().checked_add(timeout) else { return self };
        let deadline = match &mut self.state {
            State::Remote(remote) => &mut remote.deadline,
            State::Local(local) => local.deadline_mut(),
            State::Decoding(_) | State::Failed(_) => return self,
        };
        *deadline = Some(deadline.map_or(at, |known| known.min(at)));
        self
    }

    /// Adds a key and a value that the handler reads by [`Context::meta`].
    ///
    /// The protocol's own keys are refused, and the call fails: `timeout_ms`, `channels`, `args`,
    /// `traceparent`, `tracestate`.
    pub fn meta(mut self, key: &str, value: &str) -> Call<T, E> {
        if RESERVED.contains(&key) {
            return Call::failed(Refused::invalid_args(format!("meta key `{key}` is the protocol's own")));
        }
        match &mut self.state {
            State::Remote(remote) => remote.message.meta.push(key, value),
            State::Local(local) => local.meta_mut().push(key, value),
            State::Decoding(_) | State::Failed(_) => {}
        }
        self
    }
}

impl<T: DeserializeOwned + Send + 'static, E: Send + 'static> Call<T, E> {
    /// Sends the call now, or as soon as the other side has room, without being polled. Await it or
    /// wait for it later. Dropped, it cancels the transaction. A notify that was sent goes its way,
    /// whoever drops it; await it to be held back where the other side takes no more now.
    ///
    /// Neither blocks nor needs a runtime.
    pub fn start(mut self) -> Call<T, E> {
        match &mut self.state {
            // Who polls or waits for it is told.
            State::Remote(remote) if remote.is_inherited() => {}
            State::Remote(remote) => remote.send(None),
            State::Local(local) => local.send(),
            State::Decoding(_) | State::Failed(_) => {}
        }
        self
    }

    /// Waits for the answer on a plain thread: no runtime is needed there.
    ///
    /// Works also in a plain `fn` method and in a runtime's blocking pool.
    ///
    /// # Errors
    /// As awaiting the call.
    ///
    /// # Panics
    /// In an async task, which it would block: await the call there.
    #[track_caller]
    pub fn wait(mut self) -> Result<T, Error<E>> {
        assert!(
            blocking::may_block(),
            "`Call::wait` would block an async task; write `.await` instead, or call it from `spawn_blocking` or a plain `fn` method"
        );
        // The connection tells when the time is over; this is for one whose runtime does not run.
        let until = self.deadline().map(|deadline| deadline.into_std() + WAIT_GRACE);
        let waited = match &mut self.state {
            // Decoded afterwards: that is the user's code.
            State::Remote(remote) => {
                if remote.is_inherited() {
                    return Err(remote.forked().into());
                }
                remote.wait(until).map(|(terminal, carried)| remote.result(terminal, carried))
            }
            _ => blocking::block_on_until(&mut self, until),
        };
        waited.unwrap_or_else(|| Err(CallError::TimedOut { sent: true }.into()))
    }
}

impl<T, E> Unpin for Call<T, E> {}

impl<T: DeserializeOwned + Send + 'static, E: Send + 'static> Future for Call<T, E> {
    type Output = Result<T, Error<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        match &mut self.state {
            State::Remote(remote) => {
                if remote.is_inherited() {
                    return Poll::Ready(Err(remote.forked().into()));
                }
                let (terminal, carried) = ready!(remote.poll(cx));
                let by_element = || remote.target().may_read_by_element();
                if terminal.takes_long(by_element) && !decoders::is_here() {
                    return self.poll_elsewhere(terminal, carried, cx);
                }
                Poll::Ready(remote.result(terminal, carried))
            }
            State::Local(local) => local.poll(cx),
            State::Decoding(decoding) => {
                let result = ready!(Pin::new(decoding).poll(cx));
                self.state = State::Failed(None);
                Poll::Ready(result)
            }
            State::Failed(error) => {
                ready!(budget::poll_spend(cx));
                Poll::Ready(Err(Error::Call(error.take().expect("`Call` polled after it was over"))))
            }
        }
    }
}

impl<T: DeserializeOwned + Send + 'static, E: Send + 'static> Call<T, E> {
    /// Has an answer decoded elsewhere.
    #[cold]
    fn poll_elsewhere(
        &mut self,
        terminal: Terminal,
        carried: ThinList<IncomingHandle>,
        cx: &mut task::Context<'_>,
    ) -> Poll<Result<T, Error<E>>> {
        let mut answered =
            Call { state: mem::replace(&mut self.state, State::Failed(None)), value: PhantomData };
        let State::Remote(remote) = &mut answered.state else { return Pin::new(self).poll(cx) };
        let lane = remote.mux.shared().lane();
        remote.progress = Progress::Ended(Some(Box::new((terminal, carried))));
        // Polled there, it is ready: so what decodes is compiled once.
        self.state = State::Decoding(Box::new(decoders::decode(lane, move || blocking::block_on(answered))));
        Pin::new(self).poll(cx)
    }
}

impl<E> RemoteCall<E> {
    fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<(Terminal, ThinList<IncomingHandle>)> {
        if let Progress::Unsent = self.progress {
            self.send(Some(cx.waker().clone()));
            if let Progress::Sent(_) = self.progress {
                self.waited = true;
                return Poll::Pending;
            }
        }
        if self.waited { self.poll_ended(cx) } else { budget::poll_with(cx, |cx| self.poll_ended(cx)) }
    }

    fn poll_ended(&mut self, cx: &mut task::Context<'_>) -> Poll<(Terminal, ThinList<IncomingHandle>)> {
        let terminal = match &mut self.progress {
            Progress::Sent(ticket) => ready!(self.mux.shared().poll_call(*ticket, cx)),
            Progress::Left => (Terminal::Sent, ThinList::new()),
            Progress::Ended(terminal) => *terminal.take().expect("`Call` polled after it was over"),
            Progress::Unsent => return Poll::Pending,
        };
        self.progress = Progress::Ended(None);
        Poll::Ready(terminal)
    }

    /// Of a client that a process with a runtime of mux's own had before it forked.
    fn is_inherited(&self) -> bool {
        let shared = self.mux.shared();
        shared.is_in_background() && shared.is_inherited()
    }

    #[cold]
    fn forked(&self) -> CallError {
        let sent = !matches!(self.progress, Progress::Unsent);
        CallError::Closed(Closed { reason: CloseReason::Forked, sent })
    }

    fn target(&self) -> Target {
        Target::answers(self.method.path)
    }

    /// On a plain thread.
    fn wait(&mut self, until: Option<std::time::Instant>) -> Option<(Terminal, ThinList<IncomingHandle>)> {
        self.writes = true;
        let in_background = self.mux.shared().is_in_background();
        let ended = future::poll_fn(|cx| self.poll(cx));
        if in_background { background::wait(ended, until) } else { blocking::block_on_until(ended, until) }
    }

    /// Hands the request over, once.
    fn send(&mut self, mut waker: Option<task::Waker>) {
        let Progress::Unsent = self.progress else { return };
        let RemoteCall { mux, message, .. } = self;
        let shared = mux.shared();
        let request = Request {
            message,
            deadline: self.deadline.map(|deadline| shared.deadline(deadline)),
            waker: &mut waker,
            nested: mux.is_nested(),
        };
        let notify = self.method.notify;
        let opened =
            if self.writes { shared.open_and_write(request, notify) } else { shared.open(request, notify) };
        self.progress = match opened {
            Ok(Some(ticket)) => Progress::Sent(ticket),
            Ok(None) => Progress::Left,
            Err(terminal) => Progress::Ended(Some(Box::new((terminal, ThinList::new())))),
        };
        if let Progress::Ended(_) = self.progress {
            // Whoever holds the other halves need not wait for this call to be looked at.
            drop(OutgoingHandles::from(self.message.carried.take()));
        }
    }

    fn result<T: DeserializeOwned + 'static>(
        &self,
        terminal: Terminal,
        carried: ThinList<IncomingHandle>,
    ) -> Result<T, Error<E>> {
        let _learning = terminal.is_large().then(|| self.target().learn());
        // What is not taken out of the value is closed here.
        let mut handles = IncomingHandles::new(carried, self.method.encoding, || self.mux.clone());
        scope::decode(&mut handles, || self.decode(terminal))
    }

    fn decode<T: DeserializeOwned + 'static>(&self, terminal: Terminal) -> Result<T, Error<E>> {
        match terminal {
            Terminal::Reply(value) => self.decode_value(value),
            // A notify's value is `()`, as if the other side had said nil.
            Terminal::Sent => self.decode_value(Value::Copied(vec![0xc0])),
            Terminal::Fault(fault) => Err(self.error_of(*fault)),
            Terminal::TimedOut { sent } => Err(CallError::TimedOut { sent }.into()),
            Terminal::Closed { sent } => {
                let reason = self.mux.shared().close_reason();
                Err(CallError::Closed(Closed { reason, sent }).into())
            }
        }
    }

    fn decode_value<T: DeserializeOwned + 'static>(&self, value: Value) -> Result<T, Error<E>> {
        let decoded = match value {
            Value::Shared(bytes) => body::decode_shared(&bytes, self.method.encoding),
            Value::Copied(bytes) => {
                let decoded = body::decode(&bytes, self.method.encoding);
                buffer::give(bytes);
                decoded
            }
        };
        decoded.map_err(|why| self.undecodable(&why, "reply").into())
    }

    /// The error that a fault means to its caller.
    fn error_of(&self, fault: Fault) -> Error<E> {
        match fault.code {
            FaultCode::App => match (self.decode_app)(&fault.detail, self.method.encoding) {
                Ok(app) => Error::App(app),
                Err(why) => self.undecodable(&why, "error").into(),
            },
            FaultCode::Failed | FaultCode::Panicked => Error::Remote(body::remote_error(fault)),
            _ => Error::Call(fault.into()),
        }
    }

    #[cold]
    fn undecodable(&self, why: &str, what: &str) -> CallError {
        let method = &*self.message.method;
        CallError::ReplyUndecodable(format!("{why} (in the {what} of `{method}`)"))
    }
}

impl<E> Drop for RemoteCall<E> {
    fn drop(&mut self) {
        if let Progress::Sent(ticket) = self.progress
            && !self.mux.shared().is_inherited()
        {
            self.mux.shared().abandon(ticket);
        }
        // Answered, and not decoded any more.
        if let Progress::Ended(Some(ended)) = &mut self.progress
            && !ended.1.is_empty()
        {
            self.mux.shared().discard_halves(mem::take(&mut ended.1));
        }
        // What was refused, or never sent.
        if !self.message.carried.is_empty() {
            drop(OutgoingHandles::from(self.message.carried.take()));
        }
        buffer::give(mem::take(&mut self.message.body).into_buffer());
    }
}
