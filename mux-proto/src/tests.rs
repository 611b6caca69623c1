//! The proof of the protocol: dialogues between two sessions, without a runtime, a clock or a socket.

#[cfg(test)]
mod answering;
#[cfg(test)]
mod asking;
#[cfg(test)]
mod channels;
#[cfg(test)]
mod chunks;
#[cfg(test)]
mod ends;
#[cfg(test)]
mod frames;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod greeting;
#[cfg(test)]
mod notifies;
#[cfg_attr(fuzzing, allow(dead_code))]
mod pair;
#[cfg(test)]
mod protocol_errors;
pub mod storm;

/// As many cases as told by `PROPTEST_CASES`, or so many. No files are kept of failures: the smallest
/// failing case is printed, and belongs among the dialogues as a test of its own.
#[cfg(test)]
fn proptest_config(cases: u32) -> proptest::test_runner::Config {
    let told = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    proptest::test_runner::Config {
        cases: told.unwrap_or(cases),
        failure_persistence: None,
        ..proptest::test_runner::Config::default()
    }
}
