//! The proof of the protocol: dialogues between two sessions, without a runtime, a clock or a socket.

mod answering;
mod asking;
mod breaches;
mod channels;
mod chunks;
mod ends;
mod frames;
mod golden;
mod greeting;
mod notifies;
mod pair;
mod purity;
mod storm;

/// As many cases as told by `PROPTEST_CASES`, or so many. No files are kept of failures: the smallest
/// failing case is printed, and belongs among the dialogues as a test of its own.
fn proptest_config(cases: u32) -> proptest::test_runner::Config {
    let told = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    proptest::test_runner::Config {
        cases: told.unwrap_or(cases),
        failure_persistence: None,
        ..proptest::test_runner::Config::default()
    }
}
