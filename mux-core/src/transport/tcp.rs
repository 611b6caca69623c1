//! TCP, without Nagle's delay: a frame is a whole message, and nothing follows it soon.

use crate::peer::Peer;
use std::io;
pub(super) use tokio::net::TcpListener;
use tokio::net::TcpStream;

pub(super) async fn connect(host: &str, port: u16) -> io::Result<(TcpStream, Peer)> {
    prepare(TcpStream::connect((host, port)).await?)
}

pub(super) async fn bind(host: &str, port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((host, port)).await
}

pub(super) async fn accept(listener: &TcpListener) -> io::Result<(TcpStream, Peer)> {
    prepare(listener.accept().await?.0)
}

fn prepare(stream: TcpStream) -> io::Result<(TcpStream, Peer)> {
    stream.set_nodelay(true)?;
    let address = Some(format!("tcp://{}", stream.peer_addr()?));
    Ok((stream, Peer { address, ..Peer::default() }))
}
