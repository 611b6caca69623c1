//! A Unix socket that wakes its connection only when there is something to read.
//!
//! tokio's own registers for both directions. Whenever a peer reads, the kernel tells a Unix socket that
//! there is room again, asked or not, which wakes the runtime once more a message for nothing (TCP tells
//! only who has run out of room). Here room is watched only while there is none.

use socket2::SockRef;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::runtime::Handle;
use tokio::time::Sleep;

/// `send(2)`: a peer that is gone is an error and no signal. (As tokio's own do, a write that waited for room
/// leaves that to Rust, which ignores the signal.)
const NO_SIGNAL: i32 = 0x4000;

/// Batches in a row that found room at once before it is no longer watched. Bulk runs out of it in every
/// second batch, and registering each time costs it a sixth.
const CALM: u8 = 64;

/// Between two writes, where room cannot be watched.
const PAUSE: Duration = Duration::from_millis(1);

pub(crate) struct QuietStream {
    /// Where room is watched, whoever's thread finds none.
    runtime: Handle,
    /// The socket, of which tokio knows as of a pipe's reading end: it is read as such.
    socket: Receiver,
    /// The same as a pipe's writing end, since a write found no room.
    room: Option<Sender>,
    /// Batches since.
    calm: u8,
    /// There was no descriptor to watch it by.
    pause: Option<Pin<Box<Sleep>>>,
}

impl QuietStream {
    pub(crate) fn new(stream: UnixStream) -> io::Result<QuietStream> {
        let socket = Receiver::from_owned_fd_unchecked(stream.into_std()?.into())?;
        Ok(QuietStream { runtime: Handle::current(), socket, room: None, calm: 0, pause: None })
    }

    fn send(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        SockRef::from(&self.socket).send_vectored_with_flags(slices, NO_SIGNAL)
    }

    /// Waits for room.
    fn poll_send(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let runtime = self.runtime.clone();
        let _entered = runtime.enter();
        self.calm = 0;
        if self.room.is_none() {
            let watched = self.socket.as_fd().try_clone_to_owned().and_then(Sender::from_owned_fd_unchecked);
            self.room = watched.ok();
            self.pause = None;
        }
        match &mut self.room {
            Some(room) => Pin::new(room).poll_write_vectored(cx, slices),
            None => self.poll_pause(cx),
        }
    }

    /// Comes back in a moment: where descriptors have run out, connections that there are go on.
    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let pause = self.pause.insert(Box::pin(tokio::time::sleep(PAUSE)));
        if pause.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl AsyncRead for QuietStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buffer)
    }
}

impl AsyncWrite for QuietStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.send(slices) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.poll_send(cx, slices),
            sent => Poll::Ready(sent),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Nothing is held back: this is the end of a batch.
    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.calm = self.calm.saturating_add(1);
        if self.calm >= CALM {
            self.room = None;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(&self.socket).shutdown(Shutdown::Write))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::fd::{AsRawFd, RawFd};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn pair() -> (QuietStream, UnixStream) {
        let (here, there) = UnixStream::pair().unwrap();
        (QuietStream::new(here).unwrap(), there)
    }

    /// Whether the kernel was asked to tell of room on `socket`; see `proc_pid_fdinfo(5)`.
    fn is_watched_for_room(socket: RawFd) -> bool {
        const EPOLLOUT: u32 = 0x4;
        let infos = fs::read_dir("/proc/self/fdinfo").unwrap();
        let infos = infos.filter_map(|file| fs::read_to_string(file.unwrap().path()).ok());
        let lines: Vec<String> =
            infos.flat_map(|info| info.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
        let watched = lines.iter().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let mut events = watched.filter_map(|words| match words[..] {
            ["tfd:", fd, "events:", events, ..] if fd == socket.to_string() => {
                u32::from_str_radix(events, 16).ok()
            }
            _ => None,
        });
        events.any(|events| events & EPOLLOUT != 0)
    }

    /// Writes until there is no room; how much that was.
    async fn fill(stream: &mut QuietStream) -> usize {
        let mut written = 0;
        while stream.room.is_none() {
            written += tokio::select! {
                biased;
                count = stream.write(&[7; 4096]) => count.unwrap(),
                () = std::future::ready(()) => 0,
            };
        }
        written
    }

    #[tokio::test]
    async fn the_kernel_is_not_asked_to_tell_of_room() {
        let (mut here, mut there) = pair();
        here.write_all(b"question").await.unwrap();
        let mut read = [0; 8];
        there.read_exact(&mut read).await.unwrap();
        assert!(is_watched_for_room(there.as_raw_fd()), "tokio's own is");
        assert!(!is_watched_for_room(here.socket.as_raw_fd()));
    }

    #[tokio::test]
    async fn a_write_that_finds_no_room_goes_on_when_there_is_some() {
        let (mut here, mut there) = pair();
        let written = fill(&mut here).await;
        assert!(is_watched_for_room(here.room.as_ref().unwrap().as_raw_fd()));
        let reading = tokio::spawn(async move {
            let mut all = vec![0; written + 3];
            there.read_exact(&mut all).await.unwrap();
            (all, there)
        });
        here.write_all(b"end").await.unwrap();
        let (all, _there) = reading.await.unwrap();
        assert_eq!(&all[written..], b"end");
    }

    #[tokio::test]
    async fn room_is_watched_no_more_once_there_is_enough() {
        let (mut here, mut there) = pair();
        let written = fill(&mut here).await;
        there.read_exact(&mut vec![0; written]).await.unwrap();
        for _ in 0..CALM {
            here.write_all(b"batch").await.unwrap();
            here.flush().await.unwrap();
        }
        assert!(here.room.is_none());
    }

    #[tokio::test]
    async fn without_a_descriptor_left_a_write_goes_on_all_the_same() {
        const FEW: &str = "MUX_TEST_WITH_FEW_DESCRIPTORS";
        if std::env::var_os(FEW).is_none() {
            let test = "transport::quiet::tests::without_a_descriptor_left_a_write_goes_on_all_the_same";
            let mut again = std::process::Command::new("sh");
            again.args(["-c", "ulimit -n 64; exec \"$0\" \"$@\""]).arg(std::env::current_exe().unwrap());
            let done = again.args(["--exact", test]).env(FEW, "").output().unwrap();
            let said = String::from_utf8_lossy(&done.stdout);
            assert!(done.status.success() && said.contains("1 passed"), "{said}");
            return;
        }
        let (mut here, mut there) = pair();
        let _all: Vec<_> = std::iter::from_fn(|| fs::File::open("/dev/null").ok()).collect();
        let large = vec![7; 4 << 20];
        let reading = tokio::spawn(async move { there.read_exact(&mut vec![0; 4 << 20]).await });
        here.write_all(&large).await.unwrap();
        assert!(here.room.is_none() && here.pause.is_some());
        reading.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn an_end_is_told_in_both_directions() {
        let (mut here, mut there) = pair();
        here.write_all(b"last").await.unwrap();
        here.shutdown().await.unwrap();
        let mut all = Vec::new();
        there.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"last");
        drop(there);
        assert_eq!(here.read(&mut [0; 8]).await.unwrap(), 0);
        let gone = here.write(b"more").await.unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::BrokenPipe);
    }
}
