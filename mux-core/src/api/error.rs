//! What a caller is told: its method's own error, a break on the other side, or the fate of the call.

use crate::util::escaped::{Escaped, EscapedLines, INDENT};
use crate::util::trace::Trace;
use mux_proto::wire::fault::{Fault, FaultCode};
use std::borrow::Cow;
use std::convert::Infallible;
use std::error::Error as StdError;
use std::fmt;
use std::panic::Location;

/// Why a call brought no value. Three questions, answered by the variant:
///
/// - [`App`](Error::App): the method ran and said no, in its own type;
/// - [`Remote`](Error::Remote): it ran and broke, by a panic or an untyped error;
/// - [`Call`](Error::Call): the call itself failed. [`CallError::did_not_run`] says whether it is
///   safe to try again.
///
/// ```
/// # use mux_core as mux;
/// use mux::Error;
///
/// fn left<E>(result: Result<u32, Error<E>>) -> Option<u32> {
///     match result {
///         Ok(left) => Some(left),
///         Err(Error::App(_)) => None,
///         Err(Error::Remote(remote)) => { eprintln!("{remote:#}"); None }
///         Err(Error::Call(call)) if call.did_not_run() => None, // try again
///         Err(Error::Call(_)) => None,                          // it may have run
///     }
/// }
/// # assert_eq!(left::<std::convert::Infallible>(Ok(3)), Some(3));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error<E = Infallible> {
    /// The method's own error: the `E` of its `Result<T, E>`.
    App(E),
    /// The method panicked, or failed with an error that has no type of its own here.
    Remote(RemoteError),
    /// The call failed before, beside or after the method.
    Call(CallError),
}

impl<E> Error<E> {
    /// True where the method certainly did not run, so that trying again cannot run it twice.
    pub fn did_not_run(&self) -> bool {
        matches!(self, Error::Call(call) if call.did_not_run())
    }
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::App(app) => app.fmt(f),
            Error::Remote(remote) => remote.fmt(f),
            Error::Call(call) => call.fmt(f),
        }
    }
}

impl<E: StdError + 'static> StdError for Error<E> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Error::App(app) => app.source(),
            Error::Remote(remote) => remote.source(),
            Error::Call(call) => call.source(),
        }
    }
}

/// A call that is refused before it runs.
impl<E> From<Refused> for Error<E> {
    fn from(refused: Refused) -> Error<E> {
        Error::Call(CallError::Refused(refused))
    }
}

impl<E> From<CallError> for Error<E> {
    fn from(call: CallError) -> Error<E> {
        Error::Call(call)
    }
}

impl<E> From<RemoteError> for Error<E> {
    fn from(remote: RemoteError) -> Error<E> {
        Error::Remote(remote)
    }
}

/// A method that broke on the other side: what its `_trace` would hold.
///
/// `{}` prints the message. `{:#}` prints all that the other side revealed: type, message, every
/// source, the place it came from and the backtrace, where one was captured there
/// (`RUST_BACKTRACE=1`). Over TCP that is the message alone, unless the other side says otherwise: see
/// [`ConnectionBuilder::reveal_traces`](crate::ConnectionBuilder::reveal_traces).
///
/// `{:?}` prints the same as `{:#}`, since that is what `unwrap` and a failing `main` show.
///
/// All of it is text that the other side chose. As with every error of this crate, control characters and
/// those that change the direction of writing are printed as escapes (`\u{1b}`), so that it cannot act on a
/// terminal or forge a line of a log: `{}` is one line, and in `{:#}` each line but the first is indented.
/// The methods give the text as it came.
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteError(Box<RemoteParts>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RemoteParts {
    pub(crate) panicked: bool,
    pub(crate) message: String,
    pub(crate) type_name: Option<String>,
    pub(crate) source: Option<RemoteCause>,
    pub(crate) location: Option<String>,
    pub(crate) trace: Option<String>,
}

/// One link in the chain of a remote error's sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RemoteCause {
    message: String,
    source: Option<Box<RemoteCause>>,
}

