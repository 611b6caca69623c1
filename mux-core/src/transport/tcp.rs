//! TCP, without Nagle's delay, as a frame is a whole message and nothing follows it soon; and with little
//! waiting unsent in the kernel, as small frames queue behind that.

use crate::peer::Peer;
use std::io;
pub(super) use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

pub(super) async fn connect(host: &str, port: u16, until: Instant) -> io::Result<(TcpStream, Peer)> {
    prepare(timeout_at(until, TcpStream::connect((host, port))).await??)
}

pub(super) async fn bind(host: &str, port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((host, port)).await
}

pub(super) async fn accept(listener: &TcpListener) -> io::Result<(TcpStream, Peer)> {
    prepare(listener.accept().await?.0)
}

/// What the kernel takes beyond what it has sent, in bytes: enough to keep a fast network busy. Without a limit
/// megabytes of a large message stand before a small one that comes later.
#[cfg(any(target_os = "android", target_os = "linux"))]
const UNSENT: u32 = 128 << 10;

/// The same over the loopback device, where a round trip takes no time.
#[cfg(any(target_os = "android", target_os = "linux"))]
const LOOPBACK_UNSENT: u32 = 64 << 10;

/// What the kernel holds unread there, in bytes. Elsewhere that finds its own size, as a small one would limit a
/// long link.
#[cfg(any(target_os = "android", target_os = "linux"))]
const LOOPBACK_UNREAD: usize = 192 << 10;

fn prepare(stream: TcpStream) -> io::Result<(TcpStream, Peer)> {
    stream.set_nodelay(true)?;
    #[cfg(any(target_os = "android", target_os = "linux"))]
    keep_queues_short(&stream)?;
    let address = Some(format!("tcp://{}", stream.peer_addr()?));
    Ok((stream, Peer { address, ..Peer::default() }))
}

#[cfg(any(target_os = "android", target_os = "linux"))]
fn keep_queues_short(stream: &TcpStream) -> io::Result<()> {
    let socket = socket2::SockRef::from(stream);
    if !stream.peer_addr()?.ip().is_loopback() {
        return socket.set_tcp_notsent_lowat(UNSENT);
    }
    socket.set_tcp_notsent_lowat(LOOPBACK_UNSENT)?;
    socket.set_recv_buffer_size(LOOPBACK_UNREAD)
}
