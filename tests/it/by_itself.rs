//! Tests that need a process of their own, as what they are about is one for the process.

use std::process::Command;

/// Runs the test, named by its path, again in a process of its own, where this returns `true`.
pub(crate) fn is_by_itself(test: &str) -> bool {
    const BY_ITSELF: &str = "MUX_TEST_BY_ITSELF";
    if std::env::var_os(BY_ITSELF).is_some() {
        return true;
    }
    let mut again = Command::new(std::env::current_exe().unwrap());
    let done = again.args(["--exact", test]).env(BY_ITSELF, "").output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    assert!(String::from_utf8_lossy(&done.stdout).contains("1 passed"));
    false
}