impl RemoteCause {
    pub(crate) fn from_messages(messages: Vec<String>) -> Option<RemoteCause> {
        let link =
            |source: Option<Box<RemoteCause>>, message| Some(Box::new(RemoteCause { message, source }));
        messages.into_iter().rev().fold(None, link).map(|first| *first)
    }
}

impl RemoteError {
    pub(crate) fn new(parts: RemoteParts) -> RemoteError {
        RemoteError(Box::new(parts))
    }

    /// True where the method panicked, false where it returned an untyped error.
    pub fn is_panic(&self) -> bool {
        self.0.panicked
    }

    /// The error's or panic's own text.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The Rust type of the error on the other side, as text.
    pub fn type_name(&self) -> Option<&str> {
        self.0.type_name.as_deref()
    }

    /// The messages of the error's sources, nearest first.
    pub fn chain(&self) -> impl Iterator<Item = &str> {
        let first = self.0.source.as_ref();
        std::iter::successors(first, |cause| cause.source.as_deref()).map(|cause| cause.message.as_str())
    }

    /// `file:line:column` of the panic, or of the `?` that made the failure.
    pub fn location(&self) -> Option<&str> {
        self.0.location.as_deref()
    }

    /// The backtrace, where the other side captured one, or a line that says why it did not. Where the environment
    /// asks for backtraces, a process captures 8 at once, and 4 a second beyond: to find the names of their frames
    /// takes milliseconds and stalls other threads.
    ///
    /// `RUST_LIB_BACKTRACE=1` alone asks for these. `RUST_BACKTRACE=1` also has the standard panic hook print
    /// one of its own for each panic, without a limit: a server whose methods panic often is better off without.
    pub fn trace(&self) -> Option<&str> {
        self.0.trace.as_deref()
    }
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return Escaped(self.message()).fmt(f);
        }
        let message = EscapedLines(self.message());
        match (self.is_panic(), self.type_name()) {
            (true, _) => write!(f, "panicked: {message}")?,
            (false, Some(type_name)) => write!(f, "{}: {message}", Escaped(type_name))?,
            (false, None) => message.fmt(f)?,
        }
        for cause in self.chain() {
            write!(f, "\n  caused by: {}", EscapedLines(cause))?;
        }
        if let Some(location) = self.location() {
            write!(f, "\n  at {}", Escaped(location))?;
        }
        match self.trace() {
            Some(trace) => write!(f, "\n{INDENT}{}", EscapedLines(trace)),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:#}")
    }
}

impl StdError for RemoteError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|cause| cause as _)
    }
}

impl fmt::Display for RemoteCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped(&self.message).fmt(f)
    }
}

impl StdError for RemoteCause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|cause| cause as _)
    }
}

/// What became of a call that brought neither a value nor an answer of its method.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError {
    /// Refused before it ran.
    Refused(Refused),
    /// Its time ran out.
    TimedOut {
        /// False where the call still waited for room, so that it cannot have run.
        sent: bool,
    },
    /// The other side cancelled it: its handler was dropped. The text says why.
    Cancelled(String),
    /// The connection closed first.
    Closed(Closed),
    /// There was no connection to call by: made from a [`ConnectError`](crate::ConnectError), whose text it has.
    NotConnected(String),
    /// It ran, and its value could not be encoded over there. The text says why.
    ReplyUnencodable(String),
    /// It ran, and its value exceeds what this end takes. The text tells both sizes.
    ReplyTooLarge(String),
    /// It ran, and its value could not be decoded here: the two ends disagree on its type.
    ReplyUndecodable(String),
    /// A fault of a later version, whose code says that it may have run.
    Unknown {
        /// The fault's code, 32 or above.
        code: u32,
        /// The fault's text.
        message: String,
    },
}

