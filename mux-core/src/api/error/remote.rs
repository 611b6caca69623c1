//! A method that broke on the other side.

use crate::util::escaped::{Escaped, EscapedLines, INDENT};
use std::error::Error as StdError;
use std::fmt;

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

#[cfg(test)]
mod tests {
    use super::*;

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
