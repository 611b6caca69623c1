//! What a caller is told: its method's own error, a break on the other side, or the fate of the call.

mod call;
mod closed;
mod failure;
mod refused;
mod remote;

pub use call::CallError;
pub use closed::{CloseReason, Closed};
pub use failure::{Failure, Result};
pub use refused::{Refusal, Refused};
pub use remote::RemoteError;
pub(crate) use remote::{RemoteCause, RemoteParts};

use std::convert::Infallible;
use std::error::Error as StdError;
use std::fmt;

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

#[cfg(test)]
mod tests {
    use super::*;

    fn whole<E: StdError + Send + Sync + 'static>() {}

    #[test]
    fn errors_pass_through_question_marks() {
        whole::<Error>();
        whole::<Error<fmt::Error>>();
    }
}