impl CallError {
    /// True where the method certainly did not run, so that trying again cannot run it twice.
    pub fn did_not_run(&self) -> bool {
        match self {
            CallError::Refused(_) | CallError::NotConnected(_) => true,
            CallError::TimedOut { sent } => !sent,
            CallError::Closed(closed) => !closed.sent,
            _ => false,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Refused(refused) => refused.fmt(f),
            CallError::TimedOut { sent: true } => f.write_str("the call timed out"),
            CallError::TimedOut { sent: false } => f.write_str("the call timed out before it was sent"),
            CallError::Cancelled(why) => write!(f, "cancelled by the other side: {}", Escaped(why)),
            CallError::Closed(closed) => closed.fmt(f),
            CallError::NotConnected(why) => write!(f, "not connected: {}", Escaped(why)),
            CallError::ReplyUnencodable(why) => {
                write!(f, "the reply could not be encoded: {}", Escaped(why))
            }
            CallError::ReplyTooLarge(why) => Escaped(why).fmt(f),
            CallError::ReplyUndecodable(why) => {
                write!(f, "the reply could not be decoded: {}", Escaped(why))
            }
            CallError::Unknown { code, message } => write!(f, "fault {code}: {}", Escaped(message)),
        }
    }
}

impl StdError for CallError {}

/// A call that was refused before it ran, here or on the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    reason: Refusal,
    message: String,
}

/// Why a call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The other side has no such service or method.
    UnknownMethod,
    /// The arguments could not be encoded here, or not be decoded there.
    InvalidArgs,
    /// No room: all workers fail to start, or a handler's own call found its peer full.
    Overloaded,
    /// One of the ends is draining its connection, or has closed it before the call began.
    Draining,
    /// The request exceeds what the other side takes.
    TooLarge,
    /// The request uses what the other side does not know, or a type whose fields positions do not tell.
    Unsupported,
    /// The other side wants to know who asks.
    Unauthenticated,
    /// A refusal of a later version, by its code.
    Other(u32),
}

impl Refused {
    /// A refusal by a [`Demux`](crate::Demux), in its own words. A call that is told so certainly did not run.
    pub fn new(reason: Refusal, message: impl Into<String>) -> Refused {
        Refused { reason, message: message.into() }
    }

    /// The refusal of a method that does not exist.
    pub fn unknown_method(method: &str) -> Refused {
        Refused::new(Refusal::UnknownMethod, format!("unknown method `{method}`"))
    }

    #[cold]
    pub(crate) fn unencodable(error: &dyn fmt::Display) -> Refused {
        Refused::invalid_args(format!("the arguments could not be encoded: {error}"))
    }

    pub(crate) fn invalid_args(message: impl Into<String>) -> Refused {
        Refused::new(Refusal::InvalidArgs, message)
    }

    /// Why.
    pub fn reason(&self) -> Refusal {
        self.reason
    }

    /// The particulars, as text.
    pub fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn into_fault(self) -> Fault {
        let known = REFUSALS.iter().find(|(reason, _)| *reason == self.reason).map(|(_, code)| *code);
        let code = match (known, self.reason) {
            (Some(code), _) => code,
            (None, Refusal::Other(number)) => FaultCode::Other(number),
            (None, _) => FaultCode::Unsupported,
        };
        Fault::new(code, self.message)
    }
}

/// Refusals as they travel.
const REFUSALS: [(Refusal, FaultCode); 7] = [
    (Refusal::UnknownMethod, FaultCode::UnknownMethod),
    (Refusal::InvalidArgs, FaultCode::InvalidArgs),
    (Refusal::Overloaded, FaultCode::Overloaded),
    (Refusal::Draining, FaultCode::Draining),
    (Refusal::TooLarge, FaultCode::TooLarge),
    (Refusal::Unsupported, FaultCode::Unsupported),
    (Refusal::Unauthenticated, FaultCode::Unauthenticated),
];

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused: {}", Escaped(&self.message))
    }
}

impl StdError for Refused {}

/// The connection was closed before the call was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    pub(crate) reason: CloseReason,
    pub(crate) sent: bool,
}

