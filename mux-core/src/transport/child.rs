//! A child process, over its standard input and output.

use std::ffi::OsString;
use std::io;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::Join;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// How long a child may take to end after its standard input did.
const GRACE: Duration = Duration::from_secs(5);

pub(crate) type ChildStream = Join<ChildStdout, ChildStdin>;

/// Starts the program. Its standard error stays that of this one.
pub(crate) fn spawn(command: &[OsString]) -> io::Result<(ChildStream, Child)> {
    let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let (Some(output), Some(input)) = (child.stdout.take(), child.stdin.take()) else {
        return Err(io::Error::other("the child has no standard input or output"));
    };
    Ok((tokio::io::join(output, input), child))
}

/// Waits for the child to end by itself, and kills it if it does not.
pub(crate) async fn reap(mut child: Child) {
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        // Fails where it has just ended.
        let _ = child.kill().await;
    }
}
