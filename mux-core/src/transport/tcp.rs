//! TCP, without Nagle's delay, as a frame is a whole message and nothing follows it soon; and with little
//! waiting unsent in the kernel, as small frames queue behind that.

use super::happy_eyeballs;
use crate::api::peer::Peer;
use crate::transport::{Address, Connector, Listener};
use std::io;
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};

/// Connects to `host`, which is an address, or a name with several of them: those are tried as [`happy_eyeballs`] has it.
pub(crate) struct TcpConnector<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    pub(crate) until: Instant,
}

impl Connector for TcpConnector<'_> {
    type Stream = TcpStream;

    async fn connect(&self) -> io::Result<(TcpStream, Peer)> {
        let TcpConnector { host, port, until } = *self;
        if let Ok(ip) = host.parse() {
            let connecting = timeout_at(until, connect_to(SocketAddr::new(ip, port)));
            return connecting.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        }
        let Ok(addresses) = timeout_at(until, lookup_host((host, port))).await else {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "timed out: the name was not resolved"));
        };
        let addresses = happy_eyeballs::interleave(addresses?);
        happy_eyeballs::connect(addresses, until, connect_to).await
    }
}

async fn connect_to(address: SocketAddr) -> io::Result<(TcpStream, Peer)> {
    prepare(TcpStream::connect(address).await?)
}

pub(crate) async fn bind(host: &str, port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((host, port)).await
}

/// Its streams have no delay by Nagle's algorithm and short queues in the kernel, as those of an address of TCP.
impl Listener for TcpListener {
    type Incoming = (TcpStream, Peer);

    fn addresses(&self) -> Vec<Address> {
        self.local_addr().map(Address::from).into_iter().collect()
    }

    async fn accept(&mut self) -> io::Result<(TcpStream, Peer)> {
        prepare(TcpListener::accept(self).await?.0)
    }

    /// Also those of which the runtime has not heard. One that comes behind the last of these is reset, as no system closes
    /// a queue for newcomers alone.
    fn close(self) -> impl Iterator<Item = (TcpStream, Peer)> + Send {
        let listener = self.into_std().ok();
        let accepted = std::iter::from_fn(move || listener.as_ref()?.accept().ok());
        accepted.filter_map(|(stream, _)| {
            stream.set_nonblocking(true).ok()?;
            prepare(TcpStream::from_std(stream).ok()?).ok()
        })
    }
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
    let address = stream.peer_addr()?;
    let peer = Peer::new().with_address(format!("tcp://{address}")).with_ip(address.ip());
    Ok((stream, peer))
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

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::net::TcpSocket;

    /// A listener whose queue is full: Linux drops what is sent to it, as a broken route does. The streams fill it.
    async fn black_hole() -> (TcpListener, SocketAddr, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queued = Vec::new();
        let patience = Duration::from_millis(50);
        while let Ok(stream) = tokio::time::timeout(patience, TcpStream::connect(address)).await {
            queued.push(stream.unwrap());
        }
        (listener, address, queued)
    }

    /// Connections that are opened while the runtime hears of nothing.
    #[tokio::test]
    async fn a_listener_that_closes_gives_those_who_have_just_come() {
        let listener = bind("127.0.0.1", 0).await.unwrap();
        let address = listener.local_addr().unwrap();
        let _streams = [(); 3].map(|()| std::net::TcpStream::connect(address).unwrap());
        assert_eq!(listener.close().count(), 3);
    }

    #[tokio::test]
    async fn an_address_that_swallows_packets_does_not_hide_one_that_answers() {
        let (_listener, dead, _queued) = black_hole().await;
        let live = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = live.local_addr().unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        let (_stream, peer) = happy_eyeballs::connect(vec![dead, address], until, connect_to).await.unwrap();
        assert_eq!(peer.address, Some(format!("tcp://{address}")));
    }
}