impl Closed {
    /// Why the connection closed.
    pub fn reason(&self) -> &CloseReason {
        &self.reason
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection closed: {}", self.reason)
    }
}

impl StdError for Closed {}

/// Why a connection closed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// `close` was called here, or the last handle was dropped.
    Local,
    /// This end drained it to the last call.
    Drained,
    /// The other end said goodbye, and why.
    Peer(String),
    /// The other end broke the protocol; the text says how.
    Protocol(String),
    /// The other end is no program of mux: before any hello it sent something else, such as HTTP. The text says what.
    /// A program whose standard output is the connection may have printed it, and have run a call all the same.
    NotMux(String),
    /// The stream ended without a goodbye.
    Eof,
    /// The stream failed; the text is the operating system's.
    Io(String),
    /// The other end did not say hello in time.
    HandshakeTimeout,
    /// The other end was silent for too long, pings included.
    Silent,
    /// The other end read nothing for too long.
    WriteStalled,
    /// Neither end called the other for as long as [`Timeouts::idle`](crate::Timeouts::idle).
    Idle,
    /// The other end holds as many connections of this server as one peer may:
    /// [`Server::max_connections_per_peer`](crate::Server::max_connections_per_peer).
    TooManyConnections,
    /// The runtime that drove the connection was shut down.
    RuntimeGone,
    /// The connection is that of the process which this one was forked from, and stays open there. Connect anew.
    Forked,
}

impl CloseReason {
    /// What the other end is told of it.
    pub(crate) fn goodbye(&self) -> Cow<'static, str> {
        match self {
            CloseReason::Local => "closed".into(),
            CloseReason::Drained => "drained".into(),
            CloseReason::Protocol(text) | CloseReason::NotMux(text) => text.clone().into(),
            CloseReason::HandshakeTimeout => "no hello in time".into(),
            CloseReason::Silent => "no sign of life for too long".into(),
            CloseReason::WriteStalled => "nothing read for too long".into(),
            CloseReason::Idle => "idle for too long".into(),
            CloseReason::TooManyConnections => "too many connections of this peer".into(),
            CloseReason::Peer(_)
            | CloseReason::Eof
            | CloseReason::Io(_)
            | CloseReason::RuntimeGone
            | CloseReason::Forked => "closed".into(),
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CloseReason::Local => f.write_str("closed at this end"),
            CloseReason::Drained => f.write_str("drained at this end"),
            CloseReason::Peer(message) => write!(f, "the other end said goodbye: {}", Escaped(message)),
            CloseReason::Protocol(message) => {
                write!(f, "the other end broke the protocol: {}", Escaped(message))
            }
            CloseReason::NotMux(what) => Escaped(what).fmt(f),
            CloseReason::Eof => f.write_str("the stream ended without a goodbye"),
            CloseReason::Io(message) => write!(f, "the stream failed: {}", Escaped(message)),
            CloseReason::HandshakeTimeout => f.write_str("the other end did not say hello in time"),
            CloseReason::Silent => f.write_str("the other end was silent for too long"),
            CloseReason::WriteStalled => f.write_str("the other end read nothing for too long"),
            CloseReason::Idle => f.write_str("the connection was idle for too long"),
            CloseReason::TooManyConnections => f.write_str("the other end has too many connections"),
            CloseReason::RuntimeGone => f.write_str("the runtime was shut down"),
            CloseReason::Forked => f.write_str("it belongs to the process that this one was forked from"),
        }
    }
}

impl StdError for CloseReason {}

