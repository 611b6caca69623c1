//! Catches a handler's panic with its message, place and backtrace. The program's own panic hook
//! stays in place and is run as ever; the standard one prints a backtrace of its own where `RUST_BACKTRACE` asks
//! for it, however many there are.

use crate::api::error::{RemoteError, RemoteParts};
use crate::util::trace::Trace;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

thread_local! {
    static CATCHING: Cell<bool> = const { Cell::new(false) };
    static SILENT: Cell<bool> = const { Cell::new(false) };
    static SEEN: RefCell<Option<Seen>> = const { RefCell::new(None) };
}

/// What only the hook gets to know of a panic.
struct Seen {
    location: Option<String>,
    trace: Option<String>,
}

/// Puts a hook before the program's own, once. A hook that the program sets later replaces both:
/// then a panic's message still travels, without its place.
pub(crate) fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let own = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if CATCHING.get() {
                SEEN.set(Some(Seen::of(info)));
            }
            if !SILENT.get() {
                own(info);
            }
        }));
    });
}

impl Seen {
    fn of(info: &PanicHookInfo<'_>) -> Seen {
        Seen { location: info.location().map(ToString::to_string), trace: Trace::capture().text() }
    }
}

/// Runs `f`; a panic in it comes back as what may be told of it.
pub(crate) fn catch<R>(f: impl FnOnce() -> R) -> Result<R, RemoteError> {
    let outer = CATCHING.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(f));
    CATCHING.set(outer);
    result.map_err(|payload| {
        let panicked = panicked(&*payload);
        discard(payload);
        panicked
    })
}

/// Drops a payload, whose own drop may panic in its turn: that is not followed any further.
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(second) = panic::catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
}

/// Runs `f` without a word from any hook if it panics; `None` then.
pub(crate) fn probe<R>(f: impl FnOnce() -> R) -> Option<R> {
    install_hook();
    let outer = SILENT.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(f));
    SILENT.set(outer);
    result.ok()
}

fn panicked(payload: &(dyn Any + Send)) -> RemoteError {
    let seen = SEEN.take();
    let (location, trace) = seen.map_or((None, None), |seen| (seen.location, seen.trace));
    RemoteError::new(RemoteParts {
        panicked: true,
        message: message(payload),
        location,
        trace,
        ..RemoteParts::default()
    })
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_caught_with_its_message_and_place() {
        install_hook();
        let panicked = catch(|| panic!("no {}", "luck")).unwrap_err();
        assert_eq!(panicked.message(), "no luck");
        assert!(panicked.location().unwrap().contains("panic.rs"));
    }

    #[test]
    fn a_payload_that_panics_as_it_is_dropped_is_caught_too() {
        struct Spiteful;
        impl Drop for Spiteful {
            fn drop(&mut self) {
                panic!("again");
            }
        }
        let panicked = catch(|| panic::panic_any(Spiteful)).unwrap_err();
        assert_eq!(panicked.message(), "a panic without a message");
    }
}
