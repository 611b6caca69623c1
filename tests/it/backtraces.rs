//! Backtraces where the environment asks for them: so many a second, while message and place always arrive.

use crate::demo::{DemoClient, reach};
use mux::{Error, RemoteError};
use std::time::Instant;

/// Runs a test in a process of its own that captures backtraces.
fn with_backtraces(name: &str, test: impl Future<Output = ()>) {
    const ALONE: &str = "MUX_TEST_BACKTRACES";
    if std::env::var_os(ALONE).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        return runtime.unwrap().block_on(test);
    }
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command
        .args([name, "--exact"])
        .env(ALONE, "1")
        .env("RUST_LIB_BACKTRACE", "1")
        .env_remove("RUST_BACKTRACE");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said:.4000}");
}

/// Provokes `times` errors. All tell their message and place, and those that have a backtrace are few.
async fn provoke(client: &DemoClient, times: u32, error: impl AsyncFn(&DemoClient) -> RemoteError) {
    let begun = Instant::now();
    let mut captured = 0;
    for _ in 0..times {
        let remote = error(client).await;
        assert!(remote.message().contains("bad luck"), "{remote:#}");
        assert!(remote.location().unwrap().contains("demo.rs:"), "{remote:#}");
        let trace = remote.trace().expect("a backtrace or a line");
        if trace.starts_with("(backtrace left out") {
            continue;
        }
        captured += 1;
        let is_cut = !trace.contains("mux_core::") && !trace.contains("tokio::");
        assert!(is_cut && trace.contains("it::demo::"), "{trace}");
    }
    let allowed = 8 + 4 * (begun.elapsed().as_secs() as u32 + 1);
    assert!((1..=allowed).contains(&captured), "{captured} of {times}, where {allowed} are allowed");
}

#[test]
fn of_many_panics_few_have_a_backtrace_and_all_have_message_and_place() {
    with_backtraces(
        "backtraces::of_many_panics_few_have_a_backtrace_and_all_have_message_and_place",
        async {
            let reached = reach();
            provoke(&reached.client, 300, async |client| match client.panics("bad luck").await {
                Err(Error::Remote(remote)) => remote,
                other => panic!("{other:?}"),
            })
            .await;
        },
    );
}

#[test]
fn of_many_failures_few_have_a_backtrace_and_all_have_message_and_place() {
    with_backtraces(
        "backtraces::of_many_failures_few_have_a_backtrace_and_all_have_message_and_place",
        async {
            let reached = reach();
            provoke(&reached.client, 300, async |client| match client.import("/bad luck".into()).await {
                Err(Error::Remote(remote)) => remote,
                other => panic!("{other:?}"),
            })
            .await;
        },
    );
}