/// An untyped error of a method: made by `?` from any error, with its text, its sources, the place
/// of the `?`, and a backtrace where `RUST_BACKTRACE` asks for one. The caller gets it as
/// [`Error::Remote`].
///
/// Whatever converts into a `Box<dyn Error + Send + Sync>` converts into it: every error, that box itself, `&str`
/// and `String`, and the errors of `anyhow` and `eyre`. It does not implement `std::error::Error` itself: Rust
/// allows no such conversion into a type that is an error.
///
/// ```
/// # use mux_core as mux;
/// type Boxed = Box<dyn std::error::Error + Send + Sync>;
///
/// fn measure(path: &str) -> Result<u64, Boxed> {
///     Ok(std::fs::metadata(path)?.len())
/// }
///
/// fn import(path: &str) -> mux::Result<u64> {
///     if path.is_empty() {
///         return Err("a path is missing".into());
///     }
///     let line = path.lines().next().ok_or("the path has no line")?;
///     Ok(measure(line)?)
/// }
/// let failure = import("/no/such/file").unwrap_err();
/// assert!(failure.to_string().contains("No such file"));
/// assert_eq!(import("").unwrap_err().to_string(), "a path is missing");
/// ```
pub struct Failure(Box<FailureParts>);

struct FailureParts {
    error: Box<dyn StdError + Send + Sync>,
    type_name: Option<&'static str>,
    location: &'static Location<'static>,
    trace: Trace,
}

/// The result of a method that fails without a type of its own.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// A failure that is only a text.
    ///
    /// ```
    /// # use mux_core as mux;
    /// # fn check(n: u32) -> mux::Result<u32> {
    /// if n == 0 {
    ///     return Err(mux::Failure::msg("none left"));
    /// }
    /// # Ok(n) }
    /// # assert!(check(0).is_err());
    /// ```
    #[track_caller]
    pub fn msg(message: impl Into<String>) -> Failure {
        Failure::capture(message.into().into(), None, Location::caller())
    }

    fn capture(
        error: Box<dyn StdError + Send + Sync>,
        type_name: Option<&'static str>,
        location: &'static Location<'static>,
    ) -> Failure {
        let trace = Trace::capture();
        Failure(Box::new(FailureParts { error, type_name, location, trace }))
    }

    /// The error itself.
    pub fn error(&self) -> &(dyn StdError + Send + Sync + 'static) {
        &*self.0.error
    }

    /// As its caller sees it.
    pub(crate) fn to_remote(&self) -> RemoteError {
        let sources = std::iter::successors(self.0.error.source(), |error| (*error).source());
        RemoteError::new(RemoteParts {
            panicked: false,
            message: self.0.error.to_string(),
            type_name: self.0.type_name.map(str::to_owned),
            source: RemoteCause::from_messages(sources.map(ToString::to_string).collect()),
            location: Some(self.0.location.to_string()),
            trace: self.0.trace.text(),
        })
    }
}

impl<E: Into<Box<dyn StdError + Send + Sync>>> From<E> for Failure {
    #[track_caller]
    fn from(error: E) -> Failure {
        Failure::capture(error.into(), telling_name::<E>(), Location::caller())
    }
}

/// The name of a type that says more than that some error is in it.
fn telling_name<E>() -> Option<&'static str> {
    const WRAPPERS: [&str; 6] =
        ["&", "alloc::string::String", "alloc::borrow::Cow<", "alloc::boxed::Box<dyn ", "anyhow::", "eyre::"];
    let name = std::any::type_name::<E>();
    let wraps = WRAPPERS.iter().any(|wrapper| name.starts_with(wrapper));
    (!wraps).then_some(name)
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.error.fmt(f)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.to_remote())
    }
}

