//! A backtrace as text, cut down to the frames that are the user's.

use std::backtrace::{Backtrace, BacktraceStatus};

/// Frames up to the last of these made the backtrace.
const BEFORE: [&str; 6] = [
    "mux_core::panic::",
    "mux_core::error::",
    "std::panicking",
    "core::panicking",
    "rust_begin_unwind",
    "from_residual",
];

/// The frames from the first of these on ran the handler. What is inlined has none, where there is no debug info.
const AFTER: [&str; 6] = [
    " as mux_core::demux::Service>::serve",
    "mux_core::demux::",
    "mux_core::dispatch::",
    "mux_core::handler::",
    "mux_core::local::",
    "mux_core::panic::catch",
];

/// The text of a backtrace that was captured, without what every one of them begins and ends with.
pub(crate) fn text(backtrace: &Backtrace) -> Option<String> {
    (backtrace.status() == BacktraceStatus::Captured).then(|| cut(&backtrace.to_string()))
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
    let symbol = frame.lines().next().unwrap_or_default();
    marks.iter().any(|mark| symbol.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_frames_of_the_user_are_left() {
        let whole = "   0: mux_core::error::Failure::capture\n             at ./error.rs:1:1\n   \
                     1: <R as FromResidual>::from_residual\n   2: shop::import::{{closure}}\n             at ./shop.rs:3:12\n   \
                     3: <shop::InventoryServer<S> as mux_core::demux::Service>::serve::{{closure}}\n   4: tokio::run\n";
        assert_eq!(cut(whole), "   2: shop::import::{{closure}}\n             at ./shop.rs:3:12");
    }

    #[test]
    fn what_catches_a_panic_is_the_end_where_all_else_was_inlined() {
        let whole = "   0: mux_core::panic::install_hook::{{closure}}\n   1: core::panicking::panic_fmt\n   \
                     2: shop::stock\n   3: mux_core::panic::catch\n   4: <mux_core::mux::Call<T,E> as Future>::poll\n";
        assert_eq!(cut(whole), "   2: shop::stock");
    }

    #[test]
    fn without_symbols_the_whole_is_left() {
        assert_eq!(cut("   0: <unknown>\n   1: <unknown>\n"), "   0: <unknown>\n   1: <unknown>");
    }
}
