//! Errors of methods that have no type of their own.

use super::remote::{RemoteCause, RemoteError, RemoteParts};
use crate::util::trace::Trace;
use std::error::Error as StdError;
use std::fmt;
use std::panic::Location;

/// An untyped error of a method: made by `?` from any error, with its text, its sources, the place
/// of the `?`, and a backtrace where `RUST_BACKTRACE` asks for one. The caller gets it as
/// [`Error::Remote`](crate::Error::Remote).
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::error::Error;

    #[test]
    fn a_failure_knows_its_place_and_its_sources() {
        fn fails() -> Result<()> {
            Err(Error::<std::io::Error>::App(std::io::Error::other("disk")))?
        }
        let remote = fails().unwrap_err().to_remote();
        assert_eq!(remote.message(), "disk");
        assert!(remote.location().unwrap().contains("failure.rs"));
    }
}
