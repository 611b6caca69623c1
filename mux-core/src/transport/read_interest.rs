//! A Unix socket that wakes its connection only when there is something to read, while little goes out.
//!
//! tokio's own registers for both directions. Whenever a peer reads, the kernel tells a Unix socket that
//! there is room again, asked or not, which wakes the runtime once more a message for nothing (TCP tells
//! only who has run out of room).

use socket2::SockRef;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::net::unix::pipe::Receiver;
use tokio::runtime::Handle;

/// `send(2)`: a peer that is gone is an error and no signal.
const NO_SIGNAL: i32 = 0x4000;

/// What makes a batch a small one, in bytes. While larger ones go out, to be woken as the peer begins to read is worth
/// it: this processor is awake then when the answers come.
const SMALL_BATCH: usize = 640;

/// Small batches in a row before the socket is registered for reading alone again, as that costs more than a batch.
const SMALL_BATCHES: u8 = 64;

pub(crate) struct ReadInterestStream {
    /// Where it is registered, whoever's thread writes.
    runtime: Handle,
    /// There but while its registration changes.
    socket: Option<Socket>,
    /// Small batches in a row.
    small_batches: u8,
}

enum Socket {
    /// Registered for reading, of which tokio knows as of a pipe's reading end: it is read as such.
    ForReading(Receiver),
    Both(UnixStream),
}

impl ReadInterestStream {
    pub(crate) fn new(stream: UnixStream) -> io::Result<ReadInterestStream> {
        let socket = Some(Socket::for_reading(stream)?);
        Ok(ReadInterestStream { runtime: Handle::current(), socket, small_batches: 0 })
    }

    /// Registers the socket anew, of which the driver's next look at it has to know.
    fn change(
        &mut self,
        cx: &mut Context<'_>,
        change: impl FnOnce(Socket) -> io::Result<Socket>,
    ) -> io::Result<()> {
        let _entered = self.runtime.enter();
        self.socket = self.socket.take().map(change).transpose()?;
        cx.waker().wake_by_ref();
        Ok(())
    }

    fn poll_socket<T>(
        &mut self,
        poll: impl FnOnce(&mut Socket) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match &mut self.socket {
            Some(socket) => poll(socket),
            // It could not be registered.
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl Socket {
    fn for_reading(stream: UnixStream) -> io::Result<Socket> {
        Ok(Socket::ForReading(Receiver::from_owned_fd_unchecked(stream.into_std()?.into())?))
    }

    fn both(self) -> io::Result<Socket> {
        match self {
            Socket::ForReading(socket) => {
                let socket: OwnedFd = socket.into_nonblocking_fd()?;
                Ok(Socket::Both(UnixStream::from_std(net::UnixStream::from(socket))?))
            }
            both => Ok(both),
        }
    }
}

impl AsyncRead for ReadInterestStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_socket(|socket| match socket {
            Socket::ForReading(socket) => Pin::new(socket).poll_read(cx, buffer),
            Socket::Both(socket) => Pin::new(socket).poll_read(cx, buffer),
        })
    }
}

impl AsyncWrite for ReadInterestStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let len: usize = slices.iter().map(|slice| slice.len()).sum();
        if len > SMALL_BATCH {
            self.small_batches = 0;
        }
        if let Some(Socket::ForReading(socket)) = &self.socket {
            if len <= SMALL_BATCH {
                match SockRef::from(socket).send_vectored_with_flags(slices, NO_SIGNAL) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.small_batches = 0,
                    sent => return Poll::Ready(sent),
                }
            }
            self.change(cx, Socket::both)?;
        }
        self.poll_socket(|socket| match socket {
            Socket::ForReading(_) => Poll::Pending,
            Socket::Both(socket) => Pin::new(socket).poll_write_vectored(cx, slices),
        })
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Nothing is held back: this is the end of a batch.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.small_batches = self.small_batches.saturating_add(1);
        if self.small_batches > SMALL_BATCHES && matches!(self.socket, Some(Socket::Both(_))) {
            self.change(cx, |socket| match socket {
                Socket::Both(socket) => Socket::for_reading(socket),
                for_reading => Ok(for_reading),
            })?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_socket(|socket| {
            Poll::Ready(match socket {
                Socket::ForReading(socket) => SockRef::from(&*socket).shutdown(Shutdown::Write),
                Socket::Both(socket) => SockRef::from(&*socket).shutdown(Shutdown::Write),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::fd::{AsRawFd, RawFd};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn pair() -> (ReadInterestStream, UnixStream) {
        let (here, there) = UnixStream::pair().unwrap();
        (ReadInterestStream::new(here).unwrap(), there)
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

    fn fd(stream: &ReadInterestStream) -> RawFd {
        match stream.socket.as_ref().unwrap() {
            Socket::ForReading(socket) => socket.as_raw_fd(),
            Socket::Both(socket) => socket.as_raw_fd(),
        }
    }

    /// Writes little by little until there is no room; how much that was.
    async fn fill(stream: &mut ReadInterestStream) -> usize {
        let mut written = 0;
        while let Some(Socket::ForReading(_)) = stream.socket {
            written += tokio::select! {
                biased;
                count = stream.write(&[7; SMALL_BATCH]) => count.unwrap(),
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
        assert!(!is_watched_for_room(fd(&here)));
    }

    #[tokio::test]
    async fn a_write_that_finds_no_room_goes_on_when_there_is_some() {
        let (mut here, mut there) = pair();
        let written = fill(&mut here).await;
        assert!(is_watched_for_room(fd(&here)));
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
    async fn it_is_registered_for_reading_alone_again_once_little_goes_out() {
        let (mut here, mut there) = pair();
        here.write_all(&[7; SMALL_BATCH + 1]).await.unwrap();
        assert!(is_watched_for_room(fd(&here)));
        for _ in 0..=SMALL_BATCHES {
            here.write_all(b"batch").await.unwrap();
            here.flush().await.unwrap();
        }
        assert!(!is_watched_for_room(fd(&here)));
        there.read_exact(&mut [0; SMALL_BATCH + 1]).await.unwrap();
    }

    #[tokio::test]
    async fn who_waits_to_read_is_woken_however_it_is_registered() {
        let (mut here, mut there) = pair();
        for len in [1, SMALL_BATCH + 1].into_iter().cycle().take(200) {
            let reading = here.read_u8();
            there.write_u8(7).await.unwrap();
            assert_eq!(reading.await.unwrap(), 7);
            here.write_all(&vec![0; len]).await.unwrap();
            here.flush().await.unwrap();
            there.read_exact(&mut vec![0; len]).await.unwrap();
        }
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
