//! This program's standard input and output, whatever they are: pipes, sockets, files, devices.

use crate::threads::blocking;
use std::fs::{File, FileType};
use std::io::{self, IoSlice, IsTerminal};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::net::unix::pipe::{Receiver, Sender};

/// This program's standard input and output as a stream.
#[derive(Debug)]
pub struct StdioStream {
    input: Input,
    output: Output,
}

#[derive(Debug)]
enum Input {
    Pipe(Receiver),
    /// Of any family: it is only read, by `read(2)`.
    Socket(UnixStream),
    File(tokio::fs::File),
}

#[derive(Debug)]
enum Output {
    Pipe(Sender),
    Socket(UnixStream),
    File(tokio::fs::File),
}

/// This program's standard input and output as a stream, for one that is started by another: by an `exec:` address, Node's
/// `spawn`, `socat`, `inetd`. Nothing else may be printed to standard output then.
///
/// Each of the two may be a pipe, a stream socket, a file, or a device such as `/dev/null`. Pipes and sockets are set to not
/// block, which others that share them with this program notice.
///
/// # Errors
/// When one of them is a terminal, as a person can type no frames, or a folder, or a socket of messages. The error says which
/// descriptor it is, and what it is. Also when the runtime was built without I/O.
///
/// # Panics
/// Outside a tokio runtime.
pub fn stdio() -> io::Result<StdioStream> {
    blocking::here();
    blocking::io()?;
    let input =
        Input::new(io::stdin().as_fd()).map_err(|error| named(error, "standard input (descriptor 0)"))?;
    let output =
        Output::new(io::stdout().as_fd()).map_err(|error| named(error, "standard output (descriptor 1)"))?;
    Ok(StdioStream { input, output })
}

fn named(error: io::Error, descriptor: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{descriptor} {error}"))
}

impl Input {
    fn new(descriptor: BorrowedFd<'_>) -> io::Result<Input> {
        let (kind, descriptor) = usable(descriptor)?;
        Ok(match kind {
            Kind::Pipe => Input::Pipe(Receiver::from_file(descriptor)?),
            Kind::Socket => Input::Socket(socket(descriptor)?),
            Kind::File => Input::File(descriptor.into()),
        })
    }
}

impl Output {
    fn new(descriptor: BorrowedFd<'_>) -> io::Result<Output> {
        let (kind, descriptor) = usable(descriptor)?;
        Ok(match kind {
            Kind::Pipe => Output::Pipe(Sender::from_file(descriptor)?),
            Kind::Socket => Output::Socket(socket(descriptor)?),
            Kind::File => Output::File(descriptor.into()),
        })
    }
}

enum Kind {
    Pipe,
    Socket,
    /// Never waits for another program, so that nothing tells when it is ready.
    File,
}

/// A descriptor of our own for it, and its kind.
///
/// # Errors
/// When it cannot carry a connection; the text completes "standard input …".
fn usable(descriptor: BorrowedFd<'_>) -> io::Result<(Kind, File)> {
    let is_terminal = descriptor.is_terminal();
    let descriptor = File::from(descriptor.try_clone_to_owned()?);
    let kind = descriptor.metadata()?.file_type();
    match unusable(kind, is_terminal).or_else(|| message_socket(kind, &descriptor)) {
        Some(what) => {
            let help =
                "mux needs a pipe, a stream socket or a file there: have another program start this one";
            Err(io::Error::new(io::ErrorKind::Unsupported, format!("is {what}; {help}")))
        }
        None if kind.is_fifo() => Ok((Kind::Pipe, descriptor)),
        None if kind.is_socket() => Ok((Kind::Socket, descriptor)),
        None => Ok((Kind::File, descriptor)),
    }
}

fn unusable(kind: FileType, is_terminal: bool) -> Option<&'static str> {
    if is_terminal {
        Some("a terminal")
    } else if kind.is_dir() {
        Some("a folder")
    } else {
        None
    }
}

/// What is read there in parts is lost in parts.
fn message_socket(kind: FileType, descriptor: &File) -> Option<&'static str> {
    let is_stream =
        || socket2::SockRef::from(descriptor).r#type().is_ok_and(|kind| kind == socket2::Type::STREAM);
    (kind.is_socket() && !is_stream()).then_some("a socket of messages, not of a stream")
}

fn socket(descriptor: File) -> io::Result<UnixStream> {
    let socket = net::UnixStream::from(std::os::fd::OwnedFd::from(descriptor));
    socket.set_nonblocking(true)?;
    UnixStream::from_std(socket)
}

impl StdioStream {
    /// Whether `is_own` holds for who made the sockets. Of pipes and files it is taken for granted.
    pub(super) fn is_of(&self, is_own: impl Fn(&UnixStream) -> bool) -> bool {
        let input = if let Input::Socket(socket) = &self.input { is_own(socket) } else { true };
        let output = if let Output::Socket(socket) = &self.output { is_own(socket) } else { true };
        input && output
    }
}

impl AsyncRead for StdioStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.input {
            Input::Pipe(input) => Pin::new(input).poll_read(cx, buffer),
            Input::Socket(input) => Pin::new(input).poll_read(cx, buffer),
            Input::File(input) => Pin::new(input).poll_read(cx, buffer),
        }
    }
}

impl Output {
    fn stream(&mut self) -> Pin<&mut (dyn AsyncWrite + Unpin)> {
        let stream: &mut (dyn AsyncWrite + Unpin) = match self {
            Output::Pipe(output) => output,
            Output::Socket(output) => output,
            Output::File(output) => output,
        };
        Pin::new(stream)
    }
}

impl AsyncWrite for StdioStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.output.stream().poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.output.stream().poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.output.stream().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.output.stream().poll_shutdown(cx)
    }
}