impl CallError {
    /// What the caller of a caller is told of it: whether the method may have run stays what it was.
    pub(crate) fn into_fault(self) -> Fault {
        let message = match &self {
            CallError::Refused(_) | CallError::TimedOut { .. } => String::new(),
            CallError::Cancelled(why) | CallError::ReplyUnencodable(why) | CallError::ReplyTooLarge(why) => {
                why.clone()
            }
            CallError::Unknown { message, .. } => message.clone(),
            CallError::Closed(_) | CallError::NotConnected(_) | CallError::ReplyUndecodable(_) => {
                self.to_string()
            }
        };
        let code = match self {
            CallError::Refused(refused) => return refused.into_fault(),
            CallError::TimedOut { sent: false } => {
                return Fault::new(FaultCode::Overloaded, "its time was over before it could be passed on");
            }
            CallError::TimedOut { sent: true } => FaultCode::TimedOut,
            CallError::Closed(Closed { sent: false, .. }) | CallError::NotConnected(_) => FaultCode::Draining,
            CallError::Closed(Closed { sent: true, .. }) | CallError::Cancelled(_) => FaultCode::Cancelled,
            CallError::ReplyUnencodable(_) | CallError::ReplyUndecodable(_) => FaultCode::Unencodable,
            CallError::ReplyTooLarge(_) => FaultCode::ReplyTooLarge,
            CallError::Unknown { code, .. } => FaultCode::Other(code),
        };
        Fault::new(code, message)
    }
}

impl From<Fault> for CallError {
    fn from(fault: Fault) -> CallError {
        let Fault { code, message, .. } = fault;
        if code.did_not_run() {
            let known = REFUSALS.iter().find(|(_, refusal)| *refusal == code);
            let reason = known.map_or(Refusal::Other(code.to_wire()), |(reason, _)| *reason);
            return CallError::Refused(Refused { reason, message });
        }
        match code {
            FaultCode::Cancelled => CallError::Cancelled(message),
            FaultCode::TimedOut => CallError::TimedOut { sent: true },
            FaultCode::Unencodable => CallError::ReplyUnencodable(message),
            FaultCode::ReplyTooLarge => CallError::ReplyTooLarge(message),
            _ => CallError::Unknown { code: code.to_wire(), message },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole<E: StdError + Send + Sync + 'static>() {}

    #[test]
    fn an_error_that_is_passed_on_tells_as_before_whether_the_call_ran() {
        let closed = |sent| CallError::Closed(Closed { reason: CloseReason::Local, sent });
        let all = [
            CallError::Refused(Refused::new(Refusal::Unauthenticated, "who?")),
            CallError::Refused(Refused::new(Refusal::Other(9), "later")),
            CallError::TimedOut { sent: true },
            CallError::TimedOut { sent: false },
            CallError::Cancelled("dropped".into()),
            closed(true),
            closed(false),
            CallError::NotConnected("nowhere".into()),
            CallError::ReplyUnencodable("a map".into()),
            CallError::ReplyTooLarge("5 MiB".into()),
            CallError::ReplyUndecodable("a string".into()),
            CallError::Unknown { code: 99, message: "later".into() },
        ];
        for error in all {
            let told = CallError::from(error.clone().into_fault());
            assert_eq!(told.did_not_run(), error.did_not_run(), "{error:?} became {told:?}");
            assert!(!told.to_string().is_empty());
        }
    }

    #[test]
    fn errors_pass_through_question_marks() {
        whole::<Error>();
        whole::<Error<fmt::Error>>();
    }

    #[test]
    fn a_failure_knows_its_place_and_its_sources() {
        fn fails() -> Result<()> {
            Err(Error::<std::io::Error>::App(std::io::Error::other("disk")))?
        }
        let remote = fails().unwrap_err().to_remote();
        assert_eq!(remote.message(), "disk");
        assert!(remote.location().unwrap().contains("error.rs"));
    }

    #[test]
    fn the_alternate_form_prints_the_whole_chain() {
        let parts = RemoteParts {
            message: "cannot import".into(),
            type_name: Some("app::Import".into()),
            source: RemoteCause::from_messages(vec!["cannot open".into(), "no such file".into()]),
            location: Some("src/x.rs:1:2".into()),
            ..RemoteParts::default()
        };
        let remote = RemoteError::new(parts);
        assert_eq!(
            format!("{remote:#}"),
            "app::Import: cannot import\n  caused by: cannot open\n  caused by: no such file\n  at src/x.rs:1:2"
        );
        let source = remote.source().and_then(StdError::source);
        assert_eq!(source.map(ToString::to_string).as_deref(), Some("no such file"));
    }
}
