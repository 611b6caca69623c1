//! A child process, over its standard input and output.

use crate::api::peer::Peer;
use crate::transport::{Address, Connector};
use std::ffi::OsString;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, Join, ReadBuf};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::runtime::Handle;

/// How long a child may take to end after its standard input did.
const GRACE: Duration = Duration::from_secs(5);

pub(super) type Pipes = Join<ChildStdout, ChildStdin>;

/// Starts a program. Its standard error stays that of this one.
pub(crate) struct ChildConnector<'a>(pub(crate) &'a [OsString]);

impl Connector for ChildConnector<'_> {
    type Stream = ChildStream;

    async fn connect(&self) -> io::Result<(ChildStream, Peer)> {
        let address = Address::Exec(self.0.to_vec()).to_string();
        Ok((ChildStream::spawn(self.0)?, Peer::new().with_address(address).with_same_user(true)))
    }
}

/// A child's standard input and output. Once they are closed the child has to end by itself, or is killed.
pub(crate) struct ChildStream {
    pipes: Pipes,
    child: Option<Child>,
    runtime: Handle,
}

impl ChildStream {
    fn spawn(command: &[OsString]) -> io::Result<ChildStream> {
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
        Ok(ChildStream {
            pipes: tokio::io::join(output, input),
            child: Some(child),
            runtime: Handle::current(),
        })
    }
}

impl Drop for ChildStream {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            // A runtime that ends drops the task, and the child is killed.
            self.runtime.spawn(reap(child));
        }
    }
}

async fn reap(mut child: Child) {
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        // Fails where it has just ended.
        let _ = child.kill().await;
    }
}

impl AsyncRead for ChildStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipes).poll_read(cx, buffer)
    }
}

impl AsyncWrite for ChildStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.pipes).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.pipes).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.pipes.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipes).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipes).poll_shutdown(cx)
    }
}
