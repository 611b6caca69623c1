//! tonic over a stream that is there already.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::stream;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::{Connected, Router};
use tonic::transport::{Channel, Endpoint, Server};
use tower::service_fn;

use crate::Result;
use crate::address::Stream;

/// How HTTP/2 is set up.
pub trait Setup: 'static {
    fn endpoint() -> Endpoint {
        // Nobody looks the name up: the stream is there.
        Endpoint::from_static("http://localhost")
    }

    fn server() -> Server {
        Server::builder()
    }
}

/// tonic's defaults. A stream's window is 1 MiB at the server and 2 MiB at the client, a connection's 1 MiB and 5 MiB;
/// a frame has 16 KiB at most.
pub struct Defaults;

impl Setup for Defaults {}

/// For small answers beside large ones: what is in flight is what a ping waits for.
pub struct SmallWindows;

const STREAM: u32 = 256 << 10;
const CONNECTION: u32 = 1 << 20;

impl Setup for SmallWindows {
    fn endpoint() -> Endpoint {
        Defaults::endpoint().initial_stream_window_size(STREAM).initial_connection_window_size(CONNECTION)
    }

    fn server() -> Server {
        Defaults::server().initial_stream_window_size(STREAM).initial_connection_window_size(CONNECTION)
    }
}

/// For large messages alone: fewer headers, and fewer and larger writes.
pub struct LongFrames;

const FRAME: u32 = 1 << 20;

impl Setup for LongFrames {
    fn endpoint() -> Endpoint {
        Defaults::endpoint().max_frame_size(FRAME)
    }

    fn server() -> Server {
        Defaults::server().max_frame_size(FRAME)
    }
}

/// Connects with the one stream; a second connection cannot be had.
pub async fn connect<S: Stream>(endpoint: Endpoint, stream: S) -> Result<Channel> {
    let mut stream = Some(TokioIo::new(stream));
    let connector = service_fn(move |_| {
        let stream = stream.take().ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected));
        async { stream }
    });
    Ok(endpoint.connect_with_connector(connector).await?)
}

pub async fn serve<S: Stream>(router: Router, stream: S) -> Result<()> {
    let incoming = stream::iter([Ok::<_, Infallible>(Accepted(stream))]);
    Ok(router.serve_with_incoming(incoming).await?)
}

/// What tonic wants of a stream that it serves.
struct Accepted<S>(S);

impl<S> Connected for Accepted<S> {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl<S: Stream> AsyncRead for Accepted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl<S: Stream> AsyncWrite for Accepted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}
