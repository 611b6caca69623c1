//! A backtrace as text, cut down to the frames that are the user's; and how many of them a second are captured.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Backtraces that the process captures at once, and then one in each so many milliseconds. To find a frame's
/// name takes milliseconds, under a lock of the process: a caller that provokes panics could stall all threads.
const BURST: u64 = 8;
const INTERVAL: u64 = 250;

/// Told instead of a backtrace.
const LEFT_OUT: &str = "(backtrace left out: this process captures 8 at once, and 4 a second)";

/// Frames up to the last of these made the backtrace.
const BEFORE: [&str; 7] = [
    "mux_core::threads::panic::",
    "mux_core::api::error::",
    "mux_core::util::trace::",
    "std::panicking",
    "core::panicking",
    "rust_begin_unwind",
    "from_residual",
];

/// The frames from the first of these on ran the handler. What is inlined has none, where there is no debug info.
const AFTER: [&str; 3] =
    ["mux_core::serve::", "mux_core::client::local::", "mux_core::threads::panic::catch"];

/// A backtrace, where the environment asks for them.
pub(crate) enum Trace {
    Disabled,
    /// There were too many of late.
    LeftOut,
    Captured(Backtrace),
}

impl Trace {
    #[cold]
    pub(crate) fn capture() -> Trace {
        static LIMIT: Limit = Limit(AtomicU64::new(0));
        static BEGUN: OnceLock<Instant> = OnceLock::new();
        // The environment is read once: so does the standard library.
        static ENABLED: OnceLock<bool> = OnceLock::new();
        if !*ENABLED.get_or_init(|| Backtrace::capture().status() == BacktraceStatus::Captured) {
            return Trace::Disabled;
        }
        let now = BEGUN.get_or_init(Instant::now).elapsed().as_millis().try_into().unwrap_or(u64::MAX);
        if LIMIT.allows(now) { Trace::Captured(Backtrace::capture()) } else { Trace::LeftOut }
    }

    /// Its text, without what every backtrace begins and ends with.
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Trace::Disabled => None,
            Trace::LeftOut => Some(LEFT_OUT.to_owned()),
            Trace::Captured(backtrace) => Some(cut(&backtrace.to_string())),
        }
    }
}

/// A leaky bucket, by the time at which it will be empty (GCRA, ITU-T I.371), in milliseconds.
struct Limit(AtomicU64);

impl Limit {
    fn allows(&self, now: u64) -> bool {
        let full = now.saturating_add((BURST - 1) * INTERVAL);
        let fill = |empty: u64| (empty <= full).then(|| empty.max(now) + INTERVAL);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fill).is_ok()
    }
}

fn cut(whole: &str) -> String {
    let frames = frames(whole);
    let end = frames.iter().position(|frame| holds(frame, &AFTER)).unwrap_or(frames.len());
    let begin = frames[..end].iter().rposition(|frame| holds(frame, &BEFORE)).map_or(0, |last| last + 1);
    // Without symbols nothing can be told apart.
    let ours = if begin < end { &frames[begin..end] } else { &frames[..] };
    ours.concat().trim_end().to_owned()
}

/// A frame is a numbered line and those after it that have no number.
fn frames(whole: &str) -> Vec<String> {
    let mut frames: Vec<String> = Vec::new();
    for line in whole.lines() {
        let numbered =
            line.trim_start().split_once(": ").is_some_and(|(number, _)| number.parse::<u32>().is_ok());
        match frames.last_mut() {
            Some(frame) if !numbered => frame.extend([line, "\n"]),
            _ => frames.push(format!("{line}\n")),
        }
    }
    frames
}

fn holds(frame: &str, marks: &[&str]) -> bool {
    let symbol = without_generics(frame.lines().next().unwrap_or_default());
    marks.iter().any(|mark| symbol.contains(mark))
}

/// Whose code a frame is, and not what it is generic over: a user's may be so over types of this crate. Of
/// `<Type<A> as Trait<B>>::method::<C>` that is `Type as Trait>::method::`.
fn without_generics(symbol: &str) -> String {
    let name = symbol.split_once(": ").map_or(symbol, |(_, name)| name);
    let (mut plain, mut depth, mut before) = (String::new(), 0_usize, ' ');
    for letter in name.trim_start_matches('<').chars() {
        match letter {
            '<' => depth += 1,
            // That of `->` closes nothing.
            '>' if depth > 0 => depth -= usize::from(before != '-'),
            _ if depth == 0 => plain.push(letter),
            _ => {}
        }
        before = letter;
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_backtraces_at_once_and_then_so_many_a_second_are_allowed() {
        let limit = Limit(AtomicU64::new(0));
        let allowed = |now: u64| (0..100).filter(|_| limit.allows(now)).count() as u64;
        assert_eq!(allowed(0), BURST);
        assert_eq!(allowed(INTERVAL - 1), 0);
        assert_eq!((1..=100).map(|tick| allowed(tick * INTERVAL)).collect::<Vec<_>>(), [1; 100]);
        assert_eq!(allowed(1_000_000), BURST);
    }

    #[test]
    fn only_the_frames_of_the_user_are_left() {
        let whole = "   0: mux_core::api::error::failure::Failure::capture\n             at ./error.rs:1:1\n   \
                     1: <R as FromResidual>::from_residual\n   2: shop::import::{{closure}}\n             at ./shop.rs:3:12\n   \
                     3: <shop::InventoryServer<S> as mux_core::serve::service::Service>::serve::{{closure}}\n   4: tokio::run\n";
        assert_eq!(cut(whole), "   2: shop::import::{{closure}}\n             at ./shop.rs:3:12");
    }

    #[test]
    fn what_catches_a_panic_is_the_end_where_all_else_was_inlined() {
        let whole = "   0: mux_core::threads::panic::install_hook::{{closure}}\n   1: core::panicking::panic_fmt\n   \
                     2: shop::stock\n   3: mux_core::threads::panic::catch\n   4: <mux_core::client::call::Call<T,E> as Future>::poll\n";
        assert_eq!(cut(whole), "   2: shop::stock");
    }

    #[test]
    fn a_frame_of_the_users_stays_though_it_is_generic_over_what_is_ours() {
        let whole = "   0: mux_core::util::trace::Trace::capture\n   \
                     1: <shop::Lines<fn() -> u8, mux_core::api::error::failure::Failure> as Stream>::poll_next\n   \
                     2: <mux_core::serve::source::Failing<u8> as mux_core::serve::source::Source>::poll_next\n";
        assert_eq!(
            cut(whole),
            "   1: <shop::Lines<fn() -> u8, mux_core::api::error::failure::Failure> as Stream>::poll_next"
        );
    }

    #[test]
    fn without_symbols_the_whole_is_left() {
        assert_eq!(cut("   0: <unknown>\n   1: <unknown>\n"), "   0: <unknown>\n   1: <unknown>");
    }
}
